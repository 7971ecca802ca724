//! Pool: memory the kernel writes into: the ring of receive buffers, and aligned blocks for direct IO.
//!
//! ```text
//!   kernel takes from the head           we put back at the tail
//!   | entry | entry | ... | entry |  -->  memory: | buffer 0 | buffer 1 | ... |
//!     offered: at most `level`             kept: the last one given back is the next one offered
//! ```
//!
//! Only as many buffers are offered as are in use at once: the kernel takes them in turns, and all
//! of them in turns would be more memory than a core's cache holds. When it finds none, twice as
//! many are offered from then on; when it took less than a quarter for long, half as many.
//!
//! Invariants:
//!   1. A buffer is the kernel's (its entry stands between head and tail), is kept here, or is owned
//!      by one `Received`. A `Received` cannot be copied; giving it back consumes it.
//!   2. The memory outlives the kernel's use: the owner (`Ring`) drops it after the ring is quiet.

use io_uring::types::BufRingEntry;
use std::alloc::Layout;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

/// What direct IO asks of addresses, positions and lengths, in bytes.
pub(crate) const BLOCK_BYTES: usize = 4096;
/// The most that one operation reads. A disk takes so many pieces of memory at once (virtio: 254): a
/// mebibyte of pages is all of that, and a flush behind it waits until the whole of it was read.
const READ_STEP_BYTES_MAX: usize = 512 * 1024;
/// Receive buffers offered at least.
const LEVEL_MIN: u16 = 16;
/// Looks between two judgements of how many are offered.
const LOOKS: u32 = 4096;

/// The layout of `bytes` that start on a block, at least one.
fn layout_of(bytes: usize) -> Layout {
    Layout::from_size_align(bytes.max(1), BLOCK_BYTES).expect("far below isize::MAX")
}

/// Initialised memory that starts on a block.
#[derive(Debug)]
pub(crate) struct Block {
    start: NonNull<u8>,
    layout: Layout,
}

// SAFETY: a block is plain owned memory; nothing in it is bound to a thread.
unsafe impl Send for Block {}
// SAFETY: shared access only reads.
unsafe impl Sync for Block {}

impl Block {
    /// `bytes` of zeroes, at least one.
    pub(crate) fn zeroed(bytes: usize) -> Self {
        let layout = layout_of(bytes);
        // SAFETY: the layout is not empty.
        let start = unsafe { std::alloc::alloc_zeroed(layout) };
        Self::of(start, layout)
    }

    /// What was allocated with this layout; ends the process if it was not.
    fn of(start: *mut u8, layout: Layout) -> Self {
        let Some(start) = NonNull::new(start) else { std::alloc::handle_alloc_error(layout) };
        Self { start, layout }
    }

    pub(crate) fn len(&self) -> usize {
        self.layout.size()
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: the block owns this initialised memory, and `self` is borrowed alone.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.layout.size()) }
    }

    /// Where the kernel is to write. The caller keeps the block alive until it has.
    pub(super) fn address(&self) -> *mut u8 {
        self.start.as_ptr()
    }
}

impl AsRef<[u8]> for Block {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the block owns this initialised memory; whoever holds it shared only reads.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.layout.size()) }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: allocated with this very layout, freed once.
        unsafe { std::alloc::dealloc(self.start.as_ptr(), self.layout) }
    }
}

/// Memory that starts on a block, to be filled by the kernel from its start on; nobody reads it before.
#[derive(Debug)]
pub(crate) struct Blank {
    block: Block,
    filled: usize,
}

impl Blank {
    /// `bytes` of it, at least one. Zeroes would cost a read of a mebibyte a quarter of its time.
    pub(crate) fn new(bytes: usize) -> Self {
        let layout = layout_of(bytes);
        // SAFETY: the layout is not empty.
        let start = unsafe { std::alloc::alloc(layout) };
        Self { block: Block::of(start, layout), filled: 0 }
    }

    pub(super) fn filled(&self) -> usize {
        self.filled
    }

    /// What the kernel is to fill next: from where on, and how many bytes. The caller keeps the
    /// blank alive until it has.
    pub(super) fn next(&self) -> (*mut u8, usize) {
        let left = self.block.len() - self.filled;
        (self.block.address().wrapping_add(self.filled), left.min(READ_STEP_BYTES_MAX))
    }

