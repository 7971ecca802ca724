//! Positions as others see them: questions, resets, reading without a group, gaps, and topics that change.

use super::consumer::{Got, TOPIC, Wish, again, assigned, fresh, shared};
use super::harness::{House, section};
use crate::broker::mail::Peer;
use crate::broker::settings::Settings;
use wire::record::records;
use wire::table::{self, GapReason, Level, RevokeReason, StartAt};
use wire::{ErrorCode, Kind, QueueId, ShardId};

const SECOND_NS: u64 = 1_000_000_000;

/// Floor, end, lease epoch and in flight of each queue; the floor is `None` without a position.
type Row = (Option<u64>, u64, u32, u32);

fn rows<'a>(queues: impl Iterator<Item = table::QueueOffsets<'a>>) -> Vec<Row> {
    let row = |queue: table::QueueOffsets<'_>| {
        let floor = queue.has_position().then(|| queue.floor());
        (floor, queue.end(), queue.lease_epoch(), queue.in_flight())
    };
    queues.map(row).collect()
}

fn answered_rows(house: &mut House, peer: Peer) -> Vec<Row> {
    let received = house.next(peer);
    let info: table::OffsetsInfo<'_> = received.frame().read().expect("an OffsetsInfo");
    rows(info.queues().expect("filled").iter())
}

fn ask_offsets(house: &mut House, peer: Peer, group: &str) {
    house.ask(peer, Kind::Offsets, |builder| {
        let (group, topic) = (builder.create_string(group), builder.create_string(TOPIC));
        let args = table::OffsetsArgs { group: Some(group), topic: Some(topic) };
        table::Offsets::create(builder, &args)
    });
}

fn offsets(house: &mut House, group: &str) -> Vec<Row> {
    let peer = house.connect(0);
    ask_offsets(house, peer, group);
    answered_rows(house, peer)
}

fn ask_reset(house: &mut House, peer: Peer, start: StartAt, offset: u64) {
    house.ask(peer, Kind::OffsetsReset, |builder| {
        let (group, topic) = (builder.create_string("g"), builder.create_string(TOPIC));
        let (group, topic) = (Some(group), Some(topic));
        let args = table::OffsetsResetArgs { group, topic, start, offset, time_ns: 0 };
        table::OffsetsReset::create(builder, &args)
    });
}

/// A node of two shards; the topic's two queues are on different ones.
fn house() -> (House, [QueueId; 2]) {
    let mut house = House::new(2);
    let topic = house.with_topic(2, Level::Durable);
    (house, [QueueId::new(topic, 0), QueueId::new(topic, 1)])
}

#[test]
fn offsets_come_from_all_shards_in_the_order_of_the_queues() {
    let (mut house, queues) = house();
    house.publish(queues[0], &["a", "b", "c"]);
    assert_eq!(offsets(&mut house, ""), [(None, 3, 0, 0), (None, 0, 0, 0)]);
    let peer = house.connect(1);
    let member = house.join(peer, shared("g"));
    house.commit(peer, (member, queues[0], 1), 1);
    assert_eq!(offsets(&mut house, "g"), [(Some(1), 3, 1, 2), (Some(0), 0, 1, 0)]);
    let peer = house.connect(0);
    ask_offsets(&mut house, peer, "nobody");
    assert_eq!(house.got(peer), [Got::Error(ErrorCode::UnknownGroup)]);
}

#[test]
fn a_reset_moves_a_group_without_members() {
    let (mut house, queues) = house();
    house.publish(queues[0], &["a", "b", "c"]);
    let member = house.connect(0);
    house.join(member, shared("g"));
    let operator = house.connect(1);
    ask_reset(&mut house, operator, StartAt::Last, 0);
    assert_eq!(house.got(operator), [Got::Error(ErrorCode::GroupActive)]);
    house.close(member);

    ask_reset(&mut house, operator, StartAt::Offset, 2);
    assert_eq!(answered_rows(&mut house, operator), [(Some(2), 3, 2, 0), (Some(0), 0, 2, 0)]);
    house.restart();
    assert_eq!(offsets(&mut house, "g"), [(Some(2), 3, 2, 0), (Some(0), 0, 2, 0)]);
    let operator = house.connect(1);
    ask_reset(&mut house, operator, StartAt::First, 0);
    assert_eq!(answered_rows(&mut house, operator)[0], (Some(0), 3, 3, 0));
}

