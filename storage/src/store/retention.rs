//! Retention: the oldest segment goes by age or by size; a queue's start may move sooner.
//!
//! A segment goes whole, and only when the newest durable snapshot covers it:
//! what it says of positions, leases and the catalog lives on there. Its file is the
//! next to be written to, where one is wanted ([0009]). Until then,
//! and where a queue keeps less than its log, the queue's start moves alone, in
//! a sweep of a bounded number a turn; rings drop what is too old. Nobody is
//! asked: a group behind the start gets a gap.
//!
//! [0009]: ../../../docs/decisions/0009-a-segment-that-goes-is-the-next-one.md

use super::Store;
use crate::plan::{FileName, Plan};
use crate::queue::{LogStart, Queue, QueueIndex};
use wire::{Offset, QueueId};

/// From one sweep over all queues to the next.
const SWEEP_NS: u64 = 10_000_000_000;
/// Queues looked at in one turn.
const QUEUES_PER_TURN_MAX: usize = 1000;
/// Segments removed in one turn.
const SEGMENTS_PER_TURN_MAX: usize = 4;

/// How far the sweep over all queues is.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    next_at_ns: Option<u64>,
    /// The last queue looked at, while a sweep is under way.
    after: Option<QueueId>,
}

impl Store {
    /// Removes the oldest segments that are too old or too many.
    pub(super) fn retain(&mut self, wall_ns: u64, plans: &mut Vec<Plan>) {
        for _ in 0..SEGMENTS_PER_TURN_MAX {
            let Some((number, end, aged)) = self.oldest_to_go(wall_ns) else { return };
            if self.snapshots.covered < end {
                self.snapshots.wanted = Some(end);
                self.cooling.press();
                return;
            }
            if self.cooling.holds(number) {
                return;
            }
            if self.log.remove_oldest(&mut self.ops, plans).is_none() {
                return;
            }
            let op = self.ops.draw();
            plans.push(Plan::Remove { op, file: FileName::Index(number) });
            self.segments.cold.remove(&number);
            let first = self.log.segments().next();
            let start = first.map(|info| LogStart { segment: info.number, index: info.base });
            self.segments.begin_at(start.unwrap_or(self.segments.start));
            let count = if aged {
                &mut self.counts.segments_aged_out
            } else {
                &mut self.counts.segments_sized_out
            };
            *count += 1;
        }
    }

    /// The oldest sealed segment, if age or size wants it to go, and whether age does.
    fn oldest_to_go(&self, wall_ns: u64) -> Option<(u64, wire::LogIndex, bool)> {
        let mut segments = self.log.segments();
        let oldest = segments.next()?;
        segments.next()?;
        let usage = self.log.usage();
        if usage.making {
            return None; // one at a time: what went now could only be deleted
        }
        let aged = oldest.newest_ns.saturating_add(self.config.retention_ns) <= wall_ns;
        // One that is ready beyond those there should be takes the place of one that must be made.
        let sized = usage.bytes + self.config.segment_bytes > usage.bytes_max && !usage.ahead;
        (oldest.sealed && (aged || sized)).then_some((oldest.number, oldest.end, aged))
    }

    /// Moves the starts of queues that keep less, and drops what is too old in rings.
    pub(super) fn sweep_queues(&mut self, mono_ns: u64, wall_ns: u64) {
        use std::ops::Bound::{Excluded, Unbounded};
        let next_at_ns = *self.sweep.next_at_ns.get_or_insert(mono_ns + SWEEP_NS);
        if mono_ns < next_at_ns && self.sweep.after.is_none() {
            return;
        }
        let after = self.sweep.after.take();
        let range = self.queues.range_mut((after.map_or(Unbounded, Excluded), Unbounded));
        for (seen, (id, queue)) in range.enumerate() {
            if seen == QUEUES_PER_TURN_MAX {
                return;
            }
            self.sweep.after = Some(*id);
            let retention_ns = match queue.retention_ns {
                0 => self.config.retention_ns,
                shorter => shorter.min(self.config.retention_ns),
            };
            let cutoff_ns = wall_ns.saturating_sub(retention_ns);
            if let Some(ring) = &mut queue.memory {
                self.counts.memory_dropped += ring.drop_before(cutoff_ns, &mut self.pool);
            } else {
                queue.forget_before(cutoff_ns);
            }
        }
        self.sweep.after = None;
        self.sweep.next_at_ns = Some(mono_ns + SWEEP_NS);
    }

    pub(super) const fn is_sweeping(&self) -> bool {
        self.sweep.after.is_some()
    }

    /// When the next sweep is due; `None` while no queue could need one.
    pub(super) fn sweep_deadline_ns(&self) -> Option<u64> {
        self.sweep.next_at_ns.filter(|_| !self.queues.is_empty())
    }
}

impl Queue {
    /// Moves the start over everything accepted before `time_ns`.
    fn forget_before(&mut self, time_ns: u64) {
        self.start = self.start.max(self.index.kept_from(time_ns).unwrap_or(self.end));
    }
}

impl QueueIndex {
    /// The first offset that is not surely older than `time_ns`: a run goes whole.
    fn kept_from(&self, time_ns: u64) -> Option<Offset> {
        let old = self.entries.partition_point(|entry| entry.accepted_ns < time_ns);
        if old == 0
            && let Some(last) =
                self.runs.partition_point(|run| run.first_ns < time_ns).checked_sub(1)
        {
            // Unless what follows this run is old too, some of it may be younger.
            return self.runs.get(last).map(|run| run.first_offset);
        }
        if old == 0 {
            return self.runs.first().map(|run| run.first_offset).or(self.first_entry());
        }
        self.entries.get(old).map(|entry| entry.first_offset)
    }

    fn first_entry(&self) -> Option<Offset> {
        self.entries.front().map(|entry| entry.first_offset)
    }
}
