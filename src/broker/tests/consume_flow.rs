//! Leases and deliveries, as members see them.

use super::consumer::{Got, Wish, again, assigned, fresh, shared};
use super::harness::House;
use crate::broker::settings::Settings;
use wire::table::{Level, RevokeReason, StartAt};
use wire::{ErrorCode, QueueId, ShardId};

const SECOND_NS: u64 = 1_000_000_000;
/// Lazy notes are flushed after this.
const LAZY_NS: u64 = 20_000_000;

/// A house with one queue, on the first of `shard_count` shards, or with more queues.
fn house(shard_count: u16, queue_count: u16) -> (House, Vec<QueueId>) {
    let mut house = House::new(shard_count);
    let topic = house.with_topic(queue_count, Level::Durable);
    (house, (0..queue_count).map(|number| QueueId::new(topic, number)).collect())
}

fn revoked(queue: QueueId, epoch: u32, reason: RevokeReason) -> Got {
    let drain_ms = if reason == RevokeReason::TopicDeleted { 0 } else { 1000 };
    Got::Revoked { queue: queue.0, epoch, drain_ms, reason }
}

#[test]
fn nothing_is_delivered_before_the_grant_is_durable() {
    let (mut house, queues) = house(1, 1);
    house.publish(queues[0], &["a", "b"]);
    let peer = house.connect(0);
    house.join(peer, shared("g"));
    house.close(peer);

    let peer = house.connect(0);
    house.disks_are_silent = true;
    house.join(peer, shared("g"));
    assert_eq!(house.got(peer), []);
    house.disks_are_silent = false;
    house.run();
    let expected = [assigned(queues[0], 2, 0), again(queues[0], 2, (0, 2), &["a", "b"])];
    assert_eq!(house.got(peer), expected);
}

#[test]
fn records_become_visible_when_they_are_durable() {
    let (mut house, queues) = house(1, 1);
    let peer = house.connect(0);
    house.join(peer, shared("g"));
    house.publish(queues[0], &["a"]);
    house.publish(queues[0], &["b", "c"]);
    let expected = [
        assigned(queues[0], 1, 0),
        fresh(queues[0], 1, 0, &["a"]),
        fresh(queues[0], 1, 1, &["b", "c"]),
    ];
    assert_eq!(house.got(peer), expected);
}

#[test]
fn neighbouring_sections_share_a_frame() {
    let (mut house, queues) = house(1, 1);
    house.publish(queues[0], &["a"]);
    house.publish(queues[0], &["b", "c"]);
    let peer = house.connect(0);
    house.join(peer, shared("g"));
    assert_eq!(house.got(peer)[1..], [fresh(queues[0], 1, 0, &["a", "b", "c"])]);
}

#[test]
fn credit_in_records_is_kept_to() {
    let (mut house, queues) = house(1, 1);
    house.publish(queues[0], &["a", "b", "c", "d"]);
    let peer = house.connect(0);
    let member = house.join(peer, Wish { credit: (2, 1 << 20), ..shared("g") });
    assert_eq!(house.got(peer)[1..], [fresh(queues[0], 1, 0, &["a", "b"])]);
    house.credit(peer, (member, queues[0], 1), (1, 1 << 20));
    assert_eq!(house.got(peer), [fresh(queues[0], 1, 2, &["c"])]);
    // Credit under another epoch is none.
    house.credit(peer, (member, queues[0], 7), (1, 1));
    assert_eq!(house.got(peer), []);
    house.credit(peer, (member, queues[0], 1), (u32::MAX, u32::MAX));
    assert_eq!(house.got(peer), [fresh(queues[0], 1, 3, &["d"])]);
}

#[test]
fn credit_in_bytes_lets_one_record_through_and_no_more() {
    let (mut house, queues) = house(1, 1);
    house.publish(queues[0], &["a", "b", "c"]);
    let peer = house.connect(0);
    let member = house.join(peer, Wish { credit: (100, 1), ..shared("g") });
    assert_eq!(house.got(peer)[1..], [fresh(queues[0], 1, 0, &["a"])]);
    // A record with a body of one byte has 29.
    house.credit(peer, (member, queues[0], 1), (0, 29));
    assert_eq!(house.got(peer), [fresh(queues[0], 1, 1, &["b"])]);
}

