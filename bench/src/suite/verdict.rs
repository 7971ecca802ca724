//! Verdict: whether the figures of a run may be believed, and why not: in sentences with numbers.

use crate::load::account::Outcome;
use crate::result::Validity;
use crate::workload::Part;

/// Scheduling delay of the load at p99 that is always fine, in microseconds.
const DELAY_US_FINE: f64 = 100.0;
/// And beyond it, as a share of the latency it is a part of.
const DELAY_SHARE_MAX: f64 = 0.1;
/// Due messages that may be left over at the end, as a share: the edge of the measured part.
const UNSENT_SHARE_MAX: f64 = 0.001;

/// Cores of the machine, and cores that a run needs for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoreNeed {
    /// Cores this process may use.
    pub available: usize,
    /// Threads that spin, and cores of the bus.
    pub needed: usize,
}

/// Judges one part of a run.
pub fn judge(part: &Part, outcome: &Outcome, cores: CoreNeed) -> Validity {
    let mut validity = Validity::default();
    if cores.available < cores.needed {
        validity.doubt(format!(
            "{} cores are needed, one for each load thread and each shard, and {} are there",
            cores.needed, cores.available
        ));
    }
    judge_schedule(part, outcome, &mut validity);
    judge_messages(outcome, &mut validity);
    validity
}

/// Whether the load kept its own schedule, and the bus kept up with it.
fn judge_schedule(part: &Part, outcome: &Outcome, validity: &mut Validity) {
    let Some(sending) = &outcome.sending else { return };
    if part.is_closed() {
        return; // nothing is due at a time of its own
    }
    let delay_us = sending.delays.raw_quantile_us(0.99);
    let latency_us = sending.spans.raw_quantile_us(0.99);
    let most_us = DELAY_US_FINE.max(latency_us * DELAY_SHARE_MAX);
    if delay_us > most_us {
        validity.doubt(format!(
            "the load fell behind its schedule: p99 of its own delay is {delay_us:.0} us, at most \
             {most_us:.0} us are fine"
        ));
    }
    let due = sending.sent + outcome.unsent;
    if as_f64(outcome.unsent) > as_f64(due) * UNSENT_SHARE_MAX {
        validity.doubt(format!(
            "the rate was not sustained: {} of {due} messages that were due never left, so \
             latencies are those of a growing queue",
            outcome.unsent
        ));
    }
}

/// Whether every message is accounted for.
fn judge_messages(outcome: &Outcome, validity: &mut Validity) {
    let mut doubt = |count: u64, what: &str| {
        if count > 0 {
            validity.doubt(format!("{count} messages {what}"));
        }
    };
    doubt(outcome.lost.unwrap_or(0), "were accepted and never delivered");
    doubt(outcome.disordered, "came before an earlier one of their queue");
    doubt(outcome.doubled, "came more than once to one group");
    doubt(outcome.unanswered, "had no answer when the run had ended");
    doubt(outcome.wrong, "were answered with another body than their own");
    doubt(outcome.foreign, "came that this run never sent");
    if let Some(sending) = &outcome.sending {
        for (word, count) in &sending.words {
            doubt(*count, &format!("failed: {word}"));
        }
    }
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

    const MS: u64 = 1_000_000;
    const ENOUGH: CoreNeed = CoreNeed { available: 2, needed: 2 };

    fn part(text: &str) -> Part {
        let workload = Workload::parse("w", &format!("name: x\n{text}")).expect("a workload");
        workload.cases[0].parts[0].clone()
    }

    /// A thousand messages, answered after `latency_us`, each `delay_us` late.
    fn outcome(latency_us: u64, delay_us: u64) -> Outcome {
        let window = Window { begin_ns: MS, end_ns: 1001 * MS, interval_ns: 1000 * MS };
        let mut ledger = Ledger::new(window);
        for nth in 1..=1000 {
            ledger.sent(nth * MS, delay_us * 1000, 1);
            ledger.ended(nth * MS, nth * MS + latency_us * 1000, 1);
        }
        Outcome { sending: Some(ledger), lost: Some(0), ..Outcome::default() }
    }

    fn doubts(validity: &Validity, words: &str) {
        let [reason] = validity.reasons() else { panic!("{validity:?}") };
        assert!(reason.contains(words), "{reason}");
    }

    #[test]
    fn a_load_that_fell_behind_makes_its_run_invalid() {
        let open = part("producerRate: 1000\n");
        assert!(judge(&open, &outcome(500, 20), ENOUGH).is_valid());
        doubts(&judge(&open, &outcome(500, 200), ENOUGH), "p99 of its own delay is 200 us");
        assert!(judge(&open, &outcome(5000, 200), ENOUGH).is_valid(), "a small part of it");
        let closed = part("arrival: closed\n");
        assert!(judge(&closed, &outcome(500, 200), ENOUGH).is_valid(), "no schedule of its own");
    }

    #[test]
    fn too_few_cores_make_it_invalid() {
        let few = CoreNeed { available: 1, needed: 2 };
        doubts(&judge(&part(""), &outcome(500, 20), few), "2 cores are needed");
    }

    #[test]
    fn a_rate_that_was_not_sustained_makes_it_invalid() {
        let open = part("producerRate: 1000\n");
        let unsent = |unsent| Outcome { unsent, ..outcome(500, 20) };
        assert!(judge(&open, &unsent(1), ENOUGH).is_valid(), "the edge");
        doubts(&judge(&open, &unsent(500), ENOUGH), "500 of 1500 messages that were due");
    }

    #[test]
    fn every_message_that_is_not_accounted_for_makes_it_invalid() {
        let check = |change: fn(&mut Outcome), words: &str| {
            let mut outcome = outcome(500, 20);
            change(&mut outcome);
            doubts(&judge(&part("producerRate: 1000\n"), &outcome, ENOUGH), words);
        };
        check(|outcome| outcome.lost = Some(1), "1 messages were accepted and never delivered");
        check(|outcome| outcome.doubled = 2, "more than once");
        check(|outcome| outcome.disordered = 3, "an earlier one");
        check(|outcome| outcome.unanswered = 4, "no answer");
        check(|outcome| outcome.wrong = 5, "another body");
        check(|outcome| outcome.foreign = 6, "never sent");
        let failed = |outcome: &mut Outcome| {
            let sending = outcome.sending.as_mut().expect("a sender");
            sending.failed(MS, "overloaded", 7);
        };
        check(failed, "7 messages failed: overloaded");
    }
}
