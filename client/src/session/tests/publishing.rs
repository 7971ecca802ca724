//! Publishing through breaks and refusals: every record once, in order, with exactly one answer.

use super::World;
use super::fake::FakeNode;
use crate::config::ProducerConfig;
use crate::error::{EnqueueError, SendError, UnknownCause};
use crate::receipt::{Receipt, Ticket};
use crate::record::NewRecord;
use std::time::Duration;
use wire::{ErrorCode, Offset};

type Results = Vec<Option<Result<Receipt, SendError>>>;

fn config(node: &FakeNode) -> ProducerConfig {
    ProducerConfig { batch_records: 2, ..ProducerConfig::new(node.topic.as_str()) }
}

fn producer(world: &mut World, config: ProducerConfig) -> usize {
    let key = world.session.add_producer(config);
    world.until(3000, |session| session.producer_ready(key)).expect("opened");
    key
}

/// Enqueues `count` records, turning in between, and collects every answer.
fn publish(world: &mut World, key: usize, count: usize) -> Results {
    let mut results: Results = vec![None; count];
    for nth in 0..count {
        let body = nth.to_string();
        let queue = u16::try_from(nth % world.node.queues.len()).expect("few queues");
        let record = NewRecord::new(body.as_bytes()).queue(queue);
        let ticket = world.session.enqueue(key, &record, true).expect("room");
        assert_eq!(ticket, Ticket(nth as u64));
        if nth % 3 == 2 {
            world.turn();
        }
    }
    let mut settled = 0;
    while settled < count {
        let (Ticket(ticket), result) =
            world.until(20_000, |session| session.producer(key)?.next_settled());
        let place = &mut results[usize::try_from(ticket).expect("small")];
        assert!(place.is_none(), "record {ticket} was answered twice");
        *place = Some(result);
        settled += 1;
    }
    results
}

/// Every record accepted is there once, where its receipt says; nothing else is; order holds.
fn check(world: &World, results: &Results) -> Result<(), String> {
    for queue in 0..world.node.queues.len() {
        let bodies = world.node.bodies(queue);
        let numbers: Vec<usize> = bodies
            .iter()
            .map(|body| std::str::from_utf8(body).expect("digits").parse().expect("digits"))
            .collect();
        if !numbers.is_sorted_by(|before, after| before < after) {
            return Err(format!("queue {queue} holds {numbers:?}"));
        }
        for (offset, number) in numbers.iter().enumerate() {
            match &results[*number] {
                Some(Ok(receipt)) if receipt.offset != Offset(offset as u64) => {
                    return Err(format!("record {number} is elsewhere than its receipt says"));
                }
                Some(Err(SendError::Refused(_) | SendError::NotSent)) => {
                    return Err(format!("record {number} is there and was refused"));
                }
                Some(Ok(_) | Err(_)) | None => {}
            }
        }
        let there = |nth: usize| numbers.contains(&nth);
        for (nth, result) in results.iter().enumerate() {
            let here = nth % world.node.queues.len() == queue;
            if here && matches!(result, Some(Ok(_))) && !there(nth) {
                return Err(format!("record {nth} was accepted and is lost"));
            }
        }
    }
    Ok(())
}

/// Breaks the line after so many bytes there and back, at every place a frame can break.
fn cut_everywhere(
    records: usize,
    make: impl Fn() -> (FakeNode, ProducerConfig),
    judge: impl Fn(&World, &Results),
) {
    for there in (0..1900).step_by(29) {
        for back in (0..1500).step_by(97) {
            let (node, config) = make();
            let mut world = World::ready(node);
            let key = producer(&mut world, config);
            world.budget = Some((there, back));
            let results = publish(&mut world, key, records);
            judge(&world, &results);
        }
    }
}

#[test]
fn a_break_anywhere_loses_and_doubles_nothing() {
    let make = || {
        let node = FakeNode::new(2);
        let config = config(&node);
        (node, config)
    };
    cut_everywhere(12, make, |world, results| {
        check(world, results).expect("safe");
        assert!(results.iter().flatten().all(Result::is_ok), "all are accepted in the end");
        assert_eq!(world.node.epochs.values().sum::<u32>(), 1, "a break needs no new epoch");
    });
}

/// The control: against a node that recognises nothing, the same test finds doubles.
#[test]
fn the_check_finds_doubles_where_nothing_is_recognised() {
    let found = std::cell::Cell::new(0);
    let make = || {
        let mut node = FakeNode::new(2);
        node.recognises = false;
        let config = config(&node);
        (node, config)
    };
    cut_everywhere(12, make, |world, results| {
        found.set(found.get() + u32::from(check(world, results).is_err()));
    });
    assert!(found.get() > 0, "the check must be able to fail");
}

