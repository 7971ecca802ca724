//! tools: the command line of DeFiBus: every verb that talks to a node, reads a directory or explains.
//!
//! | file | holds |
//! |---|---|
//! | `verbs` | one file per verb, and the tree of them |
//! | `globals` | the options every verb has |
//! | `output` | results as table, JSON, JSON lines: the one place |
//! | `failure`, `exit` | the one shape of errors; what the process ends with |
//! | `quantity` | durations, sizes and starting points as people write them |
//! | `bodies`, `latency` | what `pub` publishes; what was measured |
//! | `doctor` | what the machine under a node should be, check by check |
//! | `offline` | a data directory read without writing |
//! | `notice` | progress and hints on the standard error |
//! | `clock` | the one door to the machine's clock |
//! | `watched` | the standard output, and whether its reader went away |
//!
//! The verbs that start a node (`demo`, `dev`, `server`) and `config` are in the
//! root package, which flattens [`verbs::Verb`] into its own.

#![forbid(unsafe_code)]

pub mod audit;
pub mod bodies;
pub mod clock;
pub mod doctor;
pub mod exit;
pub mod failure;
pub mod globals;
pub mod latency;
pub mod notice;
pub mod offline;
pub mod output;
pub mod quantity;
pub mod verbs;
mod watched;

pub use exit::Exit;
pub use failure::Failure;
pub use globals::Globals;
pub use output::{Format, Printer, Report, Row};
