//! Proxy: a network between a client and a node, with weather.
//!
//! ```text
//!   client <--> [ bytes in pieces, late, together; cut at any byte; swallowed ] <--> node
//! ```
//!
//! Two threads carry a connection's bytes, one each way. A connection that is
//! *lost* stays open on both sides and carries nothing more: half-open for both.

use sim::random::Random;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::thread::park_timeout;
use std::time::Duration;

/// Bytes carried at once.
const CARRY_BYTES: usize = 64 << 10;

/// What happens to connections that are made from now on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Weather {
    /// Each direction is cut after up to so many bytes; 0: never.
    pub(crate) cut_bytes_max: u64,
    /// Bytes are written in pieces of up to so many; 0: as they come.
    pub(crate) piece_bytes_max: u64,
    /// Each piece is late by up to so many milliseconds.
    pub(crate) delay_ms_max: u64,
    /// Bytes are held back until so many are together, or none comes for a moment; 0: not.
    pub(crate) together_bytes: usize,
}

#[expect(clippy::disallowed_types, reason = "a test's proxy is threads, not a shard")]
type Lock<T> = std::sync::Mutex<T>;

#[derive(Debug)]
struct Shared {
    target: Lock<String>,
    weather: Lock<Weather>,
    random: Lock<Random>,
    wires: Lock<Vec<Arc<Wire>>>,
    cuts: AtomicU64,
    closing: AtomicBool,
}

/// A connection: the client's end and the node's.
#[derive(Debug)]
struct Wire {
    client: TcpStream,
    node: TcpStream,
    lost: AtomicBool,
}

/// The network at work; connections through it end with it.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: String,
    shared: Arc<Shared>,
}

fn locked<T>(lock: &Lock<T>) -> std::sync::MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Proxy {
    /// Listens on `listen` and leads to `target`, in fair weather.
    pub(crate) fn start(listen: &str, target: &str) -> Self {
        let listener = TcpListener::bind(listen).expect("a free address");
        let address = listener.local_addr().expect("an address").to_string();
        let shared = Arc::new(Shared {
            target: Lock::new(target.to_owned()),
            weather: Lock::default(),
            random: Lock::new(Random::new(shard::process::random_u64())),
            wires: Lock::default(),
            cuts: AtomicU64::new(0),
            closing: AtomicBool::new(false),
        });
        let doorman = Arc::clone(&shared);
        spawn(move || doorman.accept(&listener));
        Self { address, shared }
    }

    /// `host:port` to connect to.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// New connections go there.
    pub(crate) fn lead_to(&self, target: &str) {
        target.clone_into(&mut locked(&self.shared.target));
    }

    /// Weather of the connections made from now on.
    pub(crate) fn weather(&self, weather: Weather) {
        *locked(&self.shared.weather) = weather;
    }

    /// Connections that were cut so far.
    pub(crate) fn cuts(&self) -> u64 {
        self.shared.cuts.load(Ordering::Relaxed)
    }

    /// Loses every connection there is: nobody is told, nothing arrives any more. New ones are fine.
    pub(crate) fn lose_all(&self) -> usize {
        let wires = locked(&self.shared.wires);
        wires.iter().filter(|wire| !wire.lost.swap(true, Ordering::Relaxed)).count()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::Relaxed);
        // Wakes the doorman; it may be gone.
        let _ = TcpStream::connect(&self.address);
        locked(&self.shared.wires).drain(..).for_each(|wire| wire.cut());
    }
}

impl Shared {
    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for client in listener.incoming() {
            if self.closing.load(Ordering::Relaxed) {
                return;
            }
            let target: Option<SocketAddr> = locked(&self.target).parse().ok();
            let Ok(client) = client else { continue };
            // A node that is down refuses; so does its address here.
            let Some(Ok(node)) = target.map(TcpStream::connect) else { continue };
            let nodelay = [client.set_nodelay(true), node.set_nodelay(true)];
            if nodelay.iter().any(Result::is_err) {
                continue;
            }
            let wire = Arc::new(Wire { client, node, lost: AtomicBool::new(false) });
            locked(&self.wires).push(Arc::clone(&wire));
            for to_node in [true, false] {
                let (shared, wire) = (Arc::clone(self), Arc::clone(&wire));
                let carrier = shared.carrier();
                spawn(move || {
                    shared
                        .cuts
                        .fetch_add(u64::from(carrier.carry(&wire, to_node)), Ordering::Relaxed);
                });
            }
        }
    }

    fn carrier(&self) -> Carrier {
        let (weather, mut random) = (*locked(&self.weather), locked(&self.random));
        let left = match weather.cut_bytes_max {
            0 => u64::MAX,
            bytes => random.between(1, bytes),
        };
        Carrier { weather, left, random: Random::new(random.next()) }
    }
}

/// One direction of a connection.
struct Carrier {
    weather: Weather,
    /// Bytes until it is cut.
    left: u64,
    random: Random,
}

impl Carrier {
    /// Carries bytes until an end or the cut; whether it was the cut.
    fn carry(mut self, wire: &Wire, to_node: bool) -> bool {
        let (mut from, mut to) =
            if to_node { (&wire.client, &wire.node) } else { (&wire.node, &wire.client) };
        let mut bytes = vec![0; CARRY_BYTES];
        loop {
            let count = match from.read(&mut bytes) {
                Ok(count) if count > 0 => self.gather(from, &mut bytes, count),
                _ended => {
                    if !wire.lost.load(Ordering::Relaxed) {
                        // It may be closed already.
                        let _ = to.shutdown(Shutdown::Write);
                    }
                    return false;
                }
            };
            if wire.lost.load(Ordering::Relaxed) {
                continue;
            }
            let allowed = usize::try_from(self.left).map_or(count, |left| left.min(count));
            self.left -= allowed as u64;
            if self.write(&mut to, &bytes[..allowed]).is_err() || self.left == 0 {
                wire.cut();
                return self.left == 0;
            }
        }
    }

    /// Waits for more to come if bytes are to arrive together.
    fn gather(&self, mut from: &TcpStream, bytes: &mut [u8], mut count: usize) -> usize {
        let wanted = self.weather.together_bytes.min(bytes.len());
        while count < wanted {
            from.set_read_timeout(Some(Duration::from_millis(3))).expect("a timeout above 0");
            match from.read(&mut bytes[count..]) {
                Ok(more) if more > 0 => count += more,
                _nothing => break,
            }
        }
        from.set_read_timeout(None).expect("none is always fine");
        count
    }

    fn write(&mut self, to: &mut &TcpStream, mut bytes: &[u8]) -> std::io::Result<()> {
        while !bytes.is_empty() {
            let piece = match self.weather.piece_bytes_max {
                0 => bytes.len(),
                most => {
                    usize::try_from(self.random.between(1, most)).map_or(1, |n| n.min(bytes.len()))
                }
            };
            if self.weather.delay_ms_max > 0 {
                let delay_us = self.random.below(self.weather.delay_ms_max * 1000);
                park_timeout(Duration::from_micros(delay_us));
            }
            to.write_all(&bytes[..piece])?;
            bytes = &bytes[piece..];
        }
        Ok(())
    }
}

impl Wire {
    fn cut(&self) {
        // Either may be closed already.
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.node.shutdown(Shutdown::Both);
    }
}

fn spawn(work: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().spawn(work).expect("a thread");
}
