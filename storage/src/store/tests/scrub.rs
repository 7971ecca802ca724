//! Scrub: rot is found without a reader, at a bounded pace, and nobody is disturbed.

use super::*;
use crate::log::BatchPlace;
use crate::plan::{DiskFault, FileName};
use crate::superblock::Superblock;
use std::collections::BTreeSet;

const MINUTE: u64 = 60 * SECOND;

fn scrubbing() -> StoreConfig {
    StoreConfig {
        scrub_period_ns: MINUTE,
        scrub_bytes_per_second_max: 1 << 30,
        recent_bytes_max: 0,
        ..config()
    }
}

/// Cold, hot and open segments, and a snapshot.
fn house(config: &StoreConfig) -> House {
    let mut house = House::with_queue(config);
    house.fill(QUEUE, 5);
    house.turns(20);
    house.store.snapshots.wanted = Some(LogIndex(0));
    house.turns(20);
    house
}

impl House {
    /// Turns, as far apart as the store wants them, for a while; what was found.
    fn let_pass(&mut self, span_ns: u64) -> Vec<DamagedRange> {
        let (end_ns, mut found) = (self.mono_ns + span_ns, Vec::new());
        while self.mono_ns < end_ns {
            let next_ns = self.store.deadline_ns().unwrap_or(end_ns);
            self.mono_ns = next_ns.clamp(self.mono_ns, end_ns);
            self.turn();
            found.extend(std::iter::from_fn(|| self.store.next_damage()));
        }
        found
    }

    fn scrubbed_bytes(&self) -> u64 {
        self.store.scrub.bytes
    }
}

#[test]
fn a_pass_reads_all_that_is_sealed_and_finds_nothing_in_a_sound_log() {
    let mut house = house(&scrubbing());
    assert_eq!(house.let_pass(3 * MINUTE), []);
    let sealed: u64 = house.store.log.segments().filter(|info| info.sealed).count() as u64;
    let passes = house.store.scrub.passes;
    assert!((2..=4).contains(&passes), "{passes} in three periods");
    assert!(house.scrubbed_bytes() >= 2 * (sealed - 1) * SEGMENT_BYTES * 3 / 4);
    assert!(house.store.scrub.last_pass_seconds > 0);
    assert_eq!(house.counter("damaged_batches"), 0);
}

#[test]
fn rot_is_found_named_and_quarantined_before_anybody_reads_it() {
    for segment in [1, 2, 4] {
        let mut house = house(&scrubbing());
        let all = house.store.log.segments().map(|info| info.number).collect::<Vec<_>>();
        assert!(all.contains(&segment));
        let position = 64 * 1024 + 5 * 12 * 1024;
        house.disk.segment(segment)[position + 700] ^= 1;
        let found = house.let_pass(2 * MINUTE);
        assert_eq!(found.len(), 1, "once, though there were two passes: {found:?}");
        let range = &found[0];
        assert_eq!(range.file, FileName::Segment(segment));
        assert!((range.position..range.position + range.bytes).contains(&(position as u64 + 700)));
        assert_eq!(range.lost.len(), 1, "{range:?}");
        let QueueRange { queue, first, end } = range.lost[0];
        assert_eq!((queue, end), (QUEUE, first.plus(1)));
        let before = house.counter("reads_from_disk");
        let gap = Read::Gap { to: end, reason: GapReason::Damage };
        assert_eq!(format!("{:?}", house.read(QUEUE, first)), format!("{gap:?}"));
        assert_eq!(house.counter("reads_from_disk"), before, "it is not read again to know");
        let (seen, gaps) = house.read_all(QUEUE, Offset(0));
        assert_eq!(gaps, [(first.0, end.0, GapReason::Damage)]);
        assert_eq!(seen.len() as u64, house.visible_end(QUEUE).0 - 1);
    }
}

