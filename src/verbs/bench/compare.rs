//! compare: whether one set of results is better or worse than another; an ending that CI can act on.

use super::results_failure;
use ::bench::compare::{Comparison, Line, Verdict, bootstrap, compare};
use ::bench::result;
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;
use tools::{Exit, Failure, Globals, Printer, Row};

/// Options of `bench compare`.
#[derive(Clone, Debug, Args)]
pub struct Compare {
    /// The results to compare with: a file, or a folder of several runs
    first: PathBuf,
    /// The results that are judged
    second: PathBuf,
    /// Differences smaller than this are none, in percent
    #[arg(long, value_name = "PERCENT", default_value = "5", value_parser = percent)]
    threshold: f64,
    /// End with 1 also if a verdict is unclear, or rests on too few runs
    #[arg(long)]
    strict: bool,
}

/// A line of the table.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
struct Judged(Line);

impl Row for Judged {
    const COLUMNS: &'static [&'static str] =
        &["WORK", "LEVEL", "BUS", "FIGURE", "RUNS", "FIRST", "SECOND", "RATIO", "95 %", "VERDICT"];

    fn cells(&self) -> Vec<String> {
        let Line { workload, level, driver, figure, runs, shown, ratio, verdict, .. } = &self.0;
        vec![
            workload.clone(),
            level.name().to_owned(),
            driver.clone(),
            figure.clone(),
            format!("{}/{}", runs.0, runs.1),
            shown.0.clone(),
            shown.1.clone(),
            format!("{:.3}", ratio.ratio),
            format!("{:.3}..{:.3}", ratio.low, ratio.high),
            verdict.words().to_owned(),
        ]
    }
}

impl Compare {
    /// Compares and prints; `Failed` if a figure is worse.
    ///
    /// # Errors
    /// A result cannot be read, or the sides cannot be compared.
    pub fn run(&self, globals: &Globals, printer: &mut Printer<'_>) -> Result<Exit, Failure> {
        let first = result::find(&self.first).map_err(|error| results_failure(&error))?;
        let second = result::find(&self.second).map_err(|error| results_failure(&error))?;
        let comparison = compare(&first, &second, self.threshold / 100.0).map_err(|refused| {
            let fix = "name results of the same workload at the same level on both sides";
            Failure::usage(refused.to_string()).with_fix(fix)
        })?;
        for notice in &comparison.notices {
            globals.talk().say(format!("note: {notice}"));
        }
        let exit = self.exit(&comparison);
        let summary = self.summary(&comparison);
        let rows: Vec<Judged> = comparison.lines.into_iter().map(Judged).collect();
        printer.list(&rows)?;
        globals.talk().say(summary);
        Ok(exit)
    }

    fn exit(&self, comparison: &Comparison) -> Exit {
        let count = |verdict| comparison.count(verdict);
        let open = count(Verdict::Unclear) + count(Verdict::TooFewRuns);
        let failed = count(Verdict::Worse) > 0 || (self.strict && open > 0);
        if failed { Exit::Failed } else { Exit::Done }
    }

    fn summary(&self, comparison: &Comparison) -> String {
        let verdicts =
            [Verdict::Better, Verdict::Same, Verdict::Worse, Verdict::Unclear, Verdict::TooFewRuns];
        let counts = verdicts.map(|verdict| {
            format!("{} {}", comparison.count(verdict), verdict.words().to_lowercase())
        });
        format!(
            "{} figures: {}; threshold {} %, intervals of {:.0} %",
            comparison.lines.len(),
            counts.join(", "),
            self.threshold,
            bootstrap::CONFIDENCE * 100.0
        )
    }
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim_end_matches('%').trim().parse::<f64>();
    match number {
        Ok(percent) if (0.0..=1000.0).contains(&percent) => Ok(percent),
        _ => Err(format!("'{text}' is no threshold: a number of percent, 0 to 1000")),
    }
}
