//! Index file: where each section of a sealed segment is, written beside it as `<number>.idx`.
//!
//! ```text
//!   header 64 | batches: index, position, bytes | entries | queues: id, first entry, count | zero to 4 KiB
//! ```
//!
//! Queues are sorted by id, the entries of each by offset, so the file follows
//! from the segment alone: built at the seal or rebuilt by scanning, it has the
//! same bytes. It is a cache: lost or damaged, it is built again.
//! One checksum covers everything after it. All numbers are little-endian.
//! Entries are written and summed up as they come, so that no turn does it for
//! a whole segment.

mod check;

use crate::batch::{batch_bytes_max, is_count};
use crate::log::BatchPlace;
use crate::queue::Entry;
use crate::segment::QueueRange;
use bytes::Bytes;
use crc32fast::Hasher;
use std::ops::Range;
use wire::{LogIndex, Offset, QueueId};
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

pub(crate) use check::IndexCheck;

const MAGIC: [u8; 8] = *b"DFBINDEX";
const VERSION: u32 = 1;
const BLOCK_BYTES: usize = 4096;
const CHECKED_FROM: usize = 12;

#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct HeaderLayout {
    magic: [u8; 8],
    checksum: U32,
    version: U32,
    segment: U64,
    batch_count: U32,
    queue_count: U32,
    entry_count: U32,
    zero: [u8; 28],
}

#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct BatchLayout {
    index: U64,
    position: U32,
    bytes: U32,
}

#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct QueueLayout {
    queue: U64,
    first_entry: U32,
    entry_count: U32,
}

#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct EntryLayout {
    first_offset: U64,
    batch: U32,
    section_position: U32,
    count: U32,
}

const HEADER_BYTES: usize = size_of::<HeaderLayout>();
const _: () = assert!(HEADER_BYTES == 64);

/// A section found in an index file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ColdSection {
    pub(crate) first_offset: Offset,
    pub(crate) count: u32,
    pub(crate) section_position: u32,
    /// Its batch: an ordinal for `batches_from`.
    pub(crate) batch: usize,
}

/// What an index file knows of an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ColdLookup {
    /// In this section.
    Section(ColdSection),
    /// Nowhere in this segment; the next section of the queue in it begins at `next`.
    Hole { next: Option<Offset> },
}

/// An index file is of another segment, version, or damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IndexDamaged;

/// Gathers an index file, entry by entry, in the order of queues and offsets.
#[derive(Debug)]
pub(crate) struct IndexWriter {
    segment: u64,
    batches: Vec<BatchPlace>,
    queues: Vec<QueueLayout>,
    entry_count: u32,
    /// Room for the header, the batches, the entries so far.
    bytes: Vec<u8>,
    /// Over everything after the header, up to `summed_end`.
    sum: Hasher,
    summed_end: usize,
}

/// An index file in memory, as it was read.
#[derive(Clone, Debug)]
pub(crate) struct SegmentIndex {
    segment: u64,
    bytes: Bytes,
    batches: Range<usize>,
    queues: Range<usize>,
    entries: Range<usize>,
}

impl IndexWriter {
    /// For a segment with these batches, in their order, and about so many sections.
    pub(crate) fn new(segment: u64, batches: Vec<BatchPlace>, sections: usize) -> Self {
        let parts = batches.len() * size_of::<BatchLayout>() + sections * size_of::<EntryLayout>();
        let mut bytes = Vec::with_capacity(HEADER_BYTES + parts + BLOCK_BYTES);
        bytes.resize(HEADER_BYTES, 0);
        for place in &batches {
            let layout = BatchLayout {
                index: place.index.0.into(),
                position: place.position.into(),
                bytes: place.bytes.into(),
            };
            bytes.extend_from_slice(layout.as_bytes());
        }
        Self {
            segment,
            batches,
            queues: Vec::new(),
            entry_count: 0,
            bytes,
            sum: Hasher::new(),
            summed_end: HEADER_BYTES,
        }
    }

