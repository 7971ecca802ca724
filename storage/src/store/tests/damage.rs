//! Damage: what it takes is named, what it may have taken never comes back under another meaning.

use super::*;
use crate::plan::FileName;
use crate::recovery::OFFSETS_SKIPPED;

const OTHER: GroupId = GroupId(2);

/// Flips a bit in the first block of the newest batch on the disk.
fn damage_newest(house: &mut House) {
    let newest = house.store.segments.hot.back().and_then(|hot| hot.batches.last().copied());
    let place = newest.expect("a batch was flushed");
    house.disk.segment(place.segment)[place.position as usize + 200] ^= 1;
}

/// A snapshot of now, on the disk.
fn snapshot(house: &mut House) {
    let before = house.counter("snapshots");
    house.store.snapshots.wanted = Some(LogIndex(0));
    house.turns(20);
    assert!(house.counter("snapshots") > before);
}

fn grant(house: &mut House, group: GroupId) -> Epoch {
    let (epoch, _) = house.store.grant(QUEUE, group, Offset(0)).expect("granted");
    house.turn();
    epoch
}

#[test]
fn no_epoch_is_granted_again_though_damage_took_the_grant() {
    let mut house = House::with_queue(&config());
    house.publish(QUEUE, 3, 10);
    house.turn();
    let known = grant(&mut house, GROUP);
    snapshot(&mut house);
    let newer = grant(&mut house, GROUP);
    assert_eq!(newer, known.next());
    let lost = house.store.grant(QUEUE, OTHER, Offset(0)).expect("granted").0;
    house.turn();
    damage_newest(&mut house);
    let mut house = house.restart();
    assert_eq!(house.store.position(QUEUE, OTHER), None, "nothing is known of it");
    assert!(grant(&mut house, GROUP) > newer);
    // The damage is forgotten once its segment is cold; that it took epochs is not.
    house.fill(QUEUE, 4);
    house.turns(20);
    snapshot(&mut house);
    let mut house = house.restart();
    assert!(!house.store.log_damaged);
    assert!(grant(&mut house, OTHER) > lost);
}

#[test]
fn a_start_that_meets_the_same_damage_again_raises_no_epoch() {
    let mut house = House::with_queue(&config());
    house.publish(QUEUE, 3, 10);
    house.turn();
    grant(&mut house, GROUP);
    damage_newest(&mut house);
    let mut house = house.restart();
    let first = grant(&mut house, GROUP);
    for _ in 0..3 {
        house = house.restart();
        assert!(!house.report.damaged.is_empty(), "it is still there");
    }
    assert_eq!(grant(&mut house, GROUP), first.next());
    damage_newest(&mut house);
    let mut house = house.restart();
    assert!(grant(&mut house, GROUP).0 > first.0 + 1, "but new damage does");
}

#[test]
fn without_damage_epochs_go_on_one_by_one() {
    let mut house = House::with_queue(&config());
    house.publish(QUEUE, 3, 10);
    house.turn();
    let first = grant(&mut house, GROUP);
    let mut house = house.restart();
    assert_eq!(grant(&mut house, GROUP), first.next());
}

#[test]
fn behind_a_section_that_damage_took_only_a_new_epoch_goes_on() {
    let mut house = House::with_queue(&config());
    let records = section(0, 1, 10);
    for sequence in 0..2 {
        house.publish_as(QUEUE, (5, 1, sequence), &records, 1).expect("taken");
        house.turn();
    }
    damage_newest(&mut house);
    let mut house = house.restart();
    let gap = Err(PublishRefused::SequenceGap { expected: 1 });
    assert_eq!(house.publish_as(QUEUE, (5, 1, 2), &records, 1), gap, "1 is not there");
    let next = house.publish_as(QUEUE, (5, 2, 0), &records, 1).expect("a new epoch");
    assert!(!next.duplicate);
    assert_eq!(next.first_offset, Offset(1 + OFFSETS_SKIPPED));
}

