//! shard: the machine. One core; its ring, timers, buffers, connections, mailboxes.
//!
//! The only crate with IO, a clock, threads and `unsafe` (in `sys`, the cellar).

pub mod core;

pub use core::{
    CloseCause, ConnectionId, Core, Effect, Effects, Event, FileId, FileTask, IoFault, MachineCounters, Now, OperationId,
};
