//! Ledger: what one kind of work of one load thread counted and timed; filled without allocating.
//!
//! A message is measured if it was due within the measured part: its latency counts
//! whenever it ends. What it counts for by time is the interval in which it ended.

use crate::spans::Spans;
use std::time::Duration;

/// Words for failures that are told apart.
const WORDS_MAX: usize = 16;

/// The measured part of a run, on the load's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its begin.
    pub begin_ns: u64,
    /// Its end, exclusive.
    pub end_ns: u64,
    /// Length of an interval.
    pub interval_ns: u64,
}

impl Window {
    /// One that is still to come: nothing is in it, but its length is known.
    pub const fn to_come(length_ns: u64, interval_ns: u64) -> Self {
        let end_ns = u64::MAX;
        Self { begin_ns: end_ns - length_ns, end_ns, interval_ns }
    }

    /// Whether what was due then is measured.
    pub const fn contains(&self, due_ns: u64) -> bool {
        self.begin_ns <= due_ns && due_ns < self.end_ns
    }

    /// `due_ns` as it is stamped: 0 if it is not measured.
    pub const fn stamped(&self, due_ns: u64) -> u64 {
        if self.contains(due_ns) { due_ns } else { 0 }
    }

    /// How many intervals it has.
    pub fn interval_count(&self) -> usize {
        let count = (self.end_ns - self.begin_ns).div_ceil(self.interval_ns);
        usize::try_from(count).unwrap_or(usize::MAX).max(1)
    }

    fn interval_of(&self, now_ns: u64) -> usize {
        let nth = now_ns.saturating_sub(self.begin_ns) / self.interval_ns;
        usize::try_from(nth).unwrap_or(usize::MAX).min(self.interval_count() - 1)
    }
}

/// One interval.
#[derive(Clone, Debug)]
pub struct Slice {
    /// Sent in it.
    pub sent: u64,
    /// Ended well in it.
    pub ended: u64,
    /// Ended otherwise in it.
    pub failed: u64,
    /// Latencies of what ended well in it.
    pub spans: Spans,
}

/// Counts and latencies.
#[derive(Clone, Debug)]
pub struct Ledger {
    window: Window,
    /// From due to ended.
    pub spans: Spans,
    /// Scheduling delays.
    pub delays: Spans,
    /// The measured part, interval by interval.
    pub slices: Vec<Slice>,
    /// Measured messages that left.
    pub sent: u64,
    /// Measured messages that ended well.
    pub ended: u64,
    /// Measured messages that did not.
    pub failed: u64,
    /// Why, and how often each.
    pub words: Vec<(&'static str, u64)>,
}

impl Ledger {
    /// An empty one, its memory touched.
    pub fn new(window: Window) -> Self {
        let mut slice = Slice { sent: 0, ended: 0, failed: 0, spans: Spans::coarse() };
        slice.spans.clear();
        let mut ledger = Self {
            window,
            spans: Spans::default(),
            delays: Spans::default(),
            slices: vec![slice; window.interval_count()],
            sent: 0,
            ended: 0,
            failed: 0,
            words: Vec::with_capacity(WORDS_MAX),
        };
        ledger.spans.clear();
        ledger.delays.clear();
        ledger
    }

    /// The measured part.
    pub const fn window(&self) -> Window {
        self.window
    }

    /// The measured part is known now; it has the length it was to have.
    pub const fn set_window(&mut self, window: Window) {
        self.window = window;
    }

    /// `count` measured messages left.
    pub fn sent(&mut self, now_ns: u64, delay_ns: u64, count: u64) {
        self.sent += count;
        self.delays.add_many(Duration::from_nanos(delay_ns), count);
        let nth = self.window.interval_of(now_ns);
        self.slices[nth].sent += count;
    }

    /// `count` measured messages that were due then ended well.
    pub fn ended(&mut self, due_ns: u64, now_ns: u64, count: u64) {
        self.ended += count;
        let span = Duration::from_nanos(now_ns.saturating_sub(due_ns));
        self.spans.add_many(span, count);
        let slice = &mut self.slices[self.window.interval_of(now_ns)];
        slice.spans.add_many(span, count);
        // What ends after the measured part is no rate of its last interval.
        slice.ended += if now_ns < self.window.end_ns { count } else { 0 };
    }

    /// A measured message ended otherwise.
    pub fn failed(&mut self, now_ns: u64, word: &'static str, count: u64) {
        self.failed += count;
        let nth = self.window.interval_of(now_ns);
        self.slices[nth].failed += count;
        self.count_word(word, count);
    }

    /// `count` measured messages that were due then and never left: their latency is at least this.
    pub fn unsent(&mut self, due_ns: u64, now_ns: u64, count: u64) {
        self.spans.add_many(Duration::from_nanos(now_ns.saturating_sub(due_ns)), count);
    }

    /// Adds what another thread counted of the same work.
    pub fn merge(&mut self, other: &Self) {
        self.spans.merge(&other.spans);
        self.delays.merge(&other.delays);
        self.sent += other.sent;
        self.ended += other.ended;
        for (slice, of) in self.slices.iter_mut().zip(&other.slices) {
            slice.sent += of.sent;
            slice.ended += of.ended;
            slice.failed += of.failed;
            slice.spans.merge(&of.spans);
        }
        self.failed += other.failed;
        for (word, count) in &other.words {
            self.count_word(word, *count);
        }
    }

    fn count_word(&mut self, word: &'static str, count: u64) {
        let known = self.words.iter().position(|(of, _)| *of == word);
        if let Some(place) = known {
            self.words[place].1 += count;
        } else if self.words.len() < WORDS_MAX {
            self.words.push((word, count));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Window = Window { begin_ns: 1000, end_ns: 3500, interval_ns: 1000 };

    #[test]
    fn the_window_decides_what_is_measured() {
        assert_eq!([WINDOW.stamped(999), WINDOW.stamped(1000)], [0, 1000]);
        assert_eq!([WINDOW.stamped(3499), WINDOW.stamped(3500)], [3499, 0]);
        assert_eq!(WINDOW.interval_count(), 3);
    }

    #[test]
    fn what_ends_late_counts_as_latency_and_not_as_rate() {
        let mut ledger = Ledger::new(WINDOW);
        ledger.sent(1000, 5, 1);
        ledger.sent(3400, 5, 1);
        ledger.ended(1000, 2100, 1);
        ledger.ended(3400, 9000, 1);
        ledger.failed(2100, "overloaded", 1);
        assert_eq!((ledger.sent, ledger.ended, ledger.failed), (2, 2, 1));
        assert_eq!(ledger.slices.iter().map(|slice| slice.ended).collect::<Vec<_>>(), [0, 1, 0]);
        assert_eq!(ledger.slices[2].spans.count(), 1, "in the last interval");
        let mut both = Ledger::new(WINDOW);
        both.merge(&ledger);
        both.merge(&ledger);
        assert_eq!((both.sent, both.spans.count(), both.delays.count()), (4, 4, 4));
        assert_eq!(both.words, [("overloaded", 2)]);
    }
}
