//! Choice: which queue a message goes to: by its key, or in turn, as the bus's own client does.

/// The queue of one sender's next message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choice {
    queues: usize,
    next: usize,
}

impl Choice {
    /// Among so many queues, at least one.
    pub(crate) fn among(queues: u16) -> Self {
        Self { queues: usize::from(queues.max(1)), next: 0 }
    }

    /// The queue of a message with this key; it is not counted before `took`.
    pub(crate) fn of(self, key: &[u8]) -> usize {
        if key.is_empty() {
            return self.next;
        }
        // FNV-1a: any hash does that spreads and stays the same.
        let hash = key.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        usize::try_from(hash >> 32).unwrap_or_default() % self.queues
    }

    /// A message was taken: the next one without a key goes to the next queue.
    pub(crate) const fn took(&mut self) {
        self.next = if self.next + 1 >= self.queues { 0 } else { self.next + 1 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn queues_take_turns_and_keys_stay() {
        let mut choice = Choice::among(3);
        let mut turns = Vec::new();
        for _ in 0..4 {
            turns.push(choice.of(b""));
            choice.took();
        }
        assert_eq!(turns, [0, 1, 2, 0]);
        assert_eq!(choice.of(b"customer-7"), choice.of(b"customer-7"));
        let spread: BTreeSet<usize> = (0..100_u8).map(|key| choice.of(&[key])).collect();
        assert_eq!(spread.len(), 3, "all are used");
    }
}
