//! Account: what the threads of a run leave, put together by part, and what is missing from it.

use super::driver::{Counters, HostileCount};
use super::ledger::Ledger;
use super::receiving::Group;
use super::sending::Sent;
use super::thread::{FlowLeft, Left};
use crate::workload::Part;

/// What came of one part.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What its senders counted and timed; `None`: it has none.
    pub sending: Option<Ledger>,
    /// What its consumers counted and timed; `None`: it has none.
    pub receiving: Option<Ledger>,
    /// Requests its responders answered, measured or not.
    pub served: u64,
    /// Accepted and never delivered to some group; `None`: its consumers were not to take everything.
    pub lost: Option<u64>,
    /// Delivered more than once to one group.
    pub doubled: u64,
    /// Delivered before an earlier one of its queue.
    pub disordered: u64,
    /// Messages that were due and never left.
    pub unsent: u64,
    /// Messages without an answer at the end.
    pub unanswered: u64,
    /// Answers whose body was not the one that was sent.
    pub wrong: u64,
    /// Messages of another run.
    pub foreign: u64,
    /// Whether the order of messages was watched.
    pub watches_order: bool,
}

/// What came of a run.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// By part.
    pub outcomes: Vec<Outcome>,
    /// Share of the measured part in which the busiest thread was busy, from 0 to 1.
    pub busy_share: f64,
    /// How hostile peers stood at its end.
    pub hostile: HostileCount,
    /// CPU time of the bus in the measured part, in seconds.
    pub server_cpu_s: Option<f64>,
    /// Time in the measured part in which threads of the bus were ready to run and had no core, in seconds.
    pub server_waited_s: Option<f64>,
    /// CPU time of the load in the measured part, in seconds.
    pub client_cpu_s: Option<f64>,
    /// What the bus counted in the measured part.
    pub counters: Option<Counters>,
    /// Wall clock at its begin, RFC 3339.
    pub begun: String,
}

/// Puts the threads' flows together.
pub fn outcomes(parts: &[Part], threads: &mut [Left]) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        let flows = threads.iter_mut().filter_map(|left| left.flows.get_mut(index));
        outcomes.push(outcome(part, flows.map(std::mem::take).collect()));
    }
    outcomes
}

fn outcome(part: &Part, flows: Vec<FlowLeft>) -> Outcome {
    let mut all = Outcome::default();
    let (mut sent, mut groups) = (Vec::new(), Vec::new());
    for flow in flows {
        all.served += flow.served;
        if let Some(sending) = flow.sending {
            all.unsent += sending.unsent;
            all.wrong += sending.wrong;
            sent.extend(sending.sent);
            add(&mut all.sending, sending.ledger);
        }
        if let Some(receiving) = flow.receiving {
            all.doubled += receiving.doubled;
            all.disordered += receiving.disordered;
            all.foreign += receiving.foreign;
            groups.extend(receiving.groups);
            add(&mut all.receiving, receiving.ledger);
        }
    }
    all.unanswered = sent.iter().map(|sent| sent.unanswered).sum();
    all.watches_order = groups.iter().all(Group::watches_order);
    all.lost = part.consumer_rate.is_none().then(|| lost(&sent, &groups));
    all
}

/// Messages that some group should have got and did not.
pub fn lost(sent: &[Sent], groups: &[Group]) -> u64 {
    let mut lost = 0;
    for group in groups {
        for of in sent {
            let place = of.number.checked_sub(group.first_sender).map(|place| place as usize);
            let Some(seen) = place.and_then(|place| group.seen.get(place)) else { continue };
            // Which ones these are was not kept: so many fewer can be told to be lost.
            lost += seen.lost(of.count, &of.excused).saturating_sub(of.excused_beyond);
        }
    }
    lost
}

fn add(all: &mut Option<Ledger>, one: Ledger) {
    match all {
        None => *all = Some(one),
        Some(all) => all.merge(&one),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two senders of one topic, two groups; `came` of each group by sender.
    fn check(excused: &[u64], came: [[&[u64]; 2]; 2], expected: u64) {
        let excused_beyond = 0;
        let sent = |number, count| {
            let excused = excused.to_vec();
            Sent { number, count, excused, excused_beyond, unanswered: 0 }
        };
        let groups = came.map(|by_sender| {
            let mut group = Group::new(0, 10, 2, 1);
            for (seen, sequences) in group.seen.iter_mut().zip(by_sender) {
                for sequence in sequences {
                    assert!(seen.mark(*sequence));
                }
            }
            group
        });
        assert_eq!(lost(&[sent(10, 3), sent(11, 1), sent(12, 9)], &groups), expected);
    }

    #[test]
    fn each_group_must_get_everything_that_was_accepted() {
        check(&[], [[&[0, 1, 2], &[0]], [&[2, 1, 0], &[0]]], 0);
        check(&[], [[&[0, 1, 2], &[0]], [&[0, 2], &[]]], 2);
        check(&[1], [[&[0, 2], &[0]], [&[0, 1, 2], &[0]]], 0);
    }

    #[test]
    fn more_failures_than_are_kept_are_no_losses() {
        let mut group = Group::new(0, 10, 1, 1);
        assert!(group.seen[0].mark(0));
        let sent = |excused_beyond| Sent {
            number: 10,
            count: 5,
            excused: vec![1],
            excused_beyond,
            unanswered: 0,
        };
        assert_eq!(
            lost(&[sent(2)], std::slice::from_ref(&group)),
            1,
            "3 missing, 2 of them failed"
        );
        assert_eq!(lost(&[sent(3)], &[group]), 0);
    }
}
