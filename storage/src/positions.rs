//! Positions: what each group consumed of each queue.
//!
//! ```text
//!            floor                                        visible_end
//!   consumed   |  in flight, or acknowledged out of order    |
//!  ------------|----####------##------------------------------|
//!                   ^ ahead: disjoint ranges, at most 10,000 offsets
//! ```
//!
//! Invariants:
//!   1. The floor moves back only by an operator's reset.
//!   2. Ranges ahead are sorted, disjoint, not adjacent, and lie above the floor.
//!   3. Failed attempts are kept only for offsets that are not consumed.
//!   4. The epoch only grows, also over the loss of a memory queue's records.
//!   5. No lease is granted under an epoch below the floor: lower ones may have
//!      been granted in a part of the log that damage took.
//!
//! Every change has two halves: `check_*` refuses without effect; the change
//! itself is applied alike when it is noted and when the note is replayed, and
//! applying it twice changes nothing (attempts and grants apart).

use crate::note::{Lease, LeaseOffset};
use std::collections::BTreeMap;
use wire::{Epoch, GroupId, Offset, QueueId};
use zerocopy::little_endian::U64;

/// Acknowledged offsets above the floor, and offsets with failed attempts, of one position.
pub(crate) const AHEAD_OFFSETS_MAX: usize = 10_000;

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

/// A change that a position does not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PositionRefused {
    /// Another epoch owns the queue.
    Fenced { current: Epoch },
    /// No room above the floor.
    TooManyAhead,
}

/// A position with what lies above its floor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) position: Position,
    /// The records were lost with the process: only the epoch goes on (invariant 4).
    pub(crate) forgotten: bool,
    /// Invariant 2; start and exclusive end.
    pub(crate) ahead: Vec<(u64, u64)>,
    ahead_count: usize,
    /// Invariant 3; sorted by offset.
    pub(crate) attempts: Vec<(u64, u32)>,
}

/// The positions of all groups on all queues of a shard.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Positions {
    by_queue: BTreeMap<(QueueId, GroupId), Held>,
    /// Invariant 5.
    epoch_floor: Epoch,
}

impl Positions {
    pub(crate) fn get(&self, queue: QueueId, group: GroupId) -> Option<&Held> {
        self.by_queue.get(&(queue, group)).filter(|held| !held.forgotten)
    }

    /// Epochs granted from now on are not below `floor`.
    pub(crate) fn raise_epochs(&mut self, floor: Epoch) {
        self.epoch_floor = self.epoch_floor.max(floor);
    }

    /// The highest epoch of all positions.
    pub(crate) fn newest_epoch(&self) -> Epoch {
        self.by_queue.values().map(|held| held.position.epoch).max().unwrap_or_default()
    }

    pub(crate) fn count(&self) -> usize {
        self.by_queue.len()
    }

    /// The lease that would be granted next, and the floor it would start from.
    pub(crate) fn next_grant(&self, queue: QueueId, group: GroupId, start: Offset) -> LeaseOffset {
        let held = self.by_queue.get(&(queue, group));
        let epoch = held.map_or(Epoch(1), |held| held.position.epoch.next()).max(self.epoch_floor);
        let kept = held.filter(|held| !held.forgotten);
        let offset = kept.map_or(start, |held| held.position.floor);
        LeaseOffset { lease: Lease { queue, group, epoch }, offset }
    }

    pub(crate) fn grant(&mut self, at: LeaseOffset) {
        let key = (at.lease.queue, at.lease.group);
        let held = self.by_queue.entry(key).or_insert_with(|| Held::new(at.offset));
        if held.forgotten {
            *held = Held { position: held.position.clone(), ..Held::new(at.offset) };
            held.position.floor = at.offset;
            held.position.grants = 0;
        }
        held.position.epoch = held.position.epoch.max(at.lease.epoch);
        held.position.grants = held.position.grants.saturating_add(1);
    }

    pub(crate) fn reset(&mut self, at: LeaseOffset) {
        let held = Held::new(at.offset);
        let position = Position { epoch: at.lease.epoch, ..held.position };
        self.by_queue.insert((at.lease.queue, at.lease.group), Held { position, ..held });
    }

