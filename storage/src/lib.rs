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
//! | `audit` | lines that are only added to, for what an operator accepted |
//! | `inspect` | what a directory holds, offline |
//! | `plan` | what the machine is asked to do, and the `Disk` read at start |
//! | `queue` | one queue's ends, and its offsets' places in the log |
//! | `index_file` | the same for a sealed segment, beside it on the disk |
//! | `memory` | the records of memory queues |
//! | `positions` | what each group consumed of each queue |
//! | `dedup` | which publishes were taken before |
//! | `note` | what the log says to itself: positions, leases, the catalog |
//! | `snapshot` | the state at some point of the log, as one file |
//! | `cache` | what was read back for those who are behind |
//! | `store` | one shard's storage as the broker uses it |

#![forbid(unsafe_code)]

pub mod audit;
pub mod batch;
mod cache;
mod chunk;
mod dedup;
#[cfg(test)]
mod golden;
mod index_file;
pub mod inspect;
pub mod log;
mod memory;
pub mod note;
pub mod plan;
mod pool;
mod positions;
mod queue;
mod recent;
pub mod recovery;
pub mod segment;
mod snapshot;
pub mod store;
mod superblock;
#[cfg(test)]
mod testing;

pub use plan::{Disk, DiskFault, FileName, OpId, OpIds, Plan};
pub use store::Store;