#[test]
fn too_much_unacknowledged_stops_delivery_until_acks_move_the_floor() {
    let settings = Settings { in_flight_max: 2, ..Settings::new(ShardId(0), 1) };
    let mut house = House::with(settings);
    let queue = QueueId::new(house.with_topic(1, Level::Durable), 0);
    house.publish(queue, &["a", "b", "c", "d"]);
    let peer = house.connect(0);
    let member = house.join(peer, shared("g"));
    assert_eq!(house.got(peer)[1..], [fresh(queue, 1, 0, &["a", "b"])]);
    // Not the oldest: the window is still full.
    house.ack(peer, (member, queue, 1), &[1]);
    assert_eq!(house.got(peer), []);
    house.ack(peer, (member, queue, 1), &[0]);
    assert_eq!(house.got(peer), [fresh(queue, 1, 2, &["c", "d"])]);
    house.advance(LAZY_NS);
    assert_eq!(house.got(peer), [Got::Done, Got::Done]);
}

#[test]
fn an_ack_is_answered_when_it_is_on_the_disk() {
    let (mut house, queues) = house(1, 1);
    house.publish(queues[0], &["a", "b"]);
    let peer = house.connect(0);
    let member = house.join(peer, shared("g"));
    house.got(peer);
    house.ack(peer, (member, queues[0], 1), &[0]);
    assert_eq!(house.got(peer), []);
    house.advance(LAZY_NS);
    assert_eq!(house.got(peer), [Got::Done]);
    // The answered one is not delivered after a crash, the other one is: again.
    house.restart();
    let peer = house.connect(0);
    house.join(peer, shared("g"));
    assert_eq!(house.got(peer), [assigned(queues[0], 2, 1), again(queues[0], 2, (1, 2), &["b"])]);
}

#[test]
fn only_what_was_delivered_can_be_acknowledged() {
    let (mut house, queues) = house(1, 1);
    house.publish(queues[0], &["a", "b", "c"]);
    let peer = house.connect(0);
    let member = house.join(peer, Wish { credit: (2, 1 << 20), ..shared("g") });
    house.got(peer);
    let lease = (member, queues[0], 1);
    let refused = Got::Error(ErrorCode::OffsetOutOfRange);
    house.ack(peer, lease, &[0, 2]);
    house.commit(peer, lease, 3);
    house.nack(peer, lease, 2);
    assert_eq!(house.got(peer), [refused.clone(), refused.clone(), refused]);
    house.commit(peer, lease, 2);
    house.ack(peer, lease, &[0, 1, 1]);
    house.advance(LAZY_NS);
    assert_eq!(house.got(peer), [Got::Done, Got::Done]);
    house.ack(peer, lease, &[]);
    assert_eq!(house.got(peer), [Got::Error(ErrorCode::InvalidArgument)]);
}

#[test]
fn another_epoch_or_member_is_fenced() {
    let (mut house, queues) = house(1, 1);
    house.publish(queues[0], &["a"]);
    let peer = house.connect(0);
    let member = house.join(peer, shared("g"));
    house.got(peer);
    let fenced = Got::Error(ErrorCode::LeaseFenced);
    house.ack(peer, (member, queues[0], 2), &[0]);
    house.commit(peer, (member + 1, queues[0], 1), 1);
    house.nack(peer, (member, queues[0], 0), 0);
    assert_eq!(house.got(peer), [fenced.clone(), fenced.clone(), fenced]);
    // The control: the right one is taken.
    house.nack(peer, (member, queues[0], 1), 0);
    house.advance(LAZY_NS);
    assert_eq!(house.got(peer), [Got::Done]);
}

