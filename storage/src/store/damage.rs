//! Damage: what damage that a start met means for queues and leases, for ever.
//!
//! ```text
//!   a queue     |--- lost head ---|section|section| hole |section|--- 2^20 skipped ---|
//!               expected start    first                         end as known          goes on
//! ```
//!
//! Nothing gets a second meaning. Offsets that may have been given out in what
//! cannot be read are passed over, and told as damage. Lease epochs go on from a
//! **floor**, far above any that was ever granted: a grant that was lost is not
//! made again under its number. The floor is kept in the superblock with how far
//! damage was met when it was raised, since the next snapshot forgets the damage.

use super::OpenError;
use super::start::Replay;
use crate::log::Log;
use crate::memory::MemoryRing;
use crate::plan::Disk;
use crate::queue::{Entry, LogStart, Queue, QueueIndex};
use crate::recovery::OFFSETS_SKIPPED;
use crate::segment::QueueRange;
use std::ops::Range;
use wire::{Epoch, LogIndex, Offset, QueueId};

/// How far lease epochs jump over what cannot be read.
const EPOCHS_SKIPPED: u32 = 1 << 20;
/// Ranges named at a start; what is beyond is told to whoever reads it.
const NAMED_MAX: usize = 1000;

impl Replay {
    /// Leaves out what damage may have taken, and names it.
    pub(super) fn settle_damage(&mut self, log_start: LogStart) -> Vec<QueueRange> {
        for queue in self.queues.values_mut() {
            queue.find_lost_head(log_start);
            if queue.damages < self.damages {
                queue.skip_lost();
            }
        }
        if self.damages == 0 { Vec::new() } else { self.lost_offsets() }
    }

    /// Ranges of offsets that no section in memory covers, queue by queue.
    fn lost_offsets(&self) -> Vec<QueueRange> {
        let durable = self.queues.iter().filter(|(_, queue)| queue.memory.is_none());
        let ranges = durable.flat_map(|(id, queue)| queue.lost_ranges(*id));
        ranges.take(NAMED_MAX).collect()
    }

    /// Puts the floor of lease epochs above all that were granted, if damage was met that no earlier start met.
    pub(super) fn settle_epochs(
        &mut self,
        log: &mut Log,
        disk: &mut dyn Disk,
        loss_accepted: bool,
    ) -> Result<(), OpenError> {
        let (floor, damage_end) = log.epoch_floor();
        self.positions.raise_epochs(floor);
        if self.damaged_to <= damage_end && !loss_accepted {
            return Ok(());
        }
        let granted = self.positions.newest_epoch().max(floor);
        let raised = Epoch(granted.0.saturating_add(EPOCHS_SKIPPED));
        log.set_epoch_floor(disk, raised).map_err(OpenError::Disk)?;
        self.positions.raise_epochs(raised);
        Ok(())
    }

    /// Notes how far damage goes.
    pub(super) fn met_damage(&mut self, end: LogIndex) {
        self.damages += 1;
        self.damaged_to = self.damaged_to.max(end);
    }
}

impl Queue {
    /// Goes on far behind whatever offsets it may have given out in what was lost.
    pub(super) fn skip_lost(&mut self) {
        let from = self.end;
        self.end = self.end.plus(OFFSETS_SKIPPED);
        // Behind a section it is a hole like any other.
        if self.index.is_empty() {
            let from = self.lost.as_ref().map_or(from, |lost| lost.start.min(from));
            self.lost = Some(from..self.end);
        }
        if let Some(ring) = &mut self.memory {
            **ring = MemoryRing::recovered(ring.reserved_end.plus(OFFSETS_SKIPPED));
        }
    }

    /// Retention takes whole segments, and only what a snapshot covers: if nothing of ours was
    /// in those it took, what is missing at the front was damaged.
    fn find_lost_head(&mut self, log_start: LogStart) {
        if self.memory.is_some() || self.index.has_dead_runs(log_start) {
            return;
        }
        let first = self.index.first_offset(log_start);
        self.lost = first.filter(|first| *first > self.start).map(|first| self.start..first);
    }

    /// Where its records begin for the next start: what damage took counts as there.
    pub(super) fn kept_start(&self, log_start: LogStart) -> Offset {
        let start = self.start(log_start);
        match &self.lost {
            Some(lost) if lost.contains(&start) || lost.end == start => lost.start,
            Some(_) | None => start,
        }
    }

    /// What lies between the sections that are known in memory.
    fn lost_ranges(&self, queue: QueueId) -> impl Iterator<Item = QueueRange> {
        let last_end = self.index.entries.back().map(Entry::end);
        let tail = last_end.filter(|end| *end < self.end).map(|end| end..self.end);
        let ranges = self.lost.iter().cloned().chain(self.index.holes()).chain(tail);
        ranges.map(move |lost| QueueRange { queue, first: lost.start, end: lost.end })
    }
}

impl QueueIndex {
    fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.entries.is_empty()
    }

    fn has_dead_runs(&self, log_start: LogStart) -> bool {
        self.runs.first().is_some_and(|run| run.segment < log_start.segment)
    }

    /// Offsets between two entries in memory that neither covers.
    fn holes(&self) -> impl Iterator<Item = Range<Offset>> {
        let pairs = self.entries.iter().zip(self.entries.iter().skip(1));
        pairs.filter_map(|(before, after)| {
            let end = before.end();
            (end < after.first_offset).then_some(end..after.first_offset)
        })
    }
}
