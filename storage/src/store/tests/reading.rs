//! Reading: from memory, from the disk, out of the middle of sections, around damage.

use super::*;
use crate::index_file::SegmentIndex;
use crate::plan::{Disk, FileName};

#[test]
fn portions_start_and_end_within_a_section() {
    let mut house = House::with_queue(&config());
    house.publish(QUEUE, 10, 100);
    house.turn();
    let one = section(0, 1, 100).len();
    let mut check = |from: u64, records_max, bytes_max, expected: std::ops::Range<u64>| {
        let read = house.store.read(QUEUE, Offset(from), records_max, bytes_max);
        let Read::Records { first_offset, count, bytes, .. } = read else { panic!("{read:?}") };
        assert_eq!(first_offset, Offset(from));
        assert_eq!(numbers(&bytes, count), expected.collect::<Vec<_>>());
    };
    check(0, 100, usize::MAX, 0..10);
    check(3, 100, usize::MAX, 3..10);
    check(3, 2, usize::MAX, 3..5);
    check(3, 100, 3 * one + 5, 3..6);
    check(9, 100, 1, 9..10);
    check(0, 0, 0, 0..1);
}

#[test]
fn those_behind_read_from_the_disk_and_their_neighbours_from_the_cache() {
    let mut house = House::with_queue(&config());
    house.fill(QUEUE, 2);
    let end = house.visible_end(QUEUE).0;
    assert_eq!(house.read_all(QUEUE, Offset(0)), ((0..end).collect(), vec![]));
    let from_disk = house.counter("reads_from_disk");
    assert!(from_disk >= 1 && from_disk * 4 < end, "{from_disk} reads for {end} records");
    assert!(house.counter("read_cache_bytes") <= 512 * 1024 + 4096);
}

#[test]
fn the_next_piece_is_read_while_this_one_is_served() {
    let read_cache_bytes_max = 128 * 1024;
    let mut house = House::with_queue(&StoreConfig { read_cache_bytes_max, ..config() });
    house.fill(QUEUE, 3);
    let end = house.visible_end(QUEUE).0;
    assert_eq!(house.read_all(QUEUE, Offset(0)), ((0..end).collect(), vec![]));
    let (ahead, from_disk) = (house.counter("reads_ahead"), house.counter("reads_from_disk"));
    assert!(ahead > 0 && ahead < from_disk, "{ahead} of {from_disk}");
    let pieces = house.store.log.usage().bytes / (48 * 1024);
    assert!(from_disk <= pieces, "no piece is read twice: {from_disk} of {pieces}");
}

#[test]
fn a_cache_smaller_than_a_merged_read_still_serves() {
    let mut house = House::with_queue(&StoreConfig { read_cache_bytes_max: 24 * 1024, ..config() });
    house.fill(QUEUE, 2);
    let end = house.visible_end(QUEUE).0;
    assert_eq!(house.read_all(QUEUE, Offset(0)), ((0..end).collect(), vec![]));
}

#[test]
fn sealed_segments_are_read_through_their_index_files() {
    let mut house = House::with_queue(&config());
    house.fill(QUEUE, 5);
    house.turns(20);
    assert!(house.store.segments.hot.len() <= 2);
    let cold = house.store.segments.cold.len();
    assert!(cold >= 3);
    let runs = house.store.queues[&QUEUE].index.runs.len();
    assert_eq!(runs, cold);
    let end = house.visible_end(QUEUE).0;
    assert_eq!(house.read_all(QUEUE, Offset(0)), ((0..end).collect(), vec![]));
    assert_eq!(house.counter("indexes_rebuilt"), 0);
}

#[test]
fn a_lost_index_file_is_built_again_with_the_same_bytes() {
    let mut house = House::with_queue(&config());
    let other = QueueId::new(TopicId(1), 1);
    house.store.create_queue(other, QueueLevel::Durable, 0);
    while house.store.log.usage().segments < 4 {
        house.publish(QUEUE, 2, 6000);
        house.publish(other, 1, 500);
        house.turn();
    }
    house.turns(20);
    let numbers: Vec<u64> = house.store.segments.cold.keys().copied().collect();
    assert!(numbers.len() >= 2);
    let original: Vec<_> =
        numbers.iter().map(|number| house.disk.files.remove(&FileName::Index(*number))).collect();
    let end = house.visible_end(QUEUE).0;
    assert_eq!(house.read_all(QUEUE, Offset(0)), ((0..end).collect(), vec![]));
    house.turn();
    assert_eq!(house.counter("indexes_rebuilt"), numbers.len() as u64);
    for (number, original) in numbers.iter().zip(original) {
        assert_eq!(house.disk.files.get(&FileName::Index(*number)), original.as_ref());
    }
    let end = house.visible_end(other).0;
    assert_eq!(house.read_all(other, Offset(0)), ((0..end).collect(), vec![]));
}

#[test]
fn a_damaged_index_file_is_not_believed() {
    let mut house = House::with_queue(&config());
    house.fill(QUEUE, 4);
    house.turns(20);
    let number = *house.store.segments.cold.keys().next().expect("one is cold");
    house.disk.files.get_mut(&FileName::Index(number)).expect("written")[100] ^= 1;
    let end = house.visible_end(QUEUE).0;
    assert_eq!(house.read_all(QUEUE, Offset(0)), ((0..end).collect(), vec![]));
    assert_eq!(house.counter("indexes_rebuilt"), 1);
}

