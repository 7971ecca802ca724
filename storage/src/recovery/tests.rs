//! Tests of recovery: crashes at every plan and sector, damage at every place, and what must be told apart.

use super::*;
use crate::log::tests::{Bench, SEGMENT_BYTES, config};
use crate::log::{Log, LogConfig, LogOpened, Purpose, Start};
use crate::plan::{FileName, OpIds, Plan};
use crate::segment::{HEAD_BYTES, Owner, batches_end};
use crate::store::OpenError;
use crate::testing::FakeDisk;
use wire::{LogIndex, ShardId};

const SECTOR: usize = 512;

/// What a recovery showed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    /// Index and the byte every record of the batch is filled with.
    batches: Vec<(u64, u8)>,
    places: Vec<(u64, u32, u32)>,
    damages: usize,
}

fn open_as(
    config: &LogConfig,
    disk: &mut FakeDisk,
    start: Start,
) -> Result<(LogOpened, Seen), OpenError> {
    let mut seen = Seen::default();
    let opened = Log::open(config, disk, start, &mut |found| match found {
        Found::Damage { .. } => seen.damages += 1,
        Found::Batch { place, batch } => {
            let (_, section, records) = batch.sections().next().expect("a section");
            let fill = u8::try_from(section.first_offset.0).expect("a byte");
            assert!(records.iter().all(|byte| *byte == fill), "wrong bytes served");
            seen.batches.push((place.index.0, fill));
            seen.places.push((place.segment, place.position, place.bytes));
        }
    })?;
    Ok((opened, seen))
}

fn open(disk: &mut FakeDisk) -> Result<(LogOpened, Seen), OpenError> {
    open_as(&config(), disk, Start::default())
}

/// A log with batches 0.. of one note each, and the disk it left.
fn written(lengths: &[usize]) -> FakeDisk {
    let mut bench = Bench::new(&config());
    for (fill, length) in (0..).zip(lengths) {
        append(&mut bench, fill, *length);
        bench.turn();
    }
    bench.disk
}

fn append(bench: &mut Bench, fill: u8, length: usize) {
    for _ in 0..9 {
        if bench.append(fill, length, Purpose::Note).is_ok() {
            return;
        }
        bench.turn();
    }
    panic!("no room for batch {fill}");
}

fn batches(count: u8) -> Vec<(u64, u8)> {
    (0..count).map(|fill| (u64::from(fill), fill)).collect()
}

/// Goes on writing after a recovery, and finds all of it again.
fn goes_on(disk: FakeDisk, opened: LogOpened, mut expected: Vec<(u64, u8)>) {
    let mut bench =
        Bench { disk, log: opened.log, ops: OpIds::default(), plans: Vec::new(), now_ns: 9 };
    for fill in 200..203 {
        append(&mut bench, fill, 5000);
        expected.push((bench.log.appended_end().0 - 1, fill));
        bench.turn();
    }
    let (_, seen) = open(&mut bench.disk).expect("opens again");
    assert_eq!(seen.batches, expected);
}

#[test]
fn all_that_was_flushed_is_found_again_and_again() {
    let lengths = [100, 9000, 60_000, 60_000, 60_000, 60_000, 60_000, 60_000, 3000];
    let mut disk = written(&lengths);
    for _ in 0..3 {
        let (opened, seen) = open(&mut disk).expect("whole");
        assert_eq!(seen.batches, batches(9));
        assert_eq!((opened.report.cut_bytes, opened.report.damaged.len()), (0, 0));
        assert!(opened.log.segments().count() >= 2);
        assert_eq!(opened.log.durable_end(), LogIndex(9));
    }
    let (opened, _) = open(&mut disk).expect("whole");
    goes_on(disk, opened, batches(9));
}

#[test]
fn replay_starts_at_the_snapshot() {
    let mut disk = written(&[60_000; 9]);
    let start = Start { from: LogIndex(6), ..Start::default() };
    let (opened, seen) = open_as(&config(), &mut disk, start).expect("whole");
    assert_eq!((&seen.batches[..], seen.damages), (&batches(9)[6..], 0));
    assert!(opened.report.batches < 9, "segments before it are not read");
    assert_eq!(opened.log.durable_end(), LogIndex(9));
}

