//! sim: real brokers and storage on a machine that fails, from one seed.
//!
//! | file | is |
//! |---|---|
//! | `world` | the clock, the calendar, what strikes when |
//! | `node` | what `shard::drive` is to real shards |
//! | `disk` | a directory that loses what was not synced |
//! | `aftermath` | a log damaged when all is done, and who notices |
//! | `actors` | clients, against the wire alone |
//! | `observation` | what clients, disks and the world tell the oracle |
//! | `ledger` | what was published, accepted and told so far |
//! | `checkers` | one promise each |
//! | `oracle` | hears everything, and keeps the first violation |
//! | `faults` | which misfortunes a seed switches on |
//! | `trace` | what happened, as a hash and as lines |

#![forbid(unsafe_code)]

pub mod actors;
pub mod aftermath;
pub mod checkers;
pub mod disk;
pub mod faults;
pub mod ledger;
pub mod node;
pub mod observation;
pub mod oracle;
pub mod random;
pub mod trace;
pub mod world;

use faults::Fired;
use oracle::Violation;
use world::World;

/// What came of a seed.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The violation, if there was one.
    pub verdict: Result<(), Violation>,
    /// What happened, in one number.
    pub trace_hash: u64,
    /// Publishes, deliveries and requests.
    pub operations: u64,
    /// The weather.
    pub faults: String,
    /// What struck.
    pub fired: Fired,
    /// The last lines of the trace, if it was asked for.
    pub lines: Vec<String>,
}

/// Runs one seed to its end.
pub fn run(seed: u64, is_traced: bool) -> Outcome {
    let mut world = World::new(seed, is_traced);
    let verdict = world.run();
    let (faults, fired, operations) = world.summary();
    let lines = world.trace_lines().map(str::to_owned).collect();
    Outcome { verdict, trace_hash: world.trace_hash(), operations, faults, fired, lines }
}
