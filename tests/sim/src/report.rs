//! Report: what came of many seeds, in means and counts; and the story of one that failed.

use crate::Outcome;
use crate::faults::Fired;
use crate::shrink::Shrunk;
use std::fmt::Write;

/// Lines of a failing seed's trace that are told.
const LINES_TOLD: usize = 60;

/// Sums over many seeds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    /// Seeds run.
    pub seeds: u64,
    /// Of these, failed.
    pub failed: u64,
    operations: u64,
    operations_min: Option<u64>,
    fired: Fired,
}

impl Totals {
    /// Counts one more seed.
    pub fn count(&mut self, outcome: &Outcome) {
        self.seeds += 1;
        self.failed += u64::from(outcome.verdict.is_err());
        self.operations += outcome.operations;
        let least = self.operations_min.unwrap_or(u64::MAX);
        self.operations_min = Some(least.min(outcome.operations));
        self.fired.add(&outcome.fired);
    }

    /// Adds another's.
    pub fn add(&mut self, other: &Self) {
        self.seeds += other.seeds;
        self.failed += other.failed;
        self.operations += other.operations;
        let least = [self.operations_min, other.operations_min];
        self.operations_min = least.into_iter().flatten().min();
        self.fired.add(&other.fired);
    }

    /// Means, counts by kind, and the last line, by which others know how it ended.
    pub fn tell(&self, seconds: f64) -> String {
        let seeds = self.seeds.max(1);
        let crashes = self.fired.crashes();
        let mut out = format!(
            "{} seeds: {} operations ({} at least) and {}.{:02} crashes a seed",
            self.seeds,
            self.operations / seeds,
            self.operations_min.unwrap_or(0),
            crashes / seeds,
            crashes * 100 / seeds % 100,
        );
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = self.seeds as f64 * 60.0 / seconds.max(0.001);
        let _ = writeln!(out, "; {rate:.0} seeds a minute");
        out.push_str("\n| fault | fired |\n|---|---|\n");
        for (words, count) in self.fired.each() {
            let _ = writeln!(out, "| {words} | {count} |");
        }
        let passed = self.seeds - self.failed;
        let _ = write!(out, "\n{passed} passed, {} failed", self.failed);
        out
    }
}

/// The story of a failing seed after it was shrunk.
pub fn story(shrunk: &Shrunk, commit: &str) -> String {
    let Shrunk { weather, outcome, reruns } = shrunk;
    let mut out =
        format!("  commit {commit}; shrunk in {reruns} runs to:\n  {}\n", weather.describe());
    if let Err(violation) = &outcome.verdict {
        let _ = writeln!(out, "  in which {violation}");
    }
    let from = outcome.lines.len().saturating_sub(LINES_TOLD);
    for line in &outcome.lines[from..] {
        let _ = writeln!(out, "    {line}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_halves_are_told_as_one() {
        let outcome = crate::run(1, false);
        let (mut half, mut both) = (Totals::default(), Totals::default());
        half.count(&outcome);
        both.add(&half);
        both.add(&half);
        let told = both.tell(60.0);
        assert!(told.starts_with("2 seeds: "), "{told}");
        assert!(told.contains("; 2 seeds a minute") && told.ends_with("2 passed, 0 failed"));
    }
}
