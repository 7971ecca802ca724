//! Leases: who owns a queue of this shard, for each group; at most one member at a time.
//!
//! ```text
//!   shard 0 --Assign--> [revoke the owner, let it drain] --> grant noted --> durable --> Assigned to the member
//! ```
//!
//! Shard 0 says who is to have a queue; only the shard of the queue grants. So two
//! decisions that overtake each other cost a little time, never a second owner. The
//! machine of one lease is in `lease`, the way from wish to reign in `grants`.

use super::deadlines::Deadlines;
use super::disk::TIMER_LEASES;
use super::gather::Gather;
use super::lease::{Credit, Lease, Tenant};
use super::mail::{Origin, Peer};
use super::members::Joining;
use super::outgoing::Turn;
use super::pace::Pace;
use super::refusal::Refusal;
use super::step::Broker;
use shard::Effect;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use storage::plan::OpId;
use wire::table::{self, RevokeReason};
use wire::{Epoch, GroupId, Kind, MemberId, Offset, QueueId, TopicId};

/// A queue of this shard and a group.
pub(super) type LeaseKey = (QueueId, GroupId);

/// Between the shard that decides (0) and the owners of queues.
#[derive(Debug)]
pub enum LeaseMail {
    /// To shard 0: somebody subscribes.
    Join(Box<Joining>),
    /// To the queue's shard: this member is to have it; whoever has it now is revoked first.
    Assign {
        /// Which queue.
        queue: QueueId,
        /// For which group.
        group: GroupId,
        /// To whom.
        tenant: Tenant,
    },
    /// To the queue's shard: this member is not to have it any more.
    Revoke {
        /// Which queue.
        queue: QueueId,
        /// For which group.
        group: GroupId,
        /// From whom.
        member: MemberId,
        /// Why, for the member. `None`: its connection is gone, nobody is to be told.
        reason: Option<RevokeReason>,
    },
    /// To a shard that sent records: they were read, see `pace`.
    Read {
        /// By which connection.
        peer: Peer,
    },
}

/// What a shard knows of the connection of members.
#[derive(Debug, Default)]
struct Home {
    /// Where it has a lease, waits for one, or did.
    keys: BTreeSet<LeaseKey>,
    pace: Pace,
    /// Some of its leases wait until it has read more.
    is_waited_for: bool,
}

/// The leases of this shard's queues. One entry for each position some member had since the start.
#[derive(Debug, Default)]
pub(super) struct Leases {
    table: BTreeMap<LeaseKey, Lease>,
    homes: BTreeMap<Peer, Home>,
    /// Those that may have something to deliver, in turn.
    dirty: VecDeque<LeaseKey>,
    /// Those with a note the log had no room for: tried again at each turn's end.
    unnoted: BTreeSet<LeaseKey>,
    reads: Vec<(OpId, LeaseKey)>,
    deadlines: Deadlines<LeaseKey>,
    pub(super) gather: Gather,
    /// The offsets of the ack at hand.
    pub(super) offsets: Vec<Offset>,
}

impl Leases {
    /// More of this queue became visible: its leases have something to deliver.
    pub(super) fn mark_dirty(&mut self, queue: QueueId) {
        let of_queue = (queue, GroupId(0))..=(queue, GroupId(u32::MAX));
        for (key, lease) in self.table.range_mut(of_queue) {
            if lease.mark() {
                self.dirty.push_back(*key);
            }
        }
    }

    /// This lease may have something to deliver.
    pub(super) fn mark(&mut self, key: LeaseKey) {
        if self.table.get_mut(&key).is_some_and(Lease::mark) {
            self.dirty.push_back(key);
        }
    }

    /// Takes the next one from the list `mark` fills.
    pub(super) fn next_dirty(&mut self) -> Option<LeaseKey> {
        loop {
            let key = self.dirty.pop_front()?;
            if let Some(lease) = self.table.get_mut(&key) {
                lease.unmark();
                return Some(key);
            }
        }
    }

    pub(super) fn get(&self, key: LeaseKey) -> Option<&Lease> {
        self.table.get(&key)
    }

    pub(super) fn get_mut(&mut self, key: LeaseKey) -> Option<&mut Lease> {
        self.table.get_mut(&key)
    }

    /// A lease, and where its records are read into.
    pub(super) fn with_gather(&mut self, key: LeaseKey) -> (Option<&mut Lease>, &mut Gather) {
        (self.table.get_mut(&key), &mut self.gather)
    }

    /// The lease a member speaks of, if it still has it under that epoch.
    pub(super) fn find(
        &self,
        queue: QueueId,
        member: u64,
        epoch: u32,
    ) -> Result<LeaseKey, Refusal> {
        let of_queue = (queue, GroupId(0))..=(queue, GroupId(u32::MAX));
        let mut current = 0;
        for (key, lease) in self.table.range(of_queue) {
            let Some(owner) = lease.owner().filter(|owner| owner.tenant.member.0 == member) else {
                continue;
            };
            if owner.epoch.0 == epoch {
                return Ok(*key);
            }
            current = owner.epoch.0;
        }
        Err(Refusal::LeaseFenced { given: epoch, current })
    }

