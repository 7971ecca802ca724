//! Dedup: which publishes were taken before, so that a retry is never a second message.
//!
//! One window per (producer, queue): its last 64 sections. Sequences count
//! records; a section takes `count` of them, contiguous, from 0 in each epoch.
//!
//! ```text
//!   sequence ->   forgotten | window: at most 64 sections | next_sequence
//!   a publish     unknown   | duplicate: original offset  | new      | gap
//! ```
//!
//! At most 65,536 windows a shard. When full, the one whose last append lies
//! farthest back in the log goes, and its producer is marked: from then on a
//! pair nobody knows is refused up to that epoch, also at sequence 0, since it
//! may be a retry of what was forgotten. A newer epoch is forgiven: it cannot
//! retry anything old. The same publishes leave the same windows, whether they
//! are made or replayed. No allocation once the windows are warm.

use std::collections::{BTreeMap, VecDeque};
use wire::limits::PRODUCER_SECTIONS_IN_FLIGHT_MAX;
use wire::{Epoch, LogIndex, Offset, ProducerId, QueueId};

/// Windows a shard keeps.
pub(crate) const PAIRS_MAX: usize = 65_536;
/// Producers a shard knows the epoch of.
pub(crate) const PRODUCERS_MAX: usize = 65_536;

const NONE: u32 = u32::MAX;

/// Who publishes, where, and from which sequence on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) producer: ProducerId,
    pub(crate) queue: QueueId,
    pub(crate) epoch: Epoch,
    pub(crate) sequence: u64,
    pub(crate) count: u32,
}

/// What is to be done with a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Take it.
    New,
    /// It was taken, with this first offset.
    Duplicate(Offset),
    /// A newer epoch published or was opened.
    Fenced { newest: Epoch },
    /// Another sequence comes next.
    SequenceGap { expected: u64 },
    /// It may have been forgotten.
    UnknownProducer,
}

/// One section that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) sequence: u64,
    pub(crate) first_offset: Offset,
    pub(crate) count: u32,
}

/// The window of one producer on one queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) producer: ProducerId,
    pub(crate) queue: QueueId,
    pub(crate) epoch: Epoch,
    pub(crate) next_sequence: u64,
    /// When it was last appended to; `order` tells sections of one batch apart.
    pub(crate) used: LastUse,
    pub(crate) taken: VecDeque<Taken>,
}

/// A place in the order of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LastUse {
    pub(crate) index: LogIndex,
    pub(crate) order: u32,
}

/// What is known of a producer besides its windows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Producer {
    /// The newest epoch opened or published.
    pub(crate) newest: Epoch,
    /// Pairs of this epoch and older ones may have been forgotten.
    pub(crate) forgotten: Option<Epoch>,
}

/// All windows of a shard.
#[derive(Debug)]
pub(crate) struct Dedup {
    slots: Vec<Slot>,
    by_pair: BTreeMap<(ProducerId, QueueId), u32>,
    free: Vec<u32>,
    oldest: u32,
    newest: u32,
    producers: BTreeMap<ProducerId, Producer>,
    /// Producers themselves were forgotten: one nobody knows is refused until it is opened.
    producers_forgotten: bool,
    pairs_max: usize,
}

/// A window in the list that runs from the oldest use to the newest.
#[derive(Debug)]
struct Slot {
    window: Window,
    older: u32,
    newer: u32,
}

