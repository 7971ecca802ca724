//! Corpus: every committed fuzz input of every target, replayed, its heap counted.
//!
//! `good-*` must be taken, `bad-*` must be refused, all must not panic, and none may
//! make us allocate more than its target's bound. The counter is process-wide, so
//! one test measures everything; the last measures plant what must be found.

#[path = "fuzz/bus.rs"]
mod bus;
#[path = "fuzz/decoders.rs"]
mod decoders;
#[path = "fuzz/dispatch.rs"]
mod dispatch;
#[path = "fuzz/durable.rs"]
mod durable;
#[path = "fuzz/files.rs"]
mod files;
#[path = "fuzz/frames.rs"]
mod frames;
#[path = "laws/lone.rs"]
#[expect(dead_code, reason = "a part of what the laws need")]
mod lone;
#[path = "fuzz/script.rs"]
mod script;
#[path = "fuzz/shelf.rs"]
mod shelf;
#[path = "fuzz/texts.rs"]
mod texts;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use wire::Kind;
use xtask::process::root;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The longest committed input, in bytes.
const INPUT_BYTES_MAX: usize = 64 << 10;
/// All committed inputs together, in bytes.
const CORPUS_BYTES_MAX: usize = 1_500_000;
/// What a decoder may allocate in all for one input: a few times the input, and what it builds up first.
const DECODER_HEAP_BYTES_MAX: usize = 1 << 20;
/// The same where a node or a store is made for each input.
const NODE_HEAP_BYTES_MAX: usize = 64 << 20;

type Decoder = fn(&[u8]) -> bool;

/// Every target, and what it may allocate for one input.
fn targets() -> Vec<(&'static str, Decoder, usize)> {
    let bounded = |bytes_max: usize| {
        move |(target, decoder): &(&'static str, Decoder)| (*target, *decoder, bytes_max)
    };
    let decoders = decoders::ALL.iter().map(bounded(DECODER_HEAP_BYTES_MAX));
    let nodes = durable::ALL.iter().chain(files::ALL).chain(dispatch::ALL).chain(texts::ALL);
    let nodes = nodes.map(bounded(NODE_HEAP_BYTES_MAX));
    decoders.chain(nodes).collect()
}

fn inputs(target: &str) -> Vec<PathBuf> {
    let folder = root().join("tests/fuzz/corpus").join(target);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|_| panic!("no {}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    paths.sort();
    paths
}

/// What a decoder made of an input, and how much it allocated in all.
fn replay(decoder: Decoder, bytes: &[u8]) -> (bool, usize) {
    let region = Region::new(ALLOCATOR);
    let taken = decoder(bytes);
    (taken, region.change().bytes_allocated)
}

fn judge(path: &Path, taken: bool) -> Result<(), &'static str> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    match (name.starts_with("good-"), name.starts_with("bad-"), taken) {
        (true, _, false) => Err("was refused"),
        (_, true, true) => Err("was taken"),
        _ => Ok(()),
    }
}

/// Kinds of frames a broker sends that no committed script makes it send.
fn never_heard() -> Vec<Kind> {
    let said =
        |kind: &&Kind| !frames::KINDS.contains(kind) || matches!(kind, Kind::Pong | Kind::Outcome);
    let mut heard = BTreeSet::from([Kind::Goodbye]);
    for path in inputs("dispatch") {
        heard.extend(dispatch::heard(&std::fs::read(&path).expect("a committed input")));
    }
    Kind::ALL.iter().filter(said).filter(|kind| !heard.contains(kind)).copied().collect()
}

#[test]
fn every_committed_input_ends_as_its_name_says() {
    let mut corpus_bytes = 0;
    for (target, decoder, heap_bytes_max) in targets() {
        let (mut count, mut heap_bytes_most) = (0, 0);
        for path in inputs(target) {
            let bytes = std::fs::read(&path).expect("a committed input");
            assert!(bytes.len() <= INPUT_BYTES_MAX, "{} is long", path.display());
            let (taken, heap_bytes) = replay(decoder, &bytes);
            assert_eq!(judge(&path, taken), Ok(()), "{}", path.display());
            assert!(heap_bytes <= heap_bytes_max, "{}: {heap_bytes} allocated", path.display());
            heap_bytes_most = heap_bytes_most.max(heap_bytes);
            corpus_bytes += bytes.len();
            count += 1;
        }
        assert!(count >= 4, "{target} has {count} inputs");
        eprintln!("{target}: {count} inputs, at most {heap_bytes_most} bytes allocated for one");
    }
    assert!(corpus_bytes <= CORPUS_BYTES_MAX, "{corpus_bytes} bytes of inputs: merge them");

    assert_eq!(never_heard(), [], "what the broker says that no script of `dispatch` leads to");

    let trusting: Decoder = |bytes| vec![0_u8; usize::from(bytes[0]) << 20].is_empty();
    assert!(replay(trusting, &[200]).1 > DECODER_HEAP_BYTES_MAX, "a trusted length is found");
    assert_eq!(judge(Path::new("good-x"), false), Err("was refused"));
    assert_eq!(judge(Path::new("bad-x"), true), Err("was taken"));
}
