//! Driver: moves bytes and time for a session, on the caller's thread.
//!
//! One turn: connect what is due, let the session write, send, receive. With one
//! connection a request costs one send and one receive: the receive itself sleeps,
//! with the socket's timeout. With several, or with bytes left to send, the thread
//! sleeps in `ppoll`. Spinning never sleeps. Sockets stay in blocking mode; every
//! call that must not sleep says so itself (`MSG_DONTWAIT`).

use crate::clock::{Clock, nanoseconds, seed};
use crate::config::{ClientConfig, Waiting};
use crate::session::Session;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// Bytes move at least so often while a caller takes what is there already, in nanoseconds.
const TURN_EVERY_NS: u64 = 1_000_000;
/// Waits shorter than this sleep in `ppoll`, which is exact; in nanoseconds.
const EXACT_WAIT_NS_MAX: u64 = 8_000_000;

/// One open socket.
#[derive(Debug)]
struct Socket {
    stream: TcpStream,
    /// Of the session's connection it belongs to.
    generation: u64,
    /// The receive timeout in force, in milliseconds; 0: none set.
    timeout_ms: u64,
    /// It did not take everything: it is not asked again before the next turn.
    is_full: bool,
}

/// Moves bytes for one session.
#[derive(Debug)]
pub(crate) struct Driver {
    /// The state machine.
    pub(crate) session: Session,
    clock: Clock,
    sockets: Vec<Option<Socket>>,
    /// Grows with everything received.
    received_bytes: u64,
    /// When bytes moved last, monotonic.
    moved_ns: u64,
}

impl Driver {
    /// A driver that has done nothing yet.
    pub(crate) fn new(config: ClientConfig) -> Self {
        let clock = Clock::new();
        let session = Session::new(config, seed(), clock.now());
        Self { session, clock, sockets: Vec::new(), received_bytes: 0, moved_ns: 0 }
    }

    /// Reads the clock; the time in `wait` from now, monotonic.
    pub(crate) fn after(&mut self, wait: Duration) -> u64 {
        self.session.set_now(self.clock.now());
        self.session.now_ns().saturating_add(nanoseconds(wait))
    }

    /// Turns until `take` finds something, or `until_ns` is over. Turns at least once before giving up.
    pub(crate) fn wait_for<T>(
        &mut self,
        until_ns: u64,
        mut take: impl FnMut(&mut Session) -> Option<T>,
    ) -> Option<T> {
        let mut begin_ns = None;
        loop {
            self.session.set_now(self.clock.now());
            if let Some(found) = take(&mut self.session) {
                // Acknowledgements and heartbeats leave even while there is always something to take.
                if self.session.now_ns().saturating_sub(self.moved_ns) >= TURN_EVERY_NS {
                    self.push();
                    self.receive_all();
                    self.move_bytes();
                }
                return Some(found);
            }
            let now_ns = self.session.now_ns();
            if begin_ns.is_some() && now_ns >= until_ns {
                return None;
            }
            let begin_ns = *begin_ns.get_or_insert(now_ns);
            self.turn(until_ns, begin_ns);
        }
    }

    /// Turns until something was received, or `until_ns` is over.
    pub(crate) fn poll(&mut self, until_ns: u64) {
        let before = self.received_bytes;
        let mut begin_ns = None;
        loop {
            self.session.set_now(self.clock.now());
            let now_ns = self.session.now_ns();
            if self.received_bytes != before || (begin_ns.is_some() && now_ns >= until_ns) {
                return;
            }
            let begin_ns = *begin_ns.get_or_insert(now_ns);
            self.turn(until_ns, begin_ns);
        }
    }

    /// Sends what can be sent at once.
    pub(crate) fn push(&mut self) {
        self.session.advance();
        self.send_all();
    }

    /// As `push`, for records that were just enqueued: asks no socket again that was full, so a
    /// producer ahead of its node pays no system call for each record.
    pub(crate) fn push_eagerly(&mut self) {
        let takes = |(index, socket): (usize, &Option<Socket>)| {
            socket.as_ref().is_some_and(|of| !of.is_full)
                && !self.session.outgoing(index).is_empty()
        };
        if self.sockets.iter().enumerate().any(takes) {
            self.push();
        }
    }

    /// Whether anything waits to be sent on an open socket.
    pub(crate) fn has_outgoing(&self) -> bool {
        (0..self.sockets.len())
            .any(|index| self.sockets[index].is_some() && !self.session.outgoing(index).is_empty())
    }

    fn turn(&mut self, until_ns: u64, begin_ns: u64) {
        let before = self.received_bytes;
        self.move_bytes();
        // What came on the way may be what the caller waits for: it looks before anybody sleeps.
        if self.received_bytes != before || self.receive_or_spin(begin_ns) {
            return;
        }
        let now_ns = self.session.now_ns();
        let wait_ns = until_ns.min(self.session.wake_ns()).saturating_sub(now_ns);
        self.sleep(wait_ns);
    }

    /// Does what time asks for, connects and sends; never sleeps.
    fn move_bytes(&mut self) {
        self.moved_ns = self.session.now_ns();
        if self.moved_ns >= self.session.wake_ns() {
            self.receive_all();
            self.session.tick();
        }
        self.connect_all();
        self.push();
    }

