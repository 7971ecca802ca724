//! Strike: what happens to the node at some moment, drawn before the run begins.
//!
//! A plan of strikes is a plain list, so a shrinker can leave some of them out.

use super::MILLISECOND_NS;
use crate::random::Random;

/// What may strike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Misfortune {
    /// Everything un-synced may be lost, after so many effects.
    PowerLoss(u64),
    /// The process dies, after so many effects; the drive keeps what it took.
    ProcessDeath(u64),
    /// As a power loss, and the next start ends after so many writes of its own.
    RecoveryCrash(u64),
    /// As a power loss, and reads of the next start fail by chance, for so many nanoseconds.
    ShakyStart(u64),
    /// The process is asked to end.
    Shutdown,
    /// Nothing of the node runs, for so many nanoseconds.
    Pause(u64),
    /// The next flush fails.
    FlushError(FlushFault),
    /// The next file task fails.
    TaskError,
    /// Reads fail, for so many nanoseconds.
    ReadErrors(u64),
    /// Damage to what is on a disk.
    Damage(Damage),
    /// No disk takes more, for so many nanoseconds.
    DiskFull(u64),
    /// Flushes take 100 ms to 10 s, for so many nanoseconds.
    SlowDisk(u64),
    /// A connection is cut.
    Cut,
    /// The next bytes to the node are cut somewhere, and the connection with them.
    CutFrame,
    /// A connection loses one direction, or both, and nobody is told.
    HalfOpen(Deaf),
    /// A client stops reading, for so many nanoseconds.
    Stall(u64),
    /// The wall clock leaps, by nanoseconds.
    ClockLeap(i64),
}

/// How a flush fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FlushFault {
    /// The write took fewer bytes.
    Short,
    /// The write failed: any of its sectors may be there.
    Write,
    /// The sync failed: the cache may have let go of anything.
    Sync,
}

/// What becomes of something that was written and synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Damage {
    /// A bit of a segment flips.
    Bit,
    /// A block of a segment cannot be read any more.
    BadSector,
    /// A block of the batch synced last cannot be read any more, and the process ends at once: nothing
    /// but the block itself tells that it was synced.
    BadTail,
    /// A write of a batch never reached the medium.
    LostWrite,
    /// A block of a batch went where another one belongs.
    Misdirected,
    /// A bit of one copy of the superblock flips: the others repair it.
    SuperblockCopy,
    /// A bit of an index file flips: it is built again.
    Index,
    /// A bit of the newest snapshot flips.
    Snapshot,
}

/// Who hears nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deaf {
    /// The node.
    Node,
    /// The client.
    Client,
    /// Both.
    Both,
}

/// A misfortune and its moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Strike {
    /// When, monotonic.
    pub at_ns: u64,
    /// What.
    pub what: Misfortune,
}

/// Draws what strikes between the start and `heal_ns`, each kind from a source of its own; and when
/// the faults are really over: a pause puts off what comes after it.
pub(super) fn plan(random: &Random, heal_ns: u64) -> (Vec<Strike>, u64) {
    let mut strikes = damages(random, heal_ns);
    for (name, chance, most, draw) in KINDS {
        let mut random = random.fork(name);
        if random.chance(*chance) {
            for _ in 0..random.between(1, *most) {
                let at_ns = random.between(20 * MILLISECOND_NS, heal_ns);
                strikes.push(Strike { at_ns, what: draw(&mut random) });
            }
        }
    }
    strikes.sort_unstable();
    let mut put_off_ns = 0;
    for strike in &mut strikes {
        strike.at_ns += put_off_ns;
        if let Misfortune::Pause(span_ns) = strike.what {
            put_off_ns += span_ns;
        }
    }
    (strikes, heal_ns + put_off_ns)
}

/// A kind's name, how many of a thousand seeds have it, how often it strikes at most, and what it is.
type Kind = (&'static str, u64, u64, fn(&mut Random) -> Misfortune);

const KINDS: &[Kind] = &[
    ("power", 650, 4, |random| Misfortune::PowerLoss(random.below(20))),
    ("death", 400, 3, |random| Misfortune::ProcessDeath(random.below(20))),
    ("recovery", 150, 2, |random| Misfortune::RecoveryCrash(random.below(6))),
    // Shorter than a start's patience.
    ("shaky", 150, 2, |random| Misfortune::ShakyStart(span(random, 10, 3_000))),
    ("shutdown", 200, 1, |_| Misfortune::Shutdown),
    ("pause", 150, 2, |random| Misfortune::Pause(span(random, 50, 30_000))),
    ("flush", 150, 2, |random| {
        let faults = [FlushFault::Short, FlushFault::Write, FlushFault::Sync];
        Misfortune::FlushError(random.one_of(&faults))
    }),
    ("task", 80, 1, |_| Misfortune::TaskError),
    ("read", 100, 3, |random| Misfortune::ReadErrors(span(random, 10, 500))),
    ("full", 150, 2, |random| Misfortune::DiskFull(span(random, 100, 3_000))),
    ("slow", 120, 2, |random| Misfortune::SlowDisk(span(random, 200, 5_000))),
    ("cut", 500, 12, |_| Misfortune::Cut),
    ("cut frame", 400, 6, |_| Misfortune::CutFrame),
    ("half-open", 150, 3, |random| {
        Misfortune::HalfOpen(random.one_of(&[Deaf::Node, Deaf::Client, Deaf::Both]))
    }),
    ("stall", 200, 4, |random| Misfortune::Stall(span(random, 100, 4_000))),
    ("leap", 300, 3, |random| {
        let hour_ns = 3_600_000 * MILLISECOND_NS;
        let leap_ns = i64::try_from(random.below(2 * hour_ns)).expect("two hours");
        Misfortune::ClockLeap(leap_ns - i64::try_from(hour_ns).expect("an hour"))
    }),
];

/// Between so many milliseconds, short ones more often; in nanoseconds.
fn span(random: &mut Random, min_ms: u64, max_ms: u64) -> u64 {
    let max_ms = random.between(min_ms, max_ms);
    random.between(min_ms, max_ms) * MILLISECOND_NS
}

/// A drive that lies strikes alone: together with other damage it may hide a write that nothing proves any more.
fn damages(random: &Random, heal_ns: u64) -> Vec<Strike> {
    let mut random = random.fork("damage");
    let lies = [Damage::LostWrite, Damage::Misdirected];
    let decays = [
        Damage::Bit,
        Damage::Bit,
        Damage::BadSector,
        Damage::SuperblockCopy,
        Damage::Index,
        Damage::Snapshot,
    ];
    let count = match random.below(1000) {
        0..100 => {
            let at_ns = random.between(heal_ns / 2, heal_ns);
            return vec![Strike { at_ns, what: Misfortune::Damage(random.one_of(&lies)) }];
        }
        100..250 => random.between(1, 2),
        250..300 => return bad_tail(random.between(heal_ns / 4, heal_ns)),
        _ => 0,
    };
    let strike = |_| {
        let at_ns = random.between(heal_ns / 4, heal_ns);
        Strike { at_ns, what: Misfortune::Damage(random.one_of(&decays)) }
    };
    (0..count).map(strike).collect()
}

fn bad_tail(at_ns: u64) -> Vec<Strike> {
    let strikes = [Misfortune::Damage(Damage::BadTail), Misfortune::ProcessDeath(0)];
    strikes.into_iter().map(|what| Strike { at_ns, what }).collect()
}
