//! Hostile: a thousand connections that send a byte now and then, and a thousand that ask for much and never read.
//!
//! What they cost others in time is a benchmark's question (`defibus bench`);
//! here: they are told and closed, the node's memory stays within what its
//! configuration says, and who behaves loses nothing.

use crate::node::{Node, program};
use crate::oracle::{Oracle, acknowledged, assert_kept, delivered, lost, read_all};
use crate::runner::Lacking;
use crate::scene::{group, number, resident_bytes, stat, until};
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::thread::park_timeout;
use std::time::Duration;
use tempfile::TempDir;
use wire::frame::Decoded;
use wire::{ErrorCode, Frame, FrameWriter, Kind, QueueId, TopicId, table};

const TOPIC: &str = "A10-20190001";
const DRIPPING: usize = 1000;
const UNREADING: usize = 1000;
/// Answers each of those that do not read asks for; together far more than the node may take.
const FETCHES: u64 = 2;
const FETCH_BYTES: u32 = 256 << 10;
/// Descriptors of this process: its ends of all connections, and some.
const FILES: &str = "8192";

/// Little memory, so that what is not bounded shows.
const CONFIG: &str = r#"
shards = 1
listen = "127.0.0.1:0"
idle = "block"
[limits]
frame_deadline_ms = 1000
heartbeat_ms = 3000
output_bytes = 8388608
output_total_bytes = 50331648
assembly_bytes = 16777216
waiting_bytes = 1048576
receive_buffers = 256
receive_buffer_bytes = 4096
[storage]
segment_bytes = 8388608
recent_bytes = 16777216
read_cache_bytes = 4194304
memory_bytes = 4194304
"#;
/// Code, stacks, tables: what the budget does not count.
const BESIDES_BYTES: u64 = 96 << 20;

/// A peer that knows the protocol and does not mean well.
struct Peer {
    stream: TcpStream,
    heard: Vec<u8>,
    closed: bool,
}

impl Peer {
    fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).expect("it listens");
        stream.set_nonblocking(true).expect("a socket");
        Self { stream, heard: Vec::new(), closed: false }
    }

    fn send(&mut self, bytes: &[u8]) {
        match self.stream.write(bytes) {
            Ok(count) => assert_eq!(count, bytes.len(), "a fresh socket takes so little"),
            Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("{error}"),
            Err(_closed) => {}
        }
    }

    /// Reads what is there.
    fn listen(&mut self) {
        let mut bytes = [0; 4096];
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => return self.closed = true,
                Ok(count) => self.heard.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_reset) => return self.closed = true,
            }
        }
    }

    /// The error that was its last word.
    fn told(&self) -> Option<ErrorCode> {
        let (mut rest, mut told) = (&self.heard[..], None);
        while let Ok(Decoded::Frame { frame, bytes_taken }) = Frame::decode(rest) {
            told = last_word(&frame).or(told);
            rest = &rest[bytes_taken..];
        }
        told
    }
}

fn last_word(frame: &Frame<'_>) -> Option<ErrorCode> {
    let error = frame.read::<table::Error<'_>>().ok()?;
    (frame.kind() == Some(Kind::Error)).then(|| ErrorCode::from_number(error.code()))?
}

fn hello() -> Vec<u8> {
    let mut bytes = Vec::new();
    FrameWriter::default().write(&mut bytes, Kind::Hello, 1, &[], |builder| {
        let args = table::HelloArgs { version_min: 1, version_max: 1, ..Default::default() };
        table::Hello::create(builder, &args)
    });
    bytes
}

fn fetches(queue: QueueId) -> Vec<u8> {
    let (mut bytes, mut writer) = (Vec::new(), FrameWriter::default());
    for request in 0..FETCHES {
        writer.write(&mut bytes, Kind::Fetch, request + 2, &[], |builder| {
            let args = table::FetchArgs {
                queue: queue.0,
                offset: 0,
                records_max: 10_000,
                bytes_max: FETCH_BYTES,
            };
            table::Fetch::create(builder, &args)
        });
    }
    bytes
}

/// Lets this process have as many sockets as it needs.
pub(crate) fn make_room_for_sockets() -> Result<(), Lacking> {
    let pid = std::process::id().to_string();
    let limit = format!("--nofile={FILES}:");
    let raised = Command::new("prlimit").args(["--pid", &pid, &limit]).status();
    let is_raised = raised.is_ok_and(|status| status.success());
    is_raised.then_some(()).ok_or_else(|| Lacking(format!("RLIMIT_NOFILE below {FILES}")))
}