#[test]
fn damage_is_a_gap_of_exactly_its_sections() {
    let mut house = House::with_queue(&config());
    house.fill(QUEUE, 2);
    let place = house.store.segments.hot[0].batches[3];
    let entry = *house.store.queues[&QUEUE]
        .index
        .entries
        .iter()
        .find(|entry| entry.index == place.index)
        .expect("its section");
    house.disk.segment(place.segment)[place.position as usize + 5000] ^= 1;
    let unreadable = house.store.segments.hot[0].batches[8];
    let block = u64::from(unreadable.position / 4096);
    house.disk.unreadable.insert((FileName::Segment(unreadable.segment), block));
    let entry_8 = *house.store.queues[&QUEUE]
        .index
        .entries
        .iter()
        .find(|entry| entry.index == unreadable.index)
        .expect("its section");
    let gap = |first: u64| (first, first + 1, GapReason::Damage);
    let end = house.visible_end(QUEUE).0;
    let (seen, gaps) = house.read_all(QUEUE, Offset(0));
    assert_eq!(gaps, [gap(entry.first_offset.0), gap(entry_8.first_offset.0)]);
    assert_eq!(seen.len() as u64, end - 2);
    assert_eq!(house.counter("damaged_batches"), 2);
}

/// Cold segments, the first of which lost its index file; and a block of a batch in it.
fn without_an_index() -> (House, (FileName, u64), Vec<u8>) {
    let mut house = House::with_queue(&StoreConfig { recent_bytes_max: 0, ..config() });
    house.fill(QUEUE, 4);
    house.turns(20);
    let number = *house.store.segments.cold.keys().next().expect("one is cold");
    let index = house.disk.files.remove(&FileName::Index(number)).expect("written");
    (house, (FileName::Segment(number), 20), index)
}

#[test]
fn an_index_is_built_without_what_cannot_be_read_and_not_kept() {
    let (mut house, block, _) = without_an_index();
    let FileName::Segment(number) = block.0 else { panic!("a segment's") };
    house.disk.unreadable.insert(block);
    let end = house.visible_end(QUEUE).0;
    let (seen, gaps) = house.read_all(QUEUE, Offset(0));
    let [(first, to, GapReason::Damage)] = gaps[..] else { panic!("{gaps:?}") };
    assert_eq!((to - first, seen.len() as u64), (1, end - 1), "a batch of this log has one record");
    house.turns(20);
    assert!(!house.disk.files.contains_key(&FileName::Index(number)));
    house.disk.unreadable.clear();
    let mut house = house.restart();
    assert_eq!(house.read_all(QUEUE, Offset(0)), ((0..end).collect(), vec![]), "it is there again");
}

#[test]
fn what_cannot_be_read_for_a_moment_is_in_the_index_that_is_built() {
    let (mut house, block, index) = without_an_index();
    house.disk.unreadable.insert(block);
    let since_ns = house.mono_ns;
    assert!(matches!(house.store.read(QUEUE, Offset(0), 1, 1), Read::Wait(_)));
    while house.mono_ns < since_ns + SECOND {
        house.turn_when_due();
        assert!(matches!(house.store.read(QUEUE, Offset(0), 1, 1), Read::Wait(_)));
    }
    house.disk.unreadable.clear();
    let end = house.visible_end(QUEUE).0;
    assert_eq!(house.read_all(QUEUE, Offset(0)), ((0..end).collect(), vec![]));
    house.turn();
    let FileName::Segment(number) = block.0 else { panic!("a segment's") };
    assert_eq!(house.disk.files.get(&FileName::Index(number)), Some(&index), "the same bytes");
}

#[test]
fn times_lead_to_offsets() {
    let mut house = House::with_queue(&config());
    let start = house.wall_ns;
    for _ in 0..10 {
        house.wall_ns += SECOND;
        house.publish(QUEUE, 2, 10);
        house.turn();
    }
    let store = &house.store;
    assert_eq!(store.offset_at(QUEUE, start), Some(Offset(0)));
    assert_eq!(store.offset_at(QUEUE, start + 5 * SECOND), Some(Offset(8)));
    assert_eq!(store.offset_at(QUEUE, start + 99 * SECOND), Some(Offset(20)), "the end");
    assert_eq!(store.offset_at(QueueId(77), start), None);
}

#[test]
fn reads_in_flight_are_bounded_and_shared() {
    let mut house = House::with_queue(&config());
    house.fill(QUEUE, 2);
    let Read::Wait(first) = house.store.read(QUEUE, Offset(0), 1, 1) else { panic!("on the disk") };
    let Read::Wait(second) = house.store.read(QUEUE, Offset(1), 1, 1) else {
        panic!("on the disk")
    };
    assert_eq!(first, second, "the neighbour comes with it");
    house.plan();
    let reads = house.plans.iter().filter(|plan| matches!(plan, Plan::Read { .. })).count();
    assert_eq!(reads, 1);
}

#[test]
fn an_index_file_says_the_same_as_the_entries_did() {
    let mut house = House::with_queue(&config());
    house.fill(QUEUE, 2);
    let entries: Vec<_> = house.store.queues[&QUEUE].index.entries.iter().copied().collect();
    let first_segment = house.store.segments.hot[0].number;
    house.fill(QUEUE, 4);
    house.turns(20);
    let file = FileName::Index(first_segment);
    let mut bytes =
        vec![0; usize::try_from(house.disk.length(file).expect("written")).expect("small")];
    house.disk.read(file, 0, &mut bytes).expect("written");
    let index = SegmentIndex::read(first_segment, &Bytes::from(bytes)).expect("whole");
    let base = house.store.segments.cold[&first_segment].end;
    for entry in entries.iter().filter(|entry| entry.index < base) {
        let found = index.find(QUEUE, entry.first_offset);
        let crate::index_file::ColdLookup::Section(found) = found else { panic!("{entry:?}") };
        assert_eq!((found.first_offset, found.count), (entry.first_offset, entry.count));
        let place = index.batches_from(found.batch).next().expect("its batch");
        assert_eq!(place.index, entry.index);
    }
}
