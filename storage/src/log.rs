//! Log: the batches of all queues of one shard, in order.
#![allow(unused_variables, clippy::unused_self, dead_code, reason = "signatures first; bodies follow at once")]

use crate::batch::{BatchView, Damage, SectionHeader};
use crate::plan::{Disk, DiskFault, OpId, OpIds, Plan};
use crate::recovery::Found;
use crate::store::{OpenError, RecoveryReport};
use bytes::Bytes;
use wire::{LogIndex, ShardId, Term};

/// How a log is set up: the part of `StoreConfig` it needs. Sizes in bytes.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "as in StoreConfig")]
pub struct LogConfig {
    pub shard: ShardId,
    pub node_id: u128,
    pub cluster_id: u128,
    pub segment_bytes: u64,
    pub record_bytes_max: usize,
    pub batch_bytes_max: usize,
    pub recent_bytes_max: usize,
    pub log_bytes_max: u64,
    pub prepared_segments: usize,
    pub seed: u64,
}

/// What an append is for: notes may use the reserve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A publish: refused before the reserve is touched.
    Data,
    /// A position, lease or catalog change.
    Note,
}

/// Where an appended section will stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Its batch.
    pub index: LogIndex,
    /// The batch's segment.
    pub segment: u64,
    /// Where the batch starts in its segment; 4 KiB aligned.
    pub position: u32,
    /// Where the section's header starts in the batch's *body*.
    pub section_position: u32,
}

/// A whole batch on the disk: read `bytes` at `position` of `segment`, then `Log::verify`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchPlace {
    /// Which batch.
    pub index: LogIndex,
    /// In which segment.
    pub segment: u64,
    /// From which byte on; 4 KiB aligned.
    pub position: u32,
    /// Padded length; a multiple of 4 KiB.
    pub bytes: u32,
}

/// Why nothing was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendRefused {
    /// The gathering batch is full, or the next segment is not ready: try again after the next `start_flush` or `flushed`.
    Busy,
    /// The storage limit is reached, or the disk is full.
    StorageFull {
        /// In use.
        bytes: u64,
        /// Allowed.
        bytes_max: u64,
    },
    /// Larger than a batch can be.
    TooLarge,
}

/// One segment of the log, as it is known in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Its number: its file's name.
    pub number: u64,
    /// Length of its file.
    pub bytes: u64,
    /// Drawn anew for each segment; in each of its batches.
    pub salt: u128,
    /// Index of its first batch.
    pub base: LogIndex,
    /// Exclusive end of its batches so far.
    pub end: LogIndex,
    /// Newest acceptance in it, wall nanoseconds; 0 while it is empty.
    pub newest_ns: u64,
    /// Whether nothing more is written to it.
    pub sealed: bool,
}

/// How full the log is, in bytes and segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// All files of the log together, those made ready included.
    pub bytes: u64,
    /// The most they may be.
    pub bytes_max: u64,
    /// Segments that hold batches.
    pub segments: usize,
    /// Segments made ready and empty.
    pub prepared: usize,
    /// Nothing more can be prepared: limit reached or disk full.
    pub full: bool,
}

/// Where recovery starts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Start {
    /// First batch the snapshot does not contain; everything from here on is replayed.
    pub from: LogIndex,
    /// The operator's word: open though something may be lost.
    pub accept_loss: bool,
    /// Wall clock, for stamps.
    pub wall_ns: u64,
}

/// A log that was opened.
#[derive(Debug)]
pub struct LogOpened {
    /// Ready for use.
    pub log: Log,
    /// For the operator.
    pub report: RecoveryReport,
}

/// One shard's log.
#[derive(Debug)]
pub struct Log {
    _outline: (),
}

impl Log {
    /// Recovers the log, or makes a new one in an empty directory. Every batch from `start.from` on is shown to `visit`, in order, damage between them.
    pub fn open(
        config: &LogConfig,
        disk: &mut dyn Disk,
        start: Start,
        visit: &mut dyn FnMut(Found<'_>),
    ) -> Result<LogOpened, OpenError> {
        unimplemented!()
    }

    // ---- writing ----

    /// Copies a section into the gathering batch. `header.records_bytes` is `records.len()`.
    pub fn append(&mut self, header: &SectionHeader, records: &[u8], purpose: Purpose) -> Result<Placed, AppendRefused> {
        unimplemented!()
    }
    /// Whether something waits for a flush.
    pub fn gathered(&self) -> bool {
        unimplemented!()
    }
    /// The flush in flight.
    pub fn in_flight(&self) -> Option<OpId> {
        unimplemented!()
    }
    /// Closes the gathering batch and says how to write it. Does nothing when none gathers or a flush is in flight.
    pub fn start_flush(&mut self, wall_ns: u64, ops: &mut OpIds, plans: &mut Vec<Plan>) {
        unimplemented!()
    }
    /// Prepares segments, updates the superblock, retries what the full disk refused. Call each turn; cheap when idle.
    pub fn maintain(&mut self, mono_ns: u64, ops: &mut OpIds, plans: &mut Vec<Plan>) {
        unimplemented!()
    }
    /// When `maintain` wants to be called though nothing happened, monotonic.
    pub fn deadline_ns(&self) -> Option<u64> {
        unimplemented!()
    }
    /// The flush is on the disk: `durable_end` moved past this batch. `None` when `op` is not the flush in flight.
    pub fn flushed(&mut self, op: OpId) -> Option<BatchPlace> {
        unimplemented!()
    }
    /// A file task ended. `Ok(false)`: it is none of the log's. `Err`: the process must end with code 74.
    pub fn file_done(&mut self, op: OpId, result: Result<(), DiskFault>) -> Result<bool, DiskFault> {
        unimplemented!()
    }

    // ---- reading ----

    /// Exclusive end of the synced log.
    pub fn durable_end(&self) -> LogIndex {
        unimplemented!()
    }
    /// Index the next opened batch gets: exclusive end of everything appended, the gathering batch included.
    pub fn appended_end(&self) -> LogIndex {
        unimplemented!()
    }
    /// The log's term.
    pub fn term(&self) -> Term {
        unimplemented!()
    }
    /// The body of one of the newest batches (closed, perhaps still in flight), from memory; sections are read with `batch::section_at`.
    pub fn recent(&self, index: LogIndex) -> Option<&Bytes> {
        unimplemented!()
    }
    /// Checks a batch read back from the disk (all of its padded bytes).
    pub fn verify(&self, place: BatchPlace, bytes: &Bytes) -> Result<BatchView, Damage> {
        unimplemented!()
    }
    /// The segments that hold batches, oldest first; the last is being written.
    pub fn segments(&self) -> impl Iterator<Item = &SegmentInfo> {
        std::iter::empty()
    }
    /// How full it is.
    pub fn usage(&self) -> Usage {
        unimplemented!()
    }

    // ---- keeping and forgetting ----

    /// Remembers in the superblock that a snapshot holds everything below `from`.
    pub fn set_snapshot(&mut self, from: LogIndex) {
        unimplemented!()
    }
    /// Forgets the oldest segment and plans its deletion. `None`: only the active one is left. Never one that the newest snapshot does not cover.
    pub fn remove_oldest(&mut self, ops: &mut OpIds, plans: &mut Vec<Plan>) -> Option<SegmentInfo> {
        unimplemented!()
    }
}
