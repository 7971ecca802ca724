//! Lease: one queue and one group, and the one member that owns them.
//!
//! ```text
//!             wanted             noted              durable
//!   Vacant ------------> Vacant -------> Granting -----------> Live
//!     ^                  (next)            |  ^                  | revoked, or another is wanted
//!     |                                    |  |                  v
//!     '--- owner gone or all finished -----'--+-------------- Draining
//! ```
//!
//! Invariants:
//!   1. There is at most one owner, and a next one begins only after its end: a
//!      grant is noted in `Vacant` alone.
//!   2. Nothing is delivered before the grant is durable, nor while draining.
//!   3. What the owner says counts only under its own epoch.
//!
//! No IO and no clock; `leases` carries out what is decided here.

use super::mail::Peer;
use super::retries::Retries;
use std::ops::Range;
use storage::plan::OpId;
use wire::{Epoch, MemberId, Offset};

/// Where a group without a position begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the oldest record.
    First,
    /// After the newest record.
    Last,
    /// At this offset, or the nearest there is.
    Offset(Offset),
    /// At the first record accepted at or after this wall-clock time.
    Time {
        /// Nanoseconds since 1970.
        time_ns: u64,
    },
}

/// What may still be sent under one lease.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Credit {
    /// Records.
    pub records: u64,
    /// Bytes of records.
    pub bytes: u64,
}

/// The member a queue is given to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Who.
    pub member: MemberId,
    /// Its home connection.
    pub peer: Peer,
    /// Where to begin if the group has no position.
    pub start: Start,
    /// What may be sent at first.
    pub credit: Credit,
    /// Only looks: nothing is to be acknowledged, the position stays.
    pub observe: bool,
}

impl Credit {
    /// Records and bytes one lease may be ahead of its owner; more is cut off.
    const MAX: Self = Self { records: 1 << 20, bytes: 64 << 20 };

    /// Within bounds.
    #[must_use]
    pub fn bounded(self) -> Self {
        Self {
            records: self.records.min(Self::MAX.records),
            bytes: self.bytes.min(Self::MAX.bytes),
        }
    }

    pub(super) fn add(&mut self, more: Self) {
        self.records = self.records.saturating_add(more.records);
        self.bytes = self.bytes.saturating_add(more.bytes);
        *self = self.bounded();
    }

    /// A record larger than the rest is let through and spends all of it.
    pub(super) fn spend(&mut self, records: u64, bytes: u64) {
        self.records = self.records.saturating_sub(records);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    pub(super) fn is_spent(self) -> bool {
        self.records == 0 || self.bytes == 0
    }
}

/// One owner's time: from its grant to its end.
#[derive(Debug)]
pub(super) struct Reign {
    pub(super) tenant: Tenant,
    pub(super) epoch: Epoch,
    pub(super) credit: Credit,
    /// The next offset to deliver.
    pub(super) cursor: Offset,
    /// From here on nothing was ever delivered to this group.
    pub(super) fresh_from: Offset,
    /// Deliveries before this reign that what lies below `fresh_from` counts.
    pub(super) attempts_before: u32,
    /// Delivered and not consumed, without those waiting to be delivered again.
    pub(super) in_flight: u32,
    /// Nacked, to be delivered again.
    pub(super) retries: Retries,
    /// Told and passed, while the floor is still below it.
    pub(super) gap: Option<Range<u64>>,
    /// The notices of the gap are read once this is, see `Leases::is_read`.
    pub(super) gap_told: u64,
    /// Nothing can be sent before this read is done.
    pub(super) waits_for: Option<OpId>,
    /// Delivery stopped because too much is not acknowledged.
    pub(super) window_full: bool,
}

impl Reign {
    /// Offsets that may yet be delivered before the floor must move.
    pub(super) fn room(&self, floor: Offset, in_flight_max: usize) -> u64 {
        let window_max = u64::try_from(in_flight_max).unwrap_or(u64::MAX);
        if self.tenant.observe {
            return window_max;
        }
        let passed =
            self.gap.as_ref().map_or(0, |gap| gap.end - gap.start.max(floor.0).min(gap.end));
        let window = self.cursor.0.saturating_sub(floor.0).saturating_sub(passed);
        window_max.saturating_sub(window)
    }

