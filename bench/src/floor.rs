//! Floor: the least the machine under the bus can take, measured with nothing of the bus.
//!
//! | floor | bounds |
//! |---|---|
//! | echo: one message over loopback and back | one round trip of any client |
//! | two hops: requester, server, responder and back | a request and its reply |
//! | flush: one block written and synced | a durable publish, together with an echo |
//!
//! The server is `shard::floor`: the ring of the machine with its settings and
//! nothing above it. Both client ends of two hops are on one thread, as in `rpc`.

use crate::clock::{Moment, pin};
use crate::command::BenchError;
use crate::measured::{Measured, Spans};
use clap::ValueEnum;
use shard::Idle;
use shard::floor::{Hops, RoundTrips, flushes, round_trips, serve};
use std::path::Path;
use std::time::Duration;

/// Round trips before the first that counts: caches, branch predictors and sockets warm up.
const WARM_UP_COUNT: usize = 2000;
/// What a log aligns its batches to, in bytes.
const BLOCK_BYTES: usize = 4096;

/// How an end waits for bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Wait {
    /// Looks again and again: the least latency, a whole core
    #[default]
    Spin,
    /// Sleeps in the kernel
    Sleep,
}

impl Wait {
    /// In one word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Spin => "spin",
            Self::Sleep => "sleep",
        }
    }
}

/// Which cores the two ends of a measurement run on; `None` leaves it to the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cores {
    /// Of the loop that serves.
    pub server: Option<usize>,
    /// Of the thread that measures.
    pub client: Option<usize>,
}

/// How a floor over sockets is measured.
#[derive(Clone, Copy, Debug)]
pub struct Trips {
    /// Length of the message, in bytes.
    pub message_bytes: usize,
    /// How both sides wait.
    pub wait: Wait,
    /// Where they run.
    pub cores: Cores,
    /// Round trips that count.
    pub count: usize,
}

/// One message over loopback and back.
pub fn echo(trips: Trips) -> Result<Measured, BenchError> {
    measure("echo floor", Hops::One, trips)
}

/// A message to the server, from there to a responder, and its answer back.
pub fn two_hops(trips: Trips) -> Result<Measured, BenchError> {
    measure("two hops floor", Hops::Two, trips)
}

/// One block written and synced, `count` times, in `folder`.
pub fn flush(folder: &Path, count: usize) -> Result<Measured, BenchError> {
    let begun = Moment::now();
    let spans = flushes(folder, BLOCK_BYTES, count).map_err(BenchError::Disk)?;
    let setting = format!("{BLOCK_BYTES} B, write + fdatasync");
    Ok(line("flush floor", setting, &spans, begun.elapsed()))
}

fn measure(work: &str, hops: Hops, trips: Trips) -> Result<Measured, BenchError> {
    let (idle, spin) = match trips.wait {
        Wait::Spin => (Idle::Spin, true),
        Wait::Sleep => (Idle::Block, false),
    };
    let server = serve(hops, idle, trips.cores.server).map_err(BenchError::Machine)?;
    pin(trips.cores.client);
    let address = server.address();
    let order = RoundTrips { address, hops, spin, warm_up: WARM_UP_COUNT, count: trips.count };
    let begun = Moment::now();
    let spans = round_trips(&order, &vec![0x5A; trips.message_bytes]);
    let took = begun.elapsed();
    server.stop();
    let setting = format!("{} B, {}", trips.message_bytes, trips.wait.word());
    Ok(line(work, setting, &spans.map_err(BenchError::Network)?, took))
}

fn line(work: &str, setting: String, spans_ns: &[u64], took: Duration) -> Measured {
    let mut spans = Spans::default();
    for span_ns in spans_ns {
        spans.add(Duration::from_nanos(*span_ns));
    }
    Measured::new(work, setting, &spans, took)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_floors_over_sockets_are_measured() {
        let trips =
            Trips { message_bytes: 64, wait: Wait::Sleep, cores: Cores::default(), count: 300 };
        for measured in [echo(trips), two_hops(trips)] {
            let measured = measured.expect("a ring can be made");
            assert_eq!(measured.count, 300);
            assert!(measured.p50_us.is_some_and(|us| us > 0.0));
        }
    }
}
