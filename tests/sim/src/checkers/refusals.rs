//! Refusals: what was refused is not in the log.
//!
//! An error that answers a publish says "definitely not taken", of that sending. A
//! record is counted among the taken only while one of its sendings was not refused.

use super::{Checker, Verdict};
use crate::ledger::Ledger;
use crate::observation::{Observation, RecordId};
use std::collections::BTreeMap;

/// How many sendings of each record were not refused.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    sendings: BTreeMap<RecordId, u64>,
}

impl Checker for Refusals {
    fn name(&self) -> &'static str {
        "refusals"
    }

    fn observe(&mut self, _known: &Ledger, seen: &Observation<'_>) -> Verdict {
        match *seen {
            Observation::Published { records, .. } => {
                for record in records {
                    *self.sendings.entry(*record).or_default() += 1;
                }
            }
            Observation::Refused { records, .. } => {
                for record in records {
                    *self.sendings.entry(*record).or_default() -= 1;
                }
            }
            Observation::Served { queue, offset, record: Some(record), .. }
                if self.sendings.get(&record) == Some(&0) =>
            {
                return Err(format!(
                    "record {record:?} was refused, and is at offset {offset} of queue {queue}"
                ));
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::planted::{QUEUE, Story};
    use crate::observation::{Asked, Audience, Observation, RecordId};

    fn refused(story: &mut Story, number: u64) {
        let asked = Asked { request: number, ..Asked::default() };
        let records = &[RecordId::new(0, number)];
        story.oracle.saw(&Observation::Refused { asked, queue: QUEUE, records, code: 0x601 });
    }

    #[test]
    fn it_speaks_of_a_refused_record_in_the_log() {
        let mut story = Story::new();
        story.published(1);
        story.published(2);
        refused(&mut story, 1);
        story.served(Audience::Reader, 2, 0);
        story.is_silent();
        story.served(Audience::Reader, 1, 1);
        story.speaks("refusals");
    }

    #[test]
    fn what_was_sent_again_may_be_there() {
        let mut story = Story::new();
        story.published(1);
        refused(&mut story, 1);
        story.published(1);
        story.served(Audience::Reader, 1, 0);
        story.is_silent();
    }
}