    /// True: this turn must not sleep.
    fn receive_or_spin(&mut self, begin_ns: u64) -> bool {
        let spun_ns = self.session.now_ns().saturating_sub(begin_ns);
        let spins = match self.session.config().waiting {
            Waiting::Sleep => false,
            Waiting::Spin => true,
            Waiting::SpinThenSleep(span) => spun_ns < nanoseconds(span),
        };
        if spins {
            self.receive_all();
            std::hint::spin_loop();
        }
        spins
    }

    fn connect_all(&mut self) {
        for index in 0..self.session.connection_end() {
            if self.sockets.len() <= index {
                self.sockets.push(None);
            }
            let generation = self.session.generation(index);
            if self.sockets[index].as_ref().is_some_and(|socket| socket.generation != generation) {
                self.sockets[index] = None;
            }
            let Some(address) = self.session.connects(index) else { continue };
            let opened = open(address, self.session.config().connect_timeout);
            self.session.connecting(index);
            self.session.set_now(self.clock.now());
            match opened {
                Ok(stream) => {
                    self.sockets[index] =
                        Some(Socket { stream, generation, timeout_ms: 0, is_full: false });
                    self.session.connected(index);
                }
                Err(cause) => self.session.not_connected(index, &cause),
            }
        }
    }

    fn send_all(&mut self) {
        for index in 0..self.sockets.len() {
            let Some(socket) = &mut self.sockets[index] else { continue };
            if socket.generation != self.session.generation(index) {
                continue;
            }
            socket.is_full = false;
            let outgoing = self.session.outgoing(index);
            if outgoing.is_empty() {
                continue;
            }
            match send(&socket.stream, outgoing, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(bytes) => {
                    socket.is_full = bytes < outgoing.len();
                    self.session.sent(index, bytes);
                }
                Err(Errno::AGAIN) => socket.is_full = true,
                Err(Errno::INTR) => {}
                Err(_) => self.session.lost(index),
            }
        }
    }

    fn receive_all(&mut self) {
        self.session.set_now(self.clock.now());
        for index in 0..self.sockets.len() {
            self.receive(index, RecvFlags::DONTWAIT);
        }
    }

    /// Receives until the socket has no more. Only the first receive may sleep.
    fn receive(&mut self, index: usize, mut flags: RecvFlags) {
        loop {
            let Some(socket) = &self.sockets[index] else { return };
            if socket.generation != self.session.generation(index) {
                return;
            }
            let space = self.session.space(index);
            let room = space.len();
            let received = recv(&socket.stream, space, flags).map(|(bytes, _)| bytes);
            if !flags.contains(RecvFlags::DONTWAIT) {
                self.session.set_now(self.clock.now());
                flags = RecvFlags::DONTWAIT;
            }
            match received {
                Ok(0) => self.session.lost(index),
                Ok(bytes) => {
                    self.received_bytes += bytes as u64;
                    self.session.received(index, bytes);
                    if bytes < room {
                        return;
                    }
                }
                Err(Errno::AGAIN | Errno::INTR) => return,
                Err(_) => self.session.lost(index),
            }
        }
    }

    fn sleep(&mut self, wait_ns: u64) {
        let mut open = self.sockets.iter().enumerate().filter(|(_, socket)| socket.is_some());
        let first = open.next().map(|(index, _)| index);
        let alone = open.next().is_none();
        match first {
            Some(index)
                if alone
                    && wait_ns >= EXACT_WAIT_NS_MAX
                    && self.session.outgoing(index).is_empty() =>
            {
                if self.set_timeout(index, wait_ns) {
                    self.receive(index, RecvFlags::empty());
                }
            }
            Some(_) | None => self.sleep_on_all(wait_ns),
        }
    }

    /// A receive timeout that ends no later than `wait_ns`; changed rarely, since that is a call of its own.
    fn set_timeout(&mut self, index: usize, wait_ns: u64) -> bool {
        let Some(socket) = &mut self.sockets[index] else { return false };
        let timeout_ms = 1 << (wait_ns / 1_000_000).clamp(1, 1 << 16).ilog2();
        if socket.timeout_ms == timeout_ms {
            return true;
        }
        socket.timeout_ms = timeout_ms;
        let set = socket.stream.set_read_timeout(Some(Duration::from_millis(timeout_ms)));
        if set.is_err() {
            self.session.lost(index);
        }
        set.is_ok()
    }

    fn sleep_on_all(&mut self, wait_ns: u64) {
        let session = &self.session;
        let sockets = self.sockets.iter().enumerate();
        let mut wanted: Vec<PollFd<'_>> = sockets
            .filter_map(|(index, socket)| {
                let busy = !session.outgoing(index).is_empty();
                let flags = if busy { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
                Some(PollFd::new(&socket.as_ref()?.stream, flags))
            })
            .collect();
        let timeout = Timespec {
            tv_sec: i64::try_from(wait_ns / 1_000_000_000).unwrap_or(i64::MAX),
            tv_nsec: i64::try_from(wait_ns % 1_000_000_000).unwrap_or(0),
        };
        let ready = poll(&mut wanted, Some(&timeout));
        if ready.is_ok_and(|count| count > 0) {
            self.receive_all();
        }
    }
}

/// Connects to the first address of `host:port` that answers.
fn open(address: &str, timeout: Duration) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::InvalidInput, "the name has no address");
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}
