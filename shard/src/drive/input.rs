//! Input: the bytes a connection sent, until the core has taken them as frames.
//!
//! ```text
//!   order of bytes:   own[taken..], then arrived[0][position..], arrived[1], ...
//!
//!   a frame within one receive buffer:   read where it lies, no copy
//!   a frame over several:                copied together into `own`, charged to the shard's budget
//!   buffers that would be held long:     copied to `own` too (`spill`), so that others have them
//! ```
//!
//! Invariants:
//!   1. What is copied is charged before; no buffer is held whose bytes were copied.
//!   2. `look` shows the same frame until `take`: that is how a held frame is handed in again.

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
    /// Bytes copied out of their buffers; `None`: none are.
    own: Option<Own>,
    /// The core did not take the frame at the front: nothing is shown until it resumes.
    pub(super) held: bool,
    /// The shard's budget was spent when this was looked at last.
    pub(super) starved: bool,
}

#[derive(Debug, Default)]
struct Own {
    bytes: Vec<u8>,
    /// How many of them were taken.
    taken: usize,
    /// Length the rest must reach before it is worth looking at again.
    wanted: usize,
    /// Charged for the frame being assembled.
    assembly: usize,
    /// Charged for what was spilled.
    spill: usize,
}

impl Input {
    pub(super) fn arrive(&mut self, received: Received) {
        self.arrived.push_back(received);
    }

    /// Receive buffers held.
    pub(super) fn buffers(&self) -> usize {
        self.arrived.len()
    }

    /// Whether buffers had to be copied out.
    pub(super) fn is_spilled(&self) -> bool {
        self.own.as_ref().is_some_and(|own| own.spill > 0)
    }

    /// Whether part of a frame is here.
    pub(super) fn is_begun(&self) -> bool {
        self.own.is_some() || !self.arrived.is_empty()
    }

    /// Looks at the front. `frame_bytes_max` bounds what is taken for a frame.
    pub(super) fn look<T: Copy>(
        &mut self,
        ring: &mut Ring<T>,
        memory: &mut Memory,
        frame_bytes_max: usize,
    ) -> Look {
        loop {
            if !self.gather(ring) {
                return Look::Incomplete;
            }
            let Some(front) = self.front(ring) else { return Look::Incomplete };
            let bytes = match Frame::decode(front) {
                Ok(Decoded::Frame { frame, bytes_taken }) if bytes_taken <= frame_bytes_max => {
                    return Look::Frame(frame.header);
                }
                Ok(Decoded::Frame { bytes_taken, .. }) => bytes_taken,
                Ok(Decoded::Incomplete { bytes_wanted }) => bytes_wanted,
                Err(error) => return Look::Malformed(error),
            };
            if bytes > frame_bytes_max {
                return Look::TooLarge { bytes, bytes_max: frame_bytes_max };
            }
            if !self.assemble(bytes, memory) {
                self.starved = true;
                return Look::Starved;
            }
        }
    }

    /// The bytes at the front, as far as they lie together.
    fn front<'a, T: Copy>(&'a self, ring: &'a Ring<T>) -> Option<&'a [u8]> {
        match &self.own {
            Some(own) => Some(&own.bytes[own.taken..]),
            None => self.arrived.front().map(|received| &ring.bytes(received)[self.position..]),
        }
    }

    /// Begins or goes on to put a frame together that is `wanted` bytes long as far as is known.
    fn assemble(&mut self, wanted: usize, memory: &mut Memory) -> bool {
        let assembly = self.own.as_ref().map_or(0, |own| own.assembly);
        if !memory.charge_assembly(wanted - assembly) {
            return false;
        }
        let own = self.own.get_or_insert_with(|| Own { bytes: memory.take(), ..Own::default() });
        own.bytes.drain(..std::mem::take(&mut own.taken));
        own.assembly = wanted;
        own.wanted = wanted;
        own.bytes.reserve(wanted.saturating_sub(own.bytes.len()));
        true
    }

    /// Copies arrived bytes to those it owns, as many as a frame lacks; whether none lacks any more.
    fn gather<T: Copy>(&mut self, ring: &mut Ring<T>) -> bool {
        while let Some(own) = &mut self.own {
            let lacking = own.wanted.saturating_sub(own.bytes.len() - own.taken);
            if lacking == 0 {
                break;
            }
            let Some(received) = self.arrived.front() else { return false };
            let rest = &ring.bytes(received)[self.position..];
            let count = rest.len().min(lacking);
            own.bytes.extend_from_slice(&rest[..count]);
            self.advance(count, ring);
        }
        true
    }

    /// Copies all arrived bytes and gives their buffers back; `false`: no memory is left for it.
    #[must_use]
    pub(super) fn spill<T: Copy>(&mut self, ring: &mut Ring<T>, memory: &mut Memory) -> bool {
        let bytes = self.arrived.iter().map(Received::len).sum::<usize>() - self.position;
        if !memory.charge_spill(bytes) {
            return false;
        }
        let own = self.own.get_or_insert_with(|| Own { bytes: memory.take(), ..Own::default() });
        own.spill += bytes;
        for received in self.arrived.drain(..) {
            own.bytes
                .extend_from_slice(&ring.bytes(&received)[std::mem::take(&mut self.position)..]);
            ring.give_back(received);
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
        let bytes = usize::try_from(header.frame_bytes()).expect("it lies in memory");
        let Some(own) = &mut self.own else { return self.advance(bytes, ring) };
        own.taken += bytes;
        own.wanted = 0;
        memory.discharge_assembly(std::mem::take(&mut own.assembly));
        if own.taken == own.bytes.len() {
            self.disown(memory);
        }
    }

    fn disown(&mut self, memory: &mut Memory) {
        if let Some(own) = self.own.take() {
            memory.discharge_assembly(own.assembly);
            memory.discharge_spill(own.spill);
            memory.give(own.bytes);
        }
    }

    /// Forgets everything; buffers go back.
    pub(super) fn discard<T: Copy>(&mut self, ring: &mut Ring<T>, memory: &mut Memory) {
        self.disown(memory);
        for received in self.arrived.drain(..) {
            ring.give_back(received);
        }
        self.position = 0;
        self.held = false;
        self.starved = false;
    }
}
