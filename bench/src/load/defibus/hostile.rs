//! Hostile: peers that know the protocol and do not mean well, and that take next to nothing of the load's time.
//!
//! ```text
//!   a round of a second:  | peer 0 | peer 1 | ... | peer n-1 |   one moment each, at equal distances
//! ```
//!
//! In its moment a slow reader asks for more, and never reads what comes; a dripping peer
//! sends one byte of a frame that it never ends, every second one after a proper hello.
//! Whoever was closed is opened again in its next moment: once a second at most, and never
//! two in one turn of the load. A moment costs a system call or two, of an opening some
//! more, all without waiting.

use super::super::driver::{DriveError, HostileCount, HostilePlan};
use client::{Client, ClientConfig, NewRecord, ProducerConfig, QueueId};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;
use wire::{FrameWriter, Kind, table};

/// A round, in nanoseconds: so often each peer has a moment.
const ROUND_NS: u64 = 1_000_000_000;
/// The load stands still so long at most while one is opened; on one host it takes microseconds.
const OPEN_WITHIN: Duration = Duration::from_millis(1);
/// What a slow reader asks for in each of its moments: so many records of so many bytes.
const ASK_RECORDS: u32 = 4;
const ASK_RECORD_BYTES: u32 = 16 << 10;
/// Length of the frame that is never ended: at a byte a second more than an hour.
const DRIPPED_BYTES: usize = 4096;

/// What a peer does in its moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Habit {
    Reads,
    DripsAtOnce,
    DripsGreeted,
}

#[derive(Debug)]
struct Peer {
    habit: Habit,
    /// `None`: not open.
    stream: Option<TcpStream>,
    /// Bytes dripped since it was opened.
    dripped: usize,
    was_open: bool,
}

/// The hostile peers of one load thread.
#[derive(Debug)]
pub(super) struct Hostile {
    address: SocketAddr,
    open_within: Duration,
    peers: Vec<Peer>,
    words: Words,
    /// Whose moment is next, and when.
    next: usize,
    next_ns: u64,
    reopened: u64,
}

/// What they say.
#[derive(Debug)]
struct Words {
    hello: Vec<u8>,
    ask: Vec<u8>,
    dripped: Vec<u8>,
}

impl Hostile {
    /// Peers of the node at `server`: they are opened in their first moments.
    ///
    /// # Errors
    /// What slow readers ask for cannot be published.
    pub(super) fn of_node(server: &str, plan: &HostilePlan<'_>) -> Result<Self, DriveError> {
        let unknown = || DriveError::Bus(format!("'{server}' is no address"));
        let address = server.to_socket_addrs().ok().and_then(|mut all| all.next());
        let address = address.ok_or_else(unknown)?;
        let queue =
            if plan.slow_readers > 0 { fill(server, plan.topic)? } else { QueueId::default() };
        Ok(Self::new(address, queue, (plan.slow_readers, plan.dripping)))
    }

    fn new(address: SocketAddr, queue: QueueId, (slow_readers, dripping): (usize, usize)) -> Self {
        let readers = (0..slow_readers).map(|_| Habit::Reads);
        let drips = [Habit::DripsAtOnce, Habit::DripsGreeted];
        let habits = readers.chain(drips.into_iter().cycle().take(dripping));
        let peer = |habit| Peer { habit, stream: None, dripped: 0, was_open: false };
        let words = Words {
            hello: hello(""),
            ask: fetch(queue),
            dripped: hello(&"x".repeat(DRIPPED_BYTES)),
        };
        let peers = habits.map(peer).collect();
        Self { address, open_within: OPEN_WITHIN, peers, words, next: 0, next_ns: 0, reopened: 0 }
    }