#[test]
fn a_crash_between_any_two_plans_loses_nothing_acknowledged() {
    // Everything is written, one step of one plan at a time; after each the power goes.
    let mut bench = Bench::new(&config());
    let mut acknowledged = 0;
    for round in 0..12_u8 {
        append(&mut bench, round, 40_000);
        bench.plan();
        for plan in std::mem::take(&mut bench.plans) {
            check_crash(&bench.disk, &plan, acknowledged, round);
            bench.plans = vec![plan];
            bench.carry_out();
            acknowledged = u8::try_from(bench.log.durable_end().0).expect("few");
            check_open(&mut bench.disk.clone(), acknowledged, acknowledged);
        }
    }
}

/// Loses power at the sectors of a plan: up to one, from one on, and one alone.
fn check_crash(disk: &FakeDisk, plan: &Plan, acknowledged: u8, appended: u8) {
    let count = FakeDisk::sector_count(plan).max(8);
    let superblock = matches!(plan, Plan::WriteSuperblock { .. });
    for cut in (0..count).filter(|cut| *cut < 24 || cut % 9 == 0 || *cut + 9 > count) {
        let mut forwards = disk.clone();
        forwards.crash_during(plan, &mut |sector| sector < cut);
        check_open(&mut forwards, acknowledged, appended + 1);
        if superblock {
            continue; // Its copies are written one after another, with a sync between.
        }
        let mut backwards = disk.clone();
        backwards.crash_during(plan, &mut |sector| sector >= cut);
        check_open(&mut backwards, acknowledged, appended + 1);
        let mut alone = disk.clone();
        alone.crash_during(plan, &mut |sector| sector == cut);
        check_open(&mut alone, acknowledged, appended + 1);
    }
}

/// Opens: all that was acknowledged is there, nothing that was not written, nothing damaged.
fn check_open(disk: &mut FakeDisk, acknowledged: u8, appended: u8) {
    let (opened, seen) = open(disk).expect("a crash is no damage");
    assert_eq!(seen.damages, 0);
    assert!(opened.report.damaged.is_empty());
    let found = u8::try_from(seen.batches.len()).expect("few");
    assert_eq!(seen.batches, batches(found));
    assert!((acknowledged..=appended).contains(&found), "{acknowledged} <= {found} <= {appended}");
}

#[test]
fn a_torn_tail_is_cut_and_never_comes_back() {
    let mut bench = Bench::new(&config());
    append(&mut bench, 0, 100);
    bench.turn();
    append(&mut bench, 1, 9000);
    bench.plan();
    let flush = bench.plans.remove(0);
    for missing in 0..FakeDisk::sector_count(&flush) {
        let mut disk = bench.disk.clone();
        disk.crash_during(&flush, &mut |sector| sector != missing);
        let (opened, seen) = open(&mut disk).expect("torn is no damage");
        if seen.batches.len() == 2 {
            continue; // Only padding was missing.
        }
        assert_eq!(seen.batches, batches(1), "sector {missing}");
        assert!(opened.report.cut_bytes > 0);
        // The missing sector turns up: what was cut stays cut (rule 5).
        let mut late = disk.clone();
        late.crash_during(&flush, &mut |sector| sector == missing);
        assert_eq!(open(&mut late).expect("sealed").1.batches, batches(1));
        goes_on(disk, opened, batches(1));
    }
}

