//! Laws: a test for each law of the house that fails when the law is broken.
//!
//! A law of structure is checked on the real tree, and then on a sample that
//! breaks it on purpose: a check that finds nothing there is no check. A law of
//! behaviour is checked on the real code, beside a variant that breaks it.

#[path = "fuzz/decoders.rs"]
mod decoders;
#[path = "fuzz/durable.rs"]
mod durable;
#[path = "laws/lone.rs"]
mod lone;

use lone::{Lone, Received, section, store_config};
use sim::disk::SimDisk;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use storage::Store;
use storage::store::{NoteRefused, QueueLevel};
use wire::header::{FrameHeader, HeaderError};
use wire::limits::FRAME_BYTES_MAX;
use wire::table::{self, Level, TopicKind};
use wire::{ErrorCode, GroupId, Kind, Offset, QueueId, TopicId};
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

// ---- a broker by hand ----

/// A node with one topic; `bound` sets its bounds.
fn with_topic(kind: TopicKind, pending_requests_max: usize, log_bytes_max: u64) -> Lone {
    let mut lone = Lone::new(|settings, store| {
        settings.pending_requests_max = pending_requests_max;
        store.log_bytes_max = log_bytes_max;
    });
    lone.create_topic(kind);
    lone
}

fn request(lone: &mut Lone, queue: u64, id: u64) {
    lone.send(Kind::Request, id, &section(b"ask"), |builder| {
        let args = table::RequestArgs { queue, time_left_us: 1_000_000 };
        table::Request::create(builder, &args)
    });
}

/// The next frame the peer gets is of this kind.
fn expect(lone: &mut Lone, kind: Kind) -> Received {
    let received = lone.next().unwrap_or_else(|| panic!("{kind:?} does not come"));
    assert_eq!(received.kind(), kind, "{:?}", refusal(&received));
    received
}

fn refusal(received: &Received) -> Option<ErrorCode> {
    let error = received.frame().read::<table::Error<'_>>().ok()?;
    ErrorCode::from_number(error.code())
}

const QUEUE: QueueId = QueueId::new(TopicId(1), 0);

#[test]
fn law_5_what_is_full_refuses_and_does_not_grow() {
    let outcome_of_third = |pending_max: usize| {
        let mut lone = with_topic(TopicKind::Service, pending_max, 1 << 40);
        lone.send(Kind::Serve, 4, &[], |builder| {
            let service = Some(builder.create_string("A10-20190001"));
            table::Serve::create(builder, &table::ServeArgs { service, concurrency: 1 })
        });
        expect(&mut lone, Kind::Served);
        (10..13).for_each(|id| request(&mut lone, QUEUE.0, id));
        let received: Vec<Received> = std::iter::from_fn(|| lone.next()).collect();
        received.into_iter().find(|frame| frame.frame().header.request_id == 12)
    };
    let refused = outcome_of_third(2).expect("the third is answered at once");
    assert_eq!(refusal(&refused), Some(ErrorCode::TooManyPending));
    assert!(outcome_of_third(3).is_none(), "one more place, and the third waits");

    let mut lone = with_topic(TopicKind::Event, 1, 4 << 20);
    let record = vec![7; 32 << 10];
    for _ in 0..1000 {
        lone.publish(QUEUE.0, &record);
        lone.settle();
    }
    let log_bytes = lone.log_bytes();
    assert!((1 << 20..=4 << 20).contains(&log_bytes), "{log_bytes} bytes hold what 32 MiB left");

    let body_bytes = 0;
    let section_bytes = u32::try_from(FRAME_BYTES_MAX).expect("fits");
    let header =
        FrameHeader { version: 1, kind: 3, flags: 0, body_bytes, section_bytes, request_id: 0 };
    let refused = FrameHeader::decode(&header.encode());
    assert_eq!(refused, Err(HeaderError::Length(header.frame_bytes())), "before a byte is kept");
}

/// What a producer and a disk did, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Happened {
    Published,
    Synced,
    Accepted,
}

/// Whether nothing was accepted before it was synced.
fn keeps_law_6(history: &[Happened]) -> bool {
    let count = |of: Happened, end: usize| history[..end].iter().filter(|had| **had == of).count();
    (0..=history.len()).all(|end| count(Happened::Accepted, end) <= count(Happened::Synced, end))
}

