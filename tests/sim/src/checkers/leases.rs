//! Leases: one owner per queue and epoch; an ack under an older epoch changes nothing.

use super::{Checker, Verdict};
use crate::ledger::Ledger;
use crate::observation::{Asked, Observation};
use std::collections::BTreeMap;
use wire::QueueId;

/// A queue and a group.
type Key = (&'static str, QueueId);

/// Who was seen with which epoch, and which acks were sent under one that was over.
#[derive(Debug, Default)]
pub(super) struct Leases {
    owners: BTreeMap<Key, BTreeMap<u32, u64>>,
    fenced: BTreeMap<Asked, (QueueId, u32)>,
}

impl Leases {
    fn own(&mut self, key: Key, epoch: u32, member: u64) -> Verdict {
        let owner = *self.owners.entry(key).or_default().entry(epoch).or_insert(member);
        if owner == member {
            return Ok(());
        }
        let queue = key.1;
        Err(format!("epoch {epoch} of queue {queue} has two members, {owner} and {member}"))
    }

    fn newest(&self, key: Key) -> Option<u32> {
        self.owners.get(&key)?.keys().next_back().copied()
    }
}

impl Checker for Leases {
    fn name(&self) -> &'static str {
        "leases"
    }

    fn observe(&mut self, known: &Ledger, seen: &Observation<'_>) -> Verdict {
        match *seen {
            Observation::Leased { group, queue, epoch, member } => {
                return self.own((group, queue), epoch, member);
            }
            // Somebody was seen with a newer epoch before this was sent.
            Observation::AckSent { asked, group, queue, epoch, .. }
                if self.newest((group, queue)).is_some_and(|newest| newest > epoch) =>
            {
                self.fenced.insert(asked, (queue, epoch));
            }
            Observation::AckTaken { asked } => {
                if let Some((queue, epoch)) = self.fenced.remove(&asked) {
                    return Err(format!(
                        "queue {queue}: an ack under lease epoch {epoch}, which was over, was taken"
                    ));
                }
            }
            // A memory queue's positions end with the process.
            Observation::NodeStarted { .. } => {
                self.owners.retain(|(_, queue), _| !known.is_memory(*queue));
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::planted::{QUEUE, Story};
    use crate::observation::{Acked, Asked, Observation};

    const fn leased(epoch: u32, member: u64) -> Observation<'static> {
        Observation::Leased { group: "desk", queue: QUEUE, epoch, member }
    }

    #[test]
    fn it_speaks_of_two_members_under_one_epoch() {
        let mut story = Story::new();
        for (epoch, member) in [(1, 7), (1, 7), (2, 8)] {
            story.oracle.saw(&leased(epoch, member));
        }
        story.is_silent();
        story.oracle.saw(&leased(2, 7));
        story.speaks("leases");
    }

    #[test]
    fn it_speaks_of_an_ack_that_was_taken_under_an_epoch_that_is_over() {
        let mut story = Story::new();
        let (asked, group, queue) = (Asked::default(), "desk", QUEUE);
        let what = Acked::Offsets(&[1]);
        story.oracle.saw(&leased(3, 7));
        story.oracle.saw(&Observation::AckSent { asked, group, queue, epoch: 3, what });
        story.oracle.saw(&leased(4, 8));
        story.oracle.saw(&Observation::AckTaken { asked });
        story.is_silent();
        story.oracle.saw(&Observation::AckSent { asked, group, queue, epoch: 3, what });
        story.oracle.saw(&Observation::AckTaken { asked });
        story.speaks("leases");
    }
}
