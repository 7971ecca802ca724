//! Dispatch: every frame that comes, sent to whom it is for. What cannot be read ends the connection.

use super::pending::{Owner, Question};
use super::{HOME, Session};
use crate::error::{ConnectError, Refusal};
use crate::session::inbox::Taken;
use wire::table::{Error, Goodbye, Trace};
use wire::{DecodeError, ErrorCode, Kind};

/// Frames kept for members and responders that are not known yet.
const EARLY_MAX: usize = 4096;

impl Session {
    /// Takes one frame.
    pub(super) fn dispatch(&mut self, index: usize, taken: &Taken) {
        let Some(kind) = taken.kind() else { return }; // newer than we are: not asked for, not needed
        let understood = match kind {
            Kind::Ping => {
                let request_id = taken.request_id();
                self.writer.write_bare(self.connections[index].outbox(), Kind::Pong, request_id);
                Ok(())
            }
            Kind::Pong => Ok(()),
            Kind::Goodbye => self.goodbye(index, taken),
            Kind::Error => self.refused(index, taken),
            Kind::Assigned => self.assigned(taken),
            Kind::Revoked => self.revoked(taken),
            Kind::Deliver => self.delivered(taken),
            Kind::Call => self.called(taken),
            Kind::Trace => self.traced(taken),
            Kind::Welcome
            | Kind::Done
            | Kind::TopicInfo
            | Kind::TopicListing
            | Kind::RouteInfo
            | Kind::ProducerOpened
            | Kind::Receipt
            | Kind::Subscribed
            | Kind::Fetched
            | Kind::OffsetsInfo
            | Kind::GroupListing
            | Kind::GroupInfo
            | Kind::Served
            | Kind::Outcome
            | Kind::ReplyResult
            | Kind::StatsInfo => self.answered(index, kind, taken),
            Kind::Hello
            | Kind::TopicCreate
            | Kind::TopicAlter
            | Kind::TopicDelete
            | Kind::TopicDescribe
            | Kind::TopicList
            | Kind::Route
            | Kind::ProducerOpen
            | Kind::Publish
            | Kind::Subscribe
            | Kind::Credit
            | Kind::Ack
            | Kind::Nack
            | Kind::Commit
            | Kind::Unsubscribe
            | Kind::Fetch
            | Kind::Offsets
            | Kind::OffsetsReset
            | Kind::GroupList
            | Kind::GroupDescribe
            | Kind::Serve
            | Kind::Request
            | Kind::Reply
            | Kind::Cancel
            | Kind::Unserve
            | Kind::Stats => Err(DecodeError::Body), // only clients send these
        };
        if understood.is_err() {
            self.lost(index);
        }
    }

    /// A frame for a member nobody knows. Shards speak for themselves: what a queue's shard sends
    /// may overtake the answer to the subscription, and is kept until that came.
    pub(super) fn keep_early(&mut self, taken: &Taken) {
        let asked = self.consumers.iter_mut().any(|(_, consumer)| consumer.is_asked())
            || self.responders.iter_mut().any(|(_, responder)| responder.is_asked());
        if asked && self.early.len() < EARLY_MAX {
            self.early.push(taken.clone());
        } else {
            self.late_count += 1;
        }
    }

    /// A subscription or registration was answered: what came early may be for it.
    pub(super) fn take_early(&mut self) {
        for taken in std::mem::take(&mut self.early) {
            self.dispatch(HOME, &taken);
        }
    }

    /// An answer: closes its question. One whose question is closed already is late.
    fn answered(&mut self, index: usize, kind: Kind, taken: &Taken) -> Result<(), DecodeError> {
        let request_id = taken.request_id();
        let Some(question) = self.pending.remove(request_id) else {
            self.late_count += 1;
            return Ok(());
        };
        match (question.owner, kind) {
            (Owner::Call(key), _) => {
                self.call_answered(key, Ok(taken.clone()));
                Ok(())
            }
            (Owner::Hello, Kind::Welcome) => self.welcomed(index, taken),
            (Owner::Route, Kind::RouteInfo) => self.routed(request_id, taken),
            (Owner::ProducerOpen(key), Kind::ProducerOpened) => self.producer_opened(key, taken),
            (Owner::Publish(key, lane), Kind::Receipt) => {
                self.accepted(key, lane, request_id, taken)
            }
            (Owner::Subscribe(key), Kind::Subscribed) => self.subscribed(key, taken),
            (Owner::Serve(key), Kind::Served) => self.served(key, taken),
            (Owner::Request(key), Kind::Outcome) => self.request_answered(key, request_id, taken),
            (owner, _) => {
                // Not an answer to this question. The connection ends; so does what waits on it.
                self.reopen(request_id, owner, index);
                Err(DecodeError::Body)
            }
        }
    }

