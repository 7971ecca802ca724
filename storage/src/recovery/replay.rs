//! Replay: the whole log after a start, decided segment by segment.

use super::survey::Surveyed;
use super::{Cursor, Found, Met, OFFSETS_SKIPPED, Tail, Window, scan, superblock, survey};
use crate::batch::{batch_bytes_max, is_zero};
use crate::chunk::BLOCK_BYTES;
use crate::log::{LogConfig, Segment, Start};
use crate::plan::{Disk, DiskFault, FileName, OpId, Plan};
use crate::pool::{Pool, Ready};
use crate::segment::{HEAD_BYTES, HeadFault, Owner, SegmentHeader, bytes_fit};
use crate::store::{DamagedRange, OpenError, RecoveryReport};
use crate::superblock::Superblock;
use std::collections::VecDeque;
use wire::{LogIndex, QueueId, ShardId};

/// What a log goes on with.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) segments: VecDeque<Segment>,
    pub(crate) pool: Pool,
    pub(crate) superblock: Superblock,
    pub(crate) next_index: LogIndex,
    pub(crate) previous: u32,
    pub(crate) wall_ns: u64,
    pub(crate) report: RecoveryReport,
}

/// Recovery under way.
struct Replay<'a> {
    config: &'a LogConfig,
    start: Start,
    visit: &'a mut dyn FnMut(Found<'_>),
    superblock: Superblock,
    /// S: every batch below was synced.
    synced_end: LogIndex,
    cursor: Cursor,
    last_identity: u32,
    segments: VecDeque<Segment>,
    report: RecoveryReport,
}

