//! Retaining: what goes by age and size, what is told of it, what never goes early.

use super::*;
use crate::plan::{Disk, FileName};

#[test]
fn size_takes_the_oldest_segments_and_publishing_goes_on() {
    let mut house = House::with_queue(&config());
    house.store.grant(QUEUE, GROUP, Offset(0)).expect("granted");
    for _ in 0..600 {
        house.publish(QUEUE, 1, 8 * 1024);
        house.turn();
    }
    assert!(house.counter("segments_sized_out") > 0);
    assert!(house.counter("log_bytes") <= house.counter("log_bytes_max"));
    let ends = house.store.ends(QUEUE).expect("made");
    assert!(ends.start > Offset(0) && ends.visible_end == Offset(600));
    let (seen, gaps) = house.read_all(QUEUE, Offset(0));
    assert_eq!(gaps, [(0, ends.start.0, GapReason::Retention)]);
    assert_eq!(seen, (ends.start.0..600).collect::<Vec<_>>());
    let oldest = house.store.segments.start.segment;
    let left = |file: &FileName| match file {
        FileName::Segment(number) | FileName::Index(number) => *number >= oldest,
        FileName::Snapshot(_) | FileName::Superblock => true,
    };
    assert!(house.disk.files.keys().all(left), "no file outlives its segment");
    let mut house = house.restart();
    assert_eq!(house.store.ends(QUEUE).expect("kept").start, ends.start);
    assert_eq!(house.read_all(QUEUE, ends.start), (seen, vec![]));
    assert!(house.store.position(QUEUE, GROUP).is_some(), "in the snapshot");
}

#[test]
fn what_a_full_log_forgets_is_what_it_writes_to_next() {
    let log_bytes_max = 12 * SEGMENT_BYTES;
    let of = StoreConfig { prepared_segments: 2, log_bytes_max, ..config() };
    let mut house = House::with_queue(&of);
    let (mut made, mut recycled, mut removed) = (0, 0, 0);
    let mut under_way = std::collections::VecDeque::new();
    for turn in 0..2400 {
        if turn % 2 == 0 {
            house.publish(QUEUE, 1, 8 * 1024);
        }
        house.plan();
        for plan in std::mem::take(&mut house.plans) {
            made += usize::from(matches!(plan, Plan::Prepare { .. }));
            if let Plan::Recycle { from, segment, .. } = plan {
                recycled += 1;
                assert!(from < segment);
            }
            if let Plan::Remove { file: FileName::Segment(number), .. } = plan {
                removed += 1;
                assert_eq!(number, 1, "the short one of the start");
            }
            let takes_time = matches!(plan, Plan::Prepare { .. } | Plan::Recycle { .. });
            under_way.push_back((turn + if takes_time { 6 } else { 0 }, plan));
        }
        let (ended, left) = under_way.drain(..).partition(|(due, _)| *due <= turn);
        under_way = left;
        for (_, plan) in Vec::from(ended) {
            let done = house.disk.carry_out(&plan);
            house.tell(done);
        }
        assert!(house.counter("log_bytes") <= house.counter("log_bytes_max"));
    }
    for (_, plan) in under_way {
        let done = house.disk.carry_out(&plan);
        house.tell(done);
    }
    house.turns(50);
    assert_eq!(house.counter("log_full"), 0, "what comes finds room");
    let files = house.disk.segments().expect("there").len();
    assert!(files <= 12, "the limit: {files}");
    assert!(recycled > 20, "{recycled} recycled, {made} made, {removed} removed");
    assert!(made <= 12 + removed, "{recycled} recycled, {made} made, {removed} removed");
    let ends = house.store.ends(QUEUE).expect("made");
    let (seen, _) = house.read_all(QUEUE, ends.start);
    assert_eq!(seen, (ends.start.0..1200).collect::<Vec<_>>());
    let mut house = house.restart();
    assert_eq!(house.report.damaged, []);
    assert_eq!(house.read_all(QUEUE, ends.start), (seen, vec![]));
}

#[test]
fn a_read_whose_segment_goes_meanwhile_is_no_damage() {
    // Of which half is less than two batches: each read is of one.
    let read_cache_bytes_max = 24 * 1024;
    let mut house = House::with_queue(&StoreConfig { read_cache_bytes_max, ..config() });
    house.fill(QUEUE, 6);
    house.turns(20);
    while let Read::Wait(_) = house.store.read(QUEUE, Offset(0), u32::MAX, usize::MAX) {
        house.plan();
        let (batches, others): (Vec<_>, Vec<_>) = std::mem::take(&mut house.plans)
            .into_iter()
            .partition(|plan| matches!(plan, Plan::Read { file: FileName::Segment(1), .. }));
        for plan in &others {
            let done = house.disk.carry_out(plan);
            house.tell(done);
        }
        if batches.is_empty() {
            continue;
        }
        // On its way while the segment goes and its file is written over.
        house.wall_ns += 2 * house.config.retention_ns;
        house.publish(QUEUE, 1, 10);
        for _ in 0..50 {
            house.turn();
        }
        assert!(house.store.segments.start.segment > 1);
        for plan in batches {
            let Plan::Read { op, bytes, .. } = plan else { unreachable!("chosen above") };
            house.store.read_done(op, Ok(Bytes::from(vec![0; bytes as usize])));
        }
    }
    let start = house.store.ends(QUEUE).expect("made").start;
    let (_, gaps) = house.read_all(QUEUE, Offset(0));
    assert_eq!(gaps, [(0, start.0, GapReason::Retention)]);
    assert_eq!(house.counter("damaged_batches"), 0);
}