    /// Takes the result of a read: the block once it is full, else what is left to fill; `None`: the
    /// read failed, or gave less than was asked for.
    ///
    /// # Safety
    /// As many bytes as `result` says, if it is not negative, were written from `next` on.
    pub(super) unsafe fn fill(mut self, result: i32) -> Option<Result<Block, Self>> {
        let (_, asked) = self.next();
        self.filled += usize::try_from(result).ok().filter(|bytes| *bytes == asked)?;
        Some(if self.filled == self.block.len() { Ok(self.block) } else { Err(self) })
    }
}

/// A receive buffer the kernel filled; owned until given back to its pool.
#[derive(Debug)]
#[must_use = "a buffer that is not given back is lost to its pool"]
pub(crate) struct Received {
    id: u16,
    bytes: u32,
}

impl Received {
    pub(super) fn new(id: u16, bytes: u32) -> Self {
        Self { id, bytes }
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes as usize
    }
}

/// The receive buffers of one ring.
#[derive(Debug)]
pub(crate) struct Pool {
    entries: Block,
    memory: Block,
    count: u16,
    buffer_bytes: usize,
    tail: u16,
    offered: u16,
    /// The last one given back is the next one offered: its memory is in the cache.
    kept: Vec<u16>,
    /// How many are offered at most.
    level: u16,
    /// Since the last judgement: looks, and the fewest that were left at one.
    looks: u32,
    left_min: u16,
}

impl Pool {
    /// `count` buffers (a power of two) of `buffer_bytes` each.
    pub(super) fn new(count: u16, buffer_bytes: usize) -> Self {
        let level = count.min(LEVEL_MIN);
        let mut pool = Self {
            entries: Block::zeroed(usize::from(count) * size_of::<BufRingEntry>()),
            memory: Block::zeroed(usize::from(count) * buffer_bytes),
            count,
            buffer_bytes,
            tail: 0,
            offered: 0,
            kept: (0..count).rev().collect(),
            level,
            looks: 0,
            left_min: level,
        };
        pool.publish();
        pool
    }

    /// Where the kernel finds the entries.
    pub(super) fn entries_address(&self) -> u64 {
        self.entries.address() as u64
    }

    pub(super) fn count(&self) -> u16 {
        self.count
    }

    /// Buffers that nobody owns: offered or kept.
    pub(super) fn free(&self) -> usize {
        usize::from(self.offered) + self.kept.len()
    }

    /// The kernel took one.
    pub(super) fn note_taken(&mut self) {
        self.offered -= 1;
    }

    /// The kernel found none: more are offered from now on, if there are more.
    pub(super) fn offer_more(&mut self) {
        self.level = self.level.saturating_mul(2).min(self.count);
    }

    /// The bytes in a received buffer.
    pub(super) fn bytes(&self, received: &Received) -> &[u8] {
        assert!(
            received.id < self.count && received.len() <= self.buffer_bytes,
            "a buffer of this pool"
        );
        // SAFETY: the buffer's start lies within `memory`, by the assertion.
        let start =
            unsafe { self.memory.address().add(usize::from(received.id) * self.buffer_bytes) };
        // SAFETY: initialised memory of this pool; by invariant 1 the kernel does not write to it
        // while the `Received` exists, and giving it back needs this pool not borrowed.
        unsafe { std::slice::from_raw_parts(start.cast_const(), received.len()) }
    }

