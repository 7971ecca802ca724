//! Publishing: the frames of producers: opening ids, sections out, receipts in.

use super::links::Target;
use super::pending::{Owner, Question};
use super::producer::{Phase, ProducerState};
use super::{HOME, Session};
use crate::catalog::Level;
use crate::config::ProducerConfig;
use crate::error::{CallError, EnqueueError, Refusal};
use crate::receipt::{Receipt, Ticket};
use crate::record::NewRecord;
use crate::session::inbox::Taken;
use crate::session::routes::Queues;
use wire::table::{
    ProducerOpen, ProducerOpenArgs, ProducerOpened, Publish, PublishArgs, Receipt as ReceiptTable,
};
use wire::{DecodeError, Epoch, ErrorCode, FrameWriter, Kind, Offset, ProducerId, QueueId, Term};

impl Session {
    /// Adds a producer; it is ready when `producer_ready` says so.
    pub(crate) fn add_producer(&mut self, config: ProducerConfig) -> usize {
        let queues = self.routes.queues(&config.topic).cloned();
        let mut producer = ProducerState::new(config);
        if let Some(queues) = queues {
            producer.routed(&queues);
        }
        self.producers.insert(producer)
    }

    /// Whether a producer may send; `None`: not known yet.
    pub(crate) fn producer_ready(&self, key: usize) -> Option<Result<(), CallError>> {
        match &self.producers.get(key)?.phase {
            Phase::Open => Some(Ok(())),
            Phase::Ended(error) => Some(Err(error.clone())),
            Phase::Routing | Phase::Opening { .. } | Phase::Asked => None,
        }
    }

    /// A producer, to look at and to take receipts from.
    pub(crate) fn producer(&mut self, key: usize) -> Option<&mut ProducerState> {
        self.producers.get_mut(key)
    }

    /// Nobody waits for this producer's receipts any more.
    pub(crate) fn remove_producer(&mut self, key: usize) {
        self.producers.remove(key);
    }

    /// Takes a record into a producer's window. `eager`: it leaves at once if nothing of its queue is on the wire.
    pub(crate) fn enqueue(
        &mut self,
        key: usize,
        record: &NewRecord<'_>,
        eager: bool,
    ) -> Result<Ticket, EnqueueError> {
        let record_bytes_max = self.node.record_bytes_max;
        let Some(producer) = self.producers.get_mut(key) else {
            return Err(EnqueueError::WindowFull);
        };
        let (ticket, lane) = producer.enqueue(record, self.now, record_bytes_max)?;
        if eager && producer.lanes[lane].is_idle() {
            producer.seal(lane);
        }
        let deadline_ns = producer.deadline_ns(self.now);
        let has_unsent = producer.lanes[lane].has_unsent();
        self.wake_at(deadline_ns);
        if has_unsent {
            self.publish_lane(key, lane);
        }
        Ok(ticket)
    }

    /// Closes all open sections of a producer.
    pub(crate) fn seal(&mut self, key: usize) {
        if let Some(producer) = self.producers.get_mut(key) {
            producer.seal_open(true);
        }
    }

    /// Sends what producers have ready.
    pub(super) fn publish_all(&mut self) {
        let mut from = 0;
        while let Some(key) = self.producers.key_from(from) {
            from = key + 1;
            let Some(producer) = self.producers.get_mut(key) else { continue };
            match producer.phase {
                Phase::Opening { at_ns } if at_ns > self.now.mono_ns => {}
                Phase::Opening { .. } => self.ask_for_epoch(key),
                Phase::Open => {
                    producer.let_rest();
                    producer.seal_open(false);
                    self.publish_busy(key);
                }
                Phase::Routing => {
                    // Asks for the route unless it was asked for.
                    let topic = producer.config.topic.clone();
                    if let Some(queues) = self.routes.queues(&topic).cloned() {
                        self.producers_routed(&topic, &queues);
                    }
                }
                Phase::Asked | Phase::Ended(_) => {}
            }
        }
    }

    fn publish_busy(&mut self, key: usize) {
        let mut place = 0;
        while let Some(lane) = self.producers.get(key).and_then(|of| of.busy_lane(place)) {
            self.publish_lane(key, lane);
            place += 1;
        }
    }