#[test]
fn a_reset_ends_a_drain_and_starts_from_its_place() {
    let mut house = House::new(1);
    let queue = QueueId::new(house.with_topic(1, Level::Durable), 0);
    house.publish(queue, &["a", "b", "c"]);
    let peer = house.connect(0);
    let member = house.join(peer, shared("g"));
    house.got(peer);
    house.unsubscribe(peer, member);
    let operator = house.connect(0);
    ask_reset(&mut house, operator, StartAt::Offset, 1);
    house.next(operator);
    let got = house.got(peer).into_iter();
    let reasons = got.filter_map(|got| {
        let Got::Revoked { reason, drain_ms, .. } = got else { return None };
        Some((reason, drain_ms))
    });
    let expected = [(RevokeReason::Unsubscribed, 1000), (RevokeReason::Reset, 0)];
    assert_eq!(reasons.collect::<Vec<_>>(), expected);
    house.commit(peer, (member, queue, 1), 3);
    assert_eq!(house.got(peer), [Got::Error(ErrorCode::LeaseFenced)]);
    house.join(peer, shared("g"));
    let expected = [assigned(queue, 3, 1), fresh(queue, 3, 1, &["b", "c"])];
    assert_eq!(house.got(peer), expected);
}

#[test]
fn groups_are_listed_and_described() {
    let (mut house, queues) = house();
    house.publish(queues[1], &["a"]);
    let peer = house.connect(0);
    let member = house.join(peer, shared("g"));
    house.got(peer);
    house.join(peer, Wish { instance: Some("i"), ..shared("b") });
    house.got(peer);
    house.ask(peer, Kind::GroupList, |builder| {
        table::GroupList::create(builder, &table::GroupListArgs::default())
    });
    let received = house.next(peer);
    let listing: table::GroupListing<'_> = received.frame().read().expect("a GroupListing");
    let groups = listing.groups().expect("filled");
    let summary = |group: table::GroupSummary<'_>| {
        (group.name().map(str::to_owned).expect("filled"), group.members(), group.topics())
    };
    let expected = [("b/i".to_owned(), 1, 1), ("g".to_owned(), 1, 1)];
    assert_eq!(groups.iter().map(summary).collect::<Vec<_>>(), expected);

    house.ask(peer, Kind::GroupDescribe, |builder| {
        let name = Some(builder.create_string("g"));
        table::GroupDescribe::create(builder, &table::GroupDescribeArgs { name })
    });
    let received = house.next(peer);
    let info: table::GroupInfo<'_> = received.frame().read().expect("a GroupInfo");
    let members = info.members().expect("filled");
    assert_eq!(members.len(), 1);
    let info_of_member = members.get(0);
    assert_eq!((info_of_member.member(), info_of_member.client()), (member, Some("test")));
    let owned: Vec<u64> = info_of_member.queues().expect("filled").iter().collect();
    assert_eq!(owned, queues.map(|queue| queue.0));
    let topic = info.topics().expect("filled").get(0);
    assert_eq!(topic.topic(), Some(TOPIC));
    let expected = [(Some(0), 0, 1, 0), (Some(0), 1, 1, 1)];
    assert_eq!(rows(topic.queues().expect("filled").iter()), expected);
}

