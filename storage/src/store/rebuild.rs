//! Rebuild: an index file made again by walking over its segment.
//!
//! Sections in what does not verify are damaged, the rest of the segment is not.
//! If some of it could not be read, what is built serves this process only: the
//! next one tries again. One segment at a time; whoever waits is woken after each
//! read and asks again.

use super::Store;
use super::reader::READ_BYTES_MAX;
use super::walk::{Stretch, Walk};
use crate::batch::BatchView;
use crate::index_file::{IndexWriter, SegmentIndex};
use crate::log::{BatchPlace, SegmentInfo};
use crate::plan::{DiskFault, FileName, OpId, Plan};
use crate::queue::Entry;
use crate::snapshot::ColdSegment;
use bytes::Bytes;
use wire::{LogIndex, QueueId};

/// A rebuild under way.
#[derive(Debug)]
pub(super) struct Rebuild {
    walk: Walk,
    batches: Vec<BatchPlace>,
    entries: Vec<(QueueId, Entry)>,
    /// Something could not be read, and may be there.
    is_partial: bool,
}

impl Rebuild {
    const fn new(walk: Walk) -> Self {
        // A segment that is not there may be put back.
        let is_partial = walk.is_complete();
        Self { walk, batches: Vec::new(), entries: Vec::new(), is_partial }
    }

    fn take(&mut self, stretch: &Stretch<'_>) {
        match stretch {
            Stretch::Batch { place, view, .. } => {
                self.batches.push(*place);
                self.take_sections(view);
            }
            Stretch::Bad(bad) => self.is_partial |= bad.is_unread,
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
        let segment = self.walk.segment();
        let mut writer = IndexWriter::new(segment, self.batches, self.entries.len());
        for (queue, entry) in &self.entries {
            writer.entry(*queue, entry);
        }
        writer.finish()
    }
}

impl Store {
    /// Begins to walk over a segment, unless one is being walked over; says what to wait for.
    pub(super) fn start_rebuild(&mut self, segment: u64) -> OpId {
        if let Some(op) = self.reader.scan_op() {
            return op;
        }
        if self.reader.rebuild.is_none() {
            let walk = Walk::new(&self.info_of(segment), READ_BYTES_MAX);
            self.reader.rebuild = Some(Rebuild::new(walk));
        }
        self.walk_on()
    }

    fn info_of(&self, number: u64) -> SegmentInfo {
        let known = self.log.segments().find(|info| info.number == number).copied();
        // One that is gone has no batches.
        let (base, end) = (LogIndex(0), LogIndex(0));
        known.unwrap_or(SegmentInfo {
            number,
            bytes: 0,
            salt: 0,
            base,
            end,
            newest_ns: 0,
            sealed: true,
        })
    }

    /// The walk's next read, or the one in flight.
    fn walk_on(&mut self) -> OpId {
        let walk = self.reader.rebuild.as_ref().map(|rebuild| &rebuild.walk);
        let extent = walk.map_or((FileName::Segment(0), 0, READ_BYTES_MAX), Walk::next_read);
        let pause_ns = walk.map_or(0, Walk::pause_ns);
        self.reader.fetch_scan(&mut self.ops, extent, pause_ns)
    }

    pub(super) fn take_scan(&mut self, result: Result<Bytes, DiskFault>) {
        let Some(mut rebuild) = self.reader.rebuild.take() else { return };
        let mut walk = rebuild.walk;
        walk.take(result.ok().as_ref(), &self.log, &mut |stretch| rebuild.take(&stretch));
        rebuild.walk = walk;
        if !walk.is_complete() {
            self.reader.rebuild = Some(rebuild);
            self.walk_on();
            return;
        }
        self.counts.indexes_rebuilt += 1;
        let (segment, end, is_partial) = (walk.segment(), walk.end(), rebuild.is_partial);
        let bytes = rebuild.finish();
        let index_bytes = u32::try_from(bytes.len()).unwrap_or(0);
        if let Ok(index) = SegmentIndex::read(segment, &bytes) {
            self.reader.indexes.insert(segment, index, bytes.len());
        }
        let cold = self.segments.cold.get_mut(&segment);
        if let Some(cold) = cold.filter(|_| !is_partial) {
            *cold = ColdSegment { number: segment, end, index_bytes };
            let op = self.ops.draw();
            self.reader.plans.push(Plan::Replace { op, file: FileName::Index(segment), bytes });
        }
    }
}
