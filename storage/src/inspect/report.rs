//! Report: what `inspect` found, as plain values.

use crate::log::BatchPlace;
use crate::segment::QueueRange;
use crate::store::DamagedRange;
use bytes::Bytes;
use wire::{LogIndex, ShardId, Term};

/// How much is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Headers and footers; batches only of segments that were not sealed.
    Overview,
    /// Every byte.
    Verify,
}

/// What a shard's directory holds.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What two of its four copies say; `None` when no two agree.
    pub superblock: Option<SuperblockReport>,
    /// How many copies of the superblock can be read, of 4.
    pub superblock_copies: usize,
    /// Ascending by number.
    pub segments: Vec<SegmentReport>,
    /// The queues with records, ascending; ends exclusive.
    pub queues: Vec<QueueRange>,
    /// Indexes of the snapshots, ascending.
    pub snapshots: Vec<u64>,
    /// Changes of the catalog, as they were noted (shard 0); an overview may miss some.
    pub catalog: Vec<Bytes>,
    /// What is wrong: files with copies first, then in log order.
    pub damage: Vec<DamagedRange>,
    /// A flush that landed in parts and was never acknowledged: the next start cuts it off.
    pub torn: Option<DamagedRange>,
}

/// The superblock's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SuperblockReport {
    /// Of the cluster.
    pub cluster_id: u128,
    /// Of the node.
    pub node_id: u128,
    /// Which shard's directory it is.
    pub shard: ShardId,
    /// Writes of the superblock so far.
    pub sequence: u64,
    /// Boots so far.
    pub incarnation: u64,
    /// Every batch below was synced when it was written.
    pub synced_end: LogIndex,
    /// The newest snapshot holds everything below.
    pub snapshot_from: LogIndex,
    /// The log's term.
    pub term: Term,
}

/// What a segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentState {
    /// Made ready; nothing was written.
    Empty,
    /// The log goes on here.
    Open,
    /// Left for ever, with a footer.
    Sealed,
    /// Neither copy of the header nor the footer can be read.
    Unreadable,
}

/// One segment's file.
#[derive(Clone, Debug)]
pub struct SegmentReport {
    /// Its number.
    pub number: u64,
    /// Length of the file.
    pub bytes: u64,
    /// What it is.
    pub state: SegmentState,
    /// Index of its first batch.
    pub base: LogIndex,
    /// Exclusive end of its batches.
    pub end: LogIndex,
    /// Batches in it.
    pub batch_count: u64,
    /// Sections in it, notes included.
    pub section_count: u64,
    /// Records in it, notes included.
    pub record_count: u64,
    /// First and last acceptance, wall nanoseconds; 0 = none.
    pub oldest_ns: u64,
    /// See `oldest_ns`.
    pub newest_ns: u64,
    /// Its batches, where they were read.
    pub batches: Vec<BatchReport>,
}

/// One batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchReport {
    /// Where it stands.
    pub place: BatchPlace,
    /// When it was closed, wall nanoseconds.
    pub wall_ns: u64,
    /// Its sections.
    pub section_count: u32,
    /// Its records.
    pub record_count: u64,
}
