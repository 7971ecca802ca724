//! Contract: the values the store gives to the log and gets from it.

use super::Log;
use crate::store::RecoveryReport;
use wire::{LogIndex, ShardId};

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
    /// The gathering batch is full, or the next segment is not ready: try again after the next `start_flush` or `file_done`.
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
    /// Exclusive end of its synced batches.
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
    /// One is being made.
    pub making: bool,
    /// As many as there should be and one more: the next one that is written to need not be made.
    pub ahead: bool,
    /// Nothing more can be made ready, limit reached or disk full, and there is no more than there should be.
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
