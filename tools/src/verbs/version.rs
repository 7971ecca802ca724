//! version: what this program is.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Printer, Report};
use clap::Args;
use serde::Serialize;

/// Options of `version`: none.
#[derive(Clone, Copy, Debug, Args)]
pub struct Version {}

/// The version as it is printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct About {
    name: &'static str,
    version: &'static str,
    protocol: u8,
    os: &'static str,
    arch: &'static str,
}

impl Version {
    /// Does it.
    ///
    /// # Errors
    /// The standard output cannot be written.
    pub fn run(self, printer: &mut Printer<'_>) -> Result<Exit, Failure> {
        printer.report(&About {
            name: "defibus",
            version: env!("CARGO_PKG_VERSION"),
            protocol: wire::header::VERSION,
            os: std::env::consts::OS,
            arch: std::env::consts::ARCH,
        })?;
        Ok(Exit::Done)
    }
}

impl Report for About {
    fn describe(&self) -> String {
        let Self { name, version, protocol, os, arch } = self;
        format!("{name} {version} (protocol {protocol}, {os} {arch})")
    }
}
