//! Leases: who owns a queue of this shard, for each group; at most one member at a time.

use super::mail::Peer;
use super::members::Joining;
use super::outgoing::Turn;
use super::step::Broker;
use wire::table::RevokeReason;
use wire::{GroupId, MemberId, Offset, QueueId, TopicId};

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

/// Between the shard that decides (0) and the owners of queues.
#[derive(Debug)]
pub enum LeaseMail {
    /// To shard 0: somebody subscribes.
    Join(Box<Joining>),
    /// To the owner: this member is to have the queue; whoever has it now is revoked first.
    Assign {
        /// Which queue.
        queue: QueueId,
        /// For which group.
        group: GroupId,
        /// To whom.
        tenant: Tenant,
    },
    /// To the owner: this member is no longer to have the queue.
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
}

/// The leases of this shard's queues.
#[derive(Debug, Default)]
pub(super) struct Leases {}

impl Leases {
    /// More of this queue became visible: its leases have something to deliver.
    pub(super) fn mark_dirty(&mut self, _queue: QueueId) {}
}

impl Broker {
    pub(super) fn on_lease_mail(&mut self, _turn: &mut Turn<'_>, _mail: LeaseMail) {}

    /// A grant is on the disk: the lease begins.
    pub(super) fn on_grant_durable(&mut self, _turn: &mut Turn<'_>, _queue: QueueId, _group: GroupId) {}

    pub(super) fn on_leases_due(&mut self, _turn: &mut Turn<'_>) {}

    /// On every shard: a topic was deleted; its leases end, on shard 0 its members too.
    pub(super) fn end_topic(&mut self, _turn: &mut Turn<'_>, _topic: TopicId) {}
}
