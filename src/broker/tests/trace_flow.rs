//! Traces: the way of one message over shards and disk, as its answer tells it; and that nobody else is told.

use super::consumer::TOPIC;
use super::harness::{House, Received, section};
use crate::broker::mail::Peer;
use wire::table::{self, Level, OutcomeKind, ReplyTo, TopicKind, TraceStage};
use wire::{Kind, QueueId, TopicId};

/// The queue of the only topic; it lives on shard 1.
const QUEUE: QueueId = QueueId::new(TopicId(1), 0);
const DEADLINE_US: u64 = 1_000_000;

type Told = Vec<(TraceStage, u16, u64)>;

/// A responder on shard 1 that takes one request at a time.
fn responder(house: &mut House) -> Peer {
    let responder = house.connect(1);
    house.ask(responder, Kind::Serve, |builder| {
        let service = Some(builder.create_string(TOPIC));
        table::Serve::create(builder, &table::ServeArgs { service, concurrency: 1 })
    });
    assert_eq!(house.next(responder).kind(), Kind::Served);
    responder
}

fn request(house: &mut House, peer: Peer, request_id: u64, traced: bool) {
    house.trace_next(traced);
    house.send(peer, (Kind::Request, request_id), &section(&[b"x"]), |builder| {
        let args = table::RequestArgs { queue: QUEUE.0, time_left_us: DEADLINE_US };
        table::Request::create(builder, &args)
    });
}

fn publish(house: &mut House, peer: Peer, traced: bool) {
    house.trace_next(traced);
    house.send(peer, (Kind::Publish, 7), &section(&[b"x"]), |builder| {
        let args = table::PublishArgs { queue: QUEUE.0, count: 1, ..Default::default() };
        table::Publish::create(builder, &args)
    });
}

/// Answers the call the responder got next.
fn reply(house: &mut House, responder: Peer) {
    let received = house.next(responder);
    let call: table::Call<'_> = received.frame().read().expect("a Call");
    let reply_to: ReplyTo = *call.reply_to().expect("an address");
    let responder_id = call.responder();
    house.send(responder, (Kind::Reply, 0), &section(&[b"y"]), |builder| {
        let args = table::ReplyArgs { responder: responder_id, reply_to: Some(&reply_to) };
        table::Reply::create(builder, &args)
    });
    house.run();
}

/// Lets mails between shards lie for so long.
fn delay_mail(house: &mut House, span_ns: u64) {
    house.mail_is_stuck = true;
    house.run();
    house.advance(span_ns);
    house.mail_is_stuck = false;
    house.run();
}

/// Lets the disk take so long for what it is given.
fn delay_disk(house: &mut House, span_ns: u64) {
    house.run();
    house.advance(span_ns);
    house.disks_are_silent = false;
    house.run();
}

/// The trace in front of the next frame, if there is one, and that frame.
fn next_with_trace(house: &mut House, peer: Peer) -> (Option<Told>, Received) {
    let first = house.next(peer);
    if first.kind() != Kind::Trace {
        return (None, first);
    }
    let trace: table::Trace<'_> = first.frame().read().expect("a Trace");
    let marks = trace.marks().into_iter().flatten();
    let told = marks.map(|mark| (mark.stage(), mark.shard(), mark.end_ns())).collect();
    let answer = house.next(peer);
    assert_eq!(first.frame().header.request_id, answer.frame().header.request_id);
    (Some(told), answer)
}

fn next_outcome(house: &mut House, peer: Peer) -> (OutcomeKind, Option<Told>) {
    let (told, answer) = next_with_trace(house, peer);
    let outcome: table::Outcome<'_> = answer.frame().read().expect("an Outcome");
    (outcome.kind(), told)
}

fn next_receipt(house: &mut House, peer: Peer) -> Option<Told> {
    let (told, answer) = next_with_trace(house, peer);
    assert_eq!(answer.kind(), Kind::Receipt);
    told
}

