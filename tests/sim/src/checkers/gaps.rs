//! Gaps: what is not there is told, and only retention or damage takes what was accepted.

use super::{Checker, Verdict};
use crate::ledger::Ledger;
use crate::observation::Observation;
use wire::table::GapReason;

/// Judges the gaps that readers and groups are told of.
#[derive(Debug)]
pub(super) struct Gaps;

impl Checker for Gaps {
    fn name(&self) -> &'static str {
        "gaps"
    }

    fn observe(&mut self, known: &Ledger, seen: &Observation<'_>) -> Verdict {
        let Observation::Gap { queue, ref range, reason, .. } = *seen else { return Ok(()) };
        if reason == GapReason::Retention {
            return Ok(());
        }
        // A damaged batch takes its own records with it, and no others.
        let is_rightful = |offset| reason == GapReason::Damage && known.is_wounded(queue, offset);
        let mut accepted = known.accepted_in(queue, range.clone());
        match accepted.find(|(offset, _)| !is_rightful(*offset)) {
            Some((_, record)) => Err(format!(
                "queue {queue}: accepted record {record:?} lies in a gap {range:?}, {reason:?}"
            )),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::planted::{QUEUE, Story};
    use crate::disk::Wound;
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
    fn it_speaks_of_records_beside_a_damaged_batch_that_are_said_to_be_gone() {
        let mut story = Story::new();
        story.published_and_accepted(1, 5);
        story.published_and_accepted(2, 6);
        let wounds = [Wound { queue: QUEUE, offsets: 4..6 }];
        story.oracle.saw(&Observation::Damaged { wounds: &wounds, resets: &[] });
        told(&mut story, 3..6, GapReason::Damage);
        story.is_silent();
        told(&mut story, 3..7, GapReason::Damage);
        story.speaks("gaps");
    }
}
