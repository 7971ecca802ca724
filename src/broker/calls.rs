//! Calls: what request-reply writes between the shards of requester, queue and responder.

use super::mail::Origin;
use super::responders::Offering;
use super::trace::Way;
use bytes::Bytes;
use wire::table::OutcomeKind;
use wire::{MemberId, QueueId, ShardId, TopicId, table};

/// Where a reply goes: the requester's shard, and its entry there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// The requester's shard.
    pub shard: ShardId,
    /// The shard of the request's queue.
    pub owner: ShardId,
    /// Index into the requester's table.
    pub slot: u32,
    /// Which use of the slot.
    pub generation: u32,
    /// Drawn for this request: it cannot be guessed.
    pub nonce: u64,
}

/// A request on its way to a responder. `deadline_ns` is monotonic, the same clock on all shards.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offer {
    /// Where the reply goes.
    pub address: Address,
    /// The queue it was sent to.
    pub queue: QueueId,
    /// When it is too late.
    pub deadline_ns: u64,
    /// When the present stage of its way began: monotonic, the same clock on all shards.
    pub since_ns: u64,
    /// Its way so far.
    pub way: Way,
}

/// How a request ended without a reply.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ending {
    /// Which outcome.
    pub kind: OutcomeKind,
    /// The number that mattered.
    pub observed: u64,
    /// Its limit.
    pub limit: u64,
}

impl Ending {
    /// An outcome without numbers.
    pub(super) const fn plain(kind: OutcomeKind) -> Self {
        Self { kind, observed: 0, limit: 0 }
    }
}

impl Address {
    /// As it travels in a Call.
    pub(super) fn to_wire(self, node: u64) -> table::ReplyTo {
        table::ReplyTo::new(
            node,
            self.nonce,
            self.slot,
            self.generation,
            self.shard.0,
            self.owner.0,
        )
    }

    /// As a responder gave it back: to be checked against the table.
    pub(super) fn from_wire(reply_to: &table::ReplyTo) -> Self {
        Self {
            shard: ShardId(reply_to.shard()),
            owner: ShardId(reply_to.owner()),
            slot: reply_to.slot(),
            generation: reply_to.generation(),
            nonce: reply_to.nonce(),
        }
    }
}

/// Request-reply between shards.
#[derive(Debug)]
pub enum CallMail {
    /// To the queue's shard: find a responder.
    #[expect(private_interfaces, reason = "read by `requests` and `responders` only")]
    Offer {
        /// The request.
        offer: Offer,
        /// Its record.
        section: Bytes,
    },
    /// To the requester's shard: a responder has it.
    #[expect(private_interfaces, reason = "read by `requests` and `responders` only")]
    Dispatched {
        /// The request.
        address: Address,
        /// Its way to the responder.
        way: Way,
    },
    /// To the requester's shard: it ended without a reply.
    #[expect(private_interfaces, reason = "read by `requests` and `responders` only")]
    Ended {
        /// The request.
        address: Address,
        /// How.
        ending: Ending,
    },
    /// To the queue's shard: the requester cancelled; do not dispatch it any more.
    #[expect(private_interfaces, reason = "read by `requests` and `responders` only")]
    Withdraw {
        /// The request.
        offer: Offer,
    },
    /// To the requester's shard: the reply.
    #[expect(private_interfaces, reason = "read by `requests` and `responders` only")]
    Reply {
        /// The request.
        address: Address,
        /// The responder's reply frame, to be told its fate.
        responder: Origin,
        /// The reply's record.
        section: Bytes,
        /// When it came, monotonic.
        since_ns: u64,
    },
    /// To the queue's shard: this responder is free for another one.
    #[expect(private_interfaces, reason = "read by `requests` and `responders` only")]
    Freed {
        /// Who.
        responder: MemberId,
        /// Of which request.
        address: Address,
    },
    /// To every shard: a responder of a service.
    #[expect(private_interfaces, reason = "read by `requests` and `responders` only")]
    Serve(Offering),
    /// Back to the responder's shard: it is in service here.
    Serving {
        /// Who.
        responder: MemberId,
    },
    /// To every shard: a responder ends its service.
    Unserve {
        /// Who.
        responder: MemberId,
        /// Of which topic.
        topic: TopicId,
    },
}

impl CallMail {
    /// Bytes of the record it carries.
    pub(super) fn section_bytes(&self) -> usize {
        match self {
            Self::Offer { section, .. } | Self::Reply { section, .. } => section.len(),
            Self::Dispatched { .. }
            | Self::Ended { .. }
            | Self::Withdraw { .. }
            | Self::Freed { .. }
            | Self::Serve(_)
            | Self::Serving { .. }
            | Self::Unserve { .. } => 0,
        }
    }
}
