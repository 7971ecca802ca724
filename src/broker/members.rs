//! Members: who consumes what. Shard 0 decides, the owners of the queues grant.

use super::leases::{Credit, Start};
use super::mail::{Origin, Peer};
use super::outgoing::Turn;
use super::refusal::Refusal;
use super::settings::Settings;
use super::step::Broker;
use wire::{GroupId, TopicId, table};

/// A subscription on its way: checked by the shard it arrived on, owned, and kept while its group is made.
#[derive(Clone, Debug)]
pub struct Joining {
    /// Whom to answer; its peer is the member's home.
    pub(super) origin: Origin,
    /// The group's name in the catalog; `group/instance` for broadcast.
    pub(super) group: String,
    pub(super) topic: TopicId,
    pub(super) sharing: table::Sharing,
    pub(super) start: Start,
    pub(super) credit: Credit,
    pub(super) observe: bool,
    pub(super) client: String,
    pub(super) area: String,
}

/// Everyone who consumes on this node; filled on shard 0 only.
#[derive(Debug)]
pub(super) struct Members {}

impl Members {
    pub(super) fn new(settings: &Settings) -> Self {
        let _ = settings;
        Self {}
    }
}

impl Broker {
    pub(super) fn on_subscribe(
        &mut self,
        _turn: &mut Turn<'_>,
        _origin: Origin,
        _subscribe: table::Subscribe<'_>,
    ) -> Result<(), Refusal> {
        Ok(())
    }

    pub(super) fn on_unsubscribe(
        &mut self,
        _turn: &mut Turn<'_>,
        _origin: Origin,
        _unsubscribe: table::Unsubscribe<'_>,
    ) -> Result<(), Refusal> {
        Ok(())
    }

    /// On shard 0: the group asked for with `Broker::ensure_group(turn, name, ticket) -> Result<(), Refusal>`
    /// (of `catalog`; `Busy` = asked again at a later turn's end) is in the catalog, durable and
    /// applied by every shard; or it cannot be made.
    pub(super) fn on_group_ready(
        &mut self,
        _turn: &mut Turn<'_>,
        _ticket: u64,
        _made: Result<GroupId, Refusal>,
    ) {
    }

    /// On shard 0: a topic has more queues than before.
    pub(super) fn on_topic_grown(&mut self, _turn: &mut Turn<'_>, _topic: TopicId) {}

    /// A connection anywhere in the node is gone: its memberships and leases end.
    pub(super) fn end_membership_of(&mut self, _turn: &mut Turn<'_>, _peer: Peer) {}
}