/// Reads what is there, decides, repairs what must be repaired before the first write.
pub(crate) fn recover(
    config: &LogConfig,
    disk: &mut dyn Disk,
    start: Start,
    visit: &mut dyn FnMut(Found<'_>),
) -> Result<Recovered, OpenError> {
    assert!(bytes_fit(config.segment_bytes), "segments are whole blocks, 72 KiB to 4 GiB");
    let (node_id, cluster_id, shard) = (config.node_id, config.cluster_id, config.shard);
    let owner = Owner { cluster_id, node_id, shard };
    let numbers = disk.segments().map_err(OpenError::Disk)?;
    let has_data = !numbers.is_empty() || !disk.snapshots().map_err(OpenError::Disk)?.is_empty();
    let (superblock, lost) = superblock::load(disk, &owner, has_data, start.accept_loss)?;
    let mut surveyed = survey(disk, &numbers, Some(&owner))?;
    let used_count = surveyed.iter().rposition(|file| file.header.is_ok()).map_or(0, |at| at + 1);
    let unused = surveyed.split_off(used_count);
    let mut replay = Replay::new(config, start, visit, superblock);
    replay.report.accepted.extend(lost);
    replay.used(disk, &surveyed)?;
    let ready = replay.unused(disk, &unused)?;
    replay.lost_segments(disk, &numbers)?;
    replay.finish(disk, &ready, numbers.last().copied().unwrap_or(0))
}

impl<'a> Replay<'a> {
    fn new(
        config: &'a LogConfig,
        start: Start,
        visit: &'a mut dyn FnMut(Found<'_>),
        superblock: Superblock,
    ) -> Self {
        let synced_end = superblock.synced_end.max(start.from);
        let cursor = Cursor { index: LogIndex(0), previous: None, wall_ns: start.wall_ns };
        let (segments, report) = (VecDeque::new(), RecoveryReport::default());
        let last_identity = 0;
        Self {
            config,
            start,
            visit,
            superblock,
            synced_end,
            cursor,
            last_identity,
            segments,
            report,
        }
    }

    // ---- segments that were written to ----

    /// All segments up to the last one with a header.
    fn used(&mut self, disk: &mut dyn Disk, files: &[Surveyed]) -> Result<(), OpenError> {
        let evidence = files.iter().map(Surveyed::synced_end).max();
        self.synced_end = self.synced_end.max(evidence.unwrap_or(LogIndex(0)));
        let below = |file: &Surveyed| file.header.is_ok_and(|head| head.base <= self.start.from);
        let first_read = files.iter().rposition(below).unwrap_or(0);
        self.check_start(files)?;
        for (at, file) in files.iter().enumerate() {
            let next_base = files[at + 1..].iter().find_map(|next| Some(next.header.ok()?.base));
            match file.header {
                Ok(header) if at < first_read => self.skip(&header, file, next_base),
                Ok(header) => self.read(disk, &header, file, next_base)?,
                Err(_) if at < first_read => self.report.damaged.push(headless(file)),
                Err(_) => self.pass_headless(file, next_base)?,
            }
        }
        Ok(())
    }

    /// The log must reach back to where the snapshot ends.
    fn check_start(&mut self, files: &[Surveyed]) -> Result<(), OpenError> {
        let first = files.iter().find_map(|file| file.header.ok());
        let from = self.start.from;
        let Some(first) = first.filter(|first| first.base > from) else { return Ok(()) };
        let what = format!(
            "no snapshot that checks holds what came before batch {}; the newest ends at {from}",
            first.base
        );
        self.quarantine(first.number, (0, 0), (what, first.base), true)
    }

    /// A segment that the snapshot covers: its header and footer suffice.
    fn skip(&mut self, header: &SegmentHeader, file: &Surveyed, next_base: Option<LogIndex>) {
        let mut segment = Segment::new(*header);
        segment.info.sealed = true;
        let footer = file.footer.as_ref();
        segment.info.end = footer.map(|footer| footer.end).or(next_base).unwrap_or(header.base);
        let newest_ns = footer.map_or(0, |footer| footer.contents.newest_ns);
        segment.info.newest_ns = newest_ns.max(header.wall_ns);
        self.cursor.index = next_base.unwrap_or(segment.info.end);
        self.segments.push_back(segment);
    }

    fn read(
        &mut self,
        disk: &mut dyn Disk,
        header: &SegmentHeader,
        file: &Surveyed,
        next_base: Option<LogIndex>,
    ) -> Result<(), OpenError> {
        self.enter(header)?;
        let mut segment = Segment::new(*header);
        let known_end = file.footer.as_ref().map(|footer| footer.end).or(next_base);
        let mut window = Window::new(disk, FileName::Segment(file.number), file.file_bytes);
        let mut cursor = self.cursor;
        let tail = scan(&mut window, header, known_end, &mut cursor, &mut |met| {
            self.meet(met, &mut segment)
        })?;
        self.cursor = cursor;
        self.last_identity = cursor.previous.unwrap_or(self.last_identity);
        segment.info.end = cursor.index;
        segment.last_identity = self.last_identity;
        // Without a batch that can be read it is as old as its header, not as old as the world.
        segment.info.newest_ns = segment.contents.newest_ns.max(header.wall_ns);
        match file.footer.as_ref().map(|footer| footer.next_base).or(next_base) {
            Some(next_base) => self.leave(disk, segment, &tail, (next_base, file.footer.is_some())),
            None => self.end(disk, segment, tail),
        }
    }

    /// Steps into a segment; the log may jump or break there.
    fn enter(&mut self, header: &SegmentHeader) -> Result<(), OpenError> {
        if self.segments.is_empty() {
            self.cursor.index = header.base;
        } else if header.base != self.cursor.index {
            let what = format!("batches {} to {} are missing", self.cursor.index, header.base);
            self.quarantine(header.number, (0, 0), (what, header.base), false)?;
            self.cursor.index = header.base;
        } else if self.cursor.previous.is_some_and(|previous| previous != header.previous) {
            let what = format!("the chain breaks at batch {}", header.base);
            self.quarantine(header.number, (0, 0), (what, header.base), false)?;
        }
        self.cursor.previous = Some(header.previous);
        Ok(())
    }

    fn meet(&mut self, met: Met<'_>, segment: &mut Segment) -> Result<(), OpenError> {
        match met {
            // Below the snapshot: nothing that it does not know was lost.
            Met::Damage { range, next } if next <= self.start.from => {
                self.report.damaged.push(range);
                Ok(())
            }
            Met::Damage { range, next } => self.give_up(range, next, false),
            Met::Batch { place, view, .. } => {
                self.report.batches += 1;
                self.report.bytes += u64::from(place.bytes);
                segment.end_position = place.position + place.bytes;
                segment.contents.batch_count += 1;
                for (_, section, records) in view.sections() {
                    segment.contents.count(&section);
                    let checked = section.queue == QueueId::NOTES
                        || wire::record::check_section(records, section.count, records.len())
                            .is_ok();
                    if !checked {
                        let what = format!(
                            "batch {}: a record does not match its producer's checksum",
                            place.index
                        );
                        let (position, bytes) = (u64::from(place.position), u64::from(place.bytes));
                        let range = DamagedRange::new(
                            FileName::Segment(place.segment),
                            position,
                            bytes,
                            what,
                        );
                        self.report.damaged.push(range);
                    }
                }
                if place.index >= self.start.from {
                    (self.visit)(Found::Batch { place, batch: view });
                }
                Ok(())
            }
        }
    }

    /// A segment with a known end: the log goes on after it.
    fn leave(
        &mut self,
        disk: &mut dyn Disk,
        mut segment: Segment,
        tail: &Tail,
        (next_base, has_footer): (LogIndex, bool),
    ) -> Result<(), OpenError> {
        if let Tail::Known { position } = tail {
            segment.end_position = *position;
        }
        if has_footer {
            segment.info.sealed = true;
            segment.contents = crate::segment::Contents::default();
        } else {
            apply(disk, &segment.seal(OpId(0), next_base))?;
        }
        let (number, position) = (segment.info.number, u64::from(segment.end_position));
        self.segments.push_back(segment);
        if next_base > self.cursor.index {
            let what = format!("batches from {} to {next_base} were given up", self.cursor.index);
            self.quarantine(number, (position, 0), (what, next_base), false)?;
            self.cursor.index = next_base;
        }
        Ok(())
    }

    /// The last segment written to: the decision table.
    fn end(
        &mut self,
        disk: &mut dyn Disk,
        mut segment: Segment,
        tail: Tail,
    ) -> Result<(), OpenError> {
        let number = segment.info.number;
        let lost = self.cursor.index < self.synced_end;
        let lost_what = || format!("batches up to {} were synced", self.synced_end);
        match tail {
            Tail::Known { position } | Tail::Clean { position } if !lost => {
                segment.end_position = position;
                sync_tail(disk, &segment)?;
                self.segments.push_back(segment);
                return Ok(());
            }
            Tail::Torn { position, bytes } if !lost => {
                self.report.cut_bytes += u64::from(bytes);
                segment.end_position = position;
            }
            Tail::Known { position } | Tail::Clean { position } => {
                self.give_up_tail(number, (position, 0), lost_what(), false)?;
            }
            Tail::Torn { position, bytes } => {
                self.give_up_tail(number, (position, bytes), lost_what(), false)?;
            }
            Tail::Damaged { position, bytes, what, beyond } => {
                self.give_up_tail(number, (position, bytes), what, beyond)?;
            }
        }
        apply(disk, &segment.seal(OpId(0), self.cursor.index))?;
        self.segments.push_back(segment);
        Ok(())
    }

    /// A file between used ones whose header and footer are both lost.
    fn pass_headless(
        &mut self,
        file: &Surveyed,
        next_base: Option<LogIndex>,
    ) -> Result<(), OpenError> {
        let next = next_base.unwrap_or(self.cursor.index).max(self.cursor.index);
        self.give_up(headless(file), next, false)?;
        self.cursor.index = next;
        self.cursor.previous = None;
        Ok(())
    }

    // ---- segments that were not ----

    /// Files after the last header: ready ones, or one whose first flush was torn. Returns those that are empty.
    fn unused(&mut self, disk: &mut dyn Disk, files: &[Surveyed]) -> Result<Vec<u64>, OpenError> {
        let mut ready = Vec::new();
        for (nth, file) in files.iter().enumerate() {
            let whole = file.file_bytes == self.config.segment_bytes;
            let touched = bytes_fit(file.file_bytes) && nonzero_front(disk, file) > 0;
            if touched {
                let bytes = nonzero_front(disk, file);
                self.torn_start(disk, file, bytes, nth > 0)?;
            } else if whole {
                ready.push(file.number);
            } else {
                // Never finished, never used: no batch was ever in it.
                remove(disk, file.number)?;
            }
        }
        let last_used = self.segments.back().map_or(0, |segment| segment.info.number);
        ready.retain(|number| *number > last_used);
        Ok(ready)
    }

    /// A segment whose first flush did not land whole: its header is not there.
    fn torn_start(
        &mut self,
        disk: &mut dyn Disk,
        file: &Surveyed,
        bytes: u32,
        beyond: bool,
    ) -> Result<(), OpenError> {
        let never_landed = file.header == Err(HeadFault::Zero);
        if never_landed && !beyond && self.cursor.index >= self.synced_end {
            self.report.cut_bytes += u64::from(bytes);
        } else {
            let what = format!("batch {}: its segment has no header", self.cursor.index);
            self.give_up_tail(file.number, (0, bytes), what, beyond)?;
        }
        let header = SegmentHeader {
            owner: self.superblock.owner,
            salt: 0,
            number: file.number,
            bytes: file.file_bytes,
            base: self.cursor.index,
            term: self.superblock.term,
            wall_ns: self.cursor.wall_ns,
            previous: self.last_identity,
        };
        self.seal_active(disk)?;
        let mut empty = Segment::new(header);
        apply(disk, &empty.seal(OpId(0), header.base))?;
        self.segments.push_back(empty);
        Ok(())
    }

    /// Files that the superblock knows and the directory lost.
    fn lost_segments(&mut self, disk: &mut dyn Disk, numbers: &[u64]) -> Result<(), OpenError> {
        let tail_segment = self.superblock.tail_segment;
        if numbers.last().copied().unwrap_or(0) >= tail_segment {
            return Ok(());
        }
        let what = format!("segment {tail_segment} is missing");
        self.give_up_tail(tail_segment, (0, 0), what, false)?;
        self.seal_active(disk)
    }

    /// Nothing more is written to the segment that was active: the log goes on in another.
    fn seal_active(&mut self, disk: &mut dyn Disk) -> Result<(), OpenError> {
        let next_base = self.cursor.index;
        match self.segments.back_mut().filter(|active| !active.info.sealed) {
            Some(active) => apply(disk, &active.seal(OpId(0), next_base)),
            None => Ok(()),
        }
    }

    // ---- decisions ----

    /// Gives up the end of the log: it goes on far enough not to use an index twice.
    fn give_up_tail(
        &mut self,
        segment: u64,
        at: (u32, u32),
        what: String,
        beyond: bool,
    ) -> Result<(), OpenError> {
        let known = self.cursor.index.max(self.synced_end);
        let next = LogIndex(known.0 + OFFSETS_SKIPPED);
        self.quarantine(segment, (u64::from(at.0), at.1), (what, next), beyond)?;
        self.cursor.index = next;
        self.synced_end = self.synced_end.max(self.cursor.index);
        Ok(())
    }

    fn quarantine(
        &mut self,
        segment: u64,
        at: (u64, u32),
        (what, end): (String, LogIndex),
        beyond: bool,
    ) -> Result<(), OpenError> {
        let (position, bytes) = (at.0, u64::from(at.1));
        let range = DamagedRange::new(FileName::Segment(segment), position, bytes, what);
        self.give_up(range, end, beyond)
    }

    /// The batches up to `end` are not served, if that may be.
    fn give_up(
        &mut self,
        range: DamagedRange,
        end: LogIndex,
        beyond: bool,
    ) -> Result<(), OpenError> {
        let accepted_before = self.cursor.index < self.superblock.accepted_end;
        let may_hold_catalog = self.config.shard == ShardId(0);
        if (may_hold_catalog || beyond) && !accepted_before {
            if !self.start.accept_loss {
                return Err(OpenError::Damaged { range });
            }
            self.report.accepted.push(range.clone());
        }
        (self.visit)(Found::Damage { range: &range, end });
        self.report.damaged.push(range);
        Ok(())
    }

    // ---- the log goes on ----

    fn finish(
        mut self,
        disk: &mut dyn Disk,
        ready: &[u64],
        last_number: u64,
    ) -> Result<Recovered, OpenError> {
        let next_index = self.cursor.index;
        let superblock = &mut self.superblock;
        superblock.sequence += 1;
        superblock.incarnation += 1;
        superblock.synced_end = next_index;
        superblock.snapshot_from = self.start.from;
        let last_used = self.segments.back().map_or(0, |segment| segment.info.number);
        let next_number = last_number.max(last_used).max(superblock.tail_segment) + 1;
        superblock.tail_segment = last_used;
        if !self.report.accepted.is_empty() {
            superblock.accepted_end = next_index;
        }
        apply(disk, &Plan::WriteSuperblock { op: OpId(0), copy: superblock.encode() })?;
        let config = self.config;
        let (bytes, target) = (config.segment_bytes, config.prepared_segments);
        let mut pool = Pool::new(bytes, target, config.log_bytes_max, next_number);
        for number in ready {
            pool.add(Ready { number: *number, bytes });
        }
        if pool.ready_count() == 0 && !pool.blocked(self.segments.len()) {
            let ready = pool.first();
            let (segment, bytes) = (ready.number, ready.bytes);
            match disk.apply(&Plan::Prepare { op: OpId(0), segment, bytes, zeroed: true }) {
                Ok(()) => pool.add(ready),
                Err(DiskFault::NoSpace) => remove(disk, segment)?,
                Err(fault) => return Err(OpenError::Disk(fault)),
            }
        }
        Ok(Recovered {
            segments: self.segments,
            pool,
            superblock: self.superblock,
            next_index,
            previous: self.last_identity,
            wall_ns: self.cursor.wall_ns,
            report: self.report,
        })
    }
}

