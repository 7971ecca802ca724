//! Axis: from values to pixels, with marks where people expect them.

use super::number;

/// One side of a chart.
#[derive(Clone, Debug)]
pub struct Axis {
    scale: Scale,
    /// Values at both ends.
    begin: f64,
    end: f64,
    /// Where marks are, and what they say.
    pub marks: Vec<(f64, String)>,
    /// What is measured, with its unit.
    pub label: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scale {
    /// Equal steps.
    Linear,
    /// Equal factors.
    Logarithmic,
}

/// Marks of an axis with equal steps, about.
const MARKS: f64 = 5.0;

impl Axis {
    /// Equal steps from 0 to at least `top`.
    pub fn linear(label: &str, top: f64, say: fn(f64) -> String) -> Self {
        let top = if top.is_finite() && top > 0.0 { top } else { 1.0 };
        let step = nice_step(top / MARKS);
        let count = (top / step - 1e-9).ceil().max(1.0);
        let marks = steps(count).map(|at| (at * step, say(at * step))).collect();
        let end = count * step;
        Self { scale: Scale::Linear, begin: 0.0, end, marks, label: label.to_owned() }
    }

    /// Equal steps from 0 to exactly `top`: for time.
    pub fn until(label: &str, top: f64, say: fn(f64) -> String) -> Self {
        let mut axis = Self::linear(label, top, say);
        if top.is_finite() && top > 0.0 {
            axis.end = top;
            axis.marks.retain(|(value, _)| *value <= top * 1.001);
        }
        axis
    }

    /// Equal factors, around all of `values` that are above 0.
    pub fn logarithmic(label: &str, values: &[f64], say: fn(f64) -> String) -> Self {
        let positive = || values.iter().copied().filter(|value| value.is_finite() && *value > 0.0);
        let low = positive().fold(f64::INFINITY, f64::min);
        let high = positive().fold(0.0, f64::max);
        let (low, high) = if high > 0.0 { (low, high) } else { (1.0, 10.0) };
        let (begin, end) = (nice_below(low), nice_above(high));
        let few = (end / begin).log10() <= 2.0;
        let marks = decades(begin, end)
            .flat_map(|decade| [1.0, 2.0, 5.0].map(|digit| (decade * digit, few || digit < 1.5)))
            .filter(|(value, told)| *told && *value >= begin * 0.999 && *value <= end * 1.001)
            .map(|(value, _)| (value, say(value)))
            .collect();
        Self { scale: Scale::Logarithmic, begin, end, marks, label: label.to_owned() }
    }

    /// Quantiles, stretched towards 1: each mark is a tenth of what was beyond the one before.
    /// A value on it is `1 / (1 - quantile)`.
    pub fn quantiles(label: &str, quantile_max: f64) -> Self {
        let end = (1.0 / (1.0 - quantile_max.clamp(0.5, 0.999_999))).max(10.0);
        let names = ["0", "50 %", "90 %", "99 %", "99.9 %", "99.99 %", "99.999 %", "99.9999 %"];
        let inverses = [1.0, 2.0, 10.0, 1e2, 1e3, 1e4, 1e5, 1e6];
        let marks = inverses.into_iter().zip(names);
        let marks = marks.filter(|(inverse, _)| *inverse <= end * 1.001);
        Self {
            scale: Scale::Logarithmic,
            begin: 1.0,
            end,
            marks: marks.map(|(inverse, name)| (inverse, name.to_owned())).collect(),
            label: label.to_owned(),
        }
    }

    /// How far along `value` is, from 0 to 1; what lies outside is put on the edge.
    pub fn share(&self, value: f64) -> f64 {
        let share = match self.scale {
            Scale::Linear => (value - self.begin) / (self.end - self.begin),
            Scale::Logarithmic => {
                (value.max(f64::MIN_POSITIVE) / self.begin).ln() / (self.end / self.begin).ln()
            }
        };
        if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 }
    }
}

/// Plain numbers on an axis.
pub fn plain(value: f64) -> String {
    number::short(value)
}

/// `0, 1, ..., count`.
fn steps(count: f64) -> impl Iterator<Item = f64> {
    std::iter::successors(Some(0.0), |at| Some(at + 1.0)).take_while(move |at| *at <= count + 0.5)
}

/// 1, 2 or 5 times a power of ten, not below `rough`.
fn nice_step(rough: f64) -> f64 {
    let decade = 10_f64.powf(rough.log10().floor());
    let digits = [1.0, 2.0, 5.0, 10.0];
    decade * digits.into_iter().find(|digit| digit * decade >= rough * 0.999).unwrap_or(10.0)
}

fn nice_below(value: f64) -> f64 {
    let decade = 10_f64.powf((value.log10() + 1e-9).floor());
    let digits = [5.0, 2.0, 1.0];
    decade * digits.into_iter().find(|digit| digit * decade <= value * 1.001).unwrap_or(1.0)
}

fn nice_above(value: f64) -> f64 {
    let above = nice_step(value);
    if above > nice_below(value) * 1.5 { above } else { above * 2.0 }
}

/// The powers of ten from below `begin` to above `end`.
fn decades(begin: f64, end: f64) -> impl Iterator<Item = f64> {
    let first = 10_f64.powf((begin.log10() + 1e-9).floor());
    std::iter::successors(Some(first), |decade| Some(decade * 10.0))
        .take_while(move |decade| *decade <= end * 1.001)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(axis: &Axis) -> Vec<&str> {
        axis.marks.iter().map(|(_, said)| said.as_str()).collect()
    }

    #[test]
    fn equal_steps_are_round_and_reach_the_top() {
        let axis = Axis::linear("rate (messages/s)", 21_000.0, plain);
        assert_eq!(said(&axis), ["0", "5000", "10 k", "15 k", "20 k", "25 k"]);
        assert!((axis.share(12_500.0) - 0.5).abs() < 1e-9);
        assert_eq!(said(&Axis::until("time (s)", 12.0, plain)), ["0", "5", "10"]);
    }

    #[test]
    fn equal_factors_hold_all_values() {
        let axis = Axis::logarithmic("latency", &[31.0, 900.0, 0.0], number::short_span);
        assert_eq!(said(&axis), ["20 µs", "50 µs", "100 µs", "200 µs", "500 µs", "1 ms"]);
        assert!(axis.share(31.0) > 0.0 && axis.share(900.0) < 1.0);
        let wide = Axis::logarithmic("latency", &[8.0, 90_000.0], number::short_span);
        assert_eq!(said(&wide), ["10 µs", "100 µs", "1 ms", "10 ms", "100 ms"]);
    }

    #[test]
    fn quantiles_are_stretched() {
        let axis = Axis::quantiles("quantile", 0.999);
        assert_eq!(said(&axis), ["0", "50 %", "90 %", "99 %", "99.9 %"]);
        assert!((axis.share(100.0) - 2.0 / 3.0).abs() < 1e-9);
    }

    #[test]
    fn an_axis_of_nothing_is_an_axis() {
        for axis in [
            Axis::linear("x", 0.0, plain),
            Axis::linear("x", f64::NAN, plain),
            Axis::logarithmic("x", &[], plain),
        ] {
            assert!(axis.marks.len() >= 2, "{axis:?}");
            assert!(axis.share(f64::NAN).abs() < 1e-9);
        }
    }
}
