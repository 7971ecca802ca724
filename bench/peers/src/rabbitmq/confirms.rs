//! Confirms: what the server says of publishes: one number, or all up to it; in any order.

use amqprs::callbacks::ChannelCallback;
use amqprs::channel::Channel;
use amqprs::error::Error;
use amqprs::{Ack, BasicProperties, Cancel, CloseChannel, Nack, Return};
use async_trait::async_trait;
use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, Sender, channel};

/// A confirm as it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// The number of a publish on its channel, from 1.
    pub(super) tag: u64,
    /// It is about all before it, too.
    pub(super) all_before: bool,
    /// Whether it was kept.
    pub(super) is_kept: bool,
}

/// Publishes that have no confirm yet.
#[derive(Debug)]
pub(super) struct Confirms {
    told: Receiver<Told>,
    waiting: BTreeSet<u64>,
    next: u64,
}

impl Confirms {
    /// Of a new channel; the listener is to be registered with it.
    pub(super) fn new() -> (Self, Listener) {
        // At most what is in flight is under way.
        let (tell, told) = channel();
        (Self { told, waiting: BTreeSet::new(), next: 1 }, Listener(tell))
    }

    /// A publish leaves; returns its number.
    pub(super) fn sent(&mut self) -> u64 {
        let tag = self.next;
        self.next += 1;
        self.waiting.insert(tag);
        tag
    }

    /// Hands over every publish that was confirmed, and whether it was kept.
    pub(super) fn take(&mut self, mut take: impl FnMut(u64, bool)) {
        while let Ok(told) = self.told.try_recv() {
            if told.all_before {
                let later = self.waiting.split_off(&(told.tag + 1));
                let confirmed = std::mem::replace(&mut self.waiting, later);
                for tag in confirmed {
                    take(tag, told.is_kept);
                }
            } else if self.waiting.remove(&told.tag) {
                take(told.tag, told.is_kept);
            }
        }
    }
}

/// Hears confirms on a channel.
pub(super) struct Listener(Sender<Told>);

impl Listener {
    fn tell(&self, tag: u64, all_before: bool, is_kept: bool) {
        // Who is gone waits for nothing.
        let _ = self.0.send(Told { tag, all_before, is_kept });
    }
}

#[async_trait]
impl ChannelCallback for Listener {
    async fn close(&mut self, _: &Channel, _: CloseChannel) -> Result<(), Error> {
        Ok(())
    }

    async fn cancel(&mut self, _: &Channel, _: Cancel) -> Result<(), Error> {
        Ok(())
    }

    async fn flow(&mut self, _: &Channel, active: bool) -> Result<bool, Error> {
        Ok(active)
    }

    async fn publish_ack(&mut self, _: &Channel, ack: Ack) {
        self.tell(ack.delivery_tag(), ack.mutiple(), true);
    }

    async fn publish_nack(&mut self, _: &Channel, nack: Nack) {
        self.tell(nack.delivery_tag(), nack.multiple(), false);
    }

    async fn publish_return(&mut self, _: &Channel, _: Return, _: BasicProperties, _: Vec<u8>) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confirms_come_alone_or_for_all_before_and_count_once() {
        let (mut confirms, listener) = Confirms::new();
        for expected in 1..=5 {
            assert_eq!(confirms.sent(), expected);
        }
        let taken = |confirms: &mut Confirms| {
            let mut all = Vec::new();
            confirms.take(|tag, is_kept| all.push((tag, is_kept)));
            all
        };
        listener.tell(4, false, true);
        assert_eq!(taken(&mut confirms), [(4, true)]);
        listener.tell(3, true, true);
        listener.tell(4, false, true);
        assert_eq!(taken(&mut confirms), [(1, true), (2, true), (3, true)]);
        listener.tell(5, true, false);
        assert_eq!(taken(&mut confirms), [(5, false)]);
    }
}