    /// Whether a connection has read enough of what was sent to be sent more; if not, its leases are marked once it has.
    pub(super) fn may_send(&mut self, peer: Peer, on_way_max: u64) -> bool {
        let Some(home) = self.homes.get_mut(&peer) else { return true };
        let may_send = home.pace.may_send(on_way_max);
        home.is_waited_for |= !may_send;
        may_send
    }

    /// Counts what is sent; true if the connection is to be asked whether it has read it.
    pub(super) fn count_sent(&mut self, peer: Peer, bytes: usize, on_way_max: u64) -> bool {
        self.homes.get_mut(&peer).is_some_and(|home| home.pace.count(bytes, on_way_max))
    }

    /// Counts a frame whose reading is waited for: what `is_read` is asked with, and whether a Ping is to follow.
    pub(super) fn count_told(&mut self, peer: Peer) -> (u64, bool) {
        let Some(home) = self.homes.get_mut(&peer) else { return (u64::MAX, false) };
        home.is_waited_for = true;
        home.pace.count_wanted()
    }

    /// Whether a connection has read what `count_told` counted.
    pub(super) fn is_read(&self, peer: Peer, told: u64) -> bool {
        self.homes.get(&peer).is_some_and(|home| home.pace.has_read(told))
    }

    /// A Ping was answered; true if another is to follow.
    fn has_read(&mut self, peer: Peer) -> bool {
        let Some(home) = self.homes.get_mut(&peer) else { return false };
        let is_next_due = home.pace.answered();
        if !std::mem::replace(&mut home.is_waited_for, is_next_due) {
            return is_next_due;
        }
        for key in &home.keys {
            if self.table.get_mut(key).is_some_and(Lease::mark) {
                self.dirty.push_back(*key);
            }
        }
        is_next_due
    }

    /// This lease goes on when the read is done.
    pub(super) fn wait_for_read(&mut self, op: OpId, key: LeaseKey) {
        self.reads.push((op, key));
    }

    /// The lease has a note that the log had no room for.
    pub(super) fn note_later(&mut self, key: LeaseKey) {
        self.unnoted.insert(key);
    }

    /// The member's connection is gone, and was perhaps before the queue was assigned to it.
    fn forget_home(&mut self, key: LeaseKey, member: MemberId) {
        let Some(peer) = self.table.get(&key).and_then(|lease| lease.peer_of(member)) else {
            return;
        };
        if let Some(home) = self.homes.get_mut(&peer) {
            home.keys.remove(&key);
            if home.keys.is_empty() {
                self.homes.remove(&peer);
            }
        }
    }

    /// Those `note_later` was said of.
    pub(super) fn take_unnoted(&mut self) -> BTreeSet<LeaseKey> {
        std::mem::take(&mut self.unnoted)
    }

    /// The queue is not there any more.
    pub(super) fn forget(&mut self, key: LeaseKey) {
        self.table.remove(&key);
    }

    fn of_topic(&self, topic: TopicId) -> Vec<LeaseKey> {
        let first = (QueueId::new(topic, 0), GroupId(0));
        let last = (QueueId::new(topic, u16::MAX), GroupId(u32::MAX));
        self.table.range(first..=last).map(|(key, _)| *key).collect()
    }
}

impl Broker {
    pub(super) fn on_lease_mail(&mut self, turn: &mut Turn<'_>, mail: LeaseMail) {
        match mail {
            LeaseMail::Join(joining) => self.on_join(turn, *joining),
            LeaseMail::Assign { queue, group, tenant } => {
                self.on_assign(turn, (queue, group), tenant);
            }
            LeaseMail::Revoke { queue, group, member, reason } => {
                self.on_revoke(turn, (queue, group), member, reason);
            }
            LeaseMail::Read { peer } => {
                if self.leases.has_read(peer) {
                    self.ask_whether_read(turn, peer);
                }
            }
        }
    }

    fn on_assign(&mut self, turn: &mut Turn<'_>, key: LeaseKey, tenant: Tenant) {
        self.leases.homes.entry(tenant.peer).or_default().keys.insert(key);
        if self.leases.table.entry(key).or_default().want(tenant) {
            self.revoke_owner(turn, key, RevokeReason::Rebalanced);
        }
        self.settle(turn, key);
    }

    fn on_revoke(
        &mut self,
        turn: &mut Turn<'_>,
        key: LeaseKey,
        member: MemberId,
        reason: Option<RevokeReason>,
    ) {
        if reason.is_none() {
            self.leases.forget_home(key, member);
        }
        let Some(lease) = self.leases.get_mut(key) else { return };
        let is_owner = lease.unwant(member);
        match reason {
            Some(reason) if is_owner => self.revoke_owner(turn, key, reason),
            None if lease.owner().is_some_and(|owner| owner.tenant.member == member) => lease.end(),
            Some(_) | None => {}
        }
        self.settle(turn, key);
    }

