//! Mail between shards: bounded by its bytes, whoever does not get on, and nothing of it is lost.

use super::consumer::TOPIC;
use super::harness::{House, section};
use crate::broker::mail::Peer;
use crate::broker::post::MAILBOX_BYTES;
use flatbuffers::{FlatBufferBuilder, WIPOffset};
use wire::table::{self, Level, OutcomeKind, ReplyTo, TopicKind};
use wire::{Kind, QueueId, TopicId};

/// So many bodies are more than may be on their way.
const COUNT: u64 = 200;
const BODY_BYTES: usize = 60_000;
const _: () = assert!(COUNT * (BODY_BYTES as u64) > 2 * MAILBOX_BYTES as u64);
const SECOND_NS: u64 = 1_000_000_000;

fn queue() -> u64 {
    QueueId::new(TopicId(1), 0).0
}

/// Hands in a frame with a large record; does not run.
fn send<T>(
    house: &mut House,
    peer: Peer,
    (kind, number): (Kind, u64),
    build: impl FnOnce(&mut FlatBufferBuilder<'static>) -> WIPOffset<T>,
) {
    house.send(peer, (kind, number), &section(&[&vec![1; BODY_BYTES]]), build);
}

fn publish_all(house: &mut House, peer: Peer) {
    let args = table::PublishArgs { queue: queue(), count: 1, ..Default::default() };
    for number in 1..=COUNT {
        send(house, peer, (Kind::Publish, number), |builder| {
            table::Publish::create(builder, &args)
        });
    }
}

fn request_all(house: &mut House, peer: Peer) {
    let args = table::RequestArgs { queue: queue(), time_left_us: 60_000_000 };
    for number in 1..=COUNT {
        send(house, peer, (Kind::Request, number), |builder| {
            table::Request::create(builder, &args)
        });
    }
}

fn serve(house: &mut House, shard: u16) -> Peer {
    let peer = house.connect(shard);
    house.ask(peer, Kind::Serve, |builder| {
        let service = Some(builder.create_string(TOPIC));
        table::Serve::create(builder, &table::ServeArgs { service, concurrency: 4096 })
    });
    assert_eq!(house.next(peer).kind(), Kind::Served);
    peer
}

/// Takes a call: who it was handed to, and where its reply goes.
fn take_call(house: &mut House, responder: Peer) -> (u64, ReplyTo) {
    let received = house.next(responder);
    let call: table::Call<'_> = received.frame().read().expect("a Call");
    (call.responder(), *call.reply_to().expect("filled"))
}

fn reply(house: &mut House, peer: Peer, number: u64, (responder, reply_to): (u64, ReplyTo)) {
    send(house, peer, (Kind::Reply, number), |builder| {
        let args = table::ReplyArgs { responder, reply_to: Some(&reply_to) };
        table::Reply::create(builder, &args)
    });
}

fn check_outcomes(house: &mut House, requester: Peer) {
    for number in 1..=COUNT {
        let received = house.next(requester);
        let outcome: table::Outcome<'_> = received.frame().read().expect("an Outcome");
        let answered = (received.frame().header.request_id, outcome.kind());
        assert_eq!(answered, (number, OutcomeKind::Reply));
    }
}

/// As much as may be is on its way, and no more.
fn check_laden(house: &House, from: u16, to: u16) {
    let bytes = house.mail_bytes(from, to);
    assert!((MAILBOX_BYTES / 4..=MAILBOX_BYTES).contains(&bytes), "{bytes} bytes");
}

fn let_all_get_on(house: &mut House) {
    house.disks_are_silent = false;
    house.mail_is_stuck = false;
    house.run();
    house.advance(SECOND_NS);
}

#[test]
fn publishes_that_a_slow_disk_holds_up_on_another_shard_hold_their_connections() {
    let (mut house, peer) = House::of_two_shards(TopicKind::Event, Level::Durable);
    house.disks_are_silent = true;
    publish_all(&mut house, peer);
    house.run();
    check_laden(&house, 0, 1);
    let_all_get_on(&mut house);
    for number in 1..=COUNT {
        let received = house.next(peer);
        assert_eq!((received.kind(), received.frame().header.request_id), (Kind::Receipt, number));
    }
    assert_eq!(house.mail_bytes(0, 1), 0, "all given back");
}

#[test]
fn what_waits_on_another_shard_goes_with_its_connection() {
    let (mut house, peer) = House::of_two_shards(TopicKind::Event, Level::Durable);
    house.disks_are_silent = true;
    publish_all(&mut house, peer);
    house.run();
    check_laden(&house, 0, 1);
    house.close(peer);
    assert_eq!(house.mail_bytes(0, 1), 0);
}

#[test]
fn requests_for_another_shard_that_does_not_read_wait_and_end_in_time() {
    let (mut house, requester) = House::of_two_shards(TopicKind::Service, Level::Memory);
    let responder = serve(&mut house, 1);
    house.mail_is_stuck = true;
    request_all(&mut house, requester);
    house.run();
    check_laden(&house, 0, 1);
    house.advance(SECOND_NS);
    house.send(requester, (Kind::Cancel, 0), &[], |builder| {
        table::Cancel::create(builder, &table::CancelArgs { request: COUNT })
    });
    let received = house.next(requester);
    let outcome: table::Outcome<'_> = received.frame().read().expect("an Outcome");
    assert_eq!(outcome.kind(), OutcomeKind::Cancelled);
    let_all_get_on(&mut house);
    for _ in 1..COUNT {
        take_call(&mut house, responder);
    }
    assert!(house.try_next(responder).is_none(), "the cancelled one is not handed out");
}

#[test]
fn calls_to_a_shard_that_does_not_read_wait_in_their_order() {
    let (mut house, _) = House::of_two_shards(TopicKind::Service, Level::Memory);
    let responder = serve(&mut house, 0);
    let requester = house.connect(1);
    house.mail_is_stuck = true;
    request_all(&mut house, requester);
    house.run();
    check_laden(&house, 1, 0);
    let_all_get_on(&mut house);
    for number in 1..=COUNT {
        let call = take_call(&mut house, responder);
        reply(&mut house, responder, number, call);
    }
    let_all_get_on(&mut house);
    check_outcomes(&mut house, requester);
}

#[test]
fn replies_to_a_shard_that_does_not_read_hold_their_connections() {
    let (mut house, requester) = House::of_two_shards(TopicKind::Service, Level::Memory);
    let responder = serve(&mut house, 1);
    request_all(&mut house, requester);
    let_all_get_on(&mut house);
    house.mail_is_stuck = true;
    for number in 1..=COUNT {
        let call = take_call(&mut house, responder);
        reply(&mut house, responder, number, call);
    }
    house.run();
    check_laden(&house, 1, 0);
    let_all_get_on(&mut house);
    check_outcomes(&mut house, requester);
}

#[test]
fn what_the_disk_brings_for_another_shard_waits_for_the_way_there() {
    let (mut house, peer) = House::of_two_shards(TopicKind::Event, Level::Durable);
    publish_all(&mut house, peer);
    let_all_get_on(&mut house);
    house.restart();
    let peer = house.connect(0);
    house.disks_are_silent = true;
    for offset in 0..COUNT {
        house.ask(peer, Kind::Fetch, |builder| {
            let args = table::FetchArgs { queue: queue(), offset, records_max: 1, bytes_max: 0 };
            table::Fetch::create(builder, &args)
        });
    }
    house.disks_are_silent = false;
    house.mail_is_stuck = true;
    house.run();
    check_laden(&house, 1, 0);
    let_all_get_on(&mut house);
    let mut offsets: Vec<u64> = std::iter::from_fn(|| house.try_next(peer))
        .map(|received| {
            let fetched: table::Fetched<'_> = received.frame().read().expect("a Fetched");
            assert_eq!(fetched.count(), 1);
            fetched.first_offset()
        })
        .collect();
    offsets.sort_unstable();
    assert!(offsets.into_iter().eq(0..COUNT), "each was answered once");
}
