//! Command: the verbs of `defibus bench`, and running one of them.

use crate::clock::Cores;
use crate::ends::Wait;
use crate::floor::{self, Hops};
use crate::measured::Measured;
use crate::publish::{self, Publishes};
use crate::rpc::{self, Requests};
use clap::{Args, Subcommand};
use client::error::{BeginError, CallError, ConnectError, ConsumeError, SendError};
use std::path::PathBuf;
use std::time::Duration;

/// What is measured.
#[derive(Clone, Debug, Subcommand)]
pub enum Work {
    /// What the machine costs with nothing of the bus: echo, two hops, write and fdatasync
    Floor(FloorOptions),
    /// Requests through a node, one at a time, beside the floor's two hops of the same run
    Rpc(RpcOptions),
    /// Durable publishes, one at a time, beside the floor's flush and echo of the same run
    Pub(PubOptions),
}

/// What every measurement is told.
#[derive(Clone, Copy, Debug, Args)]
pub struct Common {
    /// How long each figure is measured, in seconds
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub seconds: u64,
    /// How both ends wait for bytes
    #[arg(long, value_enum, default_value_t = Wait::Spin)]
    pub wait: Wait,
    /// The core the floor's server runs on; give the node the same one
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
    pub common: Common,
    /// Length of a message, in bytes
    #[arg(long, default_value_t = 64, value_parser = message_bytes)]
    pub size: usize,
    /// Folder of the file that is written and synced: on the disk the node uses
    #[arg(long, default_value = ".")]
    pub dir: PathBuf,
}

/// `bench rpc`.
#[derive(Clone, Debug, Args)]
pub struct RpcOptions {
    #[command(flatten)]
    #[expect(missing_docs, reason = "the options every measurement has")]
    pub common: Common,
    /// Length of request and reply, in bytes
    #[arg(long, default_value_t = 64, value_parser = message_bytes)]
    pub size: usize,
    /// The service; made if it is not there, and served from here
    #[arg(long, default_value = "bench-rpc")]
    pub service: String,
}

/// `bench pub`.
#[derive(Clone, Debug, Args)]
pub struct PubOptions {
    #[command(flatten)]
    #[expect(missing_docs, reason = "the options every measurement has")]
    pub common: Common,
    /// Length of a body, in bytes
    #[arg(long, default_value_t = 256, value_parser = message_bytes)]
    pub size: usize,
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
    Floor(std::io::Error),
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
    /// Something ended in another way than it must in a closed loop.
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
            Self::Floor(error) => write!(formatter, "the floor cannot be measured: {error}"),
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

/// Measures `work`; `server` is the node's `host:port` for the works that need one. Floors stand first.
pub fn run(work: &Work, server: &str) -> Result<Vec<Measured>, BenchError> {
    match work {
        Work::Floor(options) => run_floor(options),
        Work::Rpc(options) => run_rpc(options, server),
        Work::Pub(options) => run_pub(options, server),
    }
}

fn run_floor(options: &FloorOptions) -> Result<Vec<Measured>, BenchError> {
    let hops = options.common.hops(options.size)?;
    Ok(vec![
        floor::echo(hops).map_err(BenchError::Floor)?,
        floor::two_hops(hops).map_err(BenchError::Floor)?,
        floor::flush(&options.dir, hops.span).map_err(BenchError::Floor)?,
    ])
}

fn run_rpc(options: &RpcOptions, server: &str) -> Result<Vec<Measured>, BenchError> {
    let hops = options.common.hops(options.size)?;
    let floor = floor::two_hops(hops).map_err(BenchError::Floor)?;
    let requests = Requests {
        server: server.to_owned(),
        service: options.service.clone(),
        message_bytes: options.size,
        wait: hops.wait,
        cores: hops.cores,
        span: hops.span,
    };
    let measured = rpc::measure(&requests)?.beside(&[&floor]);
    Ok(vec![floor, measured])
}

fn run_pub(options: &PubOptions, server: &str) -> Result<Vec<Measured>, BenchError> {
    let hops = options.common.hops(options.size)?;
    let echo = floor::echo(hops).map_err(BenchError::Floor)?;
    let flush = floor::flush(&options.dir, hops.span).map_err(BenchError::Floor)?;
    let publishes = Publishes {
        server: server.to_owned(),
        topic: options.topic.clone(),
        level: client::Level::Durable,
        message_bytes: options.size,
        wait: hops.wait,
        cores: hops.cores,
        span: hops.span,
    };
    let measured = publish::measure(&publishes)?.beside(&[&echo, &flush]);
    Ok(vec![echo, flush, measured])
}

impl Common {
    /// How sockets are measured; refuses two spinning ends on one core.
    fn hops(&self, message_bytes: usize) -> Result<Hops, BenchError> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        if self.wait == Wait::Spin && cores < 2 {
            return Err(BenchError::TooFewCores { cores });
        }
        let server = self.server_core.or((cores > 1).then_some(0));
        let client = self.client_core.or((cores > 1).then_some(1));
        let cores = Cores { server, client };
        Ok(Hops { message_bytes, wait: self.wait, cores, span: Duration::from_secs(self.seconds) })
    }
}

fn message_bytes(text: &str) -> Result<usize, String> {
    let bytes = text.parse().map_err(|_| "a number of bytes".to_owned())?;
    if (1..=1 << 20).contains(&bytes) { Ok(bytes) } else { Err("1 to 1048576 bytes".to_owned()) }
}
