//! defibus-peers: the workloads of the bus on the systems a user would pick instead.
//!
//! | file | holds |
//! |---|---|
//! | `options`, `run` | the command line; workloads on one bus after another |
//! | `peer`, `stand` | what each peer offers and means; its server for each case |
//! | `server`, `hold` | a server's process |
//! | `bridge` | SDKs made for a runtime, driven by a load that polls |
//! | `choice` | which queue a message goes to |
//! | `nats/`, `redis/`, `rabbitmq/` | the drivers |
//! | `table` | what is printed |
//!
//! The load, its clock, its accounts, the floors and the verdict are those of `defibus bench`:
//! a peer is one more driver behind the same trait.

mod bridge;
mod choice;
mod hold;
mod nats;
mod options;
mod peer;
mod rabbitmq;
mod redis;
mod run;
mod server;
mod stand;
mod table;

use clap::Parser;
use options::{Command, CommandLine};
use std::process::ExitCode;

fn main() -> ExitCode {
    let ended = match CommandLine::parse().command {
        Command::Run(options) => run::run(&options),
        Command::Hold(options) => Err(hold::hold(&options).to_string()),
    };
    if let Err(words) = ended {
        eprintln!("defibus-peers: {words}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
