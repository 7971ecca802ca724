//! Consumer: one member of one group on one topic; takes messages and says what became of them.

use super::Shared;
use crate::config::ConsumerConfig;
use crate::delivery::{Item, Place};
use crate::error::{CallError, ConsumeError, LeaseOver};
use std::time::Duration;
use wire::QueueId;

/// Takes messages of one topic for one group.
///
/// Acknowledgements gather and leave with the next call that touches the network;
/// losing one means a second delivery, never a loss. After a broken connection the
/// consumer subscribes again by itself, and forgets what it had not handed out.
#[derive(Debug)]
pub struct Consumer {
    driver: Shared,
    key: usize,
}

impl Consumer {
    pub(super) fn open(driver: Shared, config: ConsumerConfig) -> Result<Self, CallError> {
        let mut lent = driver.borrow_mut();
        let key = lent.session.add_consumer(config);
        let opened = lent.opened(|session| session.consumer_ready(key));
        if let Err(error) = opened {
            lent.session.remove_consumer(key);
            return Err(error);
        }
        drop(lent);
        Ok(Self { driver, key })
    }

    /// The next message or notice; waits at most `wait`. `None`: nothing came.
    pub fn next(&mut self, wait: Duration) -> Result<Option<Item>, ConsumeError> {
        let mut driver = self.driver.borrow_mut();
        let until_ns = driver.after(wait);
        driver.wait_for(until_ns, |session| session.next_item(self.key)).transpose()
    }

    /// As `next`, of what is there already: moves no bytes and reads no clock.
    pub fn try_next(&mut self) -> Result<Option<Item>, ConsumeError> {
        self.driver.borrow_mut().session.next_item(self.key).transpose()
    }

    /// This message is consumed (`message.place`).
    pub fn ack(&mut self, place: Place) -> Result<(), LeaseOver> {
        self.driver.borrow_mut().session.ack(self.key, place)
    }

    /// This message could not be consumed: it comes again after 1 s x 2^attempt, at most 60 s.
    pub fn nack(&mut self, place: Place) -> Result<(), LeaseOver> {
        self.driver.borrow_mut().session.nack(self.key, place)
    }

    /// This message and everything below it in its queue is consumed.
    pub fn commit(&mut self, place: Place) -> Result<(), LeaseOver> {
        self.driver.borrow_mut().session.commit(self.key, place)
    }

    /// Sends the gathered acknowledgements and waits for the node's word that it has them.
    pub fn flush(&mut self) -> Result<(), CallError> {
        let mut driver = self.driver.borrow_mut();
        let deadline_ns = driver.call_deadline_ns();
        let calls = driver.session.confirm(self.key, deadline_ns);
        let mut result = Ok(());
        for call in calls {
            let answer = driver.answer(call);
            result = result.and(answer.map(|_| ()));
        }
        result
    }

    /// The queues this member holds leases of.
    pub fn assignments(&self) -> Vec<QueueId> {
        self.driver.borrow().session.assignments(self.key)
    }

    /// Flushes, leaves the group and waits for the node's word. Dropping leaves without waiting.
    pub fn close(mut self) -> Result<(), CallError> {
        let flushed = self.flush();
        let mut driver = self.driver.borrow_mut();
        let deadline_ns = driver.call_deadline_ns();
        let Some(call) = driver.session.unsubscribe(self.key, deadline_ns) else { return flushed };
        let left = driver.answer(call).map(|_| ());
        flushed.and(left)
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        let Ok(mut driver) = self.driver.try_borrow_mut() else { return };
        let now_ns = driver.session.now_ns();
        if let Some(call) = driver.session.unsubscribe(self.key, now_ns) {
            driver.session.drop_call(call);
            driver.push();
        }
        driver.session.remove_consumer(self.key);
    }
}
