//! Bytes: no byte is served that was not published.

use super::{Checker, Verdict};
use crate::ledger::Ledger;
use crate::observation::Observation;

/// Compares the bodies that come back with those that went out.
#[derive(Debug)]
pub(super) struct Bytes;

impl Checker for Bytes {
    fn name(&self) -> &'static str {
        "bytes"
    }

    fn observe(&mut self, known: &Ledger, seen: &Observation<'_>) -> Verdict {
        let Observation::Served { queue, offset, record, .. } = *seen else { return Ok(()) };
        let Some(record) = record else {
            return Err(format!("queue {queue}: a wrong byte was served at offset {offset}"));
        };
        if known.records[&record].queue != queue {
            return Err(format!("record {record:?} was served from queue {queue}"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::planted::{QUEUE, Story};
    use crate::observation::Audience;
    use wire::QueueId;

    #[test]
    fn it_speaks_of_a_body_that_nobody_published() {
        let mut story = Story::new();
        story.published_and_accepted(1, 0);
        story.served(Audience::Reader, 1, 0);
        story.is_silent();
        story.oracle.served(Audience::Reader, QUEUE, 1, b"something else");
        story.speaks("bytes");
    }

    #[test]
    fn it_speaks_of_a_record_in_another_queue() {
        let mut story = Story::new();
        story.published_and_accepted(1, 0);
        let other = QueueId::new(QUEUE.topic(), 1);
        story.oracle.served(Audience::Reader, other, 0, &Story::body(1));
        story.speaks("bytes");
    }
}
