//! Figure: one number of a run, by name: what tables show, comparisons judge and floors bound.

use crate::report::number;
use crate::result::costs::us_per_message;
use crate::result::{FlushUse, Journey, RunResult};

/// A number of a run. Absent where it was not measured, or rests on too few samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Figure {
    /// A latency that this share of spans does not exceed.
    Quantile(Journey, Quantile),
    /// The longest latency.
    Longest(Journey),
    /// Messages acknowledged, or requests answered, in a second.
    Rate,
    /// CPU time of the bus a message, in microseconds.
    ServerCpu,
    /// CPU time of the load a message, in microseconds.
    ClientCpu,
    /// Messages that shared one fdatasync.
    MessagesPerFdatasync,
    /// Publishes that shared one fdatasync.
    PublishesPerFdatasync,
}

/// A share of all spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantile {
    /// One half.
    P50,
    /// 90 %.
    P90,
    /// 99 %.
    P99,
    /// 99.9 %.
    P999,
    /// 99.99 %.
    P9999,
}

impl Quantile {
    /// All, in their order.
    pub const ALL: [Self; 5] = [Self::P50, Self::P90, Self::P99, Self::P999, Self::P9999];

    /// As a share of one.
    pub const fn share(self) -> f64 {
        match self {
            Self::P50 => 0.5,
            Self::P90 => 0.9,
            Self::P99 => 0.99,
            Self::P999 => 0.999,
            Self::P9999 => 0.9999,
        }
    }

    /// In a table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::P50 => "p50",
            Self::P90 => "p90",
            Self::P99 => "p99",
            Self::P999 => "p99.9",
            Self::P9999 => "p99.99",
        }
    }
}

impl Figure {
    /// This number of `run`.
    pub fn of(self, run: &RunResult) -> Option<f64> {
        let completed = run.counts.completed;
        match self {
            Self::Quantile(journey, quantile) => {
                run.latencies.get(&journey)?.quantile_us(quantile.share())
            }
            Self::Longest(journey) => {
                let spans = run.latencies.get(&journey)?;
                (spans.count() > 0).then(|| spans.max_us())
            }
            Self::Rate => run.rate(),
            Self::ServerCpu => us_per_message(run.cpu.server_s, completed),
            Self::ClientCpu => us_per_message(run.cpu.client_s, completed),
            Self::MessagesPerFdatasync => run.flushes.and_then(FlushUse::messages_per_fdatasync),
            Self::PublishesPerFdatasync => run.flushes.and_then(FlushUse::publishes_per_fdatasync),
        }
    }

    /// The same in multiples of the machine's own, where a floor bounds it; of a rate, its share of the best.
    pub fn to_floor(self, run: &RunResult) -> Option<f64> {
        match self {
            Self::Quantile(journey, quantile) => {
                run.floors.latency_ratio(journey, quantile.share(), self.of(run)?)
            }
            Self::Rate => {
                let best = run.floors.rates.iter().map(|floor| floor.per_second);
                let best = best.fold(0.0, f64::max);
                (best > 0.0).then(|| self.of(run).map(|rate| rate / best)).flatten()
            }
            Self::Longest(_)
            | Self::ServerCpu
            | Self::ClientCpu
            | Self::MessagesPerFdatasync
            | Self::PublishesPerFdatasync => None,
        }
    }

    /// A ratio to the floor, in words.
    pub fn show_to_floor(self, ratio: f64) -> String {
        if self == Self::Rate {
            format!("{} % of floor", number::three(ratio * 100.0))
        } else {
            format!("{} floor", number::ratio(ratio))
        }
    }

    /// Whether less of it is better.
    pub const fn less_is_better(self) -> bool {
        match self {
            Self::Quantile(..) | Self::Longest(_) | Self::ServerCpu | Self::ClientCpu => true,
            Self::Rate | Self::MessagesPerFdatasync | Self::PublishesPerFdatasync => false,
        }
    }

    /// Its name: `publish-to-ack p99`.
    pub fn name(self) -> String {
        match self {
            Self::Quantile(journey, quantile) => format!("{} {}", journey.name(), quantile.name()),
            Self::Longest(journey) => format!("{} max", journey.name()),
            Self::Rate => "throughput".to_owned(),
            Self::ServerCpu => "server CPU per message".to_owned(),
            Self::ClientCpu => "client CPU per message".to_owned(),
            Self::MessagesPerFdatasync => "messages per fdatasync".to_owned(),
            Self::PublishesPerFdatasync => "publishes per fdatasync".to_owned(),
        }
    }

    /// A value of it with its unit.
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Quantile(..) | Self::Longest(_) | Self::ServerCpu | Self::ClientCpu => {
                number::span(value)
            }
            Self::Rate => number::rate(value),
            Self::MessagesPerFdatasync | Self::PublishesPerFdatasync => number::three(value),
        }
    }
}

/// The middle of `values`; of an even number, the mean of the two in the middle. `None` of nothing.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        count if count % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::Level;
    use crate::sample;

    #[test]
    fn a_run_tells_its_figures_and_their_floors() {
        let run = sample::run("latency-2k", Level::Durable, 1000);
        let p50 = Figure::Quantile(Journey::PublishToAck, Quantile::P50);
        assert!(p50.of(&run).is_some_and(|us| (us - 1050.0).abs() < 20.0));
        assert!(p50.to_floor(&run).is_some_and(|ratio| (ratio - 1.0 / 0.7).abs() < 0.02));
        assert_eq!(Figure::Quantile(Journey::PublishToAck, Quantile::P9999).of(&run), None);
        assert_eq!(Figure::Rate.of(&run), Some(2000.0));
        assert_eq!(Figure::Rate.to_floor(&run), Some(2000.0 / 2_500_000.0));
        assert_eq!(Figure::ServerCpu.of(&run), Some(50.0));
        assert_eq!(Figure::MessagesPerFdatasync.of(&run), Some(4.0));
        assert_eq!(Figure::Quantile(Journey::RequestToOutcome, Quantile::P50).of(&run), None);
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }
}
