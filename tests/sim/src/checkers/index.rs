//! Index: one that was rebuilt serves what the kept one served, and at the same places.

use super::{Checker, Verdict};
use crate::ledger::Ledger;
use crate::observation::{Audience, Observation, RecordId};
use std::collections::BTreeMap;
use wire::QueueId;

type Places = BTreeMap<(QueueId, u64), RecordId>;

/// What the last reader found, and what the one before found with the index files that are lost since.
#[derive(Debug, Default)]
pub(super) struct Index {
    read: Places,
    kept: Option<Places>,
}

impl Checker for Index {
    fn name(&self) -> &'static str {
        "index"
    }

    fn observe(&mut self, _known: &Ledger, seen: &Observation<'_>) -> Verdict {
        match *seen {
            Observation::Served { to: Audience::Reader, queue, offset, record: Some(record) } => {
                self.read.insert((queue, offset), record);
            }
            Observation::IndexesLost => self.kept = Some(std::mem::take(&mut self.read)),
            Observation::ReadAgain => self.read.clear(),
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, known: &Ledger) -> Verdict {
        let Some(kept) = &self.kept else { return Ok(()) };
        let is_retained = |(queue, offset): &(QueueId, u64)| {
            known.retained.get(queue).is_some_and(|end| offset < end)
        };
        let lost = kept
            .iter()
            .find(|(place, record)| self.read.get(place) != Some(record) && !is_retained(place));
        let new = self.read.iter().find(|(place, _)| !kept.contains_key(place));
        match lost.or(new) {
            Some(((queue, offset), record)) => Err(format!(
                "record {record:?} at offset {offset} of queue {queue}: the index that was kept and the one that was rebuilt differ"
            )),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::planted::Story;
    use crate::observation::{Audience, Observation};

    /// Two records, read; then the index files are lost.
    fn story() -> Story {
        let mut story = Story::new();
        for number in [1, 2] {
            story.published_and_accepted(number, number);
            story.served(Audience::Reader, number, number);
        }
        story.oracle.saw(&Observation::IndexesLost);
        story
    }

    #[test]
    fn it_speaks_of_a_record_that_only_the_kept_index_knew() {
        let mut story = story();
        story.served(Audience::Reader, 1, 1);
        story.ends_with("index");
        story.served(Audience::Reader, 2, 2);
        story.ends_well();
    }

    #[test]
    fn it_speaks_of_a_record_that_only_the_rebuilt_index_knows() {
        let mut story = story();
        for number in [1, 2] {
            story.served(Audience::Reader, number, number);
        }
        story.published(3);
        story.served(Audience::Reader, 3, 3);
        story.ends_with("index");
    }
}
