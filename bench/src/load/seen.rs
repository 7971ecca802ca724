//! Seen: which messages of one sender came, so that a lost or doubled one is noticed.
//!
//! One bit a message. Words that are full at the front go; so what is kept spans the
//! oldest missing one to the newest. A loss would keep all that follows: beyond a bound
//! the oldest missing ones are counted as lost, and their word goes.

use std::collections::VecDeque;

/// Words kept at most: a million messages behind the oldest missing one.
const WORDS_MAX: usize = 1 << 14;

/// What came of one sender.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Sequence of the first bit; all below came, or are in `given_up`.
    base: u64,
    words: VecDeque<u64>,
    count: u64,
    /// Missing ones that were given up for lost.
    given_up: u64,
}

impl Seen {
    /// Marks one; false: it came before.
    pub fn mark(&mut self, sequence: u64) -> bool {
        let Some(distance) = sequence.checked_sub(self.base) else { return false };
        let Ok(word) = usize::try_from(distance / 64) else { return false };
        if word >= self.words.len() + WORDS_MAX {
            return false; // no sender of ours is so far ahead: not its sequence
        }
        while self.words.len() <= word {
            self.words.push_back(0);
        }
        let bit = 1 << (distance % 64);
        if self.words[word] & bit != 0 {
            return false;
        }
        self.words[word] |= bit;
        self.count += 1;
        self.slide();
        true
    }

    /// How many came, each counted once.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Missing ones among the first `end`, those of `known` left out: they may be missing.
    /// `known` is sorted.
    pub fn lost(&self, end: u64, known: &[u64]) -> u64 {
        let missing = (self.base..end.max(self.base)).filter(|sequence| !self.has(*sequence));
        let unknown = missing.filter(|sequence| known.binary_search(sequence).is_err());
        self.given_up + u64::try_from(unknown.count()).unwrap_or(u64::MAX)
    }

    fn has(&self, sequence: u64) -> bool {
        let distance = sequence - self.base;
        let word = usize::try_from(distance / 64).ok().and_then(|word| self.words.get(word));
        word.is_some_and(|word| word & (1 << (distance % 64)) != 0)
    }

    fn slide(&mut self) {
        while let Some(word) = self.words.front().copied() {
            if word != u64::MAX && self.words.len() <= WORDS_MAX {
                return;
            }
            self.given_up += u64::from(word.count_zeros());
            self.words.pop_front();
            self.base += 64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_came_once_is_nothing_lost_and_nothing_kept() {
        let mut seen = Seen::default();
        for sequence in 0..100_000 {
            assert!(seen.mark(sequence ^ 1), "pairs swapped");
        }
        assert_eq!((seen.count(), seen.lost(100_000, &[])), (100_000, 0));
        assert!(seen.words.len() <= 2, "{}", seen.words.len());
    }

    #[test]
    fn doubled_and_lost_ones_are_told() {
        let mut seen = Seen::default();
        for sequence in (0..1000).filter(|sequence| sequence % 100 != 5) {
            assert!(seen.mark(sequence));
        }
        assert!(!seen.mark(7), "it came before");
        assert_eq!(seen.lost(1000, &[]), 10);
        assert_eq!(seen.lost(1000, &[5, 105]), 8, "two were never accepted");
        assert_eq!(seen.lost(1010, &[]), 20, "the last ten never came");
        assert!(seen.mark(5), "late is not lost");
        assert_eq!(seen.lost(1000, &[]), 9);
    }

    #[test]
    fn a_loss_does_not_keep_everything_that_follows() {
        let mut seen = Seen::default();
        for sequence in 1..3_000_000 {
            seen.mark(sequence);
        }
        assert!(seen.words.len() <= WORDS_MAX);
        assert_eq!(seen.lost(3_000_000, &[]), 1);
        assert!(!seen.mark(u64::MAX), "a sequence of nobody");
    }
}
