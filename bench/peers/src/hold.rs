//! Hold: becomes a peer's server that ends when whoever started it ends, however that ends.
//!
//! The suite starts itself under this verb, and this process then turns into the server:
//! on its core, its log on the standard output, with a signal of the kernel for the
//! end of its parent.

use clap::Args;
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// Which server, and whose.
#[derive(Clone, Debug, Args)]
pub(crate) struct HoldOptions {
    /// The process that must be alive
    #[arg(long)]
    parent: u32,
    /// The core the server runs on
    #[arg(long)]
    core: Option<usize>,
    /// The server and its arguments
    #[arg(required = true, last = true)]
    command: Vec<OsString>,
}

/// Turns into the server; returns only if it cannot.
pub(crate) fn hold(options: &HoldOptions) -> io::Error {
    prepare(options).map_or_else(|error| error, |mut command| command.exec())
}

fn prepare(options: &HoldOptions) -> io::Result<Command> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // It may have ended before it was watched.
    let parent = getppid().map(Pid::as_raw_nonzero).map(|id| id.get().unsigned_abs());
    if parent != Some(options.parent) {
        return Err(io::Error::other("whoever started the server is gone"));
    }
    if !bench::clock::pin(options.core) {
        return Err(io::Error::other("the server's core may not be used"));
    }
    let [program, arguments @ ..] = options.command.as_slice() else {
        return Err(io::Error::other("no server is named"));
    };
    let log = io::stdout().as_fd().try_clone_to_owned()?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stderr(Stdio::from(log));
    Ok(command)
}
