//! Producer: the records of one producer, their queues, their window and their receipts. Pure state.
//!
//! A section leaves when it is full, or when nothing of its queue is on the wire:
//! batches form only while the node is busy, and a lone record waits for nothing.
//! What happens to a section on the wire is `lane`'s; this file opens producer ids,
//! chooses queues and sorts the node's answers.

use crate::clock::{Now, nanoseconds};
use crate::config::ProducerConfig;
use crate::error::{CallError, EnqueueError, Refusal};
use crate::placement::Choice;
use crate::receipt::{Receipt, ReceiptRun, Ticket};
use crate::record::NewRecord;
use crate::session::lane::Lane;
use crate::session::settled::{Ending, Settled};
use crate::trace::Tracing;
use wire::error::Retry;
use wire::limits::SECTION_RECORDS_MAX;
use wire::record::{
    Properties, RECORD_HEADER_BYTES, Record, RecordError, append_record, write_property,
    write_record,
};
use wire::{Epoch, ErrorCode, ProducerId, QueueId, ShardId};

/// How long a producer that was refused a new epoch waits at least before it asks again, in milliseconds.
const REOPEN_PAUSE_MS: u64 = 100;

/// Where a producer stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Waiting for the topic's route.
    Routing,
    /// An id or a new epoch is to be asked for, not before this, monotonic.
    Opening {
        /// 0: at once.
        at_ns: u64,
    },
    /// Asked, not answered.
    Asked,
    /// In use.
    Open,
    /// Over: every record is refused with this.
    Ended(CallError),
}

/// One producer.
#[derive(Debug)]
pub(crate) struct ProducerState {
    pub(crate) config: ProducerConfig,
    timeout_ns: u64,
    pub(crate) phase: Phase,
    pub(crate) id: ProducerId,
    pub(crate) epoch: Epoch,
    pub(crate) lanes: Vec<Lane>,
    /// Those a turn looks at: all that are not at rest, and perhaps some that are by now.
    busy: Vec<usize>,
    /// Something was refused in a way only a new epoch mends.
    epoch_is_spent: bool,
    /// It was open before: having no room at this moment is no reason to give up.
    was_open: bool,
    settled: Settled,
    /// The next record is to be traced.
    pub(crate) traces_next: bool,
    /// The record that is traced, one at a time.
    pub(crate) tracing: Option<Tracing>,
    turn: usize,
    next_ticket: u64,
    window_records: usize,
    window_bytes: usize,
    properties: Vec<u8>,
}

impl ProducerState {
    /// One that knows nothing yet.
    pub(crate) fn new(config: ProducerConfig) -> Self {
        Self {
            timeout_ns: nanoseconds(config.timeout),
            config,
            phase: Phase::Routing,
            id: ProducerId(0),
            epoch: Epoch(0),
            lanes: Vec::new(),
            busy: Vec::new(),
            epoch_is_spent: false,
            was_open: false,
            settled: Settled::default(),
            traces_next: false,
            tracing: None,
            turn: 0,
            next_ticket: 0,
            window_records: 0,
            window_bytes: 0,
            properties: Vec::new(),
        }
    }

    /// The topic's queues, by number.
    pub(crate) fn routed(&mut self, queues: &[(QueueId, ShardId)]) {
        self.lanes = queues.iter().map(|(queue, shard)| Lane::new(*queue, *shard)).collect();
        self.busy.clear();
        self.phase = if self.config.idempotent { Phase::Opening { at_ns: 0 } } else { Phase::Open };
    }

    /// The node gave an id, or the next epoch of it.
    pub(crate) fn opened(&mut self, id: ProducerId, epoch: Epoch) {
        self.id = id;
        self.epoch = epoch;
        self.phase = Phase::Open;
        self.was_open = true;
        self.epoch_is_spent = false;
        for lane in &mut self.lanes {
            self.window_bytes -= lane.restart(&mut self.settled);
        }
    }

    /// The node gave none.
    pub(crate) fn not_opened(&mut self, refusal: Refusal, now_ns: u64) {
        if refusal.code == ErrorCode::UnknownProducer && self.id != ProducerId(0) {
            self.id = ProducerId(0); // forgotten: a new id, under which nothing was sent yet
            self.phase = Phase::Opening { at_ns: 0 };
        } else if self.was_open && refusal.code.retry() != Retry::No {
            self.refuse_all(&refusal);
            let pause_ms = u64::from(refusal.retry_after_ms).max(REOPEN_PAUSE_MS);
            self.phase = Phase::Opening { at_ns: now_ns.saturating_add(pause_ms * 1_000_000) };
        } else {
            self.end(refusal);
        }
    }

    /// What waits is refused: the node has no room for it now.
    fn refuse_all(&mut self, refusal: &Refusal) {
        for lane in &mut self.lanes {
            self.window_bytes -= lane.end(refusal, &mut self.settled);
        }
    }