    /// Adds the next section. One of an unknown batch is left out.
    pub(crate) fn entry(&mut self, queue: QueueId, entry: &Entry) {
        let batch = self.batches.binary_search_by_key(&entry.index, |place| place.index);
        let Ok(batch) = batch else { return };
        let layout = EntryLayout {
            first_offset: entry.first_offset.0.into(),
            batch: narrow(batch),
            section_position: entry.section_position.into(),
            count: entry.count.into(),
        };
        self.bytes.extend_from_slice(layout.as_bytes());
        match self.queues.last_mut().filter(|last| last.queue.get() == queue.0) {
            Some(last) => last.entry_count += 1,
            None => self.queues.push(QueueLayout {
                queue: queue.0.into(),
                first_entry: self.entry_count.into(),
                entry_count: 1.into(),
            }),
        }
        self.entry_count += 1;
    }

    /// Sums up what was added: call it once in a while, it costs as much as was added since.
    pub(crate) fn sum_up(&mut self) {
        self.sum.update(&self.bytes[self.summed_end..]);
        self.summed_end = self.bytes.len();
    }

    /// The whole file; a multiple of 4 KiB.
    pub(crate) fn finish(mut self) -> Bytes {
        let header = HeaderLayout {
            magic: MAGIC,
            checksum: 0.into(),
            version: VERSION.into(),
            segment: self.segment.into(),
            batch_count: narrow(self.batches.len()),
            queue_count: narrow(self.queues.len()),
            entry_count: self.entry_count.into(),
            zero: [0; 28],
        };
        self.bytes.extend_from_slice(self.queues.as_bytes());
        self.bytes.resize(self.bytes.len().next_multiple_of(BLOCK_BYTES), 0);
        self.sum_up();
        let mut sum = Hasher::new();
        sum.update(&header.as_bytes()[CHECKED_FROM..]);
        sum.combine(&self.sum);
        self.bytes[..HEADER_BYTES].copy_from_slice(header.as_bytes());
        self.bytes[8..CHECKED_FROM].copy_from_slice(&sum.finalize().to_le_bytes());
        Bytes::from(self.bytes)
    }
}

impl SegmentIndex {
    /// Checks a whole file.
    pub(crate) fn read(segment: u64, bytes: &Bytes) -> Result<Self, IndexDamaged> {
        let (header, rest) = HeaderLayout::ref_from_prefix(bytes).map_err(|_| IndexDamaged)?;
        let wanted = header.magic == MAGIC
            && header.version.get() == VERSION
            && header.segment.get() == segment
            && header.checksum.get() == crc32fast::hash(&bytes[CHECKED_FROM..]);
        let part = |from: usize, count: U32, size: usize| {
            let bytes = usize::try_from(count.get()).ok()?.checked_mul(size)?;
            Some(from..from.checked_add(bytes)?)
        };
        let parts = || {
            let batches = part(0, header.batch_count, size_of::<BatchLayout>())?;
            let entries = part(batches.end, header.entry_count, size_of::<EntryLayout>())?;
            let queues = part(entries.end, header.queue_count, size_of::<QueueLayout>())?;
            (queues.end <= rest.len()).then_some((batches, queues, entries))
        };
        let (batches, queues, entries) = parts().filter(|_| wanted).ok_or(IndexDamaged)?;
        let index = Self { segment, batches, queues, entries, bytes: bytes.slice(HEADER_BYTES..) };
        if index.batches_from(0).all(|place| is_place(&place)) {
            Ok(index)
        } else {
            Err(IndexDamaged)
        }
    }

