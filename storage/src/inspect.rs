//! Inspect: what a shard's directory holds, read only and offline.
//!
//! An overview reads headers and footers, and batches only where a segment was
//! not sealed. `Depth::Verify` reads every batch: all checksums, the chain, the
//! padding, and each record against its producer's checksum; and every copy of
//! what has copies. What cannot be served is named by queue and offsets.
//!
//! | file | holds |
//! |---|---|
//! | `report` | what was found, as plain values |
//! | `queues` | which offsets are there, and which damage hides the others |
//! | `files` | superblock, snapshots, heads and indexes |
//!
//! Decides nothing and repairs nothing: it tells what recovery would find.

mod files;
mod queues;
mod report;
#[cfg(test)]
mod tests;

use crate::batch::BatchView;
use crate::log::BatchPlace;
use crate::note::Note;
use crate::plan::{Disk, FileName};
use crate::recovery::{
    Cursor, Met, Surveyed, Tail, Window, read_copies, scan, survey, without_quorum,
};
use crate::segment::{Contents, HeadFault, Owner, SegmentHeader};
use crate::snapshot;
use crate::store::{DamagedRange, OpenError};
use crate::superblock::{self, Quorum, Superblock};
use bytes::Bytes;
use queues::Queues;
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
    let mut damage = Vec::new();
    if found.is_some() {
        damage.extend(files::superblock_copies(&copies));
    } else if !surveyed.is_empty() {
        damage.push(without_quorum());
    }
    let first = surveyed.iter().find_map(|file| file.header.ok());
    let owner = found.map(|found| found.owner).or(first.map(|first| first.owner));
    let known = match owner {
        Some(owner) => files::newest_snapshot(disk, snapshot_owner(&owner), &mut damage)?,
        None => snapshot::Contents::default(),
    };
    let log_start = first.map_or((0, LogIndex(0)), |first| (first.number, first.base));
    let queues = Queues::new(&known.queues, known.from, log_start);
    if depth == Depth::Verify {
        let cold: Vec<_> =
            known.segments.into_iter().filter(|cold| cold.number >= log_start.0).collect();
        damage.extend(files::indexes(disk, &cold));
    }
    let report = Report {
        superblock: found.as_ref().map(describe),
        superblock_copies: valid,
        snapshots: disk.snapshots().map_err(OpenError::Disk)?,
        catalog: known.catalog,
        damage,
        ..Report::default()
    };
    let synced_end = found.map_or(LogIndex(0), |found| found.synced_end);
    let (from, previous) = (known.from, None);
    let mut inspection = Inspection { report, queues, depth, from, synced_end, previous };
    for (at, file) in surveyed.iter().enumerate() {
        inspection.segment(disk, file, &surveyed[at + 1..])?;
    }
    Ok(inspection.finish())
}

