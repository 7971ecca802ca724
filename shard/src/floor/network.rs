//! Network floor: a ring that only moves bytes, and a client that waits for them.

use crate::config::Idle;
use crate::probe::StartError;
use crate::sys::host::{self, WakeUp};
use crate::sys::operation::{Held, Operation, SocketSlot};
use crate::sys::ring::{Completion, Ring, RingSetup};
use crate::sys::socket::{Sharing, listen};
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;

const SPIN_NS_MAX: u64 = 50_000;

/// How far a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hops {
    /// Back to who sent it.
    One,
    /// On to the other of two connections: half of a request-reply.
    Two,
}

/// A floor that serves, until it is stopped.
#[derive(Debug)]
pub struct FloorServer {
    address: SocketAddr,
    wake_up: Arc<WakeUp>,
    thread: JoinHandle<()>,
}

impl FloorServer {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it and waits for its end.
    pub fn stop(self) {
        self.wake_up.ring();
        let _panicked = self.thread.join();
    }
}

/// Starts a floor on its own thread, on `core` if one is named.
///
/// # Errors
/// No ring or no socket can be made.
pub fn serve(hops: Hops, idle: Idle, core: Option<usize>) -> Result<FloorServer, StartError> {
    start(core, move |listener, stop| run(hops, idle, listener, stop))
}

