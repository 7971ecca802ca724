//! Lane: one queue of a producer: its sections in order, from enqueued to settled.
//!
//! ```text
//!   open --seal--> Queued --send--> Sent --Receipt--> settled
//!                    ^                |---refused, record not there---> Refused --renumber--+
//!                    |<---connection lost (doubtful: it may be there)---'                   |
//!                    '----------------------------------------------------------------------'
//! ```
//!
//! Invariants:
//!   1. Sections stand in the order they were enqueued, with contiguous sequences,
//!      except right after one was given up (`hole`), when nothing new leaves.
//!   2. A section in doubt is only ever sent again with the sequence it had: the
//!      node then recognises it. If that is no longer possible it ends as unknown.
//!   3. A sequence that may have been taken is never given to another record: the
//!      producer moves to a new epoch instead, in which sequences start from 0.
//!   4. A record is reported exactly once.

use crate::error::{Refusal, SendError, UnknownCause};
use crate::receipt::{Receipt, Ticket};
use crate::session::settled::Settled;
use crate::session::tickets::Tickets;
use std::collections::VecDeque;
use wire::limits::PRODUCER_SECTIONS_IN_FLIGHT_MAX;
use wire::record::write_checksums;
use wire::{QueueId, ShardId};

/// Memory of emptied sections that a lane keeps for use again, in bytes.
const SPARE_BYTES_MAX: usize = 512 * 1024;

/// Where a section stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum State {
    /// To be sent.
    #[default]
    Queued,
    /// Sent on this connection under this request id.
    Sent {
        /// Which connection.
        connection: usize,
        /// Which question.
        request_id: u64,
    },
    /// Certainly not there; to be sent again with a fresh sequence.
    Refused,
}

/// Records of one queue that are published together.
#[derive(Debug, Default)]
pub(crate) struct Section {
    /// Sequence of its first record.
    pub(crate) first_sequence: u64,
    /// The encoded records; their checksums come when it is sealed.
    pub(crate) bytes: Vec<u8>,
    /// One per record.
    pub(crate) tickets: Tickets,
    /// Of its first record, monotonic.
    pub(crate) deadline_ns: u64,
    pub(crate) state: State,
    /// An earlier attempt may have been accepted.
    doubtful: bool,
    /// Its records were reported as unknown; only its sequence still matters.
    reported: bool,
    /// Refused because a sequence before it was missing.
    gap: bool,
}

impl Section {
    /// How many records it has.
    #[expect(clippy::cast_possible_truncation, reason = "at most SECTION_RECORDS_MAX records")]
    pub(crate) fn count(&self) -> u32 {
        self.tickets.len() as u32
    }

    /// Memory it holds, in bytes, whether used or not.
    fn kept_bytes(&self) -> usize {
        size_of::<Self>() + self.bytes.capacity() + self.tickets.kept_bytes()
    }

    fn sequence_end(&self) -> u64 {
        self.first_sequence + self.tickets.len() as u64
    }

    fn report(&mut self, error: &SendError, settled: &mut Settled) {
        if !self.reported {
            self.reported = true;
            settled.extend(&self.tickets, &Err(error.clone()));
        }
    }
}

/// One queue of a producer.
#[derive(Debug)]
pub(crate) struct Lane {
    /// The queue.
    pub(crate) queue: QueueId,
    /// Its owner.
    pub(crate) shard: ShardId,
    /// Being filled.
    pub(crate) open: Section,
    /// Its producer looks at it in each turn.
    pub(crate) is_listed: bool,
    sections: VecDeque<Section>,
    spare: Vec<Section>,
    spare_bytes: usize,
    sent_count: usize,
    next_sequence: u64,
    /// After the last sequence known to be accepted.
    accepted_end: u64,
    /// A sequence was given up before it was taken: numbers must close up before anything new leaves.
    hole: bool,
    /// A section with unknown fate was dropped: what follows may meet a gap.
    doubt: bool,
    retry_at_ns: u64,
    retries: u32,
    /// The no behind the present pause.
    postponed_by: Option<Refusal>,
}

