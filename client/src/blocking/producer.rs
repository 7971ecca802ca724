//! Producer: publishes to one topic and gives a receipt for every record.

use super::Shared;
use crate::config::ProducerConfig;
use crate::error::{CallError, EnqueueError, SendError};
use crate::receipt::{Receipt, ReceiptRun, Ticket};
use crate::record::NewRecord;
use crate::trace::{Trace, Tracing};
use std::collections::VecDeque;
use std::time::Duration;

/// Publishes to one topic.
///
/// Either one call per record (`send`), or pipelined: `enqueue` until the window
/// is full, and take receipts with `next_receipt`. Receipts come in the order of
/// publishing within a queue. A record leaves the window when its receipt is taken.
///
/// After a broken connection an idempotent producer sends again what had no
/// receipt, with the same numbers: the node recognises what it had accepted.
/// Dropping a producer drops what is not sent: `flush` first.
#[derive(Debug)]
pub struct Producer {
    driver: Shared,
    key: usize,
    topic: String,
    queue_count: u16,
}

impl Producer {
    pub(super) fn open(driver: Shared, config: ProducerConfig) -> Result<Self, CallError> {
        let topic = config.topic.clone();
        let mut lent = driver.borrow_mut();
        let key = lent.session.add_producer(config);
        let opened = lent.opened(|session| session.producer_ready(key));
        if let Err(error) = opened {
            lent.session.remove_producer(key);
            return Err(error);
        }
        let queue_count = lent.session.producer(key).map_or(0, |producer| producer.lanes.len());
        let queue_count = u16::try_from(queue_count).unwrap_or(u16::MAX);
        drop(lent);
        Ok(Self { driver, key, topic, queue_count })
    }

    /// Publishes one record and waits for its receipt, at most the configured `timeout`.
    pub fn send(&mut self, record: &NewRecord<'_>) -> Result<Receipt, SendError> {
        let ticket = self.enqueue_now(record, true)?;
        self.settle(ticket)
    }

    /// As `send`, and where its time went. The trace tells what is known even without a receipt.
    pub fn send_traced(&mut self, record: &NewRecord<'_>) -> (Result<Receipt, SendError>, Trace) {
        if let Some(producer) = self.driver.borrow_mut().session.producer(self.key) {
            producer.traces_next = true;
        }
        let result = self.send(record);
        let mut driver = self.driver.borrow_mut();
        let Some(producer) = driver.session.producer(self.key) else {
            return (result, Trace::default());
        };
        producer.traces_next = false;
        let trace = producer.tracing.take().map(Tracing::into_trace);
        (result, trace.unwrap_or_default())
    }

    /// Publishes records, one section per queue where they fit, and waits for all receipts.
    /// The results stand in the order of `records`.
    pub fn send_batch(&mut self, records: &[NewRecord<'_>]) -> Vec<Result<Receipt, SendError>> {
        let mut results = Vec::with_capacity(records.len());
        let mut unsettled = VecDeque::new();
        for record in records {
            let enqueued = loop {
                match self.enqueue_now(record, false) {
                    Err(EnqueueError::WindowFull) => {}
                    enqueued => break enqueued,
                }
                let Some((index, ticket)) = unsettled.pop_front() else {
                    break Err(EnqueueError::WindowFull);
                };
                self.seal();
                results[index] = self.settle(ticket);
            };
            // A result that waits for its receipt stands as `NotSent` until then.
            let result = enqueued.map_err(SendError::from).and_then(|ticket| {
                unsettled.push_back((results.len(), ticket));
                Err(SendError::NotSent)
            });
            results.push(result);
        }
        self.seal();
        for (index, ticket) in unsettled {
            results[index] = self.settle(ticket);
        }
        results
    }

    /// Takes a record into the window without waiting. It leaves at once if nothing of its queue
    /// is in flight, else with the next section: batches form only while the node is busy.
    pub fn enqueue(&mut self, record: &NewRecord<'_>) -> Result<Ticket, EnqueueError> {
        let ticket = self.enqueue_now(record, true)?;
        self.driver.borrow_mut().push_eagerly();
        Ok(ticket)
    }

    /// As `enqueue`, but nothing leaves before `Client::poll`: what is gathered between two polls
    /// shares sections and a system call. For callers that poll all day; reads no clock.
    pub fn gather(&mut self, record: &NewRecord<'_>) -> Result<Ticket, EnqueueError> {
        self.driver.borrow_mut().session.enqueue(self.key, record, false)
    }

    /// The next receipts that are there already, all of a run in one: moves no bytes and reads no clock.
    pub fn try_receipts(&mut self) -> Option<ReceiptRun> {
        self.driver.borrow_mut().session.producer(self.key)?.next_settled_run(u64::MAX)
    }

    /// The next receipt, or the reason why there is none; waits at most `wait` for one.
    /// `None`: nothing is settled yet, or nothing is in the window.
    pub fn next_receipt(&mut self, wait: Duration) -> Option<(Ticket, Result<Receipt, SendError>)> {
        let mut driver = self.driver.borrow_mut();
        let until_ns = driver.after(wait);
        let settled = driver.wait_for(until_ns, |session| {
            let producer = session.producer(self.key)?;
            let settled = producer.next_settled();
            (settled.is_some() || producer.in_flight() == 0).then_some(settled)
        });
        settled.flatten()
    }

    /// Sends everything enqueued and waits until all of it is settled, at most `wait`.
    /// True: all receipts are there to be taken.
    pub fn flush(&mut self, wait: Duration) -> bool {
        self.seal();
        let mut driver = self.driver.borrow_mut();
        let until_ns = driver.after(wait);
        let settled = driver.wait_for(until_ns, |session| {
            let in_flight = session.producer(self.key).map_or(0, |producer| producer.in_flight());
            (in_flight == 0).then_some(())
        });
        settled.is_some()
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

    fn enqueue_now(&mut self, record: &NewRecord<'_>, eager: bool) -> Result<Ticket, EnqueueError> {
        let mut driver = self.driver.borrow_mut();
        driver.after(Duration::ZERO);
        driver.session.enqueue(self.key, record, eager)
    }

    fn seal(&mut self) {
        self.driver.borrow_mut().session.seal(self.key);
    }

    /// Waits for one record to be settled: at its own deadline at the latest.
    fn settle(&mut self, ticket: Ticket) -> Result<Receipt, SendError> {
        let mut driver = self.driver.borrow_mut();
        let settled =
            driver.wait_for(u64::MAX, |session| session.producer(self.key)?.take_settled(ticket));
        settled.unwrap_or(Err(SendError::NotSent))
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        if let Ok(mut driver) = self.driver.try_borrow_mut() {
            driver.session.remove_producer(self.key);
        }
    }
}
