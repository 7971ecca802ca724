//! Contract: the values a broker gives a store and gets from it.

use super::Store;
use crate::plan::{DiskFault, FileName, OpId};
use crate::segment::QueueRange;
use bytes::Bytes;
use wire::{Epoch, LogIndex, Offset, ProducerId, QueueId, ShardId};

/// How one shard's storage is set up. Sizes in bytes, spans in nanoseconds.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// Which shard's.
    pub shard: ShardId,
    /// Of the node; stamped on every file.
    pub node_id: u128,
    /// Of the cluster; stamped on every file.
    pub cluster_id: u128,
    /// Length of a segment: 64 MiB by default, 1 MiB in tests; at least 2 x the largest batch.
    pub segment_bytes: u64,
    /// The largest record the node takes.
    pub record_bytes_max: usize,
    /// A flush starts at the latest with so much gathered: 1 MiB.
    pub batch_bytes_max: usize,
    /// Newest batches kept in memory for consumers at the tail.
    pub recent_bytes_max: usize,
    /// Cache of blocks read back from the disk.
    pub read_cache_bytes_max: usize,
    /// All records of `memory` topics on this shard.
    pub memory_bytes_max: usize,
    /// All segments of this shard together; publishes are refused before it.
    pub log_bytes_max: u64,
    /// Segments older than this go.
    pub retention_ns: u64,
    /// Segments made ready ahead.
    pub prepared_segments: usize,
    /// A snapshot after so many log bytes...
    pub snapshot_log_bytes: u64,
    /// ... but not before so much time.
    pub snapshot_interval_ns: u64,
    /// Everything sealed is read once in so much time; 0: never.
    pub scrub_period_ns: u64,
    /// But never so many bytes in a second.
    pub scrub_bytes_per_second_max: u64,
    /// Draws segment salts; from the machine's randomness, or the simulator's seed.
    pub seed: u64,
}

/// How a queue keeps its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueLevel {
    /// A bounded ring in memory; the log only reserves offsets.
    Memory,
    /// In the log, acknowledged after fdatasync.
    Durable,
}

/// One publish: `records` is a checked section of `count` records.
#[derive(Clone, Copy, Debug)]
pub struct Publish<'a> {
    /// Into which queue.
    pub queue: QueueId,
    /// By whom; 0 = not idempotent.
    pub producer: ProducerId,
    /// The producer's epoch.
    pub epoch: Epoch,
    /// Sequence of the first record.
    pub sequence: u64,
    /// How many records.
    pub count: u32,
    /// Their bytes.
    pub records: &'a [u8],
    /// Wall clock of the acceptance.
    pub accepted_ns: u64,
}

/// A publish that has its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// Offset of its first record.
    pub first_offset: Offset,
    /// Its batch: accepted once `Store::durable_end` is above. `None` = accepted now (memory level, or a duplicate of something durable).
    pub waits_for: Option<LogIndex>,
    /// It was published before; nothing was stored now.
    pub duplicate: bool,
}

/// Why a publish is refused. Nothing was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublishRefused {
    /// No such queue on this shard.
    UnknownQueue,
    /// The gathering batch is full and a flush is in flight: hold the frame, try again after it.
    Busy,
    /// The storage limit is reached.
    StorageFull {
        /// In use.
        bytes: u64,
        /// Allowed.
        bytes_max: u64,
    },
    /// The memory ring is full.
    MemoryFull {
        /// In use.
        bytes: u64,
        /// Allowed.
        bytes_max: u64,
    },
    /// A newer epoch published here.
    Fenced {
        /// The newest epoch seen.
        newest: Epoch,
    },
    /// A sequence is missing before this one.
    SequenceGap {
        /// The next one that would be taken.
        expected: u64,
    },
    /// Not the first sequence, and nothing is known of this producer on this queue (or it was evicted).
    UnknownProducer,
    /// Larger than a batch can be.
    TooLarge,
}

