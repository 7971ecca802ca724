//! Consumer: a member of a group on one topic. Acks, commits, and nacks now and then.

use super::caller::{Caller, News, decode};
use super::{Actor, ActorEvent, Context};
use crate::observation::{Audience, Observation, RecordId};
use std::collections::BTreeMap;
use wire::record::records;
use wire::table;
use wire::{Kind, QueueId, TopicId};

/// Credit per queue, in records and bytes.
const CREDIT_RECORDS: u32 = 40;
const CREDIT_BYTES: u32 = 1 << 20;
/// Deliveries from such offsets on are also acknowledged under the wrong epoch.
const FORGED_EVERY: u64 = 16;

/// A consumer of a run.
#[derive(Debug)]
pub struct Consumer {
    group: &'static str,
    topic: usize,
    nacks: u64,
    caller: Caller,
    member: u64,
    is_asked: bool,
    /// Refused: asks again when time went by.
    is_refused: bool,
    /// Whether the producers are done, and what the group still misses.
    is_quiet: bool,
    missing: Option<(QueueId, u64, RecordId)>,
    /// Acks under an epoch that is not its own: they must be refused.
    forged: BTreeMap<u64, (QueueId, u32)>,
}

impl Consumer {
    /// A member of `group` on the `topic`th topic of the board.
    pub fn new(group: &'static str, topic: usize, nacks: u64) -> Self {
        let caller = Caller::default();
        Self {
            group,
            topic,
            nacks,
            caller,
            member: 0,
            is_asked: false,
            is_refused: false,
            is_quiet: false,
            missing: None,
            forged: BTreeMap::new(),
        }
    }

    fn subscribe(&mut self, context: &mut Context<'_>) {
        if self.member != 0 || self.is_asked || !self.caller.is_ready() || !context.board.is_open {
            return;
        }
        self.is_asked = true;
        let (group, topic) = (self.group, context.board.topics[self.topic].name.clone());
        self.caller.ask(context, Kind::Subscribe, &[], |builder| {
            let group = Some(builder.create_string(group));
            let topic = Some(builder.create_string(&topic));
            let args = table::SubscribeArgs {
                group,
                topic,
                credit_records: CREDIT_RECORDS,
                credit_bytes: CREDIT_BYTES,
                ..Default::default()
            };
            table::Subscribe::create(builder, &args)
        });
    }

    fn on_deliver(
        &mut self,
        context: &mut Context<'_>,
        deliver: table::Deliver<'_>,
        section: &[u8],
    ) {
        let queue = QueueId(deliver.queue());
        let (group, epoch, member) = (self.group, deliver.lease_epoch(), deliver.member());
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
        if deliver.first_offset().is_multiple_of(FORGED_EVERY) {
            self.forge(context, deliver, &offsets);
        }
        self.answer(context, deliver, &offsets);
    }

    /// Acks as the owner before this one would, whose connection lived on.
    fn forge(&mut self, context: &mut Context<'_>, deliver: table::Deliver<'_>, offsets: &[u64]) {
        let (member, queue) = (deliver.member(), deliver.queue());
        let lease_epoch = deliver.lease_epoch().wrapping_sub(1);
        let request_id = self.caller.ask(context, Kind::Ack, &[], |builder| {
            let offsets = Some(builder.create_vector(offsets));
            table::Ack::create(builder, &table::AckArgs { member, queue, lease_epoch, offsets })
        });
        self.forged.insert(request_id, (QueueId(queue), lease_epoch));
    }

    fn answer(&mut self, context: &mut Context<'_>, deliver: table::Deliver<'_>, offsets: &[u64]) {
        let (member, queue, lease_epoch) =
            (deliver.member(), deliver.queue(), deliver.lease_epoch());
        let bytes = u32::try_from(offsets.len() * 700).expect("a few");
        self.caller.tell(context, Kind::Credit, |builder| {
            let records = deliver.count();
            let args = table::CreditArgs { member, queue, lease_epoch, records, bytes };
            table::Credit::create(builder, &args)
        });
        let (nacked, acked): (Vec<u64>, Vec<u64>) = offsets
            .iter()
            .partition(|_| !context.is_healed && context.schedule.random.chance(self.nacks));
        for offset in nacked {
            self.caller.tell(context, Kind::Nack, |builder| {
                let args = table::NackArgs { member, queue, lease_epoch, offset };
                table::Nack::create(builder, &args)
            });
        }
        if !acked.is_empty() {
            self.caller.ask(context, Kind::Ack, &[], |builder| {
                let offsets = Some(builder.create_vector(&acked));
                let args = table::AckArgs { member, queue, lease_epoch, offsets };
                table::Ack::create(builder, &args)
            });
        }
    }
}

impl Actor for Consumer {
    fn name(&self) -> String {
        format!("consumer of {} on topic {}, missing {:?}", self.group, self.topic, self.missing)
    }

    fn on(&mut self, context: &mut Context<'_>, event: ActorEvent) {
        for news in self.caller.take(context, event) {
            match news {
                News::Ready => {}
                News::Woken => self.is_asked &= !std::mem::take(&mut self.is_refused),
                News::Lost => {
                    self.member = 0;
                    self.is_asked = false;
                    self.forged.clear();
                }
                News::Frame(bytes) => {
                    let (kind, frame) = decode(&bytes);
                    #[expect(
                        clippy::wildcard_enum_match_arm,
                        reason = "other frames are not for a consumer"
                    )]
                    match kind {
                        Kind::Subscribed => {
                            let subscribed: table::Subscribed<'_> = frame.read().expect("valid");
                            self.member = subscribed.member();
                            let (group, topic) = (self.group, TopicId(subscribed.topic()));
                            context.oracle.saw(&Observation::Joined { group, topic });
                            self.is_asked = false;
                        }
                        Kind::Deliver => {
                            self.on_deliver(context, frame.read().expect("valid"), frame.section);
                        }
                        Kind::Done => {
                            let forged = self.forged.remove(&frame.header.request_id);
                            if let Some((queue, epoch)) = forged {
                                context.oracle.saw(&Observation::ForgeryTaken { queue, epoch });
                            }
                        }
                        Kind::Error => self.is_refused = self.is_asked,
                        _ => {}
                    }
                }
            }
        }
        self.subscribe(context);
        self.is_quiet =
            context.is_healed && context.board.is_open && context.board.producers_at_work == 0;
        if self.is_quiet {
            self.missing =
                context.oracle.ledger().missing(self.group, context.board.topics[self.topic].id);
        }
    }

    fn is_done(&self) -> bool {
        self.is_quiet && self.missing.is_none()
    }
}
