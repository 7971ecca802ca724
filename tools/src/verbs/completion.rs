//! completion: a completion script for a shell, made from the command tree.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Printer, Report};
use clap::Args;
use clap_complete::{Shell, generate};
use serde::Serialize;

/// Options of `completion`.
#[derive(Clone, Debug, Args)]
pub struct Completion {
    /// Which shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// The script, inside JSON if that was asked for.
#[derive(Clone, Debug, Serialize)]
struct Script {
    shell: String,
    script: String,
}

impl Completion {
    /// Does it.
    ///
    /// # Errors
    /// The standard output cannot be written.
    pub fn run(&self, mut tree: clap::Command, printer: &mut Printer<'_>) -> Result<Exit, Failure> {
        let mut script = Vec::new();
        generate(self.shell, &mut tree, "defibus", &mut script);
        let script = String::from_utf8_lossy(&script).trim_end().to_owned();
        printer.report(&Script { shell: self.shell.to_string(), script })?;
        Ok(Exit::Done)
    }
}

impl Report for Script {
    fn describe(&self) -> String {
        self.script.clone()
    }
}
