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
use crate::measured::{Measured, Spans};
use clap::ValueEnum;
use shard::floor::{
    Hops, Keeping, Pipelined, PipelinedSpans, RoundTrips, copies, flushes, pipeline, round_trips,
    serve, serve_log,
};
use shard::{FileFault, Idle, StartError};
use std::fmt;
use std::path::Path;
use std::time::Duration;

/// Round trips before the first that counts: caches, branch predictors and sockets warm up.
const WARM_UP_COUNT: usize = 2000;
/// How long the floor of a workload may last: a stream of frames, its warm-up, flushes of one block.
pub const FLOOR_SPAN_MAX: Duration = Duration::from_secs(4);
/// What a log aligns its batches to, in bytes.
pub const BLOCK_BYTES: usize = 4096;

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

/// Why a floor could not be measured.
#[derive(Debug)]
pub enum FloorError {
    /// Its server could not start.
    Machine(StartError),
    /// Its connection broke.
    Network(std::io::Error),
    /// Its file could not be written.
    Disk(FileFault),
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

// ---- measuring: each on a thread of its own, so that its pinning ends with it ----

/// Round trips over loopback, and how long all that count took.
///
/// # Errors
/// No server, no connection, or no thread can be had.
pub fn trip_spans(hops: Hops, trips: Trips) -> Result<(Spans, Duration), FloorError> {
    let (idle, spin) = match trips.wait {
        Wait::Spin => (Idle::Spin, true),
        Wait::Sleep => (Idle::Block, false),
    };
    apart(move || {
        let server = serve(hops, idle, trips.cores.server).map_err(FloorError::Machine)?;
        pin(trips.cores.client);
        let address = server.address();
        let order = RoundTrips { address, hops, spin, warm_up: WARM_UP_COUNT, count: trips.count };
        let begun = Moment::now();
        let spans = round_trips(&order, &vec![0x5A; trips.message_bytes]);
        let took = begun.elapsed();
        server.stop();
        Ok((spans_of(&spans.map_err(FloorError::Network)?), took))
    })
}

/// One block written and synced, as often or as long as `bounds` say, in `folder`: from `core`, where a shard would do it, as the disk's
/// interrupt may come to another and must wake this one.
///
/// # Errors
/// The disk refuses, or no thread can be had.
pub fn flush_spans(
    folder: &Path,
    core: Option<usize>,
    bounds: (usize, Duration),
) -> Result<(Spans, Duration), FloorError> {
    apart(move || {
        pin(core);
        let begun = Moment::now();
        let spans = flushes(folder, BLOCK_BYTES, bounds).map_err(FloorError::Disk)?;
        Ok((spans_of(&spans), begun.elapsed()))
    })
}

/// Frames checked, copied into a log in `folder`, written as `keeping` says and answered.
///
/// # Errors
/// As `trip_spans`; or the disk refuses.
pub fn stream_spans(
    folder: &Path,
    keeping: Keeping,
    stream: Stream,
) -> Result<PipelinedSpans, FloorError> {
    let Stream { record_bytes, frame_records, window_records, count, cores } = stream;
    apart(move || {
        // A loop that polls would keep the kernel's sync threads from their core.
        let server = serve_log(folder, keeping, Idle::Block, cores.server);
        let server = server.map_err(FloorError::Machine)?;
        pin(cores.client);
        let address = server.address();
        let counts = (count / 10, count);
        let span_max = FLOOR_SPAN_MAX;
        let order =
            Pipelined { address, record_bytes, frame_records, window_records, counts, span_max };
        let measured = pipeline(&order);
        server.stop();
        measured.map_err(FloorError::Network)
    })
}

fn apart<T: Send>(measure: impl FnOnce() -> Result<T, FloorError> + Send) -> Result<T, FloorError> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, measure);
        let thread = thread.map_err(|_| FloorError::Thread)?;
        thread.join().map_err(|_| FloorError::Thread)?
    })
}

fn spans_of(all_ns: &[u64]) -> Spans {
    let mut spans = Spans::default();
    for span_ns in all_ns {
        spans.add(Duration::from_nanos(*span_ns));
    }
    spans
}

// ---- lines of `bench floor` ----

/// One message over loopback and back.
pub fn echo(trips: Trips) -> Result<Measured, FloorError> {
    trip_line("echo floor", Hops::One, trips)
}

/// A message to the server, from there to a responder, and its answer back.
pub fn two_hops(trips: Trips) -> Result<Measured, FloorError> {
    trip_line("two hops floor", Hops::Two, trips)
}

/// One block written and synced, as `flush_spans`.
pub fn flush(folder: &Path, core: Option<usize>, count: usize) -> Result<Measured, FloorError> {
    let (spans, took) = flush_spans(folder, core, (count, Duration::MAX))?;
    let setting = format!("{BLOCK_BYTES} B, write + fdatasync");
    Ok(Measured::new("flush floor", setting, &spans, took))
}

/// A log, as `stream_spans`. Counts records.
pub fn log(folder: &Path, keeping: Keeping, stream: Stream) -> Result<Measured, FloorError> {
    let measured = stream_spans(folder, keeping, stream)?;
    let work = match keeping {
        Keeping::Written => "log floor, not synced",
        Keeping::Synced => "log floor, synced",
        Keeping::Fresh => "log floor, fresh segments",
    };
    let Stream { record_bytes, frame_records, window_records, count, .. } = stream;
    let setting = format!("{record_bytes} B, batch {frame_records}, in flight {window_records}");
    let took = Duration::from_nanos(measured.whole_ns);
    let spans = spans_of(&measured.frames_ns);
    Ok(Measured::new(work, setting, &spans, took).of_records(count, took))
}

/// A section of `bytes` copied and its checksum taken, `count` times.
pub fn copy_and_check(bytes: usize, count: usize, core: Option<usize>) -> Measured {
    pin(core);
    let begun = Moment::now();
    let spans = spans_of(&copies(bytes, count));
    Measured::new("copy and check floor", format!("{bytes} B"), &spans, begun.elapsed())
}

fn trip_line(work: &str, hops: Hops, trips: Trips) -> Result<Measured, FloorError> {
    let (spans, took) = trip_spans(hops, trips)?;
    let setting = format!("{} B, {}", trips.message_bytes, trips.wait.word());
    Ok(Measured::new(work, setting, &spans, took))
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
