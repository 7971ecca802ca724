//! Consuming: everything once without faults, at least once with them, credit bounded.

use super::World;
use super::fake::FakeNode;
use crate::config::{ConsumerConfig, ProducerConfig};
use crate::delivery::{Item, Message};
use crate::record::NewRecord;
use wire::ErrorCode;

const RECORDS: usize = 40;

fn filled() -> World {
    let mut world = World::ready(FakeNode::new(2));
    let key = world.session.add_producer(ProducerConfig::new(world.node.topic.as_str()));
    world.until(100, |session| session.producer_ready(key)).expect("opened");
    for nth in 0..RECORDS {
        let body = nth.to_string();
        let queue = u16::from(nth % 2 == 1);
        let record = NewRecord::new(body.as_bytes()).queue(queue);
        world.session.enqueue(key, &record, true).expect("room");
    }
    for _ in 0..RECORDS {
        world.until(100, |session| session.producer(key)?.next_settled()).1.expect("accepted");
    }
    world
}

fn consumer(world: &mut World, credit_records: u32) -> usize {
    let config = ConsumerConfig::new(world.node.topic.as_str(), "group");
    let key = world.session.add_consumer(ConsumerConfig { credit_records, ..config });
    world.until(3000, |session| session.consumer_ready(key)).expect("subscribed");
    key
}

fn next(world: &mut World, key: usize) -> Message {
    let item = world.until(3000, |session| session.next_item(key)).expect("subscribed");
    let Item::Message(message) = item else { panic!("{item:?}") };
    message
}

#[test]
fn everything_comes_once_in_order_and_is_acknowledged() {
    let mut world = filled();
    let key = consumer(&mut world, 4);
    let mut ends = [0, 0];
    for _ in 0..RECORDS {
        let message = next(&mut world, key);
        let queue = usize::from(message.queue().number());
        assert_eq!(message.offset().0, ends[queue], "in order");
        assert_eq!(message.body(), world.node.bodies(queue)[usize::try_from(ends[queue]).unwrap()]);
        ends[queue] += 1;
        world.session.ack(key, message.place).expect("our lease");
    }
    let calls = world.session.confirm(key, u64::MAX);
    for call in calls {
        world.until(100, |session| session.take_call(call)).expect("confirmed");
    }
    assert_eq!(world.node.queues.iter().map(|queue| queue.floor).sum::<u64>(), 40);
}

#[test]
fn a_break_forgets_what_was_not_taken_and_fences_what_was() {
    for back in (0..3000).step_by(61) {
        let mut world = filled();
        let key = consumer(&mut world, 8);
        world.budget = Some((usize::MAX, back));
        let mut seen = std::collections::BTreeSet::new();
        let mut fenced = 0;
        while seen.len() < RECORDS {
            let message = next(&mut world, key);
            seen.insert((message.queue(), message.offset()));
            world.turn();
            fenced += u32::from(world.session.ack(key, message.place).is_err());
        }
        assert!(fenced <= 1, "only what was in hand at the break");
        world.until(100, |session| (session.assignments(key).len() == 2).then_some(()));
    }
}

#[test]
fn a_commit_covers_all_below() {
    let mut world = filled();
    let key = consumer(&mut world, 100);
    let messages: Vec<Message> = (0..RECORDS).map(|_| next(&mut world, key)).collect();
    for queue in 0..2 {
        let last = messages.iter().rfind(|message| message.queue().number() == queue);
        world.session.commit(key, last.expect("some").place).expect("our lease");
    }
    let calls = world.session.confirm(key, u64::MAX);
    assert_eq!(calls.len(), 2);
    for call in calls {
        world.until(100, |session| session.take_call(call)).expect("confirmed");
    }
    assert!(world.node.queues.iter().all(|queue| queue.floor == 20));
}

#[test]
fn a_first_refusal_is_the_callers() {
    let mut world = World::ready(FakeNode::new(1));
    let key = world.session.add_consumer(ConsumerConfig::new("no such", "group"));
    let error = world.until(100, |session| session.consumer_ready(key)).expect_err("refused");
    assert_eq!(error.code(), ErrorCode::UnknownTopic);
}

#[test]
fn a_deleted_topic_ends_its_consumer_with_the_reason() {
    let mut world = filled();
    let key = consumer(&mut world, 100);
    next(&mut world, key);
    world.node.deletes_topic = true;
    let over = |session: &mut crate::session::Session| session.next_item(key)?.err();
    let error = world.until(100, over);
    assert_eq!(error.code(), ErrorCode::UnknownTopic);
    assert!(error.to_string().contains(&world.node.topic), "{error}");
}

#[test]
fn a_damaged_record_is_named_and_the_next_one_comes() {
    let mut world = filled();
    let body_end = world.node.queues[0].records[1].len() - 1;
    world.node.queues[0].records[1][body_end] ^= 1;
    let key = consumer(&mut world, 4);
    let mut damaged = Vec::new();
    for _ in 0..RECORDS {
        match world.until(3000, |session| session.next_item(key)).expect("subscribed") {
            Item::Damaged { place, .. } => damaged.push((place.queue.number(), place.offset.0)),
            Item::Message(_) | Item::Gap(_) => {}
        }
    }
    assert_eq!(damaged, [(0, 1)]);
}

#[test]
fn what_overtakes_the_subscriptions_answer_is_not_lost() {
    let mut world = filled();
    world.node.answers_late = true;
    let key = consumer(&mut world, 100);
    for _ in 0..RECORDS {
        next(&mut world, key);
    }
}

#[test]
fn a_consumer_given_up_before_its_answer_leaves_and_another_is_not_taken_for_it() {
    let mut world = World::ready(FakeNode::new(1));
    let config = ConsumerConfig::new(world.node.topic.as_str(), "group");
    let given_up = world.session.add_consumer(config.clone());
    world.session.advance();
    world.session.remove_consumer(given_up);
    let key = world.session.add_consumer(config);
    world.until(100, |session| session.consumer_ready(key)).expect("subscribed");
    world.turn();
    assert_eq!(world.node.left, [1], "the first member left, the second stays");
}