    /// Takes a record into its queue's open section; returns its ticket and the queue's lane.
    pub(crate) fn enqueue(
        &mut self,
        record: &NewRecord<'_>,
        now: Now,
        record_bytes_max: usize,
    ) -> Result<(Ticket, usize), EnqueueError> {
        if let Phase::Ended(CallError::Refused(refusal)) = &self.phase {
            return Err(EnqueueError::Fenced(refusal.clone()));
        }
        let index = self.choose(record)?;
        self.properties.clear();
        for (name, value) in record.properties {
            write_property(&mut self.properties, name, value)
                .map_err(EnqueueError::RecordInvalid)?;
        }
        let parts = [record.key, record.tag, &self.properties, record.body];
        let bytes = RECORD_HEADER_BYTES + parts.iter().map(|part| part.len()).sum::<usize>();
        let over_bytes =
            self.window_bytes > 0 && self.window_bytes + bytes > self.config.window_bytes;
        if self.window_records >= self.config.window_records.max(1) || over_bytes {
            return Err(EnqueueError::WindowFull);
        }
        let deadline_ns = self.deadline_ns(now);
        let lane = &mut self.lanes[index];
        let batch_bytes = self.config.batch_bytes.min(record_bytes_max);
        if lane.open.bytes.len() + bytes > batch_bytes {
            lane.seal();
        }
        let properties = Properties::check(&self.properties).unwrap_or_default();
        let NewRecord { key, tag, body, .. } = *record;
        let encoded = Record { born_ns: now.wall_ns, key, tag, properties, body };
        append_record(&mut lane.open.bytes, &encoded, record_bytes_max)
            .map_err(EnqueueError::RecordInvalid)?;
        if lane.open.tickets.is_empty() {
            lane.open.deadline_ns = deadline_ns;
        }
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        if std::mem::take(&mut self.traces_next) {
            self.tracing = Some(Tracing::begin(ticket.0, now.mono_ns));
        }
        self.window_records += 1;
        self.window_bytes += bytes;
        if !std::mem::replace(&mut lane.is_listed, true) {
            self.busy.push(index);
        }
        lane.open.tickets.push(ticket);
        let records_max = self.config.batch_records.clamp(1, SECTION_RECORDS_MAX as usize);
        if lane.open.tickets.len() >= records_max || lane.open.bytes.len() >= batch_bytes {
            self.seal(index);
        }
        Ok((ticket, index))
    }

    /// When a record that is enqueued now is given up, monotonic.
    pub(crate) const fn deadline_ns(&self, now: Now) -> u64 {
        now.mono_ns.saturating_add(self.timeout_ns)
    }

    /// Closes the open section of a lane; keyless records turn to the next queue then.
    pub(crate) fn seal(&mut self, index: usize) {
        self.lanes[index].seal();
        if self.turn == index {
            self.turn = (index + 1) % self.lanes.len();
        }
    }

    /// The lanes that are not at rest, each by its place among them; others may be there as well.
    pub(crate) fn busy_lane(&self, place: usize) -> Option<usize> {
        self.busy.get(place).copied()
    }

    /// Looks no more at lanes that are at rest.
    pub(crate) fn let_rest(&mut self) {
        let lanes = &mut self.lanes;
        self.busy.retain(|index| {
            let lane = &mut lanes[*index];
            lane.is_listed = !lane.is_at_rest();
            lane.is_listed
        });
    }

    /// Closes open sections: all of them, or those whose queue has nothing on the wire.
    pub(crate) fn seal_open(&mut self, all: bool) {
        for place in 0..self.busy.len() {
            let index = self.busy[place];
            let lane = &self.lanes[index];
            if !lane.open.tickets.is_empty() && (all || lane.is_idle()) {
                self.seal(index);
            }
        }
    }

    /// The next section of a lane to be sent now.
    pub(crate) fn sendable(&self, lane: usize, now_ns: u64) -> Option<usize> {
        if self.phase != Phase::Open {
            return None;
        }
        self.lanes[lane].sendable(now_ns, self.epoch_is_spent)
    }

    /// The trace that goes with a section, if its record is in it.
    pub(crate) fn tracing_of(&mut self, lane: usize, section: usize) -> Option<&mut Tracing> {
        let tickets = &self.lanes[lane].section(section).tickets;
        self.tracing.as_mut().filter(|tracing| tickets.contains(Ticket(tracing.of)))
    }

    /// The node accepted a section.
    pub(crate) fn accepted(&mut self, lane: u16, request_id: u64, receipt: Receipt, now_ns: u64) {
        let Some(of) = self.lanes.get_mut(usize::from(lane)) else { return };
        if let Some(tracing) = &mut self.tracing
            && of.awaits(request_id, Ticket(tracing.of))
        {
            tracing.answered(now_ns);
        }
        self.window_bytes -= of.accepted(request_id, receipt, &mut self.settled);
        self.close_up();
    }