    /// Whether `offset` was delivered under this reign and neither nacked nor in a gap.
    /// Whether it is consumed storage knows.
    pub(super) fn has_delivered(&self, offset: Offset, floor: Offset) -> bool {
        !self.tenant.observe
            && offset >= floor
            && offset < self.cursor
            && !self.retries.contains(offset)
            && !self.gap.as_ref().is_some_and(|gap| gap.contains(&offset.0))
    }

    /// How often `offset` was delivered before, 1 for the first time; `failed` = its nacks.
    pub(super) fn attempt(&self, offset: Offset, failed: u32) -> u32 {
        let before = if offset < self.fresh_from { self.attempts_before } else { 0 };
        failed.saturating_add(before).saturating_add(1)
    }
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Vacant,
    /// Noted, not durable. `None`: the one it is for is gone or replaced.
    Granting(Option<Tenant>, Epoch),
    Live(Box<Reign>),
    /// Until this monotonic time.
    Draining(Box<Reign>, u64),
}

/// A queue for a group.
#[derive(Debug, Default)]
pub(super) struct Lease {
    state: State,
    next: Option<Tenant>,
    /// Exclusive end of what this group may have been sent by earlier owners; `None` = no owner since the start.
    pub(super) seen_end: Option<Offset>,
    /// In the list of leases that may have something to deliver.
    is_dirty: bool,
    /// The earliest time in the table of deadlines; 0 = none.
    pub(super) armed_ns: u64,
}

impl Lease {
    /// Notes that there may be something to deliver; true if that is news.
    pub(super) fn mark(&mut self) -> bool {
        !std::mem::replace(&mut self.is_dirty, true)
    }

    /// Its chance has come.
    pub(super) fn unmark(&mut self) {
        self.is_dirty = false;
    }

    /// The member that is to have the queue next. True if an owner must be revoked first.
    pub(super) fn want(&mut self, tenant: Tenant) -> bool {
        self.next = Some(tenant);
        if let State::Granting(granted, _) = &mut self.state {
            *granted = None;
        }
        matches!(self.state, State::Live(_))
    }

    /// The member is not to have the queue. True if it owns it and must be revoked.
    pub(super) fn unwant(&mut self, member: MemberId) -> bool {
        self.forget_waiting(|tenant| tenant.member == member);
        matches!(&self.state, State::Live(reign) if reign.tenant.member == member)
    }

    /// The home of a member that owns the queue or waits for it.
    pub(super) fn peer_of(&self, member: MemberId) -> Option<Peer> {
        let granted = match &self.state {
            State::Granting(granted, _) => granted.as_ref(),
            State::Vacant | State::Live(_) | State::Draining(..) => None,
        };
        let owner = self.owner().map(|reign| &reign.tenant);
        let known = owner.into_iter().chain(granted).chain(&self.next);
        known.into_iter().find(|tenant| tenant.member == member).map(|tenant| tenant.peer)
    }

    /// A connection is gone: an owner there ends at once.
    pub(super) fn peer_gone(&mut self, peer: Peer) {
        self.forget_waiting(|tenant| tenant.peer == peer);
        if self.owner().is_some_and(|reign| reign.tenant.peer == peer) {
            self.end();
        }
    }

    fn forget_waiting(&mut self, is_gone: impl Fn(&Tenant) -> bool) {
        self.next.take_if(|next| is_gone(next));
        if let State::Granting(granted, _) = &mut self.state {
            granted.take_if(|granted| is_gone(granted));
        }
    }

    /// Stops delivering; the owner may finish until `until_ns`.
    pub(super) fn drain(&mut self, until_ns: u64) -> Option<&Reign> {
        self.state = match std::mem::take(&mut self.state) {
            State::Live(reign) => State::Draining(reign, until_ns),
            other @ (State::Vacant | State::Granting(..) | State::Draining(..)) => other,
        };
        self.owner()
    }

    /// Ends a drain in which nothing is in flight any more, or whose time is over.
    pub(super) fn end_drain(&mut self, now_ns: u64) {
        if let State::Draining(reign, until_ns) = &self.state
            && (reign.in_flight == 0 || *until_ns <= now_ns)
        {
            self.end();
        }
    }

    /// The owner's time is over, whatever it has not finished.
    pub(super) fn end(&mut self) {
        if let State::Live(reign) | State::Draining(reign, _) = std::mem::take(&mut self.state) {
            self.seen_end = self.seen_end.max(Some(reign.cursor));
        }
    }