#[test]
fn a_nacked_record_comes_again_after_its_time_which_doubles() {
    let (mut house, queues) = house(1, 1);
    house.publish(queues[0], &["a", "b"]);
    let peer = house.connect(0);
    let member = house.join(peer, shared("g"));
    house.got(peer);
    let lease = (member, queues[0], 1);
    house.nack(peer, lease, 0);
    house.advance(SECOND_NS - 1);
    assert_eq!(house.got(peer), [Got::Done]);
    // Waiting, it is not in flight: an ack of it is too early.
    house.ack(peer, lease, &[0]);
    assert_eq!(house.got(peer), [Got::Error(ErrorCode::OffsetOutOfRange)]);
    house.advance(1);
    assert_eq!(house.got(peer), [again(queues[0], 1, (0, 2), &["a"])]);
    house.nack(peer, lease, 0);
    house.advance(2 * SECOND_NS - 1);
    assert_eq!(house.got(peer), [Got::Done]);
    house.advance(1);
    assert_eq!(house.got(peer), [again(queues[0], 1, (0, 3), &["a"])]);
    // Consumed, it does not come again; nor does one that waits and is committed over.
    house.ack(peer, lease, &[0]);
    house.nack(peer, lease, 1);
    house.commit(peer, lease, 2);
    house.advance(4 * SECOND_NS);
    assert_eq!(house.got(peer), [Got::Done, Got::Done, Got::Done]);
}

#[test]
fn a_nacked_record_without_credit_comes_with_the_next_credit() {
    let (mut house, queues) = house(1, 1);
    house.publish(queues[0], &["a"]);
    let peer = house.connect(0);
    let member = house.join(peer, Wish { credit: (1, 1 << 20), ..shared("g") });
    house.got(peer);
    house.nack(peer, (member, queues[0], 1), 0);
    house.advance(5 * SECOND_NS);
    assert_eq!(house.got(peer), [Got::Done]);
    house.credit(peer, (member, queues[0], 1), (1, 0));
    assert_eq!(house.got(peer), [again(queues[0], 1, (0, 2), &["a"])]);
}

#[test]
fn a_connection_that_does_not_read_is_sent_so_much_and_no_more() {
    const BODY_BYTES: usize = 60 << 10;
    let (mut house, queues) = house(1, 1);
    let body = "x".repeat(BODY_BYTES);
    for _ in 0..200 {
        house.publish(queues[0], &[&body]);
    }
    let peer = house.connect(0);
    house.join(peer, Wish { credit: (1000, 64 << 20), ..shared("g") });
    let received_bytes = |house: &mut House| {
        // A turn sends a frame or two, and looks again at once.
        house.advance(0);
        let got = house.got(peer);
        assert!(got.iter().all(|got| !matches!(got, Got::Error(_))), "{got:?}");
        got.iter().filter(|got| matches!(got, Got::Records { .. })).count() * BODY_BYTES
    };
    // Nothing tells that it reads: half of an output buffer.
    let unread_bytes = received_bytes(&mut house);
    assert!((7 << 20..9 << 20).contains(&unread_bytes), "{unread_bytes}");
    // An answer that was not asked for tells nothing.
    house.pong(peer, 0);
    assert_eq!(received_bytes(&mut house), 0);
    house.pong(peer, 1 << 63);
    let more_bytes = received_bytes(&mut house);
    assert!((1 << 20..3 << 20).contains(&more_bytes), "{more_bytes}");
}

#[test]
fn a_revoked_owner_finishes_and_the_next_begins_at_the_floor() {
    let (mut house, queues) = house(1, 2);
    let first = house.connect(0);
    let member = house.join(first, shared("g"));
    house.publish(queues[1], &["a", "b"]);
    house.got(first);
    let second = house.connect(0);
    house.join(second, shared("g"));
    assert_eq!(house.got(first), [revoked(queues[1], 1, RevokeReason::Rebalanced)]);
    // Nothing new for a draining owner, and nothing yet for the next.
    house.publish(queues[1], &["c"]);
    assert_eq!((house.got(first), house.got(second)), (vec![], vec![]));
    house.ack(first, (member, queues[1], 1), &[0]);
    assert_eq!(house.got(second), []);
    house.ack(first, (member, queues[1], 1), &[1]);
    assert_eq!(house.got(second), [assigned(queues[1], 2, 2), fresh(queues[1], 2, 2, &["c"])]);
    // Late words of the first change nothing.
    house.got(first);
    house.commit(first, (member, queues[1], 1), 3);
    assert_eq!(house.got(first), [Got::Error(ErrorCode::LeaseFenced)]);
}

#[test]
fn a_drain_ends_with_its_time() {
    let (mut house, queues) = house(1, 2);
    let first = house.connect(0);
    house.join(first, shared("g"));
    house.publish(queues[1], &["a"]);
    let second = house.connect(0);
    house.join(second, shared("g"));
    house.advance(SECOND_NS - 1);
    assert_eq!(house.got(second), []);
    house.advance(1);
    let expected = [assigned(queues[1], 2, 0), again(queues[1], 2, (0, 2), &["a"])];
    assert_eq!(house.got(second), expected);
}