    /// The node answered a section with an error.
    pub(crate) fn refused(&mut self, lane: u16, request_id: u64, refusal: Refusal, now_ns: u64) {
        let code = refusal.code;
        if code == ErrorCode::ProducerFenced {
            self.end(refusal);
            return;
        }
        let Some(of) = self.lanes.get_mut(usize::from(lane)) else { return };
        let settled = &mut self.settled;
        self.window_bytes -= if code == ErrorCode::SequenceGap {
            of.refused_by_gap(request_id, settled)
        } else if code == ErrorCode::UnknownProducer {
            self.epoch_is_spent = true;
            of.forgotten(request_id, settled)
        } else if code == ErrorCode::Overloaded || code == ErrorCode::ShuttingDown {
            of.postponed(request_id, refusal, now_ns, settled)
        } else {
            of.refused(request_id, refusal, settled)
        };
        self.close_up();
    }

    /// A connection is gone.
    pub(crate) fn lost(&mut self, connection: usize) {
        let again = self.config.idempotent;
        for lane in &mut self.lanes {
            self.window_bytes -= lane.lost(connection, again, &mut self.settled);
        }
        self.close_up();
    }

    /// Ends what is past its deadline.
    pub(crate) fn tick(&mut self, now_ns: u64) {
        for index in &self.busy {
            let lane = &mut self.lanes[*index];
            lane.retry_due(now_ns);
            self.window_bytes -= lane.expire(now_ns, &mut self.settled);
        }
        self.close_up();
    }

    /// When `tick` has something to do, monotonic.
    pub(crate) fn wake_ns(&self) -> u64 {
        self.busy.iter().map(|index| self.lanes[*index].wake_ns()).min().unwrap_or(u64::MAX)
    }

    /// When a new epoch is to be asked for, monotonic.
    pub(crate) fn opening_ns(&self) -> u64 {
        match self.phase {
            Phase::Opening { at_ns } => at_ns,
            Phase::Routing | Phase::Asked | Phase::Open | Phase::Ended(_) => u64::MAX,
        }
    }

    /// Nothing can be sent any more.
    pub(crate) fn end(&mut self, refusal: Refusal) {
        self.refuse_all(&refusal);
        self.phase = Phase::Ended(CallError::Refused(refusal));
    }

    /// The next record that is settled; it leaves the window.
    pub(crate) fn next_settled(&mut self) -> Option<(Ticket, Ending)> {
        let ReceiptRun { first, result, .. } = self.next_settled_run(1)?;
        Some((first, result))
    }

    /// The next records that are settled, at most `count_max` of a run; they leave the window.
    pub(crate) fn next_settled_run(&mut self, count_max: u64) -> Option<ReceiptRun> {
        let run = self.settled.pop_front(count_max)?;
        self.window_records -= usize::try_from(run.count).unwrap_or(self.window_records);
        Some(run)
    }

    /// The settled record of this ticket; it leaves the window.
    pub(crate) fn take_settled(&mut self, ticket: Ticket) -> Option<Ending> {
        let end = self.settled.remove(ticket)?;
        self.window_records -= 1;
        Some(end)
    }

    /// Records enqueued and not settled.
    pub(crate) fn in_flight(&self) -> usize {
        self.window_records - self.settled.len()
    }

    fn close_up(&mut self) {
        for index in &self.busy {
            let lane = &mut self.lanes[*index];
            if !lane.close_up() {
                continue;
            }
            if self.config.idempotent {
                self.epoch_is_spent = true;
            } else {
                self.window_bytes -= lane.restart(&mut self.settled);
            }
        }
        let quiet = || self.busy.iter().all(|index| self.lanes[*index].is_quiet());
        if self.epoch_is_spent && self.phase == Phase::Open && quiet() {
            self.phase = Phase::Opening { at_ns: 0 };
        }
    }

    fn choose(&self, record: &NewRecord<'_>) -> Result<usize, EnqueueError> {
        let queue_count = u16::try_from(self.lanes.len()).unwrap_or(u16::MAX);
        let queue = record.queue.unwrap_or(0);
        let chosen = Choice::of(record).queue(queue_count, self.turn);
        chosen.map(usize::from).ok_or(EnqueueError::NoSuchQueue { queue, queue_count })
    }
}

/// Encodes one record as a section of its own.
pub(crate) fn encode_single(
    section: &mut Vec<u8>,
    properties: &mut Vec<u8>,
    record: &NewRecord<'_>,
    born_ns: u64,
    record_bytes_max: usize,
) -> Result<(), RecordError> {
    section.clear();
    properties.clear();
    for (name, value) in record.properties {
        write_property(properties, name, value)?;
    }
    let properties = Properties::check(properties)?;
    let NewRecord { key, tag, body, .. } = *record;
    write_record(section, &Record { born_ns, key, tag, properties, body }, record_bytes_max)
}
