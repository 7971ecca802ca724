//! Floor: the least the machine under the bus can take, measured with nothing of the bus.
//!
//! | floor | bounds |
//! |---|---|
//! | echo: one message over loopback and back | one round trip of any client |
//! | two hops: requester, server, responder and back | a request and its reply |
//! | flush: one block written and synced | a durable publish, together with an echo |
//! | log: frames checked, gathered and written, a window of them in flight | publishing in a pipeline |
//! | log, fresh segments: the same, with the making of the segments | the same for as long as it lasts |
//! | copy and check: a section copied and its checksum taken, in memory | every byte that is published |
//!
//! The server is `shard::floor`: the ring of the machine with its settings and
//! nothing above it. Both client ends of two hops are on one thread, as in `rpc`.

use crate::clock::{Moment, pin};
use crate::command::BenchError;
use crate::measured::{Measured, Spans};
use clap::ValueEnum;
use shard::floor::{
    Hops, Keeping, Pipelined, RoundTrips, copies, flushes, pipeline, round_trips, serve, serve_log,
};
use shard::{FileFault, Idle};
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

/// One block written and synced, `count` times, in `folder`: from `core`, where a shard would do it, as the disk's
/// interrupt may come to another and must wake this one.
pub fn flush(folder: &Path, core: Option<usize>, count: usize) -> Result<Measured, BenchError> {
    let begun = Moment::now();
    // On a thread of its own, so that its pinning ends with it.
    let spans = std::thread::scope(|scope| {
        let measure = move || {
            pin(core);
            flushes(folder, BLOCK_BYTES, count).map_err(BenchError::Disk)
        };
        scope.spawn(measure).join().map_err(|_| BenchError::Disk(FileFault::Short))?
    })?;
    let setting = format!("{BLOCK_BYTES} B, write + fdatasync");
    Ok(line("flush floor", setting, &spans, begun.elapsed()))
}

/// How a pipeline is measured.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    /// Length of a record, in bytes.
    pub record_bytes: usize,
    /// Records in a frame.
    pub frame_records: u32,
    /// Records in flight.
    pub window_records: u32,
    /// Records that count; a tenth of them more warm up.
    pub count: u64,
    /// Where the two ends run.
    pub cores: Cores,
}

/// Frames checked, copied into a log in `folder`, written as `keeping` says and answered. Counts records.
pub fn log(folder: &Path, keeping: Keeping, stream: Stream) -> Result<Measured, BenchError> {
    let Stream { record_bytes, frame_records, window_records, count, cores } = stream;
    // A loop that polls would keep the kernel's sync threads from their core.
    let server =
        serve_log(folder, keeping, Idle::Block, cores.server).map_err(BenchError::Machine)?;
    pin(cores.client);
    let address = server.address();
    let counts = (count / 10, count);
    let order = Pipelined { address, record_bytes, frame_records, window_records, counts };
    let measured = pipeline(&order);
    server.stop();
    let measured = measured.map_err(BenchError::Network)?;
    let work = match keeping {
        Keeping::Written => "log floor, not synced",
        Keeping::Synced => "log floor, synced",
        Keeping::Fresh => "log floor, fresh segments",
    };
    let setting = format!("{record_bytes} B, batch {frame_records}, in flight {window_records}");
    let took = Duration::from_nanos(measured.whole_ns);
    Ok(line(work, setting, &measured.frames_ns, took).of_records(count, took))
}

/// A section of `bytes` copied and its checksum taken, `count` times.
pub fn copy_and_check(bytes: usize, count: usize, core: Option<usize>) -> Measured {
    pin(core);
    let begun = Moment::now();
    let spans = copies(bytes, count);
    line("copy and check floor", format!("{bytes} B"), &spans, begun.elapsed())
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
