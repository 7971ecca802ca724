//! Inspect: what a shard's directory holds, read only and offline.
//!
//! An overview reads headers and footers, and batches only where a segment was
//! not sealed. `Depth::Verify` reads every batch: all checksums, the chain, the
//! padding, and each record against its producer's checksum.
//!
//! Decides nothing and repairs nothing: it tells what recovery would find.

mod report;
#[cfg(test)]
mod tests;

use crate::batch::BatchView;
use crate::log::BatchPlace;
use crate::plan::{Disk, FileName};
use crate::recovery::{Cursor, Met, Surveyed, Tail, Window, read_copies, scan, survey};
use crate::segment::{Contents, HeadFault, SegmentHeader};
use crate::store::{DamagedRange, OpenError};
use crate::superblock::{self, Quorum, Superblock};
use std::collections::BTreeMap;
use wire::{LogIndex, QueueId};

pub use crate::segment::QueueRange;
pub use report::{BatchReport, Depth, Report, SegmentReport, SegmentState, SuperblockReport};

/// Reads a directory. Refuses only files of an unknown version, or a directory that cannot be listed.
pub fn inspect(disk: &mut dyn Disk, depth: Depth) -> Result<Report, OpenError> {
    let copies = read_copies(disk).map_err(OpenError::Disk)?;
    let valid = copies.iter().filter(|copy| Superblock::decode(copy).is_ok()).count();
    let found = match superblock::quorum(&copies) {
        Quorum::Found(found) => Some(found),
        Quorum::Never | Quorum::Lost(_) => None,
        Quorum::Version(version) => return Err(OpenError::UnknownFormat { version }),
    };
    let numbers = disk.segments().map_err(OpenError::Disk)?;
    let surveyed = survey(disk, &numbers, None)?;
    let report = Report {
        superblock: found.as_ref().map(describe),
        superblock_copies: valid,
        snapshots: disk.snapshots().map_err(OpenError::Disk)?,
        ..Report::default()
    };
    let synced_end = found.map_or(LogIndex(0), |found| found.synced_end);
    let (queues, previous) = (BTreeMap::new(), None);
    let mut inspection = Inspection { report, queues, depth, synced_end, previous };
    for (at, file) in surveyed.iter().enumerate() {
        inspection.segment(disk, file, &surveyed[at + 1..])?;
    }
    Ok(inspection.finish())
}

struct Inspection {
    report: Report,
    queues: BTreeMap<QueueId, QueueRange>,
    depth: Depth,
    synced_end: LogIndex,
    /// End and identity of the segment before, where they are known.
    previous: Option<(LogIndex, u32)>,
}

impl Inspection {
    fn segment(
        &mut self,
        disk: &mut dyn Disk,
        file: &Surveyed,
        later: &[Surveyed],
    ) -> Result<(), OpenError> {
        let state = match (&file.header, &file.footer) {
            (Ok(_), Some(_)) => SegmentState::Sealed,
            (Ok(_), None) => SegmentState::Open,
            (Err(HeadFault::Zero), _) => SegmentState::Empty,
            (Err(HeadFault::Damaged | HeadFault::Version(_)), _) => SegmentState::Unreadable,
        };
        let mut segment = empty(file, state);
        if let Ok(header) = &file.header {
            self.enter(header);
            segment.base = header.base;
            segment.end = header.base;
            let overview = self.depth == Depth::Overview;
            match &file.footer {
                Some(footer) if overview && !footer.contents.more_queues => {
                    segment.end = footer.end;
                    segment.batch_count = footer.contents.batch_count;
                    self.previous = Some((footer.next_base, footer.last_identity));
                    self.count(&mut segment, &footer.contents);
                }
                footer => {
                    let next_base = later.iter().find_map(|next| Some(next.header.ok()?.base));
                    let known_end = footer.as_ref().map(|footer| footer.end).or(next_base);
                    self.read(disk, file, known_end, &mut segment)?;
                }
            }
        } else if state == SegmentState::Unreadable || later.iter().any(|file| file.header.is_ok())
        {
            segment.state = SegmentState::Unreadable;
            let what = "neither copy of the header nor the footer can be read";
            self.damaged(file.number, 0, file.file_bytes, what.to_owned());
            self.previous = None;
        }
        self.report.segments.push(segment);
        Ok(())
    }

    /// The log must go on where the segment before ended.
    fn enter(&mut self, header: &SegmentHeader) {
        let Some((end, identity)) = self.previous else { return };
        if end != header.base {
            let what = format!("batches {end} to {} are missing", header.base);
            self.damaged(header.number, 0, 0, what);
        } else if identity != header.previous {
            self.damaged(header.number, 0, 0, format!("the chain breaks at batch {end}"));
        }
    }

