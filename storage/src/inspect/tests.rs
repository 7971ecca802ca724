//! Tests of inspect: it tells what is there, and what is wrong, and changes nothing.

use super::*;
use crate::batch::SectionHeader;
use crate::log::Purpose;
use crate::log::tests::{Bench, SEGMENT_BYTES, config};
use crate::segment::batches_end;
use wire::{Offset, ShardId};

const QUEUE: QueueId = QueueId(1 << 16);

/// A log of 40 sections of 3 records in one queue, and a note.
fn bench() -> Bench {
    let mut bench = Bench::new(&config());
    let mut records = Vec::new();
    for _ in 0..3 {
        let record = wire::record::Record {
            born_ns: 1,
            key: b"",
            tag: b"",
            properties: wire::record::Properties::default(),
            body: &[7; 5000],
        };
        wire::record::write_record(&mut records, &record, 1 << 20).expect("fits");
    }
    for nth in 0..40 {
        let header = SectionHeader {
            queue: QUEUE,
            first_offset: Offset(nth * 3),
            count: 3,
            records_bytes: u32::try_from(records.len()).expect("short"),
            accepted_ns: 100 + nth,
            ..SectionHeader::default()
        };
        bench.log.append(&header, &records, Purpose::Data).expect("room");
        bench.turn();
    }
    bench.append(0, 10, Purpose::Note).expect("room");
    bench.turn();
    bench.turn();
    bench
}

#[test]
fn both_depths_tell_the_same() {
    let mut disk = bench().disk;
    let before = disk.clone();
    for depth in [Depth::Overview, Depth::Verify] {
        let report = inspect(&mut disk, depth).expect("readable");
        let first_end = (QUEUE, Offset(0), Offset(120));
        assert_eq!(report.queues.len(), 1);
        let QueueRange { queue, first, end } = report.queues[0];
        assert_eq!((queue, first, end), first_end, "{depth:?}");
        assert_eq!(report.segments.iter().map(|segment| segment.batch_count).sum::<u64>(), 41);
        assert_eq!(report.segments.iter().map(|segment| segment.record_count).sum::<u64>(), 121);
        assert_eq!((report.damage.len(), report.superblock_copies), (0, 4));
        assert_eq!(report.superblock.expect("whole").shard, ShardId(1));
        assert_eq!(report.segments.last().expect("some").state, SegmentState::Empty);
    }
    assert_eq!(disk.files, before.files, "read only");
}

#[test]
fn verify_finds_any_flipped_byte_of_a_batch() {
    let whole = bench().disk;
    let report = inspect(&mut whole.clone(), Depth::Verify).expect("readable");
    let batch = report.segments[1].batches[2].place;
    for at in (batch.position..batch.position + batch.bytes).step_by(509) {
        let mut disk = whole.clone();
        disk.segment(batch.segment)[at as usize] ^= 1;
        let report = inspect(&mut disk, Depth::Verify).expect("readable");
        assert_eq!(report.damage.len(), 1, "byte {at}");
        let range = &report.damage[0];
        assert_eq!(
            (range.file, range.position),
            (FileName::Segment(batch.segment), u64::from(batch.position))
        );
    }
}

#[test]
fn lost_headers_and_superblocks_are_told() {
    let mut disk = bench().disk;
    disk.files.remove(&FileName::Superblock);
    for at in [0, 4096, batches_end(SEGMENT_BYTES) as usize] {
        disk.segment(2)[at] ^= 1;
    }
    let report = inspect(&mut disk, Depth::Overview).expect("readable");
    assert_eq!(report.segments[1].state, SegmentState::Unreadable);
    assert_eq!(report.damage.len(), 2);
    assert!(report.superblock.is_none());
}

#[test]
fn a_torn_tail_is_told_apart() {
    let mut bench = bench();
    bench.append(1, 9000, Purpose::Note).expect("room");
    bench.plan();
    let flush = bench.plans.remove(0);
    bench.disk.crash_during(&flush, &mut |sector| sector != 4);
    let report = inspect(&mut bench.disk, Depth::Overview).expect("readable");
    assert!(report.damage.is_empty() && report.torn.is_some());
}
