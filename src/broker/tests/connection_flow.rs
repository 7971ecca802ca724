//! Connections: hello first, heard of in time, told when the node stops.

use super::harness::House;
use crate::broker::mail::Peer;
use crate::broker::post::MAILBOX_SLOTS;
use wire::{ErrorCode, Kind, table};

const SECOND_NS: u64 = 1_000_000_000;

fn check_last_word(house: &mut House, peer: Peer, code: ErrorCode) {
    let received = house.next(peer);
    let error: table::Error<'_> = received.frame().read().expect("an Error");
    assert_eq!(error.code(), code as u16, "{:?}", error.message());
    assert!(house.is_closed(peer));
}

#[test]
fn who_does_not_say_hello_first_is_refused_and_closed() {
    let mut house = House::new(1);
    let peer = house.connect_silently(0);
    house.ask(peer, Kind::TopicList, |builder| {
        table::TopicList::create(builder, &table::TopicListArgs::default())
    });
    check_last_word(&mut house, peer, ErrorCode::HelloExpected);
}

#[test]
fn who_speaks_no_common_version_is_told_ours() {
    let mut house = House::new(1);
    let peer = house.connect_silently(0);
    house.ask(peer, Kind::Hello, |builder| {
        let args = table::HelloArgs { version_min: 2, version_max: 3, ..Default::default() };
        table::Hello::create(builder, &args)
    });
    check_last_word(&mut house, peer, ErrorCode::VersionMismatch);
}

#[test]
fn who_is_silent_for_too_long_is_closed_and_who_speaks_is_not() {
    let mut house = House::new(2);
    let (silent, speaks) = (house.connect(0), house.connect(1));
    for _ in 0..12 {
        house.advance(SECOND_NS);
        house.ask(speaks, Kind::TopicList, |builder| {
            table::TopicList::create(builder, &table::TopicListArgs::default())
        });
        assert_eq!(house.next(speaks).kind(), Kind::TopicListing);
    }
    check_last_word(&mut house, silent, ErrorCode::HeartbeatLost);
    assert!(!house.is_closed(speaks));
}

#[test]
fn a_frame_held_for_a_full_mailbox_waits_for_the_clock_and_keeps_nobody_busy() {
    let mut house = House::new(2);
    let peer = house.connect(1);
    house.mail_is_stuck = true;
    let count = MAILBOX_SLOTS / 2 + 2;
    for _ in 0..count {
        house.ask(peer, Kind::TopicList, |builder| {
            table::TopicList::create(builder, &table::TopicListArgs::default())
        });
    }
    house.mail_is_stuck = false;
    for _ in 0..3 {
        house.advance(SECOND_NS / 1000);
    }
    for _ in 0..count {
        assert_eq!(house.next(peer).kind(), Kind::TopicListing);
    }
}

#[test]
fn a_node_that_was_stopped_hears_its_peers_before_it_judges_them() {
    let mut house = House::new(1);
    let (silent, speaks) = (house.connect(0), house.connect(0));
    house.advance(SECOND_NS);
    house.pause(30 * SECOND_NS);
    assert!(!house.is_closed(silent) && !house.is_closed(speaks));
    house.ask(speaks, Kind::TopicList, |builder| {
        table::TopicList::create(builder, &table::TopicListArgs::default())
    });
    assert_eq!(house.next(speaks).kind(), Kind::TopicListing);
    house.advance(SECOND_NS);
    check_last_word(&mut house, silent, ErrorCode::HeartbeatLost);
    assert!(!house.is_closed(speaks));
}

#[test]
fn a_node_that_stops_says_goodbye_and_ends_when_its_disks_are_done() {
    let mut house = House::new(2);
    let peer = house.connect(1);
    assert!(house.shut_down());
    assert_eq!(house.next(peer).kind(), Kind::Goodbye);
}
