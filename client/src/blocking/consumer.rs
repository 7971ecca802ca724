//! Consumer: one member of one group on one topic; takes messages and says what became of them.

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
pub struct Consumer {}

impl Consumer {
    /// The next message or notice; waits at most `wait`. `None`: nothing came.
    pub fn next(&mut self, wait: Duration) -> Result<Option<Item>, ConsumeError> {
        let _ = wait;
        unimplemented!()
    }

    /// This message is consumed (`message.place`).
    pub fn ack(&mut self, place: Place) -> Result<(), LeaseOver> {
        let _ = place;
        unimplemented!()
    }

    /// This message could not be consumed: it comes again after 1 s x 2^attempt, at most 60 s.
    pub fn nack(&mut self, place: Place) -> Result<(), LeaseOver> {
        let _ = place;
        unimplemented!()
    }

    /// This message and everything below it in its queue is consumed.
    pub fn commit(&mut self, place: Place) -> Result<(), LeaseOver> {
        let _ = place;
        unimplemented!()
    }

    /// Sends the gathered acknowledgements and waits for the node's word that they are kept.
    pub fn flush(&mut self) -> Result<(), CallError> {
        unimplemented!()
    }

    /// The queues this member holds leases of.
    pub fn assignments(&self) -> Vec<QueueId> {
        unimplemented!()
    }

    /// Flushes, leaves the group and waits for the node's word. Dropping leaves without waiting.
    pub fn close(self) -> Result<(), CallError> {
        unimplemented!()
    }
}
