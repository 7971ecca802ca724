//! Requesting: the frames of requests. A request leaves at most once; its question closes at most once.

use super::Session;
use super::links::Target;
use super::pending::{Owner, Question};
use super::producer::encode_single;
use super::requester::{RequesterState, Unsent};
use crate::clock::nanoseconds;
use crate::config::RequesterConfig;
use crate::error::{BeginError, Refusal};
use crate::outcome::{Outcome, Reply, RequestTicket, TimeoutStage};
use crate::placement::Choice;
use crate::record::{NewRecord, RecordView};
use crate::session::inbox::Taken;
use std::time::Duration;
use wire::table::{Cancel, CancelArgs, Outcome as OutcomeTable, OutcomeKind, Request, RequestArgs};
use wire::{DecodeError, ErrorCode, FrameWriter, Kind, QueueId, ShardId};

/// A request on its way out, borrowed.
#[derive(Clone, Copy, Debug)]
struct Leaving<'a> {
    request_id: u64,
    service: &'a str,
    choice: Choice,
    deadline_ns: u64,
    section: &'a [u8],
}

impl Session {
    /// Adds a requester.
    pub(crate) fn add_requester(&mut self, config: RequesterConfig) -> usize {
        self.requesters.insert(RequesterState::new(config))
    }

    /// A requester, to take outcomes from.
    pub(crate) fn requester(&mut self, key: usize) -> Option<&mut RequesterState> {
        self.requesters.get_mut(key)
    }

    /// Nobody waits for this requester's outcomes any more.
    pub(crate) fn remove_requester(&mut self, key: usize) {
        self.requesters.remove(key);
    }

    /// Begins a request: on the wire at once if route and connection are there.
    pub(crate) fn begin_request(
        &mut self,
        key: usize,
        service: &str,
        record: &NewRecord<'_>,
        time: Duration,
    ) -> Result<RequestTicket, BeginError> {
        let full = |outstanding_max| BeginError::TooManyOutstanding { outstanding_max };
        let record_bytes_max = self.node.record_bytes_max;
        let Some(requester) = self.requesters.get_mut(key) else { return Err(full(0)) };
        if !requester.has_room() {
            return Err(full(requester.config.outstanding_max));
        }
        encode_single(
            &mut self.section,
            &mut self.properties,
            record,
            self.now.wall_ns,
            record_bytes_max,
        )
        .map_err(BeginError::RecordInvalid)?;
        let deadline_ns = self.now.mono_ns.saturating_add(nanoseconds(time));
        let question = Question { owner: Owner::Request(key), connection: None, deadline_ns };
        let request_id = self.pending.insert(question).ok_or(full(super::pending::PENDING_MAX))?;
        requester.began(request_id, self.now.mono_ns);
        self.wake_at(deadline_ns);
        let choice = Choice::of(record);
        if self.requesters.get(key).is_some_and(|requester| requester.unsent.is_empty()) {
            let section = std::mem::take(&mut self.section);
            let leaving = Leaving { request_id, service, choice, deadline_ns, section: &section };
            let gone = self.send_request(key, leaving);
            self.section = section;
            if gone {
                return Ok(RequestTicket(request_id));
            }
        }
        let unsent = Unsent {
            request_id,
            service: service.to_owned(),
            choice,
            deadline_ns,
            section: self.section.clone(),
        };
        if let Some(requester) = self.requesters.get_mut(key) {
            requester.unsent.push_back(unsent);
        }
        Ok(RequestTicket(request_id))
    }

    /// Asks the node to end a request; one that did not leave yet ends here.
    pub(crate) fn cancel_request(&mut self, key: usize, ticket: RequestTicket) {
        let RequestTicket(request) = ticket;
        let Some(question) = self.pending.get_mut(request).copied() else { return };
        if question.owner != Owner::Request(key) {
            return;
        }
        if let Some(index) = question.connection {
            let outbox = self.connections[index].outbox();
            self.writer.write(outbox, Kind::Cancel, 0, &[], |builder| {
                Cancel::create(builder, &CancelArgs { request })
            });
        } else {
            self.pending.remove(request);
            self.request_ended(key, request, Outcome::Cancelled);
        }
    }

    /// Nobody waits for this request's outcome any more: it is cancelled, and nothing of it comes.
    #[cfg(any(feature = "tokio", feature = "glommio"))]
    pub(crate) fn abandon_request(&mut self, key: usize, ticket: RequestTicket) {
        self.cancel_request(key, ticket);
        let still_open = self.pending.remove(ticket.0).is_some();
        let Some(requester) = self.requesters.get_mut(key) else { return };
        if still_open {
            requester.abandoned(ticket);
        } else {
            requester.take_outcome(ticket);
        }
    }

    /// Sends the requests that wait, each requester's in order.
    pub(super) fn request_all(&mut self) {
        let mut from = 0;
        while let Some(key) = self.requesters.key_from(from) {
            from = key + 1;
            while let Some(requester) = self.requesters.get_mut(key)
                && let Some(unsent) = requester.unsent.pop_front()
            {
                let leaving = Leaving {
                    request_id: unsent.request_id,
                    service: &unsent.service,
                    choice: unsent.choice,
                    deadline_ns: unsent.deadline_ns,
                    section: &unsent.section,
                };
                let gone = self.pending.get_mut(unsent.request_id).is_none()
                    || self.send_request(key, leaving);
                if gone {
                    continue;
                }
                if let Some(requester) = self.requesters.get_mut(key) {
                    requester.unsent.push_front(unsent);
                }
                break;
            }
        }
    }