    /// Whether `lease` may still change its position.
    pub(crate) fn check_lease(&self, lease: Lease) -> Result<(), PositionRefused> {
        let current =
            self.get(lease.queue, lease.group).map_or(Epoch(0), |held| held.position.epoch);
        if current == lease.epoch && lease.epoch > Epoch(0) {
            return Ok(());
        }
        Err(PositionRefused::Fenced { current })
    }

    /// Whether these offsets, none of them consumed, fit above the floor once they are taken.
    pub(crate) fn check_ahead(&self, lease: Lease, offsets: &[U64]) -> Result<(), PositionRefused> {
        let Some(held) = self.get(lease.queue, lease.group) else { return Ok(()) };
        if held.ahead_count + offsets.len() <= AHEAD_OFFSETS_MAX {
            return Ok(());
        }
        // Near the bound an ack may still lower the count, by moving the floor: try it.
        let mut tried = held.clone();
        for offset in offsets {
            tried.consume(offset.get());
        }
        if tried.ahead_count <= AHEAD_OFFSETS_MAX {
            return Ok(());
        }
        Err(PositionRefused::TooManyAhead)
    }

    /// Whether one more offset may have failed attempts.
    pub(crate) fn check_attempts(&self, at: LeaseOffset) -> Result<(), PositionRefused> {
        let Some(held) = self.get(at.lease.queue, at.lease.group) else { return Ok(()) };
        let known = held.attempts.binary_search_by_key(&at.offset.0, |entry| entry.0).is_ok();
        if known || held.attempts.len() < AHEAD_OFFSETS_MAX {
            return Ok(());
        }
        Err(PositionRefused::TooManyAhead)
    }

    pub(crate) fn ack(&mut self, lease: Lease, offset: Offset) {
        if let Some(held) = self.by_queue.get_mut(&(lease.queue, lease.group)) {
            held.consume(offset.0);
        }
    }

    pub(crate) fn commit(&mut self, at: LeaseOffset) {
        if let Some(held) = self.by_queue.get_mut(&(at.lease.queue, at.lease.group)) {
            held.raise_floor(at.offset.0);
        }
    }

    pub(crate) fn nack(&mut self, at: LeaseOffset) {
        if let Some(held) = self.by_queue.get_mut(&(at.lease.queue, at.lease.group)) {
            held.fail(at.offset.0);
        }
    }

    pub(crate) fn remove_group(&mut self, group: GroupId) {
        self.by_queue.retain(|(_, other), _| *other != group);
    }

    pub(crate) fn remove_queue(&mut self, queue: QueueId) {
        loop {
            let first = self.of_queue(queue).next().map(|(key, _)| *key);
            let Some(key) = first else { return };
            self.by_queue.remove(&key);
        }
    }

    /// The records of this queue are lost: positions on them mean nothing, their epochs go on.
    pub(crate) fn forget_queue(&mut self, queue: QueueId) {
        let range = (queue, GroupId(0))..=(queue, GroupId(u32::MAX));
        for (_, held) in self.by_queue.range_mut(range) {
            held.forgotten = true;
        }
    }

    pub(crate) fn lowest_floor(&self, queue: QueueId) -> Option<(Offset, GroupId)> {
        self.of_queue(queue)
            .filter(|(_, held)| !held.forgotten)
            .map(|(key, held)| (held.position.floor, key.1))
            .min()
    }

    /// Whether a group ever had a position there, forgotten since or not.
    pub(crate) fn is_known(&self, queue: QueueId) -> bool {
        self.of_queue(queue).next().is_some()
    }

    pub(crate) fn queues_of(&self, group: GroupId) -> Vec<QueueId> {
        let kept = self.by_queue.iter().filter(|(_, held)| !held.forgotten);
        kept.filter(|(key, _)| key.1 == group).map(|(key, _)| key.0).collect()
    }

    /// In the order of their keys, from after `after` on: for snapshots.
    pub(crate) fn after(
        &self,
        after: Option<(QueueId, GroupId)>,
    ) -> impl Iterator<Item = (&(QueueId, GroupId), &Held)> {
        use std::ops::Bound::{Excluded, Unbounded};
        self.by_queue.range((after.map_or(Unbounded, Excluded), Unbounded))
    }