/// Starts a loop on its own thread, with a listener and what stops it.
pub(super) fn start(
    core: Option<usize>,
    run: impl FnOnce(Arc<TcpListener>, Arc<WakeUp>) + Send + 'static,
) -> Result<FloorServer, StartError> {
    crate::probe::host()?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let listener =
        listen(address, Sharing::Alone).map_err(|errno| StartError::Listen { address, errno })?;
    let address = listener.local_addr().unwrap_or(address);
    let wake_up = WakeUp::new().map_err(|errno| StartError::Kernel { what: "eventfd", errno })?;
    let wake_up = Arc::new(wake_up);
    let stop = Arc::clone(&wake_up);
    let thread = crate::process::spawn("floor", move || {
        if let Some(core) = core {
            core_affinity::set_for_current(core_affinity::CoreId { id: core });
        }
        run(Arc::new(listener), stop);
    });
    let errno = |error: std::io::Error| error.raw_os_error().unwrap_or(libc::EAGAIN);
    let thread = thread
        .map_err(|error| StartError::Kernel { what: "starting a thread", errno: errno(error) })?;
    Ok(FloorServer { address, wake_up, thread })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tag {
    Accept,
    Stop,
    Receive(usize),
    Send(usize),
}

#[derive(Debug)]
struct Peer {
    socket: SocketSlot,
    queued: Vec<u8>,
    /// Memory of the send before; `None` while one is in flight.
    spare: Option<Vec<u8>>,
}

fn run(hops: Hops, idle: Idle, listener: Arc<TcpListener>, stop: Arc<WakeUp>) {
    let setup = RingSetup {
        entries: 1024,
        sockets: 64,
        buffer_count: 256,
        buffer_bytes: 64 << 10,
        housekeeping_core: None,
    };
    let mut ring = Ring::new(setup).expect("the host was probed");
    ring.push(Tag::Accept, Operation::Accept(listener));
    ring.push(Tag::Stop, Operation::Watch(stop));
    let mut peers: Vec<Peer> = Vec::new();
    let mut completions = Vec::new();
    loop {
        wait(&mut ring, idle);
        ring.reap(&mut completions, 256);
        for completion in completions.drain(..) {
            if completion.tag == Tag::Stop {
                return;
            }
            take(completion, hops, &mut ring, &mut peers);
        }
        for (number, peer) in peers.iter_mut().enumerate() {
            if !peer.queued.is_empty()
                && let Some(spare) = peer.spare.take()
            {
                let bytes = std::mem::replace(&mut peer.queued, spare);
                ring.push(
                    Tag::Send(number),
                    Operation::Send { socket: peer.socket, bytes, from: 0 },
                );
            }
        }
    }
}

fn take(completion: Completion<Tag>, hops: Hops, ring: &mut Ring<Tag>, peers: &mut Vec<Peer>) {
    match completion.tag {
        Tag::Stop => {}
        Tag::Accept => {
            let Ok(slot) = u32::try_from(completion.result) else { return };
            let socket = SocketSlot(slot);
            ring.push(Tag::Receive(peers.len()), Operation::Receive(socket));
            peers.push(Peer { socket, queued: Vec::new(), spare: Some(Vec::new()) });
        }
        Tag::Receive(from) => {
            if let Some(received) = completion.received {
                let to = if hops == Hops::One { from } else { from ^ 1 };
                if let Some(peer) = peers.get_mut(to) {
                    peer.queued.extend_from_slice(ring.bytes(&received));
                }
                ring.give_back(received);
            }
            let has_ended = completion.result == 0;
            if !completion.more && !has_ended {
                ring.push(Tag::Receive(from), Operation::Receive(peers[from].socket));
            }
        }
        Tag::Send(to) => {
            if let Held::Sent(mut bytes, _) = completion.held {
                bytes.clear();
                peers[to].spare = Some(bytes);
            }
        }
    }
}

/// Starts what is queued and waits for a completion, as `idle` says.
pub(super) fn wait<T: Copy>(ring: &mut Ring<T>, idle: Idle) {
    if idle == Idle::Block {
        return ring.wait(None);
    }
    if ring.has_queued() {
        ring.submit();
    }
    let until_ns = if idle == Idle::Spin { u64::MAX } else { host::mono_ns() + SPIN_NS_MAX };
    let mut polls = 0_u32;
    while !ring.has_completions() {
        if ring.wants_enter() {
            ring.submit();
            continue;
        }
        std::hint::spin_loop();
        polls = polls.wrapping_add(1);
        if polls.is_multiple_of(64) && until_ns != u64::MAX && host::mono_ns() > until_ns {
            return ring.wait(None);
        }
    }
}

/// What to measure.
#[derive(Clone, Copy, Debug)]
pub struct RoundTrips {
    /// Whom to ask.
    pub address: SocketAddr,
    /// With `Two`, the client holds both connections and answers itself.
    pub hops: Hops,
    /// Poll for answers instead of sleeping.
    pub spin: bool,
    /// Messages before the first that counts.
    pub warm_up: usize,
    /// Messages that count.
    pub count: usize,
}

/// Sends `message` again and again, one outstanding; the span of each round trip in nanoseconds.
///
/// # Errors
/// The connection breaks.
pub fn round_trips(order: &RoundTrips, message: &[u8]) -> std::io::Result<Vec<u64>> {
    // The first connection is where messages of the second go to.
    let mut responder = connect(order)?;
    let mut requester = connect(order)?;
    if order.hops == Hops::Two {
        // Both are known to the server, in this order, once each has carried a message to the other.
        responder.write_all(message)?;
        read_whole(&mut requester, &mut vec![0; message.len()])?;
    }
    let mut answer = vec![0; message.len()];
    let mut spans_ns = Vec::with_capacity(order.count);
    for number in 0..order.warm_up + order.count {
        let start_ns = host::mono_ns();
        requester.write_all(message)?;
        if order.hops == Hops::Two {
            read_whole(&mut responder, &mut answer)?;
            responder.write_all(&answer)?;
        }
        read_whole(&mut requester, &mut answer)?;
        if number >= order.warm_up {
            spans_ns.push(host::mono_ns() - start_ns);
        }
    }
    Ok(spans_ns)
}

fn connect(order: &RoundTrips) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(order.address)?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(order.spin)?;
    Ok(stream)
}

fn read_whole(stream: &mut TcpStream, into: &mut [u8]) -> std::io::Result<()> {
    let mut length = 0;
    while length < into.len() {
        match stream.read(&mut into[length..]) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(bytes) => length += bytes,
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::hint::spin_loop(),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