#[test]
fn law_6_accepted_means_the_level_is_reached() {
    let mut lone = with_topic(TopicKind::Event, 1, 1 << 40);
    let mut history = Vec::new();
    for _ in 0..3 {
        history.push(Happened::Published);
        lone.publish(QUEUE.0, b"order");
        history.extend(lone.next().map(|_| Happened::Accepted));
        history.push(Happened::Synced);
        lone.settle();
        let receipt = expect(&mut lone, Kind::Receipt);
        let receipt = receipt.frame().read::<table::Receipt<'_>>().expect("sound").level();
        assert_eq!(receipt, Level::Durable);
        history.push(Happened::Accepted);
    }
    assert!(keeps_law_6(&history), "{history:?}");
    assert!(!keeps_law_6(&[Happened::Published, Happened::Accepted, Happened::Synced]));
}

/// Bytes from outside never panic us: every committed fuzz input, and each of them cut and damaged everywhere.
#[test]
fn law_7_bytes_from_outside_never_panic_us() {
    let mut inputs = 0;
    for (target, decoder) in decoders::ALL.iter().chain(durable::ALL) {
        for path in files(&root().join("tests/fuzz/corpus").join(target)) {
            let bytes = std::fs::read(&path).expect("a committed input");
            let outcome = std::panic::catch_unwind(|| feed(*decoder, &bytes));
            assert!(outcome.is_ok(), "{} panics", path.display());
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let taken = decoder(&bytes);
            assert!(taken || !name.starts_with("good-"), "{} was refused", path.display());
            assert!(!taken || !name.starts_with("bad-"), "{} was taken", path.display());
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

#[test]
fn law_8_an_older_epoch_changes_nothing() {
    let opened = Store::open(&store_config(), &mut SimDisk::new(), 1, false).expect("a new store");
    let mut store = opened.store;
    store.create_queue(QUEUE, QueueLevel::Memory, u64::MAX);
    let group = GroupId(1);
    let (old, _) = store.grant(QUEUE, group, Offset(0)).expect("the first lease");
    let (new, _) = store.grant(QUEUE, group, Offset(0)).expect("the next lease");
    assert!(new > old, "each lease has an epoch of its own");
    let before = store.position(QUEUE, group).cloned();
    let fenced = NoteRefused::Fenced { current: new };
    assert_eq!(store.commit(QUEUE, group, old, Offset(0)), Err(fenced));
    assert_eq!(store.ack(QUEUE, group, old, &[Offset(0)]), Err(fenced));
    assert_eq!(store.nack(QUEUE, group, old, Offset(0)), Err(fenced));
    assert_eq!(store.position(QUEUE, group).cloned(), before, "nothing changed");
    assert_eq!(before.map(|position| position.epoch), Some(new));
    assert!(store.commit(QUEUE, group, new, Offset(0)).is_ok(), "the owner's own word is taken");
}

#[test]
fn law_9_the_same_seed_gives_the_same_bytes() {
    let once = sim::run(9, false);
    assert_eq!(once.verdict, Ok(()));
    assert_eq!(sim::run(9, false).trace_hash, once.trace_hash);
    assert_ne!(sim::run(10, false).trace_hash, once.trace_hash, "another seed, another story");
}

/// Whether every number was given once.
fn keeps_law_10<T: Ord>(given: impl IntoIterator<Item = T>) -> bool {
    let mut seen = BTreeSet::new();
    given.into_iter().all(|number| seen.insert(number))
}

#[test]
fn law_10_a_number_never_means_something_else() {
    let mut lone = with_topic(TopicKind::Event, 1, 1 << 40);
    let mut offsets = Vec::new();
    for life in 0..3_u8 {
        for _ in 0..3 {
            lone.publish(QUEUE.0, &[life]);
            lone.settle();
            let receipt = expect(&mut lone, Kind::Receipt);
            let receipt = receipt.frame().read::<table::Receipt<'_>>().expect("sound");
            offsets.push((receipt.queue(), receipt.first_offset()));
        }
        lone.publish(QUEUE.0, b"never synced");
        lone = lone.lose_power();
    }
    assert!(keeps_law_10(offsets.clone()), "{offsets:?}");

    let mut queues = vec![QUEUE.0];
    for _ in 0..3 {
        lone.send(Kind::TopicDelete, 5, &[], |builder| {
            let name = Some(builder.create_string("A10-20190001"));
            table::TopicDelete::create(builder, &table::TopicDeleteArgs { name })
        });
        lone.settle();
        expect(&mut lone, Kind::Done);
        queues.push(lone.create_topic(TopicKind::Event));
        lone = lone.lose_power();
    }
    assert!(keeps_law_10(queues.clone()), "{queues:?}");
    assert!(!keeps_law_10([(7, 0), (7, 1), (7, 1)]));
}