#[test]
fn without_numbers_a_break_leaves_unknown_and_doubles_nothing() {
    let unknown = std::cell::Cell::new(0);
    let make = || {
        let node = FakeNode::new(2);
        let config = ProducerConfig { idempotent: false, ..config(&node) };
        (node, config)
    };
    cut_everywhere(12, make, |world, results| {
        check(world, results).expect("safe");
        let lost = SendError::Unknown(UnknownCause::ConnectionLost);
        let ours = results.iter().flatten().filter(|result| **result == Err(lost.clone()));
        unknown.set(unknown.get() + ours.count());
    });
    assert!(unknown.get() > 0);
}

#[test]
fn a_refused_section_is_the_callers_and_the_next_ones_close_up() {
    for place in 0..6 {
        let mut node = FakeNode::new(2);
        node.refusals =
            (0..6).map(|nth| (nth == place).then_some(ErrorCode::DepthReached)).collect();
        let mut world = World::ready(node);
        let config = config(&world.node);
        let key = producer(&mut world, config);
        let results = publish(&mut world, key, 12);
        check(&world, &results).expect("safe");
        let refused = results.iter().flatten().filter(|result| {
            matches!(result, Err(SendError::Refused(no)) if no.code == ErrorCode::DepthReached)
        });
        assert!((1..=2).contains(&refused.count()), "one section, at {place}");
        assert_eq!(world.node.epochs[&1], 1);
    }
}

/// A disk that is full has no room for a new epoch either: that is no end.
#[test]
fn a_producer_that_is_not_opened_again_refuses_and_asks_later() {
    let mut world = World::ready(FakeNode::new(1));
    let config = config(&world.node);
    let key = producer(&mut world, config);
    world.node.refusals = [Some(ErrorCode::UnknownProducer)].into();
    world.node.opening_refusals = [ErrorCode::StorageFull; 2].into();
    let mut send = || {
        let record = NewRecord::new(b"1");
        world.session.enqueue(key, &record, true).expect("not over");
        world.until(200, |session| session.producer(key)?.next_settled()).1
    };
    for _ in 0..2 {
        let refused = send().expect_err("no room for an epoch");
        assert!(matches!(refused, SendError::Refused(no) if no.code == ErrorCode::StorageFull));
    }
    send().expect("accepted: there is room again");
    assert_eq!(world.node.epochs[&1], 2);
    assert_eq!(world.node.bodies(0).len(), 1);
}

#[test]
fn an_overload_is_waited_out_in_order() {
    let mut node = FakeNode::new(1);
    node.refusals = (0..20).map(|nth| (nth % 2 == 0).then_some(ErrorCode::Overloaded)).collect();
    let mut world = World::ready(node);
    let config = config(&world.node);
    let key = producer(&mut world, config);
    let results = publish(&mut world, key, 12);
    check(&world, &results).expect("safe");
    assert!(results.iter().flatten().all(Result::is_ok));
}

#[test]
fn a_forgotten_producer_opens_again_and_says_what_it_cannot_know() {
    let mut node = FakeNode::new(1);
    node.refusals = [None, Some(ErrorCode::UnknownProducer)].into();
    let mut world = World::ready(node);
    let config = config(&world.node);
    let key = producer(&mut world, config);
    let results = publish(&mut world, key, 12);
    check(&world, &results).expect("safe");
    assert!(results.iter().flatten().all(Result::is_ok), "refused on first sight: not in doubt");
    assert_eq!(world.node.epochs[&1], 2);
}

#[test]
fn a_node_that_lost_what_it_had_accepted_is_asked_for_a_new_epoch() {
    let mut world = World::ready(FakeNode::new(1));
    let config = config(&world.node);
    let key = producer(&mut world, config);
    let send = |world: &mut World| {
        world.session.enqueue(key, &NewRecord::new(b"1"), true).expect("room");
        world.until(200, |session| session.producer(key)?.next_settled()).1
    };
    send(&mut world).expect("accepted");
    world.node.refusals = [Some(ErrorCode::SequenceGap)].into();
    send(&mut world).expect("certainly not there, so not in doubt: accepted in the next epoch");
    assert_eq!(world.node.epochs[&1], 2);
}

#[test]
fn a_fenced_producer_ends() {
    let mut world = World::ready(FakeNode::new(1));
    let config = config(&world.node);
    let key = producer(&mut world, config);
    world.node.epochs.insert(1, 7);
    let results = publish(&mut world, key, 3);
    assert!(results.iter().flatten().all(Result::is_err));
    let record = NewRecord::new(b"late");
    assert!(matches!(world.session.enqueue(key, &record, true), Err(EnqueueError::Fenced(_))));
}

