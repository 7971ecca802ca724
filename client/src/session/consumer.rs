//! Consumer: what one subscription holds: leases, what was delivered under them, and what to tell the node. Pure state.
//!
//! Invariants:
//!   1. Memory is bounded by the credit: what was delivered and not taken never
//!      exceeds what was granted, and credit is granted again only for what was taken.
//!   2. Nothing is handed out, and nothing acknowledged, under a lease that is over.
//!   3. Offsets of a lease are acknowledged at most once, and never before they were handed out.

use crate::config::ConsumerConfig;
use crate::delivery::{Gap, Item, Message, Place};
use crate::error::{CallError, LeaseOver};
use crate::record::RecordView;
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use wire::limits::ACK_OFFSETS_MAX;
use wire::{Epoch, MemberId, Offset, QueueId};

/// Acknowledgements of one queue that gather at most before they are written, a frame's worth.
const ACKS_MAX: usize = ACK_OFFSETS_MAX / 4;

/// Where a subscription stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// To be asked for, not before this time, monotonic.
    Wanted {
        /// When.
        at_ns: u64,
    },
    /// Asked, not answered.
    Asked,
    /// A member.
    Subscribed(MemberId),
    /// Refused for good.
    Ended(CallError),
}

/// One lease of one queue.
#[derive(Debug, Default)]
pub(crate) struct Lease {
    /// Its number.
    pub(crate) epoch: Epoch,
    /// It was revoked and ends then, monotonic.
    drain_until_ns: Option<u64>,
    /// Records taken by the caller since credit was last granted.
    taken_records: u32,
    /// Their bytes.
    taken_bytes: u32,
    /// Consumed one by one, not told yet.
    acks: Vec<u64>,
    /// Consumed up to here, exclusive, not told yet.
    commit: Option<Offset>,
    /// Told, and the node was not asked whether it keeps it: the last one.
    unconfirmed: Option<u64>,
}

/// Records delivered together, not handed out yet.
#[derive(Debug)]
struct Delivered {
    queue: QueueId,
    epoch: Epoch,
    next_offset: Offset,
    count: u32,
    section: Bytes,
    attempt: u32,
    accepted_ns: u64,
    gap: Option<Gap>,
}

/// A delivery as it came from the wire.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) queue: QueueId,
    pub(crate) epoch: Epoch,
    pub(crate) first_offset: Offset,
    pub(crate) count: u32,
    pub(crate) section: Bytes,
    pub(crate) attempt: u32,
    pub(crate) accepted_ns: u64,
    pub(crate) gap: Option<Gap>,
}

/// What the node is to be told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Word<'a> {
    /// These offsets are consumed.
    Ack(&'a [u64]),
    /// Everything below is consumed.
    Commit(Offset),
    /// So much more may be sent.
    Credit {
        /// Records.
        records: u32,
        /// Bytes.
        bytes: u32,
    },
}

/// One subscription.
#[derive(Debug)]
pub(crate) struct ConsumerState {
    pub(crate) config: ConsumerConfig,
    pub(crate) phase: Phase,
    /// It was subscribed before: a broken connection is no reason to give up.
    pub(crate) was_member: bool,
    leases: BTreeMap<QueueId, Lease>,
    delivered: VecDeque<Delivered>,
    /// Something gathered in a lease.
    has_words: bool,
    /// Deliveries dropped because their lease was over.
    pub(crate) stale_count: u64,
}

impl ConsumerState {
    /// One that is to be subscribed.
    pub(crate) fn new(config: ConsumerConfig) -> Self {
        Self {
            config,
            phase: Phase::Wanted { at_ns: 0 },
            was_member: false,
            leases: BTreeMap::new(),
            delivered: VecDeque::new(),
            has_words: false,
            stale_count: 0,
        }
    }

    /// A member as which we are known.
    pub(crate) fn member(&self) -> Option<MemberId> {
        if let Phase::Subscribed(member) = self.phase { Some(member) } else { None }
    }

