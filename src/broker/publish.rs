//! Publish: records in, receipts out.
//!
//! ```text
//!   Publish --checked--> storage --durable--> Receipt, and visible to consumers
//!                           |--memory level--> both at once
//! ```
//!
//! Invariants:
//!   1. A receipt is sent only when the topic's level is reached (law 6).
//!   2. Receipts of one connection and queue keep the order of its publishes.
//!
//! On the shard that owns the queue. Allocates nothing; the section is copied
//! once, by storage, into the gathering batch.

use super::disk::Waiter;
use super::mail::Origin;
use super::outgoing::Turn;
use super::refusal::Refusal;
use super::stats::Stage;
use super::step::Broker;
use super::trace::{Arrival, Trace};
use routing::catalog::Topic;
use storage::store::{Publish, Published};
use wire::limits::FRAME_OVERHEAD_BYTES;
use wire::record::{RecordError, check_section};
use wire::table::{Level, TopicKind, TraceStage};
use wire::{Epoch, Kind, Offset, ProducerId, QueueId, table};

/// A receipt that is sent when its records are accepted.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReceiptDue {
    /// Whom to tell; request id 0 = nobody, but the records become visible all the same.
    pub origin: Origin,
    /// Where they are.
    pub queue: QueueId,
    /// Offset of the first.
    pub first_offset: Offset,
    /// How many.
    pub count: u32,
    /// The level they reach.
    pub level: Level,
    /// They were published before.
    pub duplicate: bool,
    /// When the publish came, monotonic.
    pub arrived_ns: u64,
    /// When it came to the shard of its connection.
    pub arrival: Arrival,
}

impl Broker {
    pub(super) fn on_publish(
        &mut self,
        turn: &mut Turn<'_>,
        origin: Origin,
        publish: table::Publish<'_>,
        section: &[u8],
    ) -> Result<(), Refusal> {
        let queue = QueueId(publish.queue());
        let count = publish.count();
        let topic = self.catalogue.topic_of_queue(queue).ok_or(Refusal::UnknownQueue { queue })?;
        if topic.kind != TopicKind::Event {
            return Err(Refusal::TopicKindMismatch { wanted: "event" });
        }
        let level = topic.level;
        self.check_records(section, count)?;
        self.check_producer(ProducerId(publish.producer()))?;
        let publish = Publish {
            queue,
            producer: ProducerId(publish.producer()),
            epoch: Epoch(publish.epoch()),
            sequence: publish.sequence(),
            count,
            records: section,
            accepted_ns: turn.now.wall_ns,
        };
        self.check_depth(topic, &publish)?;
        let published = self.store.publish(&publish)?;
        self.stats.count_publish(count, section.len(), published.duplicate);
        let Published { first_offset, duplicate, .. } = published;
        let due = ReceiptDue {
            origin,
            queue,
            first_offset,
            count,
            level,
            duplicate,
            arrived_ns: turn.now.mono_ns,
            arrival: turn.arrival,
        };
        self.send_receipt_in_order(turn, published, due);
        Ok(())
    }

    fn check_records(&self, section: &[u8], count: u32) -> Result<(), Refusal> {
        let record_bytes_max = self.settings.record_bytes_max;
        let bytes_max = record_bytes_max + FRAME_OVERHEAD_BYTES;
        if section.len() > bytes_max {
            return Err(RecordError::TooLarge { bytes: section.len(), bytes_max }.into());
        }
        check_section(section, count, record_bytes_max)?;
        Ok(())
    }

    /// A producer nobody opened here, or that was forgotten, is never taken for a new one.
    fn check_producer(&self, producer: ProducerId) -> Result<(), Refusal> {
        let is_known = producer == ProducerId(0)
            || self.catalogue.replica().producer_epoch(producer).is_some();
        if is_known { Ok(()) } else { Err(Refusal::UnknownProducer { producer: producer.0 }) }
    }

    /// The slowest group decides, exactly and per publish; without groups everything kept counts.
    /// A duplicate adds nothing: however deep the queue is, it gets its receipt.
    fn check_depth(&self, topic: &Topic, publish: &Publish<'_>) -> Result<(), Refusal> {
        if topic.depth_max == 0 {
            return Ok(());
        }
        let Some(ends) = self.store.ends(publish.queue) else { return Ok(()) };
        let floor = self.store.lowest_floor(publish.queue).map(|(floor, _)| floor);
        let floor = floor.map_or(ends.start, |floor| floor.max(ends.start));
        let depth = ends.appended_end.0.saturating_sub(floor.0);
        let fits = depth + u64::from(publish.count) <= topic.depth_max;
        if fits || self.store.is_duplicate(publish) {
            return Ok(());
        }
        Err(Refusal::DepthReached { depth, depth_max: topic.depth_max })
    }

    /// Sends the receipt once its batch is durable; a duplicate's, due earlier, still waits its turn (invariant 2).
    fn send_receipt_in_order(
        &mut self,
        turn: &mut Turn<'_>,
        published: Published,
        due: ReceiptDue,
    ) {
        let waits_for = if due.level == Level::Memory {
            published.waits_for
        } else {
            published.waits_for.or(self.disk.last_awaited())
        };
        match waits_for {
            Some(index) => self.disk.wait(index, Waiter::Receipt(due)),
            None => self.send_receipt(turn, due, 0),
        }
    }

    /// The level is reached: the records become visible, and the producer is told. `flush_began_ns`: of the flush it
    /// waited for, 0 if for none.
    pub(super) fn send_receipt(
        &mut self,
        turn: &mut Turn<'_>,
        due: ReceiptDue,
        flush_began_ns: u64,
    ) {
        if !due.duplicate {
            self.leases.mark_dirty(due.queue);
        }
        let waited_ns = turn.now.mono_ns.saturating_sub(due.arrived_ns);
        let stage = if due.level == Level::Memory { Stage::AckMemory } else { Stage::AckDurable };
        self.stats.record(stage, waited_ns);
        if due.origin.request_id == 0 {
            return;
        }
        if let Some(mut trace) = Trace::of(due.arrival, due.origin.peer.shard) {
            let here = self.settings.shard;
            trace.ended(TraceStage::Deliver, due.arrived_ns, here);
            if flush_began_ns > 0 {
                trace.ended(TraceStage::Gather, flush_began_ns, here);
                trace.ended(TraceStage::Flush, turn.now.mono_ns, here);
            }
            trace.send(&mut self.out, turn, due.origin);
        }
        let arguments = table::ReceiptArgs {
            queue: due.queue.0,
            first_offset: due.first_offset.0,
            count: due.count,
            level: due.level,
            term: self.store.term().0,
            duplicate: due.duplicate,
        };
        self.out.send(turn, due.origin, (Kind::Receipt, &[]), |builder| {
            table::Receipt::create(builder, &arguments)
        });
    }
}
