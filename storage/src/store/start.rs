//! Start: a store from what is on the disk.
//!
//! 1. The newest snapshot that checks gives the state and where to replay from.
//! 2. Every batch from there on is replayed: its sections into the index, and
//!    what the snapshot does not contain yet into the state, in log order.
//! 3. What damage may have taken is left out for ever: a queue without a later
//!    section goes on 2^20 offsets later, so no offset gets a second meaning.
//!
//! A read that fails for a moment is tried again (`patience`): what it hides is there.
//!
//! Only 2. depends on the log's length, and only on its part after the snapshot.

use super::cooling::Cooling;
use super::findings::Findings;
use super::notes::Notes;
use super::patience::Patient;
use super::reader::Reader;
use super::retention::Sweep;
use super::scrub::Scrub;
use super::segments::Segments;
use super::snapshots::Snapshots;
use super::turns::FlushWish;
use super::{Catalog, Counts, DamagedRange, OpenError, Opened, RecoveryReport, Store, StoreConfig};
use crate::batch::{BatchView, SectionHeader};
use crate::dedup::{Claim, Dedup, LastUse, PAIRS_MAX};
use crate::log::{BatchPlace, Log, LogConfig, Start};
use crate::memory::{MemoryRing, Pool};
use crate::note::{Lease, Note, NoteError};
use crate::plan::{Disk, DiskFault, FileName, OpIds, Unwritten};
use crate::positions::Positions;
use crate::queue::{Entry, LogStart, Queue};
use crate::recovery::Found;
use crate::segment::QueueRange;
use crate::snapshot::{Contents, Owner, SnapshotError, Stamps};
use bytes::Bytes;
use std::collections::BTreeMap;
use wire::{LogIndex, Offset, ProducerId, QueueId};

/// State as far as it is replayed.
pub(super) struct Replay {
    pub(super) queues: BTreeMap<QueueId, Queue>,
    pub(super) positions: Positions,
    position_stamps: Stamps,
    dedup: Dedup,
    window_stamps: Stamps,
    catalog: Catalog,
    catalog_stamps: Stamps,
    segments: Segments,
    /// Damages met so far.
    pub(super) damages: u32,
    /// Exclusive end of the batches they may have taken.
    pub(super) damaged_to: LogIndex,
    accepted_ns: u64,
    /// Notes that checksums vouch for and nobody can read.
    unreadable: Vec<DamagedRange>,
    failed: Option<OpenError>,
}

impl Store {
    /// Recovers a shard's directory, or makes a new one when it is empty.
    ///
    /// # Errors
    /// Files of another owner or a newer release; damage that takes more than
    /// single ranges, unless the operator accepts the loss; the disk's faults.
    pub fn open(
        config: &StoreConfig,
        disk: &mut dyn Disk,
        wall_ns: u64,
        accept_loss: bool,
    ) -> Result<Opened, OpenError> {
        let disk: &mut dyn Disk = &mut Patient::new(disk);
        let (numbers, contents) = load_snapshot(config, disk)?;
        let from = contents.from;
        let mut replay = Replay::new(contents);
        let start = Start { from, accept_loss, wall_ns };
        let opened = Log::open(&LogConfig::of(config), disk, start, &mut |found| {
            replay.visit(&found);
        })?;
        if let Some(error) = replay.failed {
            return Err(error);
        }
        let mut log = opened.log;
        let mut report = opened.report;
        replay.accept_unreadable(accept_loss, &mut report)?;
        report.lost = replay.settle(&log);
        replay.settle_epochs(&mut log, disk, !report.accepted.is_empty())?;
        let catalog = replay.catalog.changes.clone();
        let scrub_segment = log.scrub_segment();
        let snapshots = Snapshots::recovered(numbers, from, report.bytes);
        let store = Self {
            config: config.clone(),
            log,
            ops: OpIds::default(),
            queues: replay.queues,
            positions: replay.positions,
            dedup: replay.dedup,
            pool: Pool::new(config.memory_bytes_max),
            catalog: replay.catalog,
            segments: replay.segments,
            reader: Reader::new(config.read_cache_bytes_max),
            notes: Notes::default(),
            flush: FlushWish::default(),
            cooling: Cooling::default(),
            snapshots,
            sweep: Sweep::default(),
            scrub: Scrub::at(scrub_segment),
            findings: Findings::default(),
            counts: Counts::of(&report),
            log_damaged: replay.damages > 0,
            // Notes bear it before anything is accepted: no segment is older than its start.
            accepted_ns: replay.accepted_ns.max(wall_ns),
            now_ns: 0,
        };
        Ok(Opened { store, catalog, report })
    }