#[test]
fn damage_to_the_last_batch_is_never_cut() {
    let whole = written(&[100, 9000]);
    let (_, seen) = open(&mut whole.clone()).expect("whole");
    let (segment, position, bytes) = seen.places[1];
    let body_end = position as usize + 9000 + 56 + 128 + 3 * 32;
    for at in (position as usize..body_end).step_by(97).chain([position as usize + 3]) {
        let mut disk = whole.clone();
        disk.segment(segment)[at] ^= 4;
        let (opened, seen) = open(&mut disk).expect("quarantined, not refused");
        assert_eq!((seen.batches, seen.damages), (batches(1), 1), "byte {at}");
        assert_eq!(opened.report.cut_bytes, 0);
        let range = &opened.report.damaged[0];
        assert_eq!((range.file, range.position), (FileName::Segment(segment), u64::from(position)));
        assert!(range.bytes <= u64::from(bytes));
        assert!(
            opened.log.durable_end() >= LogIndex(2 + OFFSETS_SKIPPED - 1),
            "its number is never used again"
        );
        goes_on(disk, opened, batches(1));
    }
}

#[test]
fn a_segment_without_a_batch_that_can_be_read_keeps_its_age() {
    let whole = written(&[100]);
    let newest_ns = |disk: &mut FakeDisk| {
        let (opened, seen) = open(disk).expect("quarantined, not refused");
        let newest_ns = opened.log.segments().next().expect("one").newest_ns;
        (seen.damages, newest_ns)
    };
    let (_, written_ns) = newest_ns(&mut whole.clone());
    assert!(written_ns > 0, "the first of a new log knows its time, too");
    let (_, seen) = open(&mut whole.clone()).expect("whole");
    let (segment, position, _) = seen.places[0];
    let mut disk = whole;
    disk.unreadable.insert((FileName::Segment(segment), u64::from(position / 4096)));
    assert_eq!(newest_ns(&mut disk), (1, written_ns), "or retention would take it at once");
}

#[test]
fn damage_below_s_is_told_and_the_rest_is_served() {
    let whole = written(&[100, 9000, 60_000, 200, 60_000, 60_000, 60_000, 100]);
    let (_, seen) = open(&mut whole.clone()).expect("whole");
    for victim in 0..7 {
        let (segment, position, bytes) = seen.places[victim];
        for at in [0, 60, 130, 200] {
            let mut disk = whole.clone();
            disk.segment(segment)[position as usize + at] ^= 1;
            check_quarantined(disk, victim, (segment, position));
        }
        let mut lost = whole.clone();
        lost.segment(segment)[position as usize..(position + bytes) as usize].fill(0);
        check_quarantined(lost, victim, (segment, position));
        let mut unreadable = whole.clone();
        unreadable.unreadable.insert((FileName::Segment(segment), u64::from(position / 4096)));
        check_quarantined(unreadable, victim, (segment, position));
    }
}

fn check_quarantined(mut disk: FakeDisk, victim: usize, (segment, position): (u64, u32)) {
    for _ in 0..2 {
        let (opened, found) = open(&mut disk).expect("the rest is served");
        let mut expected = batches(8);
        expected.remove(victim);
        assert_eq!(found.batches, expected, "batch {victim}");
        assert_eq!(found.damages, 1);
        let range = &opened.report.damaged[0];
        assert_eq!((range.file, range.position), (FileName::Segment(segment), u64::from(position)));
        assert_eq!(opened.log.durable_end(), LogIndex(8));
    }
}

#[test]
fn a_stray_copy_of_a_later_batch_hides_none_before_it() {
    let mut disk = written(&[9000, 100, 100, 100, 100]);
    let (_, seen) = open(&mut disk).expect("whole");
    let (segment, victim, _) = seen.places[0];
    let (_, from, _) = seen.places[3];
    let (victim, from) = (victim as usize + 4096, from as usize);
    disk.segment(segment).copy_within(from..from + 4096, victim);
    let (_, seen) = open(&mut disk).expect("one batch is given up");
    assert_eq!((&seen.batches[..], seen.damages), (&batches(5)[1..], 1));
}

