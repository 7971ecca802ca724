//! Recovery: what a crash left of a log, and where to go on.

use crate::batch::BatchView;
use crate::log::BatchPlace;
use crate::store::DamagedRange;

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
    },
}

/// How far offsets and batch indexes jump over what cannot be read.
pub const OFFSETS_SKIPPED: u64 = 1 << 20;
