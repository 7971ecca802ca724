//! Recent: the newest batches of a log, kept in memory so that consumers at the tail never touch the disk.
//!
//! ```text
//!   forgotten              | kept: `level` bytes       | end
//!   ... 41 | 42 | 43 | 44  | 45 | 46 | 47 | 48 | 49    |
//!         ^ asked for: would have been kept at twice the level
//! ```
//!
//! As much is kept as readers reach back, not as much as is allowed: memory that is written once and
//! comes round again half a second later is in no cache by then. Whoever asks for a batch that a
//! higher level had kept doubles the level, up to the bound; when for long nobody reached back a
//! quarter of it, it is halved.

use bytes::Bytes;
use std::collections::VecDeque;
use wire::LogIndex;

/// The lowest level is this part of the bound.
const LEVELS: usize = 32;
/// So many times the level is pushed between two judgements whether less would do.
const ROUNDS: u64 = 16;

/// One batch that is kept.
#[derive(Debug)]
struct Kept {
    body: Bytes,
    /// Memory it keeps, in bytes.
    bytes: usize,
    /// Bytes pushed before it.
    position: u64,
}

/// Bodies of consecutive batches, newest last, as many as fit the level; at least one.
#[derive(Debug)]
pub(crate) struct Recent {
    first: LogIndex,
    batches: VecDeque<Kept>,
    bytes: usize,
    bytes_max: usize,
    /// How much is kept, in bytes.
    level: usize,
    /// Something was forgotten at this level.
    is_full: bool,
    /// All bytes ever pushed.
    pushed: u64,
    /// How far back readers reached since `judged_at`, in bytes.
    reach: u64,
    /// `pushed` when it was last judged whether less would do.
    judged_at: u64,
}