#[test]
fn a_stray_copy_of_an_earlier_batch_hides_none_after_it() {
    let mut disk = written(&[100, 100, 9000, 100, 100]);
    let (_, seen) = open(&mut disk).expect("whole");
    let (segment, from, _) = seen.places[1];
    let (_, victim, bytes) = seen.places[2];
    let (from, last) = (from as usize, (victim + bytes) as usize - 4096);
    disk.segment(segment).copy_within(from..from + 4096, last);
    disk.segment(segment)[from..from + 4096].fill(0);
    let (_, seen) = open(&mut disk).expect("one batch is given up");
    let mut left = batches(5);
    left.remove(2);
    assert_eq!(seen.batches, left);
}

#[test]
fn shard_zero_opens_over_damage_only_by_the_operators_word() {
    let config = LogConfig { shard: ShardId(0), ..config() };
    let mut bench = Bench::new(&config);
    for fill in 0..3 {
        append(&mut bench, fill, 100);
        bench.turn();
    }
    let mut disk = bench.disk;
    disk.segment(1)[HEAD_BYTES as usize + 4096 + 7] ^= 1;
    let refused = open_as(&config, &mut disk.clone(), Start::default()).err();
    assert!(matches!(refused, Some(OpenError::Damaged { .. })), "{refused:?}");
    let word = Start { accept_loss: true, ..Start::default() };
    let (_, seen) = open_as(&config, &mut disk, word).expect("by the operator's word");
    assert_eq!((seen.batches.len(), seen.damages), (2, 1));
    let (_, seen) = open_as(&config, &mut disk, Start::default()).expect("once is enough");
    assert_eq!((seen.batches.len(), seen.damages), (2, 1), "and it is told again");
}

#[test]
fn more_than_one_flush_can_leave_is_refused() {
    let config = LogConfig { segment_bytes: 16 << 20, log_bytes_max: 64 << 20, ..config() };
    let mut disk = Bench::new(&config).disk;
    let mut bench = Bench::new(&config);
    append(&mut bench, 0, 100);
    bench.turn();
    std::mem::swap(&mut disk, &mut bench.disk);
    let far = disk.segment(1).len() - 5 * 4096;
    disk.segment(1)[far] = 9;
    assert!(matches!(
        open_as(&config, &mut disk.clone(), Start::default()),
        Err(OpenError::Damaged { .. })
    ));
    let word = Start { accept_loss: true, ..Start::default() };
    let (opened, seen) = open_as(&config, &mut disk, word).expect("by the operator's word");
    assert_eq!(seen.batches.len(), 1);
    assert!(opened.log.durable_end().0 > OFFSETS_SKIPPED);
}

#[test]
fn evidence_of_a_sync_forbids_the_cut() {
    // The same torn batch, but a snapshot says that it was synced: rule 1, not 2.
    let mut disk = written(&[100, 9000]);
    let (_, seen) = open(&mut disk.clone()).expect("whole");
    let (segment, position, bytes) = seen.places[1];
    disk.segment(segment)[position as usize..(position + bytes) as usize].fill(0);
    let mut lied = disk.clone();
    let cut = open(&mut disk).expect("torn").1;
    assert_eq!((cut.batches.len(), cut.damages), (1, 0));
    let start = Start { from: LogIndex(2), ..Start::default() };
    let (opened, seen) = open_as(&config(), &mut lied, start).expect("quarantined");
    assert_eq!(seen.damages, 1);
    assert!(opened.log.durable_end() > LogIndex(OFFSETS_SKIPPED));
}

#[test]
fn headers_and_footers_stand_in_for_each_other() {
    let whole = written(&[60_000; 9]);
    let last = batches_end(SEGMENT_BYTES) as usize;
    for segment in 1..3 {
        for lost in [&[0][..], &[4096], &[last], &[0, 4096], &[0, last], &[4096, last]] {
            let mut disk = whole.clone();
            for at in lost {
                disk.segment(segment)[*at + 70] ^= 1;
            }
            let (opened, seen) = open(&mut disk).expect("one is enough");
            assert_eq!(seen.batches, batches(9), "segment {segment}, lost {lost:?}");
            assert!(opened.report.damaged.is_empty());
        }
    }
    let mut disk = whole.clone();
    for at in [0, 4096, last] {
        disk.segment(2)[at + 70] ^= 1;
    }
    let (_, seen) = open(&mut disk).expect("quarantined");
    assert!(seen.damages > 0 && seen.batches.len() < 9, "all three are gone");
}

