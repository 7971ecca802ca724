//! The catalog's flow: planned on shard 0, durable, applied by every shard, answered.

use super::harness::House;
use crate::broker::mail::Peer;
use crate::broker::settings::Settings;
use wire::table::{Level, TopicKind};
use wire::{ErrorCode, Kind, ShardId, table};

/// Sends a create without running.
fn send_create(house: &mut House, peer: Peer, name: &str, queue_count: u16) {
    house.send(peer, (Kind::TopicCreate, 5), &[], |builder| {
        let name = Some(builder.create_string(name));
        let args = table::TopicCreateArgs { name, queue_count, ..Default::default() };
        table::TopicCreate::create(builder, &args)
    });
}

/// Creates a topic of events; returns its number.
fn create(house: &mut House, peer: Peer, name: &str, queue_count: u16) -> u32 {
    send_create(house, peer, name, queue_count);
    house.run();
    next_topic(house, peer).0
}

/// The number, version and queues (number, shard) of the TopicInfo the peer received.
fn next_topic(house: &mut House, peer: Peer) -> (u32, u64, Vec<(u16, u16)>) {
    let received = house.next(peer);
    assert_eq!(received.kind(), Kind::TopicInfo, "{}", error_text(&received));
    let info: table::TopicInfo<'_> = received.frame().read().expect("a TopicInfo");
    let topic = info.topic().expect("filled");
    let queues = info.queues().expect("filled");
    let queues = queues.iter().map(|queue| (queue.number(), queue.shard())).collect();
    (topic.id(), topic.version(), queues)
}

fn error_text(received: &super::harness::Received) -> String {
    let error = received.frame().read::<table::Error<'_>>();
    error.ok().and_then(|error| error.message()).unwrap_or_default().to_owned()
}

fn check_refused(house: &mut House, peer: Peer, code: ErrorCode) {
    let received = house.next(peer);
    let error: table::Error<'_> = received.frame().read().expect("an Error");
    assert_eq!(error.code(), code as u16, "{}", error_text(&received));
}

fn delete(house: &mut House, peer: Peer, name: &str) {
    house.ask(peer, Kind::TopicDelete, |builder| {
        let name = Some(builder.create_string(name));
        table::TopicDelete::create(builder, &table::TopicDeleteArgs { name })
    });
}

fn list(house: &mut House, peer: Peer) -> Vec<String> {
    house.ask(peer, Kind::TopicList, |builder| {
        table::TopicList::create(builder, &table::TopicListArgs::default())
    });
    let received = house.next(peer);
    let listing: table::TopicListing<'_> = received.frame().read().expect("a TopicListing");
    let topics = listing.topics().expect("filled");
    topics.iter().map(|topic| topic.name().expect("filled").to_owned()).collect()
}

fn open_producer(house: &mut House, peer: Peer, producer: u64) -> (u64, u32) {
    house.ask(peer, Kind::ProducerOpen, |builder| {
        table::ProducerOpen::create(builder, &table::ProducerOpenArgs { producer })
    });
    let received = house.next(peer);
    assert_eq!(received.kind(), Kind::ProducerOpened, "{}", error_text(&received));
    let opened: table::ProducerOpened<'_> = received.frame().read().expect("a ProducerOpened");
    (opened.producer(), opened.epoch())
}

#[test]
fn a_topic_made_anywhere_is_known_everywhere() {
    let mut house = House::new(3);
    let (first, other) = (house.connect(1), house.connect(2));
    send_create(&mut house, first, "orders", 4);
    house.run();
    assert_eq!(next_topic(&mut house, first), (1, 1, vec![(0, 1), (1, 2), (2, 0), (3, 1)]));
    assert_eq!(list(&mut house, other), ["orders"]);
}

#[test]
fn nothing_is_told_before_it_is_durable() {
    let mut house = House::new(2);
    let peer = house.connect(0);
    house.disks_are_silent = true;
    send_create(&mut house, peer, "orders", 1);
    house.run();
    assert!(house.try_next(peer).is_none(), "no answer without a flush");
    assert_eq!(list(&mut house, peer), [""; 0]);
    house.disks_are_silent = false;
    house.run();
    assert_eq!(next_topic(&mut house, peer).0, 1);
}

#[test]
fn nothing_is_answered_before_every_shard_applied_it() {
    let mut house = House::new(3);
    let peer = house.connect(0);
    house.mail_is_stuck = true;
    send_create(&mut house, peer, "orders", 1);
    house.run();
    assert!(house.try_next(peer).is_none(), "others have not applied it");
    house.mail_is_stuck = false;
    house.run();
    assert_eq!(next_topic(&mut house, peer).0, 1);
}

