//! Limits: a machine that gives little: memory that may not be locked, io_uring that is forbidden, few descriptors.

use crate::node::{Ended, Node, ended, program_under};
use crate::oracle::{Oracle, acknowledged, assert_kept, read_all};
use crate::runner::Lacking;
use crate::scene::{connect, until};
use client::{Client, ClientConfig, ConnectError, NewRecord, ProducerConfig};
use std::fs::File;
use std::time::Duration;
use tempfile::TempDir;
use wire::ErrorCode;

const TOPIC: &str = "A10-20190001";
/// What Debian gave before systemd: 64 KiB.
const MEMLOCK_SMALL: &str = "--memlock=65536:65536";
/// Not even a ring of eight entries.
const MEMLOCK_NOTHING: &str = "--memlock=4096:4096";
/// Who is nobody else: what a user may lock is counted over all its processes.
const USER: u32 = 60_601;

/// Starts what follows as a user who is not root, with little memory to lock.
fn poor(memlock: &str) -> Vec<String> {
    let (user, group) = (format!("--reuid={USER}"), format!("--regid={USER}"));
    let words = ["prlimit", memlock, "setpriv", &user, &group, "--clear-groups", "--"];
    words.map(str::to_owned).to_vec()
}

fn words(under: &[String]) -> Vec<&str> {
    under.iter().map(String::as_str).collect()
}

/// Whether the program can be started so at all.
fn probe(under: &[&str]) -> Result<(), Lacking> {
    let tried = program_under(under).arg("version").output();
    let tried = tried.map_err(|error| Lacking(format!("{}: {error}", under[0])))?;
    let why = String::from_utf8_lossy(&tried.stderr).lines().next().unwrap_or_default().to_owned();
    if tried.status.success() {
        Ok(())
    } else {
        Err(Lacking(format!("{}: {why}", under.join(" "))))
    }
}

/// A little traffic, durable and through every shard.
fn works(node: &Node) {
    node.run(&["topic", "create", TOPIC, "--queues", "4"]).done();
    let publish = ["pub", TOPIC, "--count", "2000", "--batch", "16", "-o", "jsonl"];
    let published = node.run(&publish).done();
    assert_kept(&acknowledged(&published.lines(), ""), read_all(node, TOPIC));
}

pub(crate) fn can_be_poor() -> Result<(), Lacking> {
    probe(&words(&poor(MEMLOCK_SMALL)))
}

/// Little memory to lock: it runs with small rings and says so in one line; none at all: 69.
pub(crate) fn memlock() -> String {
    let small = poor(MEMLOCK_SMALL);
    let place = TempDir::new().expect("a temporary directory");
    let complaints = place.path().join("complaints");
    let data = owned_by_user();
    let mut command = Node::dev(program_under(&words(&small)), data.path(), &["--shards", "2"]);
    command.stderr(File::create(&complaints).expect("a file"));
    let node = Node::launch(command, data);
    works(&node);
    drop(node);
    let told = std::fs::read_to_string(&complaints).expect("text");
    let line = "warning: rings of 128 entries instead of 1024: RLIMIT_MEMLOCK is 65536 bytes";
    assert!(told.starts_with(line) && told.lines().count() == 1, "one line: {told}");
    assert!(told.contains("; fix: "), "{told}");
    let data = owned_by_user();
    let nothing = poor(MEMLOCK_NOTHING);
    let refused = ended(&mut Node::dev(program_under(&words(&nothing)), data.path(), &[]));
    refused.refused(69, "BUS-E0703");
    "64 KiB: small rings; 4 KiB: 69".to_owned()
}

fn owned_by_user() -> TempDir {
    let data = TempDir::new().expect("a temporary directory");
    std::os::unix::fs::chown(data.path(), Some(USER), Some(USER)).expect("root may");
    data
}

/// Forbids `io_uring_setup` with an errno for the program that follows, as a container's profile does.
const FORBID: &str = r#"
import ctypes, os, struct, sys
errno, program = int(sys.argv[1]), sys.argv[2:]
def filter(code, jump_true, jump_false, k): return struct.pack("HBBI", code, jump_true, jump_false, k)
code = filter(0x20, 0, 0, 0) + filter(0x15, 0, 1, 425) + filter(0x06, 0, 0, 0x50000 | errno) + filter(0x06, 0, 0, 0x7fff0000)
code = ctypes.create_string_buffer(code, len(code))
class Program(ctypes.Structure): _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(38, 1, 0, 0, 0): sys.exit("no_new_privs")
if libc.prctl(22, 2, ctypes.byref(Program(4, ctypes.addressof(code))), 0, 0): sys.exit("seccomp")
os.execv(program[0], program)
"#;

