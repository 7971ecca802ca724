//! Series: a run interval by interval: what was counted, and the latencies of each.

use super::Journey;
use crate::spans::{PackedSpans, Spans, as_f64};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Intervals a run has at most; a longer run takes longer ones.
pub const INTERVALS_MAX: usize = 600;

/// One stretch of a run, by default a second.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Seconds after the begin of the measured part.
    pub begin_s: f64,
    /// Its length in seconds.
    pub length_s: f64,
    /// Messages or requests sent in it.
    pub sent: u64,
    /// Acknowledgements or replies that came in it.
    pub completed: u64,
    /// Messages delivered in it.
    pub delivered: u64,
    /// Failures in it.
    pub failed: u64,
    /// Messages accepted and not yet delivered at its end, summed over the groups.
    pub backlog: u64,
    /// Latencies of what ended in it.
    pub latencies: BTreeMap<Journey, PackedSpans>,
}

impl Interval {
    /// `count` of this interval per second.
    pub fn rate(&self, count: u64) -> f64 {
        if self.length_s > 0.0 { as_f64(count) / self.length_s } else { 0.0 }
    }

    /// The latencies of one journey, if any ended.
    pub fn spans(&self, journey: Journey) -> Option<Spans> {
        self.latencies.get(&journey).map(PackedSpans::unpack)
    }
}

/// How long one interval of a run of `run_s` seconds is: whole seconds, so few that `INTERVALS_MAX` suffice.
pub fn interval_s(run_s: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a small constant")]
    let intervals_max = INTERVALS_MAX as f64;
    (run_s / intervals_max).ceil().max(1.0)
}

/// The intervals joined so that each has about `length_s`: for formats with a fixed step.
pub fn joined(intervals: &[Interval], length_s: f64) -> Vec<Interval> {
    let mut joined: Vec<Interval> = Vec::new();
    for interval in intervals {
        match joined.last_mut() {
            Some(last) if last.length_s + interval.length_s <= length_s + 1e-6 => {
                last.absorb(interval);
            }
            _ => joined.push(interval.clone()),
        }
    }
    joined
}

impl Interval {
    fn absorb(&mut self, next: &Self) {
        self.length_s += next.length_s;
        self.sent += next.sent;
        self.completed += next.completed;
        self.delivered += next.delivered;
        self.failed += next.failed;
        self.backlog = next.backlog;
        for (journey, packed) in &next.latencies {
            let mut spans = self.spans(*journey).unwrap_or_else(Spans::coarse);
            spans.merge(&packed.unpack());
            self.latencies.insert(*journey, spans.pack());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn interval(second: u32) -> Interval {
        let mut spans = Spans::coarse();
        spans.add_many(Duration::from_micros(u64::from(second) + 1), 10);
        Interval {
            begin_s: f64::from(second),
            length_s: 1.0,
            sent: 10,
            completed: 10,
            delivered: 5,
            failed: 0,
            backlog: u64::from(second),
            latencies: BTreeMap::from([(Journey::PublishToAck, spans.pack())]),
        }
    }

    #[test]
    fn joining_adds_up_and_keeps_the_last_backlog() {
        let intervals: Vec<Interval> = (0..25).map(interval).collect();
        let joined = joined(&intervals, 10.0);
        let lengths: Vec<f64> = joined.iter().map(|interval| interval.length_s).collect();
        assert_eq!(lengths, [10.0, 10.0, 5.0]);
        assert_eq!((joined[1].sent, joined[1].backlog), (100, 19));
        assert!((joined[1].begin_s - 10.0).abs() < 1e-9);
        let spans = joined[0].spans(Journey::PublishToAck).expect("merged");
        assert_eq!(spans.count(), 100);
    }

    #[test]
    fn a_long_run_takes_longer_intervals() {
        assert!((interval_s(60.0) - 1.0).abs() < 1e-9);
        assert!((interval_s(1800.0) - 3.0).abs() < 1e-9);
    }
}
