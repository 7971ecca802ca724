//! Measured: one line of results: how long one piece of work took, how often, and beside which floor.

pub use crate::spans::Spans;

use crate::spans::as_f64;
use serde::Serialize;
use std::time::Duration;

/// One line of results. Spans in microseconds; a quantile without enough samples is absent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// What was done.
    pub work: String,
    /// How: size, waiting, level.
    pub setting: String,
    /// How many were measured.
    pub count: u64,
    /// Per second, one after another.
    pub per_second: f64,
    /// Half were faster.
    pub p50_us: Option<f64>,
    /// 90 % were faster.
    pub p90_us: Option<f64>,
    /// 99 % were faster.
    pub p99_us: Option<f64>,
    /// 99.9 % were faster.
    pub p99_9_us: Option<f64>,
    /// The longest.
    pub max_us: f64,
    /// This p50 in multiples of the floor's.
    pub p50_to_floor: Option<f64>,
    /// This p99 in multiples of the floor's.
    pub p99_to_floor: Option<f64>,
}

impl Measured {
    /// The titles of a table of these.
    pub const COLUMNS: &'static [&'static str] = &[
        "WORK",
        "SETTING",
        "COUNT",
        "PER S",
        "P50 US",
        "P90 US",
        "P99 US",
        "P99.9 US",
        "MAX US",
        "P50/FLOOR",
        "P99/FLOOR",
    ];

    /// The line for `spans`, measured in `took` altogether.
    pub fn new(work: &str, setting: String, spans: &Spans, took: Duration) -> Self {
        Self {
            work: work.to_owned(),
            setting,
            count: spans.count(),
            per_second: (as_f64(spans.count()) / took.as_secs_f64().max(1e-9)).round(),
            p50_us: spans.quantile_us(0.5),
            p90_us: spans.quantile_us(0.9),
            p99_us: spans.quantile_us(0.99),
            p99_9_us: spans.quantile_us(0.999),
            max_us: spans.max_us(),
            p50_to_floor: None,
            p99_to_floor: None,
        }
    }

    /// The same line, counting `count` records in `took` where a span is of several.
    #[must_use]
    pub fn of_records(mut self, count: u64, took: Duration) -> Self {
        self.count = count;
        self.per_second = (as_f64(count) / took.as_secs_f64().max(1e-9)).round();
        self
    }

    /// The same line with its ratio to the sum of `floors`.
    #[must_use]
    pub fn beside(mut self, floors: &[&Self]) -> Self {
        let ratio = |own: Option<f64>, of: fn(&Self) -> Option<f64>| {
            let floor: Option<f64> = floors.iter().map(|floor| of(floor)).sum();
            Some((own? / floor?.max(0.001) * 100.0).round() / 100.0)
        };
        self.p50_to_floor = ratio(self.p50_us, |line| line.p50_us);
        self.p99_to_floor = ratio(self.p99_us, |line| line.p99_us);
        self
    }

    /// One text per title.
    pub fn cells(&self) -> Vec<String> {
        let or_dash = |value: Option<f64>, digits: usize| {
            value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
        };
        vec![
            self.work.clone(),
            self.setting.clone(),
            self.count.to_string(),
            format!("{:.0}", self.per_second),
            or_dash(self.p50_us, 1),
            or_dash(self.p90_us, 1),
            or_dash(self.p99_us, 1),
            or_dash(self.p99_9_us, 1),
            format!("{:.1}", self.max_us),
            or_dash(self.p50_to_floor, 2),
            or_dash(self.p99_to_floor, 2),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(us: u64, count: usize) -> Measured {
        let mut spans = Spans::default();
        for _ in 0..count {
            spans.add(Duration::from_micros(us));
        }
        Measured::new("work", String::new(), &spans, Duration::from_secs(1))
    }

    #[test]
    fn a_quantile_needs_a_hundred_samples_beyond_it() {
        let few = line(10, 999);
        assert!(few.p50_us.is_some() && few.p90_us.is_none());
        let more = line(10, 10_000);
        assert!(more.p99_us.is_some() && more.p99_9_us.is_none());
    }

    #[test]
    fn a_ratio_is_to_the_sum_of_the_floors() {
        let (echo, flush) = (line(10, 10_000), line(90, 10_000));
        let publish = line(150, 10_000).beside(&[&echo, &flush]);
        assert_eq!(publish.p50_to_floor, Some(1.5));
        assert_eq!(publish.p99_to_floor, Some(1.5));
        assert_eq!(publish.cells().len(), Measured::COLUMNS.len());
        let unknown = line(150, 10).beside(&[&echo]);
        assert_eq!(unknown.p50_to_floor, None);
    }
}