    /// Where the time of a message went, right before its answer.
    fn traced(&mut self, taken: &Taken) -> Result<(), DecodeError> {
        let frame = taken.frame();
        let marks = frame.read::<Trace<'_>>()?.marks();
        let owner = self.pending.get_mut(taken.request_id()).map(|question| question.owner);
        let tracing = match owner {
            Some(Owner::Request(key)) => self
                .requesters
                .get_mut(key)
                .and_then(|requester| requester.tracing_of(taken.request_id())),
            Some(Owner::Publish(key, _)) => {
                self.producers.get_mut(key).and_then(|producer| producer.tracing.as_mut())
            }
            _ => None,
        };
        match tracing {
            Some(tracing) => tracing.told(marks.iter().flatten()),
            None => self.late_count += 1,
        }
        Ok(())
    }

    /// Puts a question back, so that the loss of its connection ends it.
    fn reopen(&mut self, request_id: u64, owner: Owner, index: usize) {
        if let Owner::Request(key) = owner {
            self.request_ended(key, request_id, crate::outcome::Outcome::Unknown);
            return;
        }
        let question = Question { owner, connection: Some(index), deadline_ns: u64::MAX };
        self.pending.insert(question);
    }

    /// An error: answers the question it names, or is about the connection.
    fn refused(&mut self, index: usize, taken: &Taken) -> Result<(), DecodeError> {
        let frame = taken.frame();
        let refusal = read_refusal(frame.read::<Error<'_>>()?);
        let request_id = taken.request_id();
        let question = self.pending.remove(request_id);
        match question.map(|question| question.owner) {
            None if request_id == 0 => {
                if index == HOME {
                    self.failure = Some(ConnectError::Refused(refusal));
                }
            }
            None => self.late_count += 1,
            Some(Owner::Hello) => {
                if index == HOME {
                    self.failure = Some(ConnectError::Refused(refusal));
                }
                self.lost(index);
            }
            Some(Owner::Call(key)) => self.call_refused(key, refusal),
            Some(Owner::Route) => self.not_routed(request_id, &refusal),
            Some(Owner::ProducerOpen(key)) => self.producer_not_opened(key, refusal),
            Some(Owner::Publish(key, lane)) => self.not_accepted(key, lane, request_id, refusal),
            Some(Owner::Subscribe(key)) => self.not_subscribed(key, refusal),
            Some(Owner::Serve(key)) => self.not_served(key, refusal),
            Some(Owner::Request(key)) => self.request_refused(key, request_id, refusal),
        }
        Ok(())
    }

    /// The node's last word on a connection.
    fn goodbye(&mut self, index: usize, taken: &Taken) -> Result<(), DecodeError> {
        let frame = taken.frame();
        let goodbye = frame.read::<Goodbye<'_>>()?;
        if index == HOME {
            let message = goodbye.message().unwrap_or_default().to_owned();
            let code = ErrorCode::from_number(goodbye.code()).unwrap_or(ErrorCode::ShuttingDown);
            let refusal = Refusal { code, message, observed: 0, limit: 0, retry_after_ms: 0 };
            self.failure = Some(ConnectError::Refused(refusal));
        }
        self.lost(index);
        Ok(())
    }
}

/// The refusal in an error frame. A number we do not know is named in the message.
fn read_refusal(error: Error<'_>) -> Refusal {
    let words = error.message().unwrap_or_default();
    let (code, message) = match ErrorCode::from_number(error.code()) {
        Some(code) => (code, words.to_owned()),
        None => (ErrorCode::Internal, format!("BUS-E{:04X}: {words}", error.code())),
    };
    Refusal {
        code,
        message,
        observed: error.observed(),
        limit: error.limit(),
        retry_after_ms: error.retry_after_ms(),
    }
}
