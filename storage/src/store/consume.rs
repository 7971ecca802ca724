//! Consume: grants, acks, commits, nacks and resets, each judged, noted, then applied.
//!
//! Positions on a memory queue end with the process, as its records do: only
//! grants and resets are noted there, so that no epoch is ever granted twice.

use super::notes::{Removal, Urgency};
use super::{NoteRefused, Position, QueueLevel, Store};
use crate::note::{Lease, LeaseOffset, Note};
use crate::positions::{AHEAD_OFFSETS_MAX, PositionRefused};
use wire::{Epoch, GroupId, LogIndex, Offset, QueueId};
use zerocopy::little_endian::U64;

/// Positions a shard keeps.
const POSITIONS_MAX: usize = 4_000_000;

impl Store {
    /// Grants the next lease of a queue to a group; deliver nothing under it before `durable_end` passes the index.
    /// `start` is the floor of a group that has no position yet.
    pub fn grant(
        &mut self,
        queue: QueueId,
        group: GroupId,
        start: Offset,
    ) -> Result<(Epoch, LogIndex), NoteRefused> {
        self.level_of(queue)?;
        if self.positions.count() >= POSITIONS_MAX {
            return Err(NoteRefused::StorageFull);
        }
        let grant = self.positions.next_grant(queue, group, start);
        let index = self.append_note(&Note::Grant(grant), Urgency::AtOnce)?;
        self.positions.grant(grant);
        Ok((grant.lease.epoch, index))
    }

    /// Consumed: these offsets. Rides in the next batch.
    pub fn ack(
        &mut self,
        queue: QueueId,
        group: GroupId,
        epoch: Epoch,
        offsets: &[Offset],
    ) -> Result<LogIndex, NoteRefused> {
        let lease = Lease { queue, group, epoch };
        let level = self.check_lease(lease)?;
        if let Some(newest) = offsets.iter().max() {
            self.check_inside(queue, newest.plus(1))?;
        }
        let mut fresh = std::mem::take(&mut self.notes.offsets);
        fresh.clear();
        let held = self.positions.get(queue, group);
        let new = |offset: &&Offset| held.is_none_or(|held| !held.is_consumed(**offset));
        fresh.extend(offsets.iter().filter(new).map(|offset| U64::new(offset.0)));
        let noted = self.note_ack(lease, level, &fresh);
        if noted.is_ok() {
            for offset in &fresh {
                self.positions.ack(lease, Offset(offset.get()));
            }
            self.drop_consumed(queue);
        }
        self.notes.offsets = fresh;
        noted
    }

    fn note_ack(
        &mut self,
        lease: Lease,
        level: QueueLevel,
        offsets: &[U64],
    ) -> Result<LogIndex, NoteRefused> {
        self.positions.check_ahead(lease, offsets)?;
        if offsets.is_empty() || level == QueueLevel::Memory {
            return Ok(self.newest_index());
        }
        self.append_note(&Note::Ack(lease, offsets), Urgency::Rides)
    }

    /// Consumed: all below `floor`. Rides in the next batch.
    pub fn commit(
        &mut self,
        queue: QueueId,
        group: GroupId,
        epoch: Epoch,
        floor: Offset,
    ) -> Result<LogIndex, NoteRefused> {
        let commit = LeaseOffset { lease: Lease { queue, group, epoch }, offset: floor };
        let level = self.check_lease(commit.lease)?;
        self.check_inside(queue, floor)?;
        if self.positions.get(queue, group).is_some_and(|held| floor <= held.position.floor) {
            return Ok(self.newest_index());
        }
        let index = self.note_at_level(level, &Note::Commit(commit))?;
        self.positions.commit(commit);
        self.drop_consumed(queue);
        Ok(index)
    }

