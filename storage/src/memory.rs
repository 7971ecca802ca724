//! Memory: the records of `memory` queues, in RAM of their owner and nowhere else.
//!
//! ```text
//!   lost with an earlier process | dropped | kept: sections  | reserved in the log, unused
//!   0                         base     start              end                  reserved_end
//! ```
//!
//! Invariants:
//!   1. No offset is handed out at or above `reserved_end`, which is durable in
//!      the log; a new process goes on at the `reserved_end` it finds, so no
//!      offset is ever handed out twice.
//!   2. The bytes of all rings and of the pool together never exceed the budget.
//!
//! What is dropped, and when: a section goes once every group that has a
//! position on the queue consumed it, and when it is older than its retention.
//! When the budget is spent a publish is refused; only a queue without any
//! position, which is nobody's backlog, gives up its own oldest sections first.
//! One that no group ever read keeps a sixteenth of the budget at most, so that
//! it takes no room from those that are read, nor the caches of the core.
//!
//! Sections live in buffers of a few sizes that are used again, so that keeping
//! and dropping records allocates nothing once warm.

use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;
use wire::{LogIndex, Offset};

/// Offsets reserved at once for a memory queue.
pub(crate) const RESERVATION_OFFSETS: u64 = 1 << 20;

/// The smallest buffer, in bytes; each class is half as large again or twice the one before.
const BUFFER_BYTES_MIN: usize = 256;
/// 256 B, 384 B, 512 B, ... 8 MiB: above the largest section.
const CLASSES: usize = 31;

/// A queue that no group ever read keeps this part of the budget at most.
const UNREAD_PART: usize = 16;

/// One publish as it is kept.
#[derive(Debug)]
pub(crate) struct MemorySection {
    pub(crate) first_offset: Offset,
    pub(crate) count: u32,
    pub(crate) accepted_ns: u64,
    pub(crate) records: Bytes,
}

impl MemorySection {
    pub(crate) fn end(&self) -> Offset {
        self.first_offset.plus(u64::from(self.count))
    }
}

/// The sections of one queue.
#[derive(Debug, Default)]
pub(crate) struct MemoryRing {
    /// First offset of this process (invariant 1).
    pub(crate) base: Offset,
    /// Exclusive end of what may be handed out.
    pub(crate) reserved_end: Offset,
    /// A reservation is on its way: up to here, durable with this batch.
    pub(crate) reserving: Option<(Offset, LogIndex)>,
    sections: VecDeque<MemorySection>,
    /// Of the buffers of its sections.
    bytes: usize,
}

impl MemoryRing {
    /// After a restart: nothing below was kept, nothing below is handed out again.
    pub(crate) fn recovered(reserved_end: Offset) -> Self {
        Self { base: reserved_end, reserved_end, ..Self::default() }
    }

    /// Takes over a reservation whose note is durable.
    pub(crate) fn settle(&mut self, durable_end: LogIndex) {
        if let Some((end, index)) = self.reserving
            && index < durable_end
        {
            self.reserved_end = end;
            self.reserving = None;
        }
    }

    /// The end of the newest reservation, durable or on its way.
    pub(crate) fn newest_reservation(&self) -> Offset {
        self.reserving.map_or(self.reserved_end, |(end, _)| end)
    }

    pub(crate) fn push(&mut self, section: MemorySection) {
        self.bytes += buffer_bytes(&section.records);
        self.sections.push_back(section);
    }

    /// Memory of its sections, in bytes.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// First offset still there, or `end` when nothing is.
    pub(crate) fn start(&self, end: Offset) -> Offset {
        self.sections.front().map_or(end, |section| section.first_offset)
    }

    /// The section that holds `offset`.
    pub(crate) fn find(&self, offset: Offset) -> Option<&MemorySection> {
        let after = self.sections.partition_point(|section| section.first_offset <= offset);
        self.sections.get(after.checked_sub(1)?).filter(|section| offset < section.end())
    }

    /// The first section accepted at or after `time_ns`.
    pub(crate) fn at_time(&self, time_ns: u64) -> Option<Offset> {
        let before = self.sections.partition_point(|section| section.accepted_ns < time_ns);
        self.sections.get(before).map(|section| section.first_offset)
    }

    /// Drops whole sections below `floor`.
    pub(crate) fn drop_below(&mut self, floor: Offset, pool: &mut Pool) {
        while self.sections.front().is_some_and(|section| section.end() <= floor) {
            self.drop_oldest(pool);
        }
    }

    /// Drops sections accepted before `time_ns`; says how many records went.
    pub(crate) fn drop_before(&mut self, time_ns: u64, pool: &mut Pool) -> u64 {
        let mut dropped = 0;
        while let Some(section) = self.sections.front()
            && section.accepted_ns < time_ns
        {
            dropped += u64::from(section.count);
            self.drop_oldest(pool);
        }
        dropped
    }

    /// Drops the oldest section; `false` when there is none.
    pub(crate) fn drop_oldest(&mut self, pool: &mut Pool) -> bool {
        let Some(section) = self.sections.pop_front() else { return false };
        self.bytes -= buffer_bytes(&section.records);
        pool.give_back(section.records);
        if self.sections.is_empty() && self.sections.capacity() > 1024 {
            self.sections.shrink_to(64);
        }
        true
    }
}

