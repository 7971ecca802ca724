//! Scan: the batches of one segment, one after another, and what stops them.

use super::Window;
use crate::batch::{
    BatchHeader, BatchView, Damage, Home, Remains, SECTOR_BYTES, batch_bytes_max, is_zero,
};
use crate::chunk::BLOCK_BYTES;
use crate::log::BatchPlace;
use crate::plan::FileName;
use crate::segment::{HEAD_BYTES, SegmentHeader};
use crate::store::{DamagedRange, OpenError};
use bytes::Bytes;
use wire::LogIndex;

const BLOCK: u32 = 4096;

/// How far the log is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor {
    /// The batch expected next.
    pub(crate) index: LogIndex,
    /// Identity checksum of the one before; unknown after damage.
    pub(crate) previous: Option<u32>,
    /// Stamp of the one before, wall nanoseconds.
    pub(crate) wall_ns: u64,
}

/// What a scan meets.
#[derive(Debug)]
pub(crate) enum Met<'a> {
    /// A checked batch, its header and all its bytes.
    Batch { place: BatchPlace, view: &'a BatchView, header: &'a BatchHeader, bytes: &'a Bytes },
    /// Something below S that is not the right batch; `next` is the index of the first that is right again.
    Damage { range: DamagedRange, next: LogIndex },
}

/// Where the batches of a segment end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    /// At the known end.
    Known { position: u32 },
    /// Before untouched zeroes, or at the end of the segment.
    Clean { position: u32 },
    /// Before a flush that landed in parts (rule 2).
    Torn { position: u32, bytes: u32 },
    /// Before something else (rule 3), `beyond` what one flush can have left (rule 6).
    Damaged { position: u32, bytes: u32, what: String, beyond: bool },
}

/// What follows a batch that is not right.
struct Rest {
    /// The next right batch.
    next: Option<(u32, LogIndex)>,
    /// Exclusive end of the last block that is not zero.
    nonzero_end: Option<u32>,
}

struct Scan<'w, 'd> {
    window: &'w mut Window<'d>,
    header: &'w SegmentHeader,
    home: Home,
    known_end: Option<LogIndex>,
}

