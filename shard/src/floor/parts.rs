//! Parts: single costs of the machine and of memory, as work to be repeated and counted.

use crate::mailbox::{Bell, connect};
use crate::sys::host;
use crate::wheel::Wheel;
use std::hint::black_box;
use std::sync::Arc;

/// A mail from one shard to another, the ends of both turns included; nobody sleeps.
///
/// # Panics
/// No eventfd can be made.
pub fn mail() -> impl FnMut() {
    let bells: Vec<_> = (0..2).map(|_| Arc::new(Bell::new().expect("an eventfd"))).collect();
    let mut shards = connect::<[u64; 4]>(&bells, 1024);
    move || {
        let (left, right) = shards.split_at_mut(1);
        let (outbox, inbox) = (&mut left[0].outboxes[1], &mut right[0].inboxes[0]);
        outbox.push(black_box([1; 4]));
        let room = outbox.room().mails;
        outbox.end_turn(room);
        black_box(inbox.pop());
        inbox.end_turn();
    }
}

/// A timer armed and, a millisecond of turns later, taken.
pub fn timer() -> impl FnMut() {
    let mut now_ns = 1_000_000_000;
    let mut wheel = Wheel::new(now_ns);
    let mut due = Vec::new();
    move || {
        wheel.arm(now_ns + 1_000_000, black_box(7_u64));
        now_ns += 10_000;
        wheel.take_due(now_ns, &mut due);
        black_box(wheel.next_ns());
        due.clear();
    }
}

/// Copies `bytes` and takes their checksum, `count` times; the span of each in nanoseconds. Source and
/// place are of many sections, as a log's are, so the caches hold neither for long.
pub fn copies(bytes: usize, count: usize) -> Vec<u64> {
    const SECTIONS: usize = 64;
    let from = vec![7_u8; bytes * SECTIONS];
    let mut to = vec![0_u8; bytes * SECTIONS];
    let mut spans_ns = Vec::with_capacity(count);
    for number in 0..count {
        let at = number % SECTIONS * bytes;
        let begun_ns = host::mono_ns();
        to[at..at + bytes].copy_from_slice(&from[at..at + bytes]);
        black_box(wire::record::checksum(&to[at..at + bytes]));
        spans_ns.push(host::mono_ns() - begun_ns);
    }
    spans_ns
}
