//! Sending: producers of streams, lists and channels, and requesters.

use super::calls;
use super::driver::STREAM_BYTES_MAX;
use super::feed::Feed;
use super::pipe::{Landed, Pipe};
use crate::bridge::failed;
use crate::choice::Choice;
use bench::load::driver::{Answer, DriveError, EndPlan, SenderEnd};
use redis::{Cmd, Value};

/// Where messages go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Destination {
    /// A stream that holds so many entries, or a few more.
    Stream {
        /// Entries.
        length_max: usize,
    },
    /// The end of a list.
    List,
    /// Everybody who listens.
    Channel,
}

impl Destination {
    /// A stream for messages of an end, within the memory a topic may take.
    pub(super) fn stream(plan: &EndPlan<'_>) -> Self {
        let length_max =
            STREAM_BYTES_MAX / plan.body_bytes.max(64) / usize::from(plan.queues.max(1));
        Self::Stream { length_max }
    }

    /// The command that sends `body`.
    pub(super) fn command(self, key: &[u8], body: &[u8]) -> Cmd {
        match self {
            Self::Stream { length_max } => {
                let mut command = redis::cmd("XADD");
                command.arg(key).arg("MAXLEN").arg("~").arg(length_max).arg("*").arg("b").arg(body);
                command
            }
            Self::List => pair("RPUSH", key, body),
            Self::Channel => pair("PUBLISH", key, body),
        }
    }
}

fn pair(name: &'static str, key: &[u8], body: &[u8]) -> Cmd {
    let mut command = redis::cmd(name);
    command.arg(key).arg(body);
    command
}

/// A producer; answers come in the order of messages.
#[derive(Debug)]
pub(super) struct Publishing {
    pipe: Pipe,
    into: Destination,
    keys: Vec<String>,
    choice: Choice,
    next: u64,
    /// The first ticket without an answer.
    answered: u64,
}

impl Publishing {
    /// Publishes to the keys of a topic's queues.
    pub(super) fn new(pipe: Pipe, into: Destination, keys: Vec<String>) -> Self {
        let choice = Choice::among(u16::try_from(keys.len()).unwrap_or(u16::MAX));
        Self { pipe, into, keys, choice, next: 0, answered: 0 }
    }
}

impl SenderEnd for Publishing {
    fn send(&mut self, key: &[u8], body: &[u8]) -> Result<Option<u64>, DriveError> {
        let key = &self.keys[self.choice.of(key)];
        self.pipe.add(self.into.command(key.as_bytes(), body));
        self.choice.took();
        self.next += 1;
        Ok(Some(self.next - 1))
    }

    fn answers(&mut self, take: &mut dyn FnMut(u64, Answer<'_>)) -> Result<(), DriveError> {
        while let Some(Landed { count, answers }) = self.pipe.landed() {
            let answers = answers.map_err(|error| failed("a publish", error))?;
            let mut answers = answers.iter();
            for _ in 0..count {
                let answer = match answers.next() {
                    Some(Value::ServerError(_)) | None => Answer::Failed("refused"),
                    Some(_) => Answer::Done(1),
                };
                take(self.answered, answer);
                self.answered += 1;
            }
        }
        Ok(())
    }
}

/// A requester: requests to one key, replies from another.
#[derive(Debug)]
pub(super) struct Requesting {
    pipe: Pipe,
    into: Destination,
    service: String,
    reply_key: String,
    replies: Feed,
    next: u64,
}

impl Requesting {
    /// Asks `service`; replies come to `reply_key`, which `replies` reads.
    pub(super) fn new(
        (pipe, into): (Pipe, Destination),
        (service, reply_key): (String, String),
        replies: Feed,
    ) -> Self {
        Self { pipe, into, service, reply_key, replies, next: 0 }
    }
}

impl SenderEnd for Requesting {
    fn send(&mut self, _key: &[u8], body: &[u8]) -> Result<Option<u64>, DriveError> {
        let request = calls::request(&self.reply_key, self.next, body);
        self.pipe.add(self.into.command(self.service.as_bytes(), &request));
        self.next += 1;
        Ok(Some(self.next - 1))
    }

    fn answers(&mut self, take: &mut dyn FnMut(u64, Answer<'_>)) -> Result<(), DriveError> {
        sent(&self.pipe)?;
        while let Some((_, bytes)) = self.replies.next()? {
            if let Some((ticket, body)) = calls::reply(&bytes) {
                take(ticket, Answer::Reply(body));
            }
        }
        Ok(())
    }
}

/// What was sent and needs no answer was taken.
pub(super) fn sent(pipe: &Pipe) -> Result<(), DriveError> {
    while let Some(Landed { answers, .. }) = pipe.landed() {
        let answers = answers.map_err(|error| failed("a request", error))?;
        if let Some(Value::ServerError(error)) =
            answers.iter().find(|answer| matches!(answer, Value::ServerError(_)))
        {
            return Err(failed("a request", format!("{error:?}")));
        }
    }
    Ok(())
}
