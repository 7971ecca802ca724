//! Publishing: what is taken, when it is acknowledged, and what is refused.

use super::harness::{House, Received, section};
use crate::broker::mail::Peer;
use std::collections::BTreeMap;
use wire::table::{Level, TopicKind};
use wire::{ErrorCode, Kind, QueueId, TopicId, table};

const EVENT: table::TopicCreateArgs<'static> = table::TopicCreateArgs {
    name: None,
    kind: TopicKind::Event,
    level: Level::Unset,
    queue_count: 2,
    depth_max: 0,
    retention_ms: 0,
};

/// A node of two shards with one topic; its queue 0 lives on shard 1, its queue 1 on shard 0.
fn house(topic: &table::TopicCreateArgs<'static>) -> (House, Peer) {
    let mut house = House::new(2);
    let peer = house.connect(0);
    house.ask(peer, Kind::TopicCreate, |builder| {
        let name = Some(builder.create_string("t"));
        table::TopicCreate::create(builder, &table::TopicCreateArgs { name, ..*topic })
    });
    assert_eq!(house.next(peer).kind(), Kind::TopicInfo);
    (house, peer)
}

fn queue(number: u16) -> u64 {
    QueueId::new(TopicId(1), number).0
}

/// Sends a publish of `bodies` without running.
fn send(house: &mut House, peer: Peer, publish: &table::PublishArgs, bodies: &[&[u8]]) {
    let count = u32::try_from(bodies.len()).expect("few");
    house.send(peer, (Kind::Publish, 7), &section(bodies), |builder| {
        table::Publish::create(builder, &table::PublishArgs { count, ..*publish })
    });
}

fn to_queue(number: u16) -> table::PublishArgs {
    table::PublishArgs { queue: queue(number), ..Default::default() }
}

/// First offset, count and whether it is a duplicate, of the receipt the peer received.
fn next_receipt(house: &mut House, peer: Peer) -> (u64, u32, bool) {
    let received = house.next(peer);
    assert_eq!(received.kind(), Kind::Receipt, "{received:?}");
    let receipt: table::Receipt<'_> = received.frame().read().expect("a Receipt");
    (receipt.first_offset(), receipt.count(), receipt.duplicate())
}

fn check_refused(house: &mut House, peer: Peer, code: ErrorCode) {
    house.run();
    let received = house.next(peer);
    let error: table::Error<'_> = received.frame().read().expect("an Error");
    assert_eq!(error.code(), code as u16, "{:?}", error.message());
}

fn open_producer(house: &mut House, peer: Peer, producer: u64) {
    house.ask(peer, Kind::ProducerOpen, |builder| {
        table::ProducerOpen::create(builder, &table::ProducerOpenArgs { producer })
    });
    assert_eq!(house.next(peer).kind(), Kind::ProducerOpened);
}

fn fetch(house: &mut House, peer: Peer, number: u16) -> Received {
    house.ask(peer, Kind::Fetch, |builder| {
        let args =
            table::FetchArgs { queue: queue(number), offset: 0, records_max: 9, bytes_max: 9999 };
        table::Fetch::create(builder, &args)
    });
    house.next(peer)
}

fn stats(house: &mut House, peer: Peer, shard: u16) -> BTreeMap<String, u64> {
    house.ask(peer, Kind::Stats, |builder| {
        table::Stats::create(builder, &table::StatsArgs { shard })
    });
    let received = house.next(peer);
    let info: table::StatsInfo<'_> = received.frame().read().expect("a StatsInfo");
    assert_eq!(info.shard(), shard);
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let numbers = info.stats().expect("filled");
    let numbers =
        numbers.iter().map(|stat| (text(stat.name()) + &text(stat.label()), stat.value()));
    let stages = info.stages().expect("filled");
    let stages =
        stages.iter().map(|stage| (text(stage.name()) + &text(stage.label()), stage.count()));
    numbers.chain(stages).collect()
}

#[test]
fn a_receipt_comes_when_the_records_are_durable_and_not_before() {
    let (mut house, peer) = house(&EVENT);
    house.disks_are_silent = true;
    send(&mut house, peer, &to_queue(1), &[b"one", b"two"]);
    send(&mut house, peer, &to_queue(1), &[b"three"]);
    house.run();
    assert!(house.try_next(peer).is_none(), "nothing is durable yet");
    house.disks_are_silent = false;
    house.run();
    assert_eq!(next_receipt(&mut house, peer), (0, 2, false));
    assert_eq!(next_receipt(&mut house, peer), (2, 1, false));
}

#[test]
fn a_failed_flush_ends_the_process_and_acknowledges_nothing() {
    let (mut house, peer) = house(&EVENT);
    house.disks_are_silent = true;
    send(&mut house, peer, &to_queue(1), &[b"one"]);
    house.run();
    assert_eq!(house.fail_flush(0), 74);
    assert!(house.try_next(peer).is_none());
}

