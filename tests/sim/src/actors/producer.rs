//! Producer: publishes to every queue of the event topics, and tells the oracle what was accepted.
//!
//! An idempotent one sends again whatever has no receipt, under the same
//! sequence. One that is not gives up what it sent on a broken connection:
//! nobody knows whether it is there.

use super::caller::{Caller, News, decode};
use super::{Actor, ActorEvent, Context};
use crate::faults::Faults;
use crate::observation::{Observation, RecordId, Stamp};
use std::collections::{BTreeMap, VecDeque};
use wire::record::{Properties, Record, write_record};
use wire::table::{self, TopicKind};
use wire::{ErrorCode, Kind, QueueId};

/// Sections a producer has in all.
const SECTIONS: u64 = 60;
/// Sections in flight per queue.
const WINDOW: usize = 4;
/// After a refusal it waits this long.
const PAUSE_NS: u64 = 50_000_000;
/// Looks at a receipt that never came, on a connection that lives, after this long.
const LOST_NS: u64 = 5_000_000_000;

#[derive(Clone, Debug)]
struct Section {
    sequence: u64,
    records: Vec<RecordId>,
    bytes: Vec<u8>,
    request_id: u64,
    sent_ns: u64,
}

#[derive(Debug, Default)]
struct Stream {
    next_sequence: u64,
    in_flight: VecDeque<Section>,
}

/// Whether the node knows the producer under its epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Closed,
    Opening,
    Open,
}

/// A producer of a run.
#[derive(Debug)]
pub struct Producer {
    number: u64,
    is_idempotent: bool,
    caller: Caller,
    id: u64,
    epoch: u32,
    standing: Standing,
    streams: BTreeMap<QueueId, Stream>,
    /// What was sent on this connection under which number, and has no answer.
    asked: BTreeMap<u64, (QueueId, Vec<RecordId>)>,
    sections_left: u64,
    records: u64,
    pause_until_ns: u64,
    is_counted: bool,
}

impl Producer {
    /// Producer `number` of the run.
    pub fn new(number: u64, is_idempotent: bool, faults: &Faults) -> Self {
        Self {
            number,
            is_idempotent,
            caller: Caller::default(),
            id: 0,
            epoch: 0,
            standing: Standing::Closed,
            streams: BTreeMap::new(),
            asked: BTreeMap::new(),
            sections_left: faults.share(SECTIONS),
            records: 0,
            pause_until_ns: 0,
            is_counted: false,
        }
    }

    fn go_on(&mut self, context: &mut Context<'_>) {
        if !self.is_counted && context.board.is_open {
            self.is_counted = true;
            context.board.producers_at_work += 1;
        }
        let pauses = context.schedule.now_ns < self.pause_until_ns;
        if !self.caller.is_ready() || !context.board.is_open || pauses {
            return;
        }
        if self.is_idempotent && self.standing != Standing::Open {
            return self.open(context);
        }
        self.send_again_what_is_overdue(context);
        while self.sections_left > 0 && self.publish_next(context) {}
    }

    fn open(&mut self, context: &mut Context<'_>) {
        if self.standing == Standing::Opening {
            return;
        }
        self.standing = Standing::Opening;
        let producer = self.id;
        self.caller.ask(context, Kind::ProducerOpen, &[], |builder| {
            table::ProducerOpen::create(builder, &table::ProducerOpenArgs { producer })
        });
    }

    fn publish_next(&mut self, context: &mut Context<'_>) -> bool {
        let topics: Vec<QueueId> = context
            .board
            .topics
            .iter()
            .filter(|topic| topic.kind == TopicKind::Event)
            .flat_map(|topic| topic.queues.iter().copied())
            .collect();
        let queue = topics[context.schedule.random.index(topics.len())];
        if self.streams.entry(queue).or_default().in_flight.len() >= WINDOW {
            return false;
        }
        let section = self.make(context, queue);
        self.sections_left -= 1;
        self.send(context, queue, section);
        true
    }

    fn make(&mut self, context: &mut Context<'_>, queue: QueueId) -> Section {
        let count = context.schedule.random.between(1, 6);
        let stream = self.streams.entry(queue).or_default();
        let first = stream.next_sequence;
        stream.next_sequence += count;
        let mut bytes = Vec::new();
        let mut records = Vec::new();
        for sequence in first..first + count {
            self.records += 1;
            let id = RecordId::new(self.number, self.records);
            let mut body = id.0.to_le_bytes().to_vec();
            body.resize(8 + context.schedule.random.index(600), 7);
            let properties = Properties::default();
            let record = Record { born_ns: id.0, key: b"", tag: b"", properties, body: &body };
            write_record(&mut bytes, &record, 64 << 10).expect("a small record");
            let stamp = Stamp { producer: self.id, epoch: self.epoch, sequence };
            let stamp = self.is_idempotent.then_some(stamp);
            let body_checksum = crc32fast::hash(&body);
            context.oracle.saw(&Observation::Made { record: id, queue, stamp, body_checksum });
            records.push(id);
        }
        Section { sequence: first, records, bytes, request_id: 0, sent_ns: 0 }
    }

