//! Options: what the command line asks for: which workloads, on which bus, with how much load.

use super::floors::FloorPlan;
use super::node::NodePlan;
use super::runner::RunnerPlan;
use crate::floor::Cores;
use crate::workload::{Workload, WorkloadError, shipped};
use clap::Args;
use std::path::PathBuf;

/// Round trips and flushes of a floor, of a full run and of a quick one.
const FLOOR_COUNTS: (usize, usize) = (100_000, 10_000);
const FLOOR_COUNTS_QUICK: (usize, usize) = (10_000, 1000);
/// Load threads at most.
const THREADS_MAX: usize = 64;

/// How load is put on a bus.
#[derive(Clone, Debug, Args)]
pub struct LoadOptions {
    /// Half a second of warm-up and two seconds of each case: to see that it runs, not how fast it is
    #[arg(long)]
    pub quick: bool,
    /// How often each case is run; comparisons need several
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub repetitions: u32,
    /// Folder for the data of throw-away nodes and for the floor's file: on the disk that is measured
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
    /// Shards of a throw-away node
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub shards: u16,
    /// What a shard of a throw-away node does when there is nothing to do
    #[arg(long, default_value = "adaptive", value_parser = ["spin", "adaptive", "block"])]
    pub idle: String,
    /// Load threads, a core each; 0: one for each core that no shard has, at least one
    #[arg(long, default_value_t = 0, value_parser = threads)]
    pub threads: usize,
    /// Leave all threads to the kernel instead of pinning shards and load to cores of their own
    #[arg(long)]
    pub unpinned: bool,
}

/// `bench run`.
#[derive(Clone, Debug, Args)]
pub struct RunOptions {
    /// Shipped workloads (see `bench list`) or files
    #[arg(required = true, value_name = "WORKLOAD")]
    pub workloads: Vec<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "the options every load has")]
    pub load: LoadOptions,
    /// Folder to keep the results in, a file each
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
}

/// `bench suite`.
#[derive(Clone, Debug, Args)]
pub struct SuiteOptions {
    /// Only these workloads
    #[arg(long, value_name = "WORKLOAD", value_delimiter = ',')]
    pub only: Vec<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "the options every load has")]
    pub load: LoadOptions,
    /// Folder for the results, a file each, and the report
    #[arg(long, value_name = "DIR", default_value = "bench-results")]
    pub keep: PathBuf,
}

impl SuiteOptions {
    /// The same as a run of many workloads.
    pub fn run_options(&self) -> RunOptions {
        let named = self.only.iter().cloned();
        let all = shipped::names().map(str::to_owned);
        let workloads = if self.only.is_empty() { all.collect() } else { named.collect() };
        RunOptions { workloads, load: self.load.clone(), keep: Some(self.keep.clone()) }
    }
}

impl RunOptions {
    /// The workloads, all read before the first is run.
    ///
    /// # Errors
    /// One is none; tells where and why.
    pub fn workloads(&self) -> Result<Vec<Workload>, WorkloadError> {
        self.workloads.iter().map(|name| Workload::named(name)).collect()
    }
}

impl LoadOptions {
    /// How workloads are run.
    pub fn runner_plan(&self) -> RunnerPlan {
        let cores = available_cores();
        let shards = usize::from(self.shards);
        let threads = match self.threads {
            0 => cores.saturating_sub(shards).clamp(1, THREADS_MAX),
            threads => threads,
        };
        let pinned = !self.unpinned && threads + shards <= cores;
        let (trips, flushes) = if self.quick { FLOOR_COUNTS_QUICK } else { FLOOR_COUNTS };
        let ends = Cores { server: pinned.then_some(0), client: pinned.then_some(shards) };
        RunnerPlan {
            threads,
            cores: if pinned { (shards..shards + threads).collect() } else { Vec::new() },
            quick: self.quick,
            repetitions: self.repetitions,
            bodies: PathBuf::from("."),
            floors: FloorPlan { cores: ends, folder: self.dir.clone(), trips, flushes },
        }
    }

    /// How throw-away nodes are started; `program` is this one.
    pub fn node_plan(&self, program: PathBuf) -> NodePlan {
        let shards = usize::from(self.shards);
        let pinned = !self.runner_plan().cores.is_empty();
        NodePlan {
            program,
            folder: self.dir.clone(),
            shards: self.shards,
            cores: if pinned { (0..shards).collect() } else { Vec::new() },
            idle: self.idle.clone(),
            connections: 0,
        }
    }
}

/// Cores this process may use.
fn available_cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Lets this process, and what it starts, open as many files as it is allowed to.
pub fn raise_open_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Not allowed: then a workload of many connections is refused by its number.
    let _ = setrlimit(Resource::Nofile, limit);
}

fn threads(text: &str) -> Result<usize, String> {
    let count = text.parse().map_err(|_| "a number of threads".to_owned())?;
    if count <= THREADS_MAX { Ok(count) } else { Err(format!("at most {THREADS_MAX} threads")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(shards: u16, threads: usize) -> LoadOptions {
        LoadOptions {
            quick: true,
            repetitions: 1,
            dir: ".".into(),
            shards,
            idle: "adaptive".to_owned(),
            threads,
            unpinned: false,
        }
    }

    #[test]
    fn shards_and_load_get_cores_of_their_own_or_none() {
        let cores = available_cores();
        let plan = options(1, 1).runner_plan();
        assert_eq!(plan.threads, 1);
        assert_eq!(plan.cores, if cores >= 2 { vec![1] } else { Vec::new() });
        let node = options(1, 1).node_plan("defibus".into());
        assert_eq!(node.cores, if cores >= 2 { vec![0] } else { Vec::new() });
        assert!(options(64, 64).runner_plan().cores.is_empty(), "no machine has so many");
        assert!(options(1, 0).runner_plan().threads >= 1);
        assert!(threads("65").is_err() && threads("x").is_err());
    }

    #[test]
    fn a_suite_is_all_shipped_workloads_unless_some_are_named() {
        let only: Vec<String> = vec!["smoke".to_owned()];
        let mut suite = SuiteOptions { only, load: options(1, 1), keep: "r".into() };
        assert_eq!(suite.run_options().workloads, ["smoke"]);
        suite.only.clear();
        let workloads = suite.run_options().workloads().expect("all are workloads");
        assert_eq!(workloads.len(), shipped::names().count());
    }
}