    fn publish_lane(&mut self, key: usize, lane: usize) {
        loop {
            let now_ns = self.now.mono_ns;
            let Some(producer) = self.producers.get(key) else { return };
            let Some(section) = producer.sendable(lane, now_ns) else { return };
            let shard = producer.lanes[lane].shard;
            let Some(index) = self.open_place(Target::Shard(shard)) else { return };
            let number = u16::try_from(lane).expect("a topic has at most 1024 queues");
            let owner = Owner::Publish(key, number);
            let question = Question { owner, connection: Some(index), deadline_ns: u64::MAX };
            let Some(request_id) = self.pending.insert(question) else { return };
            let Some(producer) = self.producers.get_mut(key) else { return };
            let tracing = producer.tracing_of(lane, section);
            let traced = tracing.map(|tracing| tracing.sent(now_ns)).is_some() && self.node.traces;
            let of = &mut producer.lanes[lane];
            let section_of = of.section(section);
            let arguments = PublishArgs {
                queue: of.queue.0,
                producer: producer.id.0,
                epoch: producer.epoch.0,
                sequence: section_of.first_sequence,
                count: section_of.count(),
            };
            let outbox = self.connections[index].outbox();
            let start = outbox.len();
            self.writer.write(outbox, Kind::Publish, request_id, &[&section_of.bytes], |builder| {
                Publish::create(builder, &arguments)
            });
            if traced {
                FrameWriter::mark_traced(&mut outbox[start..]);
            }
            of.sent(section, index, request_id);
        }
    }

    /// Routes arrived: the producers that waited for this one go on.
    pub(super) fn producers_routed(&mut self, topic: &str, queues: &Queues) {
        for (_, producer) in self.producers.iter_mut() {
            if producer.phase == Phase::Routing && producer.config.topic == topic {
                producer.routed(queues);
            }
        }
    }

    /// There is no route: the producers that waited for it end.
    pub(super) fn producers_not_routed(&mut self, topic: &str, refusal: &Refusal) {
        for (_, producer) in self.producers.iter_mut() {
            if producer.phase == Phase::Routing && producer.config.topic == topic {
                producer.end(refusal.clone());
            }
        }
    }

    fn ask_for_epoch(&mut self, key: usize) {
        if self.open_place(Target::Home).is_none() {
            return;
        }
        let owner = Owner::ProducerOpen(key);
        let question = Question { owner, connection: Some(HOME), deadline_ns: u64::MAX };
        let Some(request_id) = self.pending.insert(question) else { return };
        let Some(producer) = self.producers.get_mut(key) else { return };
        producer.phase = Phase::Asked;
        let arguments = ProducerOpenArgs { producer: producer.id.0 };
        let outbox = self.connections[HOME].outbox();
        self.writer.write(outbox, Kind::ProducerOpen, request_id, &[], |builder| {
            ProducerOpen::create(builder, &arguments)
        });
    }

    pub(super) fn producer_opened(&mut self, key: usize, taken: &Taken) -> Result<(), DecodeError> {
        let frame = taken.frame();
        let opened = frame.read::<ProducerOpened<'_>>()?;
        if let Some(producer) = self.producers.get_mut(key) {
            producer.opened(ProducerId(opened.producer()), Epoch(opened.epoch()));
        }
        Ok(())
    }

    pub(super) fn producer_not_opened(&mut self, key: usize, refusal: Refusal) {
        if let Some(producer) = self.producers.get_mut(key) {
            producer.not_opened(refusal, self.now.mono_ns);
            let opening_ns = producer.opening_ns();
            self.wake_at(opening_ns);
        }
    }

    /// The connection was lost before the epoch came: ask again. A skipped epoch does no harm.
    pub(super) fn open_unanswered(&mut self, key: usize) {
        if let Some(producer) = self.producers.get_mut(key)
            && producer.phase == Phase::Asked
        {
            producer.phase = Phase::Opening { at_ns: 0 };
        }
    }

    pub(super) fn accepted(
        &mut self,
        key: usize,
        lane: u16,
        request_id: u64,
        taken: &Taken,
    ) -> Result<(), DecodeError> {
        let frame = taken.frame();
        let table = frame.read::<ReceiptTable<'_>>()?;
        let receipt = Receipt {
            queue: QueueId(table.queue()),
            offset: Offset(table.first_offset()),
            level: Level::from_wire(table.level()).ok_or(DecodeError::Body)?,
            term: Term(table.term()),
            duplicate: table.duplicate(),
        };
        if let Some(producer) = self.producers.get_mut(key) {
            producer.accepted(lane, request_id, receipt, self.now.mono_ns);
        }
        Ok(())
    }

    pub(super) fn not_accepted(
        &mut self,
        key: usize,
        lane: u16,
        request_id: u64,
        refusal: Refusal,
    ) {
        let Some(producer) = self.producers.get_mut(key) else { return };
        if matches!(refusal.code, ErrorCode::UnknownQueue) {
            self.routes.forget(&producer.config.topic);
        }
        producer.refused(lane, request_id, refusal, self.now.mono_ns);
        let wake_ns = producer.wake_ns();
        self.wake_at(wake_ns);
    }
}