#[test]
fn rot_beside_rot_that_was_told_is_told_too() {
    let mut house = house(&scrubbing());
    let (first, second) = {
        let batches = &house.store.segments.hot[0].batches;
        (batches[0], batches[1])
    };
    let middle = |place: &BatchPlace| (place.position + place.bytes / 2) as usize;
    let blocks_told = |house: &House| house.store.findings.blocks;
    house.disk.segment(first.segment)[middle(&first)] ^= 1;
    assert_eq!(house.let_pass(2 * MINUTE).len(), 1);
    let before = blocks_told(&house);
    house.disk.segment(second.segment)[middle(&second)] ^= 1;
    let found = house.let_pass(2 * MINUTE);
    let [range] = found.as_slice() else { panic!("{found:?}") };
    let told = range.position..range.position + range.bytes;
    assert!(told.contains(&(middle(&second) as u64)), "{range:?}");
    assert_eq!(blocks_told(&house) - before, u64::from(second.bytes / 4096), "each once");
    assert_eq!(house.let_pass(2 * MINUTE), [], "and once");
}

#[test]
fn a_rotten_file_of_many_pieces_is_named_and_the_pass_goes_on() {
    let mut house = House::with_queue(&scrubbing());
    for number in 1..500 {
        house.store.create_queue(QueueId::new(TopicId(1), number), QueueLevel::Durable, 0);
        house.publish(QueueId::new(TopicId(1), number), 1, 8);
    }
    house.fill(QUEUE, 3);
    house.store.snapshots.wanted = Some(LogIndex(0));
    house.turns(20);
    let snapshot = *house.store.snapshots.numbers().last().expect("one was taken");
    let bytes = house.disk.files.get_mut(&FileName::Snapshot(snapshot)).expect("there");
    assert!(bytes.len() > 2 * 4096, "{}", bytes.len());
    bytes[5000] ^= 1;
    let passes = house.store.scrub.passes;
    let found = house.let_pass(4 * MINUTE);
    assert_eq!(
        found.iter().map(|range| range.file).collect::<Vec<_>>(),
        [FileName::Snapshot(snapshot)]
    );
    assert!(house.store.scrub.passes > passes + 1, "the scrub is stuck");
}

#[test]
fn a_snapshot_that_claims_to_be_longer_than_it_is_is_named_from_its_front() {
    const LENGTH_PLACE: usize = 56;
    for byte in [LENGTH_PLACE + 2, LENGTH_PLACE + 7] {
        let mut house = house(&scrubbing());
        let snapshot = *house.store.snapshots.numbers().last().expect("one was taken");
        let file = FileName::Snapshot(snapshot);
        house.disk.files.get_mut(&file).expect("there")[byte] ^= 0x40;
        let found = house.let_pass(2 * MINUTE);
        let [range] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((range.file, range.position), (file, 0));
        assert!(range.bytes > byte as u64 && range.lost.is_empty(), "{range:?}");
        assert!(house.counter("snapshots") >= 2, "another one was taken");
    }
}

#[test]
fn a_stray_copy_of_a_later_batch_takes_what_it_was_written_over_and_no_more() {
    for (from, to) in [(12, 5), (5, 12), (6, 5), (14, 1)] {
        let mut house = house(&scrubbing());
        let at = |nth: usize| 64 * 1024 + nth * 12 * 1024;
        let segment = house.disk.segment(1);
        segment.copy_within(at(from)..at(from + 1), at(to));
        house.disk.files.remove(&FileName::Index(1));
        let found = house.let_pass(2 * MINUTE);
        let lost: Vec<_> = found.iter().flat_map(|range| range.lost.clone()).collect();
        let [QueueRange { queue: QUEUE, first, end }] = lost[..] else { panic!("{found:?}") };
        assert_eq!(end, first.plus(1), "a batch of this log holds one record");
        let all = house.visible_end(QUEUE).0;
        let (seen, gaps) = house.read_all(QUEUE, Offset(0));
        assert_eq!(gaps, [(first.0, end.0, GapReason::Damage)]);
        assert_eq!(seen.len() as u64, all - 1);
    }
}

