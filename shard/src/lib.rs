//! shard: the machine. One core; its ring, timers, buffers, connections, mailboxes.
//!
//! The only crate with IO, a clock, threads and `unsafe` (in `sys`, the cellar).
//!
//! | file | holds |
//! |---|---|
//! | `core` | the contract: events, effects, and the one function a shard drives |
//! | `config`, `seat` | what a node is made with; what each shard's thread is given |
//! | `drive` | one shard's loop |
//! | `durations` | how long things took |
//! | `wheel`, `mailbox`, `helper` | timers; letters between shards; file tasks off the core |
//! | `files`, `memlock` | what is given up where the host's limits are small |
//! | `data`, `directory` | the node's directory and each shard's |
//! | `probe`, `process`, `floor` | what the host offers; signals, seeds, exits; what the least loop does |
//! | `sys` | the cellar |
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
mod durations;
mod files;
pub mod floor;
mod helper;
mod mailbox;
mod memlock;
pub mod probe;
pub mod process;
pub mod seat;
mod sys;
mod wheel;

pub use config::{Idle, NodeMachine};
pub use core::{
    CloseCause, ConnectionId, Core, Effect, Effects, Event, FileId, FileTask, IoFault,
    MachineCounters, Now, OperationId, Parcel, Room,
};
pub use data::{DataDir, DataDirError};
pub use directory::{FileFault, ShardDir};
pub use drive::drive;
pub use durations::Durations;
pub use probe::StartError;
pub use seat::{Addresses, Handle, Seat, prepare};