    /// Whether the node was asked and did not answer yet.
    pub(crate) fn is_asked(&self) -> bool {
        self.phase == Phase::Asked
    }

    /// A lease was granted; an older one of the same queue is over.
    pub(crate) fn assigned(&mut self, queue: QueueId, epoch: Epoch) {
        let held = self.leases.get(&queue).map(|lease| lease.epoch);
        if held.is_none_or(|held| held < epoch) {
            self.leases.insert(queue, Lease { epoch, ..Lease::default() });
        }
    }

    /// A lease is to end.
    pub(crate) fn revoked(&mut self, queue: QueueId, epoch: Epoch, until_ns: u64) {
        if let Some(lease) = self.leases.get_mut(&queue)
            && lease.epoch == epoch
        {
            lease.drain_until_ns = Some(until_ns);
        }
    }

    /// Records came, or word of some that never will.
    pub(crate) fn delivered(&mut self, delivery: Delivery) {
        let Delivery { queue, epoch, first_offset, count, section, attempt, accepted_ns, gap } =
            delivery;
        if self.lease(queue, epoch).is_none() {
            self.stale_count += 1;
            return;
        }
        let next_offset = first_offset;
        self.delivered.push_back(Delivered {
            queue,
            epoch,
            next_offset,
            count,
            section,
            attempt,
            accepted_ns,
            gap,
        });
    }

    /// The connection is gone, and all leases with it.
    pub(crate) fn lost(&mut self, at_ns: u64) {
        self.leases.clear();
        self.delivered.clear();
        self.has_words = false;
        if !matches!(self.phase, Phase::Ended(_)) {
            self.phase = Phase::Wanted { at_ns };
        }
    }

    /// Ends leases whose time to drain is over.
    pub(crate) fn tick(&mut self, now_ns: u64) {
        self.leases.retain(|_, lease| lease.drain_until_ns.is_none_or(|until| until > now_ns));
    }

    /// When `tick` has something to do, monotonic.
    pub(crate) fn wake_ns(&self) -> u64 {
        let drains = self.leases.values().filter_map(|lease| lease.drain_until_ns);
        let asks = if let Phase::Wanted { at_ns } = self.phase { Some(at_ns) } else { None };
        drains.chain(asks).min().unwrap_or(u64::MAX)
    }

    /// The next thing for the caller.
    pub(crate) fn next(&mut self) -> Option<Item> {
        loop {
            let front = self.delivered.front_mut()?;
            let Some(lease) =
                self.leases.get_mut(&front.queue).filter(|lease| lease.epoch == front.epoch)
            else {
                self.stale_count += 1;
                self.delivered.pop_front();
                continue;
            };
            if let Some(gap) = front.gap.take() {
                return Some(Item::Gap(gap));
            }
            if front.count == 0 {
                self.delivered.pop_front();
                continue;
            }
            let (item, bytes) = front.take();
            lease.taken_records += 1;
            lease.taken_bytes = lease.taken_bytes.saturating_add(bytes);
            self.has_words = true;
            return Some(item);
        }
    }

    /// This one is consumed. True: enough gathered to be written.
    pub(crate) fn ack(&mut self, place: Place) -> Result<bool, LeaseOver> {
        let observe = self.config.observe;
        let lease = self.lease_mut(place)?;
        if observe {
            return Ok(false); // only looks: there is nothing to move
        }
        lease.acks.push(place.offset.0);
        let full = lease.acks.len() >= ACKS_MAX;
        self.has_words = true;
        Ok(full)
    }

    /// This one and all below are consumed.
    pub(crate) fn commit(&mut self, place: Place) -> Result<(), LeaseOver> {
        let observe = self.config.observe;
        let lease = self.lease_mut(place)?;
        if observe {
            return Ok(());
        }
        let end = place.offset.plus(1);
        lease.commit = Some(lease.commit.map_or(end, |before| before.max(end)));
        lease.acks.retain(|offset| *offset >= end.0);
        self.has_words = true;
        Ok(())
    }