#[test]
fn two_wishes_in_flight_for_one_name_make_one_topic() {
    let mut house = House::new(2);
    let peers = [house.connect(0), house.connect(1), house.connect(0)];
    for (peer, queue_count) in peers.into_iter().zip([2, 2, 3]) {
        send_create(&mut house, peer, "orders", queue_count);
    }
    house.run();
    assert_eq!(next_topic(&mut house, peers[0]).0, 1);
    assert_eq!(next_topic(&mut house, peers[1]).0, 1);
    check_refused(&mut house, peers[2], ErrorCode::TopicExists);
    assert_eq!(list(&mut house, peers[0]), ["orders"]);
}

#[test]
fn answers_wait_for_a_change_that_somebody_else_began() {
    let mut house = House::new(2);
    let (first, second) = (house.connect(0), house.connect(0));
    house.disks_are_silent = true;
    send_create(&mut house, first, "orders", 1);
    send_create(&mut house, second, "orders", 1);
    house.run();
    assert!(house.try_next(second).is_none(), "it is not true yet");
    house.disks_are_silent = false;
    house.run();
    assert_eq!(next_topic(&mut house, second), next_topic(&mut house, first));
}

#[test]
fn nobody_is_refused_for_a_change_that_is_not_durable() {
    let mut house = House::new(2);
    let (first, other) = (house.connect(0), house.connect(1));
    create(&mut house, first, "a", 1);
    house.disks_are_silent = true;
    delete(&mut house, first, "a");
    delete(&mut house, other, "a");
    assert!(house.try_next(other).is_none(), "a crash may yet bring the topic back");
    house.disks_are_silent = false;
    house.run();
    assert_eq!(house.next(first).kind(), Kind::Done);
    check_refused(&mut house, other, ErrorCode::UnknownTopic);
}

#[test]
fn what_waits_goes_with_its_connection_and_strikes_nothing_made_since() {
    let mut house = House::new(2);
    let (first, other) = (house.connect(0), house.connect(1));
    create(&mut house, first, "a", 1);
    house.disks_are_silent = true;
    delete(&mut house, first, "a");
    delete(&mut house, other, "a");
    house.close(other);
    send_create(&mut house, first, "a", 1);
    house.disks_are_silent = false;
    house.run();
    assert_eq!(house.next(first).kind(), Kind::Done);
    assert_eq!(house.next(first).kind(), Kind::TopicInfo);
    assert_eq!(list(&mut house, first), ["a"]);
}

#[test]
fn numbers_are_never_given_twice_not_even_after_a_restart() {
    let mut house = House::new(2);
    let peer = house.connect(0);
    assert_eq!(create(&mut house, peer, "a", 1), 1);
    assert_eq!(create(&mut house, peer, "b", 1), 2);
    delete(&mut house, peer, "b");
    assert_eq!(house.next(peer).kind(), Kind::Done);
    house.restart();
    let peer = house.connect(1);
    assert_eq!(list(&mut house, peer), ["a"]);
    assert_eq!(create(&mut house, peer, "b", 1), 3);
}

#[test]
fn an_alteration_grows_a_topic_on_every_shard() {
    let mut house = House::new(2);
    let peer = house.connect(1);
    create(&mut house, peer, "orders", 1);
    house.ask(peer, Kind::TopicAlter, |builder| {
        let name = Some(builder.create_string("orders"));
        let args = table::TopicAlterArgs { name, queue_count: Some(3), ..Default::default() };
        table::TopicAlter::create(builder, &args)
    });
    assert_eq!(next_topic(&mut house, peer), (1, 2, vec![(0, 1), (1, 0), (2, 1)]));
}

#[test]
fn what_is_not_there_is_refused() {
    let mut house = House::new(2);
    let peer = house.connect(1);
    delete(&mut house, peer, "nothing");
    check_refused(&mut house, peer, ErrorCode::UnknownTopic);
    house.ask(peer, Kind::TopicDescribe, |builder| {
        let name = Some(builder.create_string("nothing"));
        table::TopicDescribe::create(builder, &table::TopicDescribeArgs { name })
    });
    check_refused(&mut house, peer, ErrorCode::UnknownTopic);
    house.ask(peer, Kind::TopicCreate, |builder| {
        let name = Some(builder.create_string("replicated"));
        let (kind, level) = (TopicKind::Event, Level::Quorum);
        let args =
            table::TopicCreateArgs { name, kind, level, queue_count: 1, ..Default::default() };
        table::TopicCreate::create(builder, &args)
    });
    check_refused(&mut house, peer, ErrorCode::LevelUnavailable);
}

#[test]
fn a_table_that_is_full_refuses_with_its_maximum() {
    let mut house = House::with(Settings { topics_max: 1, ..Settings::new(ShardId(0), 1) });
    let peer = house.connect(0);
    create(&mut house, peer, "one", 1);
    send_create(&mut house, peer, "two", 1);
    house.run();
    let received = house.next(peer);
    let error: table::Error<'_> = received.frame().read().expect("an Error");
    assert_eq!((error.code(), error.limit()), (ErrorCode::TooManyTopics as u16, 1));
}

