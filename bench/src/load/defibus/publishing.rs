//! Publishing: producers and consumers as the load drives them.

use super::super::driver::{Answer, DriveError, Incoming, ReceiverEnd, SenderEnd};
use super::port::Expects;
use crate::workload::Level;
use client::error::UnknownCause;
use client::{Consumer, EnqueueError, Item, NewRecord, Place, Producer, ReceiptRun, SendError};

/// A producer.
#[derive(Debug)]
pub(super) struct Publishing {
    producer: Producer,
    /// It expects one thing while anything is in flight.
    expects: Expects,
    in_flight: u64,
    level: Level,
}

impl Publishing {
    /// Publishes; a receipt below `level` is an error.
    pub(super) const fn new(producer: Producer, expects: Expects, level: Level) -> Self {
        Self { producer, expects, in_flight: 0, level }
    }

    fn holds(&self, came: client::Level) -> Result<(), DriveError> {
        let enough = match self.level {
            Level::Default | Level::Memory => true,
            Level::Durable => came >= client::Level::Durable,
            Level::Quorum => came >= client::Level::Quorum,
        };
        let lower = DriveError::Level { asked: self.level, came: came.into() };
        if enough { Ok(()) } else { Err(lower) }
    }
}

impl SenderEnd for Publishing {
    fn send(&mut self, key: &[u8], body: &[u8]) -> Result<Option<u64>, DriveError> {
        let record = NewRecord::new(body).key(key);
        match self.producer.gather(&record) {
            Ok(ticket) => {
                if self.in_flight == 0 {
                    self.expects.more(1);
                }
                self.in_flight += 1;
                Ok(Some(ticket.0))
            }
            Err(EnqueueError::WindowFull) => Ok(None),
            Err(error) => Err(DriveError::Enqueue(error)),
        }
    }

    fn answers(&mut self, take: &mut dyn FnMut(u64, Answer<'_>)) -> Result<(), DriveError> {
        let before = self.in_flight;
        while let Some(ReceiptRun { first, count, result }) = self.producer.try_receipts() {
            self.in_flight -= count;
            match result {
                Ok(receipt) => {
                    self.holds(receipt.level)?;
                    take(first.0, Answer::Done(count));
                }
                Err(error) => {
                    let word = word_of(&error);
                    (first.0..first.0 + count).for_each(|of| take(of, Answer::Failed(word)));
                }
            }
        }
        if before > 0 && self.in_flight == 0 {
            self.expects.fewer(1);
        }
        Ok(())
    }
}

/// A consumer; it commits what it took, queue by queue.
#[derive(Debug)]
pub(super) struct Consuming {
    consumer: Consumer,
    /// The last message taken and not committed.
    last: Option<Place>,
}

impl Consuming {
    /// Consumes.
    pub(super) const fn new(consumer: Consumer) -> Self {
        Self { consumer, last: None }
    }

    /// Commits the last one when another queue's turn begins, or nothing more is there.
    fn commit_before(&mut self, next: Option<Place>) {
        if let Some(last) = self.last
            && next
                .is_none_or(|next| (next.queue, next.lease_epoch) != (last.queue, last.lease_epoch))
        {
            // A lease that is over brings it again, which is then seen as doubled.
            let _ = self.consumer.commit(last);
            self.last = None;
        }
    }
}

impl ReceiverEnd for Consuming {
    fn receive(
        &mut self,
        count_max: usize,
        take: &mut dyn FnMut(Incoming<'_>),
    ) -> Result<(), DriveError> {
        for _ in 0..count_max {
            match self.consumer.try_next()? {
                Some(Item::Message(message)) => {
                    self.commit_before(Some(message.place));
                    self.last = Some(message.place);
                    let queue = usize::from(message.queue().number());
                    take(Incoming { queue, again: message.attempt > 1, body: message.body() });
                }
                // Offsets that never come are noticed as losses, if they were accepted.
                Some(Item::Gap(_)) => {}
                Some(Item::Damaged { place, .. }) => {
                    // Sent again; a lease that is over does so by itself.
                    let _ = self.consumer.nack(place);
                }
                None => break,
            }
        }
        self.commit_before(None);
        Ok(())
    }

    fn held(&self) -> Option<usize> {
        Some(self.consumer.assignments().len())
    }
}

const fn word_of(error: &SendError) -> &'static str {
    match error {
        SendError::Refused(refusal) => refusal.code.name(),
        SendError::NotSent => "not sent",
        SendError::Unknown(UnknownCause::ConnectionLost) => "connection lost",
        SendError::Unknown(UnknownCause::TimedOut) => "timed out",
        SendError::Unknown(UnknownCause::ProducerForgotten) => "producer forgotten",
        SendError::Unknown(UnknownCause::AnswerMalformed) => "answer malformed",
        SendError::RecordInvalid(_) => "record invalid",
        SendError::NoSuchQueue { .. } => "no such queue",
        SendError::WindowFull => "window full",
    }
}
