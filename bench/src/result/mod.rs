//! result: what one run found out: the one thing that is written, read back, compared and drawn.
//!
//! | file | holds |
//! |---|---|
//! | `driver` | which bus, which version, how configured, and its durability level |
//! | `workload` | what was asked of it, and how the load was driven |
//! | `journey` | what a latency is measured over |
//! | `series` | the run interval by interval |
//! | `costs` | counts, CPU, fdatasyncs |
//! | `floors` | what the machine itself took in the same run, and ratios to it |
//! | `validity` | whether the figures may be believed |
//! | `openmessaging` | the same under OpenMessaging Benchmark's keys |
//! | `hdr` | its latencies as `.hgrm` and `.hlog` |
//! | `file` | results on disk |
//!
//! Nothing here measures; whoever runs a workload fills these in. Everything derived (rates,
//! quantiles, ratios) is computed from what was counted and never stored beside it.

pub mod costs;
pub mod driver;
pub mod file;
pub mod floors;
pub mod hdr;
pub mod journey;
pub mod openmessaging;
pub mod series;
#[cfg(test)]
mod tests;
pub mod validity;
pub mod workload;

pub use costs::{Counts, CpuUse, FlushUse};
pub use driver::{Driver, Level};
pub use file::{ReadError, find, read, write};
pub use floors::{Floors, LatencyFloor, RateFloor};
pub use journey::Journey;
pub use series::Interval;
pub use validity::Validity;
pub use workload::{Asked, Kind, Load, LoopModel};

use crate::host::{Build, Host};
use crate::spans::{Spans, as_f64};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The number of this model; another one is refused by name.
pub const FORMAT: u32 = 1;

/// Everything about one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// The number of the model, `FORMAT`.
    pub format: u32,
    /// When the measured part began, RFC 3339 in UTC.
    pub begun: String,
    /// Which repetition of the same work this is, from 1.
    pub repetition: u32,
    /// What was asked.
    pub workload: Asked,
    /// How it was driven.
    pub load: Load,
    /// Of which bus.
    pub driver: Driver,
    /// Whether the figures may be believed.
    pub validity: Validity,
    /// How many of what.
    pub counts: Counts,
    /// Latencies of the measured part, by what they are measured over.
    pub latencies: BTreeMap<Journey, Spans>,
    /// The measured part interval by interval, oldest first.
    pub intervals: Vec<Interval>,
    /// CPU time of both sides.
    pub cpu: CpuUse,
    /// What the bus did with its disk, where it tells.
    pub flushes: Option<FlushUse>,
    /// What the machine itself took in the same run.
    pub floors: Floors,
    /// Where the time went inside the node, in the order of a message's way; where it tells.
    pub stages: Vec<Stage>,
    /// What else was seen of this run alone; two runs of the same work may differ in it.
    #[serde(default)]
    pub observed: BTreeMap<String, String>,
    /// The machine.
    pub host: Host,
    /// The program that measured.
    pub build: Build,
}

impl RunResult {
    /// Messages acknowledged, or requests answered, in a second of the measured part.
    pub fn rate(&self) -> Option<f64> {
        let lasted_s = self.load.lasted_s;
        (lasted_s > 0.0).then(|| as_f64(self.counts.completed) / lasted_s)
    }
}

/// One stage of a message's way through a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// `ingress`, `queue`, `flush`, `deliver`, `service`, `reply`, `egress`.
    pub name: String,
    /// Time spent there.
    pub spans: Spans,
}
