//! bench: what the bus costs, beside what the machine under it costs in the same run.
//!
//! | file | holds |
//! |---|---|
//! | `command` | the verbs of `defibus bench`, and running one of them |
//! | `floor` | the floors: TCP echo, two hops, write and fdatasync, by the ring itself |
//! | `rpc`, `publish` | the same work through a node, by the SDK |
//! | `measured` | a line of results: quantiles, rate, ratio to the floor |
//! | `workload` | what is asked of a bus, in OpenMessaging Benchmark's YAML |
//! | `load/` | the open-loop load generator, and the trait behind which every bus stands |
//! | `suite/` | workloads one after another, with node, floors, search and verdict |
//! | `spans` | latencies as a histogram that is kept, merged and stored |
//! | `result/` | everything one run found out: written, read back, compared, drawn |
//! | `figure` | one number of a run, by name |
//! | `figures` | the block of figures in the project's own pages |
//! | `report/` | results as one HTML page, and as pictures |
//! | `compare/` | whether one set of runs is better than another |
//! | `host` | the machine and the program behind a figure |
//! | `clock` | the one door to the machine's clock, and to its cores |
//!
//! A ratio compares two figures of one run on one machine: absolute times of
//! different machines or days say nothing about the code.

#![forbid(unsafe_code)]

pub mod clock;
pub mod command;
pub mod compare;
pub mod figure;
pub mod figures;
pub mod floor;
pub mod host;
pub mod load;
pub mod measured;
pub mod publish;
pub mod report;
pub mod result;
pub mod rpc;
#[cfg(test)]
mod sample;
pub mod spans;
pub mod suite;
pub mod workload;

pub use command::{BenchError, Work, run};
pub use measured::Measured;
pub use result::RunResult;
pub use spans::Spans;
