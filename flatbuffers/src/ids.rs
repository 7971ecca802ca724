//! Ids: a distinct type for each kind of number, never convertible into another.
//!
//! A number that was acknowledged, delivered or sent to a peer never means
//! something else (law 10), so none of these is ever reused.

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(formatter)
            }
        }
    };
}

id! {
    /// One core of a node; counted from 0. Shard 0 keeps the catalog.
    ShardId(u16)
}
id! {
    /// A topic, numbered by the catalog; 0 is no topic.
    TopicId(u32)
}
id! {
    /// A consumer group, or one broadcast instance of it; numbered by the catalog; 0 is no group.
    GroupId(u32)
}
id! {
    /// A queue: its topic and its number in the topic. 0 is the log's own queue of notes.
    QueueId(u64)
}
id! {
    /// The nth record of a queue.
    Offset(u64)
}
id! {
    /// The nth batch of a log.
    LogIndex(u64)
}
id! {
    /// One leader's reign over a log; 1 on a node alone.
    Term(u64)
}
id! {
    /// A producer of idempotent publishes; 0 is a producer that is not.
    ProducerId(u64)
}
id! {
    /// A member of a group, or a responder of a service: one subscription of one connection.
    MemberId(u64)
}
id! {
    /// One owner's reign: over a queue (lease) or over a producer id.
    Epoch(u32)
}

/// The most queues a topic may have.
pub const QUEUES_PER_TOPIC_MAX: u16 = 1024;

impl QueueId {
    /// The queue of notes a log keeps for itself: positions, leases, catalog changes.
    pub const NOTES: Self = Self(0);

    /// Queue `number` of `topic`.
    pub const fn new(topic: TopicId, number: u16) -> Self {
        Self((topic.0 as u64) << 16 | number as u64)
    }

    /// The topic this queue belongs to.
    #[expect(clippy::cast_possible_truncation, reason = "a topic id has 32 bits, set by `new`")]
    pub const fn topic(self) -> TopicId {
        TopicId((self.0 >> 16) as u32)
    }

    /// Its number within the topic.
    #[expect(clippy::cast_possible_truncation, reason = "the low 16 bits")]
    pub const fn number(self) -> u16 {
        self.0 as u16
    }
}

impl Offset {
    /// The offset `count` records later; saturates at the end of numbers.
    #[must_use]
    pub const fn plus(self, count: u64) -> Self {
        Self(self.0.saturating_add(count))
    }
}

impl LogIndex {
    /// The index of the next batch.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl Epoch {
    /// The next reign.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_id_holds_topic_and_number() {
        let queue = QueueId::new(TopicId(7), 1023);
        assert_eq!(queue.topic(), TopicId(7));
        assert_eq!(queue.number(), 1023);
        assert_eq!(QueueId::NOTES.topic(), TopicId(0));
    }
}