#[test]
fn a_missing_file_is_told() {
    let mut disk = written(&[60_000; 10]);
    let tail = open(&mut disk.clone()).expect("whole").0.log.segments().last().expect("one").number;
    let mut middle = disk.clone();
    middle.files.remove(&FileName::Segment(2));
    assert_eq!(open(&mut middle).expect("the rest").1.damages, 1);
    disk.files.retain(|file, _| !matches!(file, FileName::Segment(number) if *number >= tail));
    // The footer before it did not land either.
    disk.segment(tail - 1)[batches_end(SEGMENT_BYTES) as usize..].fill(0);
    let (opened, seen) = open(&mut disk).expect("the rest");
    assert!(seen.damages > 0);
    assert!(opened.log.durable_end() > LogIndex(OFFSETS_SKIPPED));
    assert!(opened.log.segments().all(|segment| segment.sealed), "indexes jump between segments");
    let left = seen.batches.clone();
    goes_on(disk, opened, left);
}

#[test]
fn damage_before_the_snapshot_is_told_and_harms_nobody() {
    let config = LogConfig { shard: ShardId(0), ..config() };
    let mut bench = Bench::new(&config);
    for fill in 0..8 {
        append(&mut bench, fill, 9000);
        bench.turn();
    }
    let mut disk = bench.disk;
    disk.segment(1)[HEAD_BYTES as usize + 200] ^= 1;
    let start = Start { from: LogIndex(5), ..Start::default() };
    let (opened, seen) = open_as(&config, &mut disk, start).expect("the snapshot knows all of it");
    assert_eq!((&seen.batches[..], seen.damages), (&batches(8)[5..], 0));
    assert_eq!(opened.report.damaged.len(), 1);
    assert!(open_as(&config, &mut disk, Start::default()).is_err(), "without it, a refusal");
}

#[test]
fn the_superblock_needs_two_copies() {
    let whole = written(&[100]);
    let damage = |copies: &[usize]| {
        let mut disk = whole.clone();
        let bytes = disk.files.get_mut(&FileName::Superblock).expect("there");
        for copy in copies {
            bytes[copy * 4096 + 50] ^= 1;
        }
        disk
    };
    assert!(open(&mut damage(&[0, 3])).is_ok());
    let mut lost = damage(&[0, 1, 3]);
    assert!(matches!(open(&mut lost), Err(OpenError::Damaged { .. })));
    let word = Start { accept_loss: true, ..Start::default() };
    assert_eq!(open_as(&config(), &mut lost, word).expect("by the word").1.batches.len(), 1);
    assert!(open(&mut lost).is_ok(), "it was written anew");
    let mut gone = whole.clone();
    gone.files.remove(&FileName::Superblock);
    assert!(matches!(open(&mut gone), Err(OpenError::Damaged { .. })));
}

#[test]
fn a_start_makes_all_copies_agree_before_it_writes_the_next() {
    let mut disk = written(&[100]);
    let bytes = disk.files.get_mut(&FileName::Superblock).expect("there");
    // The power failed while copy 2 was written: 0 and 1 are new, 3 is old.
    bytes[2 * 4096 + 50] ^= 1;
    bytes[3 * 4096 + 60] ^= 1;
    let LogConfig { cluster_id, node_id, shard, .. } = config();
    let owner = Owner { cluster_id, node_id, shard };
    superblock::load(&mut disk, &owner, true, false).expect("two copies agree");
    // It fails again, while copy 0 of the next one is written.
    disk.files.get_mut(&FileName::Superblock).expect("there")[50] ^= 1;
    assert!(open(&mut disk).is_ok());
}

