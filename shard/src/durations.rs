//! Durations: how long something took, in powers of two of nanoseconds.

/// Powers of two of nanoseconds a span may have.
const BUCKETS: usize = u64::BITS as usize;

/// Spans of one kind. Keeping one touches a few words and allocates nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Durations {
    /// How many.
    pub count: u64,
    /// All together, in nanoseconds; saturates.
    pub sum_ns: u64,
    /// The longest, in nanoseconds.
    pub max_ns: u64,
    /// Bucket `i` counts spans of 2^i to 2^(i+1) ns; zero is counted with one.
    buckets: [u64; BUCKETS],
}

impl Default for Durations {
    fn default() -> Self {
        Self { count: 0, sum_ns: 0, max_ns: 0, buckets: [0; BUCKETS] }
    }
}

impl Durations {
    /// Keeps one.
    pub fn record(&mut self, span_ns: u64) {
        self.count += 1;
        self.sum_ns = self.sum_ns.saturating_add(span_ns);
        self.max_ns = self.max_ns.max(span_ns);
        self.buckets[span_ns.max(1).ilog2() as usize] += 1;
    }

    /// The buckets up to the last one that counts.
    pub fn used(&self) -> &[u64] {
        let end = self.buckets.iter().rposition(|count| *count > 0).map_or(0, |last| last + 1);
        &self.buckets[..end]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_bucket(span_ns: u64, bucket: usize) {
        let mut durations = Durations::default();
        durations.record(span_ns);
        assert_eq!(durations.used().len(), bucket + 1, "{span_ns} ns");
        assert_eq!(durations.used()[bucket], 1, "{span_ns} ns");
    }

    #[test]
    fn a_bucket_holds_one_power_of_two() {
        check_bucket(0, 0);
        check_bucket(1, 0);
        check_bucket(2, 1);
        check_bucket(3, 1);
        check_bucket(4, 2);
        check_bucket(1023, 9);
        check_bucket(1024, 10);
        check_bucket(u64::MAX, 63);
    }

    #[test]
    fn durations_keep_count_sum_and_maximum() {
        let mut durations = Durations::default();
        for span_ns in [5, 0, 9] {
            durations.record(span_ns);
        }
        assert_eq!((durations.count, durations.sum_ns, durations.max_ns), (3, 14, 9));
        durations.record(u64::MAX);
        assert_eq!(durations.sum_ns, u64::MAX, "it saturates");
    }
}