/// First offset, bodies, end and gap of a fetch.
fn fetch(
    house: &mut House,
    queue: QueueId,
    offset: u64,
    records_max: u32,
) -> (u64, Vec<String>, u64, u64) {
    let peer = house.connect(0);
    house.ask(peer, Kind::Fetch, |builder| {
        let args = table::FetchArgs { queue: queue.0, offset, records_max, bytes_max: 0 };
        table::Fetch::create(builder, &args)
    });
    let received = house.next(peer);
    let frame = received.frame();
    let fetched: table::Fetched<'_> = frame.read().expect("a Fetched");
    let body = |record: wire::record::Record<'_>| String::from_utf8_lossy(record.body).into_owned();
    let bodies: Vec<String> = records(frame.section).map(|(record, _)| body(record)).collect();
    assert_eq!(bodies.len(), fetched.count() as usize);
    (fetched.first_offset(), bodies, fetched.end(), fetched.gap_to())
}

#[test]
fn a_fetch_reads_any_queue_and_moves_nothing() {
    let (mut house, queues) = house();
    for queue in queues {
        house.publish(queue, &["a", "b"]);
        house.publish(queue, &["c"]);
    }
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    for queue in queues {
        assert_eq!(fetch(&mut house, queue, 1, 0), (1, words(&["b", "c"]), 3, 0));
        assert_eq!(fetch(&mut house, queue, 0, 1), (0, words(&["a"]), 3, 0));
        assert_eq!(fetch(&mut house, queue, 3, 9), (3, words(&[]), 3, 0));
    }
    // After a restart the records are on the disk only.
    house.restart();
    assert_eq!(fetch(&mut house, queues[1], 0, 0), (0, words(&["a", "b", "c"]), 3, 0));
    let peer = house.connect(0);
    house.ask(peer, Kind::Fetch, |builder| {
        table::Fetch::create(builder, &table::FetchArgs { queue: 99 << 16, ..Default::default() })
    });
    assert_eq!(house.got(peer), [Got::Error(ErrorCode::UnknownQueue)]);
}

#[test]
fn a_consumer_behind_a_restart_is_served_from_the_disk() {
    let (mut house, queues) = house();
    house.publish(queues[0], &["a", "b"]);
    house.restart();
    let peer = house.connect(0);
    house.join(peer, shared("g"));
    assert!(house.got(peer).contains(&fresh(queues[0], 1, 0, &["a", "b"])));
}

#[test]
fn retention_is_told_as_a_gap_and_moves_the_floor() {
    let mut house = House::new(1);
    let queue_count = 1;
    let args = table::TopicCreateArgs { queue_count, retention_ms: 5000, ..Default::default() };
    let queue = QueueId::new(house.make_topic(&args), 0);
    house.publish(queue, &["a", "b", "c"]);
    let peer = house.connect(0);
    house.join(peer, shared("g"));
    house.close(peer);
    house.advance(3600 * SECOND_NS);
    house.publish(queue, &["d"]);
    house.advance(SECOND_NS);
    let peer = house.connect(0);
    let member = house.join(peer, shared("g"));
    let (from, to, reason) = (0, 3, GapReason::Retention);
    let gap = Got::Gap { queue: queue.0, from, to, reason };
    let told = [gap.clone(), Got::Other(Kind::Ping), fresh(queue, 2, 3, &["d"])];
    assert_eq!(house.got(peer)[1..], told);
    // Nobody knows whether the notice was read: with its connection it is lost, and told again.
    house.ack(peer, (member, queue, 2), &[3]);
    assert_eq!(offsets(&mut house, "g"), [(Some(0), 4, 2, 0)]);
    house.close(peer);
    let peer = house.connect(0);
    let member = house.join(peer, shared("g"));
    assert_eq!(house.got(peer), [assigned(queue, 3, 0), gap, Got::Other(Kind::Ping)]);
    house.pong(peer, 1 << 63);
    assert_eq!(offsets(&mut house, "g"), [(Some(4), 4, 3, 0)]);
    house.commit(peer, (member, queue, 3), 4);
    assert_eq!(fetch(&mut house, queue, 1, 0), (1, Vec::new(), 4, 3));
}

