//! Store: one shard's storage as the broker uses it.

use crate::plan::{Disk, DiskFault, OpId, Plan};
use bytes::Bytes;
use wire::{Epoch, GroupId, LogIndex, Offset, ProducerId, QueueId, ShardId, Term};

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
    /// Damaged ranges: segment, position, bytes, and why.
    pub damaged: Vec<DamagedRange>,
}

/// A range of a segment that cannot be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedRange {
    /// The segment's number.
    pub segment: u64,
    /// First byte.
    pub position: u64,
    /// Length in bytes.
    pub bytes: u64,
    /// What is wrong.
    pub what: String,
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

/// What a group consumed of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// All below are consumed.
    pub floor: Offset,
    /// The newest lease epoch granted.
    pub epoch: Epoch,
    /// How often a lease was granted since the floor last moved.
    pub grants: u32,
}

/// One shard's storage: log, queues, positions, dedup.
#[derive(Debug)]
pub struct Store {
    _todo: (),
}

#[allow(unused_variables, clippy::unused_self, reason = "outline")]
impl Store {
    /// Recovers a shard's directory, or makes a new one when it is empty.
    pub fn open(config: &StoreConfig, disk: &mut dyn Disk, wall_ns: u64, accept_loss: bool) -> Result<Opened, OpenError> {
        unimplemented!()
    }

    // ---- queues ----

    /// Makes a queue known. Its offsets go on where the log left them. Idempotent.
    pub fn create_queue(&mut self, queue: QueueId, level: QueueLevel, retention_ns: u64) {
        unimplemented!()
    }
    /// Forgets a queue; retention takes its records.
    pub fn remove_queue(&mut self, queue: QueueId) {
        unimplemented!()
    }
    /// Start and ends.
    pub fn ends(&self, queue: QueueId) -> Option<QueueEnds> {
        unimplemented!()
    }

    // ---- writing ----

    /// Appends a section, or finds that it was published before.
    pub fn publish(&mut self, publish: &Publish<'_>) -> Result<Published, PublishRefused> {
        unimplemented!()
    }
    /// Notes a catalog change (shard 0).
    pub fn note_catalog(&mut self, change: &[u8]) -> Result<LogIndex, NoteRefused> {
        unimplemented!()
    }
    /// Makes a producer's epoch known: older epochs are fenced, its forgotten pairs forgiven. Not logged (the catalog is).
    pub fn open_producer(&mut self, producer: ProducerId, epoch: Epoch) {
        unimplemented!()
    }

    // ---- positions ----

    /// Grants the next lease of a queue to a group; deliver nothing under it before `durable_end` passes the index.
    /// `start` is the floor of a group that has no position yet.
    pub fn grant(&mut self, queue: QueueId, group: GroupId, start: Offset) -> Result<(Epoch, LogIndex), NoteRefused> {
        unimplemented!()
    }
    /// Consumed: these offsets. Rides in the next batch.
    pub fn ack(&mut self, queue: QueueId, group: GroupId, epoch: Epoch, offsets: &[Offset]) -> Result<LogIndex, NoteRefused> {
        unimplemented!()
    }
    /// Consumed: all below `floor`. Rides in the next batch.
    pub fn commit(&mut self, queue: QueueId, group: GroupId, epoch: Epoch, floor: Offset) -> Result<LogIndex, NoteRefused> {
        unimplemented!()
    }
    /// Not consumed: counts one more attempt of this offset; the count survives a restart.
    pub fn nack(&mut self, queue: QueueId, group: GroupId, epoch: Epoch, offset: Offset) -> Result<LogIndex, NoteRefused> {
        unimplemented!()
    }
    /// Moves a position by an operator's word; the epoch grows, so leases are fenced.
    pub fn reset(&mut self, queue: QueueId, group: GroupId, floor: Offset) -> Result<LogIndex, NoteRefused> {
        unimplemented!()
    }
    /// Forgets what a group consumed, on every queue (the group was deleted).
    pub fn remove_group(&mut self, group: GroupId) {
        unimplemented!()
    }
    /// What a group consumed of a queue.
    pub fn position(&self, queue: QueueId, group: GroupId) -> Option<&Position> {
        unimplemented!()
    }
    /// Whether this offset was acknowledged by the group (below the floor, or out of order above it).
    pub fn is_consumed(&self, queue: QueueId, group: GroupId, offset: Offset) -> bool {
        unimplemented!()
    }
    /// How often delivery of this offset failed (nacks).
    pub fn attempts(&self, queue: QueueId, group: GroupId, offset: Offset) -> u32 {
        unimplemented!()
    }
    /// The lowest floor of all groups that have a position on this queue, and whose it is.
    pub fn lowest_floor(&self, queue: QueueId) -> Option<(Offset, GroupId)> {
        unimplemented!()
    }
    /// Queues on which this group has a position.
    pub fn queues_of_group(&self, group: GroupId) -> Vec<QueueId> {
        unimplemented!()
    }

    // ---- reading ----

    /// Reads from `from` on: whole records of one section, at least one, else at most `bytes_max` and `records_max`.
    pub fn read(&mut self, queue: QueueId, from: Offset, records_max: u32, bytes_max: usize) -> Read {
        unimplemented!()
    }
    /// The first offset accepted at or after a wall-clock time (to the precision of a section).
    pub fn offset_at(&self, queue: QueueId, time_ns: u64) -> Option<Offset> {
        unimplemented!()
    }

    // ---- turns ----

    /// Says what to do now: start a flush if none is in flight and something waits, prepare, seal, snapshot, retain. Called at each turn's end.
    pub fn turn(&mut self, mono_ns: u64, wall_ns: u64, plans: &mut Vec<Plan>) {
        unimplemented!()
    }
    /// When `turn` wants to be called though nothing happened (lazy notes wait 20 ms; retention), monotonic.
    pub fn deadline_ns(&self) -> Option<u64> {
        unimplemented!()
    }
    /// A flush is on the disk. After this `durable_end` and `visible_end` have moved.
    pub fn flushed(&mut self, op: OpId) {
        unimplemented!()
    }
    /// A read ended; callers that waited for it read again.
    pub fn read_done(&mut self, op: OpId, result: Result<Bytes, DiskFault>) {
        unimplemented!()
    }
    /// A file task ended. `Err` = the process must end with code 74, except `NoSpace` on a prepare.
    pub fn file_done(&mut self, op: OpId, result: Result<(), DiskFault>) -> Result<(), DiskFault> {
        unimplemented!()
    }
    /// Exclusive end of the synced log.
    pub fn durable_end(&self) -> LogIndex {
        unimplemented!()
    }
    /// The log's term.
    pub fn term(&self) -> Term {
        unimplemented!()
    }
    /// Counters for `stats`, by name.
    pub fn counters(&self) -> Vec<(&'static str, u64)> {
        unimplemented!()
    }
}
