//! Shrink: makes the weather of a failing seed milder, as long as the same checker still speaks.
//!
//! First whole kinds of strikes are left out, then halves, quarters and single ones;
//! then each lasting trouble is taken away; then there is less work. Bounded by reruns.

use crate::faults::{Faults, ROOMY_LOG_BYTES, Strike};
use crate::oracle::Violation;
use crate::{Outcome, run_in};
use std::mem::discriminant;

/// Runs that one shrinking may take.
pub const RERUNS_MAX: u32 = 150;

/// A failing seed in the mildest weather found.
#[derive(Debug)]
pub struct Shrunk {
    /// What it still needs.
    pub weather: Faults,
    /// How it went, with its trace.
    pub outcome: Outcome,
    /// Runs it took.
    pub reruns: u32,
}

/// Shrinks a seed that failed with this violation in its own weather.
pub fn shrink(seed: u64, violation: &Violation) -> Shrunk {
    let runs = |weather: &Faults| {
        let verdict = run_in(seed, weather.clone(), false).verdict;
        verdict.is_err_and(|found| found.checker == violation.checker)
    };
    let (weather, reruns) = milder(crate::weather(seed), RERUNS_MAX, runs);
    let outcome = run_in(seed, weather.clone(), true);
    Shrunk { weather, outcome, reruns }
}

/// The mildest weather in which `fails` holds, found with at most `tries_max` questions; and how many were asked.
pub fn milder(start: Faults, tries_max: u32, fails: impl FnMut(&Faults) -> bool) -> (Faults, u32) {
    let mut search = Search { weather: start, tries: 0, tries_max, fails };
    search.leave_out_kinds();
    search.leave_out_strikes();
    for calm in CALMS {
        search.offer(calm);
    }
    for percent in [10, 30, 60] {
        search.offer(|weather| weather.work_percent = weather.work_percent.min(percent));
    }
    search.leave_out_strikes();
    (search.weather, search.tries)
}

/// Each takes one lasting trouble away.
const CALMS: [fn(&mut Faults); 12] = [
    |weather| weather.aftermath = None,
    |weather| weather.pieces = 0,
    |weather| weather.nacks = 0,
    |weather| weather.log_bytes_max = ROOMY_LOG_BYTES,
    |weather| weather.drift_ppm = 0,
    |weather| weather.mail_slots = 4096,
    |weather| weather.mail_bytes = 4 << 20,
    |weather| weather.mail_delay_ns_max = 1_000,
    |weather| weather.network_delay_ns_max = 20_000,
    |weather| weather.disk_delay_ns_max = 50_000,
    |weather| weather.output_bytes_max = 16 << 20,
    |weather| weather.shard_count = 1,
];

struct Search<F> {
    weather: Faults,
    tries: u32,
    tries_max: u32,
    fails: F,
}

impl<F: FnMut(&Faults) -> bool> Search<F> {
    /// Takes the change if it still fails; whether it did.
    fn offer(&mut self, change: impl FnOnce(&mut Faults)) -> bool {
        let mut changed = self.weather.clone();
        change(&mut changed);
        if self.tries >= self.tries_max || changed == self.weather {
            return false;
        }
        self.tries += 1;
        let is_taken = (self.fails)(&changed);
        if is_taken {
            self.weather = changed;
        }
        is_taken
    }

    fn leave_out_kinds(&mut self) {
        let mut kinds: Vec<Strike> = Vec::new();
        for strike in &self.weather.strikes {
            if !kinds.iter().any(|kind| is_alike(kind, strike)) {
                kinds.push(*strike);
            }
        }
        for kind in kinds {
            self.offer(|weather| weather.strikes.retain(|strike| !is_alike(&kind, strike)));
        }
    }

    fn leave_out_strikes(&mut self) {
        let mut width = self.weather.strikes.len().div_ceil(2);
        while width > 0 {
            let mut from = 0;
            while from < self.weather.strikes.len() {
                let to = (from + width).min(self.weather.strikes.len());
                if !self.offer(|weather| drop(weather.strikes.drain(from..to))) {
                    from = to;
                }
            }
            width /= 2;
        }
    }
}

fn is_alike(one: &Strike, other: &Strike) -> bool {
    discriminant(&one.what) == discriminant(&other.what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::Misfortune;

    #[test]
    fn only_what_the_failure_needs_is_left() {
        let mut start = crate::weather(1);
        start.pieces = 500;
        start.strikes = (0..40)
            .map(|number| Strike { at_ns: number, what: Misfortune::PowerLoss(number) })
            .chain([Strike { at_ns: 50, what: Misfortune::Cut }])
            .collect();
        let needs = |weather: &Faults| {
            let has = |number| weather.strikes.iter().any(|strike| strike.at_ns == number);
            has(7) && has(23) && weather.pieces > 0
        };
        let (found, tries) = milder(start, RERUNS_MAX, needs);
        let left: Vec<u64> = found.strikes.iter().map(|strike| strike.at_ns).collect();
        assert_eq!((left, found.pieces, found.work_percent), (vec![7, 23], 500, 10));
        assert!(tries <= RERUNS_MAX && found.shard_count == 1 && found.aftermath.is_none());
    }

    #[test]
    fn the_questions_are_bounded() {
        let (_, tries) = milder(crate::weather(2), 5, |_| false);
        assert!(tries <= 5);
    }
}
