//! Sending: what publishes without an answer, and what waits for one: a stream's receipt or a service's reply.

use super::inbox::Inbox;
use crate::bridge::failed;
use crate::choice::Choice;
use async_nats::{Client, Message, PublishError, StatusCode, Subject};
use bench::load::driver::{Answer, DriveError, EndPlan, SenderEnd};
use bytes::Bytes;
use futures_util::FutureExt;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// The subject of each queue of a topic.
fn subjects(plan: &EndPlan<'_>) -> Vec<Subject> {
    (0..plan.queues.max(1)).map(|queue| format!("{}.{queue}", plan.topic).into()).collect()
}

/// What became of a publish that was polled once; `None`: the SDK has no room.
fn taken(polled: Option<Result<(), PublishError>>) -> Result<bool, DriveError> {
    match polled {
        None => Ok(false),
        Some(Ok(())) => Ok(true),
        Some(Err(error)) => Err(failed("publish", error)),
    }
}

/// A producer without acknowledgements: a message is done when the SDK has it.
#[derive(Debug)]
pub(super) struct Telling {
    client: Client,
    subjects: Vec<Subject>,
    choice: Choice,
    next: u64,
    /// The first ticket that was not handed over as done.
    done: u64,
}

impl Telling {
    /// Publishes to the subjects of the topic's queues.
    pub(super) fn new(client: Client, plan: &EndPlan<'_>) -> Self {
        let (subjects, choice) = (subjects(plan), Choice::among(plan.queues));
        Self { client, subjects, choice, next: 0, done: 0 }
    }
}

impl SenderEnd for Telling {
    fn send(&mut self, key: &[u8], body: &[u8]) -> Result<Option<u64>, DriveError> {
        let subject = self.subjects[self.choice.of(key)].clone();
        let publish = self.client.publish(subject, Bytes::copy_from_slice(body));
        if !taken(publish.now_or_never())? {
            return Ok(None);
        }
        self.choice.took();
        self.next += 1;
        Ok(Some(self.next - 1))
    }

    fn answers(&mut self, take: &mut dyn FnMut(u64, Answer<'_>)) -> Result<(), DriveError> {
        for ticket in self.done..self.next {
            take(ticket, Answer::Done(1));
        }
        self.done = self.next;
        Ok(())
    }
}

/// What an answer is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    /// A stream: a receipt.
    Stream,
    /// A responder: a body.
    Service,
}

/// A producer of a stream, or a requester: every message has an answer.
#[derive(Debug)]
pub(super) struct Asking {
    client: Client,
    inbox: Inbox,
    subjects: Vec<Subject>,
    choice: Choice,
    of: Of,
}

impl Asking {
    /// Publishes to the stream of a topic.
    pub(super) fn of_stream((client, inbox): (Client, Inbox), plan: &EndPlan<'_>) -> Self {
        let (subjects, choice) = (subjects(plan), Choice::among(plan.queues));
        Self { client, inbox, subjects, choice, of: Of::Stream }
    }

    /// Asks a service: its responders share the requests, whatever queues it has.
    pub(super) fn of_service((client, inbox): (Client, Inbox), plan: &EndPlan<'_>) -> Self {
        let subjects = vec![plan.topic.to_owned().into()];
        Self { client, inbox, subjects, choice: Choice::among(1), of: Of::Service }
    }
}

impl SenderEnd for Asking {
    fn send(&mut self, key: &[u8], body: &[u8]) -> Result<Option<u64>, DriveError> {
        let subject = self.subjects[self.choice.of(key)].clone();
        let (ticket, reply) = self.inbox.next();
        let body = Bytes::copy_from_slice(body);
        let publish = self.client.publish_with_reply(subject, reply, body);
        if !taken(publish.now_or_never())? {
            return Ok(None);
        }
        self.inbox.took();
        self.choice.took();
        Ok(Some(ticket))
    }

    fn answers(&mut self, take: &mut dyn FnMut(u64, Answer<'_>)) -> Result<(), DriveError> {
        while let Some((ticket, message)) = self.inbox.take() {
            take(ticket, answer(&message, self.of));
        }
        Ok(())
    }
}

fn answer(message: &Message, of: Of) -> Answer<'_> {
    if message.status == Some(StatusCode::NO_RESPONDERS) {
        return Answer::Failed("no responders");
    }
    match of {
        Of::Service => Answer::Reply(&message.payload),
        Of::Stream if is_receipt(&message.payload) => Answer::Done(1),
        Of::Stream => Answer::Failed("refused"),
    }
}

/// What a stream answers; the error has a code and words.
#[derive(Deserialize)]
struct Receipt {
    seq: Option<u64>,
    error: Option<IgnoredAny>,
}

fn is_receipt(payload: &[u8]) -> bool {
    let receipt: Result<Receipt, _> = serde_json::from_slice(payload);
    receipt.is_ok_and(|receipt| receipt.error.is_none() && receipt.seq.is_some())
}

#[cfg(test)]
mod tests {
    use super::is_receipt;

    #[test]
    fn only_a_sequence_is_a_receipt() {
        assert!(is_receipt(br#"{"stream":"a","seq":7}"#));
        assert!(!is_receipt(br#"{"error":{"code":503,"description":"x"},"stream":"a","seq":0}"#));
        assert!(!is_receipt(b""));
    }
}
