//! Lines: results as lines of a table: one for each journey that a part measured.

use ::bench::figure::Figure;
use ::bench::result::{Journey, RunResult};
use ::bench::workload::Workload;
use serde::Serialize;
use tools::Row;

/// One journey of one part of a run.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Line {
    workload: String,
    level: &'static str,
    load: String,
    journey: &'static str,
    count: u64,
    per_second: Option<f64>,
    rate_to_floor: Option<f64>,
    p50_us: Option<f64>,
    p99_us: Option<f64>,
    p99_9_us: Option<f64>,
    max_us: f64,
    floor: Option<String>,
    p50_to_floor: Option<f64>,
    p99_to_floor: Option<f64>,
    valid: bool,
    doubts: Vec<String>,
}

/// The lines of a result.
pub(super) fn lines(run: &RunResult) -> Vec<Line> {
    let told = run.latencies.iter().filter(|(journey, _)| **journey != Journey::SendDelay);
    let line = |(journey, spans): (&Journey, &::bench::Spans)| {
        let ratio = |quantile: f64| {
            let own_us = spans.quantile_us(quantile)?;
            run.floors.latency_ratio(*journey, quantile, own_us).map(hundredths)
        };
        let rate = |count: u64| (as_f64(count) / run.load.lasted_s.max(1e-9)).round();
        Line {
            workload: run.workload.name.clone(),
            level: run.driver.level.name(),
            load: run.load.describe(),
            journey: journey.name(),
            count: spans.count(),
            per_second: Some(rate(spans.count())).filter(|rate| *rate > 0.0),
            rate_to_floor: Figure::Rate.to_floor(run).map(hundredths),
            p50_us: spans.quantile_us(0.5),
            p99_us: spans.quantile_us(0.99),
            p99_9_us: spans.quantile_us(0.999),
            max_us: spans.max_us(),
            floor: run.floors.name(*journey),
            p50_to_floor: ratio(0.5),
            p99_to_floor: ratio(0.99),
            valid: run.validity.is_valid(),
            doubts: run.validity.reasons().to_vec(),
        }
    };
    told.map(line).collect()
}

impl Row for Line {
    const COLUMNS: &'static [&'static str] = &[
        "WORKLOAD",
        "LEVEL",
        "LOAD",
        "FROM-TO",
        "COUNT",
        "PER S",
        "RATE/FLOOR",
        "P50 US",
        "P99 US",
        "P99.9 US",
        "MAX US",
        "P50/FLOOR",
        "P99/FLOOR",
        "VALID",
    ];

    fn cells(&self) -> Vec<String> {
        let or_dash = |value: Option<f64>, digits: usize| {
            value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
        };
        vec![
            self.workload.clone(),
            self.level.to_owned(),
            self.load.clone(),
            self.journey.to_owned(),
            self.count.to_string(),
            or_dash(self.per_second, 0),
            or_dash(self.rate_to_floor, 2),
            or_dash(self.p50_us, 1),
            or_dash(self.p99_us, 1),
            or_dash(self.p99_9_us, 1),
            format!("{:.1}", self.max_us),
            or_dash(self.p50_to_floor, 2),
            or_dash(self.p99_to_floor, 2),
            if self.valid { "yes".to_owned() } else { format!("NO: {}", self.doubts.join("; ")) },
        ]
    }
}

/// A shipped workload.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Shipped {
    name: String,
    about: String,
    cases: usize,
    seconds: u64,
}

impl Shipped {
    /// What is told of a workload; its time without searches for rates.
    pub(super) fn of(workload: &Workload) -> Self {
        let seconds = workload.cases.iter().map(|case| (case.warm_up + case.test).as_secs());
        Self {
            name: workload.name.clone(),
            about: workload.about.clone(),
            cases: workload.cases.len(),
            seconds: seconds.sum(),
        }
    }
}

impl Row for Shipped {
    const COLUMNS: &'static [&'static str] = &["NAME", "CASES", "SECONDS", "ABOUT"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            self.cases.to_string(),
            self.seconds.to_string(),
            self.about.clone(),
        ]
    }
}

fn hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[expect(clippy::cast_precision_loss, reason = "counts below 2^53")]
const fn as_f64(count: u64) -> f64 {
    count as f64
}
