//! Queue: one queue's ends, and the index from its offsets to places in the log.
//!
//! ```text
//!   runs: sealed segments, entries in `<number>.idx`  | entries: newest segments, in memory
//!   [segment 4] [segment 5]                [segment 9] | [section][section][section][section]
//!   start                                              |              visible_end        end
//! ```
//!
//! Invariants:
//!   1. Entries and runs are sorted by offset, and every run lies before every entry.
//!   2. `end` never goes back, also when every record is gone.
//!   3. What no entry covers between `start` and `end` was damaged: nothing else
//!      leaves a hole, since offsets are given out one after another.
//!
//! Runs and entries of segments that retention took are dead: they are skipped
//! by comparing with the log's start, and dropped when the queue is next touched.
//! So retention of a segment costs nothing per queue. A queue used once and then
//! idle takes about 350 bytes.

use crate::memory::MemoryRing;
use crate::store::QueueLevel;
use std::collections::VecDeque;
use std::ops::Range;
use wire::{LogIndex, Offset};

/// One section, as the index remembers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) first_offset: Offset,
    pub(crate) accepted_ns: u64,
    pub(crate) index: LogIndex,
    /// Of its header, in the body of the batch.
    pub(crate) section_position: u32,
    pub(crate) count: u32,
}

impl Entry {
    /// Exclusive end of its offsets.
    pub(crate) const fn end(&self) -> Offset {
        self.first_offset.plus(self.count as u64)
    }
}

/// The sections of a queue in one sealed segment whose index file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) segment: u64,
    pub(crate) first_offset: Offset,
    /// When its first section was accepted.
    pub(crate) first_ns: u64,
}

/// Where the log starts: what lies before is dead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogStart {
    pub(crate) segment: u64,
    pub(crate) index: LogIndex,
}

/// What the index knows of an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// In this section.
    Section(Entry),
    /// In this segment, if anywhere; what follows it begins at `next`.
    Cold { segment: u64, next: Option<Offset> },
    /// Nowhere; the next thing there is begins at `next`.
    Hole { next: Option<Offset> },
}

/// Offset -> place in the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct QueueIndex {
    pub(crate) runs: Vec<Run>,
    pub(crate) entries: VecDeque<Entry>,
}

/// The batches a queue was last appended to, to know what is not durable yet.
///
/// Two are enough: at most one batch is in flight while another gathers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tail {
    older: (LogIndex, Offset),
    newer: (LogIndex, Offset),
}

/// One queue of a shard.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// `None`: found in the log, but not (yet) in the catalog.
    pub(crate) level: Option<QueueLevel>,
    /// Less than the log's; 0 = the log's.
    pub(crate) retention_ns: u64,
    /// Nothing below is served, whatever the index has.
    pub(crate) start: Offset,
    pub(crate) end: Offset,
    pub(crate) tail: Tail,
    /// How many damages of the log it has met (recovery only).
    pub(crate) damages: u32,
    /// Before its first section: damage may have taken all of this.
    pub(crate) lost: Option<Range<Offset>>,
    pub(crate) index: QueueIndex,
    /// Of a memory queue.
    pub(crate) memory: Option<Box<MemoryRing>>,
}

impl Queue {
    /// First offset still there.
    pub(crate) fn start(&self, log: LogStart) -> Offset {
        let first = match &self.memory {
            Some(ring) => ring.start(self.end),
            None => self.index.first_offset(log).unwrap_or(self.end),
        };
        first.max(self.start)
    }

    /// Exclusive end of what consumers may see.
    pub(crate) fn visible_end(&self, durable_end: LogIndex) -> Offset {
        self.tail.visible_end(durable_end).unwrap_or(self.end)
    }
}

impl Tail {
    /// A section with this first offset went into this batch.
    pub(crate) fn append(&mut self, index: LogIndex, first_offset: Offset) {
        if self.newer.0 < index {
            self.older = self.newer;
            self.newer = (index, first_offset);
        }
    }

    /// The batch that holds `offset`, unless it is durable.
    pub(crate) fn batch_of(&self, offset: Offset, durable_end: LogIndex) -> Option<LogIndex> {
        let holds = |slot: &(LogIndex, Offset)| slot.0 >= durable_end && offset >= slot.1;
        [self.newer, self.older].into_iter().find(holds).map(|slot| slot.0)
    }

    fn visible_end(&self, durable_end: LogIndex) -> Option<Offset> {
        let pending = |slot: &(LogIndex, Offset)| slot.0 >= durable_end;
        [self.older, self.newer].into_iter().find(pending).map(|slot| slot.1)
    }
}

impl QueueIndex {
    pub(crate) fn push(&mut self, entry: Entry) {
        self.entries.push_back(entry);
    }

    /// Where `offset` is; the caller knows that it lies between start and end.
    pub(crate) fn find(&self, offset: Offset) -> Lookup {
        let after = self.entries.partition_point(|entry| entry.first_offset <= offset);
        let next = self.entries.get(after).map(|entry| entry.first_offset);
        if let Some(entry) = after.checked_sub(1).and_then(|before| self.entries.get(before)) {
            let inside = offset < entry.first_offset.plus(u64::from(entry.count));
            return if inside { Lookup::Section(*entry) } else { Lookup::Hole { next } };
        }
        let after = self.runs.partition_point(|run| run.first_offset <= offset);
        let next = self.runs.get(after).map(|run| run.first_offset).or(next);
        match after.checked_sub(1).and_then(|before| self.runs.get(before)) {
            Some(run) => Lookup::Cold { segment: run.segment, next },
            None => Lookup::Hole { next },
        }
    }

