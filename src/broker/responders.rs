//! Responders: the serving side of request-reply, on the shard of a service's queue.
//!
//! A desk per service: who serves, how many more each may take, and the requests
//! that wait for one. A request is handed to one responder, once; whether it is
//! answered in time is the business of the requester's shard (`requests`).
//!
//! ```text
//!   offer --(responder free)--> Call --Reply--> freed --> next waiting
//!     |--(all taken)--> waiting, bounded --(expired)--> dropped here, answered there
//!     |--(nobody serves)--> NoResponder at once
//! ```
//!
//! A `durable` service stores a request before it is handed out: `stored`.

use super::calls::{Address, CallMail, Ending, Offer};
use super::mail::{Mail, Origin, Peer};
use super::outgoing::Turn;
use super::post::MailClass;
use super::refusal::Refusal;
use super::stats::Stage;
use super::step::Broker;
use super::stored::StoredRequests;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use wire::table::OutcomeKind;
use wire::{Kind, MemberId, ShardId, TopicId, table};

/// The most requests a responder may have at once, per shard.
const CONCURRENCY_MAX: u32 = 4096;

/// A responder's offer to serve, as every shard gets it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offering {
    responder: MemberId,
    peer: Peer,
    topic: TopicId,
    concurrency: u32,
}

#[derive(Debug)]
struct Responder {
    id: MemberId,
    peer: Peer,
    concurrency: usize,
    /// Oldest first: most are answered in the order they came.
    in_service: VecDeque<Address>,
}

impl Responder {
    fn free(&self) -> usize {
        self.concurrency.saturating_sub(self.in_service.len())
    }
}

/// A request that waits for a responder, or for its flush.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) offer: Offer,
    /// Where a durable request is stored; 0 for others.
    pub(super) offset: u64,
    pub(super) section: Bytes,
}

#[derive(Debug, Default)]
struct Desk {
    responders: Vec<Responder>,
    waiting: VecDeque<Waiting>,
    /// Where the search for a free responder begins, so that equals take turns.
    next: usize,
}

impl Desk {
    /// The responder with the most room, if any has some that there is a way to.
    fn pick(&mut self, has_way: impl Fn(ShardId) -> bool) -> Option<&mut Responder> {
        let count = self.responders.len();
        let best = (0..count)
            .map(|step| (self.next + step) % count)
            .rev()
            .filter(|index| has_way(self.responders[*index].peer.shard))
            .max_by_key(|index| self.responders[*index].free())?;
        self.next = (best + 1) % count;
        let responder = &mut self.responders[best];
        (responder.free() > 0).then_some(responder)
    }

    fn has_free(&self) -> bool {
        self.responders.iter().any(|responder| responder.free() > 0)
    }
}

/// A responder whose service begins once every shard knows it.
#[derive(Debug)]
struct Opening {
    origin: Origin,
    topic: TopicId,
    shards_left: u16,
}

/// All desks of a shard, and the responders whose home it is.
#[derive(Debug, Default)]
pub(super) struct Desks {
    by_topic: BTreeMap<TopicId, Desk>,
    /// At which desk a responder sits.
    desk_of: BTreeMap<MemberId, TopicId>,
    opening: BTreeMap<MemberId, Opening>,
    /// Responders with their connection on this shard.
    at_home: BTreeMap<MemberId, (Peer, TopicId)>,
    pub(super) stored: StoredRequests,
    /// Where a request waits though a responder is free: the way to its shard is not.
    without_way: BTreeSet<TopicId>,
    /// Requests of this shard that wait for the way to their queue's; oldest first.
    pub(super) unsent: VecDeque<(Offer, Bytes)>,
    next_responder: u64,
    /// Of all requests that wait here for a responder, for room in the log, or for the way to another shard.
    pub(super) waiting_bytes: usize,
}

impl Desks {
    /// Whether a request waits for a mailbox.
    pub(super) fn lack_way(&self) -> bool {
        !self.without_way.is_empty() || !self.unsent.is_empty()
    }

