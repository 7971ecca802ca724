//! Receiving: consumers of core NATS and of streams, and responders.

use crate::bridge::failed;
use async_nats::{Client, Message, Subject, Subscriber};
use bench::load::driver::{DriveError, Incoming, ReceiverEnd, ResponderEnd, SERVES_PER_TURN};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};

/// What acknowledges a message, and under `ack=all` every one before it.
const ACK: Bytes = Bytes::from_static(b"+ACK");

/// The next message of a subscription that is there.
fn next(subscriber: &mut Subscriber) -> Result<Option<Message>, DriveError> {
    match subscriber.next().now_or_never() {
        None => Ok(None),
        Some(Some(message)) => Ok(Some(message)),
        Some(None) => Err(failed("nats-server", "the connection is closed")),
    }
}

/// A consumer; of a stream it acknowledges the last message it took.
#[derive(Debug)]
pub(super) struct Consuming {
    client: Client,
    subscriber: Subscriber,
    /// Where the last message is acknowledged, until the SDK takes it.
    last: Option<Subject>,
}

impl Consuming {
    /// Takes what comes to a subscription.
    pub(super) const fn new(client: Client, subscriber: Subscriber) -> Self {
        Self { client, subscriber, last: None }
    }

    fn acknowledge(&mut self) -> Result<(), DriveError> {
        let Some(last) = self.last.clone() else { return Ok(()) };
        if let Some(sent) = self.client.publish(last, ACK).now_or_never() {
            sent.map_err(|error| failed("an acknowledgement", error))?;
            self.last = None;
        }
        Ok(())
    }
}

impl ReceiverEnd for Consuming {
    fn receive(
        &mut self,
        count_max: usize,
        take: &mut dyn FnMut(Incoming<'_>),
    ) -> Result<(), DriveError> {
        for _ in 0..count_max {
            let Some(message) = next(&mut self.subscriber)? else { break };
            let again = message.reply.as_deref().is_some_and(|reply| attempt_of(reply) > 1);
            take(Incoming { queue: queue_of(&message.subject), again, body: &message.payload });
            self.last = message.reply.or(self.last.take());
        }
        self.acknowledge()
    }
}

/// `topic.3`.
fn queue_of(subject: &str) -> usize {
    subject.rsplit_once('.').and_then(|(_, queue)| queue.parse().ok()).unwrap_or(usize::MAX)
}

/// Which delivery it is, by the place a stream wants its acknowledgement at:
/// `$JS.ACK.stream.consumer.delivered. ...`, with two more words in front of the stream where there are domains.
fn attempt_of(reply: &str) -> u64 {
    let words = reply.split('.').count();
    let place = if words >= 11 { 6 } else { 4 };
    reply.split('.').nth(place).and_then(|word| word.parse().ok()).unwrap_or(1)
}

/// A responder that echoes.
#[derive(Debug)]
pub(super) struct Echoing {
    client: Client,
    subscriber: Subscriber,
    /// A request that was taken and whose reply the SDK had no room for.
    waiting: Option<(Subject, Bytes)>,
}

impl Echoing {
    /// Serves what comes to a subscription.
    pub(super) const fn new(client: Client, subscriber: Subscriber) -> Self {
        Self { client, subscriber, waiting: None }
    }
}

impl ResponderEnd for Echoing {
    fn serve(&mut self) -> Result<usize, DriveError> {
        let mut count = 0;
        while count < SERVES_PER_TURN {
            if self.waiting.is_none() {
                let Some(message) = next(&mut self.subscriber)? else { break };
                self.waiting = message.reply.map(|reply| (reply, message.payload));
            }
            let Some((reply, body)) = self.waiting.clone() else { continue };
            let Some(sent) = self.client.publish(reply, body).now_or_never() else { break };
            sent.map_err(|error| failed("a reply", error))?;
            self.waiting = None;
            count += 1;
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_tells_its_queue_and_its_attempt() {
        assert_eq!(queue_of("bench-1-0.12"), 12);
        assert_eq!(attempt_of("$JS.ACK.bench-1-0.group.2.40.41.1700000000000000000.5"), 2);
        assert_eq!(attempt_of("$JS.ACK.domain.hash.bench-1-0.group.3.40.41.17.5.token"), 3);
        assert_eq!(attempt_of("_INBOX.a.b"), 1);
    }
}
