//! Verdict: what the ratio of two sides means, said only as far as the runs bear it.

use super::bootstrap::Ratio;
use serde::Serialize;

/// Runs each side needs: the bootstrap of fewer says more than they know.
pub const RUNS_MIN: usize = 5;

/// What became of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Better by at least the threshold, and surely better.
    Better,
    /// The difference, if there is one, is smaller than the threshold.
    Same,
    /// Worse by at least the threshold, and surely worse.
    Worse,
    /// The runs scatter too much to tell: more of them, or a quieter machine.
    Unclear,
    /// Fewer valid runs than it takes.
    TooFewRuns,
}

impl Verdict {
    /// Of the second side beside the first. `threshold` is a share: 0.05 is 5 %.
    pub fn of(ratio: Ratio, less_is_better: bool, threshold: f64) -> Self {
        let worsening = if less_is_better { ratio } else { ratio.inverse() };
        let bound = 1.0 + threshold;
        if worsening.low > 1.0 && worsening.ratio >= bound {
            Self::Worse
        } else if worsening.high < 1.0 && worsening.ratio <= 1.0 / bound {
            Self::Better
        } else if worsening.low > 1.0 || worsening.high < 1.0 || worsening.is_within(bound) {
            Self::Same
        } else {
            Self::Unclear
        }
    }

    /// In a table.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Same => "same",
            Self::Worse => "WORSE",
            Self::Unclear => "unclear",
            Self::TooFewRuns => "too few runs",
        }
    }
}

impl Ratio {
    /// The first in multiples of the second.
    fn inverse(self) -> Self {
        Self { ratio: 1.0 / self.ratio, low: 1.0 / self.high, high: 1.0 / self.low }
    }

    fn is_within(self, bound: f64) -> bool {
        self.low >= 1.0 / bound && self.high <= bound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_needs_both_size_and_certainty() {
        let check = |low: f64, ratio: f64, high: f64, expected: Verdict| {
            assert_eq!(Verdict::of(Ratio { ratio, low, high }, true, 0.05), expected);
            let opposite = match expected {
                Verdict::Better => Verdict::Worse,
                Verdict::Worse => Verdict::Better,
                Verdict::Same | Verdict::Unclear | Verdict::TooFewRuns => expected,
            };
            assert_eq!(Verdict::of(Ratio { ratio, low, high }, false, 0.05), opposite);
        };
        check(1.08, 1.10, 1.12, Verdict::Worse);
        check(0.88, 0.90, 0.92, Verdict::Better);
        check(0.99, 1.01, 1.03, Verdict::Same);
        check(1.01, 1.02, 1.03, Verdict::Same);
        check(0.95, 1.10, 1.30, Verdict::Unclear);
        check(0.80, 1.00, 1.20, Verdict::Unclear);
    }
}
