//! Rebuild: an index file made again by scanning its segment.
//!
//! Reads the segment front to back, at least 1 MiB at a time, and takes every
//! batch that verifies. What does not is skipped block by block: the sections
//! in it are damaged, the rest of the segment is not. One segment at a time;
//! whoever waits is woken after each read and asks again.

use super::Store;
use super::reading::READ_BYTES_MAX;
use crate::batch::{BatchHeader, BatchView};
use crate::chunk::BLOCK_BYTES;
use crate::index_file::{IndexWriter, SegmentIndex};
use crate::log::{BatchPlace, Log};
use crate::plan::{DiskFault, FileName, OpId, Plan};
use crate::queue::Entry;
use crate::segment::HEAD_BYTES;
use crate::snapshot::ColdSegment;
use bytes::Bytes;
use wire::{LogIndex, QueueId};

/// A scan under way.
#[derive(Debug)]
pub(super) struct Rebuild {
    segment: u64,
    segment_bytes: u64,
    /// Exclusive end of its batches.
    end: LogIndex,
    position: u64,
    /// How much the next read takes.
    bytes: u32,
    batches: Vec<BatchPlace>,
    entries: Vec<(QueueId, Entry)>,
    complete: bool,
}

impl Rebuild {
    fn next_read(&self) -> (FileName, u64, u32) {
        let left = u32::try_from(self.segment_bytes - self.position).unwrap_or(u32::MAX);
        let bytes = self.bytes.min(left);
        (FileName::Segment(self.segment), self.position, bytes)
    }

    /// Takes the batches that lie whole in these bytes.
    fn take(&mut self, bytes: &Bytes, log: &Log) {
        let mut at = 0;
        self.bytes = READ_BYTES_MAX;
        while let Some(rest) = bytes.get(at..).filter(|rest| rest.len() >= BLOCK_BYTES) {
            let Ok(header) = BatchHeader::decode(rest) else {
                at += BLOCK_BYTES;
                continue;
            };
            if header.padded_bytes > rest.len() && at + self.left_of(at) > bytes.len() {
                let needed = u32::try_from(header.padded_bytes).unwrap_or(READ_BYTES_MAX);
                self.bytes = needed.max(READ_BYTES_MAX);
                break;
            }
            at += self.take_batch(header.index, bytes, (at, header.padded_bytes), log);
        }
        self.position += at as u64;
        self.complete |= at == 0 || self.position >= self.segment_bytes;
    }

    /// Bytes of the segment that follow the place `at` of the current read.
    fn left_of(&self, at: usize) -> usize {
        let left = self.segment_bytes.saturating_sub(self.position + at as u64);
        usize::try_from(left).unwrap_or(usize::MAX)
    }

    /// How far to go on.
    fn take_batch(
        &mut self,
        index: LogIndex,
        bytes: &Bytes,
        (at, padded_bytes): (usize, usize),
        log: &Log,
    ) -> usize {
        let position = u32::try_from(self.position + at as u64);
        let length = u32::try_from(padded_bytes);
        let batch = bytes.get(at..at + padded_bytes);
        let (Ok(position), Ok(length), Some(batch)) = (position, length, batch) else {
            return BLOCK_BYTES;
        };
        let place = BatchPlace { index, segment: self.segment, position, bytes: length };
        match log.verify(place, &bytes.slice_ref(batch)) {
            Ok(view) => {
                self.take_sections(&view);
                self.batches.push(place);
                self.complete |= index.next() >= self.end;
                padded_bytes
            }
            Err(_) => BLOCK_BYTES,
        }
    }

    fn take_sections(&mut self, view: &BatchView) {
        for (section_position, header, _) in view.sections() {
            if header.queue != QueueId::NOTES {
                let entry = Entry {
                    first_offset: header.first_offset,
                    accepted_ns: header.accepted_ns,
                    index: view.index,
                    section_position,
                    count: header.count,
                };
                self.entries.push((header.queue, entry));
            }
        }
    }

    fn finish(mut self) -> Bytes {
        self.entries.sort_by_key(|(queue, entry)| (*queue, entry.first_offset));
        let mut writer = IndexWriter::new(self.segment, self.batches, self.entries.len());
        for (queue, entry) in &self.entries {
            writer.entry(*queue, entry);
        }
        writer.finish()
    }
}

impl Store {
    /// Begins to scan a segment, unless one is being scanned; says what to wait for.
    pub(super) fn start_rebuild(&mut self, segment: u64) -> OpId {
        if let Some(op) = self.reader.scan_op() {
            return op;
        }
        if self.reader.rebuild.is_none() {
            let info = self.log.segments().find(|info| info.number == segment).copied();
            let (segment_bytes, end) = info.map_or((0, LogIndex(0)), |info| (info.bytes, info.end));
            self.reader.rebuild = Some(Rebuild {
                segment,
                segment_bytes: segment_bytes.max(2 * u64::from(HEAD_BYTES)),
                end,
                position: u64::from(HEAD_BYTES),
                bytes: READ_BYTES_MAX,
                batches: Vec::new(),
                entries: Vec::new(),
                complete: false,
            });
        }
        self.scan_on()
    }

    /// The scan's next read, or the one in flight.
    fn scan_on(&mut self) -> OpId {
        let next = self.reader.rebuild.as_ref().map(Rebuild::next_read);
        let place = next.unwrap_or((FileName::Segment(0), 0, READ_BYTES_MAX));
        self.reader.fetch_scan(&mut self.ops, place)
    }

    pub(super) fn take_scan(&mut self, result: Result<Bytes, DiskFault>) {
        let Some(mut rebuild) = self.reader.rebuild.take() else { return };
        if let Ok(bytes) = result {
            rebuild.take(&bytes, &self.log);
        } else {
            // This part cannot be read: its sections are damaged, the scan goes on behind it.
            rebuild.position += u64::from(rebuild.next_read().2.max(1));
            rebuild.complete |= rebuild.position >= rebuild.segment_bytes;
        }
        if !rebuild.complete {
            self.reader.rebuild = Some(rebuild);
            self.scan_on();
            return;
        }
        self.counts.indexes_rebuilt += 1;
        let (segment, end) = (rebuild.segment, rebuild.end);
        let bytes = rebuild.finish();
        let index_bytes = u32::try_from(bytes.len()).unwrap_or(0);
        if let Ok(index) = SegmentIndex::read(segment, &bytes) {
            self.reader.indexes.insert(segment, index, bytes.len());
        }
        if let Some(cold) = self.segments.cold.get_mut(&segment) {
            *cold = ColdSegment { number: segment, end, index_bytes };
            let op = self.ops.draw();
            self.reader.plans.push(Plan::Replace { op, file: FileName::Index(segment), bytes });
        }
    }
}
