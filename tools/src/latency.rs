//! Latency: what was measured, as quantiles that have enough samples behind them.

use crate::clock::nanos;
use crate::output::fields;
use hdrhistogram::Histogram;
use serde::Serialize;
use std::time::Duration;

/// A quantile is told only with so many samples beyond it.
const SAMPLES_BEYOND_MIN: f64 = 100.0;
/// The longest span kept apart, in nanoseconds; longer ones count as this.
const LONGEST_NS: u64 = 600_000_000_000;

/// Gathers spans.
#[derive(Clone, Debug)]
pub struct Latencies(Histogram<u64>);

/// Quantiles in microseconds; absent where too few samples lie beyond them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct LatencySummary {
    /// How many spans.
    pub count: u64,
    /// Half were faster.
    pub p50_us: Option<f64>,
    /// 90 % were faster.
    pub p90_us: Option<f64>,
    /// 99 % were faster.
    pub p99_us: Option<f64>,
    /// 99.9 % were faster.
    pub p99_9_us: Option<f64>,
    /// 99.99 % were faster.
    pub p99_99_us: Option<f64>,
    /// The longest.
    pub max_us: f64,
}

impl Default for Latencies {
    fn default() -> Self {
        Self(
            Histogram::new_with_bounds(1, LONGEST_NS, 3)
                .expect("the bounds are constants in range"),
        )
    }
}

impl Latencies {
    /// Counts one span.
    pub fn add(&mut self, span: Duration) {
        self.0.saturating_record(nanos(span).max(1));
    }

    /// How many spans were counted.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The quantiles so far.
    pub fn summary(&self) -> LatencySummary {
        LatencySummary {
            count: self.0.len(),
            p50_us: self.quantile_us(0.5),
            p90_us: self.quantile_us(0.9),
            p99_us: self.quantile_us(0.99),
            p99_9_us: self.quantile_us(0.999),
            p99_99_us: self.quantile_us(0.9999),
            max_us: micros_of(self.0.max()),
        }
    }

    fn quantile_us(&self, quantile: f64) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "fewer than 2^53 samples")]
        let samples_beyond = self.0.len() as f64 * (1.0 - quantile);
        (samples_beyond + 1e-6 >= SAMPLES_BEYOND_MIN)
            .then(|| micros_of(self.0.value_at_quantile(quantile)))
    }
}

impl LatencySummary {
    /// For people, one quantile a line; those without enough samples are left out.
    pub fn describe(&self) -> String {
        let quantiles = [
            ("p50", self.p50_us),
            ("p90", self.p90_us),
            ("p99", self.p99_us),
            ("p99.9", self.p99_9_us),
            ("p99.99", self.p99_99_us),
            ("max", Some(self.max_us)),
        ];
        let known: Vec<(&str, String)> = quantiles
            .iter()
            .filter_map(|(name, us)| us.map(|us| (*name, format!("{us:.1} us"))))
            .collect();
        fields(&known)
    }
}

#[expect(clippy::cast_precision_loss, reason = "spans are shorter than 2^53 ns")]
fn micros_of(ns: u64) -> f64 {
    (ns as f64 / 100.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_needs_a_hundred_samples_beyond_it() {
        let mut latencies = Latencies::default();
        for micros in 1..=1000 {
            latencies.add(Duration::from_micros(micros));
        }
        let summary = latencies.summary();
        assert_eq!(summary.count, 1000);
        assert!(summary.p90_us.is_some_and(|us| (us - 900.0).abs() < 5.0));
        assert_eq!(summary.p99_us, None);
        assert!((summary.max_us - 1000.0).abs() < 2.0);
        assert_eq!(summary.describe().lines().count(), 3, "p50, p90 and max");
    }
}