/// Reads the batches of a segment, `cursor` moving along; tells `meet` of each, and of damage below S.
pub(crate) fn scan(
    window: &mut Window<'_>,
    header: &SegmentHeader,
    known_end: Option<LogIndex>,
    cursor: &mut Cursor,
    meet: &mut dyn FnMut(Met<'_>) -> Result<(), OpenError>,
) -> Result<Tail, OpenError> {
    let home = crate::log::home(&header.owner, header.salt);
    let mut scan = Scan { window, header, home, known_end };
    let mut position = HEAD_BYTES;
    loop {
        if known_end.is_some_and(|end| cursor.index >= end) {
            return Ok(Tail::Known { position });
        }
        match scan.batch_at(position, cursor) {
            Ok((place, header, view, bytes)) => {
                meet(Met::Batch { place, view: &view, header: &header, bytes: &bytes })?;
                cursor.index = place.index.next();
                cursor.previous = Some(header.identity_checksum);
                cursor.wall_ns = cursor.wall_ns.max(header.wall_ns);
                position += place.bytes;
            }
            Err(Damage::Release(version)) => return Err(OpenError::UnknownFormat { version }),
            Err(damage) => {
                let rest = scan.rest(position, cursor.index);
                let (end, next_index) = match (rest.next, known_end) {
                    (Some(next), _) => next,
                    (None, Some(end)) => (header.batches_end(), end),
                    (None, None) => return Ok(scan.tail(position, cursor, rest.nonzero_end)),
                };
                let range = scan.range(position, end, damage, cursor.index);
                meet(Met::Damage { range, next: next_index })?;
                cursor.index = next_index;
                cursor.previous = None;
                position = end;
            }
        }
    }
}

impl Scan<'_, '_> {
    /// The batch at a position, if it is the one that `cursor` expects.
    fn batch_at(
        &mut self,
        position: u32,
        cursor: &Cursor,
    ) -> Result<(BatchPlace, BatchHeader, BatchView, Bytes), Damage> {
        let header = self.header_at(position)?;
        let chained = cursor.previous.is_none_or(|previous| previous == header.previous);
        // After damage the number of lost batches is unknown, and so is the chain.
        let expected = match cursor.previous {
            Some(_) => header.index == cursor.index,
            None => header.index >= cursor.index,
        };
        if !chained || !expected {
            return Err(Damage::Misplaced);
        }
        let bytes = self.window.get(u64::from(position), header.padded_bytes);
        let view = header.verify(&bytes)?;
        let (index, segment) = (header.index, self.header.number);
        let length = u32::try_from(header.padded_bytes).map_err(|_| Damage::Malformed)?;
        Ok((BatchPlace { index, segment, position, bytes: length }, header, view, bytes))
    }

    /// A header of this segment that ends within it.
    fn header_at(&mut self, position: u32) -> Result<BatchHeader, Damage> {
        if position >= self.header.batches_end() {
            return Err(Damage::Malformed);
        }
        let block = self.window.get(u64::from(position), BLOCK_BYTES);
        let header = BatchHeader::decode(&block)?;
        if header.home != self.home {
            return Err(Damage::Misplaced);
        }
        let left = (self.header.batches_end() - position) as usize;
        if header.padded_bytes <= left { Ok(header) } else { Err(Damage::Malformed) }
    }

    /// Looks on from a batch that is not right. Of those that follow the one with the lowest index is
    /// next: what stands before it is a stray copy of a later one (a write that went elsewhere). It may
    /// stand at `bad` itself, after a stray copy of an earlier one.
    fn rest(&mut self, bad: u32, index: LogIndex) -> Rest {
        let mut rest = Rest { next: None, nonzero_end: None };
        let anything = Cursor { index, previous: None, wall_ns: 0 };
        let mut position = bad;
        while position < self.header.batches_end() {
            let block = self.window.get(u64::from(position), BLOCK_BYTES);
            if !is_zero(&block) {
                rest.nonzero_end = Some(position + BLOCK);
                let found = self.batch_at(position, &anything).ok();
                let is_next = |found: LogIndex| {
                    (position > bad || found > index)
                        && self.known_end.is_none_or(|end| found < end)
                };
                if let Some((place, ..)) = found.filter(|(place, ..)| is_next(place.index)) {
                    if rest.next.is_none_or(|(_, lowest)| place.index < lowest) {
                        rest.next = Some((position, place.index));
                    }
                    if place.index <= index.next() {
                        return rest;
                    }
                }
            }
            position += BLOCK;
        }
        rest
    }

    /// Judges the end of the log: nothing right follows.
    fn tail(&mut self, position: u32, cursor: &Cursor, nonzero_end: Option<u32>) -> Tail {
        let Some(nonzero_end) = nonzero_end else { return Tail::Clean { position } };
        let bytes = nonzero_end - position;
        let block = self.window.get(u64::from(position), BLOCK_BYTES);
        let (remains, flush_bytes) = match self.header_at(position) {
            Ok(header) => (self.remains(position, &header, cursor), header.padded_bytes),
            Err(_) if is_zero(&block[..SECTOR_BYTES]) => (Remains::Torn, batch_bytes_max()),
            Err(_) => (Remains::Damaged, batch_bytes_max()),
        };
        let beyond = bytes as usize > flush_bytes;
        match remains {
            Remains::Torn if !beyond => Tail::Torn { position, bytes },
            Remains::Torn | Remains::Damaged => {
                let what = format!("batch {}: neither whole nor torn", cursor.index);
                Tail::Damaged { position, bytes, what, beyond }
            }
        }
    }

    fn remains(&mut self, position: u32, header: &BatchHeader, cursor: &Cursor) -> Remains {
        let bytes = self.window.get(u64::from(position), header.padded_bytes);
        let expected = header.index == cursor.index
            && cursor.previous.is_none_or(|previous| previous == header.previous);
        match header.verify(&bytes) {
            Err(Damage::Body(_) | Damage::Checks) if expected => header.remains(&bytes),
            _ => Remains::Damaged,
        }
    }

    fn range(&self, from: u32, to: u32, damage: Damage, index: LogIndex) -> DamagedRange {
        let what = match damage {
            Damage::Header => format!("batch {index}: its header is damaged or was never written"),
            Damage::Misplaced => format!("batch {index}: another batch stands here"),
            Damage::Body(block) => format!("batch {index}: block {block} is damaged"),
            Damage::Checks => format!("batch {index}: its block checks are damaged"),
            Damage::Malformed => format!("batch {index}: its lengths contradict each other"),
            Damage::Release(release) => format!("batch {index}: written by release {release}"),
        };
        let (position, bytes) = (u64::from(from), u64::from(to.saturating_sub(from)));
        DamagedRange::new(FileName::Segment(self.header.number), position, bytes, what)
    }
}