    /// Its memory, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// What is in these batches, or was between their neighbours.
    pub(crate) fn lost_in(&self, lost: &Range<LogIndex>) -> Vec<QueueRange> {
        let queues = <[QueueLayout]>::ref_from_bytes(&self.bytes[self.queues.clone()]);
        let entries = <[EntryLayout]>::ref_from_bytes(&self.bytes[self.entries.clone()]);
        let batches = <[BatchLayout]>::ref_from_bytes(&self.bytes[self.batches.clone()]);
        let (Ok(queues), Ok(entries), Ok(batches)) = (queues, entries, batches) else {
            return Vec::new();
        };
        let below = |end: LogIndex| batches.partition_point(|batch| batch.index.get() < end.0);
        let (first, end) = (below(lost.start), below(lost.end));
        let mut ranges = Vec::new();
        for queue in queues {
            let from = queue.first_entry.get() as usize;
            let to = from.saturating_add(queue.entry_count.get() as usize);
            let mut before: Option<u64> = None;
            for entry in entries.get(from..to).unwrap_or_default() {
                let (offset, batch) = (entry.first_offset.get(), entry.batch.get() as usize);
                let entry_end = offset.saturating_add(u64::from(entry.count.get()));
                let range = match before {
                    _ if (first..end).contains(&batch) => Some((offset, entry_end)),
                    Some(before) if batch >= end && before < offset => Some((before, offset)),
                    _ => None,
                };
                ranges.extend(range.map(|(first, end)| QueueRange {
                    queue: QueueId(queue.queue.get()),
                    first: Offset(first),
                    end: Offset(end),
                }));
                before = (batch < end).then_some(entry_end);
            }
        }
        ranges
    }

    /// Where `offset` of `queue` is.
    pub(crate) fn find(&self, queue: QueueId, offset: Offset) -> ColdLookup {
        let queues = <[QueueLayout]>::ref_from_bytes(&self.bytes[self.queues.clone()]);
        let entries = <[EntryLayout]>::ref_from_bytes(&self.bytes[self.entries.clone()]);
        let (Ok(queues), Ok(entries)) = (queues, entries) else {
            return ColdLookup::Hole { next: None };
        };
        let found = queues.binary_search_by_key(&queue.0, |layout| layout.queue.get());
        let Ok(found) = found else { return ColdLookup::Hole { next: None } };
        let first = queues[found].first_entry.get() as usize;
        let end = first.saturating_add(queues[found].entry_count.get() as usize);
        let Some(entries) = entries.get(first..end) else { return ColdLookup::Hole { next: None } };
        let after = entries.partition_point(|entry| entry.first_offset.get() <= offset.0);
        let next = entries.get(after).map(|entry| Offset(entry.first_offset.get()));
        let Some(entry) = after.checked_sub(1).and_then(|before| entries.get(before)) else {
            return ColdLookup::Hole { next };
        };
        let section = ColdSection {
            first_offset: Offset(entry.first_offset.get()),
            count: entry.count.get(),
            section_position: entry.section_position.get(),
            batch: entry.batch.get() as usize,
        };
        if offset < section.first_offset.plus(u64::from(section.count)) {
            return ColdLookup::Section(section);
        }
        ColdLookup::Hole { next }
    }

    /// The batches of the segment from an ordinal on.
    pub(crate) fn batches_from(&self, ordinal: usize) -> impl Iterator<Item = BatchPlace> {
        let batches = <[BatchLayout]>::ref_from_bytes(&self.bytes[self.batches.clone()]);
        let batches = batches.ok().and_then(|batches| batches.get(ordinal..)).unwrap_or_default();
        batches.iter().map(|layout| BatchPlace {
            index: LogIndex(layout.index.get()),
            segment: self.segment,
            position: layout.position.get(),
            bytes: layout.bytes.get(),
        })
    }
}

/// Whether a batch can stand there, under its number: whole blocks of a segment, not more than a batch has.
fn is_place(place: &BatchPlace) -> bool {
    let block = u32::try_from(BLOCK_BYTES).unwrap_or(u32::MAX);
    is_count(place.index.0)
        && place.position.is_multiple_of(block)
        && place.bytes.is_multiple_of(block)
        && (1..=batch_bytes_max()).contains(&(place.bytes as usize))
        && place.position.checked_add(place.bytes).is_some()
}