    /// The position was moved by an operator: who has or gets the lease begins anew. Returns the owner that was.
    pub(super) fn start_over(&mut self, floor: Offset) -> Option<(Tenant, Epoch)> {
        let was = match &mut self.state {
            State::Vacant => None,
            State::Granting(granted, _) => {
                self.next = self.next.or(granted.take());
                None
            }
            State::Live(reign) => {
                self.next = self.next.or(Some(reign.tenant));
                Some((reign.tenant, reign.epoch))
            }
            State::Draining(reign, _) => Some((reign.tenant, reign.epoch)),
        };
        if was.is_some() {
            self.end();
        }
        self.seen_end = Some(floor);
        was
    }

    /// Who a grant is to be noted for now (invariant 1).
    pub(super) fn to_grant(&self) -> Option<Tenant> {
        self.next.filter(|_| matches!(self.state, State::Vacant))
    }

    /// The grant is noted.
    pub(super) fn noted(&mut self, epoch: Epoch) {
        debug_assert!(matches!(self.state, State::Vacant), "invariant 1");
        self.state = State::Granting(self.next.take(), epoch);
    }

    /// The noted grant is durable: whose it is, if anybody still wants it. Else the queue is vacant again.
    pub(super) fn durable(&mut self) -> Option<(Tenant, Epoch)> {
        let State::Granting(granted, epoch) = self.state else { return None };
        self.state = State::Vacant;
        Some((granted?, epoch))
    }

    /// Its reign begins (invariant 2).
    pub(super) fn begin(&mut self, reign: Reign) {
        debug_assert!(matches!(self.state, State::Vacant), "invariant 1");
        self.state = State::Live(Box::new(reign));
    }

    /// The owner, delivering or draining.
    pub(super) fn owner(&self) -> Option<&Reign> {
        match &self.state {
            State::Live(reign) | State::Draining(reign, _) => Some(reign),
            State::Vacant | State::Granting(..) => None,
        }
    }

    /// The owner, delivering or draining.
    pub(super) fn owner_mut(&mut self) -> Option<&mut Reign> {
        match &mut self.state {
            State::Live(reign) | State::Draining(reign, _) => Some(reign),
            State::Vacant | State::Granting(..) => None,
        }
    }

    /// The owner, if it may be sent something.
    pub(super) fn live_mut(&mut self) -> Option<&mut Reign> {
        match &mut self.state {
            State::Live(reign) => Some(reign),
            State::Vacant | State::Granting(..) | State::Draining(..) => None,
        }
    }

