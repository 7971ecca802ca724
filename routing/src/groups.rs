//! Groups: who shares which topic, and which queues move when somebody comes or goes.
//!
//! A subscription is one member of one group on one topic: members of a group on
//! another topic are none of its business, and hear nothing of its coming and going.
//! Only the shard that decides keeps this; owners of queues grant what it decides.
//!
//! Invariants:
//!   1. A queue has an owner if and only if its share has a member.
//!   2. Moves of one share, applied in their order, lead from one split to the next.
//!
//! Nothing here survives a restart: members join again.

use crate::assignment::{Owners, Seat, Site, assign};
use std::collections::BTreeMap;
use wire::{GroupId, MemberId, QueueId, TopicId};

/// A group on one topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share {
    /// The group.
    pub group: GroupId,
    /// The topic.
    pub topic: TopicId,
}

/// How the queues of a share are split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Evenly, near before far.
    Even,
    /// All to the newest member: one broadcast instance, which may have come back
    /// before its old connection was found dead.
    Newest,
}

/// A queue that gets another owner, or loses its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// Which.
    pub queue: QueueId,
    /// Who had it.
    pub from: Option<MemberId>,
    /// Who is to have it.
    pub to: Option<MemberId>,
}

#[derive(Debug)]
struct Sharers {
    rule: Rule,
    /// In the order they came.
    seats: Vec<Seat>,
    owners: Owners,
}

/// All shares of a node.
#[derive(Debug, Default)]
pub struct Groups {
    shares: BTreeMap<Share, Sharers>,
    by_member: BTreeMap<MemberId, Share>,
}

impl Groups {
    /// A new member; `sites` are the queues of the topic.
    pub fn join(&mut self, share: Share, rule: Rule, seat: Seat, sites: &[Site]) -> Vec<Move> {
        self.by_member.insert(seat.member, share);
        let empty = || Sharers { rule, seats: Vec::new(), owners: Owners::new() };
        let sharers = self.shares.entry(share).or_insert_with(empty);
        sharers.rule = rule;
        sharers.seats.push(seat);
        sharers.split(sites)
    }

    /// A member is gone. Nothing moves if it was not there.
    pub fn leave(&mut self, member: MemberId, sites: &[Site]) -> Vec<Move> {
        let Some(share) = self.by_member.remove(&member) else { return Vec::new() };
        let Some(sharers) = self.shares.get_mut(&share) else { return Vec::new() };
        sharers.seats.retain(|seat| seat.member != member);
        let moves = sharers.split(sites);
        if sharers.seats.is_empty() {
            self.shares.remove(&share);
        }
        moves
    }

    /// The topic has other queues now: what moves in each of its shares.
    pub fn split_again(&mut self, topic: TopicId, sites: &[Site]) -> Vec<(Share, Vec<Move>)> {
        let of_topic = self.shares.iter_mut().filter(|(share, _)| share.topic == topic);
        of_topic.map(|(share, sharers)| (*share, sharers.split(sites))).collect()
    }

    /// The topic is gone: returns who consumed it.
    pub fn end_topic(&mut self, topic: TopicId) -> Vec<MemberId> {
        self.shares.retain(|share, _| share.topic != topic);
        let gone: Vec<MemberId> = self
            .by_member
            .iter()
            .filter(|(_, share)| share.topic == topic)
            .map(|(id, _)| *id)
            .collect();
        for member in &gone {
            self.by_member.remove(member);
        }
        gone
    }

    /// What a member shares.
    pub fn share_of(&self, member: MemberId) -> Option<Share> {
        self.by_member.get(&member).copied()
    }

    /// How many members a share has.
    pub fn member_count(&self, share: Share) -> usize {
        self.shares.get(&share).map_or(0, |sharers| sharers.seats.len())
    }

    /// Members of a group and topics it has members on.
    pub fn counts(&self, group: GroupId) -> (usize, usize) {
        self.of_group(group).fold((0, 0), |(members, topics), (_, sharers)| {
            (members + sharers.seats.len(), topics + 1)
        })
    }

    /// The members of a group with their topics, by topic and in the order they came.
    pub fn members_of(&self, group: GroupId) -> impl Iterator<Item = (TopicId, MemberId)> {
        self.of_group(group).flat_map(|(share, sharers)| {
            sharers.seats.iter().map(|seat| (share.topic, seat.member))
        })
    }

    /// The queues a member is to have.
    pub fn queues_of(&self, member: MemberId) -> Vec<QueueId> {
        let Some(sharers) = self.share_of(member).and_then(|share| self.shares.get(&share)) else {
            return Vec::new();
        };
        let owned = sharers.owners.iter().filter(|(_, owner)| **owner == member);
        owned.map(|(queue, _)| *queue).collect()
    }

    fn of_group(&self, group: GroupId) -> impl Iterator<Item = (&Share, &Sharers)> {
        let first = Share { group, topic: TopicId(0) };
        let last = Share { group, topic: TopicId(u32::MAX) };
        self.shares.range(first..=last)
    }
}