fn narrow(value: usize) -> U32 {
    U32::new(u32::try_from(value).expect("a segment is smaller than 4 GiB"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::hex;

    /// Format 1: a file of two queues; the rest of its block is zero.
    const GOLDEN: &str = "\
444642494e444558f95333510100000003000000000000000200000002000000
0400000000000000000000000000000000000000000000000000000000000000
0a0000000000000000200000001000000b000000000000000030000000100000
0000000000000000000000003800000005000000050000000000000001000000
3800000005000000140000000000000001000000380000000500000064000000
0000000000000000380000000500000007000000000000000000000003000000
09000000000000000300000001";

    pub(super) fn file() -> Bytes {
        let place = |index, position| BatchPlace {
            index: LogIndex(index),
            segment: 3,
            position,
            bytes: 4096,
        };
        let entry = |first, index| Entry {
            first_offset: Offset(first),
            accepted_ns: 0,
            index: LogIndex(index),
            section_position: 56,
            count: 5,
        };
        let mut writer = IndexWriter::new(3, vec![place(10, 8192), place(11, 12288)], 4);
        for (queue, entry) in [
            (7, entry(0, 10)),
            (7, entry(5, 11)),
            (7, entry(20, 11)),
            (8, entry(1, 12)),
            (9, entry(100, 10)),
        ] {
            writer.entry(QueueId(queue), &entry);
            writer.sum_up();
        }
        writer.finish()
    }

    #[test]
    fn what_was_written_is_found() {
        let bytes = file();
        assert_eq!(bytes.len() % BLOCK_BYTES, 0);
        let index = SegmentIndex::read(3, &bytes).expect("as written");
        let ColdLookup::Section(found) = index.find(QueueId(7), Offset(9)) else {
            panic!("offset 9 is in the second section")
        };
        assert_eq!((found.first_offset, found.count), (Offset(5), 5));
        let place = index.batches_from(found.batch).next().expect("its batch");
        assert_eq!((place.index, place.position), (LogIndex(11), 12288));
        let hole = |next| ColdLookup::Hole { next };
        assert_eq!(index.find(QueueId(7), Offset(10)), hole(Some(Offset(20))));
        assert_eq!(index.find(QueueId(7), Offset(25)), hole(None));
        assert_eq!(index.find(QueueId(8), Offset(1)), hole(None), "its batch is unknown");
        assert_eq!(index.find(QueueId(9), Offset(0)), hole(Some(Offset(100))));
    }

    #[test]
    fn the_bytes_are_those_of_format_1() {
        let bytes = file();
        let used = bytes.iter().rposition(|byte| *byte != 0).expect("not all zero");
        assert_eq!(hex(&bytes[..=used]), GOLDEN);
    }

    #[test]
    fn whatever_the_counts_say_nothing_panics() {
        for position in 16..64 + 2 * 16 + 4 * 20 + 2 * 16 {
            for value in [0, 1, 0x7f, 0xff] {
                let mut bytes = file().to_vec();
                bytes[position] = value;
                let checksum = crc32fast::hash(&bytes[CHECKED_FROM..]);
                bytes[8..CHECKED_FROM].copy_from_slice(&checksum.to_le_bytes());
                let Ok(index) = SegmentIndex::read(3, &Bytes::from(bytes)) else { continue };
                for offset in [0, 5, 20, 1 << 40] {
                    let found = index.find(QueueId(7), Offset(offset));
                    if let ColdLookup::Section(found) = found {
                        assert!(index.batches_from(found.batch).count() <= 2 + 4 * 20);
                    }
                }
            }
        }
    }

    #[test]
    fn every_flipped_byte_is_damage() {
        let bytes = file();
        assert!(SegmentIndex::read(4, &bytes).is_err(), "of another segment");
        for position in 0..bytes.len() {
            let mut damaged = bytes.to_vec();
            damaged[position] ^= 1;
            assert!(SegmentIndex::read(3, &Bytes::from(damaged)).is_err(), "byte {position}");
        }
        assert!(SegmentIndex::read(3, &Bytes::new()).is_err());
    }
}
