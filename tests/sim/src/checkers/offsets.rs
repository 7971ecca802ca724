//! Offsets: dense, and a place (queue, offset) never means another record.

use super::{Checker, Verdict};
use crate::ledger::Ledger;
use crate::observation::{Observation, RecordId};
use std::collections::BTreeMap;
use wire::QueueId;

/// Which record each place holds, whoever saw it first.
#[derive(Debug, Default)]
pub(super) struct Offsets {
    places: BTreeMap<(QueueId, u64), RecordId>,
}

impl Offsets {
    fn hold(&mut self, queue: QueueId, offset: u64, record: RecordId) -> Verdict {
        let held = *self.places.entry((queue, offset)).or_insert(record);
        if held == record {
            return Ok(());
        }
        Err(format!("offset {offset} of queue {queue} held {held:?} and now {record:?}"))
    }
}

impl Checker for Offsets {
    fn name(&self) -> &'static str {
        "offsets"
    }

    fn observe(&mut self, _known: &Ledger, seen: &Observation<'_>) -> Verdict {
        match *seen {
            Observation::Accepted { queue, first_offset, records, .. } => (first_offset..)
                .zip(records)
                .try_for_each(|(offset, record)| self.hold(queue, offset, *record)),
            Observation::Served { queue, offset, record: Some(record), .. } => {
                self.hold(queue, offset, record)
            }
            Observation::Read { queue, offset, next } if offset != next => {
                Err(format!("queue {queue}: asked for {offset}, and without a gap came {next}"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::planted::{QUEUE, Story};
    use crate::observation::{Audience, Observation};

    #[test]
    fn it_speaks_of_a_place_with_two_records() {
        let mut story = Story::new();
        story.published_and_accepted(1, 0);
        story.published(2);
        story.served(Audience::Group("desk"), 1, 0);
        story.is_silent();
        story.served(Audience::Group("desk"), 2, 0);
        story.speaks("offsets");
    }

    #[test]
    fn it_speaks_of_an_offset_that_was_given_out_twice() {
        let mut story = Story::new();
        story.published_and_accepted(1, 0);
        story.published_and_accepted(2, 0);
        story.speaks("offsets");
    }

    #[test]
    fn it_speaks_of_a_hole_that_was_not_told() {
        let mut story = Story::new();
        story.oracle.saw(&Observation::Read { queue: QUEUE, offset: 4, next: 4 });
        story.is_silent();
        story.oracle.saw(&Observation::Read { queue: QUEUE, offset: 4, next: 5 });
        story.speaks("offsets");
    }
}
