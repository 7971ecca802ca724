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

use super::calls::{Address, CallMail, Ending, Offer};
use super::disk::TIMER_REQUESTS;
use super::mail::{Mail, Origin};
use super::outgoing::Turn;
use super::pending::Pending;
use super::post::MailClass;
use super::refusal::Refusal;
use super::responders::Desks;
use super::stats::Stage;
use super::step::Broker;
use super::trace::{Trace, Way};
use bytes::Bytes;
use routing::placement::shard_of;
use shard::Effect;
use wire::table::{OutcomeKind, ReplyFate, TraceStage};
use wire::{Kind, MemberId, QueueId, ShardId, table};

/// The longest deadline a request may have, in microseconds: an hour.
const TIME_LEFT_US_MAX: u64 = 3_600_000_000;

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
            arrival: turn.arrival,
            way: Way::default(),
            gone: false,
        };
        let (address, due) = self.requests.insert(pending, owner)?;
        arm(turn, due);
        self.stats.record(Stage::Ingress, turn.arrival.waited_ns);
        let since_ns = turn.now.mono_ns;
        let offer = Offer { address, queue, deadline_ns, since_ns, way: Way::default() };
        if owner == self.settings.shard {
            self.on_new_offer(turn, offer, section);
        } else {
            self.send_offer(turn, offer, Bytes::copy_from_slice(section));
        }
        Ok(())
    }

    /// To the queue's shard, or to the end of those that wait for the way there: its connection is not held, since
    /// a frame that is not taken has no deadline.
    fn send_offer(&mut self, turn: &mut Turn<'_>, offer: Offer, section: Bytes) {
        let owner = offer.address.owner;
        let Desks { unsent, waiting_bytes, .. } = &mut self.desks;
        if unsent.is_empty() && self.out.post.has_room(turn.effects, owner, MailClass::Ask) {
            return self.send_call(turn, owner, CallMail::Offer { offer, section });
        }
        let (count, count_max) = (unsent.len(), self.settings.waiting_requests_max);
        let bytes = *waiting_bytes + section.len();
        if count >= count_max || bytes > self.settings.waiting_bytes_max {
            return self.send_overloaded(turn, offer.address, (count, count_max));
        }
        *waiting_bytes = bytes;
        unsent.push_back((offer, section));
    }

    /// Time went by in which mailboxes were read.
    pub(super) fn send_unsent(&mut self, turn: &mut Turn<'_>) {
        for (offer, section) in std::mem::take(&mut self.desks.unsent) {
            self.desks.waiting_bytes -= section.len();
            if self.is_worth_handing_out(turn, offer) {
                self.send_offer(turn, offer, section);
            }
        }
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
            CallMail::Offer { offer, section } => self.on_new_offer(turn, offer, &section),
            CallMail::Dispatched { address, way } => self.on_dispatched(address, way),
            CallMail::Ended { address, ending } => self.end_request(turn, address, ending),
            CallMail::Withdraw { offer } => self.desks.withdraw(offer),
            CallMail::Reply { address, responder, section, since_ns } => {
                self.finish_request(turn, address, responder, (since_ns, &section));
            }
            CallMail::Freed { responder, address } => self.on_freed(turn, responder, address),
            CallMail::Serve(offering) => self.on_offering(turn, offering),
            CallMail::Serving { responder } => self.on_serving(turn, responder),
            CallMail::Unserve { responder, topic } => self.end_responder(turn, responder, topic),
        }
    }

    /// A responder has it now.
    pub(super) fn on_dispatched(&mut self, address: Address, way: Way) {
        if let Some(pending) = self.requests.get_mut(address) {
            pending.way = way;
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
        if !self.out.post.has_room(turn.effects, address.shard, MailClass::Ask) {
            return Err(Refusal::Busy);
        }
        let since_ns = turn.now.mono_ns;
        if address.shard == self.settings.shard {
            self.finish_request(turn, address, origin, (since_ns, section));
        } else {
            let section = Bytes::copy_from_slice(section);
            let mail = CallMail::Reply { address, responder: origin, section, since_ns };
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
        (since_ns, section): (u64, &[u8]),
    ) {
        self.stats.record(Stage::Reply, turn.now.mono_ns.saturating_sub(since_ns));
        let fate = match self.requests.take(address) {
            None => ReplyFate::Late,
            Some(pending) if pending.gone => ReplyFate::RequesterGone,
            Some(pending) => {
                if let Some(mut trace) = self.trace_of(&pending) {
                    trace.ended(TraceStage::Service, since_ns, responder.peer.shard);
                    trace.ended(TraceStage::Reply, turn.now.mono_ns, self.settings.shard);
                    let to = self.requester_of(&pending);
                    trace.send(&mut self.out, turn, to);
                }
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
            self.end_unanswered(turn, &pending, ending);
        }
    }

    /// Whatever the request was in, the queue or a responder's hands, ended now.
    fn end_unanswered(&mut self, turn: &mut Turn<'_>, pending: &Pending, ending: Ending) {
        if let Some(mut trace) = self.trace_of(pending) {
            let is_with_responder = pending.dispatched_ns().is_some();
            let stage = if is_with_responder { TraceStage::Service } else { TraceStage::Queue };
            trace.ended(stage, turn.now.mono_ns, self.settings.shard);
            let to = self.requester_of(pending);
            trace.send(&mut self.out, turn, to);
        }
        self.send_outcome(turn, pending, ending, &[]);
    }

    fn requester_of(&self, pending: &Pending) -> Origin {
        Origin { peer: self.home(pending.connection), request_id: pending.request_id }
    }

    /// What this shard was told of its way, if somebody is there who wants to know.
    fn trace_of(&self, pending: &Pending) -> Option<Trace> {
        let mut trace =
            Trace::of(pending.arrival, self.settings.shard).filter(|_| !pending.gone)?;
        trace.went(&pending.way, shard_of(pending.offer_queue, self.settings.shard_count));
        Some(trace)
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
        let dispatched_ns = pending.dispatched_ns().unwrap_or(now_ns);
        let queue_ns = dispatched_ns.saturating_sub(pending.arrival.at_ns);
        let service_ns = now_ns.saturating_sub(dispatched_ns);
        self.stats.record_outcome(ending.kind, service_ns);
        let to = self.requester_of(pending);
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
        let shard_count = self.settings.shard_count;
        let owner_of = |queue| shard_of(queue, shard_count);
        let (connection, request_id) = (origin.peer.connection, cancel.request());
        let taken = self.requests.take_asked(connection, request_id, owner_of);
        let Some((address, pending)) = taken else { return };
        if pending.dispatched_ns().is_none() {
            let (queue, deadline_ns) = (pending.offer_queue, pending.deadline_ns);
            let offer = Offer { address, queue, deadline_ns, since_ns: 0, way: pending.way };
            self.send_call(turn, address.owner, CallMail::Withdraw { offer });
        }
        self.end_unanswered(turn, &pending, Ending::plain(OutcomeKind::Cancelled));
    }

    /// Answers every request whose deadline has come.
    pub(super) fn end_due_requests(&mut self, turn: &mut Turn<'_>) {
        while let Some(pending) = self.requests.take_due(turn.now.mono_ns) {
            let kind = if pending.dispatched_ns().is_none() {
                OutcomeKind::TimeoutInQueue
            } else {
                OutcomeKind::TimeoutInService
            };
            self.end_unanswered(turn, &pending, Ending::plain(kind));
        }
        let due = self.requests.rearm();
        arm(turn, due);
    }
}

fn arm(turn: &mut Turn<'_>, due_ns: Option<u64>) {
    if let Some(at_ns) = due_ns {
        turn.effects.list.push(Effect::Arm { token: TIMER_REQUESTS, at_ns });
    }
}
