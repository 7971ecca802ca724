//! sim: real brokers and storage on a machine that fails, from one seed.
//!
//! | file | is |
//! |---|---|
//! | `world` | the run from its start to its end; what a misfortune does |
//! | `schedule` | the clocks, the calendar |
//! | `network` | connections, and how they fail |
//! | `node` | what `shard::drive` is to real shards |
//! | `disk` | a directory that loses what was not synced, and rots |
//! | `aftermath` | a log damaged when all is done, and who notices |
//! | `actors` | clients, against the wire alone |
//! | `observation` | what clients, disks and the world tell the oracle |
//! | `ledger` | what was published, accepted and told so far |
//! | `checkers` | one promise each |
//! | `oracle` | hears everything, and keeps the first violation |
//! | `faults` | which misfortunes a seed switches on |
//! | `trace` | what happened, as a hash and as lines |
//! | `shrink`, `panics`, `report` | a failing seed in its mildest weather, and its story |

#![forbid(unsafe_code)]

pub mod actors;
pub mod aftermath;
pub mod checkers;
pub mod disk;
pub mod faults;
pub mod ledger;
pub mod network;
pub mod node;
pub mod observation;
pub mod oracle;
pub mod panics;
pub mod random;
pub mod report;
pub mod schedule;
pub mod shrink;
pub mod trace;
pub mod world;

use faults::{Faults, Fired};
use oracle::Violation;
use random::Random;
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

/// The weather of a seed.
pub fn weather(seed: u64) -> Faults {
    Faults::draw(&mut Random::new(seed).fork("weather"))
}

/// Runs one seed to its end.
pub fn run(seed: u64, is_traced: bool) -> Outcome {
    run_in(seed, weather(seed), is_traced)
}

/// Runs a seed to its end in a weather that may not be its own.
pub fn run_in(seed: u64, weather: Faults, is_traced: bool) -> Outcome {
    let faults = weather.describe();
    let mut world = World::new(seed, weather, is_traced);
    let verdict = panics::caught(|| world.run());
    let lines = world.trace_lines().map(str::to_owned).collect();
    Outcome {
        verdict,
        trace_hash: world.trace_hash(),
        operations: world.oracle.ledger().operations,
        faults,
        fired: world.fired(),
        lines,
    }
}
