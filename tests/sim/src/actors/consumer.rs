//! Consumer: a member of a group on one topic, or a broadcast instance of one.
//!
//! It acks or commits what it gets, nacks some, acks some late, and some of it under
//! an epoch that is not its own. It leaves now and then, and comes back.

use super::board::TOPICS;
use super::caller::{Caller, News, decode};
use super::{Actor, ActorEvent, Context};
use crate::observation::{Acked, Audience, Observation, RecordId};
use wire::record::records;
use wire::table::{self, Sharing};
use wire::{Frame, Kind, QueueId, TopicId};

/// Credit per queue, in records and bytes.
const CREDIT_RECORDS: u32 = 40;
const CREDIT_BYTES: u32 = 1 << 20;
/// Deliveries from such offsets on are also acknowledged under the wrong epoch.
const FORGED_EVERY: u64 = 16;
/// Of a thousand deliveries, so many are acknowledged late, and so many committed.
const LATE_PARTS: u64 = 40;
const COMMIT_PARTS: u64 = 150;
/// An ack is late by so much at most, in nanoseconds.
const LATE_NS_MAX: u64 = 2_500_000_000;
/// Of a thousand looks around, so many end a membership; it is away for so long, in nanoseconds.
const LEAVE_PARTS: u64 = 8;
const AWAY_NS_MAX: u64 = 400_000_000;

/// What is to be acknowledged, and as whom.
#[derive(Clone, Debug)]
struct Answer {
    member: u64,
    queue: u64,
    lease_epoch: u32,
    offsets: Vec<u64>,
}

/// How far a membership is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Away,
    /// Asked for, under this request.
    Asked(u64),
    /// Refused: asks again when time went by.
    Refused,
    Member(u64),
    /// Asked to end, under this request.
    Leaving(u64),
}

/// A consumer of a run.
#[derive(Debug)]
pub struct Consumer {
    /// As the oracle knows it.
    audience: &'static str,
    group: &'static str,
    /// Of a broadcast group.
    instance: Option<&'static str>,
    slot: usize,
    nacks: u64,
    caller: Caller,
    standing: Standing,
    away_until_ns: u64,
    late: Vec<(u64, Answer)>,
    /// Whether nothing is published any more, and what the group still misses.
    is_quiet: bool,
    missing: Option<(QueueId, u64, RecordId)>,
}

impl Consumer {
    /// A member of `group` on the topic at `slot`.
    pub fn member(group: &'static str, slot: usize, nacks: u64) -> Self {
        Self {
            audience: group,
            group,
            instance: None,
            slot,
            nacks,
            caller: Caller::default(),
            standing: Standing::Away,
            away_until_ns: 0,
            late: Vec::new(),
            is_quiet: false,
            missing: None,
        }
    }

    /// An instance of the broadcast group `wall` on the topic at `slot`, with a position of its own.
    pub fn instance(
        instance: &'static str,
        audience: &'static str,
        slot: usize,
        nacks: u64,
    ) -> Self {
        Self { audience, instance: Some(instance), ..Self::member("wall", slot, nacks) }
    }

    fn subscribe(&mut self, context: &mut Context<'_>) {
        let is_away = self.standing == Standing::Away
            && context.schedule.now_ns >= self.away_until_ns
            && context.board.resetting != Some(self.group);
        if !is_away || !self.caller.is_ready() || context.board.topics[self.slot].is_none() {
            return;
        }
        let (group, instance) = (self.group, self.instance);
        let sharing = if instance.is_some() { Sharing::Broadcast } else { Sharing::Shared };
        let request = self.caller.ask(context, Kind::Subscribe, &[], |builder| {
            let group = Some(builder.create_string(group));
            let topic = Some(builder.create_string(TOPICS[self.slot].name));
            let instance = instance.map(|instance| builder.create_string(instance));
            let args = table::SubscribeArgs {
                group,
                topic,
                sharing,
                instance,
                credit_records: CREDIT_RECORDS,
                credit_bytes: CREDIT_BYTES,
                ..Default::default()
            };
            table::Subscribe::create(builder, &args)
        });
        self.standing = Standing::Asked(request);
    }