#[test]
fn what_was_acknowledged_is_there_after_a_restart() {
    let (mut house, peer) = house(&EVENT);
    send(&mut house, peer, &to_queue(0), &[b"one", b"two"]);
    house.run();
    assert_eq!(next_receipt(&mut house, peer), (0, 2, false));
    house.restart();
    let peer = house.connect(0);
    let received = fetch(&mut house, peer, 0);
    let fetched: table::Fetched<'_> = received.frame().read().expect("a Fetched");
    assert_eq!((fetched.first_offset(), fetched.count(), fetched.end()), (0, 2, 2));
    assert_eq!(received.frame().section, section(&[b"one", b"two"]));
    send(&mut house, peer, &to_queue(0), &[b"three"]);
    house.run();
    assert_eq!(next_receipt(&mut house, peer), (2, 1, false));
}

#[test]
fn a_publish_on_another_shard_is_forwarded_and_answered() {
    let (mut house, peer) = house(&EVENT);
    send(&mut house, peer, &to_queue(0), &[b"one"]);
    house.run();
    assert_eq!(next_receipt(&mut house, peer), (0, 1, false));
}

#[test]
fn memory_topics_acknowledge_without_the_disk_once_offsets_are_reserved() {
    let (mut house, peer) = house(&table::TopicCreateArgs { level: Level::Memory, ..EVENT });
    send(&mut house, peer, &to_queue(1), &[b"one"]);
    house.run();
    assert_eq!(next_receipt(&mut house, peer).1, 1);
    house.disks_are_silent = true;
    send(&mut house, peer, &to_queue(1), &[b"two"]);
    let received = house.next(peer);
    let receipt: table::Receipt<'_> = received.frame().read().expect("a Receipt");
    assert_eq!(receipt.level(), Level::Memory);
}

#[test]
fn records_that_nobody_wants_a_receipt_for_are_stored_all_the_same() {
    let (mut house, peer) = house(&EVENT);
    let records = section(&[b"quiet"]);
    house.send(peer, (Kind::Publish, 0), &records, |builder| {
        table::Publish::create(builder, &table::PublishArgs { count: 1, ..to_queue(1) })
    });
    house.run();
    assert!(house.try_next(peer).is_none());
    assert_eq!(fetch(&mut house, peer, 1).frame().section, records);
}

#[test]
fn what_does_not_belong_is_refused() {
    let (mut house, peer) = house(&EVENT);
    send(&mut house, peer, &to_queue(2), &[b"x"]);
    check_refused(&mut house, peer, ErrorCode::UnknownQueue);
    let producer = table::PublishArgs { producer: 9, ..to_queue(1) };
    send(&mut house, peer, &producer, &[b"x"]);
    check_refused(&mut house, peer, ErrorCode::UnknownProducer);
    send(&mut house, peer, &to_queue(1), &[]);
    check_refused(&mut house, peer, ErrorCode::RecordInvalid);
    let mut damaged = section(&[b"one"]);
    *damaged.last_mut().expect("not empty") ^= 1;
    house.send(peer, (Kind::Publish, 7), &damaged, |builder| {
        table::Publish::create(builder, &table::PublishArgs { count: 1, ..to_queue(1) })
    });
    check_refused(&mut house, peer, ErrorCode::RecordInvalid);
    let received = fetch(&mut house, peer, 1);
    let fetched: table::Fetched<'_> = received.frame().read().expect("a Fetched");
    assert_eq!((fetched.count(), fetched.end()), (0, 0), "nothing was stored");
}

#[test]
fn a_service_takes_no_events() {
    let (mut house, peer) = house(&table::TopicCreateArgs { kind: TopicKind::Service, ..EVENT });
    send(&mut house, peer, &to_queue(1), &[b"x"]);
    check_refused(&mut house, peer, ErrorCode::TopicKindMismatch);
}

#[test]
fn a_queue_is_as_deep_as_it_may_be_and_no_deeper() {
    let (mut house, peer) = house(&table::TopicCreateArgs { depth_max: 3, ..EVENT });
    send(&mut house, peer, &to_queue(1), &[b"1", b"2", b"3"]);
    house.run();
    assert_eq!(next_receipt(&mut house, peer), (0, 3, false));
    send(&mut house, peer, &to_queue(1), &[b"4"]);
    house.run();
    let received = house.next(peer);
    let error: table::Error<'_> = received.frame().read().expect("an Error");
    assert_eq!(error.code(), ErrorCode::DepthReached as u16);
    assert_eq!((error.observed(), error.limit()), (3, 3));
    assert!(error.retry_after_ms() > 0, "it may be tried again");
}