#[test]
fn a_queue_whose_first_records_are_damaged_says_so_and_for_ever() {
    let mut house = House::with_queue(&config());
    house.publish(QUEUE, 3, 10);
    house.turn();
    damage_newest(&mut house);
    house.publish(QUEUE, 2, 10);
    house.turn();
    let lost = QueueRange { queue: QUEUE, first: Offset(0), end: Offset(3) };
    let told = (vec![3, 4], vec![(0, 3, GapReason::Damage)]);
    for _ in 0..2 {
        house = house.restart();
        assert_eq!(house.report.lost, [lost]);
        assert_eq!(house.read_all(QUEUE, Offset(0)), told);
    }
    snapshot(&mut house);
    house = house.restart();
    assert_eq!(house.read_all(QUEUE, Offset(0)), told, "after a snapshot, too");
}

#[test]
fn what_a_start_cannot_serve_is_named_by_queue_and_offsets() {
    let mut house = House::with_queue(&config());
    let quiet = QueueId::new(TopicId(3), 0);
    house.store.create_queue(quiet, QueueLevel::Durable, 0);
    house.publish(quiet, 4, 10);
    house.publish(QUEUE, 5, 10);
    house.turn();
    house.publish(QUEUE, 2, 10);
    house.publish(quiet, 1, 10);
    house.turn();
    damage_newest(&mut house);
    house.publish(QUEUE, 1, 10);
    house.turn();
    let house = house.restart();
    let range = |queue, first, end| QueueRange { queue, first: Offset(first), end: Offset(end) };
    let expected = [range(QUEUE, 5, 7), range(quiet, 4, 4 + OFFSETS_SKIPPED)];
    assert_eq!(house.report.lost, expected);
}

#[test]
fn a_segment_that_is_none_any_more_is_a_gap_that_ends() {
    let mut house = House::with_queue(&config());
    house.fill(QUEUE, 6);
    house.turns(40);
    snapshot(&mut house);
    let lost = *house.store.segments.cold.keys().nth(1).expect("some are cold");
    house.disk.segment(lost).truncate(7);
    for without_index in [false, true] {
        if without_index {
            house.disk.files.remove(&FileName::Index(lost));
        }
        let mut house = House::open(&house.config, house.disk.clone(), house.wall_ns);
        house.store.create_queue(QUEUE, QueueLevel::Durable, 0);
        let (seen, gaps) = house.read_all(QUEUE, Offset(0));
        assert!(gaps.iter().all(|(_, _, reason)| *reason == GapReason::Damage), "{gaps:?}");
        let lost_count: u64 = gaps.iter().map(|(from, to, _)| to - from).sum();
        assert!(lost_count > 0 && !seen.is_empty());
        assert_eq!(
            seen.len() as u64 + lost_count,
            house.visible_end(QUEUE).0,
            "the rest is served"
        );
        let has_index = house.disk.files.contains_key(&FileName::Index(lost));
        assert_eq!(has_index, !without_index, "none is made of what may be put back");
    }
}

#[test]
fn reads_that_fail_for_a_moment_at_a_start_hide_nothing() {
    let mut house = House::with_queue(&config());
    house.publish(QUEUE, 3, 10);
    house.turn();
    snapshot(&mut house);
    house.publish(QUEUE, 2, 10);
    house.turn();
    house.disk.away_ns = 3 * SECOND;
    let mut house = house.restart();
    assert_eq!(house.report.damaged, []);
    assert_eq!(house.read_all(QUEUE, Offset(0)), ((0..5).collect(), vec![]));
    // The control: for longer than a start has patience. It changes nothing, and a later one finds all.
    house.disk.away_ns = 4 * SECOND;
    let before = house.disk.files.clone();
    let refused = Store::open(&house.config, &mut house.disk, house.wall_ns, false);
    assert!(matches!(refused, Err(OpenError::Damaged { .. })), "{refused:?}");
    assert_eq!(house.disk.files, before);
    house.disk.away_ns = 0;
    let mut house = house.restart();
    assert_eq!(house.read_all(QUEUE, Offset(0)), ((0..5).collect(), vec![]));
}
