//! verbs: what a user can ask for, one file each.

pub mod completion;
pub mod explain;
pub mod group;
pub mod inspect;
pub mod publish;
mod publishing;
pub mod reply;
pub mod request;
pub mod stats;
pub mod subscribe;
pub mod topic;
pub mod trace;
mod traced;
pub mod version;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::globals::Globals;
use crate::output::Printer;
use crate::watched::Watched;
use clap::Subcommand;
use std::io::{self, BufWriter};

/// Room for output between two flushes, in bytes.
const OUTPUT_BUFFER_BYTES: usize = 64 * 1024;

/// The verbs that need no node of their own.
#[derive(Clone, Debug, Subcommand)]
pub enum Verb {
    /// Create, list, describe, alter and delete topics
    #[command(subcommand)]
    Topic(topic::TopicVerb),
    /// Publish records to a topic and wait until they are accepted
    Pub(publish::Publish),
    /// Subscribe to a topic and print what comes
    Sub(subscribe::Subscribe),
    /// Send a request to a service and print the outcome
    Request(request::Request),
    /// Serve requests: the other end of `request`
    Reply(reply::Reply),
    /// Send one message and show where its time went, stage by stage
    Trace(trace::Trace),
    /// Counters and stage latencies of the node
    Stats(stats::Stats),
    /// List, describe and reset consumer groups
    #[command(subcommand)]
    Group(group::GroupVerb),
    /// Read a data directory offline: segments, queues, damage by position
    Inspect(inspect::Inspect),
    /// Check whether this machine suits a node, with the fix beside each finding
    Doctor(crate::doctor::Doctor),
    /// Say what an error code means and what to do
    Explain(explain::Explain),
    /// Print a completion script for a shell
    Completion(completion::Completion),
    /// Print the version
    Version(version::Version),
}

/// Runs a verb. `tree` is the whole command tree, for completion scripts.
///
/// # Errors
/// What is to be told to the user, with the code to end with.
pub fn run(
    verb: &Verb,
    globals: &Globals,
    (tree, names): (clap::Command, inspect::TopicNames),
) -> Result<Exit, Failure> {
    with_printer(globals, |printer| match verb {
        Verb::Topic(verb) => verb.run(globals, printer),
        Verb::Pub(verb) => verb.run(globals, printer),
        Verb::Sub(verb) => verb.run(globals, printer),
        Verb::Request(verb) => verb.run(globals, printer),
        Verb::Reply(verb) => verb.run(globals, printer),
        Verb::Trace(verb) => verb.run(globals, printer),
        Verb::Stats(verb) => verb.run(globals, printer),
        Verb::Group(verb) => verb.run(globals, printer),
        Verb::Inspect(verb) => verb.run(printer, names),
        Verb::Doctor(verb) => verb.run(globals, printer),
        Verb::Explain(verb) => verb.run(printer),
        Verb::Completion(verb) => verb.run(tree, printer),
        Verb::Version(verb) => verb.run(printer),
    })
}

/// Runs `work` with a printer on the standard output, in the chosen format.
///
/// A reader that went away (`| head`) ends the command quietly.
///
/// # Errors
/// Those of `work`.
pub fn with_printer(
    globals: &Globals,
    work: impl FnOnce(&mut Printer<'_>) -> Result<Exit, Failure>,
) -> Result<Exit, Failure> {
    let mut out = Watched { inner: io::stdout().lock(), reader_gone: false };
    let mut buffered = BufWriter::with_capacity(OUTPUT_BUFFER_BYTES, &mut out);
    let ended = work(&mut Printer::new(globals.output, &mut buffered));
    let flushed = io::Write::flush(&mut buffered);
    drop(buffered);
    if out.reader_gone {
        return Ok(Exit::Done);
    }
    let exit = ended?;
    flushed?;
    Ok(exit)
}
