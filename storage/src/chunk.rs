//! Chunk: aligned memory that batches are gathered in, used again once nobody holds them.
//!
//! ```text
//!   chunk  |pad| batch 1 | batch 2 | gathering ->            |
//!              ^ 4 KiB     split off and frozen: the machine, the recent ring and consumers share it
//! ```
//!
//! A batch is split off the front without a copy. When every batch of a chunk
//! was dropped its memory is taken back, so steady state allocates nothing.

use bytes::{Buf, Bytes, BytesMut};

/// Direct IO wants memory, positions and lengths aligned to this, in bytes.
pub(crate) const BLOCK_BYTES: usize = 4096;

/// Room for so many chunks is there from the start: a bound of the configuration may be any number.
const COUNT_KEPT_READY: usize = 1024;

/// The chunks of one log: one being filled, the others full and waiting to be dropped by their readers.
#[derive(Debug)]
pub(crate) struct Chunks {
    /// Empty between batches; aligned at its front.
    current: BytesMut,
    full: Vec<BytesMut>,
    chunk_bytes: usize,
    count_max: usize,
}

impl Chunks {
    /// At most `count_max` chunks of `chunk_bytes`, allocated when first needed.
    pub(crate) fn new(chunk_bytes: usize, count_max: usize) -> Self {
        assert!(count_max >= 1, "a log gathers in at least one chunk");
        let current = fresh(chunk_bytes);
        let full = Vec::with_capacity(count_max.min(COUNT_KEPT_READY));
        Self { current, full, chunk_bytes, count_max }
    }

    /// Has `bytes` free and aligned at the front of the gathering memory; false when all chunks are held by readers.
    pub(crate) fn make_room(&mut self, bytes: usize) -> bool {
        assert!(self.current.is_empty() && bytes <= self.chunk_bytes, "one batch at a time");
        if self.current.capacity() >= bytes || reclaim(&mut self.current, self.chunk_bytes) {
            return true;
        }
        for chunk in &mut self.full {
            if reclaim(chunk, self.chunk_bytes) {
                std::mem::swap(chunk, &mut self.current);
                return true;
            }
        }
        if self.full.len() + 1 >= self.count_max {
            return false;
        }
        let full = std::mem::replace(&mut self.current, fresh(self.chunk_bytes));
        self.full.push(full);
        true
    }

    /// How much memory they take now.
    pub(crate) fn bytes(&self) -> usize {
        (self.full.len() + 1) * self.chunk_bytes
    }

    /// The gathering memory: append to it, within the room that was made.
    pub(crate) fn gathering(&mut self) -> &mut BytesMut {
        &mut self.current
    }

    /// Splits off all that was gathered; its length must be a multiple of a block.
    pub(crate) fn take(&mut self) -> Bytes {
        assert!(self.current.len().is_multiple_of(BLOCK_BYTES), "what follows must stay aligned");
        self.current.split().freeze()
    }
}

/// A copy of `bytes` in memory of its own, aligned.
pub(crate) fn aligned(bytes: &[u8]) -> Bytes {
    let mut memory = fresh(bytes.len());
    memory.extend_from_slice(bytes);
    memory.freeze()
}

/// `length` zeroes in aligned memory.
pub(crate) fn aligned_zeroes(length: usize) -> BytesMut {
    let mut memory = fresh(length);
    memory.resize(length, 0);
    memory
}

/// The next multiple of a block.
pub(crate) const fn round_up(bytes: usize) -> usize {
    bytes.next_multiple_of(BLOCK_BYTES)
}

fn fresh(chunk_bytes: usize) -> BytesMut {
    let mut chunk = BytesMut::with_capacity(chunk_bytes + BLOCK_BYTES);
    align(&mut chunk);
    chunk
}

/// Takes the whole chunk back if no batch of it is held any more.
fn reclaim(chunk: &mut BytesMut, chunk_bytes: usize) -> bool {
    chunk.clear();
    let whole = chunk.try_reclaim(chunk_bytes + BLOCK_BYTES);
    if whole {
        align(chunk);
    }
    whole
}

fn align(chunk: &mut BytesMut) {
    let skip = chunk.as_ptr().align_offset(BLOCK_BYTES);
    assert!(skip < BLOCK_BYTES, "over-allocated by one block");
    chunk.resize(skip, 0);
    chunk.advance(skip);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gather(chunks: &mut Chunks, fill: u8) -> Bytes {
        assert!(chunks.make_room(2 * BLOCK_BYTES));
        chunks.gathering().resize(2 * BLOCK_BYTES, fill);
        chunks.take()
    }

    #[test]
    fn batches_are_aligned_and_do_not_overlap() {
        let mut chunks = Chunks::new(8 * BLOCK_BYTES, 2);
        let batches: Vec<Bytes> = (1..=8).map(|fill| gather(&mut chunks, fill)).collect();
        for (batch, fill) in batches.iter().zip(1..) {
            assert_eq!(batch.as_ptr().align_offset(BLOCK_BYTES), 0);
            assert!(batch.iter().all(|byte| *byte == fill));
        }
    }

    #[test]
    fn memory_is_used_again_when_its_batches_are_dropped() {
        let mut chunks = Chunks::new(4 * BLOCK_BYTES, 2);
        let mut addresses = std::collections::BTreeSet::new();
        let mut held = std::collections::VecDeque::new();
        for round in 0..200_u8 {
            let batch = gather(&mut chunks, round);
            addresses.insert(batch.as_ptr() as usize);
            held.push_back(batch);
            if held.len() > 1 {
                held.pop_front();
            }
        }
        assert_eq!(addresses.len(), 4, "two chunks of two batches, again and again");
    }

    #[test]
    fn held_chunks_are_refused_not_grown() {
        let mut chunks = Chunks::new(2 * BLOCK_BYTES, 2);
        let first = gather(&mut chunks, 1);
        let _second = gather(&mut chunks, 2);
        assert!(!chunks.make_room(BLOCK_BYTES), "both chunks are held");
        drop(first);
        assert!(chunks.make_room(BLOCK_BYTES));
    }
}
