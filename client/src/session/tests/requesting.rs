//! Requests: exactly one outcome each, whatever breaks.

use super::World;
use super::fake::FakeNode;
use crate::config::RequesterConfig;
use crate::error::BeginError;
use crate::outcome::{Outcome, TimeoutStage};
use crate::record::NewRecord;
use std::collections::BTreeSet;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn ask(world: &mut World, key: usize, body: &str, time: Duration) -> Outcome {
    let service = world.node.topic.clone();
    let record = NewRecord::new(body.as_bytes());
    let ticket = world.session.begin_request(key, &service, &record, time).expect("room");
    world.until(3000, |session| session.requester(key)?.take_outcome(ticket))
}

fn ready() -> (World, usize) {
    let mut world = World::ready(FakeNode::new(2));
    let key = world.session.add_requester(RequesterConfig::default());
    (world, key)
}

#[test]
fn outcomes_by_what_the_node_says() {
    let (mut world, key) = ready();
    let Outcome::Reply(reply) = ask(&mut world, key, "ping", SECOND) else { panic!("a reply") };
    assert_eq!(reply.body(), b"ping");
    assert_eq!(ask(&mut world, key, "nobody", SECOND), Outcome::NoResponder);
    let begin_ns = world.now_ns;
    assert_eq!(
        ask(&mut world, key, "silence", Duration::from_millis(40)),
        Outcome::Timeout(TimeoutStage::NoAnswer)
    );
    let waited_ms = (world.now_ns - begin_ns) / 1_000_000;
    assert!((40..=50).contains(&waited_ms), "{waited_ms} ms");
    let record = NewRecord::new(b"x");
    let ticket = world.session.begin_request(key, "no such", &record, SECOND).expect("room");
    let outcome = world.until(100, |session| session.requester(key)?.take_outcome(ticket));
    assert!(matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
    assert_eq!(world.session.requester(key).expect("there").outstanding(), 0);
}

#[test]
fn a_break_anywhere_ends_every_request_once_and_sends_none_twice() {
    let mut unknown = 0;
    for there in (0..1500).step_by(31) {
        for back in (0..1500).step_by(101) {
            let (mut world, key) = ready();
            assert!(matches!(ask(&mut world, key, "warm", SECOND), Outcome::Reply(_)));
            world.budget = Some((there, back));
            let service = world.node.topic.clone();
            let record = NewRecord::new(b"ping");
            let mut open = BTreeSet::new();
            for nth in 0..10 {
                let ticket =
                    world.session.begin_request(key, &service, &record, SECOND).expect("room");
                assert!(open.insert(ticket));
                if nth % 4 == 3 {
                    world.turn();
                }
            }
            while !open.is_empty() {
                let (ticket, outcome) =
                    world.until(3000, |session| session.requester(key)?.next_outcome());
                assert!(open.remove(&ticket), "a second outcome");
                assert!(matches!(outcome, Outcome::Reply(_) | Outcome::Unknown), "{outcome:?}");
                unknown += u32::from(outcome == Outcome::Unknown);
            }
            for _ in 0..50 {
                world.turn();
            }
            assert_eq!(world.session.requester(key).expect("there").outstanding(), 0);
            assert!(world.node.requests <= 11, "none is sent twice");
        }
    }
    assert!(unknown > 0, "the breaks hit requests");
}

#[test]
fn without_a_line_a_request_ends_at_its_deadline_as_not_sent() {
    let (mut world, key) = ready();
    world.down = true;
    world.session.lost(0);
    let outcome = ask(&mut world, key, "ping", Duration::from_millis(30));
    assert_eq!(outcome, Outcome::Timeout(TimeoutStage::NotSent));
    assert_eq!(world.node.requests, 0);
}

#[test]
fn a_cancelled_request_ends_once() {
    let (mut world, key) = ready();
    let service = world.node.topic.clone();
    let record = NewRecord::new(b"silence");
    // Before it left, and after.
    for turns in [0, 5] {
        let ticket = world.session.begin_request(key, &service, &record, SECOND).expect("room");
        for _ in 0..turns {
            world.turn();
        }
        world.session.cancel_request(key, ticket);
        let outcome = world.until(100, |session| session.requester(key)?.take_outcome(ticket));
        assert_eq!(outcome, Outcome::Cancelled);
        world.session.cancel_request(key, ticket);
        world.turn();
        assert_eq!(world.session.requester(key).expect("there").outstanding(), 0);
    }
}

#[test]
fn outstanding_requests_are_bounded() {
    let mut world = World::ready(FakeNode::new(1));
    let config = RequesterConfig { outstanding_max: 2, ..RequesterConfig::default() };
    let key = world.session.add_requester(config);
    let service = world.node.topic.clone();
    let record = NewRecord::new(b"ping");
    for _ in 0..2 {
        world.session.begin_request(key, &service, &record, SECOND).expect("room");
    }
    let full = world.session.begin_request(key, &service, &record, SECOND);
    assert_eq!(full, Err(BeginError::TooManyOutstanding { outstanding_max: 2 }));
    world.until(100, |session| session.requester(key)?.next_outcome());
    world.session.begin_request(key, &service, &record, SECOND).expect("an outcome makes room");
}