    /// Forgets a waiting request that was cancelled.
    pub(super) fn withdraw(&mut self, offer: Offer) {
        self.waiting_bytes -= self.stored.withdraw(offer);
        let Some(desk) = self.by_topic.get_mut(&offer.queue.topic()) else { return };
        let waiting_bytes = &mut self.waiting_bytes;
        desk.waiting.retain(|waiting| {
            let stays = waiting.offer.address != offer.address;
            if !stays {
                *waiting_bytes -= waiting.section.len();
            }
            stays
        });
    }

    /// How many requests wait, and how many responders serve, for `stats`.
    pub(super) fn counts(&self) -> (usize, usize) {
        let desks = self.by_topic.values();
        desks.fold((0, 0), |(waiting, serving), desk| {
            (waiting + desk.waiting.len(), serving + desk.responders.len())
        })
    }
}

impl Broker {
    // ---- who serves ----

    pub(super) fn on_serve(
        &mut self,
        turn: &mut Turn<'_>,
        origin: Origin,
        serve: table::Serve<'_>,
    ) -> Result<(), Refusal> {
        let name = serve.service().unwrap_or_default();
        let topic = self
            .catalogue
            .topic_by_name(name)
            .ok_or_else(|| Refusal::UnknownTopic { name: name.to_owned() })?;
        if topic.kind != table::TopicKind::Service {
            return Err(Refusal::TopicKindMismatch { wanted: "service" });
        }
        let topic = topic.id;
        let concurrency = serve.concurrency();
        if concurrency == 0 || concurrency > CONCURRENCY_MAX {
            let (value, value_max) = (u64::from(concurrency), u64::from(CONCURRENCY_MAX));
            return Err(Refusal::InvalidArgument { field: "concurrency", value, value_max });
        }
        if self.desks.at_home.len() >= self.settings.members_max {
            let (code, count_max) = (wire::ErrorCode::TooManyMembers, self.settings.members_max);
            return Err(Refusal::TableFull { code, count_max });
        }
        let responder = self.new_responder_id();
        let shards_left = self.settings.shard_count;
        self.desks.opening.insert(responder, Opening { origin, topic, shards_left });
        self.desks.at_home.insert(responder, (origin.peer, topic));
        self.connections.mark_known_elsewhere(origin.peer.connection);
        let offering = Offering { responder, peer: origin.peer, topic, concurrency };
        self.out.post.send_to_others(turn.effects, || Mail::Call(CallMail::Serve(offering)));
        self.send_call(turn, self.settings.shard, CallMail::Serve(offering));
        Ok(())
    }

    /// Unique over the node and its restarts: seeded, and told apart by shard.
    fn new_responder_id(&mut self) -> MemberId {
        self.desks.next_responder += 1;
        let start = self.settings.seed >> 24 << 16;
        let number = start.wrapping_add(self.desks.next_responder);
        MemberId(u64::from(self.settings.shard.0) << 48 | number & 0xFFFF_FFFF_FFFF)
    }

    pub(super) fn on_offering(&mut self, turn: &mut Turn<'_>, offering: Offering) {
        let Offering { responder, peer, topic, concurrency } = offering;
        if self.catalogue.replica().topic(topic).is_none() {
            // Deleted meanwhile: nobody will ask here.
            return self.send_call(turn, peer.shard, CallMail::Serving { responder });
        }
        self.desks.desk_of.insert(responder, topic);
        let desk = self.desks.by_topic.entry(topic).or_default();
        let concurrency = concurrency as usize;
        desk.responders.push(Responder {
            id: responder,
            peer,
            concurrency,
            in_service: VecDeque::new(),
        });
        self.hand_out(turn, topic);
        self.send_call(turn, peer.shard, CallMail::Serving { responder });
    }

