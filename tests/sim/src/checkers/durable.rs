//! Durable: an accepted record of a durable topic is readable at its offset when everything is over.

use super::{Checker, Verdict};
use crate::ledger::Ledger;
use crate::observation::{Audience, Observation, RecordId};
use std::collections::BTreeSet;
use wire::table::Level;

/// Which records the last reader found.
#[derive(Debug, Default)]
pub(super) struct Durable {
    read: BTreeSet<RecordId>,
}

impl Checker for Durable {
    fn name(&self) -> &'static str {
        "durable"
    }

    fn observe(&mut self, _known: &Ledger, seen: &Observation<'_>) -> Verdict {
        if let Observation::Served { to: Audience::Reader, record: Some(record), .. } = seen {
            self.read.insert(*record);
        } else if matches!(seen, Observation::ReadAgain) {
            self.read.clear();
        }
        Ok(())
    }

    fn end(&mut self, known: &Ledger) -> Verdict {
        for (record, fact) in &known.records {
            let Some((offset, Level::Durable)) = fact.accepted else { continue };
            let retained_end = known.retained.get(&fact.queue).copied().unwrap_or(0);
            // What is damaged, and only that, may be missing; and it must be named.
            let is_told = offset < retained_end
                || (known.is_wounded(fact.queue, offset)
                    && known.is_told_damaged(fact.queue, offset));
            if !self.read.contains(record) && !is_told {
                let queue = fact.queue;
                return Err(format!(
                    "accepted record {record:?} at offset {offset} of queue {queue} is lost"
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::planted::{QUEUE, Story};
    use crate::observation::{Audience, Observation};
    use wire::table::GapReason;

    #[test]
    fn it_speaks_of_an_accepted_record_that_cannot_be_read() {
        let mut story = Story::new();
        story.published_and_accepted(1, 0);
        story.published_and_accepted(2, 1);
        story.served(Audience::Reader, 1, 0);
        story.ends_with("durable");
        story.served(Audience::Reader, 2, 1);
        story.ends_well();
    }

    #[test]
    fn what_retention_took_is_no_loss() {
        let mut story = Story::new();
        story.published_and_accepted(1, 0);
        let (to, reason) = (Audience::Reader, GapReason::Retention);
        story.oracle.saw(&Observation::Gap { to, queue: QUEUE, range: 0..1, reason });
        story.ends_well();
    }
}
