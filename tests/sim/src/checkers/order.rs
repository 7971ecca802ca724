//! Order: the records of a producer keep their order in a queue, and its receipts too.

use super::{Checker, Verdict};
use crate::ledger::Ledger;
use crate::observation::{Asked, Observation, RecordId};
use std::collections::{BTreeMap, VecDeque};
use wire::QueueId;

/// A connection of an actor, and a queue it publishes to.
type Stream = (usize, u64, QueueId);

/// What was published on each connection, and where it came to lie.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// Publishes without an answer, in the order they were sent.
    outstanding: BTreeMap<Stream, VecDeque<u64>>,
    places: BTreeMap<(QueueId, u64), RecordId>,
    /// On which connection a record was sent; one without a sequence is sent once.
    connections: BTreeMap<RecordId, u64>,
}

impl Order {
    /// A publish was answered with a receipt: it must be the oldest of its stream.
    fn answer(&mut self, asked: Asked, queue: QueueId) -> Verdict {
        let outstanding =
            self.outstanding.entry((asked.actor, asked.connection, queue)).or_default();
        let place = outstanding.iter().position(|request| *request == asked.request);
        match place.map(|place| (place, outstanding.remove(place))) {
            Some((0, _)) => Ok(()),
            Some(_) => Err(format!("receipts of queue {queue} left their order at {asked:?}")),
            None => {
                Err(format!("queue {queue}: a second receipt for {asked:?}, or an unasked one"))
            }
        }
    }

    fn forget(&mut self, asked: Asked, queue: QueueId) {
        if let Some(requests) = self.outstanding.get_mut(&(asked.actor, asked.connection, queue)) {
            requests.retain(|request| *request != asked.request);
        }
    }
}

impl Checker for Order {
    fn name(&self) -> &'static str {
        "order"
    }

    fn observe(&mut self, _known: &Ledger, seen: &Observation<'_>) -> Verdict {
        match *seen {
            Observation::Published { asked, queue, records } => {
                self.connections.extend(records.iter().map(|record| (*record, asked.connection)));
                let stream = (asked.actor, asked.connection, queue);
                self.outstanding.entry(stream).or_default().push_back(asked.request);
            }
            Observation::Accepted { asked, queue, first_offset, records, .. } => {
                let places = (first_offset..).zip(records);
                self.places.extend(places.map(|(offset, record)| ((queue, offset), *record)));
                return self.answer(asked, queue);
            }
            Observation::Refused { asked, queue, .. } => self.forget(asked, queue),
            Observation::Served { queue, offset, record: Some(record), .. } => {
                self.places.insert((queue, offset), record);
            }
            _ => {}
        }
        Ok(())
    }

    /// Ids grow as a producer publishes, so along the offsets of a queue they grow: of an
    /// idempotent producer all of them, of another those of one connection.
    fn end(&mut self, known: &Ledger) -> Verdict {
        let mut newest: BTreeMap<(QueueId, u64, Option<u64>), RecordId> = BTreeMap::new();
        for ((queue, offset), record) in &self.places {
            // A memory topic forgets what came before a restart, and takes it again.
            let Some(fact) = known.records.get(record).filter(|_| !known.is_memory(*queue)) else {
                continue;
            };
            let connection = self.connections.get(record).copied();
            let connection = connection.filter(|_| fact.stamp.is_none());
            let last = newest.entry((*queue, record.producer(), connection)).or_default();
            if record < last {
                return Err(format!(
                    "queue {queue}: record {record:?} at offset {offset} came after {last:?}"
                ));
            }
            *last = *record;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::planted::Story;
    use crate::observation::Audience;

    #[test]
    fn it_speaks_of_records_that_changed_places() {
        let mut story = Story::new();
        for (number, offset) in [(1, 0), (2, 2), (3, 1)] {
            story.published_and_accepted(number, offset);
            story.served(Audience::Reader, number, offset);
        }
        story.is_silent();
        story.ends_with("order");
    }

    #[test]
    fn it_speaks_of_receipts_that_changed_places() {
        let mut story = Story::new();
        story.published(1);
        story.published(2);
        story.accepted(2, 1);
        story.speaks("order");
    }

    #[test]
    fn it_speaks_of_a_second_receipt() {
        let mut story = Story::new();
        story.published_and_accepted(1, 0);
        story.is_silent();
        story.accepted(1, 0);
        story.speaks("order");
    }
}