    pub(super) fn on_serving(&mut self, turn: &mut Turn<'_>, responder: MemberId) {
        let Some(opening) = self.desks.opening.get_mut(&responder) else { return };
        opening.shards_left -= 1;
        if opening.shards_left > 0 {
            return;
        }
        let (origin, topic) = (opening.origin, opening.topic);
        self.desks.opening.remove(&responder);
        self.out.send(turn, origin, (Kind::Served, &[]), |builder| {
            let args = table::ServedArgs { responder: responder.0, topic: topic.0 };
            table::Served::create(builder, &args)
        });
    }

    pub(super) fn on_unserve(
        &mut self,
        turn: &mut Turn<'_>,
        origin: Origin,
        unserve: table::Unserve<'_>,
    ) -> Result<(), Refusal> {
        let responder = MemberId(unserve.responder());
        let unknown = Refusal::UnknownMember { member: responder.0 };
        let (peer, topic) = *self.desks.at_home.get(&responder).ok_or_else(|| unknown.clone())?;
        if peer != origin.peer {
            return Err(unknown);
        }
        self.desks.at_home.remove(&responder);
        let mail = || Mail::Call(CallMail::Unserve { responder, topic });
        self.out.post.send_to_others(turn.effects, mail);
        self.end_responder(turn, responder, topic);
        self.out.done(turn, origin);
        Ok(())
    }

    /// A responder hands in its coat: nothing more for it, but what it has it may still answer.
    pub(super) fn end_responder(
        &mut self,
        turn: &mut Turn<'_>,
        responder: MemberId,
        topic: TopicId,
    ) {
        self.desks.desk_of.remove(&responder);
        if let Some(desk) = self.desks.by_topic.get_mut(&topic) {
            desk.responders.retain(|known| known.id != responder);
        }
        self.end_waiting_without_responder(turn, topic);
    }

    /// A connection is gone, here or elsewhere: its responders end, and what they had is unknown.
    pub(super) fn end_responders_of(&mut self, turn: &mut Turn<'_>, peer: Peer) {
        self.desks.at_home.retain(|_, (home, _)| *home != peer);
        self.desks.opening.retain(|_, opening| opening.origin.peer != peer);
        let mut lost = Vec::new();
        let mut topics = Vec::new();
        let Desks { by_topic, desk_of, .. } = &mut self.desks;
        for (topic, desk) in by_topic {
            let before = desk.responders.len();
            desk.responders.retain_mut(|responder| {
                if responder.peer == peer {
                    desk_of.remove(&responder.id);
                    lost.extend(responder.in_service.drain(..));
                }
                responder.peer != peer
            });
            if desk.responders.len() < before {
                topics.push(*topic);
            }
        }
        for address in lost {
            self.send_ended(turn, address, Ending::plain(OutcomeKind::Unknown));
        }
        for topic in topics {
            self.end_waiting_without_responder(turn, topic);
        }
    }

    /// The service was deleted: nobody serves it any more.
    pub(super) fn end_service(&mut self, turn: &mut Turn<'_>, topic: TopicId) {
        if let Some(desk) = self.desks.by_topic.get_mut(&topic) {
            desk.responders.clear();
        }
        self.desks.desk_of.retain(|_, served| *served != topic);
        self.desks.at_home.retain(|_, (_, served)| *served != topic);
        self.end_waiting_without_responder(turn, topic);
        self.desks.by_topic.remove(&topic);
    }

    fn end_waiting_without_responder(&mut self, turn: &mut Turn<'_>, topic: TopicId) {
        let Some(desk) = self.desks.by_topic.get_mut(&topic) else { return };
        if !desk.responders.is_empty() {
            return;
        }
        for waiting in std::mem::take(&mut desk.waiting) {
            self.desks.waiting_bytes -= waiting.section.len();
            self.send_ended(turn, waiting.offer.address, Ending::plain(OutcomeKind::NoResponder));
        }
    }

    // ---- requests ----

    /// An offer has reached its queue's shard.
    pub(super) fn on_new_offer(&mut self, turn: &mut Turn<'_>, mut offer: Offer, section: &[u8]) {
        offer.way.delivered_ns = self.end_stage(turn, &mut offer, Stage::Carry);
        self.on_offer(turn, offer, section);
    }

