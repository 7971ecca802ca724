//! Consuming: the frames of subscriptions: subscribing, deliveries in, acknowledgements and credit out.

use super::consumer::{ConsumerState, Delivery, Phase, Word};
use super::links::{AGAIN_PAUSE_NS_MAX, Target};
use super::pending::{Owner, Question};
use super::{HOME, Session};
use crate::catalog::Start;
use crate::config::ConsumerConfig;
use crate::delivery::{Gap, GapReason, Item, Place};
use crate::error::{CallError, ConsumeError, LeaseOver, Refusal};
use crate::session::inbox::Taken;
use wire::error::Retry;
use wire::record::RECORD_HEADER_BYTES;
use wire::table::{
    Ack, AckArgs, Assigned, Commit, CommitArgs, Credit, CreditArgs, Deliver, Nack, NackArgs,
    Revoked, Sharing, Subscribe, SubscribeArgs, Subscribed, Unsubscribe, UnsubscribeArgs,
};
use wire::{DecodeError, Epoch, Kind, MemberId, Offset, QueueId};

impl Session {
    /// Adds a consumer; it is subscribed when `consumer_ready` says so.
    pub(crate) fn add_consumer(&mut self, config: ConsumerConfig) -> usize {
        self.consumers.insert(ConsumerState::new(config))
    }

    /// Whether a consumer is subscribed; `None`: not known yet.
    pub(crate) fn consumer_ready(&self, key: usize) -> Option<Result<(), CallError>> {
        match &self.consumers.get(key)?.phase {
            Phase::Subscribed(_) => Some(Ok(())),
            Phase::Ended(error) => Some(Err(error.clone())),
            Phase::Wanted { .. } | Phase::Asked => None,
        }
    }

    /// The next thing for a consumer's caller.
    pub(crate) fn next_item(&mut self, key: usize) -> Option<Result<Item, ConsumeError>> {
        let consumer = self.consumers.get_mut(key)?;
        if let Phase::Ended(CallError::Refused(refusal)) = &consumer.phase {
            return Some(Err(ConsumeError::Refused(refusal.clone())));
        }
        consumer.next().map(Ok)
    }

    /// A message is consumed.
    pub(crate) fn ack(&mut self, key: usize, place: Place) -> Result<(), LeaseOver> {
        let full = self.consumers.get_mut(key).ok_or(LeaseOver)?.ack(place)?;
        if full {
            self.tell(key);
        }
        Ok(())
    }

    /// A message and all below it are consumed.
    pub(crate) fn commit(&mut self, key: usize, place: Place) -> Result<(), LeaseOver> {
        self.consumers.get_mut(key).ok_or(LeaseOver)?.commit(place)
    }

    /// A message is to come again.
    pub(crate) fn nack(&mut self, key: usize, place: Place) -> Result<(), LeaseOver> {
        let consumer = self.consumers.get(key).ok_or(LeaseOver)?;
        consumer.holds(place)?;
        let member = consumer.member().ok_or(LeaseOver)?.0;
        let Place { queue, offset, lease_epoch } = place;
        let arguments =
            NackArgs { member, queue: queue.0, lease_epoch: lease_epoch.0, offset: offset.0 };
        let outbox = self.connections[HOME].outbox();
        self.writer.write(outbox, Kind::Nack, 0, &[], |builder| Nack::create(builder, &arguments));
        Ok(())
    }

    /// Writes all acknowledgements and asks for the node's word on them; the keys of the calls to wait for.
    pub(crate) fn confirm(&mut self, key: usize, deadline_ns: u64) -> Vec<usize> {
        self.tell(key);
        let Some(consumer) = self.consumers.get_mut(key) else { return Vec::new() };
        let Some(member) = consumer.member() else { return Vec::new() };
        let mut last = Vec::new();
        consumer.take_unconfirmed(|queue, epoch, offset| last.push((queue, epoch, offset)));
        let mut calls = Vec::with_capacity(last.len());
        for (queue, epoch, offset) in last {
            let call = self.begin_call(Target::Home, deadline_ns, |writer, out, id| {
                writer.write(out, Kind::Ack, id, &[], |builder| {
                    let offsets = Some(builder.create_vector(&[offset]));
                    let (queue, lease_epoch) = (queue.0, epoch.0);
                    let member = member.0;
                    Ack::create(builder, &AckArgs { member, queue, lease_epoch, offsets })
                });
            });
            self.send_call_now(call);
            calls.push(call);
        }
        calls
    }