impl Sharers {
    /// Splits anew; returns what is different.
    fn split(&mut self, sites: &[Site]) -> Vec<Move> {
        let after = match self.rule {
            Rule::Even => assign(sites, &self.seats, &self.owners),
            Rule::Newest => {
                let newest = self.seats.last().map(|seat| seat.member);
                sites.iter().filter_map(|site| Some((site.queue, newest?))).collect()
            }
        };
        let before = std::mem::replace(&mut self.owners, after);
        let lost = before.keys().filter(|queue| !self.owners.contains_key(queue));
        let mut moves: Vec<Move> = lost
            .map(|queue| Move { queue: *queue, from: before.get(queue).copied(), to: None })
            .collect();
        for (queue, owner) in &self.owners {
            let from = before.get(queue).copied();
            if from != Some(*owner) {
                moves.push(Move { queue: *queue, from, to: Some(*owner) });
            }
        }
        moves
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SHARE: Share = Share { group: GroupId(1), topic: TopicId(7) };

    fn sites(topic: TopicId, count: u16) -> Vec<Site> {
        (0..count)
            .map(|number| Site { queue: QueueId::new(topic, number), area: String::new() })
            .collect()
    }

    fn seat(id: u64) -> Seat {
        Seat { member: MemberId(id), area: String::new() }
    }

    fn takers(moves: &[Move]) -> Vec<u64> {
        moves.iter().map(|step| step.to.map_or(0, |member| member.0)).collect()
    }

    #[test]
    fn the_first_takes_all_and_the_second_half() {
        let mut groups = Groups::default();
        let sites = sites(SHARE.topic, 4);
        assert_eq!(takers(&groups.join(SHARE, Rule::Even, seat(1), &sites)), [1, 1, 1, 1]);
        assert_eq!(takers(&groups.join(SHARE, Rule::Even, seat(2), &sites)), [2, 2]);
        assert_eq!(groups.queues_of(MemberId(2)).len(), 2);
        assert_eq!(groups.counts(GroupId(1)), (2, 1));
        assert_eq!(takers(&groups.leave(MemberId(1), &sites)), [2, 2]);
        assert_eq!(takers(&groups.leave(MemberId(2), &sites)), [0, 0, 0, 0]);
        assert_eq!(groups.member_count(SHARE), 0);
        assert_eq!(groups.leave(MemberId(2), &sites), []);
    }

    #[test]
    fn a_member_on_another_topic_moves_nothing_here() {
        let mut groups = Groups::default();
        let other = Share { topic: TopicId(8), ..SHARE };
        groups.join(SHARE, Rule::Even, seat(1), &sites(SHARE.topic, 2));
        let moves = groups.join(other, Rule::Even, seat(2), &sites(other.topic, 1));
        assert!(moves.iter().all(|step| step.queue.topic() == other.topic));
        assert_eq!(groups.queues_of(MemberId(1)).len(), 2);
        assert_eq!(groups.members_of(GroupId(1)).count(), 2);
    }

    #[test]
    fn the_newest_of_a_broadcast_instance_has_everything() {
        let mut groups = Groups::default();
        let sites = sites(SHARE.topic, 3);
        groups.join(SHARE, Rule::Newest, seat(1), &sites);
        let moves = groups.join(SHARE, Rule::Newest, seat(2), &sites);
        assert_eq!(takers(&moves), [2, 2, 2]);
        assert_eq!(groups.leave(MemberId(1), &sites), []);
    }

    #[test]
    fn a_topic_that_grows_gives_away_its_new_queues_only() {
        let mut groups = Groups::default();
        groups.join(SHARE, Rule::Even, seat(1), &sites(SHARE.topic, 2));
        let moves = groups.split_again(SHARE.topic, &sites(SHARE.topic, 3));
        let new = Move { queue: QueueId::new(SHARE.topic, 2), from: None, to: Some(MemberId(1)) };
        assert_eq!(moves, [(SHARE, vec![new])]);
        assert_eq!(groups.end_topic(SHARE.topic), [MemberId(1)]);
        assert_eq!(groups.share_of(MemberId(1)), None);
    }

    proptest! {
        #[test]
        fn moves_lead_from_one_split_to_the_next(steps in prop::collection::vec((0_u64..6, any::<bool>()), 0..60)) {
            let mut groups = Groups::default();
            let sites = sites(SHARE.topic, 7);
            let mut owners = Owners::new();
            for (id, comes) in steps {
                let is_here = groups.share_of(MemberId(id)).is_some();
                let moves = match (comes, is_here) {
                    (true, false) => groups.join(SHARE, Rule::Even, seat(id), &sites),
                    (false, _) => groups.leave(MemberId(id), &sites),
                    (true, true) => continue,
                };
                for step in moves {
                    prop_assert_eq!(owners.remove(&step.queue), step.from);
                    owners.extend(step.to.map(|member| (step.queue, member)));
                }
                let members = groups.member_count(SHARE);
                prop_assert_eq!(owners.len(), if members == 0 { 0 } else { sites.len() });
                for (queue, owner) in &owners {
                    prop_assert!(groups.queues_of(*owner).contains(queue));
                }
            }
        }
    }
}