pub(crate) fn can_forbid() -> Result<(), Lacking> {
    let hide = |Lacking(why): Lacking| Lacking(why.replace(FORBID, "(seccomp)"));
    probe(&["python3", "-c", FORBID, "1"]).map_err(hide)
}

/// Where io_uring is forbidden a node does not start, and `doctor` says the same.
pub(crate) fn io_uring_forbidden() -> String {
    for (errno, name) in [("1", "EPERM"), ("38", "ENOSYS")] {
        let under = ["python3", "-c", FORBID, errno];
        let data = TempDir::new().expect("a temporary directory");
        let refused = ended(&mut Node::dev(program_under(&under), data.path(), &[]));
        refused.refused(69, "BUS-E0701");
        assert!(refused.err.contains("seccomp"), "{name}: {}", refused.err);
        let judged: Ended = ended(program_under(&under).args(["doctor", "-o", "json"]));
        assert!(judged.code == Some(2) && judged.out.contains("seccomp"), "{name}: {}", judged.out);
    }
    "EPERM and ENOSYS: 69, with cause and fix".to_owned()
}

/// Descriptors of a process, now.
fn open_files(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).expect("a process of ours").count()
}

const FEW_FILES: [&str; 2] = ["prlimit", "--nofile=64:64"];

pub(crate) fn can_have_few_files() -> Result<(), Lacking> {
    probe(&FEW_FILES)
}

/// 64 descriptors: fewer connections, told; the log's files are not at their mercy; who was refused comes in when others leave.
pub(crate) fn few_descriptors() -> String {
    let under = FEW_FILES;
    let place = TempDir::new().expect("a temporary directory");
    let complaints = place.path().join("complaints");
    let data = TempDir::new().expect("a temporary directory");
    let mut command = Node::dev(program_under(&under), data.path(), &["--shards", "1"]);
    // Many small segments, of which only some can be open.
    command.env("DEFIBUS__STORAGE__SEGMENT_BYTES", "1048576");
    command.env("DEFIBUS__STORAGE__BATCH_BYTES", "262144");
    command.env("DEFIBUS__LIMITS__RECORD_BYTES", "65536");
    command.env("DEFIBUS__STORAGE__RECENT_BYTES", "4194304");
    command.env("DEFIBUS__STORAGE__READ_CACHE_BYTES", "1048576");
    command.stderr(File::create(&complaints).expect("a file"));
    let node = Node::launch(command, data);
    let told = std::fs::read_to_string(&complaints).expect("text");
    assert_eq!(
        told.matches("connections per shard instead of 4096: RLIMIT_NOFILE is 64").count(),
        1
    );
    node.run(&["topic", "create", TOPIC, "--queues", "2"]).done();
    let connected = connect(&node.listen);
    let mut producer = connected.producer(ProducerConfig::new(TOPIC)).expect("a producer");
    // Silent ones until it is full, and beyond.
    let config = || ClientConfig { direct: false, ..ClientConfig::new(&node.listen) };
    let mut guests = Vec::new();
    let refusal = until("one too many", || match Client::connect(config()) {
        Ok(guest) => {
            guests.push(guest);
            None
        }
        Err(ConnectError::Refused(refusal)) => Some(refusal),
        Err(error) => panic!("{error}"),
    });
    assert_eq!(refusal.code, ErrorCode::TooManyConnections);
    assert!(refusal.limit > 0 && refusal.limit < 64, "{refusal:?}");
    // Existing connections go on while others knock, and the log takes new segments.
    let body = vec![7; 50_000];
    for round in 0..200_u32 {
        if round % 40 == 0 {
            assert!(Client::connect(config()).is_err(), "still full");
        }
        let batch = vec![NewRecord::new(&body); 4];
        assert!(producer.send_batch(&batch).iter().all(Result::is_ok), "each is accepted");
        for guest in &guests {
            guest.poll(Duration::ZERO);
        }
    }
    let (files, count) = (open_files(node.pid()), guests.len());
    assert!(files < 64, "{files} descriptors");
    drop(guests);
    let mut late = Oracle::start(&node.listen, &["sub", TOPIC, "--group", "desk"]);
    until("who was refused comes in, and reads from all segments", || {
        assert!(!late.has_ended(), "{}", late.complaints());
        (late.lines() >= 800).then_some(())
    });
    assert!(open_files(node.pid()) < 64);
    assert_eq!(node.terminate().0, Some(0));
    let starved = ["prlimit", "--nofile=32:32"];
    let data = TempDir::new().expect("a temporary directory");
    let refused = ended(&mut Node::dev(program_under(&starved), data.path(), &["--shards", "1"]));
    refused.refused(69, "BUS-E070C");
    format!(
        "64: {count} guests and the rest refused until they left, {files} descriptors in use; 32: 69"
    )
}