    /// A request for a service of this shard: hand it out, keep it, or end it.
    pub(super) fn on_offer(&mut self, turn: &mut Turn<'_>, offer: Offer, section: &[u8]) {
        let topic = offer.queue.topic();
        if !self.is_served(topic) {
            let ending = Ending::plain(OutcomeKind::NoResponder);
            return self.send_ended(turn, offer.address, ending);
        }
        let is_durable = self
            .catalogue
            .topic_of_queue(offer.queue)
            .is_some_and(|topic| topic.level == table::Level::Durable);
        if is_durable {
            self.store_request(turn, offer, section);
        } else {
            self.hand_out_or_keep(turn, offer, 0, section);
        }
    }

    pub(super) fn is_served(&self, topic: TopicId) -> bool {
        self.desks.by_topic.get(&topic).is_some_and(|desk| !desk.responders.is_empty())
    }

    pub(super) fn hand_out_or_keep(
        &mut self,
        turn: &mut Turn<'_>,
        offer: Offer,
        offset: u64,
        section: &[u8],
    ) {
        let Self { desks, out, .. } = self;
        let Some(desk) = desks.by_topic.get_mut(&offer.queue.topic()) else {
            return self.send_ended(turn, offer.address, Ending::plain(OutcomeKind::NoResponder));
        };
        let has_way = |shard| out.post.has_room(turn.effects, shard, MailClass::Bulk);
        if desk.waiting.is_empty()
            && let Some(responder) = desk.pick(has_way)
        {
            responder.in_service.push_back(offer.address);
            let (id, peer) = (responder.id, responder.peer);
            return self.send_request_to(turn, (id, peer), offer, (offset, section));
        }
        self.keep(turn, offer, offset, section);
    }

    fn keep(&mut self, turn: &mut Turn<'_>, offer: Offer, offset: u64, section: &[u8]) {
        let count_max = self.settings.waiting_requests_max;
        let bytes_max = self.settings.waiting_bytes_max;
        let now_ns = turn.now.mono_ns;
        let Desks { by_topic, waiting_bytes, without_way, .. } = &mut self.desks;
        let Some(desk) = by_topic.get_mut(&offer.queue.topic()) else { return };
        let is_full = |desk: &Desk, bytes: usize| {
            desk.waiting.len() >= count_max || bytes + section.len() > bytes_max
        };
        if is_full(desk, *waiting_bytes) {
            drop_expired(desk, waiting_bytes, now_ns);
        }
        if is_full(desk, *waiting_bytes) {
            let count = desk.waiting.len();
            return self.send_overloaded(turn, offer.address, (count, count_max));
        }
        *waiting_bytes += section.len();
        desk.waiting.push_back(Waiting { offer, offset, section: Bytes::copy_from_slice(section) });
        if desk.has_free() {
            without_way.insert(offer.queue.topic());
        }
    }

    pub(super) fn on_freed(&mut self, turn: &mut Turn<'_>, responder: MemberId, address: Address) {
        let Some(topic) = self.desks.desk_of.get(&responder).copied() else { return };
        let Some(desk) = self.desks.by_topic.get_mut(&topic) else { return };
        if let Some(known) = desk.responders.iter_mut().find(|known| known.id == responder) {
            let place = known.in_service.iter().position(|busy| *busy == address);
            place.map(|place| known.in_service.remove(place));
        }
        self.hand_out(turn, topic);
    }

    /// Time went by in which mailboxes were read.
    pub(super) fn hand_out_with_way(&mut self, turn: &mut Turn<'_>) {
        for topic in std::mem::take(&mut self.desks.without_way) {
            self.hand_out(turn, topic);
        }
    }

