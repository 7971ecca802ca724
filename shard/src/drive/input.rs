//! Input: the bytes a connection sent, until the core has taken them as frames.
//!
//! ```text
//!   a frame within one receive buffer:   read where it lies, no copy
//!   a frame over several:                copied together, charged to the shard's budget
//! ```
//!
//! Invariants:
//!   1. `assembly` holds the beginning of one frame and nothing after it.
//!   2. While something is assembled, all of it is charged; no buffer is held whose bytes were copied.
//!   3. `look` shows the same frame until `take`: that is how a held frame is handed in again.

use super::memory::Memory;
use crate::sys::pool::Received;
use crate::sys::ring::Ring;
use std::collections::VecDeque;
use wire::frame::Decoded;
use wire::header::FrameHeader;
use wire::{DecodeError, Frame, HEADER_BYTES};

/// What stands at the front of a connection's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// A whole frame.
    Frame(FrameHeader),
    /// Not a whole frame yet.
    Incomplete,
    /// A frame that cannot be assembled now: the shard's budget is spent.
    Starved,
    /// Bytes that are no frame.
    Malformed(DecodeError),
    /// A frame longer than this connection may send; both in bytes.
    TooLarge { bytes: usize, bytes_max: usize },
}

#[derive(Debug, Default)]
pub(super) struct Input {
    /// Buffers in the order they arrived.
    arrived: VecDeque<Received>,
    /// First byte of the first buffer that was not taken.
    position: usize,
    /// A frame being put together; empty: none is.
    assembly: Vec<u8>,
    /// Length it must reach before it is worth looking at again.
    assembly_wanted: usize,
    charged: usize,
    /// The core did not take the frame at the front: nothing is shown until it resumes.
    pub(super) held: bool,
    /// The shard's budget was spent when this was looked at last.
    pub(super) starved: bool,
}

impl Input {
    pub(super) fn arrive(&mut self, received: Received) {
        self.arrived.push_back(received);
    }

    /// Receive buffers held.
    pub(super) fn buffers(&self) -> usize {
        self.arrived.len()
    }

    /// Whether part of a frame is here.
    pub(super) fn is_begun(&self) -> bool {
        self.charged > 0 || !self.arrived.is_empty()
    }

    /// Looks at the front. `frame_bytes_max` bounds what is taken for a frame.
    pub(super) fn look<T: Copy>(
        &mut self,
        ring: &mut Ring<T>,
        memory: &mut Memory,
        frame_bytes_max: usize,
    ) -> Look {
        loop {
            if self.charged > 0 && !self.gather(ring) {
                return Look::Incomplete;
            }
            let Some(front) = self.front(ring) else { return Look::Incomplete };
            let bytes_wanted = match Frame::decode(front) {
                Ok(Decoded::Frame { bytes_taken, .. }) if bytes_taken > frame_bytes_max => {
                    bytes_taken
                }
                Ok(Decoded::Frame { frame, .. }) => return Look::Frame(frame.header),
                Ok(Decoded::Incomplete { bytes_wanted }) => bytes_wanted,
                Err(error) => return Look::Malformed(error),
            };
            if bytes_wanted > frame_bytes_max {
                return Look::TooLarge { bytes: bytes_wanted, bytes_max: frame_bytes_max };
            }
            if !self.assemble(bytes_wanted, memory) {
                self.starved = true;
                return Look::Starved;
            }
        }
    }

    /// The bytes at the front, as far as they lie together.
    fn front<'a, T: Copy>(&'a self, ring: &'a Ring<T>) -> Option<&'a [u8]> {
        if self.charged > 0 {
            return Some(&self.assembly);
        }
        self.arrived.front().map(|received| &ring.bytes(received)[self.position..])
    }

    /// Begins or goes on to put a frame together that is `bytes_wanted` long as far as is known.
    fn assemble(&mut self, bytes_wanted: usize, memory: &mut Memory) -> bool {
        if !memory.charge(bytes_wanted - self.charged) {
            return false;
        }
        if self.charged == 0 {
            self.assembly = memory.take();
        }
        self.charged = bytes_wanted;
        self.assembly_wanted = bytes_wanted;
        self.assembly.reserve(bytes_wanted - self.assembly.len());
        true
    }

    /// Copies arrived bytes into the assembly; whether it is as long as wanted.
    fn gather<T: Copy>(&mut self, ring: &mut Ring<T>) -> bool {
        while self.assembly.len() < self.assembly_wanted {
            let Some(received) = self.arrived.front() else { return false };
            let rest = &ring.bytes(received)[self.position..];
            let count = rest.len().min(self.assembly_wanted - self.assembly.len());
            self.assembly.extend_from_slice(&rest[..count]);
            self.advance(count, ring);
        }
        true
    }

    /// Passes `count` bytes of the first buffer, which goes back when it is used up.
    fn advance<T: Copy>(&mut self, count: usize, ring: &mut Ring<T>) {
        self.position += count;
        let used_up = self.arrived.front().is_some_and(|received| received.len() == self.position);
        if used_up && let Some(received) = self.arrived.pop_front() {
            ring.give_back(received);
            self.position = 0;
        }
    }

    /// The frame `look` found.
    pub(super) fn frame<'a, T: Copy>(
        &'a self,
        header: FrameHeader,
        ring: &'a Ring<T>,
    ) -> Frame<'a> {
        let front = self.front(ring).expect("`look` found a frame here");
        let (body, rest) = front[HEADER_BYTES..].split_at(header.body_bytes as usize);
        Frame { header, body, section: &rest[..header.section_bytes as usize] }
    }

    /// Passes the frame `look` found.
    pub(super) fn take<T: Copy>(
        &mut self,
        header: FrameHeader,
        ring: &mut Ring<T>,
        memory: &mut Memory,
    ) {
        if self.charged > 0 {
            self.drop_assembly(memory);
        } else {
            let bytes = usize::try_from(header.frame_bytes()).expect("it lies in a buffer");
            self.advance(bytes, ring);
        }
    }

    fn drop_assembly(&mut self, memory: &mut Memory) {
        memory.discharge(std::mem::take(&mut self.charged));
        memory.give(std::mem::take(&mut self.assembly));
    }

    /// Forgets everything; buffers go back.
    pub(super) fn discard<T: Copy>(&mut self, ring: &mut Ring<T>, memory: &mut Memory) {
        self.drop_assembly(memory);
        for received in self.arrived.drain(..) {
            ring.give_back(received);
        }
        self.position = 0;
        self.held = false;
        self.starved = false;
    }
}
