//! Hdr: latencies in the two texts of the HdrHistogram family: percentiles (`.hgrm`) and an interval log (`.hlog`).
//!
//! The percentile text has microseconds, as people read it; the log has nanoseconds inside its
//! histograms, and the longest of each interval in milliseconds, as its other writers do.

use super::{Journey, RunResult};
use crate::spans::Spans;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use std::fmt::Write;
use std::time::{Duration, SystemTime};

/// Lines of a percentile text for each halving of what is left to 100 %.
const LINES_PER_HALVING: u32 = 5;
/// From nanoseconds to what a text shows.
const NS_PER_US: f64 = 1000.0;
const NS_PER_MS: f64 = 1_000_000.0;

/// The percentile distribution of `spans` in microseconds.
pub fn percentiles(spans: &Spans) -> String {
    let histogram = spans.histogram();
    let mut text = format!(
        "{:>12} {:>14} {:>10} {:>14}\n\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    );
    let mut total = 0;
    for step in histogram.iter_quantiles(LINES_PER_HALVING) {
        total += step.count_since_last_iteration();
        let value_us = crate::spans::as_f64(step.value_iterated_to()) / NS_PER_US;
        let quantile = step.quantile_iterated_to();
        let _ = write!(text, "{value_us:12.3} {quantile:2.12} {total:10}");
        // Its readers take the last line, which has no inverse, for the end.
        let _ = if quantile < 1.0 {
            writeln!(text, " {:14.2}", 1.0 / (1.0 - quantile))
        } else {
            writeln!(text)
        };
    }
    let (mean, deviation) = if histogram.is_empty() {
        (0.0, 0.0)
    } else {
        (histogram.mean() / NS_PER_US, histogram.stdev() / NS_PER_US)
    };
    let max_us = crate::spans::as_f64(histogram.max()) / NS_PER_US;
    let sub_buckets = (2 * 10_u32.pow(u32::from(histogram.sigfig()))).next_power_of_two();
    let _ = writeln!(text, "#[Mean    = {mean:12.3}, StdDeviation   = {deviation:12.3}]");
    let _ = writeln!(text, "#[Max     = {max_us:12.3}, Total count    = {:12}]", histogram.len());
    let _ = writeln!(
        text,
        "#[Buckets = {:12}, SubBuckets     = {sub_buckets:12}]",
        histogram.buckets()
    );
    text
}

/// The interval log of a run: a line for each interval and journey, tagged with the journey's name.
pub fn interval_log(run: &RunResult) -> String {
    let mut bytes = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let mut builder = IntervalLogWriterBuilder::new();
    builder
        .add_comment("[Histogram log format version 1.3]")
        .add_comment(&format!("[{}; {}]", run.workload.name, run.driver.title()))
        .with_max_value_divisor(NS_PER_MS);
    if let Some(begun) = system_time(&run.begun) {
        builder.with_start_time(begun).with_base_time(begun);
    }
    let mut writer =
        builder.begin_log_with(&mut bytes, &mut serializer).expect("memory takes everything");
    for interval in &run.intervals {
        let begin = seconds(interval.begin_s);
        let length = seconds(interval.length_s);
        for (journey, packed) in &interval.latencies {
            let tag = Tag::new(journey.name());
            let spans = packed.unpack();
            writer
                .write_histogram(spans.histogram(), begin, length, tag)
                .expect("memory takes everything");
        }
    }
    drop(writer);
    String::from_utf8(bytes).expect("numbers and base64")
}

/// What stands beside a result: the ending of each file's name, and its text.
pub fn texts(run: &RunResult) -> Vec<(String, String)> {
    let percentiles = |(journey, spans): (&Journey, &Spans)| {
        (format!("{}.hgrm", journey.name()), percentiles(spans))
    };
    let mut texts: Vec<(String, String)> = run.latencies.iter().map(percentiles).collect();
    texts.push(("hlog".to_owned(), interval_log(run)));
    texts
}

fn system_time(stamp: &str) -> Option<SystemTime> {
    let begun = stamp.parse::<jiff::Timestamp>().ok()?;
    let since_epoch = Duration::from_secs(u64::try_from(begun.as_second()).ok()?);
    SystemTime::UNIX_EPOCH.checked_add(since_epoch)
}

/// A span read from a file may be anything.
fn seconds(span_s: f64) -> Duration {
    Duration::try_from_secs_f64(span_s).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::Level;
    use crate::sample;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    /// `(value, percentile, total count)` of each line between the titles and the summary.
    fn lines(text: &str) -> Vec<(f64, f64, u64)> {
        let body = text.lines().skip(2).take_while(|line| !line.starts_with('#'));
        body.map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let number = |at: usize| words[at].parse::<f64>().expect("a number");
            (number(0), number(1), words[2].parse().expect("a count"))
        })
        .collect()
    }

    #[test]
    fn a_percentile_text_says_what_the_histogram_says() {
        let spans = sample::spread(150, 24_000);
        let text = percentiles(&spans);
        assert!(text.starts_with("       Value     Percentile TotalCount 1/(1-Percentile)\n\n"));
        let lines = lines(&text);
        for (value_us, quantile, _) in &lines {
            // Right at a step the family's tools differ by one unit in the last place.
            let low_us = spans.raw_quantile_us((quantile - 1e-6).max(0.0));
            let high_us = spans.raw_quantile_us((quantile + 1e-6).min(1.0));
            let fits = (low_us - 0.1..=high_us + 0.1).contains(value_us);
            assert!(fits, "{quantile}: {value_us} is not in {low_us}..{high_us}");
        }
        let (last_us, last, count) = *lines.last().expect("lines");
        assert!((last_us - spans.max_us()).abs() <= 0.1, "{last_us} {}", spans.max_us());
        assert_eq!((last.to_bits(), count), (1.0_f64.to_bits(), 24_000));
        assert!(text.contains("Total count    =        24000]"), "{text}");
        assert!(text.trim_end().ends_with("SubBuckets     =         2048]"), "{text}");
    }

    #[test]
    fn a_percentile_text_of_nothing_is_well_formed() {
        let text = percentiles(&Spans::default());
        assert_eq!(lines(&text).len(), 0);
        assert!(text.contains("Total count    =            0]"));
    }

    #[test]
    fn an_interval_log_is_read_back_by_its_reader() {
        let run = sample::run("latency-2k", Level::Durable, 150);
        let log = interval_log(&run);
        let (mut intervals, mut begun_s) = (0, None);
        for entry in IntervalLogIterator::new(log.as_bytes()) {
            match entry.expect("well formed") {
                LogEntry::BaseTime(time) => begun_s = Some(time.as_secs()),
                LogEntry::StartTime(_) => {}
                LogEntry::Interval(line) => {
                    let interval = &run.intervals[intervals / 2];
                    let name = line.tag().expect("tagged").as_str();
                    let journey = Journey::ALL.into_iter().find(|journey| journey.name() == name);
                    let text = line.encoded_histogram().to_owned();
                    let spans = Spans::try_from(text).expect("a histogram");
                    assert_eq!(Some(spans), interval.spans(journey.expect("ours")));
                    assert!((line.start_timestamp().as_secs_f64() - interval.begin_s).abs() < 1e-3);
                    intervals += 1;
                }
            }
        }
        assert_eq!(intervals, 2 * run.intervals.len());
        assert_eq!(begun_s, Some(1_795_766_400), "2026-11-27 08:00 UTC");
    }
}