    /// When something is to be done here without anybody saying so.
    pub(super) fn due_ns(&self) -> Option<u64> {
        match &self.state {
            State::Live(reign) => reign.retries.first_due_ns(),
            State::Draining(_, until_ns) => Some(*until_ns),
            State::Vacant | State::Granting(..) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shard::ConnectionId;

    fn tenant(member: u64) -> Tenant {
        let slot = u32::try_from(member).expect("small");
        let connection = ConnectionId { slot, generation: 1 };
        let peer = Peer { connection, ..Peer::default() };
        let credit = Credit { records: 10, bytes: 1000 };
        Tenant { member: MemberId(member), peer, start: Start::First, credit, observe: false }
    }

    fn reign(member: u64, epoch: u32) -> Reign {
        let tenant = tenant(member);
        Reign {
            tenant,
            epoch: Epoch(epoch),
            credit: tenant.credit,
            cursor: Offset(0),
            fresh_from: Offset(0),
            attempts_before: 1,
            in_flight: 0,
            retries: Retries::default(),
            gap: None,
            gap_told: 0,
            waits_for: None,
            window_full: false,
        }
    }

    /// A lease that `member` owns under `epoch`.
    fn owned(member: u64, epoch: u32) -> Lease {
        let mut lease = Lease::default();
        assert!(!lease.want(tenant(member)));
        begin_next(&mut lease, epoch);
        lease
    }

    fn begin_next(lease: &mut Lease, epoch: u32) {
        let member = lease.to_grant().expect("somebody waits").member.0;
        lease.noted(Epoch(epoch));
        assert_eq!(lease.durable(), Some((tenant(member), Epoch(epoch))));
        lease.begin(reign(member, epoch));
    }

    fn owner(lease: &Lease) -> Option<u64> {
        lease.owner().map(|reign| reign.tenant.member.0)
    }

    #[test]
    fn the_next_is_granted_only_after_the_owner_has_finished() {
        let mut lease = owned(1, 1);
        lease.owner_mut().expect("owned").in_flight = 2;
        assert!(lease.want(tenant(2)));
        lease.drain(100);
        lease.end_drain(99);
        assert_eq!((lease.to_grant(), owner(&lease)), (None, Some(1)));
        assert!(lease.live_mut().is_none(), "nothing is delivered while draining");
        lease.owner_mut().expect("draining").in_flight = 0;
        lease.end_drain(99);
        assert_eq!(owner(&lease), None);
        begin_next(&mut lease, 2);
        assert_eq!(owner(&lease), Some(2));
    }

    #[test]
    fn a_drain_ends_with_its_time() {
        let mut lease = owned(1, 1);
        lease.owner_mut().expect("owned").in_flight = 1;
        lease.want(tenant(2));
        lease.drain(100);
        assert_eq!(lease.due_ns(), Some(100));
        lease.end_drain(100);
        assert_eq!(lease.to_grant(), Some(tenant(2)));
    }

    #[test]
    #[should_panic(expected = "invariant 1")]
    fn a_grant_beside_an_owner_is_a_defect() {
        owned(1, 1).noted(Epoch(2));
    }

    #[test]
    fn a_grant_that_nobody_wants_any_more_is_not_given() {
        let mut lease = Lease::default();
        lease.want(tenant(1));
        lease.noted(Epoch(1));
        lease.want(tenant(2));
        assert_eq!((lease.to_grant(), lease.durable()), (None, None));
        assert_eq!(lease.to_grant(), Some(tenant(2)));
        lease.noted(Epoch(2));
        assert_eq!(lease.peer_of(MemberId(2)), Some(tenant(2).peer));
        lease.peer_gone(tenant(2).peer);
        assert_eq!((lease.durable(), lease.to_grant()), (None, None));
    }

    #[test]
    fn who_is_gone_ends_at_once_and_neither_waits_nor_returns() {
        let mut lease = owned(1, 1);
        lease.owner_mut().expect("owned").in_flight = 1;
        lease.owner_mut().expect("owned").cursor = Offset(5);
        lease.peer_gone(tenant(1).peer);
        assert_eq!((owner(&lease), lease.to_grant()), (None, None));
        assert_eq!(lease.seen_end, Some(Offset(5)));
        lease.want(tenant(2));
        assert!(!lease.unwant(MemberId(2)));
        assert_eq!(lease.to_grant(), None);
    }

    #[test]
    fn an_owner_starts_over_after_a_reset() {
        let mut lease = owned(1, 1);
        lease.owner_mut().expect("owned").cursor = Offset(5);
        assert_eq!(lease.start_over(Offset(2)), Some((tenant(1), Epoch(1))));
        assert_eq!((lease.to_grant(), lease.seen_end), (Some(tenant(1)), Some(Offset(2))));
        lease.noted(Epoch(3));
        assert_eq!(lease.start_over(Offset(0)), None);
        assert_eq!((lease.durable(), lease.to_grant()), (None, Some(tenant(1))));
    }

    #[test]
    fn the_window_counts_what_lies_above_the_floor_but_no_gap() {
        let mut reign = reign(1, 1);
        reign.cursor = Offset(7);
        assert_eq!(reign.room(Offset(0), 10), 3);
        assert_eq!(reign.room(Offset(7), 10), 10);
        reign.gap = Some(4..6);
        assert_eq!(reign.room(Offset(0), 10), 5);
        assert_eq!(reign.room(Offset(5), 10), 9);
        assert_eq!(reign.room(Offset(0), 3), 0);
        assert!(reign.has_delivered(Offset(3), Offset(0)));
        for offset in [4, 5, 7] {
            assert!(!reign.has_delivered(Offset(offset), Offset(0)), "{offset}");
        }
        assert!(!reign.has_delivered(Offset(3), Offset(4)));
    }

    #[test]
    fn credit_is_bounded_both_ways() {
        let mut credit = Credit { records: 1, bytes: 5 };
        credit.spend(3, 100);
        assert!(credit.is_spent());
        credit.add(Credit { records: u64::MAX, bytes: 1 });
        assert_eq!(credit, Credit { records: Credit::MAX.records, bytes: 1 });
        credit.add(Credit { records: 0, bytes: u64::MAX });
        assert_eq!(credit, Credit::MAX);
    }
}