#[test]
fn a_glitch_of_one_read_is_not_believed() {
    let mut house = house(&scrubbing());
    let block = (FileName::Segment(1), 20);
    house.disk.unreadable.insert(block);
    let mut is_over = false;
    while !is_over {
        house.mono_ns = house.store.deadline_ns().expect("it goes on").max(house.mono_ns);
        house.plan();
        for plan in std::mem::take(&mut house.plans) {
            let done = house.disk.carry_out(&plan);
            is_over |= matches!(done, Done::Read(_, Err(_)));
            house.tell(done);
        }
    }
    house.disk.unreadable.remove(&block);
    assert_eq!(house.let_pass(2 * MINUTE), []);
}

#[test]
fn whatever_bears_a_checksum_is_looked_at_and_written_anew_where_its_like_is_known() {
    let mut house = house(&scrubbing());
    let batch = house.store.segments.hot[0].batches[0];
    let padding = (batch.position + batch.bytes) as usize - 1;
    let snapshot = *house.store.snapshots.numbers().last().expect("one was taken");
    let last_byte = usize::try_from(SEGMENT_BYTES).expect("small") - 1;
    let flips = [
        (FileName::Segment(batch.segment), padding),
        (FileName::Segment(1), 4096 + 9),
        (FileName::Segment(2), last_byte),
        (FileName::Index(1), 77),
        (FileName::Snapshot(snapshot), 300),
        (FileName::Superblock, 2 * 4096 + 50),
    ];
    let index = house.disk.files[&FileName::Index(1)].clone();
    for (file, at) in flips {
        house.disk.files.get_mut(&file).expect("there")[at] ^= 1;
    }
    let found = house.let_pass(2 * MINUTE);
    for (file, at) in flips {
        let covers = |range: &&DamagedRange| {
            range.file == file
                && (range.position..range.position + range.bytes).contains(&(at as u64))
        };
        assert!(found.iter().any(|range| covers(&range)), "{file} {at}: {found:?}");
    }
    assert!(found.iter().all(|range| range.lost.is_empty()), "nothing is lost: {found:?}");
    let copies = house.disk.files[&FileName::Superblock].chunks(4096);
    assert!(copies.map(Superblock::decode).all(|copy| copy.is_ok()));
    assert!(house.counter("snapshots") >= 2, "another one was taken");
    assert_eq!(house.disk.files[&FileName::Index(1)], index, "the same bytes");
    let end = house.visible_end(QUEUE).0;
    assert_eq!(house.restart().read_all(QUEUE, Offset(0)), ((0..end).collect(), vec![]));
}

#[test]
fn a_block_that_cannot_be_read_is_told_and_left_to_who_needs_it() {
    let mut house = house(&scrubbing());
    let batch = house.store.segments.hot[0].batches[1];
    let (file, position) = (FileName::Segment(batch.segment), u64::from(batch.position));
    let block = (file, position / 4096);
    house.disk.unreadable.insert(block);
    let found = house.let_pass(2 * MINUTE);
    let place = |range: &DamagedRange| (range.file, range.position, range.bytes);
    let of_batch = (file, position, u64::from(batch.bytes));
    assert_eq!(found.iter().map(place).collect::<Vec<_>>(), [of_batch], "once: {found:?}");
    assert!(found[0].lost.is_empty() && found[0].what.ends_with("cannot be read"), "{found:?}");
    house.disk.unreadable.remove(&block);
    let end = house.visible_end(QUEUE).0;
    assert_eq!(house.read_all(QUEUE, Offset(0)), ((0..end).collect(), vec![]), "it is not lost");
}

