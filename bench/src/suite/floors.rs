//! Floors: what the machine takes with nothing of the bus, measured once a run for each message length.
//!
//! | journey | floor |
//! |---|---|
//! | request to outcome | two hops: requester, server, responder and back |
//! | publish to acknowledgement, to delivery | echo: two ways over loopback; durable: and write + fdatasync, on the server's core |
//! | messages a second, in a closed loop | log: as many frames in flight, as long; not synced, or into fresh segments |

use crate::floor::{
    BLOCK_BYTES, Cores, FLOOR_SPAN_MAX, FloorError, Stream, Trips, Wait, flush_spans, stream_spans,
    trip_spans,
};
use crate::result::{Floors, Journey, LatencyFloor, Level, RateFloor};
use crate::spans::Spans;
use crate::workload::part::Arrival;
use crate::workload::{Kind, Part};
use shard::floor::{Hops, Keeping, RECORD_BYTES_MAX};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// Bytes that a log floor takes for each flush that is planned: enough for many segments.
const LOG_BYTES_PER_FLUSH: u64 = 1 << 20;
/// Records of a log floor at most.
const LOG_RECORDS_MAX: u64 = 8_000_000;

/// How floors are measured.
#[derive(Clone, Debug)]
pub struct FloorPlan {
    /// Where the two ends run.
    pub cores: Cores,
    /// On the disk the bus uses.
    pub folder: PathBuf,
    /// Round trips that count.
    pub trips: usize,
    /// Flushes that count.
    pub flushes: usize,
}

/// Floors that were measured already.
#[derive(Debug)]
pub struct Measured {
    plan: FloorPlan,
    /// Two ends that spin need a core each. Asked once: a thread that is pinned has one.
    wait: Wait,
    /// By hops and message length.
    trips: BTreeMap<(bool, usize), Spans>,
    flush: Option<Spans>,
    /// Records a second: by whether they are synced, their length, those of a frame, those in flight.
    rates: BTreeMap<(bool, usize, u32, u32), f64>,
}

impl Measured {
    /// Nothing yet.
    pub fn new(plan: FloorPlan) -> Self {
        let spins = std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1);
        let wait = if spins { Wait::Spin } else { Wait::Sleep };
        Self { plan, wait, trips: BTreeMap::new(), flush: None, rates: BTreeMap::new() }
    }

    /// The floors of a part whose messages are acknowledged at `level`.
    ///
    /// # Errors
    /// The machine cannot be measured.
    pub fn of(&mut self, part: &Part, level: Level) -> Result<Floors, FloorError> {
        let bytes = part.bodies.bytes;
        let setting = format!("{bytes} B, {}", self.wait.word());
        let mut floors = Floors::default();
        match part.kind {
            Kind::Admin => {}
            Kind::RequestReply => {
                let spans = self.trips(Hops::Two, bytes)?;
                floors.latencies.push(trip("two hops", &setting, Journey::RequestToOutcome, spans));
            }
            Kind::Publish => {
                let echo = self.trips(Hops::One, bytes)?;
                for bounds in [Journey::PublishToAck, Journey::PublishToDelivery] {
                    floors.latencies.push(trip("tcp echo", &setting, bounds, echo.clone()));
                    if level >= Level::Durable {
                        floors.latencies.push(flush(bounds, self.flush()?));
                    }
                }
                let is_closed =
                    matches!(part.arrival, Arrival::Closed { think } if think.is_zero());
                if is_closed && bytes <= RECORD_BYTES_MAX {
                    floors.rates.push(self.rate(part, level)?);
                }
            }
        }
        Ok(floors)
    }

    /// What a log takes of the same records, as many of them in flight.
    fn rate(&mut self, part: &Part, level: Level) -> Result<RateFloor, FloorError> {
        let producers = part.topics.saturating_mul(part.producers) as usize;
        let in_flight = part.in_flight.saturating_mul(producers);
        let keeping = if level >= Level::Durable { Keeping::Fresh } else { Keeping::Written };
        let stream = Stream {
            record_bytes: part.bodies.bytes,
            frame_records: u32::try_from(part.batch.min(in_flight)).unwrap_or(u32::MAX),
            window_records: u32::try_from(in_flight).unwrap_or(u32::MAX),
            count: (self.plan.flushes as u64 * LOG_BYTES_PER_FLUSH / part.bodies.bytes as u64)
                .min(LOG_RECORDS_MAX),
            cores: self.plan.cores,
        };
        let key = (
            keeping == Keeping::Fresh,
            stream.record_bytes,
            stream.frame_records,
            stream.window_records,
        );
        let per_second = if let Some(per_second) = self.rates.get(&key) {
            *per_second
        } else {
            let whole_ns = stream_spans(&self.plan.folder, keeping, stream)?.whole_ns;
            let count = f64::from(u32::try_from(stream.count).unwrap_or(u32::MAX));
            let per_second = count / Duration::from_nanos(whole_ns.max(1)).as_secs_f64();
            self.rates.insert(key, per_second);
            per_second
        };
        let name =
            if keeping == Keeping::Fresh { "log, fresh segments" } else { "log, not synced" };
        let setting = format!("batch {}, in flight {}", key.2, key.3);
        Ok(RateFloor { name: name.to_owned(), setting, per_second })
    }

    fn trips(&mut self, hops: Hops, bytes: usize) -> Result<Spans, FloorError> {
        let key = (hops == Hops::Two, bytes);
        if let Some(spans) = self.trips.get(&key) {
            return Ok(spans.clone());
        }
        let FloorPlan { cores, trips: count, .. } = self.plan;
        let trips = Trips { message_bytes: bytes, wait: self.wait, cores, count };
        let (spans, _) = trip_spans(hops, trips)?;
        self.trips.insert(key, spans.clone());
        Ok(spans)
    }

    fn flush(&mut self) -> Result<Spans, FloorError> {
        if self.flush.is_none() {
            let FloorPlan { cores, folder, flushes, .. } = &self.plan;
            let (spans, _) = flush_spans(folder, cores.server, (*flushes, FLOOR_SPAN_MAX))?;
            self.flush = Some(spans);
        }
        Ok(self.flush.clone().unwrap_or_default())
    }
}