/// Why a note (position, lease, catalog change) is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoteRefused {
    /// No such queue on this shard.
    UnknownQueue,
    /// The gathering batch is full: try again after the flush.
    Busy,
    /// Another lease epoch owns the queue.
    Fenced {
        /// The epoch that owns it.
        current: Epoch,
    },
    /// More than the bounded number of acknowledgements above the floor.
    TooManyAcksAhead {
        /// How many may be.
        count_max: usize,
    },
    /// The offset lies outside the queue.
    OutOfRange,
    /// Even the reserve for notes is used up.
    StorageFull,
}

/// Start and ends of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueEnds {
    /// First offset still there.
    pub start: Offset,
    /// Where a group without a position begins. Before `start` where damage was ever met: it may have
    /// taken the first records, or the position itself, and the group is to be told.
    pub told_start: Offset,
    /// Exclusive end of what consumers may see: level reached.
    pub visible_end: Offset,
    /// Exclusive end of what was appended.
    pub appended_end: Offset,
    /// How it keeps its records.
    pub level: QueueLevel,
}

/// What a read from a queue gives.
#[derive(Clone, Debug)]
pub enum Read {
    /// Records with contiguous offsets from `first_offset`, all of one section.
    Records {
        /// Offset of the first.
        first_offset: Offset,
        /// How many.
        count: u32,
        /// When their section was accepted.
        accepted_ns: u64,
        /// Their bytes, checksums verified.
        bytes: Bytes,
    },
    /// They are on the disk: read again once this operation is done.
    Wait(OpId),
    /// Nothing there from the asked offset up to `to`, for ever.
    Gap {
        /// Exclusive end of the gap.
        to: Offset,
        /// Why.
        reason: GapReason,
    },
    /// Nothing visible at or after the asked offset yet.
    End,
}

/// Why offsets will never be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GapReason {
    /// Age or size took them.
    Retention,
    /// The disk damaged them.
    Damage,
    /// They were only in memory, and the process ended.
    MemoryLost,
    /// Offsets reserved and never used.
    Reserved,
}

/// What the store of one shard found when it was opened.
#[derive(Debug)]
pub struct Opened {
    /// Ready for use.
    pub store: Store,
    /// Catalog changes in the order they were noted, oldest first (shard 0).
    pub catalog: Vec<Bytes>,
    /// For the operator.
    pub report: RecoveryReport,
}

/// What recovery did, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// Batches read from the log.
    pub batches: u64,
    /// Bytes read from the log.
    pub bytes: u64,
    /// Bytes cut off a torn tail (rule 2).
    pub cut_bytes: u64,
    /// Damaged ranges: file, position, bytes, and why.
    pub damaged: Vec<DamagedRange>,
    /// Of them and of others, what a start needed the operator's word for.
    pub accepted: Vec<DamagedRange>,
    /// Offsets that will be told as damage, as far as they are known (at most 1000 ranges).
    pub lost: Vec<QueueRange>,
}

/// A range of a file that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedRange {
    /// Which file.
    pub file: FileName,
    /// First byte.
    pub position: u64,
    /// Length in bytes.
    pub bytes: u64,
    /// What is wrong.
    pub what: String,
    /// Offsets that cannot be served for it, as far as they are known.
    pub lost: Vec<QueueRange>,
}

impl DamagedRange {
    /// Damage of which no lost offset is known yet.
    pub(crate) const fn new(file: FileName, position: u64, bytes: u64, what: String) -> Self {
        Self { file, position, bytes, what, lost: Vec::new() }
    }
}

/// Why a shard's storage cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// The disk refused.
    Disk(DiskFault),
    /// Files of another node, cluster or shard.
    Foreign {
        /// What was found.
        found: String,
    },
    /// Written by a newer release.
    UnknownFormat {
        /// The version found.
        version: u32,
    },
    /// Damage that needs the operator's word.
    Damaged {
        /// Where and what.
        range: DamagedRange,
    },
}