    /// Ends the membership at will, or because the group's position is to be reset.
    fn leave(&mut self, context: &mut Context<'_>) {
        let Standing::Member(member) = self.standing else { return };
        let is_asked = context.board.resetting == Some(self.group);
        if !is_asked && (context.is_healed || !context.schedule.random.chance(LEAVE_PARTS)) {
            return;
        }
        self.away_until_ns = context.schedule.now_ns + context.schedule.random.below(AWAY_NS_MAX);
        if context.schedule.random.chance(300) {
            return self.caller.hang_up(context);
        }
        let request = self.caller.ask(context, Kind::Unsubscribe, &[], |builder| {
            table::Unsubscribe::create(builder, &table::UnsubscribeArgs { member })
        });
        self.standing = Standing::Leaving(request);
    }

    fn on_deliver(
        &mut self,
        context: &mut Context<'_>,
        deliver: table::Deliver<'_>,
        section: &[u8],
    ) {
        let queue = QueueId(deliver.queue());
        let (group, epoch, member) = (self.audience, deliver.lease_epoch(), deliver.member());
        context.oracle.saw(&Observation::Leased { group, queue, epoch, member });
        let to = Audience::Group(group);
        if deliver.gap_to() > deliver.gap_from() {
            let (range, reason) = (deliver.gap_from()..deliver.gap_to(), deliver.gap_reason());
            context.oracle.saw(&Observation::Gap { to, queue, range, reason });
        }
        let mut offsets = Vec::new();
        for (offset, (record, _)) in (deliver.first_offset()..).zip(records(section)) {
            context.oracle.served(to, queue, offset, record.body);
            offsets.push(offset);
        }
        let end = deliver.first_offset() + u64::from(deliver.count());
        let counted = deliver.first_offset() + offsets.len() as u64;
        context.oracle.saw(&Observation::Read { queue, offset: end, next: counted });
        self.grant_credit(context, deliver, section);
        let answer = Answer { member, queue: queue.0, lease_epoch: epoch, offsets };
        self.answer(context, answer);
    }

    fn grant_credit(
        &mut self,
        context: &mut Context<'_>,
        deliver: table::Deliver<'_>,
        section: &[u8],
    ) {
        let records = deliver.count();
        let args = table::CreditArgs {
            member: deliver.member(),
            queue: deliver.queue(),
            lease_epoch: deliver.lease_epoch(),
            records,
            bytes: u32::try_from(section.len()).expect("a frame"),
        };
        self.caller.tell(context, Kind::Credit, |builder| table::Credit::create(builder, &args));
    }

    fn answer(&mut self, context: &mut Context<'_>, answer: Answer) {
        let is_forged = answer.offsets.first().is_some_and(|first| first % FORGED_EVERY == 0);
        if is_forged {
            // As the owner before this one would, whose connection lived on.
            let lease_epoch = answer.lease_epoch.wrapping_sub(1);
            self.ack(context, &Answer { lease_epoch, ..answer.clone() });
        }
        if !context.is_healed && context.schedule.random.chance(LATE_PARTS) {
            let late_ns = context.schedule.random.below(LATE_NS_MAX);
            return self.late.push((context.schedule.now_ns + late_ns, answer));
        }
        let (nacked, acked): (Vec<u64>, Vec<u64>) = answer
            .offsets
            .iter()
            .partition(|_| !context.is_healed && context.schedule.random.chance(self.nacks));
        for offset in &nacked {
            self.nack(context, &answer, *offset);
        }
        if nacked.is_empty() && context.schedule.random.chance(COMMIT_PARTS) {
            self.commit(context, &answer);
        } else {
            self.ack(context, &Answer { offsets: acked, ..answer });
        }
    }

    fn nack(&mut self, context: &mut Context<'_>, answer: &Answer, offset: u64) {
        let Answer { member, queue, lease_epoch, .. } = *answer;
        self.caller.tell(context, Kind::Nack, |builder| {
            let args = table::NackArgs { member, queue, lease_epoch, offset };
            table::Nack::create(builder, &args)
        });
    }

    fn ack(&mut self, context: &mut Context<'_>, answer: &Answer) {
        let Answer { member, queue, lease_epoch, ref offsets } = *answer;
        if offsets.is_empty() {
            return;
        }
        let request = self.caller.ask(context, Kind::Ack, &[], |builder| {
            let offsets = Some(builder.create_vector(offsets));
            table::Ack::create(builder, &table::AckArgs { member, queue, lease_epoch, offsets })
        });
        self.tell_acked(context, request, answer, Acked::Offsets(offsets));
    }