    /// Takes what a snapshot held.
    pub(crate) fn restore(&mut self, queue: QueueId, group: GroupId, held: Held) {
        self.by_queue.insert((queue, group), held);
    }

    fn of_queue(&self, queue: QueueId) -> impl Iterator<Item = (&(QueueId, GroupId), &Held)> {
        self.by_queue.range((queue, GroupId(0))..=(queue, GroupId(u32::MAX)))
    }
}

impl Held {
    const fn new(floor: Offset) -> Self {
        Self {
            position: Position { floor, epoch: Epoch(0), grants: 0 },
            forgotten: false,
            ahead: Vec::new(),
            ahead_count: 0,
            attempts: Vec::new(),
        }
    }

    /// As read from a snapshot; `None` when the parts break an invariant.
    pub(crate) fn from_parts(
        position: Position,
        forgotten: bool,
        ahead: Vec<(u64, u64)>,
        attempts: Vec<(u64, u32)>,
    ) -> Option<Self> {
        let mut end = position.floor.0;
        let mut count = 0_u64;
        for range in &ahead {
            if range.0 <= end || range.1 <= range.0 {
                return None;
            }
            end = range.1;
            count = count.checked_add(range.1 - range.0)?;
        }
        let sorted = attempts.windows(2).all(|pair| pair[0].0 < pair[1].0);
        let ahead_count =
            usize::try_from(count).ok().filter(|count| *count <= AHEAD_OFFSETS_MAX)?;
        sorted.then_some(Self { position, forgotten, ahead, ahead_count, attempts })
    }

    pub(crate) fn is_consumed(&self, offset: Offset) -> bool {
        if offset < self.position.floor {
            return true;
        }
        let after = self.ahead.partition_point(|range| range.0 <= offset.0);
        after > 0 && offset.0 < self.ahead[after - 1].1
    }

    pub(crate) fn attempts(&self, offset: Offset) -> u32 {
        let found = self.attempts.binary_search_by_key(&offset.0, |entry| entry.0);
        found.map_or(0, |at| self.attempts[at].1)
    }

    fn consume(&mut self, offset: u64) {
        if self.is_consumed(Offset(offset)) {
            return;
        }
        if let Ok(at) = self.attempts.binary_search_by_key(&offset, |entry| entry.0) {
            self.attempts.remove(at);
        }
        if offset == self.position.floor.0 {
            self.raise_floor(offset + 1);
            return;
        }
        self.ahead_count += 1;
        let after = self.ahead.partition_point(|range| range.0 <= offset);
        let joins_before = after > 0 && self.ahead[after - 1].1 == offset;
        let joins_after = after < self.ahead.len() && self.ahead[after].0 == offset + 1;
        match (joins_before, joins_after) {
            (true, true) => {
                self.ahead[after - 1].1 = self.ahead[after].1;
                self.ahead.remove(after);
            }
            (true, false) => self.ahead[after - 1].1 += 1,
            (false, true) => self.ahead[after].0 = offset,
            (false, false) => self.ahead.insert(after, (offset, offset + 1)),
        }
    }

    /// Moves the floor up to `floor`, and over the acknowledged ranges it meets.
    fn raise_floor(&mut self, floor: u64) {
        if floor <= self.position.floor.0 {
            return;
        }
        let mut floor = floor;
        let met = self.ahead.partition_point(|range| range.0 <= floor);
        for range in self.ahead.drain(..met) {
            floor = floor.max(range.1);
            self.ahead_count -= usize::try_from(range.1 - range.0).expect("at most 10,000");
        }
        let below = self.attempts.partition_point(|entry| entry.0 < floor);
        self.attempts.drain(..below);
        self.position.floor = Offset(floor);
        self.position.grants = 0;
    }

    fn fail(&mut self, offset: u64) {
        if self.is_consumed(Offset(offset)) {
            return;
        }
        match self.attempts.binary_search_by_key(&offset, |entry| entry.0) {
            Ok(at) => self.attempts[at].1 = self.attempts[at].1.saturating_add(1),
            Err(at) => self.attempts.insert(at, (offset, 1)),
        }
    }
}

#[cfg(test)]
mod tests;