/// The buffers of all rings of a shard, and their budget (invariant 2).
#[derive(Debug)]
pub(crate) struct Pool {
    bytes_max: usize,
    /// In rings, by the size of their buffers.
    used_bytes: usize,
    /// Kept for the next ones.
    free_bytes: usize,
    free: [Vec<BytesMut>; CLASSES],
}

impl Pool {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, used_bytes: 0, free_bytes: 0, free: std::array::from_fn(|_| Vec::new()) }
    }

    pub(crate) const fn used_bytes(&self) -> usize {
        self.used_bytes
    }

    pub(crate) const fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// The most that a queue keeps which no group ever read.
    pub(crate) const fn unread_bytes_max(&self) -> usize {
        self.bytes_max / UNREAD_PART
    }

    /// Whether `records` would fit now.
    pub(crate) fn has_room(&self, records: &[u8]) -> bool {
        let bytes = class_of(records.len()).map(class_bytes);
        bytes.is_some_and(|bytes| self.used_bytes + bytes <= self.bytes_max)
    }

    /// Copies `records` into a buffer; `None` when the budget is spent.
    pub(crate) fn keep(&mut self, records: &[u8]) -> Option<Bytes> {
        if !self.has_room(records) {
            return None;
        }
        let class = class_of(records.len())?;
        let bytes = class_bytes(class);
        let mut buffer = if let Some(buffer) = self.free[class].pop() {
            self.free_bytes -= bytes;
            buffer
        } else {
            self.make_room(bytes);
            new_buffer(bytes)
        };
        self.used_bytes += bytes;
        buffer.extend_from_slice(records);
        Some(buffer.freeze())
    }

    /// Takes a section's buffer back, for the next one unless somebody still reads it.
    pub(crate) fn give_back(&mut self, records: Bytes) {
        let Some(class) = class_of(records.len()) else { return };
        let bytes = class_bytes(class);
        self.used_bytes -= bytes;
        if let Ok(mut buffer) = records.try_into_mut()
            && self.used_bytes + self.free_bytes + bytes <= self.bytes_max
        {
            buffer.clear();
            self.free_bytes += bytes;
            self.free[class].push(buffer);
        }
    }

    /// Lets free buffers of other sizes go until one of `bytes` fits the budget.
    fn make_room(&mut self, bytes: usize) {
        for class in (0..CLASSES).rev() {
            while self.used_bytes + self.free_bytes + bytes > self.bytes_max {
                if self.free[class].pop().is_none() {
                    break;
                }
                self.free_bytes -= class_bytes(class);
            }
        }
    }
}

/// A buffer whose later `freeze` and `try_into_mut` allocate nothing: its
/// memory is counted by reference from the start.
fn new_buffer(bytes: usize) -> BytesMut {
    let mut buffer = BytesMut::with_capacity(bytes);
    drop(buffer.split_off(bytes));
    buffer
}

/// The size of the buffer that these records are kept in.
fn buffer_bytes(records: &[u8]) -> usize {
    class_of(records.len()).map_or(0, class_bytes)
}

const fn class_bytes(class: usize) -> usize {
    let doubled = BUFFER_BYTES_MIN << (class / 2);
    if class.is_multiple_of(2) { doubled } else { doubled + doubled / 2 }
}

/// The smallest class that holds `bytes`.
fn class_of(bytes: usize) -> Option<usize> {
    (0..CLASSES).find(|class| class_bytes(*class) >= bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(pool: &mut Pool, first: u64, records: &[u8]) -> MemorySection {
        let records = pool.keep(records).expect("room");
        MemorySection { first_offset: Offset(first), count: 2, accepted_ns: first, records }
    }

    #[test]
    fn sections_are_found_by_offset_and_time() {
        let mut pool = Pool::new(4096);
        let mut ring = MemoryRing::default();
        for first in [10, 12, 14] {
            ring.push(section(&mut pool, first, b"two"));
        }
        assert_eq!(ring.find(Offset(13)).map(|found| found.first_offset), Some(Offset(12)));
        assert!(ring.find(Offset(9)).is_none());
        assert!(ring.find(Offset(16)).is_none());
        assert_eq!(ring.at_time(13), Some(Offset(14)));
        assert_eq!(ring.at_time(15), None);
        ring.drop_below(Offset(13), &mut pool);
        assert_eq!(ring.start(Offset(16)), Offset(12), "only whole sections go");
        assert_eq!(ring.drop_before(14, &mut pool), 2);
        assert_eq!(ring.start(Offset(16)), Offset(14));
    }

    #[test]
    fn the_budget_holds_and_comes_back() {
        let mut pool = Pool::new(1024);
        let first = pool.keep(&[1; 300]).expect("384 of 1024");
        let second = pool.keep(&[2; 600]).is_none();
        assert!(second, "384 + 768 is more than 1024");
        pool.give_back(first);
        assert_eq!(pool.used_bytes(), 0);
        let large = pool.keep(&[3; 700]).expect("the free buffer makes room");
        assert_eq!(&large[..], [3; 700]);
        assert!(pool.used_bytes + pool.free_bytes <= 1024);
        assert!(pool.keep(&vec![0; 9 << 20]).is_none(), "larger than any class");
    }

    #[test]
    fn buffers_are_used_again() {
        let mut pool = Pool::new(1024);
        let first = pool.keep(&[1; 300]).expect("room");
        let place = first.as_ptr();
        pool.give_back(first);
        let again = pool.keep(&[2; 257]).expect("room");
        assert_eq!(again.as_ptr(), place);
        assert_eq!(&again[..], [2; 257]);
    }
}
