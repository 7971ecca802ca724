//! Walk: the batches of a sealed segment, read front to back in pieces.
//!
//! Takes every batch that verifies. What does not is passed block by block up to
//! the next one that does: one bad stretch. It is told when it ends.
//!
//! Where a read fails, batches are read one by one until one verifies again, so
//! that one bad block takes no more than its batch; and each twice, since a
//! drive that could not read now often can a moment later.

use super::reading::READ_BYTES_MAX;
use crate::batch::{BatchHeader, BatchView};
use crate::chunk::BLOCK_BYTES;
use crate::log::{BatchPlace, Log, SegmentInfo};
use crate::plan::FileName;
use crate::segment::HEAD_BYTES;
use bytes::Bytes;
use std::ops::Range;
use wire::LogIndex;

const BLOCK: u32 = 4096;
const _: () = assert!(BLOCK as usize == BLOCK_BYTES);

/// What a walk comes across.
#[derive(Debug)]
pub(super) enum Stretch<'a> {
    /// A batch, checked, with all its bytes.
    Batch { place: BatchPlace, view: &'a BatchView, header: &'a BatchHeader, bytes: &'a Bytes },
    /// Bytes that are none, and the batches that should have been there.
    Bad { position: u64, bytes: u64, batches: Range<LogIndex> },
}

/// How far a walk is. Small: it can be kept, to go back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walk {
    segment: u64,
    /// Where batches end at the latest.
    batches_end: u64,
    /// Exclusive end of its batches.
    end: LogIndex,
    position: u64,
    /// How much the next read takes.
    bytes: u32,
    bytes_max: u32,
    /// The batch expected next.
    next: LogIndex,
    /// Where a bad stretch began.
    bad_from: Option<u64>,
    /// A read failed: a batch at a time from here on.
    is_narrow: bool,
    /// The read of this batch failed once.
    is_second_try: bool,
    is_complete: bool,
}

impl Walk {
    /// Over a segment, reading so much at once unless a batch is longer.
    pub(super) fn new(info: &SegmentInfo, bytes_max: u32) -> Self {
        let position = u64::from(HEAD_BYTES);
        Self {
            segment: info.number,
            batches_end: info.bytes.saturating_sub(BLOCK_BYTES as u64).max(position),
            end: info.end,
            position,
            bytes: bytes_max,
            bytes_max,
            next: info.base,
            bad_from: None,
            is_narrow: false,
            is_second_try: false,
            is_complete: info.base >= info.end,
        }
    }

    pub(super) const fn segment(&self) -> u64 {
        self.segment
    }

    /// Exclusive end of the segment's batches.
    pub(super) const fn end(&self) -> LogIndex {
        self.end
    }

    pub(super) const fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// The next read: file, position, bytes.
    pub(super) fn next_read(&self) -> (FileName, u64, u32) {
        let left = u32::try_from(self.batches_end - self.position).unwrap_or(u32::MAX);
        let bytes = self.bytes.min(left).max(BLOCK);
        (FileName::Segment(self.segment), self.position, bytes)
    }

    /// Takes what that read brought; `None`: it cannot be read.
    pub(super) fn take(
        &mut self,
        bytes: Option<&Bytes>,
        log: &Log,
        meet: &mut dyn FnMut(Stretch<'_>),
    ) {
        match bytes {
            Some(bytes) => self.take_bytes(bytes, log, meet),
            None => self.pass_unreadable(),
        }
        self.is_complete |= self.position >= self.batches_end;
        if self.is_complete && self.next < self.end {
            self.end_bad(self.position, self.end, meet);
        }
    }

    /// Passes one block, once it could not be read by itself or as the start of its batch, twice.
    fn pass_unreadable(&mut self) {
        let is_first_try = !std::mem::replace(&mut self.is_second_try, self.is_narrow);
        if !std::mem::replace(&mut self.is_narrow, true) {
            self.bytes = BLOCK;
        } else if !is_first_try {
            self.is_second_try = false;
            self.bad_from.get_or_insert(self.position);
            self.position += u64::from(BLOCK);
            self.bytes = BLOCK;
        }
    }

    /// What a read takes where no longer batch is known to be.
    const fn step_bytes(&self) -> u32 {
        if self.is_narrow { BLOCK } else { self.bytes_max }
    }

    fn take_bytes(&mut self, bytes: &Bytes, log: &Log, meet: &mut dyn FnMut(Stretch<'_>)) {
        let (from, mut at) = (self.position, 0);
        self.is_second_try = false;
        self.bytes = self.step_bytes();
        while let Some(rest) = bytes.get(at..).filter(|rest| rest.len() >= BLOCK_BYTES) {
            if self.is_complete {
                break;
            }
            let header = BatchHeader::decode(rest).ok();
            let needed = header.map_or(0, |header| header.padded_bytes);
            let left = usize::try_from(self.batches_end - from).unwrap_or(usize::MAX) - at;
            if needed > rest.len() && needed <= left {
                let needed = u32::try_from(needed).unwrap_or(READ_BYTES_MAX);
                self.bytes = needed.max(self.step_bytes());
                break;
            }
            self.position = from + at as u64;
            let batch =
                header.and_then(|header| self.batch_at(&header, &bytes.slice(at..), log, meet));
            if batch.is_none() {
                self.bad_from.get_or_insert(self.position);
            }
            at += batch.unwrap_or(BLOCK_BYTES);
        }
        self.position = from + at as u64;
    }

    /// Its length, if there is a batch.
    fn batch_at(
        &mut self,
        header: &BatchHeader,
        rest: &Bytes,
        log: &Log,
        meet: &mut dyn FnMut(Stretch<'_>),
    ) -> Option<usize> {
        let bytes =
            (header.padded_bytes <= rest.len()).then(|| rest.slice(..header.padded_bytes))?;
        let place = BatchPlace {
            index: header.index,
            segment: self.segment,
            position: u32::try_from(self.position).ok()?,
            bytes: u32::try_from(header.padded_bytes).ok()?,
        };
        let is_next = (self.next..self.end).contains(&place.index);
        let view = log.verify(place, &bytes).ok().filter(|_| is_next)?;
        if self.bad_from.is_some() || place.index > self.next {
            self.end_bad(self.position, place.index, meet);
        }
        meet(Stretch::Batch { place, view: &view, header, bytes: &bytes });
        self.next = place.index.next();
        self.is_narrow = false;
        self.is_complete |= self.next >= self.end;
        Some(header.padded_bytes)
    }

    fn end_bad(&mut self, to: u64, next: LogIndex, meet: &mut dyn FnMut(Stretch<'_>)) {
        let position = self.bad_from.take().unwrap_or(to);
        meet(Stretch::Bad { position, bytes: to - position, batches: self.next..next });
        self.next = next;
    }
}
