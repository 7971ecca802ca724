//! Assignment: which member of a group consumes which queue of a topic.
//!
//! ```text
//!   queues of an area that has members  ->  those members only      (nearby)
//!   all other queues                    ->  every member            (takeover)
//!   within each of the two: owners stay, what has no owner goes to the least
//!   loaded, and then single queues move until no load differs by more than one
//! ```
//!
//! Invariants:
//!   1. With at least one member every queue has exactly one owner.
//!   2. No queue moves that need not: an even split with present owners is left alone.
//!   3. The result depends on its arguments only, never on the order of members.
//!
//! A member without an area shares only what is open to everyone.

use std::collections::{BTreeMap, BTreeSet};
use wire::{MemberId, QueueId};

/// A queue and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The queue.
    pub queue: QueueId,
    /// The area that has it; empty = none in particular.
    pub area: String,
}

/// A member and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seat {
    /// The member.
    pub member: MemberId,
    /// The area it named; empty = none. Letters count alike in both cases.
    pub area: String,
}

/// Who owns which queue.
pub type Owners = BTreeMap<QueueId, MemberId>;

/// Splits `sites` among `seats`, moving as few of the queues in `before` as evenness allows.
pub fn assign(sites: &[Site], seats: &[Seat], before: &Owners) -> Owners {
    let mut split = Split {
        before,
        loads: seats.iter().map(|seat| (seat.member, 0)).collect(),
        owners: Owners::new(),
    };
    let staffed: BTreeSet<String> =
        seats.iter().filter(|seat| !seat.area.is_empty()).map(|seat| key(&seat.area)).collect();
    for area in &staffed {
        let local = |name: &str| key(name) == *area;
        let members: Vec<MemberId> =
            seats.iter().filter(|seat| local(&seat.area)).map(|seat| seat.member).collect();
        split.share(sites.iter().filter(|site| local(&site.area)), &members);
    }
    let everyone: Vec<MemberId> = seats.iter().map(|seat| seat.member).collect();
    split.share(sites.iter().filter(|site| !staffed.contains(&key(&site.area))), &everyone);
    split.owners
}

/// One way to write an area.
fn key(area: &str) -> String {
    area.to_ascii_uppercase()
}

struct Split<'a> {
    before: &'a Owners,
    /// Queues of each member, all pools together.
    loads: BTreeMap<MemberId, usize>,
    owners: Owners,
}

impl Split<'_> {
    /// Splits one pool of queues among those who may have them.
    fn share<'s>(&mut self, pool: impl Iterator<Item = &'s Site>, members: &[MemberId]) {
        if members.is_empty() {
            return;
        }
        let mut owned: BTreeMap<MemberId, Vec<QueueId>> =
            members.iter().map(|member| (*member, Vec::new())).collect();
        let mut free = Vec::new();
        for Site { queue, .. } in pool {
            let stays = self.before.get(queue).and_then(|owner| owned.get_mut(owner));
            stays.map_or_else(|| free.push(*queue), |queues| queues.push(*queue));
        }
        let mut by_load = BTreeSet::new();
        for (member, queues) in &owned {
            by_load.insert((self.loads[member] + queues.len(), *member));
        }
        for queue in free {
            let (_, least) = raise_least(&mut by_load);
            owned.entry(least).or_default().push(queue);
        }
        while let Some((most, queue)) = next_to_move(&by_load, &mut owned) {
            lower(&mut by_load, most);
            let (_, least) = raise_least(&mut by_load);
            owned.entry(least).or_default().push(queue);
        }
        for (load, member) in by_load {
            self.loads.insert(member, load);
        }
        for (member, queues) in owned {
            self.owners.extend(queues.into_iter().map(|queue| (queue, member)));
        }
    }
}

/// Gives the least loaded one more; returns it with its load before.
fn raise_least(by_load: &mut BTreeSet<(usize, MemberId)>) -> (usize, MemberId) {
    let least = by_load.pop_first().expect("a pool is split among at least one member");
    by_load.insert((least.0 + 1, least.1));
    least
}

fn lower(by_load: &mut BTreeSet<(usize, MemberId)>, entry: (usize, MemberId)) {
    by_load.remove(&entry);
    by_load.insert((entry.0 - 1, entry.1));
}

