//! Spans: how long many pieces of work took, as a histogram that is kept, merged and stored.
//!
//! Stored as HdrHistogram's compressed V2 bytes in base64: what every tool of that family reads.
//! Values are nanoseconds, from 1 ns to one minute; longer ones count as one minute.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer as _, V2DeflateSerializer};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A quantile is told only with so many samples beyond it.
const SAMPLES_BEYOND_MIN: f64 = 100.0;
/// The longest span kept apart, in nanoseconds; longer ones count as this.
const LONGEST_NS: u64 = 60_000_000_000;
/// Decimal digits kept of a span: of a whole run, and of one interval among hundreds.
const DIGITS_FINE: u8 = 3;
const DIGITS_COARSE: u8 = 2;
/// The longest text that is taken for a stored histogram, in bytes.
const STORED_BYTES_MAX: usize = 1 << 20;

/// Spans of one piece of work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Spans(Histogram<u64>);

impl Default for Spans {
    fn default() -> Self {
        Self::with_digits(DIGITS_FINE)
    }
}

impl Spans {
    /// For one interval of many: 1 % of precision, a tenth of the memory.
    pub fn coarse() -> Self {
        Self::with_digits(DIGITS_COARSE)
    }

    fn with_digits(digits: u8) -> Self {
        Self(Histogram::new_with_bounds(1, LONGEST_NS, digits).expect("constant bounds in range"))
    }

    /// Counts one.
    pub fn add(&mut self, span: Duration) {
        self.add_many(span, 1);
    }

    /// Counts `count` of the same length.
    pub fn add_many(&mut self, span: Duration, count: u64) {
        let span_ns = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX).max(1);
        self.0.saturating_record_n(span_ns, count);
    }

    /// Counts all of `others`.
    pub fn merge(&mut self, others: &Self) {
        for step in others.0.iter_recorded() {
            self.0.saturating_record_n(step.value_iterated_to(), step.count_at_value());
        }
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.reset();
    }

    /// How many.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The `quantile` (0 to 1) in microseconds, if enough spans lie beyond it.
    pub fn quantile_us(&self, quantile: f64) -> Option<f64> {
        self.tells(quantile).then(|| self.raw_quantile_us(quantile))
    }

    /// The `quantile` in microseconds however few spans there are; 0 if there are none.
    pub fn raw_quantile_us(&self, quantile: f64) -> f64 {
        microseconds(self.0.value_at_quantile(quantile))
    }

    /// Whether enough spans lie beyond `quantile` to tell it.
    pub fn tells(&self, quantile: f64) -> bool {
        as_f64(self.0.len()) * (1.0 - quantile) + 1e-6 >= SAMPLES_BEYOND_MIN
    }

    /// The mean in microseconds; 0 if there are none. Only formats that insist on it get one.
    pub fn mean_us(&self) -> f64 {
        if self.0.is_empty() { 0.0 } else { self.0.mean() / 1000.0 }
    }

    /// The longest in microseconds; 0 if there are none.
    pub fn max_us(&self) -> f64 {
        microseconds(self.0.max())
    }

    /// The histogram, for the formats that are made of one.
    pub const fn histogram(&self) -> &Histogram<u64> {
        &self.0
    }

    /// The same, as it is stored.
    pub fn pack(&self) -> PackedSpans {
        let mut bytes = Vec::new();
        V2DeflateSerializer::new().serialize(&self.0, &mut bytes).expect("memory takes everything");
        PackedSpans(STANDARD.encode(bytes))
    }
}

impl From<Spans> for String {
    fn from(spans: Spans) -> Self {
        spans.pack().0
    }
}

impl TryFrom<String> for Spans {
    type Error = NoHistogram;

    fn try_from(text: String) -> Result<Self, NoHistogram> {
        if text.len() > STORED_BYTES_MAX {
            return Err(NoHistogram(format!("{} bytes, at most {STORED_BYTES_MAX}", text.len())));
        }
        let bytes = STANDARD.decode(&text).map_err(|error| NoHistogram(error.to_string()))?;
        let read = Deserializer::new().deserialize(&mut bytes.as_slice());
        read.map(Self).map_err(|error| NoHistogram(format!("{error:?}")))
    }
}

/// Spans as they are stored: small, so that a run keeps hundreds of them.
///
/// What is in it was either packed here or read once to see that it can be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PackedSpans(String);

impl PackedSpans {
    /// The spans.
    pub fn unpack(&self) -> Spans {
        Spans::try_from(self.0.clone()).expect("packed here, or looked at when it was read")
    }

    /// HdrHistogram's compressed V2 bytes in base64.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<PackedSpans> for String {
    fn from(packed: PackedSpans) -> Self {
        packed.0
    }
}

impl TryFrom<String> for PackedSpans {
    type Error = NoHistogram;

    fn try_from(text: String) -> Result<Self, NoHistogram> {
        Spans::try_from(text.clone()).map(|_| Self(text))
    }
}

/// A text that is no stored histogram, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoHistogram(String);

impl std::fmt::Display for NoHistogram {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "no HdrHistogram V2 in base64: {}", self.0)
    }
}

impl std::error::Error for NoHistogram {}

#[expect(clippy::cast_precision_loss, reason = "counts and spans below 2^53")]
pub(crate) const fn as_f64(value: u64) -> f64 {
    value as f64
}

/// To a tenth of a microsecond.
fn microseconds(ns: u64) -> f64 {
    (as_f64(ns) / 100.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(micros: impl IntoIterator<Item = u64>) -> Spans {
        let mut spans = Spans::default();
        for us in micros {
            spans.add(Duration::from_micros(us));
        }
        spans
    }

    #[test]
    fn a_quantile_needs_a_hundred_samples_beyond_it() {
        let few = spans(1..=999);
        assert!(few.quantile_us(0.5).is_some() && few.quantile_us(0.9).is_none());
        assert!(few.raw_quantile_us(0.9) > 890.0, "for formats that insist");
        assert!(spans(1..=1000).quantile_us(0.9).is_some());
    }

    #[test]
    fn what_is_stored_comes_back() {
        let before = spans((1..=2000).chain([7_000_000]));
        let text = serde_json::to_string(&before).expect("JSON");
        assert!(text.starts_with("\"HIST"), "the family's magic in base64: {text}");
        let after: Spans = serde_json::from_str(&text).expect("the same");
        assert_eq!(after, before);
        assert_eq!(before.pack().unpack(), before);
    }

    #[test]
    fn bytes_that_are_no_histogram_are_refused() {
        for text in ["", "!", "SElTVA==", "HISTFAAAABo="] {
            let refused = serde_json::from_value::<PackedSpans>(text.into());
            let told = refused.expect_err(text).to_string();
            assert!(told.contains("no HdrHistogram"), "{told}");
        }
        let long = "A".repeat(STORED_BYTES_MAX + 1);
        assert!(Spans::try_from(long).expect_err("long").to_string().contains("at most"));
    }

    #[test]
    fn merging_counts_both_whatever_their_precision() {
        let mut coarse = Spans::coarse();
        coarse.add_many(Duration::from_micros(10), 300);
        let mut all = spans(1..=700);
        all.merge(&coarse);
        assert_eq!(all.count(), 1000);
        assert!((all.quantile_us(0.3).expect("enough") - 10.0).abs() < 0.2);
    }

    #[test]
    fn a_span_beyond_the_longest_counts_as_the_longest() {
        let mut spans = Spans::default();
        spans.add(Duration::from_hours(1));
        spans.add(Duration::ZERO);
        assert_eq!(spans.count(), 2);
        assert!(spans.max_us() < 60_100_000.0);
    }
}
