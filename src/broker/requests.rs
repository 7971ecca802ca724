//! Requests: the pending side of request-reply, on the requester's shard.
//!
//! ```text
//!   requester --Request--> pending --offer--> the queue's shard --Call--> responder
//!       ^                     |  ^                                           |
//!       +------ Outcome ------+  +------------------ Reply ------------------+
//! ```
//!
//! Invariants:
//!   1. A pending request has exactly one outcome: whoever takes it out of the table sends it.
//!   2. A reply counts only with the slot, generation and nonce of a request still pending.
//!   3. At its deadline, plus a timer tick, a request is out of the table.
//!
//! A requester that went away leaves its entries behind, silent, until their
//! deadline: so a responder is told the truth about its reply.

use super::deadlines::Deadlines;
use super::disk::TIMER_REQUESTS;
use super::mail::{Mail, Origin};
use super::outgoing::Turn;
use super::refusal::Refusal;
use super::settings::Settings;
use super::step::Broker;
use bytes::Bytes;
use routing::placement::shard_of;
use shard::{ConnectionId, Effect};
use std::hash::{DefaultHasher, Hash, Hasher};
use wire::table::{OutcomeKind, ReplyFate};
use wire::{Kind, MemberId, QueueId, ShardId, TopicId, table};

/// The longest deadline a request may have, in microseconds: an hour.
const TIME_LEFT_US_MAX: u64 = 3_600_000_000;

/// Where a reply goes: the requester's shard, and its entry there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// The requester's shard.
    pub shard: ShardId,
    /// The shard of the request's queue.
    pub owner: ShardId,
    slot: u32,
    generation: u32,
    nonce: u64,
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

