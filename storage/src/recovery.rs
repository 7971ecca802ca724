//! Recovery: what a crash left of a log, and where to go on.
//!
//! ```text
//!   segment    |batch|batch|batch| ? |            S = first batch not known to be synced
//!                        known so far ^ index
//!
//!   at index    finding                             decision
//!   below S     anything but the right batch        corruption: quarantine, go on after it      (rule 1)
//!   S or above  every sector right or never written torn: cut here, seal, new segment           (rule 2, 5)
//!   S or above  anything else                       damage: never cut; quarantine, go on later  (rule 3)
//!   S or above  more than one flush can have left   refuse without the operator's word          (rule 6)
//! ```
//!
//! S comes from the superblock, the snapshot, headers and footers of segments,
//! and every valid batch (one flush is in flight, so a batch proves all before
//! it). The last acknowledged batch may have no later evidence, so a bad tail
//! alone never proves a torn tail: only untouched zeroes do.
//!
//! Whatever was given up, batches go on `OFFSETS_SKIPPED` later. Shard 0 holds
//! the catalog: it opens over a quarantine only by the operator's word.
//!
//! Reads each header and footer, then only segments from the snapshot on.

mod replay;
mod scan;
mod superblock;
mod survey;
#[cfg(test)]
mod tests;
mod window;

pub(crate) use replay::{Recovered, recover};
pub(crate) use scan::{Cursor, Met, Tail, scan};
pub(crate) use superblock::{read_copies, without_quorum};
pub(crate) use survey::{Surveyed, survey};
pub(crate) use window::Window;

use crate::batch::BatchView;
use crate::log::BatchPlace;
use crate::store::DamagedRange;
use wire::LogIndex;

/// How far offsets and batch indexes jump over what cannot be read.
pub const OFFSETS_SKIPPED: u64 = 1 << 20;

/// What recovery meets, in log order.
#[derive(Debug)]
pub enum Found<'a> {
    /// A checked batch.
    Batch {
        /// Where it stands.
        place: BatchPlace,
        /// What it holds.
        batch: &'a BatchView,
    },
    /// Batches may have stood here whose sections cannot be read: every queue of the
    /// log may have got offsets in them. A queue with a later section learns its end from
    /// that; any other goes on 2^20 offsets (`OFFSETS_SKIPPED`) after its last known one.
    Damage {
        /// Where.
        range: &'a DamagedRange,
        /// Exclusive end of the batches that may have stood there.
        end: LogIndex,
    },
}