#[test]
fn a_route_names_the_owner_of_each_queue() {
    let mut house = House::new(3);
    let peer = house.connect(2);
    create(&mut house, peer, "orders", 3);
    house.ask(peer, Kind::Route, |builder| {
        let topic = Some(builder.create_string("orders"));
        table::Route::create(builder, &table::RouteArgs { topic })
    });
    let received = house.next(peer);
    let route: table::RouteInfo<'_> = received.frame().read().expect("a RouteInfo");
    let shards: Vec<u16> =
        route.queues().expect("filled").iter().map(|queue| queue.shard()).collect();
    assert_eq!(shards, [1, 2, 0]);
}

#[test]
fn pages_of_a_listing_say_whether_more_follow() {
    let mut house = House::new(1);
    let peer = house.connect(0);
    for name in ["c", "a", "b"] {
        create(&mut house, peer, name, 1);
    }
    let mut after = String::new();
    let mut pages = Vec::new();
    loop {
        house.ask(peer, Kind::TopicList, |builder| {
            let after = Some(builder.create_string(&after));
            table::TopicList::create(builder, &table::TopicListArgs { after, count_max: 2 })
        });
        let received = house.next(peer);
        let listing: table::TopicListing<'_> = received.frame().read().expect("a listing");
        let names = listing.topics().expect("filled");
        let names: Vec<String> =
            names.iter().map(|topic| topic.name().expect("filled").to_owned()).collect();
        after = names.last().expect("no page is empty").clone();
        pages.push(names);
        if !listing.more() {
            break;
        }
    }
    assert_eq!(pages, [vec!["a", "b"], vec!["c"]]);
}

#[test]
fn a_producer_gets_a_new_epoch_each_time_it_is_opened() {
    let mut house = House::new(2);
    let peer = house.connect(1);
    assert_eq!(open_producer(&mut house, peer, 0), (1, 1));
    assert_eq!(open_producer(&mut house, peer, 0), (2, 1));
    assert_eq!(open_producer(&mut house, peer, 1), (1, 2));
    house.restart();
    let peer = house.connect(0);
    assert_eq!(open_producer(&mut house, peer, 1), (1, 3));
}

#[test]
fn a_long_history_is_kept_short_and_survives() {
    const OPENINGS: u32 = 5000;
    let mut house = House::new(1);
    let peer = house.connect(0);
    create(&mut house, peer, "orders", 2);
    create(&mut house, peer, "gone", 2);
    delete(&mut house, peer, "gone");
    for opening in 1..=OPENINGS {
        let producer = u64::from(opening > 1);
        house.send(peer, (Kind::ProducerOpen, 1), &[], |builder| {
            table::ProducerOpen::create(builder, &table::ProducerOpenArgs { producer })
        });
        if opening % 500 == 0 {
            house.run();
        }
    }
    let bytes = house.broker(0).store.catalog_bytes();
    assert!(bytes < 70_000, "{bytes} bytes for {OPENINGS} openings");
    house.restart();
    let peer = house.connect(0);
    assert_eq!(list(&mut house, peer), ["orders"]);
    assert_eq!(open_producer(&mut house, peer, 1), (1, OPENINGS + 1));
    assert_eq!(create(&mut house, peer, "next", 1), 3, "numbers of the deleted stay given");
}

#[test]
fn more_changes_than_may_be_on_their_way_wait_their_turn() {
    const OPENINGS: u32 = 1500;
    let mut house = House::new(2);
    let peers = [house.connect(0), house.connect(1)];
    assert_eq!(open_producer(&mut house, peers[0], 0), (1, 1));
    house.disks_are_silent = true;
    for opening in 0..OPENINGS {
        let peer = peers[usize::from(opening % 2 == 1)];
        house.send(peer, (Kind::ProducerOpen, 1), &[], |builder| {
            table::ProducerOpen::create(builder, &table::ProducerOpenArgs { producer: 1 })
        });
    }
    house.run();
    house.disks_are_silent = false;
    house.run();
    let mut epochs = Vec::new();
    for peer in peers {
        while let Some(received) = house.try_next(peer) {
            let opened: table::ProducerOpened<'_> = received.frame().read().expect("opened");
            epochs.push(opened.epoch());
        }
    }
    epochs.sort_unstable();
    assert_eq!(epochs, (2..=OPENINGS + 1).collect::<Vec<u32>>());
}

#[test]
fn a_change_goes_on_when_who_asked_for_it_is_gone() {
    let mut house = House::new(2);
    let (gone, stays) = (house.connect(1), house.connect(0));
    house.disks_are_silent = true;
    send_create(&mut house, gone, "orders", 1);
    house.run();
    house.close(gone);
    house.disks_are_silent = false;
    house.run();
    assert!(house.try_next(gone).is_none());
    assert_eq!(list(&mut house, stays), ["orders"]);
}
