//! Producer: publishes to every queue of the event topics, and tells the oracle what was accepted.
//!
//! An idempotent one sends again whatever has no receipt, under the same sequence: on
//! its connection, on the next one, and now and then on a second one while the first
//! still lives. One that is not idempotent sends everything once, and gives up what it
//! sent on a broken connection: nobody knows whether it is there.

use super::caller::{Caller, News, decode, marks_of};
use super::{Actor, ActorEvent, Context};
use crate::observation::{Observation, RecordId, Stamp, Traced};
use std::collections::{BTreeMap, VecDeque};
use wire::record::{Properties, Record, write_record};
use wire::table::{self, TraceStage};
use wire::{ErrorCode, Frame, Kind, QueueId};

/// Sections in flight per queue.
const WINDOW: usize = 4;
/// After a refusal it waits this long.
const PAUSE_NS: u64 = 50_000_000;
/// Looks at a receipt that never came, on a connection that lives, after this long.
const LOST_NS: u64 = 5_000_000_000;
/// Of a thousand looks around, so many send everything once more on the second connection.
const IMPATIENT_PARTS: u64 = 30;
/// Of a thousand sections, so many have many records.
const LARGE_PARTS: u64 = 60;
const LARGE_RECORDS: u64 = 40;
/// Sections whose first sequence is a multiple of this are traced.
const TRACE_EVERY: u64 = 3;
/// Of bodies in a section, about.
const SECTION_BYTES_MAX: usize = 60_000;
/// The second connection's place in `lines`.
const SECOND: usize = 1;

#[derive(Clone, Debug)]
struct Section {
    sequence: u64,
    records: Vec<RecordId>,
    bytes: Vec<u8>,
    /// Since when it waits for a receipt; 0 = it is to be sent again.
    sent_ns: u64,
}

#[derive(Debug, Default)]
struct Stream {
    next_sequence: u64,
    in_flight: VecDeque<Section>,
    /// When the last receipt came.
    accepted_ns: u64,
}

/// A section on one connection.
#[derive(Debug)]
struct Flight {
    queue: QueueId,
    records: Vec<RecordId>,
    sent_ns: u64,
    traced: bool,
    told: Option<Vec<(TraceStage, u64)>>,
}

/// A connection, and what was sent on it under which number and has no answer.
#[derive(Debug, Default)]
struct Line {
    caller: Caller,
    asked: BTreeMap<u64, Flight>,
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
    lines: [Line; 2],
    id: u64,
    epoch: u32,
    standing: Standing,
    streams: BTreeMap<QueueId, Stream>,
    sections_left: u64,
    records: u64,
    pause_until_ns: u64,
    is_counted: bool,
}