    /// Puts a request on the wire. False: its route or its connection is not there yet.
    fn send_request(&mut self, key: usize, leaving: Leaving<'_>) -> bool {
        let Leaving { request_id, service, choice, deadline_ns, section } = leaving;
        let Some(time_left_ns) = deadline_ns.checked_sub(self.now.mono_ns) else { return false };
        let Some(requester) = self.requesters.get_mut(key) else { return true };
        let Some(queues) = self.routes.queues(service) else { return false };
        let chosen = choose(queues, choice, requester.turn);
        let Some((queue, shard)) = chosen else {
            self.pending.remove(request_id);
            self.request_ended(key, request_id, no_such_queue(choice));
            return true;
        };
        let grace_ns = nanoseconds(requester.config.grace);
        let Some(index) = self.open_place(Target::Shard(shard)) else { return false };
        let mut traced = false;
        if let Some(requester) = self.requesters.get_mut(key) {
            requester.turn = requester.turn.wrapping_add(1);
            if let Some(tracing) = requester.tracing_of(request_id) {
                tracing.sent(self.now.mono_ns);
                traced = self.node.traces;
            }
        }
        if let Some(question) = self.pending.get_mut(request_id) {
            question.connection = Some(index);
            question.deadline_ns = deadline_ns.saturating_add(grace_ns);
        }
        let arguments = RequestArgs { queue: queue.0, time_left_us: time_left_ns.div_ceil(1000) };
        let outbox = self.connections[index].outbox();
        let start = outbox.len();
        self.writer.write(outbox, Kind::Request, request_id, &[section], |builder| {
            Request::create(builder, &arguments)
        });
        if traced {
            FrameWriter::mark_traced(&mut outbox[start..]);
        }
        true
    }

    /// A request ended; its question is closed already.
    pub(super) fn request_ended(&mut self, key: usize, request_id: u64, outcome: Outcome) {
        if let Some(requester) = self.requesters.get_mut(key) {
            requester.ended(request_id, outcome);
        }
    }

    pub(super) fn request_expired(&mut self, key: usize, request_id: u64, was_sent: bool) {
        let stage = if was_sent { TimeoutStage::NoAnswer } else { TimeoutStage::NotSent };
        self.request_ended(key, request_id, Outcome::Timeout(stage));
    }

    pub(super) fn request_refused(&mut self, key: usize, request_id: u64, refusal: Refusal) {
        let stale = matches!(refusal.code, ErrorCode::UnknownQueue | ErrorCode::UnknownTopic);
        if stale {
            self.routes.forget_all(); // which service it was is not kept; routes are cheap to ask for
        }
        self.request_ended(key, request_id, Outcome::Refused(refusal));
    }

    /// The node's word on how a request ended.
    pub(super) fn request_answered(
        &mut self,
        key: usize,
        request_id: u64,
        taken: &Taken,
    ) -> Result<(), DecodeError> {
        let outcome = read_outcome(taken);
        if let Some(tracing) =
            self.requesters.get_mut(key).and_then(|requester| requester.tracing_of(request_id))
        {
            tracing.answered(self.now.mono_ns);
        }
        let result = outcome.as_ref().map(|_| ()).map_err(|error| *error);
        self.request_ended(key, request_id, outcome.unwrap_or(Outcome::Unknown));
        result
    }
}

fn choose(
    queues: &[(QueueId, ShardId)],
    choice: Choice,
    turn: usize,
) -> Option<(QueueId, ShardId)> {
    let queue_count = u16::try_from(queues.len()).unwrap_or(u16::MAX);
    let number = choice.queue(queue_count, turn)?;
    queues.get(usize::from(number)).copied()
}

fn no_such_queue(choice: Choice) -> Outcome {
    let observed = match choice {
        Choice::Number(number) => u64::from(number),
        Choice::Hash(_) | Choice::Turn => 0,
    };
    let message = "the service has no such queue".to_owned();
    let code = ErrorCode::UnknownQueue;
    Outcome::Refused(Refusal { code, message, observed, limit: 0, retry_after_ms: 0 })
}

fn read_outcome(taken: &Taken) -> Result<Outcome, DecodeError> {
    let frame = taken.frame();
    let table = frame.read::<OutcomeTable<'_>>()?;
    let (observed, limit) = (table.observed(), table.limit());
    Ok(match table.kind() {
        OutcomeKind::Reply => {
            let record =
                RecordView::split_from(&mut taken.section()).map_err(|_| DecodeError::Body)?;
            let (queue_us, service_us) = (table.queue_us(), table.service_us());
            Outcome::Reply(Reply { record, queue_us, service_us })
        }
        OutcomeKind::TimeoutInQueue => Outcome::Timeout(TimeoutStage::InQueue),
        OutcomeKind::TimeoutInService => Outcome::Timeout(TimeoutStage::InService),
        OutcomeKind::NoResponder => Outcome::NoResponder,
        OutcomeKind::CircuitOpen => Outcome::CircuitOpen { observed, limit },
        OutcomeKind::Overloaded => Outcome::Overloaded { observed, limit },
        OutcomeKind::Cancelled => Outcome::Cancelled,
        _ => Outcome::Unknown, // told so, or a kind newer than we are
    })
}
