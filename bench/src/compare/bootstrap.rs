//! Bootstrap: how sure a ratio of two medians is, from the runs themselves and nothing assumed about them.
//!
//! Runs are drawn again and again, with repetition, from those there are; the ratio of the medians of
//! what was drawn scatters as the ratio would over other sets of runs. (Efron & Tibshirani, *An
//! Introduction to the Bootstrap*, chapter 13: the percentile interval.) Seeded: the same runs give
//! the same interval.

use crate::figure::median;
use serde::Serialize;

/// Times that runs are drawn.
const DRAWS: usize = 2000;
/// Share of the drawn ratios inside the interval.
pub const CONFIDENCE: f64 = 0.95;
/// What all drawing begins from.
const SEED: u64 = 0x5EED_0FB0_0757_7A44;

/// A ratio of two medians, and between which bounds it lies.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Ratio {
    /// The median of the second in multiples of the first.
    pub ratio: f64,
    /// The lower bound.
    pub low: f64,
    /// The upper bound.
    pub high: f64,
}

/// The median of `second` in multiples of that of `first`; `None` without values, or above a median of 0.
pub fn ratio_of_medians(first: &[f64], second: &[f64]) -> Option<Ratio> {
    let ratio = ratio_of(first, second)?;
    let mut random = Random(SEED);
    let mut drawn = Vec::with_capacity(DRAWS);
    for _ in 0..DRAWS {
        let (one, two) = (random.draw(first), random.draw(second));
        drawn.extend(ratio_of(&one, &two));
    }
    drawn.sort_by(f64::total_cmp);
    let beyond = (1.0 - CONFIDENCE) / 2.0;
    Some(Ratio { ratio, low: at(&drawn, beyond), high: at(&drawn, 1.0 - beyond) })
}

fn ratio_of(first: &[f64], second: &[f64]) -> Option<f64> {
    let (first, second) = (median(first)?, median(second)?);
    (first > 0.0).then(|| second / first)
}

/// The value below which `share` of the sorted `values` lie.
fn at(values: &[f64], share: f64) -> f64 {
    let steps = values.len().saturating_sub(1);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index among a few thousand, between the first and the last"
    )]
    let index = (steps as f64 * share).round() as usize;
    values.get(index.min(steps)).copied().unwrap_or(f64::NAN)
}

/// SplitMix64: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// As many values as there are, each any of them.
    fn draw(&mut self, values: &[f64]) -> Vec<f64> {
        let count = values.len().max(1) as u64;
        let index = |number: u64| usize::try_from(number % count).unwrap_or(0);
        values.iter().map(|_| values[index(self.next())]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_runs_have_the_same_interval() {
        let (first, second) = ([10.0, 11.0, 12.0, 10.5, 11.5], [20.0, 22.0, 21.0, 23.0, 24.0]);
        let ratio = ratio_of_medians(&first, &second).expect("values");
        assert_eq!(Some(ratio), ratio_of_medians(&first, &second));
        assert!((ratio.ratio - 2.0).abs() < 1e-9);
        assert!(ratio.low >= 20.0 / 12.0 && ratio.high <= 24.0 / 10.0);
        assert!(ratio.low < ratio.ratio && ratio.ratio < ratio.high);
    }

    #[test]
    fn there_is_no_ratio_to_nothing() {
        assert_eq!(ratio_of_medians(&[], &[1.0]), None);
        assert_eq!(ratio_of_medians(&[0.0], &[1.0]), None);
        let alone = ratio_of_medians(&[2.0], &[3.0]).expect("values");
        assert_eq!((alone.low, alone.high), (1.5, 1.5));
    }

    #[test]
    fn an_interval_holds_the_truth_about_as_often_as_it_says() {
        // Both sides from the same distribution: the true ratio is 1.
        let mut random = Random(7);
        let mut sample = || -> Vec<f64> {
            (0..10)
                .map(|_| 100.0 + f64::from(u8::try_from(random.next() % 21).unwrap_or(0)))
                .collect()
        };
        let inside = |_: &u32| {
            let ratio = ratio_of_medians(&sample(), &sample()).expect("values");
            ratio.low <= 1.0 && 1.0 <= ratio.high
        };
        let held = (0..100).filter(inside).count();
        assert!((88..=100).contains(&held), "{held} of 100");
    }
}