#[test]
fn a_durable_request_over_two_shards_tells_every_stage() {
    let (mut house, requester) = House::of_two_shards(TopicKind::Service, Level::Durable);
    let responder = responder(&mut house);
    request(&mut house, requester, 10, false);
    house.run();
    house.take_after(3);
    house.disks_are_silent = true;
    request(&mut house, requester, 11, true);
    delay_mail(&mut house, 10);
    delay_disk(&mut house, 20);
    house.advance(30);
    reply(&mut house, responder);
    assert_eq!(next_outcome(&mut house, requester), (OutcomeKind::Reply, None), "not traced");
    house.advance(40);
    house.mail_is_stuck = true;
    reply(&mut house, responder);
    delay_mail(&mut house, 5);
    let (kind, told) = next_outcome(&mut house, requester);
    assert_eq!(kind, OutcomeKind::Reply);
    let expected = vec![
        (TraceStage::Ingress, 0, 3),
        (TraceStage::Deliver, 1, 13),
        (TraceStage::Gather, 1, 13),
        (TraceStage::Flush, 1, 33),
        (TraceStage::Queue, 1, 63),
        (TraceStage::Service, 1, 103),
        (TraceStage::Reply, 0, 108),
    ];
    assert_eq!(told, Some(expected));
}

#[test]
fn a_request_that_ends_without_a_reply_tells_what_is_known() {
    let (mut house, requester) = House::of_two_shards(TopicKind::Service, Level::Memory);
    let _responder = responder(&mut house);
    request(&mut house, requester, 10, true);
    request(&mut house, requester, 11, true);
    house.advance(2 * DEADLINE_US * 1000);
    let (kind, told) = next_outcome(&mut house, requester);
    assert_eq!(kind, OutcomeKind::TimeoutInService);
    let stages: Vec<TraceStage> = told.iter().flatten().map(|(stage, ..)| *stage).collect();
    let all = [TraceStage::Ingress, TraceStage::Deliver, TraceStage::Queue, TraceStage::Service];
    assert_eq!(stages, all);
    let (kind, told) = next_outcome(&mut house, requester);
    assert_eq!(kind, OutcomeKind::TimeoutInQueue);
    let told = told.expect("traced");
    assert_eq!((told[0], told.len()), ((TraceStage::Ingress, 0, 0), 2));
    let (stage, _, end_ns) = told[1];
    assert!(stage == TraceStage::Queue && end_ns >= DEADLINE_US * 1000, "{end_ns}");
}

#[test]
fn a_publish_that_meets_a_flush_tells_how_long_it_gathered() {
    let (mut house, peer) = House::of_two_shards(TopicKind::Event, Level::Durable);
    house.disks_are_silent = true;
    publish(&mut house, peer, true);
    delay_mail(&mut house, 4);
    house.advance(7);
    publish(&mut house, peer, true);
    publish(&mut house, peer, false);
    delay_disk(&mut house, 13);
    let first = vec![
        (TraceStage::Ingress, 0, 0),
        (TraceStage::Deliver, 1, 4),
        (TraceStage::Gather, 1, 4),
        (TraceStage::Flush, 1, 24),
    ];
    assert_eq!(next_receipt(&mut house, peer), Some(first));
    let second = vec![
        (TraceStage::Ingress, 0, 0),
        (TraceStage::Deliver, 1, 0),
        (TraceStage::Gather, 1, 13),
        (TraceStage::Flush, 1, 13),
    ];
    assert_eq!(next_receipt(&mut house, peer), Some(second));
    assert_eq!(next_receipt(&mut house, peer), None);
}

#[test]
fn a_publish_to_memory_ends_where_it_is_taken() {
    let (mut house, peer) = House::of_two_shards(TopicKind::Event, Level::Memory);
    // The first one reserves offsets in the log.
    publish(&mut house, peer, false);
    house.run();
    assert_eq!(next_receipt(&mut house, peer), None);
    publish(&mut house, peer, true);
    delay_mail(&mut house, 4);
    let told = next_receipt(&mut house, peer);
    assert_eq!(told, Some(vec![(TraceStage::Ingress, 0, 0), (TraceStage::Deliver, 1, 4)]));
}
