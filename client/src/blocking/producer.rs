//! Producer: publishes to one topic and gives a receipt for every record.

use crate::error::{EnqueueError, SendError};
use crate::receipt::{Receipt, Ticket};
use crate::record::NewRecord;
use std::time::Duration;

/// Publishes to one topic.
///
/// Either one call per record (`send`), or pipelined: `enqueue` until the window
/// is full, and take receipts with `next_receipt`. Receipts come in the order of
/// publishing within a queue. A record leaves the window when its receipt is taken.
#[derive(Debug)]
pub struct Producer {}

impl Producer {
    /// Publishes one record and waits for its receipt, at most the configured `timeout`.
    pub fn send(&mut self, record: &NewRecord<'_>) -> Result<Receipt, SendError> {
        let _ = record;
        unimplemented!()
    }

    /// Publishes records, one section per queue where they fit, and waits for all receipts.
    /// The results stand in the order of `records`.
    pub fn send_batch(&mut self, records: &[NewRecord<'_>]) -> Vec<Result<Receipt, SendError>> {
        let _ = records;
        unimplemented!()
    }

    /// Takes a record into the window without waiting. It leaves at once if nothing of its queue
    /// is in flight, else with the next section: batches form only while the node is busy.
    pub fn enqueue(&mut self, record: &NewRecord<'_>) -> Result<Ticket, EnqueueError> {
        let _ = record;
        unimplemented!()
    }

    /// The next receipt, or the reason why there is none; waits at most `wait` for one.
    /// `None`: nothing is settled yet, or nothing is in the window.
    pub fn next_receipt(&mut self, wait: Duration) -> Option<(Ticket, Result<Receipt, SendError>)> {
        let _ = wait;
        unimplemented!()
    }

    /// Sends everything enqueued and waits until all of it is settled, at most `wait`.
    /// True: all receipts are there to be taken.
    pub fn flush(&mut self, wait: Duration) -> bool {
        let _ = wait;
        unimplemented!()
    }

    /// Records enqueued and not settled yet.
    pub fn in_flight(&self) -> usize {
        unimplemented!()
    }

    /// How many queues the topic has.
    pub fn queue_count(&self) -> u16 {
        unimplemented!()
    }

    /// The topic.
    pub fn topic(&self) -> &str {
        unimplemented!()
    }
}
