//! storage: what survives. The log, its index, recovery, consumer positions, producer dedup.
//!
//! No IO: it says what to write (`Plan`) and is told what was flushed. At start
//! and offline it reads through the caller's `Disk`.
//!
//! | file | holds |
//! |---|---|
//! | `batch` | the unit of write, checksum and commit; its sections |
//! | `log` | the batches of all queues of one shard, in order |
//! | `recovery` | what a crash left of a log, and where to go on |
//! | `plan` | what the machine is asked to do, and the `Disk` read at start |
//! | `store` | one shard's storage as the broker uses it |

#![forbid(unsafe_code)]

pub mod batch;
mod chunk;
#[cfg(test)]
mod golden;
pub mod log;
pub mod plan;
mod pool;
mod recent;
pub mod recovery;
pub mod segment;
pub mod store;
mod superblock;

pub use plan::{Disk, DiskFault, FileName, OpId, OpIds, Plan};
pub use store::Store;