fn trip(name: &str, setting: &str, bounds: Journey, spans: Spans) -> LatencyFloor {
    LatencyFloor { name: name.to_owned(), setting: setting.to_owned(), bounds, spans }
}

fn flush(bounds: Journey, spans: Spans) -> LatencyFloor {
    let setting = format!("{BLOCK_BYTES} B into blocks filled before");
    LatencyFloor { name: "write + fdatasync".to_owned(), setting, bounds, spans }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Workload;

    #[test]
    fn each_journey_has_its_floor_and_none_is_measured_twice() {
        let folder = tempfile::tempdir().expect("a folder");
        let plan = FloorPlan {
            cores: Cores::default(),
            folder: folder.path().to_path_buf(),
            trips: 300,
            flushes: 20,
        };
        let mut measured = Measured::new(plan);
        let mut floors = |text: &str, level| {
            let workload = Workload::parse("w", &format!("name: x\n{text}")).expect("a workload");
            measured.of(&workload.cases[0].parts[0], level).expect("measured")
        };
        let durable = floors("messageSize: 64\n", Level::Durable);
        assert_eq!(
            durable.name(Journey::PublishToAck).as_deref(),
            Some("tcp echo + write + fdatasync")
        );
        let memory = floors("messageSize: 64\n", Level::Memory);
        assert_eq!(memory.name(Journey::PublishToDelivery).as_deref(), Some("tcp echo"));
        assert_eq!(memory.latencies[0], durable.latencies[0], "the same measurement");
        let requests = floors("kind: request-reply\nmessageSize: 64\n", Level::Memory);
        assert_eq!(requests.name(Journey::RequestToOutcome).as_deref(), Some("two hops"));
        assert!(floors("kind: admin\n", Level::Memory).latencies.is_empty());
        assert!(memory.rates.is_empty(), "an open loop has its own rate");
        let long = floors("arrival: closed\nmessageSize: 2000000\n", Level::Memory);
        assert!(long.rates.is_empty(), "no log floor takes such records");
        let closed = "arrival: closed\nbatch: 4\ninFlight: 64\nmessageSize: 1024\n";
        for (level, name) in
            [(Level::Memory, "log, not synced"), (Level::Durable, "log, fresh segments")]
        {
            let rates = floors(closed, level).rates;
            assert_eq!((rates[0].name.as_str(), rates.len()), (name, 1));
            assert!(rates[0].per_second > 1.0);
            assert_eq!(floors(closed, level).rates, rates, "the same measurement");
        }
    }
}
