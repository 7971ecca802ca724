//! Publishing: offsets, visibility, dedup, refusals.

use super::*;

#[test]
fn a_record_is_visible_when_it_is_durable_and_not_before() {
    let mut house = House::with_queue(&config());
    let first = house.publish(QUEUE, 3, 10);
    let second = house.publish(QUEUE, 1, 10);
    assert_eq!((first.first_offset, second.first_offset), (Offset(0), Offset(3)));
    assert_eq!(first.waits_for, second.waits_for, "one batch");
    let ends = house.store.ends(QUEUE).expect("made");
    assert_eq!((ends.visible_end, ends.appended_end), (Offset(0), Offset(4)));
    assert!(matches!(house.read(QUEUE, Offset(0)), Read::End));
    house.plan();
    assert_eq!(house.visible_end(QUEUE), Offset(0), "in flight");
    house.publish(QUEUE, 1, 10);
    let flight = std::mem::take(&mut house.plans);
    for plan in flight {
        let done = house.disk.carry_out(&plan);
        house.tell(done);
    }
    assert!(house.store.durable_end() > first.waits_for.expect("a batch"));
    assert_eq!(house.visible_end(QUEUE), Offset(4), "the next one still gathers");
    house.turn();
    assert_eq!(house.read_all(QUEUE, Offset(0)), (vec![0, 1, 2, 3, 4], vec![]));
}

#[test]
fn a_retry_gets_the_original_receipt_before_and_after_the_flush_and_a_restart() {
    let mut house = House::with_queue(&config());
    let records = section(0, 2, 10);
    let original = house.publish_as(QUEUE, (5, 1, 0), &records, 2).expect("taken");
    let retry = house.publish_as(QUEUE, (5, 1, 0), &records, 2).expect("known");
    assert_eq!(retry, Published { duplicate: true, ..original });
    house.turn();
    let settled = Published { duplicate: true, waits_for: None, ..original };
    assert_eq!(house.publish_as(QUEUE, (5, 1, 0), &records, 2), Ok(settled));
    let mut house = house.restart();
    assert_eq!(house.publish_as(QUEUE, (5, 1, 0), &records, 2), Ok(settled));
    let gap = Err(PublishRefused::SequenceGap { expected: 2 });
    assert_eq!(house.publish_as(QUEUE, (5, 1, 3), &records, 2), gap);
    let next = house.publish_as(QUEUE, (5, 1, 2), &records, 2).expect("the next one");
    assert_eq!(next.first_offset, Offset(2));
}

#[test]
fn a_retry_of_what_a_crash_took_is_new() {
    let mut house = House::with_queue(&config());
    let records = section(0, 1, 10);
    house.publish_as(QUEUE, (5, 1, 0), &records, 1).expect("taken");
    let mut house = house.restart();
    let again = house.publish_as(QUEUE, (5, 1, 0), &records, 1).expect("taken");
    assert!(!again.duplicate);
    assert_eq!(again.first_offset, Offset(0), "nobody was told of the first one");
}

#[test]
fn producers_are_fenced_and_unknown_ones_refused() {
    let mut house = House::with_queue(&config());
    let records = section(0, 1, 10);
    let unknown = Err(PublishRefused::UnknownProducer);
    assert_eq!(house.publish_as(QUEUE, (5, 1, 7), &records, 1), unknown);
    house.store.open_producer(ProducerId(5), Epoch(2));
    let fenced = Err(PublishRefused::Fenced { newest: Epoch(2) });
    assert_eq!(house.publish_as(QUEUE, (5, 1, 0), &records, 1), fenced);
    let other = QueueId::new(TopicId(9), 0);
    assert_eq!(house.publish_as(other, (5, 2, 0), &records, 1), Err(PublishRefused::UnknownQueue));
    let large = section(0, 1, 100 * 1024);
    assert_eq!(house.publish_as(QUEUE, (5, 2, 0), &large, 1), Err(PublishRefused::TooLarge));
    assert!(house.publish_as(QUEUE, (5, 2, 0), &records, 1).is_ok(), "nothing was taken before");
}

#[test]
fn a_full_batch_is_busy_until_its_flush_and_loses_nothing() {
    let mut house = House::with_queue(&config());
    let records = section(0, 1, 10 * 1024);
    let mut busy = 0;
    for _ in 0..40 {
        if house.publish_as(QUEUE, (0, 0, 0), &records, 1) == Err(PublishRefused::Busy) {
            busy += 1;
            house.turn();
        }
    }
    assert!(busy > 0);
    house.turn();
    assert_eq!(house.visible_end(QUEUE), Offset(40 - busy));
}

#[test]
fn offsets_of_many_queues_are_dense_in_each() {
    let mut house = House::new(&config());
    let queues: Vec<QueueId> = (0..5).map(|number| QueueId::new(TopicId(2), number)).collect();
    for queue in &queues {
        house.store.create_queue(*queue, QueueLevel::Durable, 0);
    }
    for turn in 0..20 {
        for queue in queues.iter().skip(turn % 3) {
            house.publish(*queue, 2, 100);
        }
        house.turn();
    }
    for queue in queues {
        let end = house.visible_end(queue).0;
        assert_eq!(house.read_all(queue, Offset(0)), ((0..end).collect(), vec![]));
    }
}
