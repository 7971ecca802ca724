//! Planted: stories told to the oracle, true ones and broken ones, for the tests of the checkers.

use crate::actors::TopicFacts;
use crate::observation::{Asked, Audience, Observation, RecordId, Stamp};
use crate::oracle::Oracle;
use wire::table::{Level, TopicKind};
use wire::{QueueId, TopicId};

/// A queue of a durable topic.
pub(super) const QUEUE: QueueId = QueueId::new(TopicId(1), 0);

/// An oracle that knows one durable topic.
#[derive(Debug)]
pub(super) struct Story {
    pub(super) oracle: Oracle,
}

impl Story {
    pub(super) fn new() -> Self {
        let mut oracle = Oracle::default();
        oracle.saw(&Observation::TopicMade(&Self::topic()));
        Self { oracle }
    }

    /// The topic it knows.
    pub(super) fn topic() -> TopicFacts {
        TopicFacts {
            id: QUEUE.topic(),
            name: "A10-00000001".to_owned(),
            kind: TopicKind::Event,
            level: Level::Durable,
            queues: vec![QUEUE, QueueId::new(QUEUE.topic(), 1)],
        }
    }

    /// The body of a record.
    pub(super) fn body(number: u64) -> [u8; 8] {
        RecordId::new(0, number).0.to_le_bytes()
    }

    /// A record of an idempotent producer was made and sent.
    pub(super) fn published(&mut self, number: u64) {
        let record = RecordId::new(0, number);
        let stamp = Some(Stamp { producer: 4, epoch: 1, sequence: number });
        let body_checksum = crc32fast::hash(&Self::body(number));
        self.oracle.saw(&Observation::Made { record, queue: QUEUE, stamp, body_checksum });
        let asked = Asked { request: number, ..Asked::default() };
        self.oracle.saw(&Observation::Published { asked, queue: QUEUE, records: &[record] });
    }

    /// Its receipt came.
    pub(super) fn accepted(&mut self, number: u64, offset: u64) {
        let asked = Asked { request: number, ..Asked::default() };
        self.oracle.saw(&Observation::Accepted {
            asked,
            queue: QUEUE,
            first_offset: offset,
            level: Level::Durable,
            records: &[RecordId::new(0, number)],
        });
    }

    pub(super) fn published_and_accepted(&mut self, number: u64, offset: u64) {
        self.published(number);
        self.accepted(number, offset);
    }

    pub(super) fn served(&mut self, to: Audience, number: u64, offset: u64) {
        self.oracle.served(to, QUEUE, offset, &Self::body(number));
    }

    /// Nothing was wrong so far.
    pub(super) fn is_silent(&self) {
        assert_eq!(self.oracle.verdict(), Ok(()));
    }

    /// This checker spoke, and no other before it.
    pub(super) fn speaks(&self, checker: &str) {
        let violation = self.oracle.verdict().expect_err("a violation was planted");
        assert_eq!(violation.checker, checker, "{violation}");
    }

    /// This checker speaks when everything is over.
    pub(super) fn ends_with(&mut self, checker: &str) {
        let violation = self.oracle.end().expect_err("a violation was planted");
        assert_eq!(violation.checker, checker, "{violation}");
    }

    /// Nobody speaks when everything is over.
    pub(super) fn ends_well(&mut self) {
        assert_eq!(self.oracle.end(), Ok(()));
    }
}
