//! Footprint: what a queue, a connection and a group cost in memory once they were used and are idle.
//!
//! One real broker, stepped by hand; the counter is process-wide, so one test measures everything. What
//! the machine keeps for a connection and what the kernel keeps for its socket come on top:
//! `docs/performance.md`.

#[path = "../bench/micro/stepped.rs"]
#[expect(dead_code, reason = "a part of what is counted in instructions")]
mod stepped;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use stepped::{Stepped, section};
use wire::table::{Level, TopicKind};
use wire::{QueueId, TopicId};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Bytes kept by each of `count`, after `make` made them all.
fn each(count: usize, make: impl FnOnce()) -> usize {
    let region = Region::new(ALLOCATOR);
    make();
    let change = region.change();
    change.bytes_allocated.saturating_sub(change.bytes_deallocated) / count
}

/// A queue that took one record some time ago.
fn queue_bytes(level: Level) -> usize {
    const QUEUES: u16 = 1000;
    let records = section(1, 64);
    let mut shard = Stepped::with_queues(TopicKind::Event, level, QUEUES + 1);
    let queue = |number| QueueId::new(TopicId(1), number);
    // What is bounded is there before: the chunks that batches are gathered in, the newest batches.
    let warm_up = if level == Level::Memory { 1 } else { 4000 };
    (0..warm_up).for_each(|_| shard.publish_to(queue(QUEUES), &records, 1));
    let all = each(QUEUES.into(), || {
        (0..QUEUES).for_each(|number| shard.publish_to(queue(number), &records, 1));
    });
    // A memory queue still holds its record: that is the record's cost, in a buffer of 256 bytes.
    all - if level == Level::Memory { 256 } else { 0 }
}

fn connection_bytes() -> usize {
    const CONNECTIONS: u32 = 1000;
    let mut shard = Stepped::new(TopicKind::Event, Level::Durable);
    each(CONNECTIONS as usize, || (1..=CONNECTIONS).for_each(|slot| shard.connect(slot)))
}

fn group_bytes() -> usize {
    const GROUPS: usize = 100;
    let mut shard = Stepped::new(TopicKind::Event, Level::Durable);
    shard.subscribe();
    each(GROUPS, || {
        (0..GROUPS).for_each(|number| {
            shard.subscribe_as(&format!("group-{number}"));
        });
    })
}

#[test]
fn what_is_idle_costs_little() {
    let of_queue = (queue_bytes(Level::Durable), queue_bytes(Level::Memory));
    let (of_connection, of_group) = (connection_bytes(), group_bytes());
    eprintln!("queue {of_queue:?}, connection {of_connection}, group {of_group} bytes");
    assert!(of_queue.0 <= 1024 && of_queue.1 <= 1024, "a queue keeps {of_queue:?} bytes");
    assert!(of_connection <= 4096, "a connection keeps {of_connection} bytes in the broker");
    assert!(of_group <= 4096, "a group keeps {of_group} bytes");
    let planted = each(10, || (0..10).for_each(|_| std::mem::forget(vec![7_u8; 5000])));
    assert!(planted >= 5000, "what is kept would be counted");
}