/// Request-reply between shards.
#[derive(Debug)]
pub enum CallMail {
    /// To the queue's shard: find a responder.
    #[expect(private_interfaces, reason = "mail is read by this module and `responders` only")]
    Offer {
        /// The request.
        offer: Offer,
        /// Its record.
        section: Bytes,
    },
    /// To the requester's shard: a responder has it.
    #[expect(private_interfaces, reason = "mail is read by this module and `responders` only")]
    Dispatched {
        /// The request.
        address: Address,
    },
    /// To the requester's shard: it ended without a reply.
    #[expect(private_interfaces, reason = "mail is read by this module and `responders` only")]
    Ended {
        /// The request.
        address: Address,
        /// How.
        ending: Ending,
    },
    /// To the queue's shard: the requester cancelled; do not dispatch it any more.
    #[expect(private_interfaces, reason = "mail is read by this module and `responders` only")]
    Withdraw {
        /// The request.
        offer: Offer,
    },
    /// To the requester's shard: the reply.
    #[expect(private_interfaces, reason = "mail is read by this module and `responders` only")]
    Reply {
        /// The request.
        address: Address,
        /// The responder's reply frame, to be told its fate.
        responder: Origin,
        /// The reply's record.
        section: Bytes,
    },
    /// To the queue's shard: this responder is free for another one.
    #[expect(private_interfaces, reason = "mail is read by this module and `responders` only")]
    Freed {
        /// Who.
        responder: MemberId,
        /// Of which request.
        address: Address,
    },
    /// To every shard: a responder of a service.
    #[expect(private_interfaces, reason = "mail is read by this module and `responders` only")]
    Serve(super::responders::Offering),
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

#[derive(Clone, Debug)]
struct Pending {
    connection: ConnectionId,
    request_id: u64,
    nonce: u64,
    offer_queue: QueueId,
    deadline_ns: u64,
    arrived_ns: u64,
    /// 0 until a responder has it.
    dispatched_ns: u64,
    /// The requester's connection closed: nobody is to be told.
    gone: bool,
}

#[derive(Clone, Debug, Default)]
struct Slot {
    generation: u32,
    pending: Option<Pending>,
}

/// The requests outstanding at requesters of this shard.
#[derive(Debug)]
pub(super) struct Requests {
    shard: ShardId,
    node: u64,
    seed: u64,
    drawn: u64,
    slots: Vec<Slot>,
    free: Vec<u32>,
    deadlines: Deadlines<(u32, u32)>,
    pending_max: usize,
}

impl Requests {
    /// None outstanding.
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            shard: settings.shard,
            #[expect(
                clippy::cast_possible_truncation,
                reason = "half of the id tells nodes apart"
            )]
            node: settings.node_id as u64,
            seed: settings.seed,
            drawn: 0,
            slots: Vec::new(),
            free: Vec::new(),
            deadlines: Deadlines::default(),
            pending_max: settings.pending_requests_max,
        }
    }

    /// How many are outstanding.
    pub(super) fn pending_count(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// A number nobody can guess from earlier ones: SipHash of a secret and a counter.
    fn draw_nonce(&mut self) -> u64 {
        self.drawn += 1;
        let mut hasher = DefaultHasher::new();
        (self.seed, self.drawn, self.node, self.shard.0, self.seed).hash(&mut hasher);
        hasher.finish()
    }

    fn insert(&mut self, mut pending: Pending, owner: ShardId) -> Result<Address, Refusal> {
        if self.free.is_empty() && self.slots.len() >= self.pending_max {
            return Err(Refusal::TooManyPending { count_max: self.pending_max });
        }
        let nonce = self.draw_nonce();
        pending.nonce = nonce;
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            u32::try_from(self.slots.len() - 1).expect("bounded by pending_requests_max")
        });
        let entry = &mut self.slots[slot as usize];
        entry.pending = Some(pending);
        Ok(Address { shard: self.shard, owner, slot, generation: entry.generation, nonce })
    }

    fn get_mut(&mut self, address: Address) -> Option<&mut Pending> {
        let slot = self.slots.get_mut(address.slot as usize)?;
        let pending = slot.pending.as_mut()?;
        let is_it = slot.generation == address.generation && pending.nonce == address.nonce;
        is_it.then_some(pending)
    }

    /// Whether a request of this shard is still wanted by somebody.
    pub(super) fn is_wanted(&mut self, address: Address) -> bool {
        self.get_mut(address).is_some_and(|pending| !pending.gone)
    }

    fn take(&mut self, address: Address) -> Option<Pending> {
        self.get_mut(address)?;
        self.take_slot(address.slot)
    }

    fn take_slot(&mut self, slot: u32) -> Option<Pending> {
        let entry = &mut self.slots[slot as usize];
        let pending = entry.pending.take()?;
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(slot);
        Some(pending)
    }

    fn find(&self, connection: ConnectionId, request_id: u64) -> Option<u32> {
        let slot = self.slots.iter().position(|slot| {
            slot.pending.as_ref().is_some_and(|pending| {
                pending.connection == connection
                    && pending.request_id == request_id
                    && !pending.gone
            })
        })?;
        u32::try_from(slot).ok()
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

    fn from_wire(reply_to: &table::ReplyTo) -> Self {
        Self {
            shard: ShardId(reply_to.shard()),
            owner: ShardId(reply_to.owner()),
            slot: reply_to.slot(),
            generation: reply_to.generation(),
            nonce: reply_to.nonce(),
        }
    }
}

impl Broker {
    /// The number this node puts into the addresses it gives out.
    pub(super) fn reply_node(&self) -> u64 {
        self.requests.node
    }

    pub(super) fn on_request(
        &mut self,
        turn: &mut Turn<'_>,
        origin: Origin,
        request: table::Request<'_>,
        section: &[u8],
    ) -> Result<(), Refusal> {
        let queue = QueueId(request.queue());
        self.check_request(queue, request.time_left_us(), section)?;
        let owner = shard_of(queue, self.settings.shard_count);
        let deadline_ns = turn.now.mono_ns + request.time_left_us() * 1000;
        let pending = Pending {
            connection: origin.peer.connection,
            request_id: origin.request_id,
            nonce: 0,
            offer_queue: queue,
            deadline_ns,
            arrived_ns: turn.now.mono_ns,
            dispatched_ns: 0,
            gone: false,
        };
        let address = self.requests.insert(pending, owner)?;
        let due = self.requests.deadlines.push(deadline_ns, (address.slot, address.generation));
        arm(turn, due);
        let offer = Offer { address, queue, deadline_ns };
        if owner == self.settings.shard {
            self.on_offer(turn, offer, section);
        } else {
            let section = Bytes::copy_from_slice(section);
            self.send_call(turn, owner, CallMail::Offer { offer, section });
        }
        Ok(())
    }