#[test]
fn a_closed_connection_frees_its_queues_at_once() {
    let (mut house, queues) = house(2, 4);
    let first = house.connect(1);
    house.join(first, shared("g"));
    for queue in &queues {
        house.publish(*queue, &["a"]);
    }
    let second = house.connect(0);
    house.join(second, shared("g"));
    house.got(second);
    house.close(first);
    let assignments =
        |got: &[Got]| got.iter().filter(|got| matches!(got, Got::Assigned { .. })).count();
    assert_eq!(assignments(&house.got(second)), 4);
    for queue in &queues {
        house.publish(*queue, &["b"]);
    }
    assert_eq!(house.got(second).len(), 4);
}

#[test]
fn what_was_seen_before_is_told_from_what_is_new() {
    let (mut house, queues) = house(1, 1);
    house.publish(queues[0], &["a", "b"]);
    let first = house.connect(0);
    house.join(first, Wish { credit: (1, 1 << 20), ..shared("g") });
    house.close(first);
    let second = house.connect(0);
    house.join(second, shared("g"));
    let expected = [
        assigned(queues[0], 2, 0),
        again(queues[0], 2, (0, 2), &["a"]),
        fresh(queues[0], 2, 1, &["b"]),
    ];
    assert_eq!(house.got(second), expected);
}

#[test]
fn out_of_order_acks_are_skipped_by_the_next_owner() {
    let (mut house, queues) = house(1, 1);
    house.publish(queues[0], &["a", "b", "c", "d"]);
    let first = house.connect(0);
    let member = house.join(first, shared("g"));
    house.ack(first, (member, queues[0], 1), &[1, 3]);
    house.close(first);
    let second = house.connect(0);
    house.join(second, shared("g"));
    let expected = [
        assigned(queues[0], 2, 0),
        again(queues[0], 2, (0, 2), &["a"]),
        again(queues[0], 2, (2, 2), &["c"]),
    ];
    assert_eq!(house.got(second), expected);
}

#[test]
fn an_unsubscribed_member_gets_nothing_more() {
    let (mut house, queues) = house(1, 1);
    let peer = house.connect(0);
    let member = house.join(peer, shared("g"));
    let other = house.connect(0);
    house.unsubscribe(other, member);
    assert_eq!(house.got(other), [Got::Error(ErrorCode::UnknownMember)]);
    house.got(peer);
    house.unsubscribe(peer, member);
    assert_eq!(house.got(peer), [Got::Done, revoked(queues[0], 1, RevokeReason::Unsubscribed)]);
    house.publish(queues[0], &["a"]);
    assert_eq!(house.got(peer), []);
}

#[test]
fn groups_do_not_share_and_instances_have_a_position_each() {
    let (mut house, queues) = house(1, 1);
    house.publish(queues[0], &["a"]);
    let (one, two) = (house.connect(0), house.connect(0));
    let broadcast = |name| Wish { instance: Some(name), ..shared("b") };
    let member = house.join(one, broadcast("one"));
    house.join(two, broadcast("two"));
    let all = [assigned(queues[0], 1, 0), fresh(queues[0], 1, 0, &["a"])];
    assert_eq!((house.got(one), house.got(two)), (all.to_vec(), all.to_vec()));
    house.ack(one, (member, queues[0], 1), &[0]);
    house.close(one);
    house.close(two);
    let (one, two) = (house.connect(0), house.connect(0));
    house.join(one, broadcast("one"));
    house.join(two, broadcast("two"));
    assert_eq!(house.got(one), [assigned(queues[0], 2, 1)]);
    let expected = [assigned(queues[0], 2, 0), again(queues[0], 2, (0, 2), &["a"])];
    assert_eq!(house.got(two), expected);
    // An instance without a name of its own has the client's.
    let three = house.connect(0);
    house.join(three, broadcast(""));
    assert_eq!(house.got(three)[0], assigned(queues[0], 1, 0));
}

