//! Placement: which queue of a topic a record goes to.
//!
//! A key always goes to queue `CRC-32(key) mod queue count` (IEEE, as everywhere
//! on the wire). This function never changes: order per key depends on it. When a
//! topic grows, keys may move; a producer keeps the count it was opened with.

use crate::record::NewRecord;

/// How a record's queue is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// By the caller.
    Number(u16),
    /// By the key's hash.
    Hash(u32),
    /// The queues take turns.
    Turn,
}

impl Choice {
    /// The choice a record makes.
    pub(crate) fn of(record: &NewRecord<'_>) -> Self {
        match record.queue {
            Some(number) => Self::Number(number),
            None if record.key.is_empty() => Self::Turn,
            None => Self::Hash(crc32fast::hash(record.key)),
        }
    }

    /// The number of the queue among `queue_count`; `None`: there is no such queue.
    pub(crate) fn queue(self, queue_count: u16, turn: usize) -> Option<u16> {
        match self {
            _ if queue_count == 0 => None,
            Self::Number(number) => (number < queue_count).then_some(number),
            Self::Hash(hash) => Some(remainder(hash, queue_count)),
            // Those who count turns keep them below the count: a division for each record is dear.
            Self::Turn if turn < usize::from(queue_count) => u16::try_from(turn).ok(),
            Self::Turn => u16::try_from(turn % usize::from(queue_count)).ok(),
        }
    }
}

/// The number of the queue for `key` among `queue_count` (at least 1).
pub fn queue_of_key(key: &[u8], queue_count: u16) -> u16 {
    remainder(crc32fast::hash(key), queue_count.max(1))
}

fn remainder(hash: u32, queue_count: u16) -> u16 {
    u16::try_from(hash % u32::from(queue_count)).expect("a remainder is below its divisor, a u16")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Golden: these never change.
    #[test]
    fn a_key_keeps_its_queue_for_ever() {
        for (key, of_1024, of_7) in
            [("", 0, 0), ("a", 579, 4), ("account-42", 92, 0), ("order-000001", 167, 4)]
        {
            assert_eq!(queue_of_key(key.as_bytes(), 1024), of_1024, "{key}");
            assert_eq!(queue_of_key(key.as_bytes(), 7), of_7, "{key}");
        }
        assert_eq!(queue_of_key(b"any", 1), 0);
        assert_eq!(queue_of_key(b"any", 0), 0, "no queue count is not a panic");
    }

    #[test]
    fn the_caller_chooses_before_the_key_and_the_key_before_the_turn() {
        let record = NewRecord::new(b"").key(b"a");
        assert_eq!(Choice::of(&record).queue(7, 3), Some(4));
        assert_eq!(Choice::of(&record.queue(6)).queue(7, 3), Some(6));
        assert_eq!(Choice::of(&record.queue(7)).queue(7, 3), None);
        assert_eq!(Choice::of(&NewRecord::new(b"")).queue(7, 10), Some(3));
        assert_eq!(Choice::of(&record).queue(0, 0), None);
    }
}
