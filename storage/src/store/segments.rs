//! Segments: which segments have their index entries in memory, and which beside them.
//!
//! ```text
//!   cold: entries in <number>.idx  |  hot: entries in memory, batches known
//!   [4] [5] [6] [7]                |  [8 sealed] [9 written]
//! ```
//!
//! A segment is hot from its first append or its replay on, until its index
//! file is written (`cooling`). `start` is where the log begins: what lies
//! before it is gone.

use crate::log::{BatchPlace, Placed};
use crate::queue::{LogStart, Queue};
use crate::snapshot::ColdSegment;
use std::collections::{BTreeMap, VecDeque};
use wire::{LogIndex, QueueId};

/// Segments that stay hot: the one being written, and the newest sealed.
pub(super) const HOT_SEGMENTS_MAX: usize = 2;

/// A segment whose entries are in memory.
#[derive(Debug)]
pub(super) struct HotSegment {
    pub(super) number: u64,
    /// Index of its first batch.
    pub(super) base: LogIndex,
    /// Its flushed batches, in their order.
    pub(super) batches: Vec<BatchPlace>,
    /// Queues with sections in it, each once.
    pub(super) queues: Vec<QueueId>,
    /// How many there are in it.
    pub(super) sections: usize,
}

/// What the index knows of the log's segments.
#[derive(Debug, Default)]
pub(super) struct Segments {
    pub(super) start: LogStart,
    pub(super) cold: BTreeMap<u64, ColdSegment>,
    pub(super) hot: VecDeque<HotSegment>,
}

impl Segments {
    /// A batch begins in this segment; it is the newest.
    pub(super) fn open(&mut self, number: u64, base: LogIndex) {
        if self.hot.back().is_none_or(|hot| hot.number != number) {
            if self.hot.is_empty() && self.cold.is_empty() {
                self.start = LogStart { segment: number, index: base };
            }
            self.hot.push_back(HotSegment {
                number,
                base,
                batches: Vec::new(),
                queues: Vec::new(),
                sections: 0,
            });
        }
    }

    /// A section of `queue` got this place; call before its entry is pushed.
    pub(super) fn touch(&mut self, id: QueueId, queue: &Queue, index: LogIndex) {
        let Some(hot) = self.hot.back_mut() else { return };
        debug_assert!(index >= hot.base, "sections arrive in log order");
        hot.sections += 1;
        if queue.index.entries.back().is_none_or(|entry| entry.index < hot.base) {
            hot.queues.push(id);
        }
    }

    /// A section or note was appended here.
    pub(super) fn placed(&mut self, placed: &Placed) {
        self.open(placed.segment, placed.index);
    }

    /// A batch is on the disk.
    pub(super) fn flushed(&mut self, place: BatchPlace) {
        let hot = self.hot.iter_mut().rev().find(|hot| hot.number == place.segment);
        if let Some(hot) = hot {
            hot.batches.push(place);
        }
    }

    /// The batches of a hot segment from this one on.
    pub(super) fn batches_from(&self, index: LogIndex) -> &[BatchPlace] {
        let after = self.hot.partition_point(|hot| hot.base <= index);
        let Some(hot) = after.checked_sub(1).and_then(|at| self.hot.get(at)) else { return &[] };
        let at = hot.batches.partition_point(|place| place.index < index);
        &hot.batches[at..]
    }

    /// The first hot segment's base: below it, every entry is beside its segment.
    pub(super) fn hot_base(&self) -> Option<LogIndex> {
        self.hot.front().map(|hot| hot.base)
    }

    /// Whether some are hot that need not stay so.
    pub(super) fn are_cooling(&self) -> bool {
        self.hot.len() > HOT_SEGMENTS_MAX
    }

    /// Retention took everything before `start`.
    pub(super) fn begin_at(&mut self, start: LogStart) {
        self.start = start;
        while self.hot.front().is_some_and(|hot| hot.number < start.segment) {
            self.hot.pop_front();
        }
        // A segment whose first batch still gathers has no base in the log yet.
        if let Some(hot) = self.hot.front().filter(|hot| hot.number == start.segment) {
            self.start.index = hot.base;
        }
    }
}
