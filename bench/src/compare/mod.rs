//! compare: whether one set of runs is better or worse than another, figure by figure.
//!
//! | file | holds |
//! |---|---|
//! | `pair` | which runs of both sides belong together, and which are refused |
//! | `bootstrap` | how sure a ratio of medians is |
//! | `verdict` | what that means |
//!
//! The unit is the run: its p50, p99, throughput, CPU a message. Thousands of samples of one run
//! say nothing about the next one, so nothing is concluded from them.

pub mod bootstrap;
pub mod pair;
#[cfg(test)]
mod tests;
pub mod verdict;

pub use bootstrap::Ratio;
pub use pair::NotComparable;
pub use verdict::{RUNS_MIN, Verdict};

use crate::figure::{Figure, Quantile, median};
use crate::result::{Journey, Level, RunResult};
use pair::Pair;
use serde::Serialize;

/// What one side against the other shows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Figure by figure.
    pub lines: Vec<Line>,
    /// What should be known before believing them.
    pub notices: Vec<String>,
}

/// One figure of one work on both sides.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// The work.
    pub workload: String,
    /// The level of both.
    pub level: Level,
    /// The bus of the second side.
    pub driver: String,
    /// The name of the figure.
    pub figure: String,
    /// Valid runs of both sides that have it.
    pub runs: (usize, usize),
    /// The medians of both sides, in microseconds, or messages a second.
    pub medians: (f64, f64),
    /// Both medians for people.
    #[serde(skip)]
    pub shown: (String, String),
    /// The second in multiples of the first.
    #[serde(flatten)]
    pub ratio: Ratio,
    /// What that means.
    pub verdict: Verdict,
}

/// Compares the runs of two sides; `threshold` is the share a figure must differ by to be told.
///
/// # Errors
/// Nothing belongs together, or what does is of different work or levels.
pub fn compare(
    first: &[RunResult],
    second: &[RunResult],
    threshold: f64,
) -> Result<Comparison, NotComparable> {
    let (pairs, notices) = pair::pairs(first, second)?;
    let mut lines = Vec::new();
    for pair in &pairs {
        for figure in figures() {
            lines.extend(line(pair, figure, threshold));
        }
    }
    Ok(Comparison { lines, notices })
}

impl Comparison {
    /// How many figures have this verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.lines.iter().filter(|line| line.verdict == verdict).count()
    }
}

/// What is compared: every journey but the load's own delay, throughput, CPU.
fn figures() -> Vec<Figure> {
    let journeys = [Journey::PublishToAck, Journey::PublishToDelivery, Journey::RequestToOutcome];
    let quantiles = |journey| {
        [Quantile::P50, Quantile::P99].map(|quantile| Figure::Quantile(journey, quantile))
    };
    journeys.into_iter().flat_map(quantiles).chain([Figure::Rate, Figure::ServerCpu]).collect()
}

fn line(pair: &Pair<'_>, figure: Figure, threshold: f64) -> Option<Line> {
    let values = |runs: &[&RunResult]| -> Vec<f64> {
        runs.iter().filter_map(|run| figure.of(run)).collect()
    };
    let (first, second) = (values(&pair.first), values(&pair.second));
    let ratio = bootstrap::ratio_of_medians(&first, &second)?;
    let enough = first.len().min(second.len()) >= RUNS_MIN;
    let verdict = if enough {
        Verdict::of(ratio, figure.less_is_better(), threshold)
    } else {
        Verdict::TooFewRuns
    };
    let medians = (median(&first)?, median(&second)?);
    Some(Line {
        workload: pair.workload.clone(),
        level: pair.level,
        driver: pair.driver.clone(),
        figure: figure.name(),
        runs: (first.len(), second.len()),
        medians,
        shown: (figure.show(medians.0), figure.show(medians.1)),
        ratio,
        verdict,
    })
}