impl Lane {
    /// An empty lane.
    pub(crate) fn new(queue: QueueId, shard: ShardId) -> Self {
        Self {
            queue,
            shard,
            open: Section::default(),
            is_listed: false,
            sections: VecDeque::new(),
            spare: Vec::new(),
            spare_bytes: 0,
            sent_count: 0,
            next_sequence: 0,
            accepted_end: 0,
            hole: false,
            doubt: false,
            retry_at_ns: 0,
            retries: 0,
            postponed_by: None,
        }
    }

    /// Closes the open section, if it has records.
    pub(crate) fn seal(&mut self) {
        if self.open.tickets.is_empty() {
            return;
        }
        write_checksums(&mut self.open.bytes);
        let fresh = self.spare.pop();
        self.spare_bytes -= fresh.as_ref().map_or(0, Section::kept_bytes);
        let mut section = std::mem::replace(&mut self.open, fresh.unwrap_or_default());
        section.first_sequence = self.next_sequence;
        self.next_sequence = section.sequence_end();
        self.sections.push_back(section);
    }

    /// Nothing sealed waits for anything.
    pub(crate) fn is_idle(&self) -> bool {
        self.sections.is_empty()
    }

    /// Nothing of it waits for anything, nor must its numbers close up: no turn needs to look at it.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.open.tickets.is_empty() && self.sections.is_empty() && !self.hole
    }

    /// Nothing is on the wire, and nothing must go there again under its old number.
    pub(crate) fn is_quiet(&self) -> bool {
        self.sent_count == 0 && !self.sections.iter().any(|section| section.doubtful)
    }

    /// The sections to be sent now, in order. `only_doubtful`: nothing new may leave in this epoch.
    pub(crate) fn sendable(&self, now_ns: u64, only_doubtful: bool) -> Option<usize> {
        let full = self.sent_count >= PRODUCER_SECTIONS_IN_FLIGHT_MAX;
        if full || now_ns < self.retry_at_ns || !self.has_unsent() {
            return None;
        }
        let blocked = only_doubtful || self.is_blocked();
        self.sections
            .iter()
            .position(|section| section.state == State::Queued && (section.doubtful || !blocked))
    }

    /// A section by its place.
    pub(crate) fn section(&self, index: usize) -> &Section {
        &self.sections[index]
    }

    /// Something sealed is not on the wire.
    pub(crate) fn has_unsent(&self) -> bool {
        self.sent_count < self.sections.len()
    }

    /// Whether the section on the wire under this id has this record, whose end nobody knows yet.
    pub(crate) fn awaits(&self, request_id: u64, ticket: Ticket) -> bool {
        let section = self.find_sent(request_id).map(|index| &self.sections[index]);
        section.is_some_and(|section| !section.reported && section.tickets.contains(ticket))
    }

    /// The section was put on the wire.
    pub(crate) fn sent(&mut self, index: usize, connection: usize, request_id: u64) {
        self.sections[index].state = State::Sent { connection, request_id };
        self.sent_count += 1;
    }

    /// The node accepted a section.
    pub(crate) fn accepted(
        &mut self,
        request_id: u64,
        receipt: Receipt,
        settled: &mut Settled,
    ) -> usize {
        let Some(section) = self.take_sent(request_id) else { return 0 };
        self.accepted_end = self.accepted_end.max(section.sequence_end());
        self.doubt = false;
        self.retries = 0;
        self.postponed_by = None;
        if !section.reported {
            settled.extend(&section.tickets, &Ok(receipt));
        }
        self.recycle(section)
    }

    /// A missing sequence before it: certainly not there. It will be sent again.
    pub(crate) fn refused_by_gap(&mut self, request_id: u64, settled: &mut Settled) -> usize {
        let Some(index) = self.settle_sent(request_id) else { return 0 };
        let section = &mut self.sections[index];
        section.state = State::Refused;
        section.doubtful = false;
        section.gap = true;
        self.drop_reported(index, settled)
    }

    /// The producer is not known there: certainly not taken now, but perhaps before.
    pub(crate) fn forgotten(&mut self, request_id: u64, settled: &mut Settled) -> usize {
        let Some(index) = self.settle_sent(request_id) else { return 0 };
        if self.sections[index].doubtful {
            let error = SendError::Unknown(UnknownCause::ProducerForgotten);
            return self.give_up(index, &error, settled);
        }
        self.sections[index].state = State::Refused;
        self.drop_reported(index, settled)
    }

    /// The node has no room at this moment: the same section goes again after a pause.
    pub(crate) fn postponed(
        &mut self,
        request_id: u64,
        refusal: Refusal,
        now_ns: u64,
        settled: &mut Settled,
    ) -> usize {
        let Some(index) = self.settle_sent(request_id) else { return 0 };
        let section = &mut self.sections[index];
        // In doubt it must keep its number; otherwise it may close up behind one that was given up.
        section.state = if section.doubtful { State::Queued } else { State::Refused };
        section.gap = false;
        let pause_ms = u64::from(refusal.retry_after_ms).max(1 << self.retries.min(8));
        self.retries += 1;
        self.retry_at_ns = now_ns.saturating_add(pause_ms * 1_000_000);
        self.postponed_by = Some(refusal);
        self.drop_reported(index, settled)
    }

    /// The node said no for good.
    pub(crate) fn refused(
        &mut self,
        request_id: u64,
        refusal: Refusal,
        settled: &mut Settled,
    ) -> usize {
        let Some(index) = self.settle_sent(request_id) else { return 0 };
        // An earlier attempt may have been taken: this no does not say.
        let error = if self.sections[index].doubtful {
            SendError::Unknown(UnknownCause::ConnectionLost)
        } else {
            SendError::Refused(refusal)
        };
        self.give_up(index, &error, settled)
    }

    /// A connection is gone. `again`: the node recognises what it saw before.
    pub(crate) fn lost(&mut self, connection: usize, again: bool, settled: &mut Settled) -> usize {
        let mut freed_bytes = 0;
        let mut index = 0;
        while index < self.sections.len() {
            let section = &mut self.sections[index];
            let here =
                matches!(section.state, State::Sent { connection: on, .. } if on == connection);
            if !here {
                index += 1;
                continue;
            }
            self.sent_count -= 1;
            section.state = State::Queued;
            section.doubtful = true;
            if again && !section.reported {
                index += 1;
                continue;
            }
            let error = SendError::Unknown(UnknownCause::ConnectionLost);
            freed_bytes += self.give_up(index, &error, settled);
        }
        freed_bytes
    }

    /// Ends every section whose deadline has come, and the open one.
    pub(crate) fn expire(&mut self, now_ns: u64, settled: &mut Settled) -> usize {
        let mut freed_bytes = 0;
        let mut index = 0;
        if !self.open.tickets.is_empty() && self.open.deadline_ns <= now_ns {
            self.seal();
        }
        while index < self.sections.len() {
            let section = &mut self.sections[index];
            let on_wire = matches!(section.state, State::Sent { .. });
            if section.deadline_ns > now_ns || (on_wire && section.reported) {
                index += 1;
            } else if on_wire {
                // Its answer may still come, and its sequence is taken until then.
                section.report(&SendError::Unknown(UnknownCause::TimedOut), settled);
                index += 1;
            } else {
                let error = if section.doubtful {
                    SendError::Unknown(UnknownCause::TimedOut)
                } else {
                    self.postponed_by.clone().map_or(SendError::NotSent, SendError::Refused)
                };
                freed_bytes += self.give_up(index, &error, settled);
            }
        }
        freed_bytes
    }

    /// The earliest time something is to be done here, monotonic.
    pub(crate) fn wake_ns(&self) -> u64 {
        let waiting = self.sections.iter().filter(|section| !section.reported);
        let open = (!self.open.tickets.is_empty()).then_some(self.open.deadline_ns);
        let deadline_ns = waiting.map(|section| section.deadline_ns).chain(open).min();
        let pauses = !self.sections.is_empty() && self.retry_at_ns > 0;
        let retry_ns = if pauses { self.retry_at_ns } else { u64::MAX };
        deadline_ns.unwrap_or(u64::MAX).min(retry_ns)
    }

    /// The pause after an overload is over.
    pub(crate) fn retry_due(&mut self, now_ns: u64) {
        if self.retry_at_ns <= now_ns {
            self.retry_at_ns = 0;
        }
    }

    /// Once all answers are in, closes the numbers up behind what was given up.
    /// True: that cannot be done in this epoch (invariant 3).
    pub(crate) fn close_up(&mut self) -> bool {
        if self.sent_count > 0 || !self.is_blocked() {
            return false;
        }
        if self.sections.iter().any(|section| section.doubtful) {
            return false; // its own answer comes first
        }
        let unexplained = self
            .sections
            .iter()
            .find(|section| section.state == State::Refused)
            .is_some_and(|first| first.gap && first.first_sequence == self.accepted_end);
        if self.doubt || unexplained {
            return true;
        }
        self.renumber(self.accepted_end);
        false
    }

    /// A new epoch: sequences start from 0. What is in doubt can no longer be recognised.
    pub(crate) fn restart(&mut self, settled: &mut Settled) -> usize {
        let mut freed_bytes = 0;
        while let Some(index) = self.sections.iter().position(|section| section.doubtful) {
            let error = SendError::Unknown(UnknownCause::ProducerForgotten);
            freed_bytes += self.give_up(index, &error, settled);
        }
        self.accepted_end = 0;
        self.doubt = false;
        self.renumber(0);
        freed_bytes
    }

    /// Ends everything: the producer can send no more.
    pub(crate) fn end(&mut self, refusal: &Refusal, settled: &mut Settled) -> usize {
        self.seal();
        let mut freed_bytes = 0;
        while let Some(section) = self.sections.front() {
            let sent = matches!(section.state, State::Sent { .. });
            let error = if section.doubtful || sent {
                SendError::Unknown(UnknownCause::ProducerForgotten)
            } else {
                SendError::Refused(refusal.clone())
            };
            freed_bytes += self.give_up(0, &error, settled);
        }
        self.sent_count = 0;
        freed_bytes
    }

    fn is_blocked(&self) -> bool {
        self.hole || self.sections.iter().any(|section| section.state == State::Refused)
    }

    fn renumber(&mut self, from: u64) {
        let mut sequence = from;
        for section in &mut self.sections {
            section.first_sequence = sequence;
            section.state = State::Queued;
            section.gap = false;
            sequence = section.sequence_end();
        }
        self.next_sequence = sequence;
        self.hole = false;
    }

    /// Drops a section that is not on the wire, reported once.
    fn give_up(&mut self, index: usize, error: &SendError, settled: &mut Settled) -> usize {
        let Some(mut section) = self.sections.remove(index) else { return 0 };
        section.report(error, settled);
        if section.doubtful {
            self.doubt = true;
        } else {
            self.hole = true;
        }
        self.recycle(section)
    }

    /// Off the wire and reported already: it is not sent again.
    fn drop_reported(&mut self, index: usize, settled: &mut Settled) -> usize {
        if !self.sections[index].reported {
            return 0;
        }
        self.give_up(index, &SendError::NotSent, settled)
    }

    fn find_sent(&self, request_id: u64) -> Option<usize> {
        self.sections.iter().position(|section| {
            matches!(section.state, State::Sent { request_id: of, .. } if of == request_id)
        })
    }

    /// Takes the section off the wire, in place.
    fn settle_sent(&mut self, request_id: u64) -> Option<usize> {
        let index = self.find_sent(request_id)?;
        self.sent_count -= 1;
        Some(index)
    }

    fn take_sent(&mut self, request_id: u64) -> Option<Section> {
        let index = self.settle_sent(request_id)?;
        self.sections.remove(index)
    }

    /// Keeps the section's memory for another one; returns how many bytes left the window.
    fn recycle(&mut self, mut section: Section) -> usize {
        let bytes = section.bytes.len();
        section.bytes.clear();
        section.tickets.clear();
        let kept_bytes = self.spare_bytes + section.kept_bytes();
        if kept_bytes <= SPARE_BYTES_MAX {
            self.spare_bytes = kept_bytes;
            let Section { bytes, tickets, .. } = section;
            self.spare.push(Section { bytes, tickets, ..Section::default() });
        }
        bytes
    }
}