    /// What `open` with the operator's word would find and give up; nothing is written.
    ///
    /// # Errors
    /// As `open`.
    pub fn rehearse(
        config: &StoreConfig,
        disk: &mut dyn Disk,
        wall_ns: u64,
    ) -> Result<Opened, OpenError> {
        Self::open(config, &mut Unwritten(disk), wall_ns, true)
    }
}

/// Snapshots on the disk, and the newest that checks.
fn load_snapshot(
    config: &StoreConfig,
    disk: &mut dyn Disk,
) -> Result<(Vec<u64>, Contents), OpenError> {
    let numbers = disk.snapshots().map_err(OpenError::Disk)?;
    for number in numbers.iter().rev() {
        let file = FileName::Snapshot(*number);
        let bytes = match read_file(disk, file) {
            Ok(bytes) => bytes,
            Err(DiskFault::Missing | DiskFault::Short | DiskFault::Errno(_)) => continue,
            Err(fault @ DiskFault::NoSpace) => return Err(OpenError::Disk(fault)),
        };
        match Contents::read(Owner::of(config), &bytes) {
            Ok(contents) => return Ok((numbers, contents)),
            // The one before may do, if the log still has what came after it: `check_start`.
            Err(SnapshotError::Damaged) => {}
            Err(SnapshotError::UnknownVersion(version)) => {
                return Err(OpenError::UnknownFormat { version });
            }
            Err(SnapshotError::Foreign(found)) => return Err(OpenError::Foreign { found }),
        }
    }
    Ok((numbers, Contents::default()))
}

/// A whole file.
pub(crate) fn read_file(disk: &mut dyn Disk, file: FileName) -> Result<Bytes, DiskFault> {
    let length = usize::try_from(disk.length(file)?).map_err(|_| DiskFault::Short)?;
    let mut bytes = vec![0; length];
    disk.read(file, 0, &mut bytes)?;
    Ok(Bytes::from(bytes))
}

impl Replay {
    fn new(contents: Contents) -> Self {
        let mut dedup = Dedup::new(PAIRS_MAX);
        dedup.restore(contents.windows, &contents.producers, contents.producers_forgotten);
        let mut segments = Segments::default();
        segments.cold.extend(contents.segments.iter().map(|cold| (cold.number, *cold)));
        // Later segments are replayed: their entries come back into memory.
        let cold_end = segments.cold.keys().next_back().map_or(0, |last| last + 1);
        let mut queues: BTreeMap<_, _> = contents.queues.into_iter().collect();
        for queue in queues.values_mut() {
            queue.index.runs.retain(|run| run.segment < cold_end);
            queue.index.runs.shrink_to_fit();
        }
        let mut catalog = Catalog::default();
        contents.catalog.iter().for_each(|change| catalog.push(change));
        Self {
            queues,
            positions: contents.positions,
            position_stamps: contents.position_stamps,
            dedup,
            window_stamps: contents.window_stamps,
            catalog,
            catalog_stamps: contents.catalog_stamps,
            segments,
            damages: 0,
            damaged_to: LogIndex(0),
            accepted_ns: 0,
            unreadable: Vec::new(),
            failed: None,
        }
    }

    fn visit(&mut self, found: &Found<'_>) {
        match found {
            Found::Damage { end, .. } => self.met_damage(*end),
            Found::Batch { place, batch } => self.batch(place, batch),
        }
    }

    fn batch(&mut self, place: &BatchPlace, batch: &BatchView) {
        self.segments.open(place.segment, place.index);
        self.segments.flushed(*place);
        for (section_position, header, records) in batch.sections() {
            self.accepted_ns = self.accepted_ns.max(header.accepted_ns);
            if header.queue == QueueId::NOTES {
                self.note(place, records);
            } else {
                self.section(place.index, section_position, &header);
            }
        }
    }

    fn section(&mut self, index: LogIndex, section_position: u32, header: &SectionHeader) {
        let queue = self.queues.entry(header.queue).or_default();
        self.segments.touch(header.queue, queue, index);
        queue.index.push(Entry {
            first_offset: header.first_offset,
            accepted_ns: header.accepted_ns,
            index,
            section_position,
            count: header.count,
        });
        let end = header.first_offset.plus(u64::from(header.count));
        queue.damages = self.damages;
        // Also where the snapshot says that it contains this: no offset that is in the log is given out again.
        queue.end = queue.end.max(end);
        let pair = (header.producer.0, header.queue.0);
        if header.producer != ProducerId(0) && self.window_stamps.applies(pair, index) {
            let claim = Claim {
                producer: header.producer,
                queue: header.queue,
                epoch: header.epoch,
                sequence: header.sequence,
                count: header.count,
            };
            let used = LastUse { index, order: section_position };
            self.dedup.take(&claim, header.first_offset, used);
        }
    }

