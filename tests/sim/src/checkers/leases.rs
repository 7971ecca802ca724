//! Leases: one owner per queue and epoch; what an older epoch says changes nothing.

use super::{Checker, Verdict};
use crate::ledger::Ledger;
use crate::observation::Observation;
use std::collections::BTreeMap;
use wire::QueueId;

/// Who was seen with which epoch.
#[derive(Debug, Default)]
pub(super) struct Leases {
    owners: BTreeMap<(&'static str, QueueId, u32), u64>,
}

impl Checker for Leases {
    fn name(&self) -> &'static str {
        "leases"
    }

    fn observe(&mut self, _known: &Ledger, seen: &Observation<'_>) -> Verdict {
        match *seen {
            Observation::Leased { group, queue, epoch, member } => {
                let owner = *self.owners.entry((group, queue, epoch)).or_insert(member);
                if owner != member {
                    return Err(format!(
                        "epoch {epoch} of queue {queue} has two members, {owner} and {member}"
                    ));
                }
            }
            Observation::ForgeryTaken { queue, epoch } => {
                return Err(format!(
                    "queue {queue}: an ack under another lease epoch, {epoch}, was taken"
                ));
            }
            // A grant may have been in the damaged batch; who held it was of an earlier life.
            Observation::StartedOnDamage => self.owners.clear(),
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
    fn it_speaks_of_two_members_under_one_epoch() {
        let mut story = Story::new();
        let leased =
            |epoch, member| Observation::Leased { group: "desk", queue: QUEUE, epoch, member };
        for (epoch, member) in [(1, 7), (1, 7), (2, 8)] {
            story.oracle.saw(&leased(epoch, member));
        }
        story.is_silent();
        story.oracle.saw(&leased(2, 7));
        story.speaks("leases");
    }

    #[test]
    fn it_speaks_of_a_forged_ack_that_was_taken() {
        let mut story = Story::new();
        story.oracle.saw(&Observation::ForgeryTaken { queue: QUEUE, epoch: 3 });
        story.speaks("leases");
    }
}