#[test]
fn a_gap_waits_for_what_is_in_flight_before_it() {
    let mut house = House::new(1);
    let queue_count = 1;
    let args = table::TopicCreateArgs { queue_count, retention_ms: 5000, ..Default::default() };
    let queue = QueueId::new(house.make_topic(&args), 0);
    house.publish(queue, &["a", "b"]);
    let peer = house.connect(0);
    let member = house.join(peer, Wish { credit: (1, 1 << 20), ..shared("g") });
    assert_eq!(house.got(peer), [assigned(queue, 1, 0), fresh(queue, 1, 0, &["a"])]);
    // The connection must not fall silent for longer than is allowed.
    for _ in 0..12 {
        house.advance(5 * SECOND_NS);
        house.credit(peer, (member, queue, 1), (0, 1));
    }
    house.publish(queue, &["c"]);
    house.advance(SECOND_NS);
    house.credit(peer, (member, queue, 1), (9, 1 << 20));
    let (from, to, reason) = (1, 2, GapReason::Retention);
    let gap = Got::Gap { queue: queue.0, from, to, reason };
    assert_eq!(house.got(peer), [gap, Got::Other(Kind::Ping), fresh(queue, 1, 2, &["c"])]);
    house.pong(peer, 1 << 63);
    assert_eq!(offsets(&mut house, "g"), [(Some(0), 3, 1, 2)]);
    house.ack(peer, (member, queue, 1), &[0]);
    assert_eq!(offsets(&mut house, "g"), [(Some(2), 3, 1, 1)]);
    // In the gap nothing was delivered: nothing there can be nacked.
    house.got(peer);
    house.nack(peer, (member, queue, 1), 2);
    house.advance(SECOND_NS);
    assert!(house.got(peer).contains(&again(queue, 1, (2, 2), &["c"])));
}

#[test]
fn a_gap_that_the_log_has_no_room_to_note_is_told_once_it_has() {
    let retry_ns = 64 * SECOND_NS;
    let settings = Settings { retry_ns, retry_ns_max: retry_ns, ..Settings::new(ShardId(0), 1) };
    let mut house = House::with(settings);
    let args = table::TopicCreateArgs { queue_count: 2, retention_ms: 5000, ..Default::default() };
    let topic = house.make_topic(&args);
    let (queue, other) = (QueueId::new(topic, 0), QueueId::new(topic, 1));
    house.publish(queue, &["a"]);
    let peer = house.connect(0);
    let member = house.join(peer, shared("g"));
    house.nack(peer, (member, queue, 1), 0);
    for _ in 0..12 {
        house.advance(5 * SECOND_NS);
        house.credit(peer, (member, queue, 1), (0, 1));
    }
    house.publish(queue, &["b"]);
    house.advance(SECOND_NS);
    assert_eq!(house.got(peer).last(), Some(&fresh(queue, 1, 1, &["b"])));
    // Retention took what is to come again, and there is no room to note that when its time comes.
    house.disks_are_silent = true;
    fill_batch(&mut house, other);
    house.advance(3 * SECOND_NS);
    assert_eq!(house.got(peer), []);
    house.disks_are_silent = false;
    house.run();
    let (from, to, reason) = (0, 1, GapReason::Retention);
    let gap = Got::Gap { queue: queue.0, from, to, reason };
    assert!(house.got(peer).contains(&gap), "nobody came back for it");
}

/// Publishes ever smaller records until not even the smallest has room.
fn fill_batch(house: &mut House, queue: QueueId) {
    let mut body = "x".repeat(32 << 10);
    while !body.is_empty() {
        let peer = house.connect(0);
        house.send(peer, (Kind::Publish, 1), &section(&[body.as_bytes()]), |builder| {
            let args = table::PublishArgs { queue: queue.0, count: 1, ..Default::default() };
            table::Publish::create(builder, &args)
        });
        house.run();
        if house.is_held(peer) {
            body.truncate(body.len() / 2);
        }
    }
}