    /// One peer has its moment, if it has come.
    pub(super) fn turn(&mut self, now_ns: u64) {
        if now_ns < self.next_ns {
            return;
        }
        let count = self.peers.len();
        let Some(peer) = self.peers.get_mut(self.next) else { return };
        // A load that was late does not catch up: that would be a burst of its own.
        self.next_ns = now_ns.max(self.next_ns + ROUND_NS / count as u64);
        self.next = if self.next + 1 == count { 0 } else { self.next + 1 };
        if peer.act(&self.words).is_err() {
            peer.open((self.address, self.open_within), &self.words);
            self.reopened += u64::from(peer.was_open && peer.stream.is_some());
            peer.was_open |= peer.stream.is_some();
        }
    }

    /// How they stand.
    pub(super) fn count(&self) -> HostileCount {
        let open = self.peers.iter().filter(|peer| peer.stream.is_some()).count();
        HostileCount { wanted: self.peers.len(), open, reopened: self.reopened }
    }
}

impl Peer {
    /// Opens it and lets it begin; it stays closed if that fails, until its next moment.
    fn open(&mut self, (address, within): (SocketAddr, Duration), words: &Words) {
        self.dripped = 0;
        let opened = TcpStream::connect_timeout(&address, within).and_then(|stream| {
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            Ok(stream)
        });
        self.stream = opened.ok();
        let begun = match self.habit {
            Habit::DripsAtOnce => self.act(words),
            Habit::DripsGreeted => self.say(&words.hello),
            Habit::Reads => self.say(&words.hello).and_then(|()| self.act(words)),
        };
        if begun.is_err() {
            self.stream = None;
        }
    }

    /// What it does in a moment.
    fn act(&mut self, words: &Words) -> std::io::Result<()> {
        if self.habit == Habit::Reads {
            return self.say(&words.ask);
        }
        self.hear()?;
        // The last byte would end the frame.
        if let Some(byte) = words.dripped.get(self.dripped..=self.dripped)
            && self.dripped + 1 < words.dripped.len()
        {
            self.say(byte)?;
            self.dripped += 1;
        }
        Ok(())
    }

    /// Sends all of `bytes`, or it is as good as closed.
    fn say(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let stream = self.stream.as_mut().ok_or(ErrorKind::NotConnected)?;
        if stream.write(bytes)? == bytes.len() { Ok(()) } else { Err(ErrorKind::WriteZero.into()) }
    }

