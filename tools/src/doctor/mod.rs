//! doctor: what the machine under a node should be, check by check, with the fix beside each finding.
//!
//! Nothing is changed; `--fix-script` prints a script to be read and run by
//! somebody who may. Exit: 0 fine, 1 warnings with `--strict`, 2 a node cannot
//! run or would lose its promises here.

pub mod disk;
pub mod finding;
pub mod machine;
pub mod tuning;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::globals::Globals;
use crate::output::{Format, Printer, Report};
use clap::Args;
use finding::{Finding, Severity};
use serde::Serialize;
use std::fmt::Write;
use std::path::PathBuf;

/// Options of `doctor`.
#[derive(Clone, Debug, Args)]
pub struct Doctor {
    /// End with 1 if there is a warning
    #[arg(long)]
    pub strict: bool,
    /// A directory on the disk that data shall be on; also measures its fdatasync
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub data: PathBuf,
    /// Shards the node shall have
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub shards: u16,
    /// Address the node shall listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7400")]
    pub listen: std::net::SocketAddr,
    /// For production: what loses data or starves a shard is fatal
    #[arg(long)]
    pub prod: bool,
    /// Print a shell script that makes the changes; nothing is changed
    #[arg(long)]
    pub fix_script: bool,
}

/// The script, inside JSON if that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct FixScript {
    script: String,
}

impl Doctor {
    /// Looks at everything.
    ///
    /// # Errors
    /// The standard output cannot be written; findings are no errors.
    pub fn run(&self, globals: &Globals, printer: &mut Printer<'_>) -> Result<Exit, Failure> {
        let mut findings = machine::findings(self);
        findings.extend(tuning::findings(&tuning::Tree::default(), self));
        findings.extend(disk::findings(&self.data, self.prod));
        if self.fix_script {
            printer.report(&FixScript { script: fix_script(&findings) })?;
        } else {
            printer.list(&findings)?;
            if printer.format() == Format::Table {
                globals.talk().say(verdict(&findings));
            }
        }
        Ok(exit_of(&findings, self.strict))
    }
}

fn failed(findings: &[Finding], severity: Severity) -> usize {
    findings.iter().filter(|finding| !finding.passed && finding.severity == severity).count()
}

fn exit_of(findings: &[Finding], strict: bool) -> Exit {
    if failed(findings, Severity::Fatal) > 0 {
        Exit::Usage
    } else if strict && failed(findings, Severity::Warning) > 0 {
        Exit::Failed
    } else {
        Exit::Done
    }
}

fn verdict(findings: &[Finding]) -> String {
    let (fatal, warnings) =
        (failed(findings, Severity::Fatal), failed(findings, Severity::Warning));
    match (fatal, warnings) {
        (0, 0) => "a node runs well here".to_owned(),
        (0, warnings) => format!("a node runs here; {warnings} warnings cost latency or safety"),
        (fatal, _) => format!("a node does not run here: {fatal} fatal findings"),
    }
}

fn fix_script(findings: &[Finding]) -> String {
    let mut script = String::from(
        "#!/bin/sh\n# Read before running. Each line changes this machine.\nset -eu\n",
    );
    for finding in findings.iter().filter(|finding| !finding.passed) {
        let Finding { condition, fix, .. } = finding;
        let _ = match &finding.command {
            Some(command) => writeln!(script, "\n# {condition}\n{command}"),
            None => writeln!(script, "\n# {condition}: by hand: {fix}"),
        };
    }
    script.trim_end().to_owned()
}

impl Report for FixScript {
    fn describe(&self) -> String {
        self.script.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(severity: Severity, passed: bool) -> Finding {
        Finding::new("x", "1", "2", severity).passed_if(passed).fix("do it").command("true")
    }

    #[test]
    fn the_ending_follows_the_worst_finding() {
        let check = |findings: &[Finding], strict: bool, exit: Exit| {
            assert_eq!(exit_of(findings, strict), exit);
        };
        let (fine, warning) = (finding(Severity::Fatal, true), finding(Severity::Warning, false));
        check(std::slice::from_ref(&fine), true, Exit::Done);
        check(&[fine.clone(), warning.clone()], false, Exit::Done);
        check(&[fine, warning.clone()], true, Exit::Failed);
        check(&[warning, finding(Severity::Fatal, false)], false, Exit::Usage);
        check(&[finding(Severity::Info, false)], true, Exit::Done);
    }

    #[test]
    fn the_script_has_only_what_failed() {
        let script = fix_script(&[finding(Severity::Warning, false)]);
        assert!(script.ends_with("# x\ntrue"));
        assert!(!fix_script(&[finding(Severity::Warning, true)]).contains("true"));
    }
}