    fn commit(&mut self, context: &mut Context<'_>, answer: &Answer) {
        let Answer { member, queue, lease_epoch, ref offsets } = *answer;
        let Some(offset) = offsets.last().map(|last| last + 1) else { return };
        let request = self.caller.ask(context, Kind::Commit, &[], |builder| {
            let args = table::CommitArgs { member, queue, lease_epoch, offset };
            table::Commit::create(builder, &args)
        });
        self.tell_acked(context, request, answer, Acked::Below(offset));
    }

    fn tell_acked(
        &self,
        context: &mut Context<'_>,
        request: u64,
        answer: &Answer,
        what: Acked<'_>,
    ) {
        let (asked, group) = (self.caller.asked(context, request), self.audience);
        let (queue, epoch) = (QueueId(answer.queue), answer.lease_epoch);
        context.oracle.saw(&Observation::AckSent { asked, group, queue, epoch, what });
    }

    fn ack_late(&mut self, context: &mut Context<'_>) {
        let now_ns = context.schedule.now_ns;
        let due = self.late.extract_if(.., |(at_ns, _)| *at_ns <= now_ns || context.is_healed);
        for (_, answer) in due.collect::<Vec<_>>() {
            self.ack(context, &answer);
        }
    }

    fn on_frame(&mut self, context: &mut Context<'_>, kind: Kind, frame: &Frame<'_>) {
        #[expect(clippy::wildcard_enum_match_arm, reason = "other frames are not for a consumer")]
        match kind {
            Kind::Subscribed => {
                let subscribed: table::Subscribed<'_> = frame.read().expect("valid");
                self.standing = Standing::Member(subscribed.member());
                let (group, topic) = (self.audience, TopicId(subscribed.topic()));
                context.oracle.saw(&Observation::Joined { group, topic });
            }
            Kind::Assigned => {
                let assigned: table::Assigned<'_> = frame.read().expect("valid");
                let (group, queue) = (self.audience, QueueId(assigned.queue()));
                let (epoch, floor) = (assigned.lease_epoch(), assigned.floor());
                context.oracle.saw(&Observation::Assigned { group, queue, epoch, floor });
            }
            Kind::Deliver => {
                self.on_deliver(context, frame.read().expect("valid"), frame.section);
            }
            Kind::Revoked => {
                let revoked: table::Revoked<'_> = frame.read().expect("valid");
                // Of the whole subscription: who is not told stays a member of nothing, and its group is not served.
                let is_over = revoked.queue() == 0;
                if is_over && self.standing == Standing::Member(revoked.member()) {
                    self.standing = Standing::Away;
                }
            }
            Kind::Done if self.standing == Standing::Leaving(frame.header.request_id) => {
                self.standing = Standing::Away;
            }
            Kind::Done => {
                let asked = self.caller.asked(context, frame.header.request_id);
                context.oracle.saw(&Observation::AckTaken { asked });
            }
            Kind::Error => self.on_error(frame),
            _ => {}
        }
    }

    fn on_error(&mut self, frame: &Frame<'_>) {
        let request = frame.header.request_id;
        if self.standing == Standing::Asked(request) {
            self.standing = Standing::Refused;
        } else if self.standing == Standing::Leaving(request) {
            self.standing = Standing::Away;
        }
    }

    fn look_around(&mut self, context: &mut Context<'_>) {
        if self.standing == Standing::Refused {
            self.standing = Standing::Away;
        }
        self.leave(context);
        self.is_quiet = context.is_quiet();
        if let Some(topic) = context.board.topics[self.slot].as_ref().filter(|_| self.is_quiet) {
            self.missing = context.oracle.ledger().missing(self.audience, topic.id);
        }
    }
}

impl Actor for Consumer {
    fn name(&self) -> String {
        let (audience, slot) = (self.audience, self.slot);
        format!(
            "consumer of {audience} on topic {slot}, {:?}, missing {:?}",
            self.standing, self.missing
        )
    }

    fn on(&mut self, context: &mut Context<'_>, event: ActorEvent) {
        for news in self.caller.take(context, event) {
            match news {
                News::Ready => {}
                News::Woken => self.look_around(context),
                News::Lost => {
                    self.standing = Standing::Away;
                    self.late.clear();
                }
                News::Frame(bytes) => {
                    let (kind, frame) = decode(&bytes);
                    self.on_frame(context, kind, &frame);
                }
            }
        }
        if self.caller.is_ready() {
            self.ack_late(context);
        }
        self.subscribe(context);
    }

    fn is_done(&self) -> bool {
        self.is_quiet && self.missing.is_none()
    }
}
