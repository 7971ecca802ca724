//! Allocation: decoding allocates nothing, and a warm writer allocates nothing.
//!
//! The counter is process-wide and the test harness has a thread of its own, so
//! each measure is the least of several rounds: code that allocates does so in
//! every one of them. The last test plants an allocation to show that it counts.

mod sample;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::hint::black_box;
use wire::frame::Decoded;
use wire::names::TopicName;
use wire::record::{check_section, records};
use wire::table;
use wire::{Frame, FrameWriter, Kind};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const ROUNDS: usize = 5;

fn allocations(mut work: impl FnMut()) -> usize {
    work();
    let mut round = || {
        let region = Region::new(ALLOCATOR);
        work();
        let change = region.change();
        change.allocations + change.reallocations
    };
    (0..ROUNDS).map(|_| round()).min().expect("some rounds")
}

/// Reads what a shard reads of a delivery: header, table, checksums, records, properties.
fn read_delivery(stream: &[u8]) -> u64 {
    let Ok(Decoded::Frame { frame, .. }) = Frame::decode(stream) else { panic!("a whole frame") };
    let deliver = frame.read::<table::Deliver<'_>>().expect("a sound body");
    check_section(frame.section, deliver.count(), 4096).expect("a sound section");
    let read = records(frame.section).flat_map(|(record, _)| record.properties.iter());
    read.map(|(name, value)| (name.len() + value.len()) as u64).sum::<u64>() + deliver.queue()
}

#[test]
fn neither_reading_nor_writing_allocates() {
    let mut stream = Vec::new();
    let mut writer = FrameWriter::default();
    sample::write_frame(&mut writer, &mut stream, Kind::Deliver);
    let reading = || {
        let _ = black_box(read_delivery(black_box(&stream)));
    };
    assert_eq!(allocations(reading), 0, "reading");

    let damaged = stream[..stream.len() - 1].to_vec();
    let refusing = || {
        let _ = black_box(Frame::decode(black_box(&damaged)));
    };
    assert_eq!(allocations(refusing), 0, "refusing");
    let naming = || {
        let _ = black_box(TopicName::parse(black_box("XX0-s-00000000-01-0")));
    };
    assert_eq!(allocations(naming), 0, "naming");

    let section = sample::section(2);
    let mut out = Vec::with_capacity(1 << 16);
    let writing = || {
        out.clear();
        writer.write(&mut out, Kind::Receipt, 1, &[&section], |builder| {
            let args = table::ReceiptArgs { queue: 1, first_offset: 2, ..Default::default() };
            table::Receipt::create(builder, &args)
        });
    };
    assert_eq!(allocations(writing), 0, "writing");

    let planted = || {
        let _ = black_box(vec![0_u8; 16]);
    };
    assert!(allocations(planted) > 0, "the counter counts");
}