#[test]
fn a_duplicate_is_told_its_place_however_deep_the_queue_is() {
    let (mut house, peer) = house(&table::TopicCreateArgs { depth_max: 3, ..EVENT });
    open_producer(&mut house, peer, 0);
    let publish = |sequence| table::PublishArgs { producer: 1, epoch: 1, sequence, ..to_queue(1) };
    for is_duplicate in [false, true] {
        send(&mut house, peer, &publish(0), &[b"1", b"2", b"3"]);
        house.run();
        assert_eq!(next_receipt(&mut house, peer), (0, 3, is_duplicate));
    }
    send(&mut house, peer, &publish(3), &[b"4"]);
    check_refused(&mut house, peer, ErrorCode::DepthReached);
}

#[test]
fn a_duplicate_is_told_its_place_and_does_not_overtake() {
    let (mut house, peer) = house(&EVENT);
    open_producer(&mut house, peer, 0);
    let publish = |sequence| table::PublishArgs { producer: 1, epoch: 1, sequence, ..to_queue(1) };
    send(&mut house, peer, &publish(0), &[b"a", b"b"]);
    house.run();
    assert_eq!(next_receipt(&mut house, peer), (0, 2, false));
    house.disks_are_silent = true;
    send(&mut house, peer, &publish(2), &[b"c"]);
    send(&mut house, peer, &publish(0), &[b"a", b"b"]);
    house.run();
    assert!(house.try_next(peer).is_none(), "the duplicate waits for the one before it");
    house.disks_are_silent = false;
    house.run();
    assert_eq!(next_receipt(&mut house, peer), (2, 1, false));
    assert_eq!(next_receipt(&mut house, peer), (0, 2, true));
}

#[test]
fn an_older_epoch_is_fenced_on_every_shard_once_the_newer_is_opened() {
    let (mut house, peer) = house(&EVENT);
    open_producer(&mut house, peer, 0);
    open_producer(&mut house, peer, 1);
    for number in [0, 1] {
        let publish = |epoch| table::PublishArgs { producer: 1, epoch, ..to_queue(number) };
        send(&mut house, peer, &publish(1), &[b"old"]);
        check_refused(&mut house, peer, ErrorCode::ProducerFenced);
        send(&mut house, peer, &publish(2), &[b"new"]);
        house.run();
        assert_eq!(next_receipt(&mut house, peer), (0, 1, false));
    }
}

#[test]
fn a_deleted_topic_takes_nothing_and_its_name_makes_another() {
    let (mut house, peer) = house(&EVENT);
    house.ask(peer, Kind::TopicDelete, |builder| {
        let name = Some(builder.create_string("t"));
        table::TopicDelete::create(builder, &table::TopicDeleteArgs { name })
    });
    assert_eq!(house.next(peer).kind(), Kind::Done);
    for number in [0, 1] {
        send(&mut house, peer, &to_queue(number), &[b"x"]);
        check_refused(&mut house, peer, ErrorCode::UnknownQueue);
    }
}

#[test]
fn publishes_that_find_the_batch_full_are_held_and_keep_their_order() {
    const PUBLISHES: u64 = 40;
    let (mut house, peer) = house(&EVENT);
    house.disks_are_silent = true;
    let body = vec![1; 30_000];
    for number in 0..PUBLISHES {
        send(&mut house, peer, &to_queue(u16::from(number % 2 == 0)), &[&body]);
    }
    house.run();
    assert!(house.try_next(peer).is_none());
    house.disks_are_silent = false;
    house.run();
    let mut next_offset = [0, 0];
    for _ in 0..PUBLISHES {
        let received = house.next(peer);
        let receipt: table::Receipt<'_> = received.frame().read().expect("a Receipt");
        let next = &mut next_offset[usize::from(receipt.queue() == queue(1))];
        assert_eq!(receipt.first_offset(), *next, "in order, none lost, none twice");
        *next += 1;
    }
    assert_eq!(next_offset, [PUBLISHES / 2, PUBLISHES / 2]);
}

#[test]
fn stats_tell_what_a_shard_did() {
    let (mut house, peer) = house(&EVENT);
    let before = stats(&mut house, peer, 0);
    send(&mut house, peer, &to_queue(1), &[b"one", b"two"]);
    send(&mut house, peer, &to_queue(3), &[b"nowhere"]);
    house.run();
    assert_eq!(house.next(peer).kind(), Kind::Error, "a refusal does not wait for the flush");
    assert_eq!(next_receipt(&mut house, peer), (0, 2, false));
    let after = stats(&mut house, peer, 0);
    let grown = |name: &str| after[name] - before.get(name).copied().unwrap_or(0);
    assert_eq!(grown("defibus_publish_records_total"), 2);
    assert_eq!(grown("defibus_publish_ack_secondslevel=durable"), 1);
    assert_eq!(grown("defibus_refused_totalreason=UnknownQueue"), 1);
    assert_eq!(after["defibus_topics"], 1);
    assert!(grown("defibus_fsync_seconds") > 0);
}
