//! Living: hello, heartbeats, deadlines of calls, and coming back.

use super::World;
use super::fake::FakeNode;
use crate::config::ResponderConfig;
use crate::error::{CallError, ConnectError, UnknownCause};
use crate::session::HOME;
use crate::session::admin::Ask;
use wire::ShardId;

#[test]
fn hello_is_answered_and_the_node_is_known() {
    let world = World::ready(FakeNode::new(1));
    assert_eq!(world.session.node().name, "fake");
    assert_eq!(world.session.node().record_bytes_max, 1 << 20);
}

#[test]
fn an_idle_line_is_pinged_and_a_silent_one_is_left() {
    let mut world = World::ready(FakeNode::new(1));
    for _ in 0..2500 {
        world.turn();
    }
    assert_eq!(world.node.pings, 2, "as often as the node asks");
    assert!(world.session.is_ready());
    world.silent = true;
    let generation = world.session.generation(HOME);
    for _ in 0..10_100 {
        world.turn();
    }
    assert!(world.session.generation(HOME) > generation, "half open: left within a heartbeat");
    world.silent = false;
    world.until(3000, |session| session.is_ready().then_some(()));
}

#[test]
fn pauses_between_attempts_grow_and_are_bounded() {
    let mut world = World::new(FakeNode::new(1));
    world.down = true;
    let mut attempts = 0;
    let mut generation = world.session.generation(HOME);
    for _ in 0..10_000 {
        world.turn();
        attempts += u32::from(world.session.generation(HOME) != generation);
        generation = world.session.generation(HOME);
    }
    assert!((10..=30).contains(&attempts), "{attempts} attempts in 10 s");
    assert!(matches!(world.session.failure(), Some(ConnectError::Unreachable { .. })));
}

#[test]
fn without_a_node_nobody_is_woken_to_register() {
    let mut world = World::ready(FakeNode::new(1));
    world.session.add_responder(ResponderConfig::new("S1"));
    world.down = true;
    world.session.lost(HOME);
    let mut woken = 0;
    for _ in 0..1000 {
        world.turn();
        woken += u32::from(world.session.wake_ns() <= world.now_ns + 1);
    }
    assert!(woken < 50, "{woken} of 1000 turns asked for another at once");
}

#[test]
fn another_protocol_is_named() {
    let mut world = World::new(FakeNode::new(1));
    world.silent = true;
    world.turn();
    world.session.space(HOME)[..8].copy_from_slice(b"HTTP/1.1");
    world.session.received(HOME, 8);
    assert!(matches!(world.session.failure(), Some(ConnectError::NotOurProtocol { .. })));
}

#[test]
fn a_call_without_an_answer_is_unknown_and_one_that_never_left_is_not_sent() {
    let mut world = World::ready(FakeNode::new(1));
    let deadline_ns = world.now_ns + 50_000_000;
    let call = world.session.ask(Ask::Stats(ShardId(0)), deadline_ns); // the fake knows no stats
    let error = world.until(60, |session| session.take_call(call)).expect_err("no answer");
    assert_eq!(error, CallError::Unknown(UnknownCause::TimedOut));
    world.down = true;
    world.session.lost(HOME);
    let deadline_ns = world.now_ns + 50_000_000;
    let call = world.session.ask(Ask::TopicDelete("x"), deadline_ns);
    let error = world.until(60, |session| session.take_call(call)).expect_err("no line");
    assert_eq!(error, CallError::NotSent);
}

#[test]
fn a_break_makes_a_call_unknown() {
    let mut world = World::ready(FakeNode::new(1));
    let deadline_ns = world.now_ns + 50_000_000;
    let call = world.session.ask(Ask::Stats(ShardId(0)), deadline_ns);
    world.turn();
    world.session.lost(HOME);
    let error = world.until(1, |session| session.take_call(call)).expect_err("lost");
    assert_eq!(error, CallError::Unknown(UnknownCause::ConnectionLost));
}

#[test]
fn random_bytes_end_the_line_and_never_panic() {
    let mut world = World::ready(FakeNode::new(1));
    let mut random = 1_u64;
    for _ in 0..2000 {
        world.until(5000, |session| session.is_ready().then_some(()));
        let mut bytes = Vec::new();
        wire::FrameWriter::default().write_bare(&mut bytes, wire::Kind::Receipt, 1);
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let place = usize::try_from(random >> 40).expect("24 bits") % bytes.len();
        bytes[place] ^= 1 << (random >> 61);
        bytes[5] = (random >> 33).to_le_bytes()[0];
        world.session.space(HOME)[..bytes.len()].copy_from_slice(&bytes);
        world.session.received(HOME, bytes.len());
        world.turn();
    }
}