#[test]
fn a_start_makes_a_torn_copy_of_the_last_header_whole() {
    let whole = written(&[100]);
    for torn in [0..4096, 4096..8192] {
        let mut disk = whole.clone();
        disk.segment(1)[torn.clone()].fill(0);
        open(&mut disk).expect("the other copy is there");
        let (first, second) = disk.segment(1)[..8192].split_at(4096);
        assert_eq!(first, second, "after {torn:?} was torn");
        disk.segment(1)[4096 - torn.start..8192 - torn.start].fill(0);
        assert!(
            open(&mut disk).is_ok_and(|(_, seen)| seen.damages == 0),
            "it stands for the other"
        );
    }
}

#[test]
fn files_of_another_owner_or_version_are_refused_by_name() {
    let disk = written(&[100]);
    for foreign in [
        LogConfig { node_id: 99, ..config() },
        LogConfig { cluster_id: 99, ..config() },
        LogConfig { shard: ShardId(9), ..config() },
    ] {
        let refused = open_as(&foreign, &mut disk.clone(), Start::default()).err();
        assert!(matches!(refused, Some(OpenError::Foreign { .. })), "{refused:?}");
    }
    let mut newer = disk.clone();
    for at in [0, 4096] {
        let block: &mut [u8; 4096] =
            (&mut newer.segment(1)[at..at + 4096]).try_into().expect("a block");
        block[8] = 2;
        crate::segment::stamp(block);
    }
    let refused = open(&mut newer).err();
    assert_eq!(refused, Some(OpenError::UnknownFormat { version: 2 }));
}

#[test]
fn an_unfinished_file_is_made_again() {
    let mut disk = written(&[100]);
    let last = *disk.files.keys().rfind(|file| matches!(file, FileName::Segment(_))).expect("one");
    disk.files.insert(last, vec![0; 8192]);
    let (opened, seen) = open(&mut disk).expect("it never held anything");
    assert_eq!(seen.batches, batches(1));
    goes_on(disk, opened, batches(1));
}

