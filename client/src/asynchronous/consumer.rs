//! Consumer: one member of one group on one topic; takes messages and says what became of them.

use super::driver::wait_for;
use super::{Net, Shared, answer, call_deadline_ns, opened};
use crate::config::ConsumerConfig;
use crate::delivery::{Item, Place};
use crate::error::{CallError, ConsumeError, LeaseOver};
use wire::QueueId;

/// Takes messages of one topic for one group; as `client::Consumer`, awaited.
#[derive(Debug)]
pub struct Consumer<N: Net> {
    driver: Shared<N>,
    key: usize,
}

impl<N: Net> Consumer<N> {
    pub(super) async fn open(driver: Shared<N>, config: ConsumerConfig) -> Result<Self, CallError> {
        let key = driver.borrow_mut().session.add_consumer(config);
        let consumer = Self { driver, key };
        opened(&consumer.driver, |session| session.consumer_ready(key)).await?;
        Ok(consumer)
    }

    /// The next message or notice. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<Item, ConsumeError> {
        let key = self.key;
        wait_for(&self.driver, |session| session.next_item(key)).await
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

    /// Sends the gathered acknowledgements and waits for the node's word that it keeps them.
    pub async fn flush(&mut self) -> Result<(), CallError> {
        let deadline_ns = call_deadline_ns(&self.driver);
        let calls = self.driver.borrow_mut().session.confirm(self.key, deadline_ns);
        let mut result = Ok(());
        for call in calls {
            result = result.and(answer(&self.driver, call).await.map(|_| ()));
        }
        result
    }

    /// The queues this member holds leases of.
    pub fn assignments(&self) -> Vec<QueueId> {
        self.driver.borrow().session.assignments(self.key)
    }

    /// Flushes, leaves the group and waits for the node's word. Dropping leaves without waiting.
    pub async fn close(mut self) -> Result<(), CallError> {
        let flushed = self.flush().await;
        let deadline_ns = call_deadline_ns(&self.driver);
        let call = self.driver.borrow_mut().session.unsubscribe(self.key, deadline_ns);
        let Some(call) = call else { return flushed };
        flushed.and(answer(&self.driver, call).await.map(|_| ()))
    }
}

impl<N: Net> Drop for Consumer<N> {
    fn drop(&mut self) {
        let Ok(mut driver) = self.driver.try_borrow_mut() else { return };
        let now_ns = driver.session.now_ns();
        if let Some(call) = driver.session.unsubscribe(self.key, now_ns) {
            driver.session.drop_call(call);
            driver.wake_all();
        }
        driver.session.remove_consumer(self.key);
    }
}
