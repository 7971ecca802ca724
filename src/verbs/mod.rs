//! verbs: the whole command tree: what starts a node, and all that `tools` brings.
//!
//! | file | holds |
//! |---|---|
//! | `demo`, `demo_clients` | a throw-away node with real traffic, and a table |
//! | `dev` | a node for trying things out |
//! | `server` | a node for production, from a file |
//! | `bench` | floors, and the bus beside them |
//! | `config` | checking and showing configurations |
//! | `hosting` | what those that start a node have in common |
//! | `misread` | what is said of a command line that is none |

pub mod bench;
pub mod config;
pub mod demo;
pub mod demo_clients;
pub mod dev;
pub mod hosting;
mod misread;
pub mod server;

use crate::broker::catalog::topic_names;
use clap::{CommandFactory, Parser, Subcommand};
use misread::misread;
use std::process::ExitCode;
use tools::verbs::inspect::TopicNames;
use tools::verbs::with_printer;
use tools::{Exit, Failure, Globals};

/// A message bus for RPC and MQ, on one log.
#[derive(Debug, Parser)]
#[command(name = "defibus", version, about, max_term_width = 100)]
#[command(after_help = "Start with: defibus demo, or: defibus dev")]
pub struct CommandLine {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Start a throw-away node, drive real traffic through it, print a table
    Demo(demo::Demo),
    /// Start a node for trying things out; it stays up
    Dev(dev::Dev),
    /// Start a node from a configuration file; SIGTERM ends it cleanly
    Server(server::Server),
    /// Check or show a configuration
    #[command(subcommand)]
    Config(config::ConfigVerb),
    /// Measure the bus beside what the machine under it costs
    #[command(subcommand)]
    Bench(bench::BenchVerb),
    #[command(flatten)]
    Tools(tools::verbs::Verb),
}

/// Reads the command line, does what it says, returns what the process ends with.
pub fn main() -> ExitCode {
    let ended = match CommandLine::try_parse() {
        Ok(line) => line.run(),
        Err(error) => misread(&error),
    };
    match ended {
        Ok(exit) => exit.into(),
        Err(failure) => {
            eprintln!("{failure}");
            failure.exit.into()
        }
    }
}

impl CommandLine {
    fn run(&self) -> Result<Exit, Failure> {
        let globals = &self.globals;
        match &self.verb {
            Verb::Demo(demo) => with_printer(globals, |printer| demo.run(globals, printer)),
            Verb::Dev(dev) => with_printer(globals, |printer| dev.run(globals, printer)),
            Verb::Server(server) => with_printer(globals, |printer| server.run(globals, printer)),
            Verb::Config(config) => with_printer(globals, |printer| config.run(printer)),
            Verb::Bench(bench) => with_printer(globals, |printer| bench.run(globals, printer)),
            Verb::Tools(verb) => {
                let names: TopicNames = |found| topic_names(&found.catalog);
                tools::verbs::run(verb, globals, (Self::command(), names))
            }
        }
    }
}