#[test]
fn age_takes_sealed_segments_once_a_snapshot_covers_them() {
    let mut house = House::with_queue(&config());
    house.fill(QUEUE, 3);
    house.wall_ns += 2 * house.config.retention_ns;
    house.plan();
    let removes = |plans: &[Plan]| {
        plans.iter().any(|plan| {
            matches!(plan, Plan::Remove { file: FileName::Segment(_), .. } | Plan::Recycle { .. })
        })
    };
    assert!(!removes(&house.plans), "not before the snapshot");
    let mut snapshot_done = false;
    for _ in 0..50 {
        for plan in std::mem::take(&mut house.plans) {
            snapshot_done |= matches!(plan, Plan::Replace { file: FileName::Snapshot(_), .. });
            let done = house.disk.carry_out(&plan);
            house.tell(done);
        }
        house.plan();
        assert!(snapshot_done || !removes(&house.plans));
    }
    assert_eq!(house.counter("segments_aged_out"), 2);
    let end = house.visible_end(QUEUE);
    let start = house.store.ends(QUEUE).expect("made").start;
    assert!(start > Offset(0) && start < end);
}

#[test]
fn a_queue_may_keep_less_than_its_log() {
    let mut house = House::with_queue(&config());
    let brief = QueueId::new(TopicId(3), 0);
    house.store.create_queue(brief, QueueLevel::Durable, 60 * SECOND);
    for queue in [QUEUE, brief] {
        house.publish(queue, 1, 10);
    }
    house.turn();
    house.wall_ns += 120 * SECOND;
    house.publish(brief, 1, 10);
    house.mono_ns += 20 * SECOND;
    house.turns(2);
    assert_eq!(house.store.ends(QUEUE).expect("made").start, Offset(0));
    assert_eq!(house.store.ends(brief).expect("made").start, Offset(1));
    assert_eq!(house.read_all(brief, Offset(0)), (vec![1], vec![(0, 1, GapReason::Retention)]));
}

#[test]
fn what_is_too_old_is_not_served_though_its_segment_is_still_written_to() {
    let mut house = House::with_queue(&config());
    house.publish(QUEUE, 2, 10);
    house.turn();
    house.wall_ns += 2 * house.config.retention_ns;
    house.publish(QUEUE, 1, 10);
    house.mono_ns += 20 * SECOND;
    house.turns(2);
    assert_eq!(house.counter("segments_aged_out"), 0);
    assert_eq!(house.read_all(QUEUE, Offset(0)), (vec![2], vec![(0, 2, GapReason::Retention)]));
}

#[test]
fn a_queue_whose_records_all_went_keeps_its_end() {
    let mut house = House::with_queue(&config());
    let quiet = QueueId::new(TopicId(3), 0);
    house.store.create_queue(quiet, QueueLevel::Durable, 0);
    house.publish(quiet, 3, 10);
    for _ in 0..600 {
        house.publish(QUEUE, 1, 8 * 1024);
        house.turn();
    }
    let ends = house.store.ends(quiet).expect("made");
    assert_eq!((ends.start, ends.visible_end), (Offset(3), Offset(3)));
    let mut house = house.restart();
    assert_eq!(house.report.damaged, []);
    house.store.create_queue(quiet, QueueLevel::Durable, 0);
    assert_eq!(house.publish(quiet, 1, 10).first_offset, Offset(3));
}

#[test]
fn a_segment_of_notes_alone_is_no_older_than_its_start() {
    let mut house = House::with_queue(&config());
    for _ in 0..60 {
        house.store.note_catalog(&vec![7; 30_000], false).expect("there is room");
        house.turn();
    }
    house.turns(50);
    assert!(house.counter("log_segments") > 1);
    assert_eq!(house.counter("segments_aged_out"), 0);
}

#[test]
fn a_full_disk_refuses_publishes_takes_notes_and_recovers() {
    let mut house = House::with_queue(&config());
    house.publish(QUEUE, 1, 10);
    let (epoch, _) = house.store.grant(QUEUE, GROUP, Offset(0)).expect("granted");
    house.turn();
    house.disk.bytes_max = 3 * SEGMENT_BYTES + 100_000;
    let refused = loop {
        let records = section(0, 1, 8 * 1024);
        match house.publish_as(QUEUE, (0, 0, 0), &records, 1) {
            Ok(_) | Err(PublishRefused::Busy) => house.turn(),
            Err(refused) => break refused,
        }
    };
    assert!(matches!(refused, PublishRefused::StorageFull { .. }), "{refused:?}");
    house.store.ack(QUEUE, GROUP, epoch, &[Offset(0)]).expect("acks still work");
    house.turns(30);
    assert!(matches!(house.read(QUEUE, Offset(1)), Read::Records { .. }));
    house.disk.bytes_max = 1 << 30;
    house.mono_ns += 60 * SECOND;
    house.turns(10);
    let records = section(0, 1, 8 * 1024);
    assert!(house.publish_as(QUEUE, (0, 0, 0), &records, 1).is_ok(), "without a restart");
}
