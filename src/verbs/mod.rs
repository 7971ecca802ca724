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

pub mod bench;
pub mod config;
pub mod demo;
pub mod demo_clients;
pub mod dev;
pub mod hosting;
pub mod server;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};
use std::process::ExitCode;
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
    Bench(::bench::Work),
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
            Verb::Bench(work) => {
                with_printer(globals, |printer| bench::run(work, globals, printer))
            }
            Verb::Tools(verb) => tools::verbs::run(verb, globals, Self::command()),
        }
    }
}

/// Help and version are printed as they are; anything else is an error in our shape.
fn misread(error: &clap::Error) -> Result<Exit, Failure> {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        // A reader that went away needs no help.
        let _ = error.print();
        return Ok(Exit::Done);
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let failure = Failure::usage("no verb was given, or it wants another word");
        eprintln!("{}", error.render());
        return Err(failure.with_fix("defibus help"));
    }
    let text = error.render().to_string();
    let (said, help): (Vec<&str>, Vec<&str>) =
        text.lines().partition(|line| !line.starts_with("For more information"));
    let cause = said.join("\n");
    let cause = cause.trim_start_matches("error: ").to_owned();
    let fix = if help.is_empty() { "defibus help" } else { "add --help for what it takes" };
    Err(Failure::usage(cause).with_fix(fix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_sound() {
        CommandLine::command().debug_assert();
    }

    fn usage(words: &[&str]) -> String {
        let error = CommandLine::try_parse_from(words).expect_err("not a command");
        let failure = misread(&error).expect_err("no help");
        assert_eq!(failure.exit, Exit::Usage);
        failure.to_string()
    }

    #[test]
    fn what_cannot_be_understood_is_told_in_our_shape() {
        let text = usage(&["defibus", "pub", "t", "--coun", "3"]);
        assert!(text.starts_with("error[BUS-E0804]: "), "{text}");
        assert!(text.contains("unexpected argument '--coun'"), "{text}");
        assert!(text.contains("--count"), "{text}");
        assert!(usage(&["defibus", "sub", "t"]).contains("--group"));
        assert!(usage(&["defibus", "request", "t", "b", "--timeout", "1"]).contains("500ms"));
    }

    #[test]
    fn every_verb_takes_the_global_options() {
        for verb in ["demo", "dev", "doctor", "version", "stats"] {
            let line = CommandLine::try_parse_from(["defibus", verb, "-o", "jsonl", "-q"]);
            assert!(line.is_ok(), "{verb}");
        }
    }
}