    /// Gives waiting requests to responders that have room.
    fn hand_out(&mut self, turn: &mut Turn<'_>, topic: TopicId) {
        loop {
            let Self { desks, out, .. } = self;
            let Some(desk) = desks.by_topic.get_mut(&topic) else { return };
            if desk.waiting.is_empty() {
                return;
            }
            let has_way = |shard| out.post.has_room(turn.effects, shard, MailClass::Bulk);
            let Some(responder) = desk.pick(has_way) else {
                if desk.has_free() {
                    desks.without_way.insert(topic);
                }
                return;
            };
            let (id, peer) = (responder.id, responder.peer);
            let Some(Waiting { offer, offset, section }) = desk.waiting.pop_front() else { return };
            self.desks.waiting_bytes -= section.len();
            if !self.is_worth_handing_out(turn, offer) {
                continue;
            }
            let desk = self.desks.by_topic.get_mut(&topic).expect("looked up above");
            let responder = desk.responders.iter_mut().find(|known| known.id == id);
            responder.expect("picked above").in_service.push_back(offer.address);
            self.send_request_to(turn, (id, peer), offer, (offset, &section));
        }
    }

    /// A late request is dropped in the queue; one whose requester left, too, where that is known.
    pub(super) fn is_worth_handing_out(&mut self, turn: &Turn<'_>, offer: Offer) -> bool {
        let is_local = offer.address.shard == self.settings.shard;
        offer.deadline_ns > turn.now.mono_ns
            && (!is_local || self.requests.is_wanted(offer.address))
    }

    fn send_request_to(
        &mut self,
        turn: &mut Turn<'_>,
        (responder, peer): (MemberId, Peer),
        mut offer: Offer,
        (offset, section): (u64, &[u8]),
    ) {
        offer.way.handed_out_ns = self.end_stage(turn, &mut offer, Stage::Queue);
        let reply_to = offer.address.to_wire(self.reply_node());
        let time_left_us = offer.deadline_ns.saturating_sub(turn.now.mono_ns) / 1000;
        let to = Origin { peer, request_id: 0 };
        self.out.send(turn, to, (Kind::Call, &[section]), |builder| {
            table::Call::create(
                builder,
                &table::CallArgs {
                    responder: responder.0,
                    queue: offer.queue.0,
                    reply_to: Some(&reply_to),
                    time_left_us,
                    offset,
                },
            )
        });
        if offer.address.shard == self.settings.shard {
            self.on_dispatched(offer.address, offer.way);
        } else {
            let (address, way) = (offer.address, offer.way);
            self.send_call(turn, address.shard, CallMail::Dispatched { address, way });
        }
    }

    /// A stage of an offer's way is over, and the next begins; when that is.
    pub(super) fn end_stage(&mut self, turn: &Turn<'_>, offer: &mut Offer, stage: Stage) -> u64 {
        let now_ns = turn.now.mono_ns;
        self.stats.record(stage, now_ns.saturating_sub(offer.since_ns));
        offer.since_ns = now_ns;
        now_ns
    }

    pub(super) fn send_overloaded(
        &mut self,
        turn: &mut Turn<'_>,
        address: Address,
        (count, count_max): (usize, usize),
    ) {
        let observed = u64::try_from(count).unwrap_or(u64::MAX);
        let limit = u64::try_from(count_max).unwrap_or(u64::MAX);
        let ending = Ending { kind: OutcomeKind::Overloaded, observed, limit };
        self.send_ended(turn, address, ending);
    }

    pub(super) fn send_ended(&mut self, turn: &mut Turn<'_>, address: Address, ending: Ending) {
        if address.shard == self.settings.shard {
            self.end_request(turn, address, ending);
        } else {
            self.send_call(turn, address.shard, CallMail::Ended { address, ending });
        }
    }
}

fn drop_expired(desk: &mut Desk, waiting_bytes: &mut usize, now_ns: u64) {
    desk.waiting.retain(|waiting| {
        let stays = waiting.offer.deadline_ns > now_ns;
        if !stays {
            *waiting_bytes -= waiting.section.len();
        }
        stays
    });
}
