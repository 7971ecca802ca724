//! Deletions: a deleted topic takes nothing any more, and its number is never given again.

use super::{Checker, Verdict};
use crate::ledger::Ledger;
use crate::observation::{Asked, Observation};
use std::collections::BTreeSet;
use wire::{QueueId, TopicId};

/// What was deleted, and what was published to it all the same.
#[derive(Debug, Default)]
pub(super) struct Deletions {
    deleted: BTreeSet<TopicId>,
    published: BTreeSet<(Asked, QueueId)>,
}

impl Checker for Deletions {
    fn name(&self) -> &'static str {
        "deletions"
    }

    fn observe(&mut self, _known: &Ledger, seen: &Observation<'_>) -> Verdict {
        match *seen {
            Observation::Deleted { topic } => {
                self.deleted.insert(topic);
            }
            Observation::TopicMade(facts) if self.deleted.contains(&facts.id) => {
                return Err(format!("topic {} was deleted, and another has its number", facts.id));
            }
            Observation::Published { asked, queue, .. }
                if self.deleted.contains(&queue.topic()) =>
            {
                self.published.insert((asked, queue));
            }
            Observation::Accepted { asked, queue, .. }
                if self.published.contains(&(asked, queue)) =>
            {
                return Err(format!("queue {queue} took {asked:?} after it was deleted"));
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::planted::{QUEUE, Story};
    use crate::observation::Observation;

    #[test]
    fn it_speaks_of_a_deleted_topic_that_takes_records() {
        let mut story = Story::new();
        story.published(1);
        story.oracle.saw(&Observation::DeletionAsked { topic: QUEUE.topic() });
        story.published(2);
        story.oracle.saw(&Observation::Deleted { topic: QUEUE.topic() });
        story.accepted(1, 0);
        story.accepted(2, 1);
        story.published(3);
        story.is_silent();
        story.accepted(3, 2);
        story.speaks("deletions");
    }

    #[test]
    fn it_speaks_of_a_number_that_is_given_again() {
        let mut story = Story::new();
        story.oracle.saw(&Observation::TopicMade(&Story::topic()));
        story.oracle.saw(&Observation::Deleted { topic: QUEUE.topic() });
        story.is_silent();
        story.oracle.saw(&Observation::TopicMade(&Story::topic()));
        story.speaks("deletions");
    }

    #[test]
    fn what_was_deleted_is_owed_to_nobody() {
        let mut story = Story::new();
        story.oracle.saw(&Observation::Joined { group: "desk", topic: QUEUE.topic() });
        story.published_and_accepted(1, 0);
        story.oracle.saw(&Observation::DeletionAsked { topic: QUEUE.topic() });
        story.ends_well();
    }
}
