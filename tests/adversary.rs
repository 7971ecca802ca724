//! Adversary: a real node under valid load, and peers that keep to no rule.
//!
//! Each offender is told what it did wrong and closed (or refused, where the frame
//! was sound and only its wish was not). The node does not panic, its memory stays
//! bounded, and the valid clients notice nothing.

#[path = "adversary/attacker.rs"]
mod attacker;
#[path = "adversary/load.rs"]
mod load;
#[path = "cli/node.rs"]
#[expect(dead_code, reason = "a part of what the tests of the command line need")]
mod node;
#[path = "adversary/offences.rs"]
mod offences;

use attacker::{Attacker, header};
use node::Node;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;
use wire::{ErrorCode, Kind};

/// Time for a frame, in milliseconds: also for this test's own frames on a busy machine.
const FRAME_DEADLINE_MS: &str = "3000";
/// Frames begun before hello and never ended.
const STALLED: usize = 150;
/// Large frames begun after hello and never ended.
const STALLED_LARGE: usize = 6;
/// What offenders may add to the node's memory, all together, in bytes.
const GROWTH_BYTES_MAX: u64 = 64 << 20;
const SEED: u64 = 20_190_001;

fn start() -> Node {
    let environment = [
        ("DEFIBUS__LIMITS__FRAME_DEADLINE_MS", FRAME_DEADLINE_MS),
        ("DEFIBUS__LIMITS__ASSEMBLY_BYTES", "8388608"),
        ("DEFIBUS__LIMITS__RECEIVE_BUFFERS", "64"),
        // What valid clients publish is kept, too: a fast machine must not look like a leak.
        ("DEFIBUS__STORAGE__RECENT_BYTES", "8388608"),
        ("DEFIBUS__STORAGE__SEGMENT_BYTES", "4194304"),
    ];
    let data = TempDir::new().expect("a temporary directory");
    Node::start_with(data, &["--shards", "2"], &environment)
}

/// Resident memory of the node on this directory, in bytes.
fn resident_bytes(data: &Path) -> u64 {
    let data = data.display().to_string();
    let processes = std::fs::read_dir("/proc").expect("Linux").filter_map(Result::ok);
    let is_ours = |process: &Path| {
        let line = std::fs::read(process.join("cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|word| word == data.as_bytes())
    };
    let node = processes.map(|entry| entry.path()).find(|path| is_ours(path)).expect("it runs");
    let status = std::fs::read_to_string(node.join("status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kib << 10
}

/// Frames that are begun and never ended: each is told, in time, and closed.
fn stall(node: &Node) {
    let before = resident_bytes(node.path());
    let stalled = |kind: Kind, greeted: bool, section_bytes: u32, sent: usize| {
        let mut attacker =
            if greeted { Attacker::greet(&node.listen) } else { Attacker::connect(&node.listen) };
        attacker.send(&header(kind as u8, 0, section_bytes));
        attacker.send(&vec![7; sent]);
        attacker
    };
    let mut silent: Vec<Attacker> =
        (0..STALLED).map(|_| stalled(Kind::Hello, false, 60_000, 50_000)).collect();
    let mut large: Vec<Attacker> =
        (0..STALLED_LARGE).map(|_| stalled(Kind::Publish, true, 1 << 20, 900_000)).collect();
    let grown = resident_bytes(node.path()).saturating_sub(before);
    assert!(grown <= GROWTH_BYTES_MAX, "{grown} bytes for frames that never end");
    for attacker in &mut silent {
        let told = (Kind::Error, ErrorCode::HandshakeTimeout as u16);
        assert_eq!(attacker.next(), Some(told));
        assert_eq!(attacker.next(), None);
    }
    for attacker in &mut large {
        let told = (Kind::Error, ErrorCode::FrameTimeout as u16);
        assert_eq!(attacker.next(), Some(told));
        assert_eq!(attacker.next(), None);
    }
}

fn attack(node: &Node) {
    offences::commit_all(&node.listen);
    offences::replay(&node.listen);
    offences::bend_offsets(&node.listen);
    offences::make_noise(&node.listen, SEED, 200);
    // Once warm, what offenders take is given back or bounded.
    let before = resident_bytes(node.path());
    stall(node);
    offences::commit_all(&node.listen);
    offences::make_noise(&node.listen, SEED + 1, 200);
    let grown = resident_bytes(node.path()).saturating_sub(before);
    assert!(grown <= GROWTH_BYTES_MAX, "{grown} bytes for offenders");
}

#[test]
fn offenders_are_told_and_closed_and_valid_clients_notice_nothing() {
    let node = start();
    load::prepare(&node.listen);
    let (ready, stop) = (AtomicBool::new(false), AtomicBool::new(false));
    let (published, replied) = std::thread::scope(|scope| {
        let serving = scope.spawn(|| load::serve(&node.listen, &ready, &stop));
        while !ready.load(Ordering::Relaxed) && !serving.is_finished() {
            std::thread::yield_now();
        }
        let requesting = scope.spawn(|| load::request(&node.listen, &stop));
        let publishing = scope.spawn(|| load::publish(&node.listen, &stop));
        let attacked = std::panic::catch_unwind(|| attack(&node));
        stop.store(true, Ordering::Relaxed);
        let counts = (publishing.join(), requesting.join(), serving.join());
        if let Err(cause) = attacked {
            std::panic::resume_unwind(cause);
        }
        counts.2.expect("the responder noticed nothing");
        (counts.0.expect("the producer noticed nothing"), counts.1.expect("nor the requester"))
    });
    assert!(published > 0 && replied > 0, "there was a load");
    load::consume(&node.listen, published);
    let (code, _) = node.terminate();
    assert_eq!(code, Some(0), "it ends as it should");
}