    fn read(
        &mut self,
        disk: &mut dyn Disk,
        file: &Surveyed,
        known_end: Option<LogIndex>,
        segment: &mut SegmentReport,
    ) -> Result<(), OpenError> {
        let Ok(header) = &file.header else { return Ok(()) };
        let mut cursor = Cursor { index: header.base, previous: Some(header.previous), wall_ns: 0 };
        let mut contents = Contents::default();
        let mut window = Window::new(disk, FileName::Segment(file.number), file.file_bytes);
        let tail = scan(&mut window, header, known_end, &mut cursor, &mut |met| {
            match met {
                Met::Damage { range, .. } => self.report.damage.push(range),
                Met::Batch { place, view, header, bytes } => {
                    let batch = self.batch(place, view, &mut contents);
                    segment.batches.push(batch);
                    if self.depth == Depth::Verify && !header.padding_is_zero(bytes) {
                        let what = format!("batch {}: its padding is not zero", place.index);
                        self.damaged(
                            place.segment,
                            u64::from(place.position),
                            u64::from(place.bytes),
                            what,
                        );
                    }
                }
            }
            Ok(())
        })?;
        segment.end = cursor.index;
        segment.batch_count = segment.batches.len() as u64;
        self.count(segment, &contents);
        self.tail(file.number, tail, cursor.index);
        let next_base = file.footer.as_ref().map_or(cursor.index, |footer| footer.next_base);
        self.previous = cursor.previous.map(|identity| (next_base, identity));
        Ok(())
    }

    fn batch(
        &mut self,
        place: BatchPlace,
        view: &BatchView,
        contents: &mut Contents,
    ) -> BatchReport {
        let (mut section_count, mut record_count) = (0, 0);
        for (_, section, records) in view.sections() {
            section_count += 1;
            record_count += u64::from(section.count);
            contents.count(&section);
            let end = section.first_offset.plus(u64::from(section.count));
            self.extend(QueueRange { queue: section.queue, first: section.first_offset, end });
            let note = section.queue == QueueId::NOTES;
            if self.depth == Depth::Verify
                && !note
                && wire::record::check_section(records, section.count, records.len()).is_err()
            {
                let what = format!(
                    "batch {}: a record does not match its producer's checksum",
                    place.index
                );
                self.damaged(
                    place.segment,
                    u64::from(place.position),
                    u64::from(place.bytes),
                    what,
                );
            }
        }
        BatchReport { place, wall_ns: view.wall_ns, section_count, record_count }
    }

    fn tail(&mut self, segment: u64, tail: Tail, index: LogIndex) {
        let lost = index < self.synced_end;
        let range = |position: u32, bytes: u32, what: String| DamagedRange {
            segment,
            position: u64::from(position),
            bytes: u64::from(bytes),
            what,
        };
        match tail {
            Tail::Known { .. } => {}
            Tail::Clean { .. } if !lost => {}
            Tail::Torn { position, bytes } if !lost => {
                let what = format!("batch {index}: torn, never acknowledged");
                self.report.torn = Some(range(position, bytes, what));
            }
            Tail::Clean { position } => {
                let what = format!("batches up to {} were synced and are gone", self.synced_end);
                self.report.damage.push(range(position, 0, what));
            }
            Tail::Torn { position, bytes } => {
                let what = format!("batches up to {} were synced", self.synced_end);
                self.report.damage.push(range(position, bytes, what));
            }
            Tail::Damaged { position, bytes, what, .. } => {
                self.report.damage.push(range(position, bytes, what));
            }
        }
    }

    fn count(&mut self, segment: &mut SegmentReport, contents: &Contents) {
        segment.section_count = contents.section_count;
        segment.record_count = contents.record_count;
        segment.oldest_ns = contents.oldest_ns;
        segment.newest_ns = contents.newest_ns;
        for range in &contents.queues {
            self.extend(*range);
        }
    }

    fn extend(&mut self, range: QueueRange) {
        if range.queue == QueueId::NOTES {
            return;
        }
        let known = self.queues.entry(range.queue).or_insert(range);
        known.first = known.first.min(range.first);
        known.end = known.end.max(range.end);
    }

    fn damaged(&mut self, segment: u64, position: u64, bytes: u64, what: String) {
        self.report.damage.push(DamagedRange { segment, position, bytes, what });
    }

    fn finish(mut self) -> Report {
        if self.report.superblock.is_none() && !self.report.segments.is_empty() {
            let what = "superblock: no two of its four copies agree".to_owned();
            self.report.damage.insert(0, DamagedRange { segment: 0, position: 0, bytes: 0, what });
        }
        self.report.queues = self.queues.into_values().collect();
        self.report
    }
}

fn describe(superblock: &Superblock) -> SuperblockReport {
    SuperblockReport {
        cluster_id: superblock.owner.cluster_id,
        node_id: superblock.owner.node_id,
        shard: superblock.owner.shard,
        sequence: superblock.sequence,
        incarnation: superblock.incarnation,
        synced_end: superblock.synced_end,
        snapshot_from: superblock.snapshot_from,
        term: superblock.term,
    }
}

fn empty(file: &Surveyed, state: SegmentState) -> SegmentReport {
    SegmentReport {
        number: file.number,
        bytes: file.file_bytes,
        state,
        base: LogIndex(0),
        end: LogIndex(0),
        batch_count: 0,
        section_count: 0,
        record_count: 0,
        oldest_ns: 0,
        newest_ns: 0,
        batches: Vec::new(),
    }
}
