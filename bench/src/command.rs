//! Command: the verbs of `defibus bench`, and running one of them.

use crate::floor::{self, Cores, FloorError, Stream, Trips, Wait};
use crate::measured::Measured;
use crate::publish::{self, Publishes};
use crate::rpc::{self, Requests};
use clap::{Args, Subcommand};
use client::error::{BeginError, CallError, ConnectError, ConsumeError, SendError};
use shard::floor::{Keeping, RECORD_BYTES_MAX};
use std::path::PathBuf;

/// A section of usual length, and how often it is copied at most.
const COPY_BYTES: usize = 16 << 10;
const COPIES_MAX: usize = 100_000;

/// What is measured.
#[derive(Clone, Debug, Subcommand)]
pub enum Work {
    /// What the machine costs with nothing of the bus: echo, two hops, write and fdatasync, a log
    Floor(FloorOptions),
    /// Requests through a node, one at a time, beside the floor's two hops of the same run
    Rpc(RpcOptions),
    /// Durable publishes, one at a time, beside the floor's flush and echo of the same run
    Pub(PubOptions),
}

/// How the two ends run.
#[derive(Clone, Copy, Debug, Args)]
pub struct Ends {
    /// How both ends wait for bytes; start the node with the same --idle
    #[arg(long, value_enum, default_value_t = Wait::Spin)]
    pub wait: Wait,
    /// The core the floor's server runs on. A node that spins there slows the floor's tail: give
    /// them a core each, or compare tails with `bench floor` before the node starts
    #[arg(long)]
    pub server_core: Option<usize>,
    /// The core this side runs on
    #[arg(long)]
    pub client_core: Option<usize>,
}

/// `bench floor`.
#[derive(Clone, Debug, Args)]
pub struct FloorOptions {
    #[command(flatten)]
    #[expect(missing_docs, reason = "the options every measurement has")]
    pub ends: Ends,
    /// Length of a message, in bytes
    #[arg(long, default_value_t = 64, value_parser = message_bytes)]
    pub size: usize,
    /// Round trips of each kind
    #[arg(long, default_value_t = 100_000, value_parser = count)]
    pub count: usize,
    /// Flushes
    #[arg(long, default_value_t = 5000, value_parser = count)]
    pub flushes: usize,
    /// Length of a record of the log floors, in bytes
    #[arg(long, default_value_t = 256, value_parser = record_bytes)]
    pub record_size: usize,
    /// Records in a frame of the log floors
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub batch: u32,
    /// Records in flight of the log floors
    #[arg(long, default_value_t = 16_384, value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    pub in_flight: u32,
    /// Records of each log floor
    #[arg(long, default_value_t = 2_000_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub records: u64,
    /// Folder of the files that are written and synced: on the disk the node uses
    #[arg(long, default_value = ".")]
    pub dir: PathBuf,
}

/// `bench rpc`.
#[derive(Clone, Debug, Args)]
pub struct RpcOptions {
    #[command(flatten)]
    #[expect(missing_docs, reason = "the options every measurement has")]
    pub ends: Ends,
    /// Length of request and reply, in bytes
    #[arg(long, default_value_t = 64, value_parser = message_bytes)]
    pub size: usize,
    /// Requests
    #[arg(long, default_value_t = 100_000, value_parser = count)]
    pub count: usize,
    /// The service; made if it is not there, and served from here
    #[arg(long, default_value = "bench-rpc")]
    pub service: String,
}

/// `bench pub`.
#[derive(Clone, Debug, Args)]
pub struct PubOptions {
    #[command(flatten)]
    #[expect(missing_docs, reason = "the options every measurement has")]
    pub ends: Ends,
    /// Length of a body, in bytes
    #[arg(long, default_value_t = 256, value_parser = message_bytes)]
    pub size: usize,
    /// Publishes
    #[arg(long, default_value_t = 10_000, value_parser = count)]
    pub count: usize,
    /// The topic; made if it is not there
    #[arg(long, default_value = "bench-pub")]
    pub topic: String,
    /// Folder of the floor's file: on the disk the node uses
    #[arg(long, default_value = ".")]
    pub dir: PathBuf,
}

