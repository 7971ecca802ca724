//! Highest: a case with a rate that is still to be found, tried with one rate after another.

use super::search::highest;
use crate::load::account::Outcome;
use crate::load::driver::Driver;
use crate::load::run::{LoadError, Setting, Watcher, run};
use crate::workload::{Arrival, Case, Part, Rate};
use std::time::Duration;

/// How long a rate is tried.
const TRY: Duration = Duration::from_secs(2);
/// What goes before.
const TRY_WARM_UP: Duration = Duration::from_millis(500);
/// Messages that may be on their way at the end of a try, as seconds of the rate: more is a backlog.
const ON_THEIR_WAY_S: f64 = 0.1;
/// As much of what was due must have left and been answered.
const DONE_SHARE_MIN: f64 = 0.99;

/// What was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// The case with the highest sustained rate, or with the lowest that was tried.
    pub case: Case,
    /// That rate, in messages a second.
    pub rate: f64,
    /// What a closed loop reached, in messages a second.
    pub closed_rate: f64,
    /// Whether the rate was sustained while it was tried.
    pub is_sustained: bool,
}

/// Finds the rates of a case; each try is a run of its own, numbered from `number` on.
///
/// # Errors
/// The bus refuses something or is gone.
pub fn find(
    case: &Case,
    number: &mut u32,
    driver: &dyn Driver,
    setting: Setting<'_>,
    watcher: &mut dyn Watcher,
) -> Result<Found, LoadError> {
    let mut attempt = |rate: Option<f64>| {
        *number += 1;
        let tried = short(case, rate);
        let account = run((&tried, *number), driver, setting, watcher)?;
        Ok::<_, LoadError>((tried, account))
    };
    let (tried, account) = attempt(None)?;
    let closed_rate = answered_rate(&tried, &account.outcomes);
    let mut lowest = closed_rate;
    let sustained = highest(closed_rate.max(1.0), |rate| {
        lowest = lowest.min(rate);
        let (tried, account) = attempt(Some(rate))?;
        let both = tried.parts.iter().zip(&account.outcomes);
        Ok::<bool, LoadError>(both.into_iter().all(|(part, outcome)| is_sustained(part, outcome)))
    })?;
    let is_sustained = sustained.is_some();
    let rate = sustained.unwrap_or(lowest);
    Ok(Found { case: with_rate(case, Some(rate)), rate, closed_rate, is_sustained })
}

/// The case with its open rates set; `None`: a closed loop, as fast as it goes.
fn with_rate(case: &Case, rate: Option<f64>) -> Case {
    let mut case = case.clone();
    for part in &mut case.parts {
        if part.rate != Rate::Highest || part.is_closed() {
            continue;
        }
        match rate {
            Some(rate) => part.rate = Rate::Fixed(rate),
            None => part.arrival = Arrival::Closed { think: Duration::ZERO },
        }
    }
    case
}

fn short(case: &Case, rate: Option<f64>) -> Case {
    let (warm_up, test) = (TRY_WARM_UP.min(case.warm_up), TRY.min(case.test));
    Case { warm_up, test, ..with_rate(case, rate) }
}

/// Messages a second that were answered within the measured part by parts whose rate is searched.
fn answered_rate(tried: &Case, outcomes: &[Outcome]) -> f64 {
    let of = |outcome: &Outcome| outcome.sending.as_ref().map_or(0, answered_within);
    let searched = tried.parts.iter().zip(outcomes).filter(|(part, _)| part.rate == Rate::Highest);
    let answered: u64 = searched.map(|(_, outcome)| of(outcome)).sum();
    as_f64(answered) / tried.test.as_secs_f64()
}

fn answered_within(ledger: &crate::load::ledger::Ledger) -> u64 {
    ledger.slices.iter().map(|slice| slice.ended).sum()
}

/// Whether everything due left, was answered and was delivered while it lasted.
pub fn is_sustained(part: &Part, outcome: &Outcome) -> bool {
    let (Some(sending), Rate::Fixed(rate)) = (&outcome.sending, part.rate) else { return true };
    if part.is_closed() {
        return true;
    }
    let slack = rate * ON_THEIR_WAY_S + as_f64(part.batch as u64) + 10.0;
    let due = sending.sent + outcome.unsent;
    let left_within: u64 = sending.slices.iter().map(|slice| slice.sent).sum();
    let answered = answered_within(sending);
    let left = as_f64(left_within) >= as_f64(due) * DONE_SHARE_MIN && outcome.unsent == 0;
    let was_answered = as_f64(sending.sent.saturating_sub(answered)) <= slack;
    let takes_all = part.consumer_rate.is_none() && part.backlog_bytes == 0;
    let was_delivered = outcome.receiving.as_ref().filter(|_| takes_all).is_none_or(|receiving| {
        let wanted = answered * u64::from(part.groups);
        as_f64(wanted.saturating_sub(answered_within(receiving)))
            <= slack * f64::from(part.groups.max(1))
    });
    left && was_answered && was_delivered && sending.failed == 0
}

#[expect(clippy::cast_precision_loss, reason = "counts of messages")]
const fn as_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::ledger::{Ledger, Window};
    use crate::workload::Workload;

    const S: u64 = 1_000_000_000;

    fn case(text: &str) -> Case {
        Workload::parse("w", &format!("name: x\n{text}")).expect("a workload").cases[0].clone()
    }

    /// A second of a thousand messages, of which so many are answered and delivered within it.
    fn outcome(answered: u64, delivered: u64, unsent: u64) -> Outcome {
        let window = Window { begin_ns: S, end_ns: 2 * S, interval_ns: S };
        let (mut sending, mut receiving) = (Ledger::new(window), Ledger::new(window));
        for nth in 0..1000 {
            sending.sent(S, 0, 1);
            sending.ended(S, if nth < answered { S } else { 3 * S }, 1);
            receiving.ended(S, if nth < delivered { S } else { 3 * S }, 1);
        }
        let (sending, receiving) = (Some(sending), Some(receiving));
        Outcome { sending, receiving, unsent, ..Outcome::default() }
    }

    #[test]
    fn a_rate_is_sustained_if_no_backlog_grew() {
        let case = case("producerRate: 1000\n");
        let check = |outcome: Outcome, expected| {
            assert_eq!(is_sustained(&case.parts[0], &outcome), expected);
        };
        check(outcome(1000, 1000, 0), true);
        check(outcome(950, 920, 0), true);
        check(outcome(800, 800, 0), false);
        check(outcome(1000, 700, 0), false);
        check(outcome(1000, 1000, 30), false);
    }

    #[test]
    fn only_rates_that_are_open_are_set() {
        let case = case("parts:\n  a: {}\n  b: {producerRate: 5}\n  c: {arrival: closed}\n");
        let set = with_rate(&case, Some(7.0));
        let rates: Vec<Rate> = set.parts.iter().map(|part| part.rate).collect();
        assert_eq!(rates, [Rate::Fixed(7.0), Rate::Fixed(5.0), Rate::Highest]);
        let closed = with_rate(&case, None);
        assert!(closed.parts[0].is_closed() && !closed.parts[1].is_closed());
        assert!(short(&case, None).test <= TRY);
    }
}
