//! Batch: the unit of write, checksum and commit.

use bytes::Bytes;
use wire::{Epoch, LogIndex, Offset, ProducerId, QueueId, Term};

/// What stands before the records of one publish, or before one note (queue `QueueId::NOTES`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SectionHeader {
    /// Into which queue.
    pub queue: QueueId,
    /// Offset of its first record.
    pub first_offset: Offset,
    /// How many records.
    pub count: u32,
    /// Length of its records, in bytes.
    pub records_bytes: u32,
    /// By whom; 0 = not idempotent.
    pub producer: ProducerId,
    /// The producer's epoch.
    pub epoch: Epoch,
    /// Sequence of its first record.
    pub sequence: u64,
    /// Wall clock of the acceptance, nanoseconds since 1970.
    pub accepted_ns: u64,
}

/// Why bytes are not the batch that should be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// The header does not match its checksum.
    Header,
    /// A valid batch of another place or time: segment salt, index, cluster, shard or chain differ.
    Misplaced,
    /// A block of the body does not match its checksum; its number in the batch.
    Body(u32),
    /// The lengths inside contradict each other though the checksums match, or the bytes are too few.
    Malformed,
}

/// A checked batch.
#[derive(Clone, Debug)]
pub struct BatchView {
    /// Its index.
    pub index: LogIndex,
    /// The reign it was written in.
    pub term: Term,
    /// When it was closed, wall nanoseconds.
    pub wall_ns: u64,
    /// Its sections, one after another.
    pub body: Bytes,
}

impl BatchView {
    /// Its sections with their positions in the body.
    pub fn sections(&self) -> impl Iterator<Item = (u32, SectionHeader, &[u8])> {
        std::iter::empty()
    }
}

/// The section at a position of a checked body, its records sharing the body's memory.
pub fn section_at(body: &Bytes, section_position: u32) -> Option<(SectionHeader, Bytes)> {
    let _ = (body, section_position);
    None
}
