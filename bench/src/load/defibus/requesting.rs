//! Requesting: requesters, responders and the administrator as the load drives them.

use super::super::driver::{Answer, DriveError, ResponderEnd, SERVES_PER_TURN, SenderEnd};
use super::port::Expects;
use client::catalog::{Page, TopicSummary};
use client::{Admin, Asked, BeginError, NewRecord, Outcome, Requester, Responder};
use std::time::Duration;

/// Questions of an administrator in flight at most.
const ASKED_MAX: usize = 16;
/// Topics an administrator asks for at once.
const PAGE_TOPICS: u32 = 100;

/// A requester of one service.
#[derive(Debug)]
pub(super) struct Requesting {
    requester: Requester,
    expects: Expects,
    service: String,
    deadline: Duration,
}

impl Requesting {
    /// Asks a service; each request has so much time.
    pub(super) fn new(
        requester: Requester,
        expects: Expects,
        (service, deadline): (&str, Duration),
    ) -> Self {
        Self { requester, expects, service: service.to_owned(), deadline }
    }
}

impl SenderEnd for Requesting {
    fn send(&mut self, key: &[u8], body: &[u8]) -> Result<Option<u64>, DriveError> {
        let record = NewRecord::new(body).key(key);
        match self.requester.gather(&self.service, &record, self.deadline) {
            Ok(ticket) => {
                self.expects.more(1);
                Ok(Some(ticket.0))
            }
            Err(BeginError::TooManyOutstanding { .. }) => Ok(None),
            Err(error @ BeginError::RecordInvalid(_)) => Err(DriveError::Begin(error)),
        }
    }

    fn answers(&mut self, take: &mut dyn FnMut(u64, Answer<'_>)) -> Result<(), DriveError> {
        let mut count = 0;
        while let Some((ticket, outcome)) = self.requester.try_outcome() {
            count += 1;
            match outcome {
                Outcome::Reply(reply) => take(ticket.0, Answer::Reply(reply.body())),
                Outcome::Timeout(_)
                | Outcome::NoResponder
                | Outcome::CircuitOpen { .. }
                | Outcome::Overloaded { .. }
                | Outcome::Cancelled
                | Outcome::Unknown
                | Outcome::Refused(_) => take(ticket.0, Answer::Failed(outcome.name())),
            }
        }
        self.expects.fewer(count);
        Ok(())
    }
}

/// A responder that echoes.
#[derive(Debug)]
pub(super) struct Responding(Responder);

impl Responding {
    /// Serves.
    pub(super) const fn new(responder: Responder) -> Self {
        Self(responder)
    }
}

impl ResponderEnd for Responding {
    fn serve(&mut self) -> Result<usize, DriveError> {
        let mut count = 0;
        while count < SERVES_PER_TURN
            && let Some(call) = self.0.try_next()?
        {
            self.0.gather(&call, &NewRecord::new(call.body()))?;
            count += 1;
        }
        Ok(count)
    }
}

/// An administrator who asks for a page of topics.
#[derive(Debug)]
pub(super) struct Asking {
    admin: Admin,
    expects: Expects,
    next: u64,
    asked: Vec<(u64, Asked<Page<TopicSummary>>)>,
}

impl Asking {
    /// Asks.
    pub(super) fn new(admin: Admin, expects: Expects) -> Self {
        Self { admin, expects, next: 0, asked: Vec::with_capacity(ASKED_MAX) }
    }
}

impl SenderEnd for Asking {
    fn send(&mut self, _key: &[u8], _body: &[u8]) -> Result<Option<u64>, DriveError> {
        if self.asked.len() == ASKED_MAX {
            return Ok(None);
        }
        let ticket = self.next;
        self.next += 1;
        self.asked.push((ticket, self.admin.ask_topics("", PAGE_TOPICS)));
        self.expects.more(1);
        Ok(Some(ticket))
    }

    fn answers(&mut self, take: &mut dyn FnMut(u64, Answer<'_>)) -> Result<(), DriveError> {
        let before = self.asked.len();
        self.asked.retain_mut(|(ticket, asked)| match asked.try_answer() {
            None => true,
            Some(answer) => {
                take(*ticket, answer.map_or(Answer::Failed("refused"), |_| Answer::Done(1)));
                false
            }
        });
        self.expects.fewer(before - self.asked.len());
        Ok(())
    }
}
