//! Arrivals: when messages are due, whatever the bus does: the open loop.
//!
//! Due times come from the rate alone. Fractions of a nanosecond are kept, so that
//! a rate is met exactly however long the run is.

use super::chance::Chance;

/// How due times are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// In equal distances.
    Constant,
    /// By chance: distances are exponential, so that their number in any stretch is Poisson.
    Poisson,
}

/// An endless series of due times.
#[derive(Clone, Debug)]
pub struct Arrivals {
    spread: Spread,
    /// Mean distance of two moments, in nanoseconds.
    distance_ns: f64,
    begin_ns: f64,
    /// The next moment, on the load's clock.
    at_ns: f64,
    /// Moments before it.
    moments: f64,
    burst: u32,
    /// Messages of this moment that are still to be given.
    left: u32,
    chance: Chance,
}

impl Arrivals {
    /// `rate` messages a second (more than 0), `burst` (at least 1) at each moment, from `begin_ns` on.
    pub fn new(spread: Spread, rate: f64, burst: u32, begin_ns: u64, chance: Chance) -> Self {
        let distance_ns = 1e9 * f64::from(burst) / rate;
        #[expect(clippy::cast_precision_loss, reason = "a clock counts 104 days in 53 bits")]
        let begin_ns = begin_ns as f64;
        let (at_ns, moments, left) = (begin_ns, 0.0, burst);
        let mut arrivals =
            Self { spread, distance_ns, begin_ns, at_ns, moments, burst, left, chance };
        if spread == Spread::Poisson {
            arrivals.step();
        }
        arrivals
    }

    /// When the next message is due.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a moment to come")]
    pub fn next_ns(&self) -> u64 {
        self.at_ns as u64
    }

    /// The next one was taken.
    pub fn advance(&mut self) {
        self.left -= 1;
        if self.left == 0 {
            self.left = self.burst;
            self.step();
        }
    }

    /// About how many more are due before `end_ns`: exact for constant arrivals, else the mean.
    #[expect(clippy::cast_precision_loss, reason = "a clock counts 104 days in 53 bits")]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not below zero")]
    pub fn count_before(&self, end_ns: u64) -> u64 {
        let span_ns = end_ns as f64 - self.at_ns;
        if span_ns <= 0.0 {
            return 0;
        }
        let later_moments = ((span_ns / self.distance_ns).ceil() - 1.0).max(0.0) as u64;
        u64::from(self.left) + later_moments * u64::from(self.burst)
    }

    fn step(&mut self) {
        self.moments += 1.0;
        match self.spread {
            // Multiplied, not added up: the rate is met however long it goes.
            Spread::Constant => self.at_ns = self.begin_ns + self.moments * self.distance_ns,
            Spread::Poisson => self.at_ns -= self.chance.share().ln() * self.distance_ns,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(spread: Spread, rate: f64, burst: u32, count: usize) -> Vec<u64> {
        let mut arrivals = Arrivals::new(spread, rate, burst, 1_000_000_000, Chance::new(1, 0));
        let mut times = Vec::new();
        for _ in 0..count {
            times.push(arrivals.next_ns());
            arrivals.advance();
        }
        times
    }

    #[test]
    fn constant_arrivals_meet_their_rate_exactly() {
        let times = due(Spread::Constant, 3.0, 1, 4);
        assert_eq!(times, [1_000_000_000, 1_333_333_333, 1_666_666_666, 2_000_000_000]);
        let last = due(Spread::Constant, 700_000.0, 1, 7_000_001).pop();
        assert!(last.expect("many").abs_diff(11_000_000_000) < 10, "ten seconds later");
    }

    #[test]
    fn what_is_still_due_is_counted() {
        let mut arrivals = Arrivals::new(Spread::Constant, 1000.0, 2, 0, Chance::new(1, 0));
        assert_eq!(arrivals.count_before(0), 0);
        assert_eq!(arrivals.count_before(1), 2);
        assert_eq!(arrivals.count_before(10_000_000), 10);
        arrivals.advance();
        assert_eq!(arrivals.count_before(10_000_001), 11);
    }

    #[test]
    fn a_burst_is_due_at_one_moment() {
        let times = due(Spread::Constant, 30.0, 3, 7);
        assert_eq!(times[0], times[2]);
        assert_eq!(times[3] - times[0], 100_000_000);
        assert_eq!(times[6] - times[3], 100_000_000);
    }

    /// Mean and variance of the counts in many stretches: equal for Poisson, zero variance for constant.
    #[test]
    fn poisson_arrivals_have_the_mean_and_the_variance_of_their_name() {
        let times = due(Spread::Poisson, 10_000.0, 1, 200_000);
        let span_s = (times[times.len() - 1] - 1_000_000_000) / 1_000_000;
        assert!((19_800..20_200).contains(&span_s), "twenty seconds in ms: {span_s}");
        let mut counts = vec![0_f64; 1900];
        for time in &times {
            let stretch = usize::try_from((time - 1_000_000_000) / 10_000_000).expect("small");
            if let Some(count) = counts.get_mut(stretch) {
                *count += 1.0;
            }
        }
        let stretches = 1900.0;
        let mean = counts.iter().sum::<f64>() / stretches;
        let variance = counts.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / stretches;
        assert!((99.0..101.0).contains(&mean), "{mean}");
        assert!((90.0..110.0).contains(&variance), "{variance}");
        assert!(times.is_sorted());
    }
}
