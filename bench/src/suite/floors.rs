//! Floors: what the machine takes with nothing of the bus, measured once a run for each message length.
//!
//! | journey | floor |
//! |---|---|
//! | request to outcome | two hops: requester, server, responder and back |
//! | publish to acknowledgement, to delivery | echo: two ways over loopback; durable: and write + fdatasync |
//!
//! Each is measured on a thread of its own, so that the pinning of one run ends with it.

use crate::clock::pin;
use crate::floor::Cores;
use crate::result::{Floors, Journey, LatencyFloor, Level};
use crate::spans::Spans;
use crate::workload::{Kind, Part};
use shard::Idle;
use shard::floor::{Hops, RoundTrips, flushes, round_trips, serve};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// What a log aligns its batches to, in bytes.
const BLOCK_BYTES: usize = 4096;
/// Round trips before the first that counts.
const WARM_UP_COUNT: usize = 2000;

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

/// Why a floor could not be measured.
#[derive(Debug)]
pub enum FloorError {
    /// Its server could not start.
    Machine(shard::StartError),
    /// Its connection broke.
    Network(std::io::Error),
    /// Its file could not be written.
    Disk(shard::FileFault),
    /// Its thread could not be started.
    Thread,
}

impl fmt::Display for FloorError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Machine(error) => error.fmt(formatter),
            Self::Network(error) => write!(formatter, "the floor's connection broke: {error}"),
            Self::Disk(fault) => write!(formatter, "the floor's file: {fault:?}"),
            Self::Thread => formatter.write_str("the floor's thread could not be started"),
        }
    }
}

impl std::error::Error for FloorError {}

/// Floors that were measured already.
#[derive(Debug)]
pub struct Measured {
    plan: FloorPlan,
    /// By hops and message length.
    trips: BTreeMap<(bool, usize), Spans>,
    flush: Option<Spans>,
}

impl Measured {
    /// Nothing yet.
    pub const fn new(plan: FloorPlan) -> Self {
        Self { plan, trips: BTreeMap::new(), flush: None }
    }

    /// The floors of a part whose messages are acknowledged at `level`.
    ///
    /// # Errors
    /// The machine cannot be measured.
    pub fn of(&mut self, part: &Part, level: Level) -> Result<Floors, FloorError> {
        let bytes = part.bodies.bytes;
        let mut floors = Floors::default();
        match part.kind {
            Kind::Admin => {}
            Kind::RequestReply => {
                let spans = self.trips(Hops::Two, bytes)?;
                floors.latencies.push(trip("two hops", bytes, Journey::RequestToOutcome, spans));
            }
            Kind::Publish => {
                let echo = self.trips(Hops::One, bytes)?;
                for bounds in [Journey::PublishToAck, Journey::PublishToDelivery] {
                    floors.latencies.push(trip("tcp echo", bytes, bounds, echo.clone()));
                    if level >= Level::Durable {
                        floors.latencies.push(flush(bounds, self.flush()?));
                    }
                }
            }
        }
        Ok(floors)
    }

    fn trips(&mut self, hops: Hops, bytes: usize) -> Result<Spans, FloorError> {
        let key = (hops == Hops::Two, bytes);
        if let Some(spans) = self.trips.get(&key) {
            return Ok(spans.clone());
        }
        let plan = self.plan.clone();
        let spans = apart(move || measure_trips(&plan, hops, bytes))?;
        self.trips.insert(key, spans.clone());
        Ok(spans)
    }

    fn flush(&mut self) -> Result<Spans, FloorError> {
        if self.flush.is_none() {
            let plan = self.plan.clone();
            let measured = apart(move || {
                flushes(&plan.folder, BLOCK_BYTES, plan.flushes).map_err(FloorError::Disk)
            });
            self.flush = Some(measured?);
        }
        Ok(self.flush.clone().unwrap_or_default())
    }
}

fn trip(name: &str, bytes: usize, bounds: Journey, spans: Spans) -> LatencyFloor {
    LatencyFloor { name: name.to_owned(), setting: format!("{bytes} B, spin"), bounds, spans }
}

fn flush(bounds: Journey, spans: Spans) -> LatencyFloor {
    let setting = format!("{BLOCK_BYTES} B into blocks filled before");
    LatencyFloor { name: "write + fdatasync".to_owned(), setting, bounds, spans }
}

fn measure_trips(plan: &FloorPlan, hops: Hops, bytes: usize) -> Result<Vec<u64>, FloorError> {
    let server = serve(hops, Idle::Spin, plan.cores.server).map_err(FloorError::Machine)?;
    pin(plan.cores.client);
    let order = RoundTrips {
        address: server.address(),
        hops,
        spin: true,
        warm_up: WARM_UP_COUNT,
        count: plan.trips,
    };
    let spans = round_trips(&order, &vec![0x5A; bytes]);
    server.stop();
    spans.map_err(FloorError::Network)
}

/// Measures on a thread of its own.
fn apart(
    measure: impl FnOnce() -> Result<Vec<u64>, FloorError> + Send,
) -> Result<Spans, FloorError> {
    let measured = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, measure);
        let thread = thread.map_err(|_| FloorError::Thread)?;
        thread.join().map_err(|_| FloorError::Thread)?
    });
    let mut spans = Spans::default();
    for span_ns in measured? {
        spans.add(Duration::from_nanos(span_ns));
    }
    Ok(spans)
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
    }
}
