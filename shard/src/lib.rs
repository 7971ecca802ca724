//! shard: the machine. One core; its ring, timers, buffers, connections, mailboxes.
//!
//! The only crate with IO, a clock, threads and `unsafe` (in `sys`, the cellar).
//!
//! ```text
//! let data = DataDir::open(path)?;                        // locked
//! let (seats, handle) = prepare(&config, Some(&data))?;   // listeners, mailboxes; real ports
//! process::shutdown_on_signals(handle.clone())?;
//! for mut seat in seats {
//!     process::spawn("shard-0", move || {
//!         let core = Broker::open(seat.directory(), seat.addresses());
//!         drive(core, seat)                               // until Effect::Stop
//!     })?;
//! }
//! ```

pub mod config;
pub mod core;
pub mod data;
pub mod directory;
pub mod drive;
pub mod floor;
mod helper;
mod mailbox;
pub mod probe;
pub mod process;
pub mod seat;
mod sys;
mod wheel;

pub use config::{Idle, NodeMachine};
pub use core::{
    CloseCause, ConnectionId, Core, Effect, Effects, Event, FileId, FileTask, IoFault,
    MachineCounters, Now, OperationId,
};
pub use data::{DataDir, DataDirError};
pub use directory::{FileFault, ShardDir};
pub use drive::drive;
pub use probe::StartError;
pub use seat::{Addresses, Handle, Seat, prepare};