    fn check_request(
        &self,
        queue: QueueId,
        time_left_us: u64,
        section: &[u8],
    ) -> Result<(), Refusal> {
        let topic = self.catalogue.topic_of_queue(queue).ok_or(Refusal::UnknownQueue { queue })?;
        if topic.kind != table::TopicKind::Service {
            return Err(Refusal::TopicKindMismatch { wanted: "service" });
        }
        if time_left_us == 0 || time_left_us > TIME_LEFT_US_MAX {
            let time_left_us_max = TIME_LEFT_US_MAX;
            return Err(Refusal::DeadlineInvalid { time_left_us, time_left_us_max });
        }
        wire::record::check_section(section, 1, self.settings.record_bytes_max)?;
        Ok(())
    }

    pub(super) fn send_call(&mut self, turn: &mut Turn<'_>, to: ShardId, mail: CallMail) {
        self.out.post.send(turn.effects, to, Mail::Call(mail));
    }

    pub(super) fn on_call_mail(&mut self, turn: &mut Turn<'_>, mail: CallMail) {
        match mail {
            CallMail::Offer { offer, section } => self.on_offer(turn, offer, &section),
            CallMail::Dispatched { address } => self.on_dispatched(turn, address),
            CallMail::Ended { address, ending } => self.end_request(turn, address, ending),
            CallMail::Withdraw { offer } => self.desks.withdraw(offer),
            CallMail::Reply { address, responder, section } => {
                self.finish_request(turn, address, responder, &section);
            }
            CallMail::Freed { responder, address } => self.on_freed(turn, responder, address),
            CallMail::Serve(offering) => self.on_offering(turn, offering),
            CallMail::Serving { responder } => self.on_serving(turn, responder),
            CallMail::Unserve { responder, topic } => self.end_responder(turn, responder, topic),
        }
    }

    /// A responder has it now.
    pub(super) fn on_dispatched(&mut self, turn: &Turn<'_>, address: Address) {
        if let Some(pending) = self.requests.get_mut(address) {
            pending.dispatched_ns = turn.now.mono_ns;
        }
    }

    pub(super) fn on_reply(
        &mut self,
        turn: &mut Turn<'_>,
        origin: Origin,
        reply: table::Reply<'_>,
        section: &[u8],
    ) -> Result<(), Refusal> {
        wire::record::check_section(section, 1, self.settings.record_bytes_max)?;
        let reply_to = reply.reply_to().ok_or(Refusal::MalformedBody)?;
        let address = Address::from_wire(reply_to);
        let is_of_this_node = reply_to.node() == self.requests.node
            && address.shard.0 < self.settings.shard_count
            && address.owner.0 < self.settings.shard_count;
        if !is_of_this_node {
            self.tell_fate(turn, origin, ReplyFate::NotYours);
            return Ok(());
        }
        if address.shard == self.settings.shard {
            self.finish_request(turn, address, origin, section);
        } else {
            let section = Bytes::copy_from_slice(section);
            let mail = CallMail::Reply { address, responder: origin, section };
            self.send_call(turn, address.shard, mail);
        }
        let responder = MemberId(reply.responder());
        self.send_call(turn, address.owner, CallMail::Freed { responder, address });
        Ok(())
    }

    /// Ends a request with its reply, and tells the responder whether it was in time.
    fn finish_request(
        &mut self,
        turn: &mut Turn<'_>,
        address: Address,
        responder: Origin,
        section: &[u8],
    ) {
        let fate = match self.requests.take(address) {
            None => ReplyFate::Late,
            Some(pending) if pending.gone => ReplyFate::RequesterGone,
            Some(pending) => {
                self.send_outcome(turn, &pending, Ending::plain(OutcomeKind::Reply), &[section]);
                ReplyFate::Delivered
            }
        };
        self.tell_fate(turn, responder, fate);
    }

