//! Inbox: received bytes, cut into frames without copying their sections.
//!
//! One buffer is filled from the network and cut at frame ends; the cuts share
//! it. When all its cuts are dropped the buffer is used again, else a new one
//! takes over: steady state allocates once per buffer at most, never per frame.

use bytes::{Bytes, BytesMut};
use wire::frame::Decoded;
use wire::{DecodeError, Frame, FrameHeader, HEADER_BYTES, Kind};

/// Length of a receive buffer, in bytes, unless a frame is larger.
pub(crate) const INBOX_BYTES: usize = 256 * 1024;
/// The least space offered to one read, in bytes.
const SPACE_BYTES_MIN: usize = 16 * 1024;

/// A whole frame that owns its bytes.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    header: FrameHeader,
    payload: Bytes,
}

impl Taken {
    /// The frame, borrowed.
    pub(crate) fn frame(&self) -> Frame<'_> {
        let (body, section) = self.payload.split_at(self.header.body_bytes as usize);
        Frame { header: self.header, body, section }
    }

    /// The record section, shared.
    pub(crate) fn section(&self) -> Bytes {
        self.payload.slice(self.header.body_bytes as usize..)
    }

    /// The kind, if we know its number.
    pub(crate) fn kind(&self) -> Option<Kind> {
        Kind::from_number(self.header.kind)
    }

    /// What it answers; 0: nothing.
    pub(crate) fn request_id(&self) -> u64 {
        self.header.request_id
    }
}

/// The receiving side of one connection.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    /// All of it is initialised; the first `filled_end` bytes were received.
    buffer: BytesMut,
    filled_end: usize,
    /// Length of the frame at the front, as far as known.
    bytes_wanted: usize,
}

impl Inbox {
    /// Where the next received bytes go; never empty.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        let wanted = self.bytes_wanted.saturating_sub(self.filled_end).max(SPACE_BYTES_MIN);
        if self.buffer.len() - self.filled_end < wanted {
            self.buffer.truncate(self.filled_end);
            self.buffer.reserve(wanted.max(INBOX_BYTES - self.filled_end.min(INBOX_BYTES)));
            self.buffer.resize(self.buffer.capacity(), 0);
        }
        &mut self.buffer[self.filled_end..]
    }

    /// The first `bytes` of the space were received.
    pub(crate) fn filled(&mut self, bytes: usize) {
        self.filled_end = (self.filled_end + bytes).min(self.buffer.len());
    }

    /// Cuts the next whole frame off.
    pub(crate) fn next(&mut self) -> Result<Option<Taken>, DecodeError> {
        if self.filled_end < self.bytes_wanted || self.filled_end == 0 {
            return Ok(None);
        }
        match Frame::decode(&self.buffer[..self.filled_end])? {
            Decoded::Incomplete { bytes_wanted } => {
                self.bytes_wanted = bytes_wanted;
                Ok(None)
            }
            Decoded::Frame { frame, bytes_taken } => {
                let header = frame.header;
                let mut payload = self.buffer.split_to(bytes_taken).freeze();
                let payload = payload.split_off(HEADER_BYTES);
                self.filled_end -= bytes_taken;
                self.bytes_wanted = 0;
                Ok(Some(Taken { header, payload }))
            }
        }
    }

    /// Forgets what was received; a new connection begins.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::FrameWriter;

    fn pings(count: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        for id in 0..count {
            FrameWriter::default().write_bare(&mut bytes, Kind::Ping, id);
        }
        bytes
    }

    #[test]
    fn frames_come_out_whole_however_the_bytes_are_cut() {
        let bytes = pings(5);
        for cut in 1..bytes.len() {
            let mut inbox = Inbox::default();
            let mut ids = Vec::new();
            for part in bytes.chunks(cut) {
                inbox.space()[..part.len()].copy_from_slice(part);
                inbox.filled(part.len());
                while let Some(taken) = inbox.next().expect("valid frames") {
                    ids.push(taken.request_id());
                }
            }
            assert_eq!(ids, [0, 1, 2, 3, 4], "cut at {cut}");
        }
    }

    #[test]
    fn a_buffer_nobody_holds_is_used_again() {
        let mut inbox = Inbox::default();
        let bytes = pings(1);
        let mut highest = 0;
        for _ in 0..100_000 {
            inbox.space()[..bytes.len()].copy_from_slice(&bytes);
            inbox.filled(bytes.len());
            assert!(inbox.next().expect("valid").is_some());
            highest = highest.max(inbox.buffer.capacity());
        }
        assert!(highest <= 2 * INBOX_BYTES, "{highest}");
    }

    #[test]
    fn another_protocol_is_told_from_its_first_bytes() {
        let mut inbox = Inbox::default();
        inbox.space()[..4].copy_from_slice(b"HTTP");
        inbox.filled(4);
        assert!(inbox.next().is_err());
    }
}
