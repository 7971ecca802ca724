//! Requests: stored before they are handed out, and what becomes of those that wait for room in the log.

use super::harness::{House, section};
use crate::broker::mail::Peer;
use wire::table::{Level, OutcomeKind, TopicKind};
use wire::{Kind, QueueId, TopicId, table};

/// So many bodies of this size are more than a batch in flight and one that gathers can hold.
const REQUESTS: u64 = 40;
const BODY_BYTES: usize = 30_000;

/// A node with one durable service, a requester and a responder of it.
fn house() -> (House, Peer, Peer) {
    let mut house = House::new(1);
    let requester = house.connect(0);
    house.ask(requester, Kind::TopicCreate, |builder| {
        let name = Some(builder.create_string("s"));
        let (kind, level) = (TopicKind::Service, Level::Durable);
        let args =
            table::TopicCreateArgs { name, kind, level, queue_count: 1, ..Default::default() };
        table::TopicCreate::create(builder, &args)
    });
    assert_eq!(house.next(requester).kind(), Kind::TopicInfo);
    let responder = house.connect(0);
    house.ask(responder, Kind::Serve, |builder| {
        let service = Some(builder.create_string("s"));
        table::Serve::create(builder, &table::ServeArgs { service, concurrency: 4096 })
    });
    assert_eq!(house.next(responder).kind(), Kind::Served);
    (house, requester, responder)
}

fn request(house: &mut House, requester: Peer, request_id: u64, time_left_us: u64) {
    let mut body = vec![1; BODY_BYTES];
    body[..8].copy_from_slice(&request_id.to_le_bytes());
    house.send(requester, (Kind::Request, request_id), &section(&[&body]), |builder| {
        let queue = QueueId::new(TopicId(1), 0).0;
        table::Request::create(builder, &table::RequestArgs { queue, time_left_us })
    });
}

/// Sends more requests than the log takes while its disk is silent, numbered from 10 on.
fn overfill(house: &mut House, requester: Peer) {
    house.disks_are_silent = true;
    for number in 10..10 + REQUESTS {
        request(house, requester, number, 1_000_000);
    }
    house.run();
}

/// The offsets of the calls that came.
fn calls(house: &mut House, responder: Peer) -> Vec<u64> {
    let mut offsets = Vec::new();
    while let Some(received) = house.try_next(responder) {
        let call: table::Call<'_> = received.frame().read().expect("a Call");
        offsets.push(call.offset());
    }
    offsets
}

fn outcomes(house: &mut House, requester: Peer) -> Vec<(u64, OutcomeKind)> {
    let mut outcomes = Vec::new();
    while let Some(received) = house.try_next(requester) {
        let outcome: table::Outcome<'_> = received.frame().read().expect("an Outcome");
        outcomes.push((received.frame().header.request_id, outcome.kind()));
    }
    outcomes
}

#[test]
fn durable_requests_that_meet_a_full_batch_wait_for_the_flush_in_their_order() {
    let (mut house, requester, responder) = house();
    overfill(&mut house, requester);
    assert!(calls(&mut house, responder).is_empty(), "nothing is stored yet");
    assert_eq!(outcomes(&mut house, requester), [], "and nothing has ended");
    house.disks_are_silent = false;
    house.run();
    assert_eq!(calls(&mut house, responder), (0..REQUESTS).collect::<Vec<_>>());
    assert_eq!(outcomes(&mut house, requester), []);
}

#[test]
fn what_is_cancelled_before_it_is_stored_is_neither_stored_nor_handed_out() {
    let (mut house, requester, responder) = house();
    overfill(&mut house, requester);
    let last = 10 + REQUESTS - 1;
    house.ask(requester, Kind::Cancel, |builder| {
        table::Cancel::create(builder, &table::CancelArgs { request: last })
    });
    assert_eq!(outcomes(&mut house, requester), [(last, OutcomeKind::Cancelled)]);
    house.disks_are_silent = false;
    house.run();
    assert_eq!(calls(&mut house, responder).len() as u64, REQUESTS - 1);
}

#[test]
fn without_a_responder_they_end_when_their_flush_does() {
    let (mut house, requester, responder) = house();
    overfill(&mut house, requester);
    house.close(responder);
    house.disks_are_silent = false;
    house.run();
    let ended = outcomes(&mut house, requester);
    assert_eq!(ended.len() as u64, REQUESTS);
    assert!(ended.iter().all(|(_, kind)| *kind == OutcomeKind::NoResponder), "{ended:?}");
}

#[test]
fn what_is_late_when_its_flush_ends_is_not_handed_out() {
    let (mut house, requester, responder) = house();
    house.disks_are_silent = true;
    request(&mut house, requester, 10, 1_000);
    house.run();
    house.advance(2_000_000);
    assert_eq!(outcomes(&mut house, requester), [(10, OutcomeKind::TimeoutInQueue)]);
    house.disks_are_silent = false;
    house.run();
    assert!(calls(&mut house, responder).is_empty());
}
