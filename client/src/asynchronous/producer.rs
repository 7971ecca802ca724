//! Producer: publishes to one topic and gives a receipt for every record.

use super::driver::wait_for;
use super::{Net, Shared, opened};
use crate::config::ProducerConfig;
use crate::error::{CallError, EnqueueError, SendError};
use crate::receipt::{Receipt, Ticket};
use crate::record::NewRecord;
use std::time::Duration;

/// Publishes to one topic; as `client::Producer`, awaited.
#[derive(Debug)]
pub struct Producer<N: Net> {
    driver: Shared<N>,
    key: usize,
    topic: String,
    queue_count: u16,
}

impl<N: Net> Producer<N> {
    pub(super) async fn open(driver: Shared<N>, config: ProducerConfig) -> Result<Self, CallError> {
        let topic = config.topic.clone();
        let key = driver.borrow_mut().session.add_producer(config);
        // Dropped early, it is forgotten.
        let mut producer = Self { driver, key, topic, queue_count: 0 };
        opened(&producer.driver, |session| session.producer_ready(key)).await?;
        let lanes = producer
            .driver
            .borrow_mut()
            .session
            .producer(key)
            .map_or(0, |producer| producer.lanes.len());
        producer.queue_count = u16::try_from(lanes).unwrap_or(u16::MAX);
        Ok(producer)
    }

    /// Publishes one record and waits for its receipt, at most the configured `timeout`.
    /// Dropping the future does not take the record back: its receipt then comes from `next_receipt`.
    pub async fn send(&mut self, record: &NewRecord<'_>) -> Result<Receipt, SendError> {
        let ticket = self.enqueue(record)?;
        let key = self.key;
        wait_for(&self.driver, |session| match session.producer(key) {
            Some(producer) => producer.take_settled(ticket),
            None => Some(Err(SendError::NotSent)),
        })
        .await
    }

    /// Takes a record into the window without waiting. It leaves when a future of the client is
    /// polled next, alone if nothing of its queue is in flight.
    pub fn enqueue(&mut self, record: &NewRecord<'_>) -> Result<Ticket, EnqueueError> {
        let mut driver = self.driver.borrow_mut();
        driver.after(Duration::ZERO);
        let ticket = driver.session.enqueue(self.key, record, true)?;
        driver.wake_all();
        Ok(ticket)
    }

    /// The next receipt, or the reason why there is none. `None`: the window is empty.
    pub async fn next_receipt(&mut self) -> Option<(Ticket, Result<Receipt, SendError>)> {
        let key = self.key;
        wait_for(&self.driver, |session| {
            let Some(producer) = session.producer(key) else { return Some(None) };
            let settled = producer.next_settled();
            (settled.is_some() || producer.in_flight() == 0).then_some(settled)
        })
        .await
    }

    /// Sends everything enqueued and waits until all of it is settled: its receipts are there to be taken.
    pub async fn flush(&mut self) {
        let key = self.key;
        self.driver.borrow_mut().session.seal(key);
        wait_for(&self.driver, |session| {
            let in_flight = session.producer(key).map_or(0, |producer| producer.in_flight());
            (in_flight == 0).then_some(())
        })
        .await;
    }

    /// Records enqueued and not settled yet.
    pub fn in_flight(&self) -> usize {
        let mut driver = self.driver.borrow_mut();
        driver.session.producer(self.key).map_or(0, |producer| producer.in_flight())
    }

    /// How many queues the topic had when the producer was made.
    pub const fn queue_count(&self) -> u16 {
        self.queue_count
    }

    /// The topic.
    pub fn topic(&self) -> &str {
        &self.topic
    }
}

impl<N: Net> Drop for Producer<N> {
    fn drop(&mut self) {
        if let Ok(mut driver) = self.driver.try_borrow_mut() {
            driver.session.remove_producer(self.key);
        }
    }
}