impl Recent {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            first: LogIndex(0),
            batches: VecDeque::with_capacity(1024),
            bytes: 0,
            bytes_max,
            level: bytes_max / LEVELS,
            is_full: false,
            pushed: 0,
            reach: 0,
            judged_at: 0,
        }
    }

    /// Takes the newest batch; forgets the oldest ones above the level.
    pub(crate) fn push(&mut self, index: LogIndex, body: Bytes, batch_bytes: usize) {
        if self.batches.is_empty() {
            self.first = index;
        }
        assert_eq!(self.end(), index, "batches come in order");
        self.batches.push_back(Kept { body, bytes: batch_bytes, position: self.pushed });
        self.bytes += batch_bytes;
        self.pushed += batch_bytes as u64;
        self.judge();
        while self.bytes > self.level && self.batches.len() > 1 {
            self.forget_oldest();
            self.is_full = true;
        }
    }

    /// The body of this batch, if it is still here.
    pub(crate) fn get(&mut self, index: LogIndex) -> Option<&Bytes> {
        let Some(nth) = index.0.checked_sub(self.first.0) else {
            self.missed(index);
            return None;
        };
        let kept = self.batches.get(usize::try_from(nth).ok()?)?;
        self.reach = self.reach.max(self.pushed - kept.position);
        Some(&kept.body)
    }

    /// Whether this batch is here, or newer than all that are.
    pub(crate) fn has(&self, index: LogIndex) -> bool {
        index >= self.first && !self.batches.is_empty()
    }

    /// Forgets the oldest batch, except the newest of all; false when there is none to forget.
    pub(crate) fn make_less(&mut self) -> bool {
        let some = self.batches.len() > 1;
        if some {
            self.forget_oldest();
        }
        some
    }

    /// A batch was forgotten that somebody wants: had more been kept, it would be here. What is
    /// missed speaks against the level only once the level is full.
    fn missed(&mut self, index: LogIndex) {
        let behind = (self.end().0 - index.0).saturating_mul(self.bytes as u64);
        let allowed = (self.bytes_max as u64).saturating_mul(self.batches.len() as u64);
        if behind <= allowed && self.is_full {
            self.level = self.level.saturating_mul(2).min(self.bytes_max);
            self.is_full = false;
            self.begin_judgement();
        }
    }

    /// Halves the level if nobody needed more than a quarter of it.
    fn judge(&mut self) {
        if self.pushed - self.judged_at < ROUNDS.saturating_mul(self.level as u64) {
            return;
        }
        if self.reach <= self.level as u64 / 4 {
            self.level = (self.level / 2).max(self.bytes_max / LEVELS);
        }
        self.begin_judgement();
    }

    const fn begin_judgement(&mut self) {
        self.reach = 0;
        self.judged_at = self.pushed;
    }

    fn forget_oldest(&mut self) {
        if let Some(kept) = self.batches.pop_front() {
            self.bytes -= kept.bytes;
            self.first = self.first.next();
        }
    }

    fn end(&self) -> LogIndex {
        LogIndex(self.first.0 + self.batches.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BATCH: usize = 10;
    const MAX: usize = 64 * BATCH;

    /// Batches of ten bytes; two of them are the lowest level.
    struct Bench(Recent);

    impl Bench {
        fn new() -> Self {
            Self(Recent::new(MAX))
        }

        fn push(&mut self, count: u64) {
            for _ in 0..count {
                let index = LogIndex(self.0.pushed / BATCH as u64);
                self.0.push(index, Bytes::from(vec![0; 3]), BATCH);
            }
        }

        /// Whether the batch `back` batches before the end is there.
        fn has(&mut self, back: u64) -> bool {
            let end = self.0.end().0;
            self.0.get(LogIndex(end - back)).is_some()
        }

        fn kept(&self) -> usize {
            self.0.batches.len()
        }
    }

    #[test]
    fn the_newest_is_always_there_and_no_other_that_does_not_fit() {
        let mut recent = Recent::new(0);
        recent.push(LogIndex(5), Bytes::from(vec![0; 99]), 100);
        recent.push(LogIndex(6), Bytes::from(vec![0; 99]), 100);
        assert!(recent.get(LogIndex(5)).is_none());
        assert!(recent.get(LogIndex(6)).is_some());
        assert!(recent.get(LogIndex(7)).is_none());
        assert!(!recent.make_less());
        assert!(recent.get(LogIndex(5)).is_none() && recent.level == 0, "the bound holds");
    }

    #[test]
    fn readers_at_the_tail_keep_it_small() {
        let mut bench = Bench::new();
        for _ in 0..1000 {
            bench.push(1);
            assert!(bench.has(1));
        }
        assert_eq!(bench.kept(), 2);
    }

    #[test]
    fn whoever_reaches_further_back_finds_it_after_a_few_misses() {
        let mut bench = Bench::new();
        bench.push(100);
        let mut misses = 0;
        for _ in 0..100 {
            bench.push(1);
            misses += usize::from(!bench.has(20));
        }
        assert!(bench.has(20) && misses <= 32, "{misses} misses");
        assert_eq!(bench.kept(), 32);
    }

    #[test]
    fn asking_again_for_what_is_gone_does_not_grow_it() {
        let mut bench = Bench::new();
        bench.push(100);
        for _ in 0..9 {
            assert!(!bench.has(20));
        }
        bench.push(50);
        assert_eq!(bench.kept(), 4);
    }

    #[test]
    fn a_reader_beyond_the_bound_changes_nothing() {
        let mut bench = Bench::new();
        for _ in 0..1000 {
            bench.push(100);
            assert!(!bench.has(65));
        }
        assert_eq!(bench.kept(), 2);
    }

    #[test]
    fn it_grows_to_the_bound_and_shrinks_when_the_reader_is_gone() {
        let mut bench = Bench::new();
        for _ in 0..1000 {
            bench.push(1);
            if bench.0.pushed > MAX as u64 {
                bench.has(64);
            }
        }
        assert_eq!(bench.kept(), 64);
        bench.push(16 * 64 + 16 * 32 - 1);
        assert!((3..=32).contains(&bench.kept()), "{} are kept", bench.kept());
        bench.push(16 * 64);
        assert_eq!(bench.kept(), 2);
    }
}
