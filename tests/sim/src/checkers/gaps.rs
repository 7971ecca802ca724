//! Gaps: what is not there is told, and only retention or damage takes what was accepted.

use super::{Checker, Verdict};
use crate::ledger::Ledger;
use crate::observation::{Audience, Observation};
use std::collections::BTreeMap;
use std::ops::Range;
use wire::QueueId;
use wire::table::GapReason;

/// Judges the gaps that readers and groups are told of.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    /// Of each queue, the range the reader was told is damaged; one block hides one range.
    damaged: BTreeMap<QueueId, Range<u64>>,
}

impl Checker for Gaps {
    fn name(&self) -> &'static str {
        "gaps"
    }

    fn observe(&mut self, known: &Ledger, seen: &Observation<'_>) -> Verdict {
        let Observation::Gap { to, queue, ref range, reason } = *seen else { return Ok(()) };
        let is_known_damage = reason == GapReason::Damage && known.damaged.is_some();
        if is_known_damage && to == Audience::Reader {
            let before = self.damaged.entry(queue).or_insert(range.clone());
            if before != range {
                return Err(format!(
                    "queue {queue}: one damaged block, and two gaps: {before:?}, {range:?}"
                ));
            }
        }
        let is_rightful = reason == GapReason::Retention || is_known_damage;
        match known.accepted_in(queue, range.clone()).next() {
            Some((_, record)) if !is_rightful => Err(format!(
                "queue {queue}: accepted record {record:?} lies in a gap {range:?}, {reason:?}"
            )),
            Some(_) | None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::planted::{QUEUE, Story};
    use crate::observation::{Audience, Observation};
    use wire::table::GapReason;

    fn told(story: &mut Story, range: std::ops::Range<u64>, reason: GapReason) {
        story.oracle.saw(&Observation::Gap { to: Audience::Reader, queue: QUEUE, range, reason });
    }

    #[test]
    fn it_speaks_of_accepted_records_that_are_said_to_be_gone() {
        for reason in [GapReason::Damage, GapReason::MemoryLost, GapReason::Reserved] {
            let mut story = Story::new();
            story.published_and_accepted(1, 5);
            told(&mut story, 0..5, reason);
            story.is_silent();
            told(&mut story, 5..6, reason);
            story.speaks("gaps");
        }
    }

    #[test]
    fn it_speaks_of_a_second_gap_from_one_damaged_block() {
        let mut story = Story::new();
        story.oracle.saw(&Observation::LogDamaged);
        told(&mut story, 0..4, GapReason::Damage);
        story.is_silent();
        told(&mut story, 6..7, GapReason::Damage);
        story.speaks("gaps");
    }
}
