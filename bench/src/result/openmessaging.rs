//! OpenMessaging: a result under the keys of OpenMessaging Benchmark, so that its chart scripts draw ours.
//!
//! Its rules hold for these keys: windows of 10 s, publish and end-to-end latencies in milliseconds,
//! the publish delay in whole microseconds, a quantile whatever the number of samples, 0 where nothing was
//! measured. Requests have no counterpart there: their outcome stands under both latencies.

use super::series::joined;
use super::{Interval, Journey, Kind, RunResult};
use crate::spans::Spans;
use serde_json::{Map, Value, json};

/// Seconds of one window: the scripts draw a point every 10.
const WINDOW_S: f64 = 10.0;
/// Its names of quantiles.
const QUANTILES: [(&str, f64); 7] = [
    ("50pct", 0.5),
    ("75pct", 0.75),
    ("95pct", 0.95),
    ("99pct", 0.99),
    ("999pct", 0.999),
    ("9999pct", 0.9999),
    ("99999pct", 0.999_99),
];
/// Percentiles of its quantile curves.
const CURVE: [f64; 16] = [
    0.0, 10.0, 25.0, 50.0, 60.0, 70.0, 75.0, 80.0, 90.0, 95.0, 98.0, 99.0, 99.5, 99.9, 99.99,
    99.999,
];

/// The keys of OpenMessaging Benchmark for `run`.
pub fn keys(run: &RunResult) -> Map<String, Value> {
    let workload = &run.workload;
    let windows = joined(&run.intervals, WINDOW_S);
    let consumers = workload.groups_per_topic.saturating_mul(workload.consumers_per_group);
    let rates = |count: fn(&Interval) -> u64| -> Vec<f64> {
        windows.iter().map(|window| window.rate(count(window))).collect()
    };
    let backlog: Vec<u64> = windows.iter().map(|window| window.backlog).collect();
    let mut keys = Map::from_iter([
        ("workload".to_owned(), json!(workload.name)),
        ("driver".to_owned(), json!(format!("{} {}", run.driver.name, run.driver.level.name()))),
        ("messageSize".to_owned(), json!(workload.message_bytes)),
        ("topics".to_owned(), json!(workload.topics)),
        ("partitions".to_owned(), json!(workload.queues_per_topic)),
        ("producersPerTopic".to_owned(), json!(workload.producers_per_topic)),
        ("consumersPerTopic".to_owned(), json!(consumers)),
        ("publishRate".to_owned(), json!(rates(|window| window.completed))),
        ("publishErrorRate".to_owned(), json!(rates(|window| window.failed))),
        ("consumeRate".to_owned(), json!(rates(|window| window.delivered))),
        ("backlog".to_owned(), json!(backlog)),
    ]);
    let (publish, end_to_end) = match workload.kind {
        Kind::PublishSubscribe => (Journey::PublishToAck, Journey::PublishToDelivery),
        Kind::RequestReply | Kind::Admin => (Journey::RequestToOutcome, Journey::RequestToOutcome),
    };
    for latency in [
        Latency { name: "publishLatency", journey: publish, unit: Unit::Milliseconds },
        Latency {
            name: "publishDelayLatency",
            journey: Journey::SendDelay,
            unit: Unit::Microseconds,
        },
        Latency { name: "endToEndLatency", journey: end_to_end, unit: Unit::Milliseconds },
    ] {
        latency.add_to(&mut keys, run, &windows);
    }
    keys
}

/// One of its latencies.
struct Latency {
    name: &'static str,
    journey: Journey,
    unit: Unit,
}

#[derive(Clone, Copy)]
enum Unit {
    /// With decimals.
    Milliseconds,
    /// Whole ones.
    Microseconds,
}

impl Unit {
    fn of(self, us: f64) -> f64 {
        match self {
            Self::Milliseconds => us / 1000.0,
            Self::Microseconds => us.round(),
        }
    }
}

impl Latency {
    fn add_to(&self, keys: &mut Map<String, Value>, run: &RunResult, windows: &[Interval]) {
        let whole = run.latencies.get(&self.journey).cloned().unwrap_or_default();
        let spans = |window: &Interval| window.spans(self.journey).unwrap_or_default();
        let windows: Vec<Spans> = windows.iter().map(spans).collect();
        let mut add = |suffix: &str, of: &dyn Fn(&Spans) -> f64| {
            let told = |spans: &Spans| self.unit.of(of(spans));
            let series: Vec<f64> = windows.iter().map(told).collect();
            keys.insert(format!("{}{suffix}", self.name), json!(series));
            keys.insert(format!("{}{suffix}", self.aggregated()), json!(told(&whole)));
        };
        add("Avg", &Spans::mean_us);
        add("Max", &Spans::max_us);
        for (suffix, quantile) in QUANTILES {
            add(suffix, &|spans| spans.raw_quantile_us(quantile));
        }
        let point = |percentile: &f64| {
            let us = whole.raw_quantile_us(percentile / 100.0);
            (percentile.to_string(), json!(self.unit.of(us)))
        };
        let curve: Map<String, Value> = CURVE.iter().map(point).collect();
        keys.insert(format!("{}Quantiles", self.aggregated()), Value::Object(curve));
    }

    /// `publishLatency` of a whole run is `aggregatedPublishLatency`.
    fn aggregated(&self) -> String {
        let (first, rest) = self.name.split_at(1);
        format!("aggregated{}{rest}", first.to_uppercase())
    }
}