    /// Whether the lease of `place` is still ours.
    pub(crate) fn holds(&self, place: Place) -> Result<(), LeaseOver> {
        self.lease(place.queue, place.lease_epoch).map(|_| ()).ok_or(LeaseOver)
    }

    /// Whether something may be worth telling.
    pub(crate) fn has_words(&self) -> bool {
        self.has_words
    }

    /// Hands every word that is due to `tell`, with the lease it is about.
    pub(crate) fn words(&mut self, mut tell: impl FnMut(QueueId, Epoch, Word<'_>)) {
        if !self.has_words {
            return;
        }
        self.has_words = false;
        let idle = self.delivered.is_empty();
        let records_half = self.config.credit_records / 2;
        let bytes_half = self.config.credit_bytes / 2;
        for (queue, lease) in &mut self.leases {
            if let Some(end) = lease.commit.take() {
                tell(*queue, lease.epoch, Word::Commit(end));
                lease.unconfirmed = end.0.checked_sub(1);
            }
            if let Some(last) = lease.acks.last() {
                lease.unconfirmed = Some(*last);
                tell(*queue, lease.epoch, Word::Ack(&lease.acks));
                lease.acks.clear();
            }
            let (records, bytes) = (lease.taken_records, lease.taken_bytes);
            let due = idle || records >= records_half || bytes >= bytes_half;
            if lease.drain_until_ns.is_some() || records == 0 {
                continue;
            }
            if !due {
                self.has_words = true;
                continue;
            }
            (lease.taken_records, lease.taken_bytes) = (0, 0);
            tell(*queue, lease.epoch, Word::Credit { records, bytes });
        }
    }

    /// What was told of each lease and not confirmed yet: its last offset. Forgets it.
    pub(crate) fn take_unconfirmed(&mut self, mut ask: impl FnMut(QueueId, Epoch, u64)) {
        for (queue, lease) in &mut self.leases {
            if let Some(offset) = lease.unconfirmed.take() {
                ask(*queue, lease.epoch, offset);
            }
        }
    }

    /// The queues held.
    pub(crate) fn assignments(&self) -> Vec<QueueId> {
        self.leases.keys().copied().collect()
    }

    fn lease(&self, queue: QueueId, epoch: Epoch) -> Option<&Lease> {
        self.leases.get(&queue).filter(|lease| lease.epoch == epoch)
    }

    fn lease_mut(&mut self, place: Place) -> Result<&mut Lease, LeaseOver> {
        let lease = self.leases.get_mut(&place.queue);
        lease.filter(|lease| lease.epoch == place.lease_epoch).ok_or(LeaseOver)
    }
}

impl Delivered {
    /// Takes the first record off; returns it with its length. `count` is not 0.
    fn take(&mut self) -> (Item, u32) {
        let (queue, lease_epoch, offset) = (self.queue, self.epoch, self.next_offset);
        let place = Place { queue, offset, lease_epoch };
        let before = self.section.len();
        self.next_offset = offset.plus(1);
        self.count -= 1;
        let result = RecordView::split_from(&mut self.section);
        let item = match result {
            Ok(record) => {
                let (attempt, accepted_ns) = (self.attempt, self.accepted_ns);
                Item::Message(Message { place, attempt, accepted_ns, record })
            }
            Err(error) => {
                self.skip_damaged();
                Item::Damaged { place, error }
            }
        };
        (item, u32::try_from(before - self.section.len()).unwrap_or(u32::MAX))
    }

    /// Steps over a record that failed its checksum. Where its length cannot be believed either,
    /// every record after it in this section fails as well, and is told so one by one.
    fn skip_damaged(&mut self) {
        let length = wire::record::record_bytes(&self.section).unwrap_or(usize::MAX);
        let _ = self.section.split_to(length.min(self.section.len()));
    }
}
