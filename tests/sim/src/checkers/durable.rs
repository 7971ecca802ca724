//! Durable: what was accepted by a durable topic, or shown to anybody, is readable at its place when everything is over.

use super::{Checker, Verdict};
use crate::ledger::Ledger;
use crate::observation::{Audience, Observation, RecordId};
use std::collections::{BTreeMap, BTreeSet};
use wire::QueueId;
use wire::table::Level;

/// What must be there, and what the last reader found.
#[derive(Debug, Default)]
pub(super) struct Durable {
    promised: BTreeMap<(QueueId, u64), RecordId>,
    read: BTreeSet<(QueueId, u64)>,
}

impl Durable {
    /// Visible to one, visible to all, for good: nothing is shown before its level is reached.
    fn promise(&mut self, known: &Ledger, place: (QueueId, u64), record: RecordId) {
        if known.level_of(place.0) == Some(Level::Durable) && !known.is_leaving(place.0) {
            self.promised.insert(place, record);
        }
    }
}

impl Checker for Durable {
    fn name(&self) -> &'static str {
        "durable"
    }

    fn observe(&mut self, known: &Ledger, seen: &Observation<'_>) -> Verdict {
        match *seen {
            Observation::Accepted { queue, first_offset, records, .. } => {
                for (offset, record) in (first_offset..).zip(records) {
                    self.promise(known, (queue, offset), *record);
                }
            }
            Observation::Served { to, queue, offset, record: Some(record) } => {
                self.promise(known, (queue, offset), record);
                if to == Audience::Reader {
                    self.read.insert((queue, offset));
                }
            }
            Observation::DeletionAsked { topic } => {
                self.promised.retain(|(queue, _), _| queue.topic() != topic);
            }
            Observation::ReadAgain => self.read.clear(),
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, known: &Ledger) -> Verdict {
        for ((queue, offset), record) in &self.promised {
            let retained_end = known.retained.get(queue).copied().unwrap_or(0);
            // What is damaged, and only that, may be missing; and it must be named.
            let is_told = *offset < retained_end
                || (known.is_wounded(*queue, *offset) && known.is_told_damaged(*queue, *offset));
            if !self.read.contains(&(*queue, *offset)) && !is_told {
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
    fn it_speaks_of_a_record_that_was_shown_and_disappeared() {
        let mut story = Story::new();
        story.published(1);
        story.served(Audience::Group("desk"), 1, 0);
        story.ends_with("durable");
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