    /// Drops what came; an error: it was closed.
    fn hear(&mut self) -> std::io::Result<()> {
        let stream = self.stream.as_mut().ok_or(ErrorKind::NotConnected)?;
        let mut bytes = [0; 1024];
        loop {
            match stream.read(&mut bytes) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}

/// A hello of a client with this name.
fn hello(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    FrameWriter::default().write(&mut bytes, Kind::Hello, 1, &[], |builder| {
        let client = Some(builder.create_string(name));
        let version = wire::header::VERSION;
        let args = table::HelloArgs {
            version_min: version,
            version_max: version,
            client,
            ..Default::default()
        };
        table::Hello::create(builder, &args)
    });
    bytes
}

fn fetch(queue: QueueId) -> Vec<u8> {
    let mut bytes = Vec::new();
    FrameWriter::default().write(&mut bytes, Kind::Fetch, 2, &[], |builder| {
        let bytes_max = 2 * ASK_RECORDS * ASK_RECORD_BYTES;
        let args =
            table::FetchArgs { queue: queue.0, offset: 0, records_max: ASK_RECORDS, bytes_max };
        table::Fetch::create(builder, &args)
    });
    bytes
}

/// Publishes what slow readers ask for; returns the queue it is in.
fn fill(server: &str, topic: &str) -> Result<QueueId, DriveError> {
    let client = Client::connect(ClientConfig::new(server))?;
    let failed = |why: String| DriveError::Bus(format!("what slow readers ask for: {why}"));
    let mut producer = client.producer(ProducerConfig::new(topic))?;
    let body = [0; ASK_RECORD_BYTES as usize];
    for _ in 0..ASK_RECORDS {
        producer.send(&NewRecord::new(&body)).map_err(|error| failed(error.to_string()))?;
    }
    let queues = client.admin().topic_describe(topic)?.queues;
    queues.first().map(|queue| queue.id).ok_or_else(|| failed("no queue".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// A node of which the test does the work, its peers, and the time.
    struct Scene {
        listener: TcpListener,
        hostile: Hostile,
        now_ns: u64,
    }

    impl Scene {
        fn new(slow_readers: usize, dripping: usize) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
            let address = listener.local_addr().expect("bound");
            let mut hostile = Hostile::new(address, QueueId(7), (slow_readers, dripping));
            hostile.open_within = Duration::from_secs(10); // a busy machine opens them, too
            Self { listener, hostile, now_ns: 1 }
        }

        /// So many rounds, looked at ten times as often as there is something to do.
        fn rounds(&mut self, count: u64) {
            let looks = 10 * self.hostile.peers.len() as u64;
            for _ in 0..count * looks {
                self.hostile.turn(self.now_ns);
                self.now_ns += ROUND_NS / looks;
            }
        }

        fn accept(&self) -> TcpStream {
            self.listener.accept().expect("opened").0
        }
    }

    fn read(stream: &mut TcpStream, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        stream.read_exact(&mut bytes).expect("sent");
        bytes
    }

    /// Nothing more was sent; for all that was sent the peer had its moments.
    fn is_silent(stream: &mut TcpStream) -> bool {
        stream.set_nonblocking(true).expect("a socket");
        let error = stream.read(&mut [0]).expect_err("nothing");
        stream.set_nonblocking(false).expect("a socket");
        error.kind() == ErrorKind::WouldBlock
    }

    #[test]
    fn each_peer_has_one_moment_in_a_round() {
        let mut scene = Scene::new(1, 2);
        scene.rounds(4);
        let (mut reader, mut drips, mut greets) = (scene.accept(), scene.accept(), scene.accept());
        let words = &scene.hostile.words;
        assert_eq!(read(&mut reader, words.hello.len()), words.hello);
        for _ in 0..4 {
            assert_eq!(read(&mut reader, words.ask.len()), words.ask);
        }
        assert_eq!(read(&mut drips, 4), words.dripped[..4]);
        assert_eq!(read(&mut greets, words.hello.len()), words.hello);
        assert_eq!(read(&mut greets, 3), words.dripped[..3], "the first moment was for the hello");
        assert!([reader, drips, greets].iter_mut().all(is_silent));
        let count = scene.hostile.count();
        assert_eq!(count, HostileCount { wanted: 3, open: 3, reopened: 0 });
    }

    #[test]
    fn who_was_closed_is_opened_again_and_nobody_else() {
        let mut scene = Scene::new(1, 1);
        scene.rounds(1);
        let closed = [scene.accept(), scene.accept()];
        drop(closed);
        scene.listener.set_nonblocking(true).expect("a socket");
        let mut opened = Vec::new();
        // The kernel tells of an end when it comes to it: a round or many.
        for _ in 0..100_000 {
            scene.rounds(1);
            opened.extend(scene.listener.accept().ok());
            if opened.len() == 2 {
                break;
            }
        }
        assert_eq!(opened.len(), 2);
        scene.rounds(3);
        assert_eq!(scene.hostile.count(), HostileCount { wanted: 2, open: 2, reopened: 2 });
        assert!(scene.listener.accept().is_err(), "those that are open stay");
    }

    #[test]
    fn a_node_that_is_gone_is_tried_once_a_round() {
        let mut scene = Scene::new(2, 2);
        let gone = TcpListener::bind("127.0.0.1:0").expect("a port");
        scene.hostile.address = gone.local_addr().expect("bound");
        drop(gone);
        scene.rounds(3);
        assert_eq!(scene.hostile.count(), HostileCount { wanted: 4, open: 0, reopened: 0 });
    }

    #[test]
    fn a_frame_is_never_ended() {
        let mut scene = Scene::new(0, 1);
        scene.rounds(DRIPPED_BYTES as u64 * 2);
        let mut stream = scene.accept();
        let whole = scene.hostile.words.dripped.len();
        read(&mut stream, whole - 1);
        assert!(is_silent(&mut stream));
    }
}