impl Dedup {
    pub(crate) const fn new(pairs_max: usize) -> Self {
        Self {
            slots: Vec::new(),
            by_pair: BTreeMap::new(),
            free: Vec::new(),
            oldest: NONE,
            newest: NONE,
            producers: BTreeMap::new(),
            producers_forgotten: false,
            pairs_max,
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.by_pair.len()
    }

    /// Makes an epoch known: older ones are fenced.
    pub(crate) fn open(&mut self, producer: ProducerId, epoch: Epoch) {
        let known = self.know(producer);
        known.newest = known.newest.max(epoch);
    }

    /// Judges a claim; changes nothing.
    pub(crate) fn judge(&self, claim: &Claim) -> Verdict {
        let producer = self.producers.get(&claim.producer);
        let known = producer.copied().unwrap_or_default();
        if claim.epoch < known.newest {
            return Verdict::Fenced { newest: known.newest };
        }
        let Some(window) = self.window(claim.producer, claim.queue) else {
            let forgotten = known.forgotten.is_some_and(|forgotten| claim.epoch <= forgotten);
            let unknown = producer.is_none() && self.producers_forgotten;
            let first = claim.sequence == 0 && !forgotten && !unknown;
            return if first { Verdict::New } else { Verdict::UnknownProducer };
        };
        if claim.epoch < window.epoch {
            return Verdict::Fenced { newest: window.epoch };
        }
        let new_epoch = claim.epoch > window.epoch;
        let expected = if new_epoch { 0 } else { window.next_sequence };
        if claim.sequence == expected {
            return Verdict::New;
        }
        if new_epoch || claim.sequence > expected {
            return Verdict::SequenceGap { expected };
        }
        window.find(claim)
    }

    /// Notes a section that got its place in the log.
    pub(crate) fn take(&mut self, claim: &Claim, first_offset: Offset, used: LastUse) {
        let known = self.know(claim.producer);
        known.newest = known.newest.max(claim.epoch);
        let slot = match self.by_pair.get(&(claim.producer, claim.queue)) {
            Some(slot) => *slot,
            None => self.add(Window::new(claim)),
        };
        self.unlink(slot);
        self.link_newest(slot);
        self.slots[slot as usize].window.take(claim, first_offset, used);
    }

    pub(crate) fn window(&self, producer: ProducerId, queue: QueueId) -> Option<&Window> {
        let slot = self.by_pair.get(&(producer, queue))?;
        Some(&self.slots[*slot as usize].window)
    }

    /// Forgets the windows on a queue that is gone; its id never comes back.
    pub(crate) fn remove_queue(&mut self, queue: QueueId) {
        let pairs: Vec<_> = self.by_pair.keys().filter(|pair| pair.1 == queue).copied().collect();
        for pair in pairs {
            self.remove(pair);
        }
    }

    /// Windows in the order of their keys, after `after`: for snapshots.
    pub(crate) fn windows_after(
        &self,
        after: Option<(ProducerId, QueueId)>,
    ) -> impl Iterator<Item = &Window> {
        use std::ops::Bound::{Excluded, Unbounded};
        let range = self.by_pair.range((after.map_or(Unbounded, Excluded), Unbounded));
        range.map(|(_, slot)| &self.slots[*slot as usize].window)
    }

    /// Producers in the order of their ids, after `after`: for snapshots.
    pub(crate) fn producers_after(
        &self,
        after: Option<ProducerId>,
    ) -> impl Iterator<Item = (ProducerId, Producer)> {
        use std::ops::Bound::{Excluded, Unbounded};
        let range = self.producers.range((after.map_or(Unbounded, Excluded), Unbounded));
        range.map(|(id, producer)| (*id, *producer))
    }

    pub(crate) const fn producers_forgotten(&self) -> bool {
        self.producers_forgotten
    }

    /// Takes what a snapshot held: windows sorted by their last use.
    pub(crate) fn restore(
        &mut self,
        windows: Vec<Window>,
        producers: &[(ProducerId, Producer)],
        producers_forgotten: bool,
    ) {
        self.producers.extend(producers.iter().copied());
        self.producers_forgotten = producers_forgotten;
        for window in windows {
            let slot = self.add(window);
            self.link_newest(slot);
        }
    }

    fn know(&mut self, producer: ProducerId) -> &mut Producer {
        if self.producers.len() >= PRODUCERS_MAX && !self.producers.contains_key(&producer) {
            // Ids grow: the smallest is the oldest producer.
            self.producers.pop_first();
            self.producers_forgotten = true;
        }
        self.producers.entry(producer).or_default()
    }

    /// Puts a window into a slot, not yet into the list.
    fn add(&mut self, window: Window) -> u32 {
        if self.by_pair.len() >= self.pairs_max {
            self.evict_oldest();
        }
        let pair = (window.producer, window.queue);
        let entry = Slot { window, older: NONE, newer: NONE };
        let slot = if let Some(slot) = self.free.pop() {
            self.slots[slot as usize] = entry;
            slot
        } else {
            self.slots.push(entry);
            u32::try_from(self.slots.len() - 1).expect("at most PAIRS_MAX slots")
        };
        self.by_pair.insert(pair, slot);
        slot
    }

    fn evict_oldest(&mut self) {
        let Some(slot) = self.slots.get(self.oldest as usize) else { return };
        let pair = (slot.window.producer, slot.window.queue);
        let epoch = slot.window.epoch;
        self.remove(pair);
        let known = self.know(pair.0);
        known.forgotten = known.forgotten.max(Some(epoch));
    }

    fn remove(&mut self, pair: (ProducerId, QueueId)) {
        if let Some(slot) = self.by_pair.remove(&pair) {
            self.unlink(slot);
            self.slots[slot as usize].window.taken = VecDeque::new();
            self.free.push(slot);
        }
    }

    fn unlink(&mut self, slot: u32) {
        let Slot { older, newer, .. } = self.slots[slot as usize];
        if older != NONE {
            self.slots[older as usize].newer = newer;
        } else if self.oldest == slot {
            self.oldest = newer;
        }
        if newer != NONE {
            self.slots[newer as usize].older = older;
        } else if self.newest == slot {
            self.newest = older;
        }
        self.slots[slot as usize].older = NONE;
        self.slots[slot as usize].newer = NONE;
    }

    fn link_newest(&mut self, slot: u32) {
        self.slots[slot as usize].older = self.newest;
        if self.newest == NONE {
            self.oldest = slot;
        } else {
            self.slots[self.newest as usize].newer = slot;
        }
        self.newest = slot;
    }
}

impl Window {
    fn new(claim: &Claim) -> Self {
        Self {
            producer: claim.producer,
            queue: claim.queue,
            epoch: claim.epoch,
            next_sequence: 0,
            used: LastUse::default(),
            taken: VecDeque::new(),
        }
    }