#[test]
fn an_instance_that_comes_back_takes_over_from_its_old_connection() {
    let (mut house, queues) = house(1, 1);
    let (old, new) = (house.connect(0), house.connect(0));
    let wish = Wish { instance: Some("one"), ..shared("b") };
    house.join(old, wish);
    house.join(new, wish);
    assert_eq!(house.got(new), [assigned(queues[0], 2, 0)]);
    assert_eq!(house.got(old)[1..], [revoked(queues[0], 1, RevokeReason::Rebalanced)]);
}

#[test]
fn a_start_counts_only_without_a_position() {
    let (mut house, queues) = house(1, 1);
    house.publish(queues[0], &["a", "b", "c"]);
    let mut floor_of = |wish: Wish<'_>| {
        let peer = house.connect(0);
        house.join(peer, wish);
        let got = house.got(peer);
        house.close(peer);
        let Some(Got::Assigned { floor, .. }) = got.first() else {
            panic!("not assigned: {got:?}")
        };
        *floor
    };
    assert_eq!(floor_of(shared("first")), 0);
    assert_eq!(floor_of(Wish { start: StartAt::Last, ..shared("last") }), 3);
    assert_eq!(floor_of(Wish { start: StartAt::Offset, offset: 1, ..shared("offset") }), 1);
    assert_eq!(floor_of(Wish { start: StartAt::Offset, offset: 99, ..shared("far") }), 3);
    assert_eq!(floor_of(Wish { start: StartAt::Time, ..shared("time") }), 0);
    assert_eq!(floor_of(Wish { start: StartAt::Last, ..shared("first") }), 0);
}

#[test]
fn who_only_looks_moves_nothing() {
    let (mut house, queues) = house(1, 1);
    house.publish(queues[0], &["a", "b"]);
    let peer = house.connect(0);
    let member = house.join(peer, Wish { observe: true, ..shared("g") });
    assert_eq!(house.got(peer)[1..], [fresh(queues[0], 1, 0, &["a", "b"])]);
    house.ack(peer, (member, queues[0], 1), &[0]);
    assert_eq!(house.got(peer), [Got::Error(ErrorCode::OffsetOutOfRange)]);
    house.close(peer);
    let peer = house.connect(0);
    house.join(peer, shared("g"));
    assert_eq!(house.got(peer)[0], assigned(queues[0], 2, 0));
}

#[test]
fn a_member_on_another_shard_is_served_and_answered() {
    let (mut house, queues) = house(2, 2);
    for queue in &queues {
        house.publish(*queue, &["a"]);
    }
    for home in [0, 1] {
        let peer = house.connect(home);
        let member = house.join(peer, shared(if home == 0 { "g" } else { "h" }));
        let got = house.got(peer);
        for queue in &queues {
            assert!(got.contains(&fresh(*queue, 1, 0, &["a"])), "{got:?}");
            house.ack(peer, (member, *queue, 1), &[0]);
        }
        house.advance(LAZY_NS);
        assert_eq!(house.got(peer), [Got::Done, Got::Done]);
    }
}

#[test]
fn a_restart_voids_every_lease() {
    let (mut house, queues) = house(1, 1);
    house.publish(queues[0], &["a"]);
    let peer = house.connect(0);
    let member = house.join(peer, shared("g"));
    house.restart();
    let peer = house.connect(0);
    house.commit(peer, (member, queues[0], 1), 1);
    assert_eq!(house.got(peer), [Got::Error(ErrorCode::LeaseFenced)]);
    house.join(peer, shared("g"));
    let expected = [assigned(queues[0], 2, 0), again(queues[0], 2, (0, 2), &["a"])];
    assert_eq!(house.got(peer), expected);
    house.publish(queues[0], &["b"]);
    assert_eq!(house.got(peer), [fresh(queues[0], 2, 1, &["b"])]);
}

#[test]
fn a_subscription_to_nothing_is_refused() {
    let (mut house, _) = house(1, 1);
    let peer = house.connect(0);
    house.subscribe(peer, shared(""));
    assert_eq!(house.got(peer), [Got::Error(ErrorCode::InvalidName)]);
    let settings = Settings { members_max: 1, ..Settings::new(ShardId(0), 1) };
    let mut house = House::with(settings);
    house.with_topic(1, Level::Durable);
    let peer = house.connect(0);
    house.join(peer, shared("g"));
    house.subscribe(peer, shared("g"));
    assert!(house.got(peer).contains(&Got::Error(ErrorCode::TooManyMembers)));
}
