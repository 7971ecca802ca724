//! Consuming: leases and positions, and what of them survives.

use super::*;
use crate::positions::AHEAD_OFFSETS_MAX;

/// A queue with `count` visible records and one lease of `GROUP`.
fn consuming(count: u32) -> (House, Epoch) {
    let mut house = House::with_queue(&config());
    house.publish(QUEUE, count, 10);
    let (epoch, index) = house.store.grant(QUEUE, GROUP, Offset(0)).expect("granted");
    assert!(house.store.durable_end() <= index);
    house.turn();
    assert!(house.store.durable_end() > index, "a grant starts a flush at once");
    (house, epoch)
}

#[test]
fn what_was_consumed_survives_a_restart_and_leases_do_not() {
    let (mut house, epoch) = consuming(20);
    house.store.ack(QUEUE, GROUP, epoch, &[Offset(0), Offset(2), Offset(7)]).expect("acked");
    house.store.commit(QUEUE, GROUP, epoch, Offset(5)).expect("committed");
    let index = house.store.nack(QUEUE, GROUP, epoch, Offset(6)).expect("counted");
    house.turns(30);
    assert!(house.store.durable_end() > index, "20 ms are over");
    let mut house = house.restart();
    let store = &house.store;
    let position = Position { floor: Offset(5), epoch, grants: 0 };
    assert_eq!(store.position(QUEUE, GROUP), Some(&position));
    assert!(
        store.is_consumed(QUEUE, GROUP, Offset(7)) && !store.is_consumed(QUEUE, GROUP, Offset(6))
    );
    assert_eq!(store.attempts(QUEUE, GROUP, Offset(6)), 1);
    assert_eq!(store.lowest_floor(QUEUE), Some((Offset(5), GROUP)));
    assert_eq!(store.queues_of_group(GROUP), [QUEUE]);
    let (next, _) = house.store.grant(QUEUE, GROUP, Offset(19)).expect("granted");
    assert_eq!(next, epoch.next(), "no epoch is granted twice");
    let floor = house.store.position(QUEUE, GROUP).expect("kept").floor;
    assert_eq!(floor, Offset(5), "`start` counts only without a position");
    let fenced = Err(NoteRefused::Fenced { current: next });
    assert_eq!(house.store.ack(QUEUE, GROUP, epoch, &[Offset(6)]), fenced);
}

#[test]
fn acks_ride_for_20_ms_and_then_start_a_flush() {
    let (mut house, epoch) = consuming(2);
    let index = house.store.ack(QUEUE, GROUP, epoch, &[Offset(0)]).expect("acked");
    house.turn();
    assert!(house.store.durable_end() <= index);
    let deadline = house.store.deadline_ns().expect("it will want a turn");
    assert!(deadline > house.mono_ns && deadline <= house.mono_ns + 20 * MS);
    house.mono_ns = deadline;
    house.turn();
    assert!(house.store.durable_end() > index);
    let index = house.store.ack(QUEUE, GROUP, epoch, &[Offset(1)]).expect("acked");
    house.publish(QUEUE, 1, 10);
    house.turn();
    assert!(house.store.durable_end() > index, "it rode with the publish");
}

#[test]
fn only_what_is_there_can_be_consumed() {
    let (mut house, epoch) = consuming(2);
    let store = &mut house.store;
    let outside = Err(NoteRefused::OutOfRange);
    assert_eq!(store.ack(QUEUE, GROUP, epoch, &[Offset(2)]), outside);
    assert_eq!(store.commit(QUEUE, GROUP, epoch, Offset(3)), outside);
    assert_eq!(store.nack(QUEUE, GROUP, epoch, Offset(2)), outside);
    assert_eq!(store.reset(QUEUE, GROUP, Offset(3)), outside);
    assert_eq!(
        store.ack(QUEUE, GroupId(9), epoch, &[Offset(0)]),
        Err(NoteRefused::Fenced { current: Epoch(0) })
    );
    let nowhere = QueueId::new(TopicId(9), 0);
    assert_eq!(store.grant(nowhere, GROUP, Offset(0)), Err(NoteRefused::UnknownQueue));
}

#[test]
fn acks_ahead_are_bounded_and_the_floor_still_moves() {
    let (mut house, epoch) = consuming(1);
    for _ in 0..6 {
        house.publish(QUEUE, 2000, 8);
        house.turn();
    }
    let ahead: Vec<Offset> = (1..=AHEAD_OFFSETS_MAX as u64).map(Offset).collect();
    for offsets in ahead.chunks(4000) {
        house.store.ack(QUEUE, GROUP, epoch, offsets).expect("there is room");
        house.turns(30);
    }
    let refused = Err(NoteRefused::TooManyAcksAhead { count_max: AHEAD_OFFSETS_MAX });
    assert_eq!(house.store.ack(QUEUE, GROUP, epoch, &[Offset(10_500)]), refused);
    house.store.ack(QUEUE, GROUP, epoch, &[Offset(0)]).expect("it lowers the count");
    house.turns(30);
    let house = house.restart();
    let floor = house.store.position(QUEUE, GROUP).expect("kept").floor;
    assert_eq!(floor, Offset(AHEAD_OFFSETS_MAX as u64 + 1));
}

#[test]
fn a_reset_and_a_removal_survive() {
    let (mut house, epoch) = consuming(10);
    house.store.commit(QUEUE, GROUP, epoch, Offset(9)).expect("committed");
    house.store.reset(QUEUE, GROUP, Offset(3)).expect("reset");
    house.store.grant(QUEUE, GroupId(2), Offset(4)).expect("granted");
    house.store.remove_group(GroupId(2));
    house.turns(30);
    let house = house.restart();
    let position = house.store.position(QUEUE, GROUP).expect("kept");
    assert_eq!((position.floor, position.epoch), (Offset(3), epoch.next()));
    assert_eq!(house.store.position(QUEUE, GroupId(2)), None);
}
