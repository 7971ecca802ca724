//! Notice: what is said beside the results, on the standard error: progress on a terminal, hints with `-v`.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;

/// How much is said beside the results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Talk {
    /// Only errors.
    Quiet,
    /// Progress on a terminal, and what matters.
    #[default]
    Normal,
    /// Also how it is done.
    Verbose,
}

impl Talk {
    /// Says a line unless asked to be quiet.
    pub fn say(self, line: impl std::fmt::Display) {
        if self != Self::Quiet {
            eprintln!("{line}");
        }
    }

    /// Says a line if asked to be verbose.
    pub fn detail(self, line: impl std::fmt::Display) {
        if self == Self::Verbose {
            eprintln!("{line}");
        }
    }

    /// One line on the standard error that changes in place, if that is a terminal; else nothing.
    pub fn status(self) -> ProgressBar {
        let bar = self.progress(None, "");
        let style = ProgressStyle::with_template("{spinner} {msg}");
        bar.with_style(style.expect("the template is a constant and known to be right"))
    }

    /// A progress bar on the standard error if that is a terminal, else one that draws nothing.
    pub fn progress(self, total: Option<u64>, unit: &'static str) -> ProgressBar {
        let bar = total.map_or_else(ProgressBar::no_length, ProgressBar::new);
        if self == Self::Quiet || !std::io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
            return bar;
        }
        let template = if total.is_some() {
            format!("{{bar:30}} {{pos}}/{{len}} {unit} {{per_sec}} {{eta}}")
        } else {
            format!("{{spinner}} {{pos}} {unit} {{per_sec}}")
        };
        let style = ProgressStyle::with_template(&template);
        bar.with_style(style.expect("the template is a constant and known to be right"))
    }
}