    fn note(&mut self, place: &BatchPlace, bytes: &[u8]) {
        match Note::read(bytes) {
            Ok(note) => self.apply(place.index, &note),
            Err(NoteError::UnknownVersion(version) | NoteError::UnknownKind(version)) => {
                let version = u32::from(version);
                self.failed.get_or_insert(OpenError::UnknownFormat { version });
            }
            Err(NoteError::Length { bytes }) => {
                let what = format!("batch {}: a note of {bytes} bytes is not one", place.index);
                let file = FileName::Segment(place.segment);
                let (position, bytes) = (u64::from(place.position), bytes as u64);
                self.unreadable.push(DamagedRange::new(file, position, bytes, what));
            }
        }
    }

    fn apply(&mut self, index: LogIndex, note: &Note<'_>) {
        match note {
            Note::Catalog(change) => {
                if self.catalog_stamps.applies_at_end(index) {
                    self.catalog.push(change);
                }
            }
            Note::Grant(at) if self.applies_to(at.lease, index) => self.positions.grant(*at),
            Note::Commit(at) if self.applies_to(at.lease, index) => self.positions.commit(*at),
            Note::Nack(at) if self.applies_to(at.lease, index) => self.positions.nack(*at),
            Note::Reset(at) if self.applies_to(at.lease, index) => self.positions.reset(*at),
            Note::Ack(lease, offsets) if self.applies_to(*lease, index) => {
                for offset in *offsets {
                    self.positions.ack(*lease, Offset(offset.get()));
                }
            }
            Note::Grant(_) | Note::Commit(_) | Note::Nack(_) | Note::Reset(_) | Note::Ack(..) => {}
            Note::Reservation { queue, end } => {
                let queue = self.queues.entry(*queue).or_default();
                let before = queue.memory.as_ref().map_or(Offset(0), |ring| ring.reserved_end);
                queue.memory = Some(Box::new(MemoryRing::recovered(before.max(*end))));
                queue.damages = self.damages;
            }
            Note::QueueRemoved(queue) => {
                self.queues.remove(queue);
                self.positions.remove_queue(*queue);
                self.dedup.remove_queue(*queue);
            }
            Note::GroupRemoved(group) => self.positions.remove_group(*group),
        }
    }

    fn applies_to(&self, lease: Lease, index: LogIndex) -> bool {
        self.position_stamps.applies((lease.queue.0, u64::from(lease.group.0)), index)
    }

    /// Goes on without notes that cannot be read, by the operator's word.
    fn accept_unreadable(
        &mut self,
        accept_loss: bool,
        report: &mut RecoveryReport,
    ) -> Result<(), OpenError> {
        let unreadable = std::mem::take(&mut self.unreadable);
        match unreadable.first() {
            Some(range) if !accept_loss => Err(OpenError::Damaged { range: range.clone() }),
            Some(_) | None => {
                report.accepted.extend(unreadable);
                Ok(())
            }
        }
    }

    /// What was not replayed: the log's start, and what damage means for queues.
    fn settle(&mut self, log: &Log) -> Vec<QueueRange> {
        if let Some(first) = log.segments().next() {
            self.segments.start = LogStart { segment: first.number, index: first.base };
        }
        let start = self.segments.start;
        self.segments.cold.retain(|number, _| *number >= start.segment);
        self.settle_damage(start)
    }
}

impl Counts {
    fn of(report: &RecoveryReport) -> Self {
        Self {
            recovery_batches: report.batches,
            recovery_cut_bytes: report.cut_bytes,
            recovery_damaged: report.damaged.len() as u64,
            ..Self::default()
        }
    }
}

impl LogConfig {
    pub(super) fn of(config: &StoreConfig) -> Self {
        Self {
            shard: config.shard,
            node_id: config.node_id,
            cluster_id: config.cluster_id,
            segment_bytes: config.segment_bytes,
            record_bytes_max: config.record_bytes_max,
            batch_bytes_max: config.batch_bytes_max,
            recent_bytes_max: config.recent_bytes_max,
            log_bytes_max: config.log_bytes_max,
            prepared_segments: config.prepared_segments,
            seed: config.seed,
        }
    }
}

impl Owner {
    pub(super) const fn of(config: &StoreConfig) -> Self {
        Self { node_id: config.node_id, cluster_id: config.cluster_id, shard: config.shard }
    }
}
