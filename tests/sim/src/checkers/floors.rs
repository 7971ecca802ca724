//! Floors: a group's position never goes back, unless an operator moves it.
//!
//! What was said to be consumed, and is on the disk, is not delivered to the group
//! again; and a later lease never begins below an earlier one.

use super::{Checker, Verdict};
use crate::ledger::Ledger;
use crate::observation::{Acked, Asked, Audience, Observation};
use std::collections::{BTreeMap, BTreeSet};
use wire::{QueueId, TopicId};

/// A queue and a group.
type Key = (&'static str, QueueId);

/// What a group has consumed of a queue, as it was told.
#[derive(Debug, Default)]
struct Consumed {
    /// All below.
    below: u64,
    offsets: BTreeSet<u64>,
    /// The newest epoch under which any of this was said.
    epoch: u32,
    /// Where the lease of each epoch began.
    floors: BTreeMap<u32, u64>,
}

/// A commit or an ack that is not answered.
#[derive(Debug)]
struct Outstanding {
    key: Key,
    epoch: u32,
    below: u64,
    offsets: Vec<u64>,
}

/// The positions of all groups.
#[derive(Debug, Default)]
pub(super) struct Floors {
    consumed: BTreeMap<Key, Consumed>,
    outstanding: BTreeMap<Asked, Outstanding>,
    /// Under which epoch the delivery that arrives was sent.
    arriving: BTreeMap<Key, u32>,
    /// Positions that are moved, or will be, or are already: a subscription under way may meet either.
    resetting: BTreeSet<(&'static str, TopicId)>,
}

impl Floors {
    fn take(&mut self, asked: Asked) {
        let Some(Outstanding { key, epoch, below, offsets }) = self.outstanding.remove(&asked)
        else {
            return;
        };
        let consumed = self.consumed.entry(key).or_default();
        consumed.epoch = consumed.epoch.max(epoch);
        consumed.below = consumed.below.max(below);
        consumed.offsets.extend(offsets);
    }

    /// What was sent under an older epoch than it was consumed under may arrive late.
    fn check_delivered(&self, key: Key, offset: u64) -> Verdict {
        if self.resetting.contains(&(key.0, key.1.topic())) {
            return Ok(());
        }
        let Some(consumed) = self.consumed.get(&key) else { return Ok(()) };
        if self.arriving.get(&key).is_some_and(|epoch| *epoch < consumed.epoch) {
            return Ok(());
        }
        if offset < consumed.below || consumed.offsets.contains(&offset) {
            let (group, queue) = key;
            return Err(format!(
                "group {group} consumed offset {offset} of queue {queue}, and got it again"
            ));
        }
        Ok(())
    }

    fn check_floor(&mut self, key: Key, epoch: u32, floor: u64) -> Verdict {
        if self.resetting.contains(&(key.0, key.1.topic())) {
            return Ok(());
        }
        let floors = &mut self.consumed.entry(key).or_default().floors;
        floors.insert(epoch, floor);
        let before = floors.range(..epoch).next_back();
        let after = floors.range(epoch + 1..).next();
        let goes_back = before.is_some_and(|(_, before)| *before > floor)
            || after.is_some_and(|(_, after)| *after < floor);
        if goes_back {
            let (group, queue) = key;
            return Err(format!(
                "group {group} on queue {queue}: the floor went back at epoch {epoch}: {floors:?}"
            ));
        }
        Ok(())
    }

    fn forget(&mut self, is_it: impl Fn(&Key) -> bool) {
        self.consumed.retain(|key, _| !is_it(key));
        self.outstanding.retain(|_, outstanding| !is_it(&outstanding.key));
    }

    fn forget_topic(&mut self, group: &'static str, topic: TopicId) {
        self.forget(|(known, queue)| *known == group && queue.topic() == topic);
    }
}

impl Checker for Floors {
    fn name(&self) -> &'static str {
        "floors"
    }

    fn observe(&mut self, known: &Ledger, seen: &Observation<'_>) -> Verdict {
        match *seen {
            Observation::Leased { group, queue, epoch, .. } => {
                self.arriving.insert((group, queue), epoch);
            }
            Observation::AckSent { asked, group, queue, epoch, what } => {
                let (below, offsets) = match what {
                    Acked::Offsets(offsets) => (0, offsets.to_vec()),
                    Acked::Below(below) => (below, Vec::new()),
                };
                let key = (group, queue);
                self.outstanding.insert(asked, Outstanding { key, epoch, below, offsets });
            }
            Observation::AckTaken { asked } => self.take(asked),
            Observation::Served { to: Audience::Group(group), queue, offset, .. } => {
                return self.check_delivered((group, queue), offset);
            }
            Observation::Assigned { group, queue, epoch, floor } => {
                return self.check_floor((group, queue), epoch, floor);
            }
            Observation::ResetAsked { group, topic } => {
                self.resetting.insert((group, topic));
            }
            Observation::Reset { group, topic } => {
                self.resetting.remove(&(group, topic));
                self.forget_topic(group, topic);
            }
            // A memory queue's positions end with the process.
            Observation::NodeStarted { .. } => self.forget(|(_, queue)| known.is_memory(*queue)),
            // The positions may have been in the damaged batch: what they said is delivered again.
            Observation::Recovered { damaged: 1.., .. } => self.forget(|_| true),
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::planted::{QUEUE, Story};
    use crate::observation::{Acked, Asked, Audience, Observation};

    fn acked(story: &mut Story, what: Acked<'_>) {
        let (asked, group, queue, epoch) = (Asked::default(), "desk", QUEUE, 1);
        story.oracle.saw(&Observation::AckSent { asked, group, queue, epoch, what });
        story.oracle.saw(&Observation::AckTaken { asked });
    }

    #[test]
    fn it_speaks_of_a_consumed_record_that_comes_again() {
        for what in [Acked::Offsets(&[0]), Acked::Below(1)] {
            let mut story = Story::new();
            story.published_and_accepted(1, 0);
            story.served(Audience::Group("desk"), 1, 0);
            story.served(Audience::Group("desk"), 1, 0);
            acked(&mut story, what);
            story.served(Audience::Group("audit"), 1, 0);
            story.is_silent();
            story.served(Audience::Group("desk"), 1, 0);
            story.speaks("floors");
        }
    }

    #[test]
    fn what_an_older_lease_sent_may_arrive_late() {
        let leased = |epoch, member| {
            let (group, queue) = ("desk", QUEUE);
            Observation::Leased { group, queue, epoch, member }
        };
        let mut story = Story::new();
        story.published_and_accepted(1, 0);
        acked(&mut story, Acked::Below(1));
        story.oracle.saw(&leased(0, 1));
        story.served(Audience::Group("desk"), 1, 0);
        story.is_silent();
        story.oracle.saw(&leased(1, 2));
        story.served(Audience::Group("desk"), 1, 0);
        story.speaks("floors");
    }

    #[test]
    fn a_reset_brings_everything_again() {
        let mut story = Story::new();
        story.published_and_accepted(1, 0);
        acked(&mut story, Acked::Below(1));
        story.oracle.saw(&Observation::Reset { group: "desk", topic: QUEUE.topic() });
        story.served(Audience::Group("desk"), 1, 0);
        story.is_silent();
    }

    #[test]
    fn it_speaks_of_a_floor_that_goes_back() {
        let mut story = Story::new();
        let assigned =
            |epoch, floor| Observation::Assigned { group: "desk", queue: QUEUE, epoch, floor };
        for (epoch, floor) in [(1, 3), (3, 9), (2, 5)] {
            story.oracle.saw(&assigned(epoch, floor));
        }
        story.is_silent();
        story.oracle.saw(&assigned(4, 8));
        story.speaks("floors");
    }
}
