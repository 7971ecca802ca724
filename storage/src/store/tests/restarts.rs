//! Restarts: what a snapshot and the tail give back is what was there.

use super::*;
use crate::plan::FileName;

/// A house with a bit of everything, snapshotted often.
fn lived_in() -> House {
    let config = StoreConfig { snapshot_log_bytes: 64 * 1024, ..config() };
    let mut house = House::with_queue(&config);
    let mut sequence = 0;
    for round in 0..60_u64 {
        let queue = QueueId::new(TopicId(2), u16::try_from(round % 7).expect("small"));
        house.store.create_queue(queue, QueueLevel::Durable, 0);
        house.publish(queue, 2, 3000);
        let records = section(sequence, 1, 2000);
        if house.publish_as(QUEUE, (5, 1, sequence), &records, 1).is_ok() {
            sequence += 1;
        }
        house.turn();
        if round.is_multiple_of(5) {
            let group = GroupId(u32::try_from(round % 3 + 1).expect("small"));
            let (epoch, _) = house.store.grant(QUEUE, group, Offset(0)).expect("granted");
            house.turn();
            house.store.ack(QUEUE, group, epoch, &[Offset(round / 2)]).expect("acked");
            let change = format!("change {round}");
            house.store.note_catalog(change.as_bytes(), false).expect("noted");
        }
    }
    house.turns(40);
    house
}

fn same_state(before: &House, after: &House) {
    assert_eq!(before.store.positions, after.store.positions);
    let ends = |house: &House| -> Vec<_> {
        let of = |(id, queue): (&QueueId, &Queue)| {
            (*id, queue.start(house.store.segments.start), queue.end)
        };
        house.store.queues.iter().map(of).collect()
    };
    assert_eq!(ends(before), ends(after));
    let windows =
        |house: &House| -> Vec<_> { house.store.dedup.windows_after(None).cloned().collect() };
    assert_eq!(windows(before), windows(after));
    assert_eq!(before.store.catalog.changes, after.store.catalog.changes);
}

#[test]
fn a_snapshot_and_the_tail_give_the_same_state() {
    let before = lived_in();
    assert!(before.counter("snapshots") >= 2);
    let after = House::open(&before.config, before.disk.clone(), before.wall_ns);
    assert!(after.report.batches < before.store.durable_end().0, "only the tail was replayed");
    same_state(&before, &after);
    assert_eq!(after.catalog.len(), 12);
    assert_eq!(&after.catalog[1][..], b"change 5");
}

#[test]
fn short_lives_under_load_do_not_leave_more_and_more_to_replay() {
    let config = StoreConfig {
        snapshot_log_bytes: SEGMENT_BYTES / 2,
        snapshot_interval_ns: SECOND,
        log_bytes_max: 64 * SEGMENT_BYTES,
        ..config()
    };
    let mut house = House::with_queue(&config);
    for life in 1..=8 {
        house.mono_ns = 1000 * SECOND;
        house.fill(QUEUE, 5 * life);
        assert!(house.mono_ns < 1001 * SECOND, "there is no time for a second snapshot");
        house = house.restart();
        // What one life wrote, and what stays hot.
        assert!(house.report.bytes <= 8 * SEGMENT_BYTES, "life {life}: {}", house.report.bytes);
    }
}

#[test]
fn without_any_snapshot_the_whole_log_gives_the_same_state() {
    let before = lived_in();
    let mut disk = before.disk.clone();
    disk.files.retain(|file, _| !matches!(file, FileName::Snapshot(_) | FileName::Index(_)));
    let after = House::open(&before.config, disk, before.wall_ns);
    assert_eq!(after.report.batches, before.store.durable_end().0);
    same_state(&before, &after);
}

#[test]
fn a_damaged_snapshot_gives_way_to_the_one_before() {
    let before = lived_in();
    let mut disk = before.disk.clone();
    let newest = disk.files.keys().rfind(|file| matches!(file, FileName::Snapshot(_)));
    let newest = *newest.expect("there are two");
    disk.files.get_mut(&newest).expect("listed")[200] ^= 1;
    let after = House::open(&before.config, disk, before.wall_ns);
    same_state(&before, &after);
}

#[test]
fn records_are_read_alike_after_a_restart() {
    let before = lived_in();
    let queues: Vec<QueueId> = before.store.queues.keys().copied().collect();
    let mut after = House::open(&before.config, before.disk.clone(), before.wall_ns);
    for queue in queues {
        after.store.create_queue(queue, QueueLevel::Durable, 0);
        let end = after.visible_end(queue).0;
        assert_eq!(after.read_all(queue, Offset(0)), ((0..end).collect(), vec![]));
    }
}