    /// Not consumed: counts one more attempt of this offset; the count survives a restart.
    pub fn nack(
        &mut self,
        queue: QueueId,
        group: GroupId,
        epoch: Epoch,
        offset: Offset,
    ) -> Result<LogIndex, NoteRefused> {
        let nack = LeaseOffset { lease: Lease { queue, group, epoch }, offset };
        let level = self.check_lease(nack.lease)?;
        self.check_inside(queue, offset.plus(1))?;
        if self.is_consumed(queue, group, offset) {
            return Ok(self.newest_index());
        }
        self.positions.check_attempts(nack)?;
        let index = self.note_at_level(level, &Note::Nack(nack))?;
        self.positions.nack(nack);
        Ok(index)
    }

    /// Moves a position by an operator's word; the epoch grows, so leases are fenced.
    pub fn reset(
        &mut self,
        queue: QueueId,
        group: GroupId,
        floor: Offset,
    ) -> Result<LogIndex, NoteRefused> {
        self.level_of(queue)?;
        self.check_inside(queue, floor)?;
        let lease = self.positions.next_grant(queue, group, floor).lease;
        let reset = LeaseOffset { lease, offset: floor };
        let index = self.append_note(&Note::Reset(reset), Urgency::AtOnce)?;
        self.positions.reset(reset);
        self.drop_consumed(queue);
        Ok(index)
    }

    /// Forgets what a group consumed, on every queue (the group was deleted).
    pub fn remove_group(&mut self, group: GroupId) {
        let queues = self.positions.queues_of(group);
        self.positions.remove_group(group);
        for queue in queues {
            self.drop_consumed(queue);
        }
        self.notes.remove_later(Removal::Group(group));
        self.retry_notes();
    }

    /// What a group consumed of a queue.
    pub fn position(&self, queue: QueueId, group: GroupId) -> Option<&Position> {
        self.positions.get(queue, group).map(|held| &held.position)
    }

    /// Whether this offset was acknowledged by the group (below the floor, or out of order above it).
    pub fn is_consumed(&self, queue: QueueId, group: GroupId, offset: Offset) -> bool {
        self.positions.get(queue, group).is_some_and(|held| held.is_consumed(offset))
    }

    /// How often delivery of this offset failed (nacks).
    pub fn attempts(&self, queue: QueueId, group: GroupId, offset: Offset) -> u32 {
        self.positions.get(queue, group).map_or(0, |held| held.attempts(offset))
    }

    /// The lowest floor of all groups that have a position on this queue, and whose it is.
    pub fn lowest_floor(&self, queue: QueueId) -> Option<(Offset, GroupId)> {
        self.positions.lowest_floor(queue)
    }

    /// Queues on which this group has a position.
    pub fn queues_of_group(&self, group: GroupId) -> Vec<QueueId> {
        self.positions.queues_of(group)
    }

    fn level_of(&self, queue: QueueId) -> Result<QueueLevel, NoteRefused> {
        self.queues.get(&queue).and_then(|queue| queue.level).ok_or(NoteRefused::UnknownQueue)
    }

    fn check_lease(&self, lease: Lease) -> Result<QueueLevel, NoteRefused> {
        let level = self.level_of(lease.queue)?;
        self.positions.check_lease(lease)?;
        Ok(level)
    }

    /// Only what consumers may see can be consumed.
    fn check_inside(&self, queue: QueueId, end: Offset) -> Result<(), NoteRefused> {
        let queue = self.queues.get(&queue).ok_or(NoteRefused::UnknownQueue)?;
        if end <= queue.visible_end(self.log.durable_end()) {
            return Ok(());
        }
        Err(NoteRefused::OutOfRange)
    }

    fn note_at_level(
        &mut self,
        level: QueueLevel,
        note: &Note<'_>,
    ) -> Result<LogIndex, NoteRefused> {
        match level {
            QueueLevel::Memory => Ok(self.newest_index()),
            QueueLevel::Durable => self.append_note(note, Urgency::Rides),
        }
    }
}

impl From<PositionRefused> for NoteRefused {
    fn from(refused: PositionRefused) -> Self {
        match refused {
            PositionRefused::Fenced { current } => Self::Fenced { current },
            PositionRefused::TooManyAhead => {
                Self::TooManyAcksAhead { count_max: AHEAD_OFFSETS_MAX }
            }
        }
    }
}
