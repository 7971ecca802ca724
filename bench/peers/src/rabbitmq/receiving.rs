//! Receiving: consumers of a group's queues, and responders.

use super::channel::Held;
use super::sending::{next, publish};
use crate::bridge::failed;
use amqprs::BasicProperties;
use amqprs::channel::{BasicAckArguments, BasicPublishArguments, ConsumerMessage};
use bench::load::driver::{DriveError, Incoming, ReceiverEnd, ResponderEnd, SERVES_PER_TURN};
use futures_util::FutureExt;
use std::fmt;
use tokio::sync::mpsc::UnboundedReceiver;

/// A consumer; it acknowledges the last message it took, and with it all before.
#[derive(Debug)]
pub(super) struct Consuming {
    held: Held,
    /// By queue.
    queues: Vec<UnboundedReceiver<ConsumerMessage>>,
    /// The last one taken and not acknowledged; numbers of deliveries are those of the channel.
    last: Option<u64>,
}

impl Consuming {
    /// Takes what comes from the queues of a group, all on one channel.
    pub(super) const fn new(held: Held, queues: Vec<UnboundedReceiver<ConsumerMessage>>) -> Self {
        Self { held, queues, last: None }
    }

    /// Only what was delivered before the last one may be acknowledged with it: nothing waits then.
    fn acknowledge(&mut self) -> Result<(), DriveError> {
        let Some(last) = self.last else { return Ok(()) };
        let acknowledge = self.held.channel().basic_ack(BasicAckArguments::new(last, true));
        if let Some(sent) = acknowledge.now_or_never() {
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
        let mut left = count_max;
        for (queue, messages) in self.queues.iter_mut().enumerate() {
            while left > 0
                && let Some(message) = next(messages)?
            {
                left -= 1;
                let Some((deliver, body)) = message.deliver.zip(message.content) else { continue };
                take(Incoming { queue, again: deliver.redelivered(), body: &body });
                self.last = self.last.max(Some(deliver.delivery_tag()));
            }
        }
        // With some left to take, every queue is empty, and the last one is the last of all.
        if left > 0 { self.acknowledge() } else { Ok(()) }
    }
}

/// A responder that echoes.
pub(super) struct Echoing {
    held: Held,
    requests: UnboundedReceiver<ConsumerMessage>,
    /// A request that was taken and whose reply the SDK had no room for.
    waiting: Option<ConsumerMessage>,
}

impl Echoing {
    /// Serves what comes to a queue.
    pub(super) const fn new(held: Held, requests: UnboundedReceiver<ConsumerMessage>) -> Self {
        Self { held, requests, waiting: None }
    }
}

impl fmt::Debug for Echoing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Echoing").field("held", &self.held).finish_non_exhaustive()
    }
}

impl ResponderEnd for Echoing {
    fn serve(&mut self) -> Result<usize, DriveError> {
        let mut count = 0;
        while count < SERVES_PER_TURN {
            let message = match self.waiting.take() {
                Some(message) => message,
                None => match next(&mut self.requests)? {
                    Some(message) => message,
                    None => break,
                },
            };
            if !reply(&self.held, &message)? {
                self.waiting = Some(message);
                break;
            }
            count += 1;
        }
        Ok(count)
    }
}

/// Answers a request with its own body; false: the SDK has no room.
fn reply(held: &Held, message: &ConsumerMessage) -> Result<bool, DriveError> {
    let asked = message.basic_properties.as_ref();
    let (Some(to), Some(body)) = (asked.and_then(|of| of.reply_to()), &message.content) else {
        return Ok(true); // nobody waits for it
    };
    let mut properties = BasicProperties::default();
    if let Some(id) = asked.and_then(|of| of.correlation_id()) {
        properties.with_correlation_id(id);
    }
    publish(held.channel(), properties, body, &BasicPublishArguments::new("", to))
}