#[test]
fn a_deadline_says_not_sent_or_unknown_and_nothing_is_resent_after_it() {
    let mut world = World::ready(FakeNode::new(1));
    let timeout = Duration::from_millis(50);
    let config = ProducerConfig { timeout, ..config(&world.node) };
    let key = producer(&mut world, config);
    // Sent, and the answer is lost with the line: unknown.
    world.session.enqueue(key, &NewRecord::new(b"0"), true).expect("room");
    world.budget = Some((usize::MAX, 0));
    world.turn();
    world.down = true;
    // Never left: not sent.
    world.session.enqueue(key, &NewRecord::new(b"1"), true).expect("room");
    let first = world.until(100, |session| session.producer(key)?.next_settled());
    let second = world.until(100, |session| session.producer(key)?.next_settled());
    assert_eq!(first, (Ticket(0), Err(SendError::Unknown(UnknownCause::TimedOut))));
    assert_eq!(second, (Ticket(1), Err(SendError::NotSent)));
    world.down = false;
    // What follows is accepted, and the number of the lost one means nothing else.
    for nth in 2..5 {
        let body = nth.to_string();
        world.session.enqueue(key, &NewRecord::new(body.as_bytes()), true).expect("room");
        let (ticket, result) = world.until(3000, |session| session.producer(key)?.next_settled());
        assert_eq!(ticket, Ticket(nth));
        if result == Err(SendError::NotSent) {
            continue; // its 50 ms went by before the line was back
        }
        result.expect("accepted");
    }
    assert_eq!(world.node.bodies(0)[0], b"0", "it had been accepted after all");
    assert!(!world.node.bodies(0).contains(&b"1".to_vec()));
}

#[test]
fn a_section_given_up_unsettled_leads_to_a_new_epoch() {
    let mut world = World::ready(FakeNode::new(1));
    let timeout = Duration::from_millis(50);
    let config = ProducerConfig { timeout, ..config(&world.node) };
    let key = producer(&mut world, config);
    // Written, and cut before the node had it whole: the client cannot know.
    world.session.enqueue(key, &NewRecord::new(b"0"), true).expect("room");
    world.budget = Some((20, 0));
    world.turn();
    world.down = true;
    let (_, result) = world.until(100, |session| session.producer(key)?.next_settled());
    assert_eq!(result, Err(SendError::Unknown(UnknownCause::TimedOut)));
    world.down = false;
    world.until(3000, |session| session.is_ready().then_some(()));
    world.session.enqueue(key, &NewRecord::new(b"1"), true).expect("room");
    let (_, result) = world.until(100, |session| session.producer(key)?.next_settled());
    result.expect("accepted under the next epoch");
    assert_eq!(world.node.bodies(0), [b"1".to_vec()]);
    assert_eq!(world.node.epochs[&1], 2);
}

#[test]
fn the_window_bounds_what_waits() {
    let mut world = World::ready(FakeNode::new(1));
    let config = ProducerConfig { window_records: 3, ..config(&world.node) };
    let key = producer(&mut world, config);
    let record = NewRecord::new(b"x");
    for _ in 0..3 {
        world.session.enqueue(key, &record, true).expect("room");
    }
    assert_eq!(world.session.enqueue(key, &record, true), Err(EnqueueError::WindowFull));
    world.until(100, |session| session.producer(key)?.next_settled()).1.expect("accepted");
    world.session.enqueue(key, &record, true).expect("a receipt taken makes room");
    let missing = EnqueueError::NoSuchQueue { queue: 1, queue_count: 1 };
    assert_eq!(world.session.enqueue(key, &record.queue(1), true), Err(missing));
}

#[test]
fn queues_of_other_shards_are_published_straight_to_their_owner() {
    let mut node = FakeNode::new(2);
    node.addresses = vec!["shard:0".to_owned(), "shard:1".to_owned()];
    let mut world = World::ready(node);
    let config = config(&world.node);
    let key = producer(&mut world, config);
    let results = publish(&mut world, key, 12);
    check(&world, &results).expect("safe");
    assert_eq!(world.addresses, ["node:0", "shard:1"]);
    assert!(world.node.publishes[&0] > 0 && world.node.publishes[&1] > 0);
}

#[test]
fn an_unknown_topic_ends_the_producer() {
    let mut world = World::ready(FakeNode::new(1));
    let key = world.session.add_producer(ProducerConfig::new("no such"));
    let error = world.until(100, |session| session.producer_ready(key)).expect_err("refused");
    assert_eq!(error.code(), ErrorCode::UnknownTopic);
}

#[test]
fn a_turn_looks_only_at_queues_in_which_something_waits() {
    let mut world = World::new(FakeNode::new(3));
    let config = config(&world.node);
    let key = producer(&mut world, config);
    let busy = |world: &mut World| -> Vec<usize> {
        let producer = world.session.producer(key).expect("there");
        (0..).map_while(|place| producer.busy_lane(place)).collect()
    };
    assert_eq!(busy(&mut world), []);
    let record = NewRecord::new(b"a").queue(1);
    for _ in 0..3 {
        world.session.enqueue(key, &record, true).expect("room");
    }
    assert_eq!(busy(&mut world), [1], "listed once");
    world.session.enqueue(key, &record.queue(0), true).expect("room");
    for _ in 0..4 {
        world.until(200, |session| session.producer(key)?.next_settled()).1.expect("accepted");
    }
    world.turn();
    assert_eq!(busy(&mut world), [], "nothing waits any more");
    world.session.enqueue(key, &record, true).expect("room");
    assert_eq!(busy(&mut world), [1], "and listed again");
}