    /// Begins to leave the group; the call to wait for, if the node knows us.
    pub(crate) fn unsubscribe(&mut self, key: usize, deadline_ns: u64) -> Option<usize> {
        self.tell(key);
        let member = self.consumers.get(key)?.member()?.0;
        let call = self.begin_call(Target::Home, deadline_ns, |writer, out, id| {
            writer.write(out, Kind::Unsubscribe, id, &[], |builder| {
                Unsubscribe::create(builder, &UnsubscribeArgs { member })
            });
        });
        self.send_call_now(call);
        self.consumers.remove(key);
        Some(call)
    }

    /// Forgets a consumer.
    pub(crate) fn remove_consumer(&mut self, key: usize) {
        self.consumers.remove(key);
    }

    /// The queues a consumer holds.
    pub(crate) fn assignments(&self, key: usize) -> Vec<QueueId> {
        self.consumers.get(key).map(ConsumerState::assignments).unwrap_or_default()
    }

    /// Subscribes where wanted; writes what gathered.
    pub(super) fn consume_all(&mut self) {
        if !self.connections[HOME].is_ready() {
            return;
        }
        let mut from = 0;
        while let Some(key) = self.consumers.key_from(from) {
            from = key + 1;
            let Some(consumer) = self.consumers.get(key) else { continue };
            match consumer.phase {
                Phase::Wanted { at_ns } if at_ns <= self.now.mono_ns => self.ask_to_subscribe(key),
                Phase::Subscribed(_) if consumer.has_words() => self.tell(key),
                Phase::Wanted { .. } | Phase::Subscribed(_) | Phase::Asked | Phase::Ended(_) => {}
            }
        }
    }

    fn ask_to_subscribe(&mut self, key: usize) {
        let owner = Owner::Subscribe(key);
        let question = Question { owner, connection: Some(HOME), deadline_ns: u64::MAX };
        let Some(request_id) = self.pending.insert(question) else { return };
        let Some(consumer) = self.consumers.get_mut(key) else { return };
        consumer.phase = Phase::Asked;
        let config = &consumer.config;
        let (start, offset, time_ns) = start_on_wire(config.start);
        let instance = config.broadcast_instance.as_deref();
        let outbox = self.connections[HOME].outbox();
        self.writer.write(outbox, Kind::Subscribe, request_id, &[], |builder| {
            let arguments = SubscribeArgs {
                group: Some(builder.create_string(&config.group)),
                topic: Some(builder.create_string(&config.topic)),
                sharing: if instance.is_some() { Sharing::Broadcast } else { Sharing::Shared },
                instance: instance.map(|name| builder.create_string(name)),
                start,
                offset: offset.0,
                time_ns,
                credit_records: config.credit_records,
                credit_bytes: config.credit_bytes,
                observe: config.observe,
            };
            Subscribe::create(builder, &arguments)
        });
    }

    /// Writes the acknowledgements and credit that gathered in a consumer.
    fn tell(&mut self, key: usize) {
        let Some(consumer) = self.consumers.get_mut(key) else { return };
        let Some(MemberId(member)) = consumer.member() else { return };
        let outbox = self.connections[HOME].outbox();
        let writer = &mut self.writer;
        consumer.words(|QueueId(queue), Epoch(lease_epoch), word| match word {
            Word::Ack(offsets) => writer.write(outbox, Kind::Ack, 0, &[], |builder| {
                let offsets = Some(builder.create_vector(offsets));
                Ack::create(builder, &AckArgs { member, queue, lease_epoch, offsets })
            }),
            Word::Commit(Offset(offset)) => writer.write(outbox, Kind::Commit, 0, &[], |builder| {
                Commit::create(builder, &CommitArgs { member, queue, lease_epoch, offset })
            }),
            Word::Credit { records, bytes } => {
                writer.write(outbox, Kind::Credit, 0, &[], |builder| {
                    let arguments = CreditArgs { member, queue, lease_epoch, records, bytes };
                    Credit::create(builder, &arguments)
                });
            }
        });
    }