    fn take(&mut self, claim: &Claim, first_offset: Offset, used: LastUse) {
        if claim.epoch > self.epoch {
            self.epoch = claim.epoch;
            self.taken.clear();
        }
        if self.taken.len() == PRODUCER_SECTIONS_IN_FLIGHT_MAX {
            self.taken.pop_front();
        }
        self.taken.push_back(Taken { sequence: claim.sequence, first_offset, count: claim.count });
        self.next_sequence = claim.sequence.saturating_add(u64::from(claim.count));
        self.used = used;
    }

    /// A sequence below the next one: a retry, or something forgotten.
    fn find(&self, claim: &Claim) -> Verdict {
        let found = self.taken.binary_search_by_key(&claim.sequence, |taken| taken.sequence);
        match found {
            Ok(at) if self.taken[at].count == claim.count => {
                Verdict::Duplicate(self.taken[at].first_offset)
            }
            Err(0) => Verdict::UnknownProducer,
            // Known sequences cut into other sections: the client changed its mind.
            Ok(_) | Err(_) => Verdict::SequenceGap { expected: self.next_sequence },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUEUE: QueueId = QueueId(1 << 16);

    fn claim(producer: u64, epoch: u32, sequence: u64, count: u32) -> Claim {
        Claim { producer: ProducerId(producer), queue: QUEUE, epoch: Epoch(epoch), sequence, count }
    }

    fn take(dedup: &mut Dedup, claim: Claim, offset: u64, index: u64) {
        assert_eq!(dedup.judge(&claim), Verdict::New);
        dedup.take(&claim, Offset(offset), LastUse { index: LogIndex(index), order: 0 });
    }

    #[test]
    fn a_retry_gets_its_original_offset() {
        let mut dedup = Dedup::new(4);
        take(&mut dedup, claim(1, 1, 0, 3), 100, 1);
        take(&mut dedup, claim(1, 1, 3, 1), 110, 2);
        assert_eq!(dedup.judge(&claim(1, 1, 0, 3)), Verdict::Duplicate(Offset(100)));
        assert_eq!(dedup.judge(&claim(1, 1, 3, 1)), Verdict::Duplicate(Offset(110)));
        let gap = Verdict::SequenceGap { expected: 4 };
        assert_eq!(dedup.judge(&claim(1, 1, 5, 1)), gap);
        assert_eq!(dedup.judge(&claim(1, 1, 0, 2)), gap, "cut otherwise");
        assert_eq!(dedup.judge(&claim(1, 1, 1, 2)), gap, "from the middle");
        assert_eq!(dedup.judge(&claim(2, 1, 7, 1)), Verdict::UnknownProducer);
    }

    #[test]
    fn epochs_fence_and_start_at_zero() {
        let mut dedup = Dedup::new(4);
        take(&mut dedup, claim(1, 1, 0, 1), 0, 1);
        dedup.open(ProducerId(1), Epoch(2));
        let fenced = Verdict::Fenced { newest: Epoch(2) };
        assert_eq!(dedup.judge(&claim(1, 1, 0, 1)), fenced, "even a retry");
        let gap = Verdict::SequenceGap { expected: 0 };
        assert_eq!(dedup.judge(&claim(1, 2, 1, 1)), gap);
        take(&mut dedup, claim(1, 2, 0, 1), 1, 2);
        assert_eq!(dedup.judge(&claim(1, 2, 0, 1)), Verdict::Duplicate(Offset(1)));
    }

    #[test]
    fn beyond_the_window_is_unknown_and_never_new() {
        let mut dedup = Dedup::new(4);
        for sequence in 0..=PRODUCER_SECTIONS_IN_FLIGHT_MAX as u64 {
            take(&mut dedup, claim(1, 1, sequence, 1), sequence, sequence);
        }
        assert_eq!(dedup.judge(&claim(1, 1, 0, 1)), Verdict::UnknownProducer);
        assert_eq!(dedup.judge(&claim(1, 1, 1, 1)), Verdict::Duplicate(Offset(1)));
    }

    #[test]
    fn the_farthest_pair_is_evicted_and_its_retries_refused() {
        let mut dedup = Dedup::new(2);
        take(&mut dedup, claim(1, 1, 0, 1), 0, 1);
        take(&mut dedup, claim(2, 1, 0, 1), 1, 2);
        take(&mut dedup, claim(1, 1, 1, 1), 2, 3);
        take(&mut dedup, claim(3, 1, 0, 1), 3, 4);
        assert_eq!(dedup.count(), 2);
        assert_eq!(dedup.judge(&claim(1, 1, 1, 1)), Verdict::Duplicate(Offset(2)));
        assert_eq!(dedup.judge(&claim(2, 1, 0, 1)), Verdict::UnknownProducer, "a retry at 0");
        assert_eq!(dedup.judge(&claim(2, 1, 1, 1)), Verdict::UnknownProducer);
        dedup.open(ProducerId(2), Epoch(1));
        assert_eq!(dedup.judge(&claim(2, 1, 0, 1)), Verdict::UnknownProducer, "the same epoch");
        dedup.open(ProducerId(2), Epoch(2));
        take(&mut dedup, claim(2, 2, 0, 1), 4, 5);
    }

    #[test]
    fn a_removed_queue_frees_its_windows() {
        let mut dedup = Dedup::new(2);
        take(&mut dedup, claim(1, 1, 0, 1), 0, 1);
        take(&mut dedup, claim(2, 1, 0, 1), 1, 2);
        dedup.remove_queue(QUEUE);
        assert_eq!(dedup.count(), 0);
        take(&mut dedup, claim(3, 1, 0, 1), 2, 3);
        take(&mut dedup, claim(4, 1, 0, 1), 3, 4);
        assert_eq!(dedup.slots.len(), 2, "slots are used again");
    }
}