/// One that greeted and one that did not, in turns; each sends a frame of which a byte comes now and then.
fn drip(peers: &mut [Peer]) -> BTreeMap<&'static str, usize> {
    let mut ping = Vec::new();
    FrameWriter::default().write_bare(&mut ping, Kind::Ping, 1);
    for (number, peer) in peers.iter_mut().enumerate() {
        if number % 2 == 0 {
            peer.send(&hello());
        }
    }
    // A byte in each round, far slower than a frame may be.
    for byte in ping.iter().take(ping.len() - 1) {
        for peer in peers.iter_mut().filter(|peer| !peer.closed) {
            peer.send(std::slice::from_ref(byte));
            peer.listen();
        }
        park_timeout(Duration::from_millis(250));
        if peers.iter().all(|peer| peer.closed) {
            break;
        }
    }
    until("all that drip are closed", || {
        peers.iter_mut().filter(|peer| !peer.closed).for_each(Peer::listen);
        peers.iter().all(|peer| peer.closed).then_some(())
    });
    let mut told = BTreeMap::new();
    for peer in peers {
        *told.entry(peer.told().map_or("nothing", ErrorCode::name)).or_default() += 1;
    }
    told
}

/// The node, with the budget its configuration says, in bytes.
fn node() -> (Node, u64) {
    let data = TempDir::new().expect("a temporary directory");
    let file = data.path().join("node.toml");
    let path = file.to_str().expect("text");
    let place = data.path().join("data");
    std::fs::write(&file, format!("data = \"{}\"\n{CONFIG}", place.display())).expect("a file");
    let checked = crate::node::run(&["config", "check", path, "-o", "json"]).done().json();
    let mut command = program();
    command.args(["server", "--config", path, "-o", "jsonl"]);
    (Node::launch(command, data), number(&checked, "memory_bytes"))
}

pub(crate) fn two_thousand_peers() -> String {
    let (node, budget) = node();
    node.run(&["topic", "create", TOPIC, "--queues", "2"]).done();
    node.run(&["pub", TOPIC, "--count", "2000", "--size", "1KiB", "--tag", "a", "-q"]).done();
    let mut publisher = Oracle::publisher(&node.listen, TOPIC, "p", "500");
    let consumer = Oracle::start(&node.listen, &["sub", TOPIC, "--group", "desk"]);
    publisher.wait_for(100);
    let valid = stat(&node, "defibus_connections");

    let mut dripping: Vec<Peer> = (0..DRIPPING).map(|_| Peer::connect(&node.listen)).collect();
    let told = drip(&mut dripping);
    let expected = [("FrameTimeout", DRIPPING / 2), ("HandshakeTimeout", DRIPPING / 2)];
    assert_eq!(told, BTreeMap::from(expected), "each is told why");
    publisher.wait_for(100);

    let queue = QueueId::new(TopicId(1), 0);
    let words = [hello(), fetches(queue)].concat();
    let mut peak = resident_bytes(node.pid());
    let mut unreading = Vec::new();
    for _ in 0..UNREADING {
        let mut peer = Peer::connect(&node.listen);
        peer.send(&words);
        unreading.push(peer);
        peak = peak.max(resident_bytes(node.pid()));
    }
    publisher.wait_for(100);
    until("all that do not read are closed", || {
        peak = peak.max(resident_bytes(node.pid()));
        (stat(&node, "defibus_connections") <= valid).then_some(())
    });
    let slow = stat(&node, "defibus_slow_consumers_total");
    assert!(slow > 0, "some asked for more than there is room for");
    let unbounded = UNREADING as u64 * FETCHES * u64::from(FETCH_BYTES);
    assert!(
        unbounded > 2 * (budget + BESIDES_BYTES),
        "the control: unbounded, it would be {unbounded}"
    );
    assert!(peak < budget + BESIDES_BYTES, "{peak} bytes resident, {budget} configured");
    drop(unreading);

    publisher.wait_for(100);
    let acked = acknowledged(&publisher.end(), "p");
    until("the group has everything", || (number(&group(&node, "desk"), "lag") == 0).then_some(()));
    let there = read_all(&node, TOPIC);
    assert_eq!(lost(&there, &delivered(&consumer.end())), []);
    let count = acked.len();
    assert_kept(&acked, there);
    format!(
        "{DRIPPING} told {told:?}, {UNREADING} unread closed, {slow} of them as slow; {} MiB resident at most of {} configured; {count} acknowledged meanwhile, 0 lost",
        peak >> 20,
        budget >> 20
    )
}
