//! Delivery: what a consumer takes: messages, and word of what will never come.

use crate::record::RecordView;
use wire::record::RecordError;
use wire::{Epoch, Offset, QueueId};

/// What `next` of a consumer gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A message.
    Message(Message),
    /// Offsets that will never come.
    Gap(Gap),
    /// A message that was damaged on its way here. It is in flight: `nack` has it sent again.
    Damaged {
        /// What is known of it; its record is not among it.
        place: Place,
        /// What is wrong with it.
        error: RecordError,
    },
}

/// Where a message came from, and under which lease. Enough to acknowledge it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its queue.
    pub queue: QueueId,
    /// Which record of the queue.
    pub offset: Offset,
    /// The lease under which it came.
    pub lease_epoch: Epoch,
}

/// One delivered record. (queue, offset) identifies it for ever: the key to recognise a second delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where it came from.
    pub place: Place,
    /// 1 for the first delivery, then counting up.
    pub attempt: u32,
    /// When the node accepted it: wall clock, nanoseconds since 1970.
    pub accepted_ns: u64,
    /// The record itself.
    pub record: RecordView,
}

impl Message {
    /// Its queue.
    pub const fn queue(&self) -> QueueId {
        self.place.queue
    }

    /// Which record of the queue.
    pub const fn offset(&self) -> Offset {
        self.place.offset
    }

    /// The payload.
    pub fn body(&self) -> &[u8] {
        self.record.body()
    }
}

/// Offsets of a queue that will never be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Which queue.
    pub queue: QueueId,
    /// The first missing offset.
    pub from: Offset,
    /// The first offset after the missing ones.
    pub to: Offset,
    /// Why.
    pub reason: GapReason,
}

/// Why offsets never come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GapReason {
    /// They were older than the topic keeps.
    Retention,
    /// They are damaged on the disk.
    Damage,
    /// They were kept in memory only, and the process ended.
    MemoryLost,
    /// The numbers were set aside and never used.
    Reserved,
    /// A reason this release does not know.
    Other,
}