#[test]
fn a_drive_that_reads_nothing_for_a_moment_damages_nothing() {
    let mut house = house(&scrubbing());
    let files: Vec<FileName> = house.disk.files.keys().copied().collect();
    let blocks = files.iter().flat_map(|file| (0..SEGMENT_BYTES / 4096).map(|at| (*file, at)));
    let all: BTreeSet<_> = blocks.collect();
    let end = house.visible_end(QUEUE).0;
    // Somebody who is behind meets it at every offset in turn, the scrub wherever it is.
    for from in (0..end).cycle().step_by(7).take(40) {
        house.disk.unreadable.clone_from(&all);
        let _ = house.store.read(QUEUE, Offset(from), 1, 1);
        assert_eq!(house.let_pass(SECOND), []);
        house.disk.unreadable.clear();
        let read = house.read(QUEUE, Offset(from));
        assert!(matches!(read, Read::Records { .. }), "{read:?}");
        assert_eq!(house.let_pass(3 * SECOND), []);
    }
    assert_eq!(house.read_all(QUEUE, Offset(0)), ((0..end).collect(), vec![]));
    assert!(house.counter("reads_failed") > 20, "{}", house.counter("reads_failed"));
    assert_eq!(house.counter("damaged_batches"), 0);
}

#[test]
fn it_never_reads_faster_than_its_bound() {
    let bound = 20_000;
    let config =
        StoreConfig { scrub_period_ns: SECOND, scrub_bytes_per_second_max: bound, ..scrubbing() };
    let mut house = house(&config);
    let before = house.scrubbed_bytes();
    for minutes in 1..=5 {
        house.let_pass(MINUTE);
        let read = house.scrubbed_bytes() - before;
        assert!(read <= minutes * 60 * bound + (512 << 10), "{read} in {minutes} min");
        assert!(read + (512 << 10) >= minutes * 60 * bound, "{read}: it makes use of it");
    }
}

#[test]
fn it_waits_for_those_who_read_but_not_for_ever() {
    let mut house = house(&scrubbing());
    house.let_pass(SECOND);
    assert!(matches!(house.store.read(QUEUE, Offset(0), 1, 1), Read::Wait(_)));
    let before = house.scrubbed_bytes();
    // The reader's read does not end.
    let mut waited_ns = 0;
    while house.scrubbed_bytes() == before {
        let next_ns = house.store.deadline_ns().expect("it goes on").max(house.mono_ns + 1);
        waited_ns += next_ns - house.mono_ns;
        house.mono_ns = next_ns;
        house.plan();
        assert!(waited_ns < 2 * MINUTE, "it starves");
    }
    assert!(house.store.reader.is_reading());
}

#[test]
fn a_segment_that_retention_takes_meanwhile_is_no_damage() {
    let mut house = house(&scrubbing());
    house.store.config.retention_ns = 1;
    for _ in 0..400 {
        house.mono_ns = house.store.deadline_ns().unwrap_or(0).max(house.mono_ns + MS);
        house.plan();
        // What goes is gone before what is to be read.
        let (mut reads, mut rest) = (Vec::new(), Vec::new());
        for plan in std::mem::take(&mut house.plans) {
            if matches!(plan, Plan::Read { .. }) { reads.push(plan) } else { rest.push(plan) }
        }
        house.publish(QUEUE, 1, 8 * 1024);
        house.plan();
        rest.append(&mut house.plans);
        for plan in rest.into_iter().chain(reads) {
            let done = house.disk.carry_out(&plan);
            if let Done::Read(_, Err(fault)) = &done {
                assert_eq!(*fault, DiskFault::Missing);
            }
            house.tell(done);
        }
        assert_eq!(house.store.next_damage(), None);
    }
    assert!(house.counter("segments_aged_out") > 3);
}

#[test]
fn a_pass_goes_on_where_it_was_after_a_restart() {
    let mut house = house(&scrubbing());
    while house.store.log.scrub_segment() < 3 {
        house.let_pass(SECOND);
    }
    house.store.log.rewrite_superblock();
    house.turns(2);
    let at = house.store.log.scrub_segment();
    let house = house.restart();
    assert_eq!(house.store.log.scrub_segment(), at);
}

#[test]
fn it_can_be_switched_off() {
    let mut house = house(&StoreConfig { scrub_period_ns: 0, ..scrubbing() });
    house.let_pass(10 * MINUTE);
    assert_eq!(house.scrubbed_bytes(), 0);
}
