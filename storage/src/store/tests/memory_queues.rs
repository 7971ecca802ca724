//! Memory queues: reserved offsets, the ring, its budget, what a restart takes.

use super::*;

fn house() -> House {
    let mut house = House::new(&config());
    house.store.create_queue(QUEUE, QueueLevel::Memory, 0);
    house.turn();
    house
}

fn reopen(house: House) -> House {
    let mut house = House::open(&house.config, house.disk, house.wall_ns);
    house.store.create_queue(QUEUE, QueueLevel::Memory, 0);
    house
}

#[test]
fn no_offset_is_given_out_before_its_reservation_is_durable() {
    let mut house = House::new(&config());
    house.store.create_queue(QUEUE, QueueLevel::Memory, 0);
    let records = section(0, 1, 10);
    let early = house.publish_as(QUEUE, (0, 0, 0), &records, 1);
    assert_eq!(early, Err(PublishRefused::Busy));
    house.turn();
    let published = house.publish_as(QUEUE, (0, 0, 0), &records, 1).expect("reserved");
    assert_eq!(published, Published { first_offset: Offset(0), waits_for: None, duplicate: false });
    assert_eq!(house.visible_end(QUEUE), Offset(1), "at once");
    assert_eq!(house.read_all(QUEUE, Offset(0)), (vec![0], vec![]));
}

#[test]
fn offsets_never_come_back_and_what_is_lost_is_told() {
    let mut house = house();
    house.publish(QUEUE, 5, 10);
    let (epoch, _) = house.store.grant(QUEUE, GROUP, Offset(0)).expect("granted");
    house.turn();
    house.store.ack(QUEUE, GROUP, epoch, &[Offset(0), Offset(1)]).expect("acked");
    house.turns(30);
    let mut house = reopen(house);
    let base = Offset(1 << 20);
    assert_eq!(house.store.position(QUEUE, GROUP), None, "positions end with the process");
    let published = house.publish(QUEUE, 1, 10);
    assert_eq!(published.first_offset, base);
    let lost = (2, base.0, GapReason::MemoryLost);
    assert_eq!(house.read_all(QUEUE, Offset(2)), (vec![base.0], vec![lost]));
    let (next, _) = house.store.grant(QUEUE, GROUP, base).expect("granted");
    assert_eq!(next, epoch.next(), "epochs do not");
}

#[test]
fn reservations_are_made_ahead() {
    let mut house = house();
    let records = section(0, 60_000, 8);
    house.config.memory_bytes_max = 1 << 30;
    house.store.pool = Pool::new(1 << 30);
    let mut first = 0;
    for _ in 0..40 {
        let published = house.publish_as(QUEUE, (0, 0, 0), &records, 60_000).expect("never busy");
        assert_eq!(published.first_offset, Offset(first));
        first += 60_000;
        house.turn();
    }
}

#[test]
fn consumed_records_make_room_and_a_backlog_refuses() {
    let mut house = house();
    let (epoch, _) = house.store.grant(QUEUE, GROUP, Offset(0)).expect("granted");
    house.turn();
    let mut count = 0;
    let refused = loop {
        let records = section(count, 1, 3000);
        match house.publish_as(QUEUE, (0, 0, 0), &records, 1) {
            Ok(_) => count += 1,
            Err(refused) => break refused,
        }
    };
    assert!(
        matches!(refused, PublishRefused::MemoryFull { bytes, bytes_max } if bytes <= bytes_max)
    );
    house.store.ack(QUEUE, GROUP, epoch, &[Offset(0), Offset(1)]).expect("acked");
    assert_eq!(house.store.ends(QUEUE).expect("made").start, Offset(2), "consumed by all");
    house.publish(QUEUE, 2, 10);
    let told = (0, 2, GapReason::Retention);
    let (seen, gaps) = house.read_all(QUEUE, Offset(0));
    assert_eq!(gaps, [told]);
    assert_eq!(seen.len() as u64, count);
}

#[test]
fn without_a_group_the_newest_records_are_kept() {
    let mut house = house();
    for _ in 0..100 {
        house.publish(QUEUE, 1, 3000);
    }
    let ends = house.store.ends(QUEUE).expect("made");
    assert!(ends.start > Offset(50) && ends.visible_end == Offset(100));
    assert!(house.counter("memory_bytes") <= house.counter("memory_bytes_max"));
}

/// What nobody reads must not refuse those whom somebody does.
#[test]
fn a_queue_that_nobody_reads_leaves_room_to_others() {
    let mut house = house();
    let bytes_max = house.counter("memory_bytes_max");
    for _ in 0..100 {
        house.publish(QUEUE, 1, 3000);
    }
    let unread_bytes = house.counter("memory_bytes");
    assert!(unread_bytes <= bytes_max / 16 + 4096, "{unread_bytes} of {bytes_max}");
    let (epoch, _) = house.store.grant(QUEUE, GROUP, Offset(99)).expect("granted");
    house.turn();
    for _ in 0..10 {
        house.publish(QUEUE, 1, 3000);
    }
    assert!(house.counter("memory_bytes") > bytes_max / 16, "a backlog may have all of it");
    house.store.ack(QUEUE, GROUP, epoch, &[Offset(99)]).expect("acked");
    assert_eq!(house.store.ends(QUEUE).expect("made").start, Offset(100));
}

/// Positions on a memory queue end with the process; its groups come back and want what came since.
#[test]
fn a_queue_that_was_read_before_a_restart_keeps_more() {
    let mut house = house();
    house.store.grant(QUEUE, GROUP, Offset(0)).expect("granted");
    house.turns(3);
    let mut house = reopen(house);
    let first = house.store.ends(QUEUE).expect("there").visible_end;
    for _ in 0..10 {
        house.publish(QUEUE, 1, 3000);
    }
    assert_eq!(house.store.ends(QUEUE).expect("there").start, first, "nothing was dropped");
    assert!(house.counter("memory_bytes") > house.counter("memory_bytes_max") / 16 + 4096);
}

#[test]
fn old_records_go_with_the_sweep_and_a_removed_queue_at_once() {
    let mut house = house();
    house.publish(QUEUE, 1, 10);
    house.mono_ns += 20 * SECOND;
    house.wall_ns += 2 * house.config.retention_ns;
    house.publish(QUEUE, 1, 10);
    house.turn();
    assert_eq!(house.store.ends(QUEUE).expect("made").start, Offset(1));
    house.store.remove_queue(QUEUE);
    assert_eq!(house.counter("memory_bytes"), 0);
    assert_eq!(house.store.ends(QUEUE), None);
}

#[test]
fn retries_are_known_while_the_process_lives() {
    let mut house = house();
    let records = section(0, 1, 10);
    let original = house.publish_as(QUEUE, (5, 1, 0), &records, 1).expect("taken");
    let retry = house.publish_as(QUEUE, (5, 1, 0), &records, 1).expect("known");
    assert_eq!(retry, Published { duplicate: true, ..original });
    let mut house = reopen(house);
    house.turn();
    let unknown = Err(PublishRefused::UnknownProducer);
    assert_eq!(house.publish_as(QUEUE, (5, 1, 1), &records, 1), unknown);
}