#[test]
fn records_of_a_memory_topic_end_with_the_process_and_offsets_go_on() {
    let mut house = House::new(1);
    let queue = QueueId::new(house.with_topic(1, Level::Memory), 0);
    house.publish(queue, &["a", "b"]);
    let peer = house.connect(0);
    house.join(peer, shared("g"));
    assert_eq!(house.got(peer)[1..], [fresh(queue, 1, 0, &["a", "b"])]);
    house.restart();
    let (_, bodies, end, gap_to) = fetch(&mut house, queue, 0, 0);
    assert_eq!((bodies.len(), gap_to), (0, end));
    assert!(end >= 2, "no offset means something else: {end}");
    let peer = house.connect(0);
    house.join(peer, shared("g"));
    house.publish(queue, &["c"]);
    assert_eq!(house.got(peer), [assigned(queue, 2, end), fresh(queue, 2, end, &["c"])]);
}

#[test]
fn a_deleted_topic_ends_its_leases() {
    let (mut house, queues) = house();
    let peer = house.connect(1);
    let member = house.join(peer, shared("g"));
    house.got(peer);
    let operator = house.connect(0);
    house.ask(operator, Kind::TopicDelete, |builder| {
        let name = Some(builder.create_string(TOPIC));
        table::TopicDelete::create(builder, &table::TopicDeleteArgs { name })
    });
    let (drain_ms, reason) = (0, RevokeReason::TopicDeleted);
    let revoked = |queue: QueueId| Got::Revoked { queue: queue.0, epoch: 1, drain_ms, reason };
    let got = house.got(peer);
    assert!(queues.iter().all(|queue| got.contains(&revoked(*queue))), "{got:?}");
    assert!(got.contains(&Got::Revoked { queue: 0, epoch: 0, drain_ms, reason }), "{got:?}");
    house.unsubscribe(peer, member);
    assert_eq!(house.got(peer), [Got::Error(ErrorCode::UnknownMember)]);
    house.close(peer);
}

#[test]
fn who_has_no_lease_is_told_of_a_deleted_topic_too() {
    let mut house = House::new(2);
    house.with_topic(1, Level::Durable);
    let (owner, idle) = (house.connect(0), house.connect(1));
    house.join(owner, shared("g"));
    house.join(idle, shared("g"));
    house.got(idle);
    let operator = house.connect(0);
    house.ask(operator, Kind::TopicDelete, |builder| {
        let name = Some(builder.create_string(TOPIC));
        table::TopicDelete::create(builder, &table::TopicDeleteArgs { name })
    });
    let (drain_ms, reason) = (0, RevokeReason::TopicDeleted);
    assert_eq!(house.got(idle), [Got::Revoked { queue: 0, epoch: 0, drain_ms, reason }]);
}

#[test]
fn new_queues_of_a_topic_are_consumed_from_their_first_record() {
    let (mut house, queues) = house();
    house.publish(queues[0], &["a"]);
    let peer = house.connect(0);
    house.join(peer, Wish { start: StartAt::Last, ..shared("g") });
    house.got(peer);
    let operator = house.connect(1);
    house.ask(operator, Kind::TopicAlter, |builder| {
        let name = Some(builder.create_string(TOPIC));
        let args = table::TopicAlterArgs { name, queue_count: Some(3), ..Default::default() };
        table::TopicAlter::create(builder, &args)
    });
    assert_eq!(house.next(operator).kind(), Kind::TopicInfo);
    let new = QueueId::new(queues[0].topic(), 2);
    house.publish(new, &["b"]);
    assert_eq!(house.got(peer), [assigned(new, 1, 0), fresh(new, 1, 0, &["b"])]);
}
