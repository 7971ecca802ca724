//! In steady state a shard allocates nothing per message: counted over the whole process, its client included.

use shard::floor::{Echo, Hops, RoundTrips, round_trips};
use shard::{Idle, NodeMachine, drive, prepare, process};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::io::{Read, Write};
use std::net::TcpStream;
use wire::Kind;
use wire::header::{FrameHeader, VERSION};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const ROUNDS: usize = 5;

fn frame(section_bytes: u32) -> Vec<u8> {
    let header = FrameHeader {
        version: VERSION,
        kind: Kind::Ping as u8,
        flags: 0,
        body_bytes: 0,
        section_bytes,
        request_id: 1,
    };
    let mut bytes = header.encode().to_vec();
    bytes.resize(bytes.len() + section_bytes as usize, 7);
    bytes
}

#[test]
fn an_echo_allocates_nothing() {
    let config = NodeMachine {
        listen: "127.0.0.1:0".parse().expect("an address"),
        idle: Idle::Block,
        ..NodeMachine::default()
    };
    let (mut seats, handle) = prepare::<()>(&config, None).expect("a node");
    let seat = seats.pop().expect("one shard");
    let address = seat.addresses().common;
    let thread = process::spawn("shard-0", move || drive(Echo, seat)).expect("a thread");

    // Small frames; many at once; and frames assembled from several receive buffers.
    let mut stream = TcpStream::connect(address).expect("connects");
    let messages = [frame(64), frame(64).repeat(100), frame(200_000)];
    let mut answer = vec![0; messages.iter().map(Vec::len).max().expect("some")];
    let mut exchange = |count: usize| {
        for _ in 0..count {
            for message in &messages {
                stream.write_all(message).expect("sent");
                stream.read_exact(&mut answer[..message.len()]).expect("answered");
            }
        }
    };
    exchange(200);
    // What a message allocates is in every round. The thread of the test harness is in none but the one in which
    // it first waits: the channel it waits at allocates once.
    let mut round = || {
        let region = Region::new(ALLOCATOR);
        exchange(100);
        let change = region.change();
        change.allocations + change.reallocations
    };
    let fewest = (0..ROUNDS).map(|_| round()).min().expect("some rounds");
    assert_eq!(fewest, 0, "for 10,200 frames echoed");

    // The counter counts: a measurement that allocates is seen.
    let region = Region::new(ALLOCATOR);
    let order = RoundTrips { address, hops: Hops::One, spin: false, warm_up: 0, count: 1 };
    round_trips(&order, &frame(0)).expect("measured");
    assert!(region.change().allocations > 0);

    handle.shutdown();
    thread.join().expect("no panic").expect("the ring was made");
}
