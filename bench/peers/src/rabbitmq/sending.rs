//! Sending: producers with publisher confirms, and requesters whose replies come to a queue that is none.

use super::channel::Held;
use super::confirms::Confirms;
use crate::bridge::failed;
use crate::choice::Choice;
use amqprs::BasicProperties;
use amqprs::channel::{BasicPublishArguments, Channel, ConsumerMessage};
use bench::load::driver::{Answer, DriveError, EndPlan, SenderEnd};
use futures_util::FutureExt;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::mpsc::error::TryRecvError;

/// The pseudo-queue whose messages come to the channel that asked, without a queue.
pub(super) const REPLY_TO: &str = "amq.rabbitmq.reply-to";

/// Publishes; false: the SDK has no room.
pub(super) fn publish(
    channel: &Channel,
    properties: BasicProperties,
    body: &[u8],
    to: &BasicPublishArguments,
) -> Result<bool, DriveError> {
    let publish = channel.basic_publish(properties, body.to_vec(), to.clone());
    match publish.now_or_never() {
        None => Ok(false),
        Some(Ok(())) => Ok(true),
        Some(Err(error)) => Err(failed("a publish", error)),
    }
}

/// The next message of a consumer that is there.
pub(super) fn next(
    messages: &mut UnboundedReceiver<ConsumerMessage>,
) -> Result<Option<ConsumerMessage>, DriveError> {
    match messages.try_recv() {
        Ok(message) => Ok(Some(message)),
        Err(TryRecvError::Empty) => Ok(None),
        Err(TryRecvError::Disconnected) => Err(failed("rabbitmq", "the connection is closed")),
    }
}

/// A producer.
#[derive(Debug)]
pub(super) struct Publishing {
    held: Held,
    confirms: Confirms,
    properties: BasicProperties,
    /// By queue.
    routes: Vec<BasicPublishArguments>,
    choice: Choice,
}

impl Publishing {
    /// Publishes to the exchange of a topic, by the number of the queue.
    pub(super) fn new(held: Held, confirms: Confirms, plan: &EndPlan<'_>, on_disk: bool) -> Self {
        let queues = 0..plan.queues.max(1);
        let route = |queue: u16| BasicPublishArguments::new(plan.topic, &queue.to_string());
        let properties = BasicProperties::default().with_persistence(on_disk).finish();
        let routes = queues.map(route).collect();
        Self { held, confirms, properties, routes, choice: Choice::among(plan.queues) }
    }
}

impl SenderEnd for Publishing {
    fn send(&mut self, key: &[u8], body: &[u8]) -> Result<Option<u64>, DriveError> {
        let route = &self.routes[self.choice.of(key)];
        if !publish(self.held.channel(), self.properties.clone(), body, route)? {
            return Ok(None);
        }
        self.choice.took();
        Ok(Some(self.confirms.sent()))
    }

    fn answers(&mut self, take: &mut dyn FnMut(u64, Answer<'_>)) -> Result<(), DriveError> {
        self.confirms.take(|tag, is_kept| {
            take(tag, if is_kept { Answer::Done(1) } else { Answer::Failed("refused") });
        });
        Ok(())
    }
}

/// A requester.
#[derive(Debug)]
pub(super) struct Requesting {
    held: Held,
    replies: UnboundedReceiver<ConsumerMessage>,
    to: BasicPublishArguments,
    next: u64,
}

impl Requesting {
    /// Asks `service`, on the channel that consumes `replies`.
    pub(super) fn new(
        held: Held,
        replies: UnboundedReceiver<ConsumerMessage>,
        service: &str,
    ) -> Self {
        Self { held, replies, to: BasicPublishArguments::new("", service), next: 0 }
    }
}

impl SenderEnd for Requesting {
    fn send(&mut self, _key: &[u8], body: &[u8]) -> Result<Option<u64>, DriveError> {
        let mut properties = BasicProperties::default();
        properties.with_reply_to(REPLY_TO).with_correlation_id(&self.next.to_string());
        if !publish(self.held.channel(), properties, body, &self.to)? {
            return Ok(None);
        }
        self.next += 1;
        Ok(Some(self.next - 1))
    }

    fn answers(&mut self, take: &mut dyn FnMut(u64, Answer<'_>)) -> Result<(), DriveError> {
        while let Some(message) = next(&mut self.replies)? {
            let properties = message.basic_properties.as_ref();
            let ticket = properties.and_then(|of| of.correlation_id()?.parse().ok());
            if let (Some(ticket), Some(body)) = (ticket, &message.content) {
                take(ticket, Answer::Reply(body));
            }
        }
        Ok(())
    }
}