#[test]
fn without_a_snapshot_that_checks_a_cut_log_is_refused() {
    let mut house = House::with_queue(&config());
    for _ in 0..600 {
        house.publish(QUEUE, 1, 8 * 1024);
        house.turn();
    }
    assert!(house.counter("segments_sized_out") > 0);
    let (config, mut disk, wall_ns) = (house.config.clone(), house.disk.clone(), house.wall_ns);
    disk.files.retain(|file, _| !matches!(file, FileName::Snapshot(_)));
    let refused = Store::open(&config, &mut disk, wall_ns, false);
    assert!(matches!(refused, Err(OpenError::Damaged { .. })), "{refused:?}");
    assert!(Store::open(&config, &mut disk, wall_ns, true).is_ok(), "by the operator's word");
}

#[test]
fn another_node_and_a_newer_format_are_refused_by_name() {
    let house = lived_in();
    let other = StoreConfig { node_id: 99, ..house.config.clone() };
    let refused = Store::open(&other, &mut house.disk.clone(), 0, false);
    assert!(matches!(refused, Err(OpenError::Foreign { .. })), "{refused:?}");
}

#[test]
fn offsets_go_on_far_behind_what_damage_may_have_taken() {
    let mut house = House::with_queue(&config());
    house.fill(QUEUE, 2);
    house.turns(10);
    let quiet = QueueId::new(TopicId(3), 0);
    house.store.create_queue(quiet, QueueLevel::Durable, 0);
    house.publish(quiet, 1, 10);
    house.turn();
    let place = house.store.segments.hot[0].batches[3];
    house.disk.segment(place.segment)[place.position as usize] ^= 1;
    let place = *house.store.segments.hot[1].batches.last().expect("the newest");
    house.fill(QUEUE, 3);
    house.disk.segment(place.segment)[place.position as usize] ^= 1;
    let end = house.visible_end(QUEUE);
    let mut house = house.restart();
    assert_eq!(house.visible_end(QUEUE), end, "it learns its end from later sections");
    house.store.create_queue(quiet, QueueLevel::Durable, 0);
    let end = house.visible_end(quiet);
    assert_eq!(end, Offset(1 << 20), "nothing is known of it");
    assert_eq!(house.publish(quiet, 1, 10).first_offset, end);
    let lost = (0, 1 << 20, GapReason::Damage);
    assert_eq!(house.read_all(quiet, Offset(0)).1, [lost]);
    let (_, gaps) = house.read_all(QUEUE, Offset(0));
    assert!(gaps.iter().all(|gap| gap.2 == GapReason::Damage) && !gaps.is_empty());
}

#[test]
fn the_first_records_of_a_queue_are_damaged_not_retained() {
    let mut house = House::with_queue(&config());
    house.publish(QUEUE, 3, 10);
    house.turn();
    let place = *house.store.segments.hot[0].batches.last().expect("the newest");
    house.publish(QUEUE, 2, 10);
    house.turn();
    house.disk.segment(place.segment)[place.position as usize] ^= 1;
    let mut house = house.restart();
    let ends = house.store.ends(QUEUE).expect("known");
    assert_eq!((ends.told_start, ends.start, ends.visible_end), (Offset(0), Offset(3), Offset(5)));
    assert_eq!(house.read_all(QUEUE, Offset(0)).1, [(0, 3, GapReason::Damage)]);
}

#[test]
fn a_hundred_thousand_idle_queues_are_small_and_start_soon() {
    let config = StoreConfig {
        segment_bytes: 64 << 20,
        log_bytes_max: 1 << 30,
        batch_bytes_max: 1 << 20,
        ..config()
    };
    let mut house = House::new(&config);
    for topic in 0..100_000 {
        let queue = QueueId::new(TopicId(topic + 1), 0);
        house.store.create_queue(queue, QueueLevel::Durable, 0);
        house.publish(queue, 1, 8);
    }
    house.turn();
    let mut after = House::open(&config, house.disk, house.wall_ns);
    assert_eq!(after.store.queues.len(), 100_000);
    let last = QueueId::new(TopicId(100_000), 0);
    after.store.create_queue(last, QueueLevel::Durable, 0);
    assert_eq!(after.visible_end(last), Offset(1));
    assert!(size_of::<Queue>() <= 256, "{} bytes a queue", size_of::<Queue>());
}
