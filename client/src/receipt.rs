//! Receipt: the node's word that it accepted a record, and at which level.

use crate::catalog::Level;
use crate::error::SendError;
use wire::{Offset, QueueId, Term};

/// Names one enqueued record of one producer; counted from 0 in the order of `enqueue`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// A record was accepted. (queue, offset) is its id for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Where it is; `queue.number()` is the queue's number within its topic.
    pub queue: QueueId,
    /// Which record of the queue it became.
    pub offset: Offset,
    /// The level that was reached before this was said.
    pub level: Level,
    /// The reign of the log's leader; 1 on a node alone.
    pub term: Term,
    /// An earlier attempt had been accepted already: this is its receipt.
    pub duplicate: bool,
}

/// Records of one queue whose tickets follow one another and that ended alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptRun {
    /// The ticket of the first.
    pub first: Ticket,
    /// How many, at least 1.
    pub count: u64,
    /// The receipt of the first, or why there is none. Of the others' receipts only the offset
    /// differs: it follows, one by one.
    pub result: Result<Receipt, SendError>,
}
