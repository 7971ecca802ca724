//! Allocation: a warm shard handles a message without allocating.
//!
//! One real broker, stepped by hand on a disk that says yes. The counter is
//! process-wide, so one test measures everything, and each measure is the least
//! of several rounds: code that allocates for every message does so in every
//! round, tables that double their size only in some. The last measure plants an
//! allocation to show that it counts.

#[path = "../bench/micro/stepped.rs"]
#[expect(dead_code, reason = "a part of what is counted in instructions")]
mod stepped;

use bytes::Bytes;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use stepped::{Stepped, section};
use wire::table::{Level, TopicKind};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const ROUNDS: usize = 24;
const MESSAGES_PER_ROUND: usize = 32;
/// Enough to fill what is bounded: buffers, rings.
const MESSAGES_TO_WARM_UP: usize = 4096;

/// The fewest allocations of a round of messages, once everything is warm.
fn allocations(mut message: impl FnMut()) -> usize {
    let mut round = || {
        let region = Region::new(ALLOCATOR);
        (0..MESSAGES_PER_ROUND).for_each(|_| message());
        let change = region.change();
        change.allocations + change.reallocations
    };
    (0..MESSAGES_TO_WARM_UP / MESSAGES_PER_ROUND).for_each(|_| {
        round();
    });
    (0..ROUNDS).map(|_| round()).min().expect("some rounds")
}

fn publish_allocations(level: Level) -> usize {
    let mut shard = Stepped::new(TopicKind::Event, level);
    let records = section(1, 256);
    allocations(|| shard.publish(&records, 1))
}

/// A publish, its delivery to a member, and the member's ack, answered.
fn consume_allocations() -> usize {
    let mut shard = Stepped::new(TopicKind::Event, Level::Durable);
    let records = section(1, 256);
    let member = shard.subscribe();
    allocations(|| {
        shard.publish(&records, 1);
        let offset = shard.delivered();
        shard.ack(member, offset);
    })
}

/// A request, the call of a responder, its reply, and the outcome.
fn request_allocations() -> usize {
    let mut shard = Stepped::new(TopicKind::Service, Level::Memory);
    let records = section(1, 256);
    shard.serve();
    allocations(|| shard.request(&records))
}

#[test]
fn a_warm_shard_allocates_nothing_for_a_message() {
    assert_eq!(publish_allocations(Level::Durable), 0, "a durable publish");
    assert_eq!(publish_allocations(Level::Memory), 0, "a publish in memory");
    assert_eq!(consume_allocations(), 0, "a delivery and its ack");
    assert_eq!(request_allocations(), 0, "a request and its reply");
    let planted = || drop(std::hint::black_box(Bytes::copy_from_slice(&[1; 64])));
    assert!(allocations(planted) >= MESSAGES_PER_ROUND, "an allocation would be counted");
}
