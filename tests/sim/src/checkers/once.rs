//! Once: each (producer, epoch, sequence) is in its queue once, however often it was sent.

use super::{Checker, Verdict};
use crate::ledger::Ledger;
use crate::observation::{Observation, RecordId};
use std::collections::BTreeMap;
use wire::QueueId;

/// Where each record of an idempotent producer was seen.
#[derive(Debug, Default)]
pub(super) struct Once {
    places: BTreeMap<RecordId, u64>,
    /// The same of memory topics, which forget with the process: the window of duplicates, too.
    of_this_life: BTreeMap<RecordId, u64>,
}

impl Once {
    fn see(&mut self, known: &Ledger, at: (QueueId, u64), record: RecordId) -> Verdict {
        let (queue, offset) = at;
        let is_memory = known.is_memory(queue);
        let places = if is_memory { &mut self.of_this_life } else { &mut self.places };
        let first = *places.entry(record).or_insert(offset);
        if first != offset && known.records.get(&record).is_some_and(|fact| fact.stamp.is_some()) {
            return Err(format!(
                "record {record:?} is in queue {queue} twice, at {first} and {offset}"
            ));
        }
        Ok(())
    }
}

impl Checker for Once {
    fn name(&self) -> &'static str {
        "once"
    }

    fn observe(&mut self, known: &Ledger, seen: &Observation<'_>) -> Verdict {
        match *seen {
            Observation::Accepted { queue, first_offset, records, .. } => (first_offset..)
                .zip(records)
                .try_for_each(|(offset, record)| self.see(known, (queue, offset), *record)),
            Observation::Served { queue, offset, record: Some(record), .. } => {
                self.see(known, (queue, offset), record)
            }
            Observation::NodeStarted { .. } => {
                self.of_this_life.clear();
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::planted::Story;
    use crate::observation::Audience;

    #[test]
    fn it_speaks_of_a_retry_that_became_a_second_record() {
        let mut story = Story::new();
        story.published_and_accepted(1, 0);
        story.served(Audience::Reader, 1, 0);
        story.is_silent();
        story.served(Audience::Reader, 1, 3);
        story.speaks("once");
    }
}