/// Takes a queue from the most loaded that has one of this pool, if the least loaded has two less.
fn next_to_move(
    by_load: &BTreeSet<(usize, MemberId)>,
    owned: &mut BTreeMap<MemberId, Vec<QueueId>>,
) -> Option<((usize, MemberId), QueueId)> {
    let least = by_load.first()?.0;
    for entry in by_load.iter().rev().take_while(|(load, _)| *load > least + 1) {
        if let Some(queue) = owned.get_mut(&entry.1).and_then(Vec::pop) {
            return Some((*entry, queue));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use wire::TopicId;

    fn queue(number: u16) -> QueueId {
        QueueId::new(TopicId(1), number)
    }

    fn sites(areas: &[&str]) -> Vec<Site> {
        (0..)
            .zip(areas)
            .map(|(number, area)| Site { queue: queue(number), area: (*area).to_owned() })
            .collect()
    }

    fn seats(areas: &[&str]) -> Vec<Seat> {
        (1..)
            .zip(areas)
            .map(|(id, area)| Seat { member: MemberId(id), area: (*area).to_owned() })
            .collect()
    }

    fn loads(owners: &Owners, seats: &[Seat]) -> Vec<usize> {
        let load = |seat: &Seat| owners.values().filter(|owner| **owner == seat.member).count();
        seats.iter().map(load).collect()
    }

    /// How many queues that had an owner among `seats` have another one now.
    fn moved(before: &Owners, after: &Owners, seats: &[Seat]) -> usize {
        let sits = |member: &MemberId| seats.iter().any(|seat| seat.member == *member);
        before
            .iter()
            .filter(|(queue, owner)| sits(owner) && after.get(queue) != Some(owner))
            .count()
    }

    #[test]
    fn a_new_member_takes_its_share_and_no_more_moves() {
        let sites = sites(&[""; 9]);
        let two = assign(&sites, &seats(&["", ""]), &Owners::new());
        let three = assign(&sites, &seats(&["", "", ""]), &two);
        assert_eq!(loads(&three, &seats(&["", "", ""])), [3, 3, 3]);
        assert_eq!(moved(&two, &three, &seats(&["", ""])), 3);
    }

    #[test]
    fn the_queues_of_one_who_left_are_spread_and_no_other_moves() {
        let sites = sites(&[""; 9]);
        let mut seats = seats(&["", "", ""]);
        let before = assign(&sites, &seats, &Owners::new());
        seats.remove(1);
        let after = assign(&sites, &seats, &before);
        let mut loads = loads(&after, &seats);
        loads.sort_unstable();
        assert_eq!(loads, [4, 5]);
        assert_eq!(moved(&before, &after, &seats), 0);
    }

    #[test]
    fn an_area_with_members_keeps_its_queues() {
        let sites = sites(&["A10", "A10", "B20", "B20", "C30", ""]);
        let seats = seats(&["a10", "B20", ""]);
        let owners = assign(&sites, &seats, &Owners::new());
        assert_eq!(owners[&queue(0)], MemberId(1));
        assert_eq!(owners[&queue(1)], MemberId(1));
        assert_eq!(owners[&queue(2)], MemberId(2));
        assert_eq!(owners[&queue(3)], MemberId(2));
        // Nobody is in C30: its queue and the one without an area go to who has least.
        assert_eq!(loads(&owners, &seats), [2, 2, 2]);
    }

    #[test]
    fn an_area_without_members_is_taken_over_and_given_back() {
        let sites = sites(&["A10", "A10", "B20", "B20"]);
        let both = seats(&["A10", "B20"]);
        let before = assign(&sites, &both, &Owners::new());
        let alone = assign(&sites, &both[..1], &before);
        assert_eq!(loads(&alone, &both), [4, 0]);
        assert_eq!(assign(&sites, &both, &alone), before);
    }

    #[test]
    fn nobody_gets_nothing() {
        assert_eq!(assign(&sites(&["", "A10"]), &[], &Owners::new()), Owners::new());
    }

    const AREAS: [&str; 4] = ["", "A10", "B20", "C30"];

    fn any_areas(count_max: usize) -> impl Strategy<Value = Vec<&'static str>> {
        prop::collection::vec(prop::sample::select(&AREAS[..]), 0..count_max)
    }

    proptest! {
        #[test]
        fn every_queue_has_exactly_one_owner_who_may_have_it(
            areas in any_areas(40), here in any_areas(8), then in any_areas(8)
        ) {
            let sites = sites(&areas);
            let before = assign(&sites, &seats(&here), &Owners::new());
            let seats = seats(&then);
            let owners = assign(&sites, &seats, &before);
            prop_assert_eq!(owners.len(), if seats.is_empty() { 0 } else { sites.len() });
            for site in sites.iter().filter(|_| !seats.is_empty()) {
                let owner = seats.iter().find(|seat| seat.member == owners[&site.queue]);
                let owner = owner.expect("an owner is a member");
                let staffed = !site.area.is_empty() && then.contains(&site.area.as_str());
                prop_assert!(!staffed || owner.area == site.area);
            }
        }

        #[test]
        fn without_areas_no_two_loads_differ_by_more_than_one_and_few_queues_move(
            queue_count in 0_usize..60, here in 1_usize..9, then in 1_usize..9
        ) {
            let sites = sites(&vec![""; queue_count]);
            let before = assign(&sites, &seats(&vec![""; here]), &Owners::new());
            let seats = seats(&vec![""; then]);
            let owners = assign(&sites, &seats, &before);
            let loads = loads(&owners, &seats);
            let (least, most) = (loads.iter().min(), loads.iter().max());
            prop_assert!(most.expect("some") - least.expect("some") <= 1);
            // New members take at most their share; when members leave nobody else's queue moves.
            let share = queue_count.div_ceil(then);
            prop_assert!(moved(&before, &owners, &seats) <= then.saturating_sub(here) * share);
            prop_assert_eq!(assign(&sites, &seats, &owners), owners);
        }

        #[test]
        fn the_order_of_members_does_not_matter(areas in any_areas(30), here in any_areas(8)) {
            let sites = sites(&areas);
            let mut seats = seats(&here);
            let owners = assign(&sites, &seats, &Owners::new());
            seats.reverse();
            prop_assert_eq!(assign(&sites, &seats, &Owners::new()), owners);
        }
    }
}
