//! Floors: what the machine itself took in the same run, and how far above it a figure lies.

use super::Journey;
use crate::spans::Spans;
use serde::{Deserialize, Serialize};

/// What the machine took with nothing of the bus.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Floors {
    /// Of latencies; those of one journey add up.
    pub latencies: Vec<LatencyFloor>,
    /// Of rates; each is a bound of its own.
    pub rates: Vec<RateFloor>,
}

/// A part of the least time a journey can take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LatencyFloor {
    /// What was measured: `tcp echo`, `write + fdatasync`.
    pub name: String,
    /// How: `256 B, spin`.
    pub setting: String,
    /// The journey it is a part of.
    pub bounds: Journey,
    /// How long it took.
    pub spans: Spans,
}

/// The most messages a second that the machine can take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RateFloor {
    /// What was measured: `fresh segments, write + fdatasync`.
    pub name: String,
    /// How: `1 MiB writes`.
    pub setting: String,
    /// Messages of the workload's length in a second.
    pub per_second: f64,
}

impl Floors {
    /// The floor of `journey` at `quantile` in microseconds: the sum of its parts' quantiles, if all can be told.
    pub fn quantile_us(&self, journey: Journey, quantile: f64) -> Option<f64> {
        let mut parts = self.parts(journey).peekable();
        parts.peek()?;
        parts.map(|floor| floor.spans.quantile_us(quantile)).sum()
    }

    /// A latency in multiples of its floor at the same quantile.
    pub fn latency_ratio(&self, journey: Journey, quantile: f64, own_us: f64) -> Option<f64> {
        self.quantile_us(journey, quantile).filter(|floor| *floor > 0.0).map(|floor| own_us / floor)
    }

    /// What the floor of `journey` is made of: `tcp echo + write + fdatasync`.
    pub fn name(&self, journey: Journey) -> Option<String> {
        let names: Vec<&str> = self.parts(journey).map(|floor| floor.name.as_str()).collect();
        (!names.is_empty()).then(|| names.join(" + "))
    }

    fn parts(&self, journey: Journey) -> impl Iterator<Item = &LatencyFloor> {
        self.latencies.iter().filter(move |floor| floor.bounds == journey)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn floor(us: u64, count: u64, bounds: Journey) -> LatencyFloor {
        let mut spans = Spans::default();
        spans.add_many(Duration::from_micros(us), count);
        LatencyFloor { name: format!("floor {us}"), setting: String::new(), bounds, spans }
    }

    #[test]
    fn the_parts_of_a_journey_add_up() {
        let ack = Journey::PublishToAck;
        let latencies = vec![
            floor(10, 10_000, ack),
            floor(90, 10_000, ack),
            floor(5, 10_000, Journey::RequestToOutcome),
        ];
        let floors = Floors { latencies, rates: Vec::new() };
        let ratio = floors.latency_ratio(ack, 0.99, 150.0).expect("enough samples");
        assert!((ratio - 1.5).abs() < 0.01);
        assert_eq!(floors.name(ack).as_deref(), Some("floor 10 + floor 90"));
        assert_eq!(floors.latency_ratio(ack, 0.999, 150.0), None, "10 samples beyond");
        assert_eq!(floors.latency_ratio(Journey::SendDelay, 0.5, 1.0), None, "no floor");
    }
}