/// Why there are no figures.
#[derive(Debug)]
pub enum BenchError {
    /// A floor could not be measured.
    Floor(FloorError),
    /// There is no node.
    Connect(ConnectError),
    /// The node refused to make or open something.
    Call(CallError),
    /// A request was not begun.
    Begin(BeginError),
    /// The responder was turned away.
    Consume(ConsumeError),
    /// A record was not accepted.
    Send(SendError),
    /// Something ended in another way than it must when one follows the other.
    Outcome(&'static str),
    /// Both ends spin and there are fewer cores than ends.
    TooFewCores {
        /// Cores there are.
        cores: usize,
    },
}

impl std::fmt::Display for BenchError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Floor(error) => error.fmt(formatter),
            Self::Connect(error) => error.fmt(formatter),
            Self::Call(error) => error.fmt(formatter),
            Self::Begin(error) => error.fmt(formatter),
            Self::Consume(error) => error.fmt(formatter),
            Self::Send(error) => error.fmt(formatter),
            Self::Outcome(what) => write!(formatter, "not every one ended well: {what}"),
            Self::TooFewCores { cores } => {
                write!(
                    formatter,
                    "two ends that spin need two cores, here is {cores}: --wait sleep"
                )
            }
        }
    }
}

impl std::error::Error for BenchError {}

impl From<FloorError> for BenchError {
    fn from(error: FloorError) -> Self {
        Self::Floor(error)
    }
}

/// Measures `work`; `server` is the node's `host:port` for the works that need one. Floors stand first.
pub fn run(work: &Work, server: &str) -> Result<Vec<Measured>, BenchError> {
    match work {
        Work::Floor(options) => run_floor(options),
        Work::Rpc(options) => run_rpc(options, server),
        Work::Pub(options) => run_pub(options, server),
    }
}

fn run_floor(options: &FloorOptions) -> Result<Vec<Measured>, BenchError> {
    let trips = options.ends.trips(options.size, options.count)?;
    let flush = floor::flush(&options.dir, trips.cores.server, options.flushes)?;
    let mut floors = vec![floor::echo(trips)?, floor::two_hops(trips)?, flush];
    let copies = options.count.min(COPIES_MAX);
    floors.push(floor::copy_and_check(COPY_BYTES, copies, trips.cores.client));
    for keeping in [Keeping::Written, Keeping::Synced, Keeping::Fresh] {
        floors.push(floor::log(&options.dir, keeping, options.stream(trips.cores))?);
    }
    Ok(floors)
}

impl FloorOptions {
    fn stream(&self, cores: Cores) -> Stream {
        Stream {
            record_bytes: self.record_size,
            frame_records: self.batch,
            window_records: self.in_flight.max(self.batch),
            count: self.records,
            cores,
        }
    }
}

fn run_rpc(options: &RpcOptions, server: &str) -> Result<Vec<Measured>, BenchError> {
    let trips = options.ends.trips(options.size, options.count)?;
    let floor = floor::two_hops(trips)?;
    let service = options.service.clone();
    let requests = Requests { server: server.to_owned(), service, trips };
    let measured = rpc::measure(&requests)?.beside(&[&floor]);
    Ok(vec![floor, measured])
}

fn run_pub(options: &PubOptions, server: &str) -> Result<Vec<Measured>, BenchError> {
    let trips = options.ends.trips(options.size, options.count)?;
    let flush = floor::flush(&options.dir, trips.cores.server, options.count)?;
    let echo = floor::echo(trips)?;
    let level = client::Level::Durable;
    let topic = options.topic.clone();
    let publishes = Publishes { server: server.to_owned(), topic, level, trips };
    let measured = publish::measure(&publishes)?.beside(&[&echo, &flush]);
    Ok(vec![echo, flush, measured])
}

impl Ends {
    /// How round trips are measured; refuses two spinning ends on one core.
    fn trips(&self, message_bytes: usize, count: usize) -> Result<Trips, BenchError> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        if self.wait == Wait::Spin && cores < 2 {
            return Err(BenchError::TooFewCores { cores });
        }
        let server = self.server_core.or((cores > 1).then_some(0));
        let client = self.client_core.or((cores > 1).then_some(1));
        Ok(Trips { message_bytes, wait: self.wait, cores: Cores { server, client }, count })
    }
}

fn message_bytes(text: &str) -> Result<usize, String> {
    bytes_up_to(text, 1 << 20)
}

fn record_bytes(text: &str) -> Result<usize, String> {
    bytes_up_to(text, RECORD_BYTES_MAX)
}

fn bytes_up_to(text: &str, bytes_max: usize) -> Result<usize, String> {
    let bytes = text.parse().map_err(|_| "a number of bytes".to_owned())?;
    if (1..=bytes_max).contains(&bytes) {
        Ok(bytes)
    } else {
        Err(format!("1 to {bytes_max} bytes"))
    }
}

fn count(text: &str) -> Result<usize, String> {
    let count = text.parse().map_err(|_| "a number".to_owned())?;
    if (1..=100_000_000).contains(&count) { Ok(count) } else { Err("1 to 100000000".to_owned()) }
}