    fn send(&mut self, context: &mut Context<'_>, queue: QueueId, mut section: Section) {
        let args = table::PublishArgs {
            queue: queue.0,
            producer: self.id,
            epoch: self.epoch,
            sequence: section.sequence,
            count: u32::try_from(section.records.len()).expect("a few"),
        };
        section.sent_ns = context.schedule.now_ns;
        section.request_id = self.caller.ask(context, Kind::Publish, &section.bytes, |builder| {
            table::Publish::create(builder, &args)
        });
        let asked = self.caller.asked(context, section.request_id);
        let records = &section.records;
        context.oracle.saw(&Observation::Published { asked, queue, records });
        self.asked.insert(section.request_id, (queue, records.clone()));
        self.streams.entry(queue).or_default().in_flight.push_back(section);
    }

    fn send_all_again(&mut self, context: &mut Context<'_>) {
        let queues: Vec<QueueId> = self.streams.keys().copied().collect();
        for queue in queues {
            let stream = self.streams.entry(queue).or_default();
            for section in std::mem::take(&mut stream.in_flight) {
                self.send(context, queue, section);
            }
        }
    }

    fn send_again_what_is_overdue(&mut self, context: &mut Context<'_>) {
        let now_ns = context.schedule.now_ns;
        let is_overdue = self.streams.values().any(|stream| {
            stream.in_flight.front().is_some_and(|section| {
                section.request_id == 0 || now_ns > section.sent_ns + LOST_NS
            })
        });
        if is_overdue && self.is_idempotent {
            self.send_all_again(context);
        }
    }

    /// An opening that is not answered is asked again.
    fn stop_opening(&mut self) {
        if self.standing == Standing::Opening {
            self.standing = Standing::Closed;
        }
    }

    fn on_lost(&mut self) {
        self.stop_opening();
        self.asked.clear();
        for stream in self.streams.values_mut() {
            if !self.is_idempotent {
                stream.in_flight.clear();
            }
            for section in &mut stream.in_flight {
                section.request_id = 0;
            }
        }
    }

    fn on_opened(&mut self, opened: table::ProducerOpened<'_>) {
        self.id = opened.producer();
        self.epoch = opened.epoch();
        self.standing = Standing::Open;
        // A new epoch begins at 0 on every queue; what was in doubt stays in doubt.
        self.streams.clear();
    }

    fn on_receipt(
        &mut self,
        context: &mut Context<'_>,
        request_id: u64,
        receipt: table::Receipt<'_>,
    ) {
        let queue = QueueId(receipt.queue());
        let records = self.asked.remove(&request_id).map(|(_, records)| records);
        let records = records.unwrap_or_default();
        context.oracle.saw(&Observation::Accepted {
            asked: self.caller.asked(context, request_id),
            queue,
            first_offset: receipt.first_offset(),
            level: receipt.level(),
            records: &records,
        });
        // Whichever of its sendings was accepted, the section is.
        if let Some(stream) = self.streams.get_mut(&queue) {
            stream.in_flight.retain(|section| section.records != records);
        }
    }

    fn on_error(&mut self, context: &mut Context<'_>, request_id: u64, error: table::Error<'_>) {
        context.schedule.fired.refusals += 1;
        if let Some((queue, _)) = self.asked.remove(&request_id) {
            let asked = self.caller.asked(context, request_id);
            context.oracle.saw(&Observation::Refused { asked, queue });
        }
        self.pause_until_ns = context.schedule.now_ns + PAUSE_NS;
        let code = ErrorCode::from_number(error.code());
        let must_reopen =
            matches!(code, Some(ErrorCode::UnknownProducer | ErrorCode::ProducerFenced));
        if must_reopen {
            self.standing = Standing::Closed;
        }
        self.stop_opening();
        for stream in self.streams.values_mut() {
            if !self.is_idempotent {
                stream.in_flight.retain(|section| section.request_id != request_id);
            }
            for section in &mut stream.in_flight {
                section.request_id = 0;
            }
        }
    }
}

impl Actor for Producer {
    fn name(&self) -> String {
        let in_flight: usize = self.streams.values().map(|stream| stream.in_flight.len()).sum();
        format!("producer {} ({} left, {in_flight} in flight)", self.number, self.sections_left)
    }

    fn on(&mut self, context: &mut Context<'_>, event: ActorEvent) {
        let was_done = self.is_done();
        for news in self.caller.take(context, event) {
            match news {
                News::Ready => {
                    if self.standing == Standing::Open || !self.is_idempotent {
                        self.send_all_again(context);
                    }
                }
                News::Woken => {}
                News::Lost => self.on_lost(),
                News::Frame(bytes) => {
                    let (kind, frame) = decode(&bytes);
                    let request_id = frame.header.request_id;
                    #[expect(
                        clippy::wildcard_enum_match_arm,
                        reason = "other frames are not for a producer"
                    )]
                    match kind {
                        Kind::ProducerOpened => self.on_opened(frame.read().expect("valid")),
                        Kind::Receipt => {
                            self.on_receipt(context, request_id, frame.read().expect("valid"));
                        }
                        Kind::Error => {
                            self.on_error(context, request_id, frame.read().expect("valid"));
                        }
                        _ => {}
                    }
                }
            }
        }
        self.go_on(context);
        if self.is_done() && !was_done {
            context.board.producers_at_work -= 1;
        }
    }

    fn is_done(&self) -> bool {
        let waits = self.streams.values().any(|stream| !stream.in_flight.is_empty());
        self.is_counted && self.sections_left == 0 && !waits
    }
}