/// What was read may not be synced yet: it must be before it is shown to anybody. Written with it is
/// one copy of the header: the first if a crash tore that, so that the segment has two again; else
/// the second. Never both, since this may be cut off as well.
fn sync_tail(disk: &mut dyn Disk, segment: &Segment) -> Result<(), OpenError> {
    let file = FileName::Segment(segment.info.number);
    let mut first = segment.header.encode();
    let second = first.split_off(BLOCK_BYTES);
    let mut found = vec![0; BLOCK_BYTES];
    let is_first_whole = disk.read(file, 0, &mut found).is_ok() && found == first;
    let (position, bytes) = if is_first_whole { (first.len() as u64, second) } else { (0, first) };
    apply(disk, &Plan::WriteAt { op: OpId(0), file, position, bytes })
}

/// The damage of a file whose header and footer are both lost.
fn headless(file: &Surveyed) -> DamagedRange {
    let what = "neither copy of the header nor the footer can be read".to_owned();
    DamagedRange::new(FileName::Segment(file.number), 0, file.file_bytes, what)
}

/// Exclusive end of what is not zero where a first flush would have gone.
fn nonzero_front(disk: &mut dyn Disk, file: &Surveyed) -> u32 {
    let mut window = Window::new(disk, FileName::Segment(file.number), file.file_bytes);
    let end = u64::from(HEAD_BYTES) + batch_bytes_max() as u64;
    let end = u32::try_from(end.min(file.file_bytes)).unwrap_or(u32::MAX);
    let blocks = (0..end).step_by(BLOCK_BYTES);
    let nonzero = |at: &u32| !is_zero(&window.get(u64::from(*at), BLOCK_BYTES));
    blocks.filter(nonzero).last().map_or(0, |at| at + 4096)
}

fn apply(disk: &mut dyn Disk, plan: &Plan) -> Result<(), OpenError> {
    disk.apply(plan).map_err(OpenError::Disk)
}

/// Deletes a segment that never held a batch.
fn remove(disk: &mut dyn Disk, segment: u64) -> Result<(), OpenError> {
    let file = FileName::Segment(segment);
    match disk.apply(&Plan::Remove { op: OpId(0), file }) {
        Ok(()) | Err(DiskFault::Missing) => Ok(()),
        Err(fault) => Err(OpenError::Disk(fault)),
    }
}