struct Inspection {
    report: Report,
    queues: Queues,
    depth: Depth,
    /// The newest snapshot holds everything below.
    from: LogIndex,
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
            if self.depth == Depth::Verify {
                self.report.damage.extend(files::heads(disk, file));
            }
            self.enter(header);
            segment.base = header.base;
            segment.end = header.base;
            let overview = self.depth == Depth::Overview;
            match &file.footer {
                Some(footer) if overview && !footer.contents.more_queues => {
                    segment.end = footer.end;
                    segment.batch_count = footer.contents.batch_count;
                    self.previous = Some((footer.next_base, footer.last_identity));
                    Self::count(&mut segment, &footer.contents);
                    self.extend_all(&footer.contents, (file.number, footer.end));
                }
                footer => {
                    let next_base = later.iter().find_map(|next| Some(next.header.ok()?.base));
                    let known_end = footer.as_ref().map(|footer| footer.end).or(next_base);
                    self.read(disk, file, known_end, &mut segment)?;
                }
            }
            self.leave(file);
        } else if state == SegmentState::Unreadable || later.iter().any(|file| file.header.is_ok())
        {
            segment.state = SegmentState::Unreadable;
            let what = "neither copy of the header nor the footer can be read";
            self.lost(file.number, (0, file.file_bytes), what.to_owned());
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
            self.lost(header.number, (0, 0), what);
        } else if identity != header.previous {
            self.lost(header.number, (0, 0), format!("the chain breaks at batch {end}"));
        }
    }

    /// What a footer knows: queues that went on in what cannot be read, and batches that were given up.
    fn leave(&mut self, file: &Surveyed) {
        let Some(footer) = &file.footer else { return };
        let name = FileName::Segment(file.number);
        for range in &footer.contents.queues {
            if range.queue != QueueId::NOTES {
                self.queues.ended(*range, name, &mut self.report.damage);
            }
        }
        if footer.next_base > footer.end {
            let what = format!("batches from {} to {} were given up", footer.end, footer.next_base);
            let range = DamagedRange::new(name, u64::from(footer.end_position), 0, what);
            self.report.damage.push(range);
            if footer.next_base > self.from {
                self.queues.met_live(&self.report.damage);
            }
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
                Met::Damage { range, next } => {
                    self.report.damage.push(range);
                    if next > self.from {
                        self.queues.met_live(&self.report.damage);
                    }
                }
                Met::Batch { place, view, header, bytes } => {
                    let batch = self.batch(place, view, &mut contents);
                    segment.batches.push(batch);
                    if self.depth == Depth::Verify && !header.padding_is_zero(bytes) {
                        let what = format!("batch {}: its padding is not zero", place.index);
                        self.report.damage.push(damage_of(place, what));
                    }
                }
            }
            Ok(())
        })?;
        segment.end = cursor.index;
        segment.batch_count = segment.batches.len() as u64;
        Self::count(segment, &contents);
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
            let note = section.queue == QueueId::NOTES;
            if note {
                self.note(records);
            }
            let end = section.first_offset.plus(u64::from(section.count));
            let range = QueueRange { queue: section.queue, first: section.first_offset, end };
            self.extend(range, (place.segment, place.index));
            if self.depth == Depth::Verify
                && !note
                && wire::record::check_section(records, section.count, records.len()).is_err()
            {
                let what = format!(
                    "batch {}: a record does not match its producer's checksum",
                    place.index
                );
                let lost = vec![range];
                self.report.damage.push(DamagedRange { lost, ..damage_of(place, what) });
            }
        }
        BatchReport { place, wall_ns: view.wall_ns, section_count, record_count }
    }

    fn tail(&mut self, segment: u64, tail: Tail, index: LogIndex) {
        let lost = index < self.synced_end;
        match tail {
            Tail::Known { .. } => {}
            Tail::Clean { .. } if !lost => {}
            Tail::Torn { position, bytes } if !lost => {
                let what = format!("batch {index}: torn, never acknowledged");
                let file = FileName::Segment(segment);
                let (position, bytes) = (u64::from(position), u64::from(bytes));
                self.report.torn = Some(DamagedRange::new(file, position, bytes, what));
            }
            Tail::Clean { position } => {
                let what = format!("batches up to {} were synced and are gone", self.synced_end);
                self.lost(segment, (position, 0), what);
            }
            Tail::Torn { position, bytes } => {
                let what = format!("batches up to {} were synced", self.synced_end);
                self.lost(segment, (position, u64::from(bytes)), what);
            }
            Tail::Damaged { position, bytes, what, .. } => {
                self.lost(segment, (position, u64::from(bytes)), what);
            }
        }
    }

    fn note(&mut self, bytes: &[u8]) {
        if let Ok(Note::Catalog(change)) = Note::read(bytes) {
            self.report.catalog.push(Bytes::copy_from_slice(change));
        }
    }

    fn count(segment: &mut SegmentReport, contents: &Contents) {
        segment.section_count = contents.section_count;
        segment.record_count = contents.record_count;
        segment.oldest_ns = contents.oldest_ns;
        segment.newest_ns = contents.newest_ns;
    }

    fn extend_all(&mut self, contents: &Contents, (segment, end): (u64, LogIndex)) {
        for range in &contents.queues {
            self.extend(*range, (segment, end));
        }
    }

    fn extend(&mut self, range: QueueRange, (segment, index): (u64, LogIndex)) {
        if range.queue != QueueId::NOTES {
            let place = (FileName::Segment(segment), index);
            self.queues.extend(range, place, &mut self.report.damage);
        }
    }

    /// Batches a start has to pass over.
    fn lost(&mut self, segment: u64, (position, bytes): (u32, u64), what: String) {
        let file = FileName::Segment(segment);
        self.report.damage.push(DamagedRange::new(file, u64::from(position), bytes, what));
        self.queues.met_live(&self.report.damage);
    }

    fn finish(mut self) -> Report {
        self.report.queues = self.queues.finish(&mut self.report.damage);
        self.report
    }
}

fn damage_of(place: BatchPlace, what: String) -> DamagedRange {
    let (position, bytes) = (u64::from(place.position), u64::from(place.bytes));
    DamagedRange::new(FileName::Segment(place.segment), position, bytes, what)
}

const fn snapshot_owner(owner: &Owner) -> snapshot::Owner {
    let Owner { cluster_id, node_id, shard } = *owner;
    snapshot::Owner { node_id, cluster_id, shard }
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
