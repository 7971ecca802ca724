//! Groups: every group gets every accepted record of its topics, or is told why not.

use super::{Checker, Verdict};
use crate::ledger::Ledger;
use crate::observation::Observation;
use std::collections::BTreeSet;
use wire::TopicId;

/// Which groups read which topics.
#[derive(Debug, Default)]
pub(super) struct Groups {
    joined: BTreeSet<(&'static str, TopicId)>,
}

impl Checker for Groups {
    fn name(&self) -> &'static str {
        "groups"
    }

    fn observe(&mut self, _known: &Ledger, seen: &Observation<'_>) -> Verdict {
        if let Observation::Joined { group, topic } = *seen {
            self.joined.insert((group, topic));
        }
        Ok(())
    }

    fn end(&mut self, known: &Ledger) -> Verdict {
        for (group, topic) in &self.joined {
            if let Some((queue, offset, record)) = known.missing(group, *topic) {
                return Err(format!(
                    "group {group} never got record {record:?} at offset {offset} of queue {queue}"
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
    use wire::{QueueId, TopicId};

    #[test]
    fn it_speaks_of_a_record_that_a_group_never_got() {
        let mut story = Story::new();
        for group in ["desk", "audit"] {
            story.oracle.saw(&Observation::Joined { group, topic: QUEUE.topic() });
        }
        story.published_and_accepted(1, 0);
        story.served(Audience::Reader, 1, 0);
        story.served(Audience::Group("desk"), 1, 0);
        story.ends_with("groups");
        story.served(Audience::Group("audit"), 1, 0);
        story.ends_well();
    }

    #[test]
    fn a_reset_that_damage_took_owes_nothing_again_and_no_other_damage_excuses_it() {
        let (group, topic) = ("desk", QUEUE.topic());
        let mut story = Story::new();
        story.oracle.saw(&Observation::Joined { group, topic });
        story.published_and_accepted(1, 0);
        story.served(Audience::Reader, 1, 0);
        story.served(Audience::Group(group), 1, 0);
        story.oracle.saw(&Observation::ResetAsked { group, topic });
        story.ends_with("groups");
        let other = QueueId::new(TopicId(topic.0 + 1), 0);
        story.oracle.saw(&Observation::Damaged { wounds: &[], resets: &[other] });
        story.ends_with("groups");
        story.oracle.saw(&Observation::Damaged { wounds: &[], resets: &[QUEUE] });
        story.ends_well();
    }
}
