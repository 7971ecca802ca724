//! Retaining: what goes by age and size, what is told of it, what never goes early.

use super::*;
use crate::plan::FileName;

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
fn age_takes_sealed_segments_once_a_snapshot_covers_them() {
    let mut house = House::with_queue(&config());
    house.fill(QUEUE, 3);
    house.wall_ns += 2 * house.config.retention_ns;
    house.plan();
    let removes = |plans: &[Plan]| {
        let segment = |plan: &Plan| matches!(plan, Plan::Remove { file: FileName::Segment(_), .. });
        plans.iter().any(segment)
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
