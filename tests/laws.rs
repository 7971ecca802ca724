//! Laws: a test for each law of the house that fails when the law is broken.
//!
//! A law of structure is checked on the real tree, and then on a sample that
//! breaks it on purpose: a check that finds nothing there is no check. A law of
//! behaviour is checked on the real code, beside a variant that breaks it.

#[path = "fuzz/decoders.rs"]
mod decoders;

use std::path::{Path, PathBuf};
use xtask::process::root;
use xtask::tidy::arrows::{self, Arrow};
use xtask::tidy::bans;
use xtask::tidy::source::{self, Source};

/// The real tree keeps `law`; each planted file, `(path, code)`, breaks it.
fn check_ban(law: &str, planted: &[(&str, &str)]) {
    let broken = |sources: &[Source]| -> Vec<String> {
        let findings = bans::check(sources).into_iter();
        findings.map(|finding| finding.to_string()).filter(|what| what.contains(law)).collect()
    };
    let sources = source::load(&root()).expect("the tree is readable");
    assert!(sources.len() > 50, "the tree is there");
    assert_eq!(broken(&sources), Vec::<String>::new());
    for (path, code) in planted {
        assert_eq!(broken(&[Source::new(path, code)]).len(), 1, "{path}: {code} is not found");
    }
}

#[test]
fn law_1_only_the_machine_does_io_reads_a_clock_starts_a_thread() {
    check_ban(
        "law 1",
        &[
            ("storage/src/log.rs", "let bytes = std::fs::read(path);"),
            ("src/broker/publish.rs", "let begun = Instant::now();"),
            ("routing/src/groups.rs", "thread::spawn(work);"),
            ("src/broker/stats.rs", "println!();"),
        ],
    );
    let clippy = std::fs::read_to_string(root().join("clippy.toml")).expect("clippy.toml");
    for word in ["Instant::now", "SystemTime::now", "thread::spawn", "thread::sleep"] {
        assert!(clippy.contains(word), "clippy refuses {word} too");
    }
}

#[test]
fn law_2_unsafe_lives_in_the_cellar() {
    check_ban(
        "law 2",
        &[
            ("shard/src/drive.rs", "unsafe { libc::close(fd) };"),
            ("storage/src/batch.rs", "unsafe fn peek() {}"),
            ("tests/sim/src/world.rs", "unsafe impl Send for World {}"),
        ],
    );
    let in_the_cellar = Source::new("shard/src/sys/ring.rs", "unsafe { push(entry) };");
    assert_eq!(bans::check(&[in_the_cellar]), []);
}

#[test]
fn law_3_pillars_do_not_know_each_other() {
    let arrows = arrows::load(&root()).expect("cargo reads the workspace");
    assert!(arrows.len() > 10, "the workspace has arrows");
    assert_eq!(arrows::check(&arrows), []);
    let planted = [
        ("defibus-storage", "defibus-shard"),
        ("defibus-shard", "defibus-storage"),
        ("defibus-routing", "defibus-storage"),
        ("defibus-wire", "defibus-routing"),
        ("defibus-client", "defibus"),
        ("defibus-bench", "defibus-storage"),
        ("defibus-common", "defibus-wire"),
    ];
    for (from, to) in planted {
        let arrow = Arrow { from: from.to_owned(), to: to.to_owned() };
        assert_eq!(arrows::check(&[arrow]).len(), 1, "{from} -> {to} is not found");
    }
}

#[test]
fn law_4_shards_share_nothing() {
    check_ban(
        "law 4",
        &[
            ("src/broker/stats.rs", "static PUBLISHED: AtomicU64 = AtomicU64::ZERO;"),
            ("src/broker/catalog.rs", "topics: Arc<Topics>,"),
            ("storage/src/cache.rs", "thread_local!();"),
        ],
    );
}

/// Bytes from outside never panic us: every committed fuzz input, and each of them cut and damaged everywhere.
#[test]
fn law_7_bytes_from_outside_never_panic_us() {
    let mut inputs = 0;
    for (target, decoder) in decoders::ALL {
        for path in files(&root().join("tests/fuzz/corpus").join(target)) {
            let bytes = std::fs::read(&path).expect("a committed input");
            let outcome = std::panic::catch_unwind(|| feed(*decoder, &bytes));
            assert!(outcome.is_ok(), "{} panics", path.display());
            inputs += 1;
        }
    }
    assert!(inputs > 50, "the corpus is there");
    let trusting = |bytes: &[u8]| bytes[usize::from(bytes[0])] == 0;
    let outcome = std::panic::catch_unwind(|| feed(trusting, &[9, 9]));
    assert!(outcome.is_err(), "a decoder that trusts a length is found");
}

/// Hands `bytes` to a decoder whole, cut at a few places, and with single bytes changed.
fn feed(decoder: decoders::Decoder, bytes: &[u8]) {
    decoder(bytes);
    for end in (0..bytes.len().min(64)).chain((64..bytes.len()).step_by(61)) {
        decoder(&bytes[..end]);
        let mut damaged = bytes.to_vec();
        damaged[end] ^= 0xFF;
        decoder(&damaged);
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder of inputs");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    paths.sort();
    paths
}

/// Structure's half of law 9; the simulator runs each seed twice and compares the bytes.
#[test]
fn law_9_nothing_is_drawn_but_from_the_seed() {
    check_ban(
        "law 9",
        &[
            ("src/broker/members.rs", "members: HashMap<u64, Member>,"),
            ("storage/src/queue.rs", "let salt = thread_rng();"),
        ],
    );
}