    fn tell_fate(&mut self, turn: &mut Turn<'_>, responder: Origin, fate: ReplyFate) {
        self.stats.count_reply(fate);
        if responder.request_id != 0 {
            self.out.send(turn, responder, (Kind::ReplyResult, &[]), |builder| {
                table::ReplyResult::create(builder, &table::ReplyResultArgs { fate })
            });
        }
    }

    /// Ends a request without a reply, if it has not ended before.
    pub(super) fn end_request(&mut self, turn: &mut Turn<'_>, address: Address, ending: Ending) {
        if let Some(pending) = self.requests.take(address) {
            self.send_outcome(turn, &pending, ending, &[]);
        }
    }

    fn send_outcome(
        &mut self,
        turn: &mut Turn<'_>,
        pending: &Pending,
        ending: Ending,
        section: &[&[u8]],
    ) {
        if pending.gone {
            return;
        }
        let now_ns = turn.now.mono_ns;
        let dispatched_ns = if pending.dispatched_ns == 0 { now_ns } else { pending.dispatched_ns };
        let queue_ns = dispatched_ns - pending.arrived_ns;
        let service_ns = now_ns - dispatched_ns;
        self.stats.record_outcome(ending.kind, queue_ns, service_ns);
        let to = Origin { peer: self.home(pending.connection), request_id: pending.request_id };
        self.out.send(turn, to, (Kind::Outcome, section), |builder| {
            table::Outcome::create(
                builder,
                &table::OutcomeArgs {
                    kind: ending.kind,
                    observed: ending.observed,
                    limit: ending.limit,
                    queue_us: queue_ns / 1000,
                    service_us: service_ns / 1000,
                },
            )
        });
    }

    pub(super) fn on_cancel(
        &mut self,
        turn: &mut Turn<'_>,
        origin: Origin,
        cancel: table::Cancel<'_>,
    ) {
        let Some(slot) = self.requests.find(origin.peer.connection, cancel.request()) else {
            return;
        };
        let generation = self.requests.slots[slot as usize].generation;
        let Some(pending) = self.requests.take_slot(slot) else { return };
        self.send_outcome(turn, &pending, Ending::plain(OutcomeKind::Cancelled), &[]);
        if pending.dispatched_ns == 0 {
            let queue = pending.offer_queue;
            let owner = shard_of(queue, self.settings.shard_count);
            let shard = self.settings.shard;
            let address = Address { shard, owner, slot, generation, nonce: pending.nonce };
            let offer = Offer { address, queue, deadline_ns: pending.deadline_ns };
            self.send_call(turn, owner, CallMail::Withdraw { offer });
        }
    }

    /// The requester's connection is gone: its requests end silently at their deadlines.
    pub(super) fn forget_requests_of(&mut self, connection: ConnectionId) {
        for slot in &mut self.requests.slots {
            if let Some(pending) = &mut slot.pending
                && pending.connection == connection
            {
                pending.gone = true;
            }
        }
    }

    /// Answers every request whose deadline has come.
    pub(super) fn end_due_requests(&mut self, turn: &mut Turn<'_>) {
        while let Some((slot, generation)) = self.requests.deadlines.pop_due(turn.now.mono_ns) {
            if self.requests.slots[slot as usize].generation != generation {
                continue;
            }
            let Some(pending) = self.requests.take_slot(slot) else { continue };
            let kind = if pending.dispatched_ns == 0 {
                OutcomeKind::TimeoutInQueue
            } else {
                OutcomeKind::TimeoutInService
            };
            self.send_outcome(turn, &pending, Ending::plain(kind), &[]);
        }
        let Requests { slots, free, deadlines, .. } = &mut self.requests;
        deadlines.sweep(slots.len() - free.len(), |(slot, generation)| {
            let entry = &slots[slot as usize];
            entry.generation == generation && entry.pending.is_some()
        });
        let due = deadlines.rearm();
        arm(turn, due);
    }
}

fn arm(turn: &mut Turn<'_>, due_ns: Option<u64>) {
    if let Some(at_ns) = due_ns {
        turn.effects.list.push(Effect::Arm { token: TIMER_REQUESTS, at_ns });
    }
}