impl Producer {
    /// Producer `number` of the run, with so many sections to publish.
    pub fn new(number: u64, is_idempotent: bool, sections: u64) -> Self {
        let second = Line { caller: Caller::beside(1), ..Line::default() };
        Self {
            number,
            is_idempotent,
            lines: [Line::default(), second],
            id: 0,
            epoch: 0,
            standing: Standing::Closed,
            streams: BTreeMap::new(),
            sections_left: sections,
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
        if !self.lines[0].caller.is_ready() || !context.board.is_open || pauses {
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
        self.lines[0].caller.ask(context, Kind::ProducerOpen, &[], |builder| {
            table::ProducerOpen::create(builder, &table::ProducerOpenArgs { producer })
        });
    }

    fn publish_next(&mut self, context: &mut Context<'_>) -> bool {
        let queue = context.schedule.random.one_of(&context.board.event_queues());
        if self.streams.entry(queue).or_default().in_flight.len() >= WINDOW {
            return false;
        }
        let section = self.make(context, queue);
        self.sections_left -= 1;
        self.send(context, 0, queue, &section);
        self.streams.entry(queue).or_default().in_flight.push_back(section);
        true
    }

    fn make(&mut self, context: &mut Context<'_>, queue: QueueId) -> Section {
        let random = &mut context.schedule.random;
        // What is larger than a depth limit would never be taken.
        let is_large = random.chance(LARGE_PARTS) && !context.board.is_narrow(queue);
        let count = random.between(1, if is_large { LARGE_RECORDS } else { 6 });
        let stream = self.streams.entry(queue).or_default();
        let first = stream.next_sequence;
        stream.next_sequence += count;
        // A section fits a batch.
        let section_bytes = SECTION_BYTES_MAX / usize::try_from(count).expect("few records");
        let body_bytes_max = context.schedule.faults.body_bytes_max.min(section_bytes);
        let mut bytes = Vec::new();
        let mut records = Vec::new();
        for sequence in first..first + count {
            self.records += 1;
            let id = RecordId::new(self.number, self.records);
            let mut body = id.0.to_le_bytes().to_vec();
            body.resize(8 + context.schedule.random.index(body_bytes_max), 7);
            let properties = Properties::default();
            let record = Record { born_ns: id.0, key: b"", tag: b"", properties, body: &body };
            write_record(&mut bytes, &record, 64 << 10).expect("a small record");
            let stamp = Stamp { producer: self.id, epoch: self.epoch, sequence };
            let stamp = self.is_idempotent.then_some(stamp);
            let body_checksum = crc32fast::hash(&body);
            context.oracle.saw(&Observation::Made { record: id, queue, stamp, body_checksum });
            records.push(id);
        }
        Section { sequence: first, records, bytes, sent_ns: context.schedule.now_ns }
    }

    fn send(&mut self, context: &mut Context<'_>, line: usize, queue: QueueId, section: &Section) {
        let args = table::PublishArgs {
            queue: queue.0,
            producer: self.id,
            epoch: self.epoch,
            sequence: section.sequence,
            count: u32::try_from(section.records.len()).expect("a few"),
        };
        let traced = section.sequence.is_multiple_of(TRACE_EVERY);
        let line = &mut self.lines[line];
        line.caller.trace_next(traced);
        let request = line.caller.ask(context, Kind::Publish, &section.bytes, |builder| {
            table::Publish::create(builder, &args)
        });
        let asked = line.caller.asked(context, request);
        let records = &section.records;
        context.oracle.saw(&Observation::Published { asked, queue, records });
        let (records, sent_ns) = (records.clone(), context.schedule.now_ns);
        line.asked.insert(request, Flight { queue, records, sent_ns, traced, told: None });
    }

    fn send_all_again(&mut self, context: &mut Context<'_>, line: usize) {
        let queues: Vec<QueueId> = self.streams.keys().copied().collect();
        for queue in queues {
            let mut in_flight =
                std::mem::take(&mut self.streams.entry(queue).or_default().in_flight);
            for section in &mut in_flight {
                self.send(context, line, queue, section);
                section.sent_ns = context.schedule.now_ns;
            }
            self.streams.entry(queue).or_default().in_flight = in_flight;
        }
    }

    fn send_again_what_is_overdue(&mut self, context: &mut Context<'_>) {
        let now_ns = context.schedule.now_ns;
        let is_overdue = |section: &Section| now_ns > section.sent_ns + LOST_NS;
        let mut oldest = self.streams.values().filter_map(|stream| stream.in_flight.front());
        if self.is_idempotent && oldest.any(is_overdue) {
            self.send_all_again(context, 0);
        }
    }

    /// A retry on another connection, while nobody knows what became of the first.
    fn be_impatient(&mut self, context: &mut Context<'_>) {
        let may = self.is_idempotent
            && self.standing == Standing::Open
            && self.lines[SECOND].caller.is_ready();
        if may && context.schedule.random.chance(IMPATIENT_PARTS) {
            self.send_all_again(context, SECOND);
        }
    }

    /// An opening that is not answered is asked again.
    fn stop_opening(&mut self) {
        if self.standing == Standing::Opening {
            self.standing = Standing::Closed;
        }
    }

    fn on_lost(&mut self, line: usize) {
        self.lines[line].asked.clear();
        if line == SECOND {
            return;
        }
        self.stop_opening();
        for stream in self.streams.values_mut() {
            if !self.is_idempotent {
                stream.in_flight.clear();
            }
            for section in &mut stream.in_flight {
                section.sent_ns = 0;
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

    /// Whichever of its sendings was accepted, the section is.
    fn on_receipt(
        &mut self,
        context: &mut Context<'_>,
        (line, request): (usize, u64),
        receipt: table::Receipt<'_>,
    ) {
        let queue = QueueId(receipt.queue());
        let line = &mut self.lines[line];
        let flight = line.asked.remove(&request);
        let asked = line.caller.asked(context, request);
        if let Some(Flight { sent_ns, traced: is_wanted, told, .. }) = &flight {
            let marks = told.as_deref();
            let spent_ns = context.schedule.now_ns - sent_ns;
            let traced = Traced { asked, is_wanted: *is_wanted, spent_ns, marks, request: None };
            context.oracle.saw(&Observation::Traced(&traced));
        }
        let records = flight.map(|flight| flight.records).unwrap_or_default();
        context.oracle.saw(&Observation::Accepted {
            asked,
            queue,
            first_offset: receipt.first_offset(),
            level: receipt.level(),
            records: &records,
        });
        self.settle(queue, &records);
        if let Some(stream) = self.streams.get_mut(&queue) {
            stream.accepted_ns = context.schedule.now_ns;
        }
    }

    /// This section is not sent again.
    fn settle(&mut self, queue: QueueId, records: &[RecordId]) {
        if let Some(stream) = self.streams.get_mut(&queue) {
            stream.in_flight.retain(|section| section.records != records);
        }
    }

    fn on_error(
        &mut self,
        context: &mut Context<'_>,
        (line, request): (usize, u64),
        error: table::Error<'_>,
    ) {
        context.schedule.fired.refusals += 1;
        let code = ErrorCode::from_number(error.code());
        if let Some(Flight { queue, records, sent_ns, .. }) =
            self.lines[line].asked.remove(&request)
        {
            if code == Some(ErrorCode::SequenceGap) && self.is_first(queue, &records, sent_ns) {
                // Damage took what was accepted before it: the numbers of this epoch lead nowhere.
                self.standing = Standing::Closed;
            }
            let asked = self.lines[line].caller.asked(context, request);
            let (records, code) = (&records, error.code());
            context.oracle.saw(&Observation::Refused { asked, queue, records, code });
            if !self.is_idempotent {
                self.settle(queue, records);
            }
            if !context.board.has_queue(queue) {
                // Deleted: nothing is published there any more.
                self.streams.remove(&queue);
            }
        }
        if matches!(code, Some(ErrorCode::UnknownProducer | ErrorCode::ProducerFenced)) {
            self.standing = Standing::Closed;
        }
        self.stop_opening();
        if line == SECOND {
            return;
        }
        self.pause_until_ns = context.schedule.now_ns + PAUSE_NS;
        for section in self.streams.values_mut().flat_map(|stream| &mut stream.in_flight) {
            section.sent_ns = 0;
        }
    }

    /// Whether all before a section had been accepted when it was sent.
    fn is_first(&self, queue: QueueId, records: &[RecordId], sent_ns: u64) -> bool {
        self.streams.get(&queue).is_some_and(|stream| {
            let first = stream.in_flight.front();
            first.is_some_and(|first| first.records == records) && sent_ns > stream.accepted_ns
        })
    }

    fn on_frame(
        &mut self,
        context: &mut Context<'_>,
        line: usize,
        (kind, frame): (Kind, Frame<'_>),
    ) {
        let request = (line, frame.header.request_id);
        #[expect(clippy::wildcard_enum_match_arm, reason = "other frames are not for a producer")]
        match kind {
            Kind::ProducerOpened => self.on_opened(frame.read().expect("valid")),
            Kind::Receipt => self.on_receipt(context, request, frame.read().expect("valid")),
            Kind::Trace => {
                if let Some(flight) = self.lines[line].asked.get_mut(&request.1) {
                    flight.told = Some(marks_of(frame.read().expect("valid")));
                }
            }
            Kind::Error => self.on_error(context, request, frame.read().expect("valid")),
            _ => {}
        }
    }

    fn hear(&mut self, context: &mut Context<'_>, line: usize, event: ActorEvent) {
        for news in self.lines[line].caller.take(context, event) {
            match news {
                News::Ready if line == SECOND => {}
                News::Ready => {
                    if self.standing == Standing::Open || !self.is_idempotent {
                        self.send_all_again(context, line);
                    }
                }
                News::Woken if line == SECOND => self.be_impatient(context),
                News::Woken => self.forget_deleted(context),
                News::Lost => self.on_lost(line),
                News::Frame(bytes) => self.on_frame(context, line, decode(&bytes)),
            }
        }
    }

    /// What waits for a queue that is gone waits in vain.
    fn forget_deleted(&mut self, context: &Context<'_>) {
        self.streams.retain(|queue, _| context.board.has_queue(*queue));
    }
}

impl Actor for Producer {
    fn name(&self) -> String {
        let in_flight: usize = self.streams.values().map(|stream| stream.in_flight.len()).sum();
        format!("producer {} ({} left, {in_flight} in flight)", self.number, self.sections_left)
    }

    fn on(&mut self, context: &mut Context<'_>, event: ActorEvent) {
        let was_done = self.is_done();
        if matches!(event, ActorEvent::Timer) {
            self.hear(context, 0, ActorEvent::Timer);
            if self.is_idempotent {
                self.hear(context, SECOND, ActorEvent::Timer);
            }
        } else {
            let line = usize::from(!self.lines[0].caller.is_for(&event));
            self.hear(context, line, event);
        }
        self.go_on(context);
        if self.is_done() && !was_done {
            context.board.producers_at_work -= 1;
        }
    }

    fn is_done(&self) -> bool {
        let is_owed = |stream: &Stream| !stream.in_flight.is_empty();
        // What a new epoch left in doubt may be accepted yet, as long as its connection lives.
        let may_hear = |line: &Line| !line.asked.is_empty();
        let waits = self.streams.values().any(is_owed) || self.lines.iter().any(may_hear);
        self.is_counted && self.sections_left == 0 && !waits
    }
}