    /// Tells the owner to finish what it has.
    fn revoke_owner(&mut self, turn: &mut Turn<'_>, key: LeaseKey, reason: RevokeReason) {
        let drain_ns = self.settings.drain_ns;
        let Some(lease) = self.leases.get_mut(key) else { return };
        let until_ns = turn.now.mono_ns.saturating_add(drain_ns);
        let Some(owner) = lease.drain(until_ns).map(|owner| (owner.tenant, owner.epoch)) else {
            return;
        };
        self.tell_revoked(turn, key.0, owner, (drain_ns, reason));
        self.arm_lease(turn, key);
    }

    fn tell_revoked(
        &mut self,
        turn: &mut Turn<'_>,
        queue: QueueId,
        owner: (Tenant, Epoch),
        ending: (u64, RevokeReason),
    ) {
        let (tenant, epoch) = owner;
        let (drain_span_ns, reason) = ending;
        let drain_ms = u32::try_from(drain_span_ns / 1_000_000).unwrap_or(u32::MAX);
        let to = Origin { peer: tenant.peer, request_id: 0 };
        self.out.send(turn, to, (Kind::Revoked, &[]), |builder| {
            let member = tenant.member.0;
            let lease_epoch = epoch.0;
            let args = table::RevokedArgs { member, queue: queue.0, lease_epoch, drain_ms, reason };
            table::Revoked::create(builder, &args)
        });
    }

    pub(super) fn on_leases_due(&mut self, turn: &mut Turn<'_>) {
        while let Some(key) = self.leases.deadlines.pop_due(turn.now.mono_ns) {
            let Some(lease) = self.leases.get_mut(key) else { continue };
            lease.armed_ns = 0;
            self.settle(turn, key);
            self.leases.mark(key);
            self.arm_lease(turn, key);
        }
        if let Some(at_ns) = self.leases.deadlines.rearm() {
            turn.effects.list.push(Effect::Arm { token: TIMER_LEASES, at_ns });
        }
    }

    /// Has this lease looked at when it is next due. What is overdue waits for credit, not for time.
    pub(super) fn arm_lease(&mut self, turn: &mut Turn<'_>, key: LeaseKey) {
        let Some(lease) = self.leases.table.get_mut(&key) else { return };
        let Some(due_ns) = lease.due_ns().filter(|due_ns| *due_ns > turn.now.mono_ns) else {
            return;
        };
        if lease.armed_ns != 0 && lease.armed_ns <= due_ns {
            return;
        }
        lease.armed_ns = due_ns;
        if let Some(at_ns) = self.leases.deadlines.push(due_ns, key) {
            turn.effects.list.push(Effect::Arm { token: TIMER_LEASES, at_ns });
        }
    }

    /// A read ended: the leases that waited for it go on at the turn's end.
    pub(super) fn deliver_after_read(&mut self, _turn: &mut Turn<'_>, op: OpId) {
        let mut number = 0;
        while let Some((waits_for, key)) = self.leases.reads.get(number).copied() {
            if waits_for != op {
                number += 1;
                continue;
            }
            self.leases.reads.swap_remove(number);
            if let Some(owner) = self.leases.get_mut(key).and_then(Lease::owner_mut) {
                owner.waits_for.take_if(|waits_for| *waits_for == op);
            }
            self.leases.mark(key);
        }
    }

    /// A connection is gone: what it owned here is free at once.
    pub(super) fn end_leases_of(&mut self, turn: &mut Turn<'_>, peer: Peer) {
        for key in self.leases.homes.remove(&peer).unwrap_or_default().keys {
            if let Some(lease) = self.leases.get_mut(key) {
                lease.peer_gone(peer);
                self.settle(turn, key);
            }
        }
    }

    /// A position was moved by an operator: its lease, if there is one, begins anew from there.
    pub(super) fn restart_lease(&mut self, turn: &mut Turn<'_>, key: LeaseKey, floor: Offset) {
        let lease = self.leases.table.entry(key).or_default();
        if let Some(owner) = lease.start_over(floor) {
            self.tell_revoked(turn, key.0, owner, (0, RevokeReason::Reset));
        }
        self.settle(turn, key);
    }

    /// On every shard: a topic was deleted; its leases end, on shard 0 its members too.
    pub(super) fn end_topic(&mut self, turn: &mut Turn<'_>, topic: TopicId) {
        for key in self.leases.of_topic(topic) {
            let owner = self.leases.table.remove(&key);
            let owner =
                owner.as_ref().and_then(Lease::owner).map(|owner| (owner.tenant, owner.epoch));
            if let Some(owner) = owner {
                self.tell_revoked(turn, key.0, owner, (0, RevokeReason::TopicDeleted));
            }
        }
        self.end_members_of(turn, topic);
    }
}

impl Credit {
    /// As a frame says it.
    pub(super) fn from_wire(records: u32, bytes: u32) -> Self {
        Self { records: u64::from(records), bytes: u64::from(bytes) }.bounded()
    }
}