#[test]
fn every_byte_of_every_header_may_rot() {
    let whole = written(&[100, 9000, 60_000, 60_000, 60_000, 60_000, 100]);
    let expected = batches(7);
    let mut positions: Vec<(u64, usize)> = Vec::new();
    for segment in 1..=2 {
        positions.extend((0..8192).step_by(61).map(|at| (segment, at)));
        positions.extend((0..1024).step_by(7).map(|at| (segment, HEAD_BYTES as usize + at)));
        let last = batches_end(SEGMENT_BYTES) as usize;
        positions.extend((0..4096).step_by(83).map(|at| (segment, last + at)));
    }
    for (segment, at) in positions {
        let mut disk = whole.clone();
        disk.segment(segment)[at] ^= 0x11;
        let (opened, seen) = open(&mut disk).expect("told, not refused");
        let lost = expected.iter().filter(|batch| !seen.batches.contains(batch)).count();
        assert!(lost == 0 || seen.damages > 0, "segment {segment}, byte {at}: lost in silence");
        assert!(seen.batches.iter().all(|batch| expected.contains(batch)));
        assert!(lost <= 1, "segment {segment}, byte {at}");
        assert_eq!(opened.report.cut_bytes, 0, "segment {segment}, byte {at}");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    #[test]
    fn arbitrary_bytes_end_in_ok_cut_or_refuse(
        patches in proptest::collection::vec((1_u64..4, 0_usize..256 * 1024, proptest::collection::vec(0_u8.., 1..700)), 0..6),
        superblock in proptest::collection::vec((0_usize..16384, 0_u8..), 0..6),
        accept_loss: bool,
    ) {
        let mut disk = written(&[100, 9000, 60_000, 60_000, 60_000, 60_000, 100]);
        for (segment, at, bytes) in patches {
            if let Some(file) = disk.files.get_mut(&FileName::Segment(segment)) {
                let end = (at + bytes.len()).min(file.len());
                let start = at.min(end);
                file[start..end].copy_from_slice(&bytes[..end - start]);
            }
        }
        let file = disk.files.get_mut(&FileName::Superblock).expect("there");
        for (at, byte) in superblock {
            file[at] = byte;
        }
        let start = Start { accept_loss, ..Start::default() };
        if let Ok((opened, seen)) = open_as(&config(), &mut disk, start) {
            // What is served is what was written, in order, and nothing is lost in silence.
            let expected = batches(7);
            assert!(seen.batches.iter().all(|batch| expected.contains(batch)));
            assert!(seen.batches.is_sorted());
            let complete = seen.batches == expected;
            assert!(complete || seen.damages > 0 || opened.report.cut_bytes > 0);
            let (again, _) = open(&mut disk).expect("repaired, so it opens");
            assert!(again.log.durable_end() >= opened.log.durable_end());
        }
    }
}

#[test]
fn a_batch_of_zero_sectors_is_told_from_a_torn_one() {
    // Records full of zeroes: their sectors are zero and right.
    let mut bench = Bench::new(&config());
    append(&mut bench, 0, 9000);
    bench.turn();
    let mut damaged = bench.disk.clone();
    damaged.segment(1)[HEAD_BYTES as usize + 2 * SECTOR + 9] = 1;
    let (_, seen) = open(&mut damaged).expect("quarantined");
    assert_eq!(seen.damages, 1, "one wrong byte among zeroes is no torn sector");
    assert_eq!(open(&mut bench.disk).expect("whole").1.batches, batches(1));
}

#[test]
fn a_batch_of_another_history_breaks_the_chain() {
    // Two logs of one seed part ways at batch 1; the second one's batch 1 is written over the first's.
    let ours = written(&[100, 5000, 100]);
    let mut bench = Bench::new(&config());
    for fill in [0, 77, 2] {
        append(&mut bench, fill, if fill == 77 { 5000 } else { 100 });
        bench.turn();
    }
    let (segment, position, bytes) = open(&mut ours.clone()).expect("whole").1.places[1];
    let stale = position as usize..(position + bytes) as usize;
    let mut mixed = ours.clone();
    mixed.segment(segment)[stale.clone()].copy_from_slice(&bench.disk.segment(segment)[stale]);
    let (opened, seen) = open(&mut mixed).expect("told, not refused");
    assert_eq!(
        (seen.damages, opened.report.cut_bytes),
        (1, 0),
        "no batch checks it but the next one"
    );
}

#[test]
fn a_torn_first_flush_is_cut_and_its_file_not_written_again() {
    // The third batch enters segment 2; of its flush only the batch lands, not the header.
    let mut bench = Bench::new(&config());
    for fill in 0..3 {
        append(&mut bench, fill, 60_000);
        bench.plan();
        if fill < 2 {
            bench.carry_out();
        }
    }
    let flush = bench.plans.iter().find(|plan| matches!(plan, Plan::Flush { head: Some(_), .. }));
    let flush = flush.expect("a segment is entered");
    let header_sectors = 2 * 4096 / SECTOR;
    let mut disk = bench.disk.clone();
    disk.crash_during(flush, &mut |sector| sector >= header_sectors);
    let (opened, seen) = open(&mut disk).expect("torn is no damage");
    assert_eq!((&seen.batches[..], seen.damages), (&batches(2)[..], 0));
    assert!(opened.report.cut_bytes > 0);
    assert!(opened.log.segments().any(|segment| segment.number == 2 && segment.sealed));
    goes_on(disk, opened, batches(2));

    // A header that landed and was damaged is another matter: an acknowledged batch may be behind it.
    let mut rotten = bench.disk.clone();
    rotten.crash_during(flush, &mut |_| true);
    for at in [0, 4096] {
        rotten.segment(2)[at + 70] ^= 1;
    }
    let (opened, seen) = open(&mut rotten).expect("quarantined");
    assert_eq!((&seen.batches[..], seen.damages), (&batches(2)[..], 1));
    assert!(opened.log.durable_end() > LogIndex(OFFSETS_SKIPPED));
    goes_on(rotten, opened, batches(2));
}