    /// Takes a buffer back; the kernel may see it after `publish`.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "giving a buffer back consumes its owner (invariant 1)"
    )]
    pub(super) fn give_back(&mut self, received: Received) {
        self.kept.push(received.id);
    }

    /// The first entry; a block starts on 4 KiB, so it is aligned.
    fn entries(&self) -> *mut BufRingEntry {
        self.entries.address().cast()
    }

    fn put(&mut self, id: u16) {
        let slot = usize::from(self.tail & (self.count - 1));
        let address = self.memory.address() as u64 + u64::from(id) * self.buffer_bytes as u64;
        let base = self.entries();
        // SAFETY: `slot` is below `count`, and `entries` holds `count` entries.
        let place = unsafe { base.add(slot) };
        // SAFETY: the entry lies outside head..tail, so only we touch it; field by field, as the
        // tail shares the first entry's unused bytes.
        let entry = unsafe { &mut *place };
        entry.set_addr(address);
        entry.set_len(u32::try_from(self.buffer_bytes).expect("checked when configured"));
        entry.set_bid(id);
        self.tail = self.tail.wrapping_add(1);
        self.offered += 1;
    }

    /// Offers the kernel what it may have.
    pub(super) fn publish(&mut self) {
        self.judge();
        let shown = self.tail;
        while self.offered < self.level
            && let Some(id) = self.kept.pop()
        {
            self.put(id);
        }
        if self.tail == shown {
            return;
        }
        let base = self.entries().cast_const();
        // SAFETY: `base` is the first entry of an initialised ring of entries.
        let tail = unsafe { BufRingEntry::tail(base) };
        // SAFETY: the tail lives as long as `entries`, is aligned, and is shared with the kernel,
        // which only reads it.
        let shared_tail = unsafe { AtomicU16::from_ptr(tail.cast_mut()) };
        shared_tail.store(self.tail, Ordering::Release);
    }

    /// Offers fewer if it took less than a quarter of them between any two of many looks.
    fn judge(&mut self) {
        self.left_min = self.left_min.min(self.offered);
        self.looks += 1;
        if self.looks < LOOKS {
            return;
        }
        if self.left_min > self.level / 4 * 3 {
            self.level = (self.level / 2).max(self.count.min(LEVEL_MIN));
        }
        self.looks = 0;
        self.left_min = self.level;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_zero_and_aligned() {
        let mut block = Block::zeroed(10_000);
        assert_eq!(block.address() as usize % BLOCK_BYTES, 0);
        assert!(block.as_ref().iter().all(|byte| *byte == 0));
        block.as_mut_slice()[9_999] = 7;
        assert_eq!(block.as_ref()[9_999], 7);
    }

    #[test]
    fn a_block_is_there_only_once_all_of_it_was_written() {
        for (result, is_filled) in [(8192, true), (8191, false), (0, false), (-5, false)] {
            let blank = Blank::new(8192);
            let (address, bytes) = blank.next();
            // SAFETY: the blank has so many bytes.
            unsafe { address.write_bytes(7, bytes) };
            // SAFETY: all of them were written.
            let block = unsafe { blank.fill(result) };
            assert_eq!(block.is_some(), is_filled, "{result}");
            assert!(block.is_none_or(|block| *block.expect("one step").as_ref() == [7; 8192]));
        }
    }

    /// What the kernel does: takes so many, from the head.
    fn take(pool: &mut Pool, count: u16) -> Vec<Received> {
        let head = pool.tail.wrapping_sub(pool.offered);
        let take_one = |nth| {
            let slot = usize::from(head.wrapping_add(nth) & (pool.count - 1));
            // SAFETY: `slot` is below `count`, and `entries` holds `count` entries.
            let place = unsafe { pool.entries().add(slot) };
            // SAFETY: all entries are initialised, and no kernel knows these.
            let entry = unsafe { &*place };
            pool.note_taken();
            Received::new(entry.bid(), 5)
        };
        (0..count).map(take_one).collect()
    }

    fn give_all_back(pool: &mut Pool, taken: Vec<Received>) {
        for received in taken {
            pool.give_back(received);
        }
    }

    #[test]
    fn the_last_buffer_given_back_is_the_next_one_offered() {
        let mut pool = Pool::new(64, 4096);
        assert_eq!((pool.free(), pool.offered), (64, LEVEL_MIN));
        let mut used = std::collections::BTreeSet::new();
        for _ in 0..1000 {
            for received in take(&mut pool, 3) {
                used.insert(received.id);
                assert_eq!(pool.bytes(&received).len(), 5);
                pool.give_back(received);
            }
            pool.publish();
            assert_eq!((pool.free(), pool.offered), (64, LEVEL_MIN));
        }
        assert_eq!(used.len(), usize::from(LEVEL_MIN), "the others are never touched");
    }

    #[test]
    fn as_many_are_offered_as_are_used_at_once() {
        let mut pool = Pool::new(64, 4096);
        for level in [16, 32, 64, 64] {
            assert_eq!(pool.offered, level);
            let taken = take(&mut pool, level);
            pool.offer_more();
            give_all_back(&mut pool, taken);
            pool.publish();
        }
        for (taken_at_once, level) in [(20, 64), (15, 32), (15, 32), (3, 16), (0, 16)] {
            for _ in 0..2 * LOOKS {
                let taken = take(&mut pool, taken_at_once);
                pool.publish();
                give_all_back(&mut pool, taken);
                pool.publish();
            }
            assert_eq!(pool.level, level, "{taken_at_once} at once");
        }
        let all_offered = pool.offered;
        let taken = take(&mut pool, all_offered);
        assert_eq!(pool.free(), 64 - taken.len());
    }
}
