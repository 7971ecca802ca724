//! Offsets: questions about the queues of a topic, gathered from all shards that own some.

use super::leases::Start;
use super::mail::{Origin, Peer};
use super::outgoing::Turn;
use super::refusal::Refusal;
use super::step::Broker;
use wire::{Epoch, GroupId, MemberId, Offset, QueueId, TopicId, table};

/// A question about your queues. Tickets hold the asking shard.
#[derive(Clone, Copy, Debug)]
pub enum Query {
    /// Starts and ends of your queues of this topic.
    Ends {
        /// Which topic.
        topic: TopicId,
    },
    /// The same, and where this group stands.
    Offsets {
        /// Which topic.
        topic: TopicId,
        /// Which group.
        group: GroupId,
    },
    /// Where this group stands on every queue it has a position on.
    Group {
        /// Which group.
        group: GroupId,
    },
    /// Move this group's positions, then the same as `Offsets`.
    Reset {
        /// Which topic.
        topic: TopicId,
        /// Which group.
        group: GroupId,
        /// Where to.
        start: Start,
    },
}

/// One queue, as its owner knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueRow {
    /// Which.
    pub queue: QueueId,
    /// First offset still there.
    pub start: Offset,
    /// Exclusive end of what consumers may see.
    pub end: Offset,
    /// The group's floor, if it has a position.
    pub floor: Option<Offset>,
    /// The newest lease epoch of the group.
    pub lease_epoch: Epoch,
    /// Who has the lease; 0 = nobody.
    pub member: MemberId,
    /// Delivered and not consumed.
    pub in_flight: u32,
}

/// What an owner answers.
#[derive(Debug)]
pub struct Answer {
    /// Its queues, in order.
    pub rows: Vec<QueueRow>,
}

/// Questions under way on this shard.
#[derive(Debug, Default)]
pub(super) struct Queries {}

impl Queries {
    /// Drops what a connection asked: it is gone.
    pub(super) fn forget(&mut self, _peer: Peer) {}
}

impl Broker {
    /// Asks for starts and ends of a topic's queues; `answer_topic_info` gets them, sorted by queue.
    pub(super) fn ask_ends(
        &mut self,
        _turn: &mut Turn<'_>,
        _origin: Origin,
        _topic: TopicId,
    ) -> Result<(), Refusal> {
        Ok(())
    }

    pub(super) fn on_offsets(
        &mut self,
        _turn: &mut Turn<'_>,
        _origin: Origin,
        _offsets: table::Offsets<'_>,
    ) -> Result<(), Refusal> {
        Ok(())
    }

    pub(super) fn on_offsets_reset(
        &mut self,
        _turn: &mut Turn<'_>,
        _origin: Origin,
        _reset: table::OffsetsReset<'_>,
    ) -> Result<(), Refusal> {
        Ok(())
    }

    pub(super) fn on_query(&mut self, _turn: &mut Turn<'_>, _ticket: u64, _query: &Query) {}

    pub(super) fn on_answer(&mut self, _turn: &mut Turn<'_>, _ticket: u64, _answer: Answer) {}

    pub(super) fn on_reset_durable(&mut self, _turn: &mut Turn<'_>, _ticket: u64) {}
}