    pub(crate) fn first_offset(&self, log: LogStart) -> Option<Offset> {
        let dead = self.runs.partition_point(|run| run.segment < log.segment);
        if let Some(run) = self.runs.get(dead) {
            return Some(run.first_offset);
        }
        let dead = self.entries.partition_point(|entry| entry.index < log.index);
        self.entries.get(dead).map(|entry| entry.first_offset)
    }

    /// The first offset accepted at or after `time_ns`, or the first of the run that may hold it.
    pub(crate) fn at_time(&self, time_ns: u64) -> Option<Offset> {
        let before = self.entries.partition_point(|entry| entry.accepted_ns < time_ns);
        if before == 0 {
            let after = self.runs.partition_point(|run| run.first_ns < time_ns);
            if let Some(run) = self.runs.get(after.saturating_sub(1)) {
                return Some(run.first_offset);
            }
        }
        self.entries.get(before).map(|entry| entry.first_offset)
    }

    /// Drops what retention took.
    pub(crate) fn trim(&mut self, log: LogStart) {
        if self.runs.first().is_some_and(|run| run.segment < log.segment) {
            let dead = self.runs.partition_point(|run| run.segment < log.segment);
            self.runs.drain(..dead);
        }
        while self.entries.front().is_some_and(|entry| entry.index < log.index) {
            self.entries.pop_front();
        }
    }

    /// The entries of batches in `batches` from the offset `from` on.
    pub(crate) fn within(
        &self,
        batches: Range<LogIndex>,
        from: Offset,
    ) -> impl Iterator<Item = &Entry> {
        let after = self.entries.partition_point(|entry| entry.first_offset < from);
        let below = self.entries.range(after..).take_while(move |entry| entry.index < batches.end);
        below.filter(move |entry| entry.index >= batches.start)
    }

    /// Lets the entries of a sealed segment go: they are in its index file now.
    pub(crate) fn cool(&mut self, segment: u64, end: LogIndex) {
        let Some(first) = self.entries.front().filter(|entry| entry.index < end) else { return };
        let (first_offset, first_ns) = (first.first_offset, first.accepted_ns);
        let cooled = self.entries.partition_point(|entry| entry.index < end);
        self.entries.drain(..cooled);
        // An idle queue keeps nothing; a busy one keeps its room.
        if self.entries.is_empty() || self.entries.capacity() > 8 * self.entries.len() {
            self.entries.shrink_to_fit();
        }
        self.runs.push(Run { segment, first_offset, first_ns });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(first: u64, index: u64) -> Entry {
        Entry {
            first_offset: Offset(first),
            accepted_ns: first * 10,
            index: LogIndex(index),
            section_position: 0,
            count: 2,
        }
    }

    fn index(entries: &[(u64, u64)]) -> QueueIndex {
        let mut index = QueueIndex::default();
        for (first, batch) in entries {
            index.push(entry(*first, *batch));
        }
        index
    }

    #[test]
    fn offsets_are_found_in_sections_holes_and_runs() {
        let mut index = index(&[(0, 1), (2, 2), (10, 3)]);
        assert_eq!(index.find(Offset(3)), Lookup::Section(entry(2, 2)));
        assert_eq!(index.find(Offset(4)), Lookup::Hole { next: Some(Offset(10)) });
        assert_eq!(index.find(Offset(12)), Lookup::Hole { next: None });
        index.cool(7, LogIndex(3));
        assert_eq!(index.find(Offset(3)), Lookup::Cold { segment: 7, next: Some(Offset(10)) });
        assert_eq!(index.find(Offset(11)), Lookup::Section(entry(10, 3)));
        assert_eq!(index.entries.len(), 1);
    }

    #[test]
    fn what_retention_took_is_skipped_and_then_dropped() {
        let mut index = index(&[(0, 1), (2, 2), (4, 5)]);
        index.cool(7, LogIndex(3));
        let log = LogStart { segment: 8, index: LogIndex(5) };
        assert_eq!(index.first_offset(LogStart::default()), Some(Offset(0)));
        assert_eq!(index.first_offset(log), Some(Offset(4)));
        index.trim(log);
        assert_eq!(index.runs, []);
        index.trim(LogStart { segment: 9, index: LogIndex(6) });
        assert_eq!(index, QueueIndex::default());
    }

    #[test]
    fn times_are_found_to_the_section_and_to_the_run() {
        let mut index = index(&[(0, 1), (2, 2), (4, 5)]);
        assert_eq!(index.at_time(15), Some(Offset(2)));
        assert_eq!(index.at_time(41), None);
        index.cool(7, LogIndex(3));
        assert_eq!(index.at_time(15), Some(Offset(0)), "its run, never later");
        assert_eq!(index.at_time(40), Some(Offset(0)), "may be the run's too");
    }

    #[test]
    fn only_durable_batches_are_visible() {
        let mut queue = Queue::default();
        for (batch, first) in [(1, 0), (1, 2), (2, 4)] {
            queue.tail.append(LogIndex(batch), Offset(first));
            queue.end = Offset(first + 2);
        }
        assert_eq!(queue.visible_end(LogIndex(1)), Offset(0));
        assert_eq!(queue.visible_end(LogIndex(2)), Offset(4));
        assert_eq!(queue.visible_end(LogIndex(3)), Offset(6));
        assert_eq!(queue.tail.batch_of(Offset(3), LogIndex(1)), Some(LogIndex(1)));
        assert_eq!(queue.tail.batch_of(Offset(5), LogIndex(1)), Some(LogIndex(2)));
        assert_eq!(queue.tail.batch_of(Offset(3), LogIndex(2)), None);
    }
}