    pub(super) fn subscribed(&mut self, key: usize, taken: &Taken) -> Result<(), DecodeError> {
        let frame = taken.frame();
        let member = MemberId(frame.read::<Subscribed<'_>>()?.member());
        let Some(consumer) = self.consumers.get_mut(key) else {
            self.leave(member); // given up meanwhile: it must not hold queues
            return Ok(());
        };
        consumer.phase = Phase::Subscribed(member);
        consumer.was_member = true;
        self.take_early();
        Ok(())
    }

    fn leave(&mut self, member: MemberId) {
        let arguments = UnsubscribeArgs { member: member.0 };
        let outbox = self.connections[HOME].outbox();
        self.writer.write(outbox, Kind::Unsubscribe, 0, &[], |builder| {
            Unsubscribe::create(builder, &arguments)
        });
    }

    /// A first no is the caller's; later ones are tried again unless they are for good.
    pub(super) fn not_subscribed(&mut self, key: usize, refusal: Refusal) {
        let at_ns = self.now.mono_ns.saturating_add(AGAIN_PAUSE_NS_MAX);
        let Some(consumer) = self.consumers.get_mut(key) else { return };
        if consumer.was_member && refusal.code.retry() != Retry::No {
            consumer.phase = Phase::Wanted { at_ns };
            self.wake_at(at_ns);
        } else {
            consumer.phase = Phase::Ended(CallError::Refused(refusal));
        }
    }

    pub(super) fn assigned(&mut self, taken: &Taken) -> Result<(), DecodeError> {
        let frame = taken.frame();
        let assigned = frame.read::<Assigned<'_>>()?;
        let Some(consumer) = self.consumer_of(assigned.member()) else {
            self.keep_early(taken);
            return Ok(());
        };
        consumer.assigned(QueueId(assigned.queue()), Epoch(assigned.lease_epoch()));
        Ok(())
    }

    pub(super) fn revoked(&mut self, taken: &Taken) -> Result<(), DecodeError> {
        let frame = taken.frame();
        let revoked = frame.read::<Revoked<'_>>()?;
        let drain_ns = u64::from(revoked.drain_ms()) * 1_000_000;
        let until_ns = self.now.mono_ns.saturating_add(drain_ns);
        self.wake_at(until_ns);
        let Some(consumer) = self.consumer_of(revoked.member()) else {
            self.keep_early(taken);
            return Ok(());
        };
        if revoked.queue() == 0 {
            consumer.phase =
                Phase::Ended(CallError::Refused(topic_deleted(&consumer.config.topic)));
        } else {
            consumer.revoked(QueueId(revoked.queue()), Epoch(revoked.lease_epoch()), until_ns);
        }
        Ok(())
    }

    pub(super) fn delivered(&mut self, taken: &Taken) -> Result<(), DecodeError> {
        let frame = taken.frame();
        let deliver = frame.read::<Deliver<'_>>()?;
        let records_max = taken.section().len() / RECORD_HEADER_BYTES;
        if deliver.count() as usize > records_max {
            return Err(DecodeError::Body);
        }
        let queue = QueueId(deliver.queue());
        let (from, to) = (Offset(deliver.gap_from()), Offset(deliver.gap_to()));
        let reason = GapReason::from_wire(deliver.gap_reason());
        let delivery = Delivery {
            queue,
            epoch: Epoch(deliver.lease_epoch()),
            first_offset: Offset(deliver.first_offset()),
            count: deliver.count(),
            section: taken.section(),
            attempt: deliver.attempt(),
            accepted_ns: deliver.accepted_ns(),
            gap: (from < to).then_some(Gap { queue, from, to, reason }),
        };
        let member = deliver.member();
        if let Some(consumer) = self.consumer_of(member) {
            consumer.delivered(delivery);
        } else {
            self.keep_early(taken);
        }
        Ok(())
    }

    fn consumer_of(&mut self, member: u64) -> Option<&mut ConsumerState> {
        let member = Some(MemberId(member));
        self.consumers.iter_mut().find(|(_, of)| of.member() == member).map(|(_, of)| of)
    }
}

/// Why a subscription is over for good.
fn topic_deleted(topic: &str) -> Refusal {
    let message = format!("the topic {topic} was deleted while it was consumed");
    let code = wire::ErrorCode::UnknownTopic;
    Refusal { code, message, observed: 0, limit: 0, retry_after_ms: 0 }
}

/// A start as the three fields of the wire.
pub(super) fn start_on_wire(start: Start) -> (wire::table::StartAt, Offset, u64) {
    use wire::table::StartAt;
    match start {
        Start::First => (StartAt::First, Offset(0), 0),
        Start::Last => (StartAt::Last, Offset(0), 0),
        Start::Offset(offset) => (StartAt::Offset, offset, 0),
        Start::Time(time_ns) => (StartAt::Time, Offset(0), time_ns),
    }
}
