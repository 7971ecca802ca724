//! Walk: the batches of a sealed segment, read front to back in pieces.
//!
//! Takes every batch that verifies. What does not is passed block by block up to
//! the next one that does: one bad stretch. It is told when it ends, and not
//! before the walk went back and met it again: once at least, and as long as there
//! is patience where a block of it could not be read.
//!
//! Where a read fails, batches are read one by one until one verifies again, so
//! that one bad block takes no more than its batch.
//!
//! Of the batches that follow a bad stretch the one with the lowest index is next:
//! what stands before it is a stray copy of a later one (a write that went
//! elsewhere). So where more than one batch is missing the walk looks on.

use super::patience;
use super::reader::READ_BYTES_MAX;
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
    Bad(Bad),
}

/// A bad stretch.
#[derive(Clone, Debug)]
pub(super) struct Bad {
    pub(super) position: u64,
    pub(super) bytes: u64,
    pub(super) batches: Range<LogIndex>,
    /// Some of it could not be read: nobody knows what it holds.
    pub(super) is_unread: bool,
}

/// What stands at a position.
enum Step {
    /// A batch of so many bytes.
    Batch(usize),
    /// None.
    Nothing,
    /// One, after a bad stretch that is looked at again.
    Back,
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
    /// Some block of it could not be read.
    is_unread: bool,
    /// How often the walk went back to it.
    returns: usize,
    /// Of what follows it the lowest batch so far, and where.
    lowest: Option<(LogIndex, u64)>,
    /// Before the next read.
    pause_ns: u64,
    /// A read failed: a batch at a time from here on.
    is_narrow: bool,
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
            is_unread: false,
            returns: 0,
            lowest: None,
            pause_ns: 0,
            is_narrow: false,
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

    /// How long the next read has to wait.
    pub(super) const fn pause_ns(&self) -> u64 {
        self.pause_ns
    }

    /// Takes what that read brought; `None`: it cannot be read.
    pub(super) fn take(
        &mut self,
        bytes: Option<&Bytes>,
        log: &Log,
        meet: &mut dyn FnMut(Stretch<'_>),
    ) {
        self.pause_ns = 0;
        match bytes {
            Some(bytes) => self.take_bytes(bytes, log, meet),
            None => self.pass_unread(),
        }
        if !self.is_complete && self.position >= self.batches_end {
            self.is_complete = self.end_segment(meet);
        }
    }

    /// `false`: there is still something to look at.
    fn end_segment(&mut self, meet: &mut dyn FnMut(Stretch<'_>)) -> bool {
        if let Some(pause_ns) = self.pause_before_return() {
            self.go_back(pause_ns);
            return false;
        }
        if let Some((_, position)) = self.lowest {
            self.position = position;
            self.bytes = self.step_bytes();
            return false;
        }
        self.end_bad(self.position, self.end, meet)
    }

    /// Passes one block, once it could not be read by itself or as the start of its batch.
    fn pass_unread(&mut self) {
        if std::mem::replace(&mut self.is_narrow, true) {
            self.is_unread = true;
            self.lowest.take_if(|(_, position)| *position == self.position);
            self.bad_from.get_or_insert(self.position);
            self.position += u64::from(BLOCK);
        }
        self.bytes = BLOCK;
    }

    /// What a read takes where no longer batch is known to be.
    const fn step_bytes(&self) -> u32 {
        if self.is_narrow { BLOCK } else { self.bytes_max }
    }

    fn take_bytes(&mut self, bytes: &Bytes, log: &Log, meet: &mut dyn FnMut(Stretch<'_>)) {
        let (from, mut at) = (self.position, 0);
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
            let found = header.map(|header| self.batch_at(&header, &bytes.slice(at..), log, meet));
            at += match found.unwrap_or(Step::Nothing) {
                Step::Batch(bytes) => bytes,
                Step::Nothing => {
                    self.bad_from.get_or_insert(self.position);
                    BLOCK_BYTES
                }
                Step::Back => return,
            };
        }
        self.position = from + at as u64;
    }

    /// The batch this header begins, if there is one.
    fn batch_at(
        &mut self,
        header: &BatchHeader,
        rest: &Bytes,
        log: &Log,
        meet: &mut dyn FnMut(Stretch<'_>),
    ) -> Step {
        let Some((place, bytes)) = self.place_of(header, rest) else { return Step::Nothing };
        let is_next = (self.next..self.end).contains(&place.index);
        let Some(view) = log.verify(place, &bytes).ok().filter(|_| is_next) else {
            return Step::Nothing;
        };
        let follows_bad = self.bad_from.is_some() || place.index > self.next;
        if follows_bad && !self.is_lowest(place.index) {
            return Step::Nothing;
        }
        if follows_bad && !self.end_bad(self.position, place.index, meet) {
            return Step::Back;
        }
        meet(Stretch::Batch { place, view: &view, header, bytes: &bytes });
        self.next = place.index.next();
        self.returns = 0;
        self.is_narrow = false;
        self.is_complete |= self.next >= self.end;
        Step::Batch(header.padded_bytes)
    }

    /// Whether no batch that belongs before this one can follow it; else it is kept in mind.
    fn is_lowest(&mut self, index: LogIndex) -> bool {
        let is_next = index <= self.next.next();
        if is_next || self.lowest == Some((index, self.position)) {
            return true;
        }
        self.is_narrow = false;
        if self.lowest.is_none_or(|(lowest, _)| index < lowest) {
            self.lowest = Some((index, self.position));
        }
        false
    }

    fn place_of(&self, header: &BatchHeader, rest: &Bytes) -> Option<(BatchPlace, Bytes)> {
        let bytes =
            (header.padded_bytes <= rest.len()).then(|| rest.slice(..header.padded_bytes))?;
        let place = BatchPlace {
            index: header.index,
            segment: self.segment,
            position: u32::try_from(self.position).ok()?,
            bytes: u32::try_from(header.padded_bytes).ok()?,
        };
        Some((place, bytes))
    }

    /// Tells of a bad stretch; `false`: it is looked at once more before.
    fn end_bad(&mut self, to: u64, next: LogIndex, meet: &mut dyn FnMut(Stretch<'_>)) -> bool {
        if let Some(pause_ns) = self.pause_before_return() {
            self.go_back(pause_ns);
            return false;
        }
        let position = self.bad_from.take().unwrap_or(to);
        let is_unread = std::mem::take(&mut self.is_unread);
        let (bytes, batches) = (to - position, self.next..next);
        meet(Stretch::Bad(Bad { position, bytes, batches, is_unread }));
        self.next = next;
        self.returns = 0;
        self.lowest = None;
        true
    }

    /// Whether to go back to the bad stretch that ends here, and how long to wait before.
    fn pause_before_return(&self) -> Option<u64> {
        self.bad_from?;
        if self.is_unread {
            return patience::pause_ns(self.returns + 1);
        }
        (self.returns == 0).then_some(0)
    }

    fn go_back(&mut self, pause_ns: u64) {
        self.position = self.bad_from.take().unwrap_or(self.position);
        self.is_narrow |= std::mem::take(&mut self.is_unread);
        self.bytes = self.step_bytes();
        self.lowest = None;
        self.returns += 1;
        self.pause_ns = pause_ns;
    }
}
