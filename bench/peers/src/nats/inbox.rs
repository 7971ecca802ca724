//! Inbox: answers by ticket: a subject of one's own for each message, under one subscription.
//!
//! As the SDK's own requests, less a channel and a timer for each.

use async_nats::{Client, Message, Subscriber};
use futures_util::{FutureExt, StreamExt};

/// Where the answers of one end come to.
#[derive(Debug)]
pub(super) struct Inbox {
    /// Ends with a dot; a ticket follows.
    prefix: String,
    subscriber: Subscriber,
    next: u64,
}

impl Inbox {
    /// Opens one.
    pub(super) async fn open(client: &Client) -> Result<Self, async_nats::SubscribeError> {
        let prefix = format!("{}.", client.new_inbox());
        let subscriber = client.subscribe(format!("{prefix}*")).await?;
        Ok(Self { prefix, subscriber, next: 0 })
    }

    /// The next ticket and the subject of its answer.
    pub(super) fn next(&self) -> (u64, String) {
        (self.next, format!("{}{}", self.prefix, self.next))
    }

    /// The ticket is given away.
    pub(super) const fn took(&mut self) {
        self.next += 1;
    }

    /// The next answer that came; `None`: none is there.
    pub(super) fn take(&mut self) -> Option<(u64, Message)> {
        loop {
            let message = self.subscriber.next().now_or_never()??;
            // What is no answer of ours is nobody's here.
            if let Some(ticket) = ticket_of(&self.prefix, message.subject.as_str()) {
                return Some((ticket, message));
            }
        }
    }
}

fn ticket_of(prefix: &str, subject: &str) -> Option<u64> {
    subject.strip_prefix(prefix)?.parse().ok()
}

/// Waits until the server has done all that `client` asked of it before: a message to oneself is there.
pub(super) async fn settle(client: &Client) -> Result<(), String> {
    let subject = client.new_inbox();
    let opening = client.subscribe(subject.clone()).await;
    let mut subscriber = opening.map_err(|error| error.to_string())?;
    client.publish(subject, bytes::Bytes::new()).await.map_err(|error| error.to_string())?;
    subscriber.next().await.map(|_| ()).ok_or_else(|| "the connection is closed".to_owned())
}

#[cfg(test)]
mod tests {
    use super::ticket_of;

    #[test]
    fn only_own_tickets_are_answers() {
        assert_eq!(ticket_of("_INBOX.a.", "_INBOX.a.17"), Some(17));
        assert_eq!(ticket_of("_INBOX.a.", "_INBOX.b.17"), None);
        assert_eq!(ticket_of("_INBOX.a.", "_INBOX.a.x"), None);
    }
}
