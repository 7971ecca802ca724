//! Log: the batches of all queues of one shard, in order.
//!
//! ```text
//!   0            durable_end          appended_end
//!   |-- synced ------|-- in flight --|-- gathering --|
//!                      one flush       grows until that flush is done
//! ```
//!
//! Invariants:
//!   1. One flush is in flight, so each batch knows that all before it are synced.
//!   2. A batch stands in the file where its first append was told it would.
//!   3. `durable_end` never moves back. An index is never used for two batches.
//!   4. Publishes leave a quarter of a segment to notes: acks and deletes work on a full disk.
//!   5. A segment goes only by `remove_oldest`, and only when a snapshot covers it.
//!
//! One per shard; the store calls it. No IO: it plans, the machine executes.
//! Cost of an append: one copy into the gathering chunk; a flush allocates nothing
//! but on the first batch of a segment (header and footer blocks).

mod contract;
mod space;
#[cfg(test)]
pub(crate) mod tests;

pub use contract::{
    AppendRefused, BatchPlace, LogConfig, LogOpened, Placed, Purpose, SegmentInfo, Start, Usage,
};

use crate::batch::{self, BatchHeader, BatchView, Damage, Home, SectionHeader, Stamp};
use crate::chunk::{Chunks, round_up};
use crate::plan::{Disk, DiskFault, FileName, OpId, OpIds, Plan};
use crate::pool::{Pool, Ready};
use crate::recent::Recent;
use crate::recovery::{self, Found, Recovered};
use crate::segment::{Contents, Footer, Owner, SegmentHeader};
use crate::store::OpenError;
use crate::superblock::Superblock;
use bytes::Bytes;
use std::collections::VecDeque;
use wire::{Epoch, LogIndex, Term};

/// One shard's log. Lives as long as its shard.
#[derive(Debug)]
pub struct Log {
    config: LogConfig,
    chunks: Chunks,
    gathering: Option<Gathering>,
    flight: Option<Flight>,
    recent: Recent,
    /// Ascending; the last is the one written to, unless it is sealed.
    segments: VecDeque<Segment>,
    pool: Pool,
    /// As it will be written next.
    superblock: Superblock,
    superblock_dirty: bool,
    superblock_write: Option<OpId>,
    /// Footers and deletions in flight, and whether they free space.
    tasks: Vec<(OpId, bool)>,
    /// Index of the batch that gathers now, or next.
    next_index: LogIndex,
    durable_end: LogIndex,
    /// Identity checksum of the newest closed batch.
    previous: u32,
    /// Of the newest closed batch.
    wall_ns: u64,
}

/// A segment that holds batches, or will hold the gathering one.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) info: SegmentInfo,
    pub(crate) header: SegmentHeader,
    pub(crate) contents: Contents,
    /// Where the next batch goes.
    pub(crate) end_position: u32,
    pub(crate) last_identity: u32,
}

/// The batch that appends go into.
#[derive(Debug)]
struct Gathering {
    position: u32,
    /// Zeroes before its body in the gathering memory.
    room: usize,
    body_bytes: usize,
    body_bytes_max: usize,
    section_count: u32,
    starts_segment: bool,
}

#[derive(Debug)]
struct Flight {
    op: OpId,
    place: BatchPlace,
}

impl Log {
    /// Recovers the log, or makes a new one in an empty directory. Every batch from `start.from` on is shown to `visit`, in order, damage between them.
    pub fn open(
        config: &LogConfig,
        disk: &mut dyn Disk,
        start: Start,
        visit: &mut dyn FnMut(Found<'_>),
    ) -> Result<LogOpened, OpenError> {
        let recovered = recovery::recover(config, disk, start, visit)?;
        Ok(Self::resume(config, recovered))
    }

    fn resume(config: &LogConfig, recovered: Recovered) -> LogOpened {
        let (chunk_bytes, chunk_count) = chunks_of(config);
        let log = Self {
            config: config.clone(),
            chunks: Chunks::new(chunk_bytes, chunk_count),
            gathering: None,
            flight: None,
            recent: Recent::new(config.recent_bytes_max),
            segments: recovered.segments,
            pool: recovered.pool,
            superblock: recovered.superblock,
            superblock_dirty: false,
            superblock_write: None,
            tasks: Vec::with_capacity(16),
            next_index: recovered.next_index,
            durable_end: recovered.next_index,
            previous: recovered.previous,
            wall_ns: recovered.wall_ns,
        };
        LogOpened { log, report: recovered.report }
    }

    // ---- writing ----

    /// Copies a section into the gathering batch. `header.records_bytes` is `records.len()`.
    pub fn append(
        &mut self,
        header: &SectionHeader,
        records: &[u8],
        purpose: Purpose,
    ) -> Result<Placed, AppendRefused> {
        debug_assert_eq!(
            header.records_bytes as usize,
            records.len(),
            "the header tells the length"
        );
        let section_bytes = batch::SECTION_HEADER_BYTES + records.len();
        self.admit(section_bytes, purpose)?;
        if self.gathering.is_none() {
            self.open_batch(section_bytes)?;
        }
        let index = self.next_index;
        let (Some(gathering), Some(segment)) = (&mut self.gathering, self.segments.back_mut())
        else {
            return Err(AppendRefused::Busy);
        };
        let placed = Placed {
            index,
            segment: segment.info.number,
            position: gathering.position,
            section_position: u32::try_from(gathering.body_bytes).expect("bounded by `admit`"),
        };
        batch::write_section(self.chunks.gathering(), header, records);
        gathering.body_bytes += section_bytes;
        gathering.section_count += 1;
        segment.contents.count(header);
        segment.info.newest_ns = segment.contents.newest_ns;
        Ok(placed)
    }

    /// Whether something waits for a flush.
    pub fn gathered(&self) -> bool {
        self.gathering.is_some()
    }

    /// The flush in flight.
    pub fn in_flight(&self) -> Option<OpId> {
        self.flight.as_ref().map(|flight| flight.op)
    }

    /// Closes the gathering batch and says how to write it. Does nothing when none gathers or a flush is in flight.
    pub fn start_flush(&mut self, wall_ns: u64, ops: &mut OpIds, plans: &mut Vec<Plan>) {
        if self.flight.is_some() {
            return;
        }
        let Some(gathering) = self.gathering.take() else { return };
        self.wall_ns = self.wall_ns.max(wall_ns);
        let head = gathering.starts_segment.then(|| self.start_segment(ops, plans));
        let (header, batch) = self.close(&gathering);
        let place = BatchPlace {
            index: self.next_index,
            segment: self.active().info.number,
            position: gathering.position,
            bytes: u32::try_from(batch.len()).expect("bounded by `admit`"),
        };
        let body = batch.slice(header.body_start..header.body_start + header.body_bytes);
        self.recent.push(place.index, body, batch.len());
        self.previous = header.identity_checksum;
        self.next_index = place.index.next();
        let segment = self.active();
        segment.end_position = place.position + place.bytes;
        segment.last_identity = header.identity_checksum;
        segment.contents.batch_count += 1;
        let op = ops.draw();
        self.flight = Some(Flight { op, place });
        let (segment, position) = (place.segment, place.position);
        plans.push(Plan::Flush { op, segment, head, position, batch });
    }

    /// The flush is on the disk: `durable_end` moved past this batch. `None` when `op` is not the flush in flight.
    pub fn flushed(&mut self, op: OpId) -> Option<BatchPlace> {
        let place = self.flight.take_if(|flight| flight.op == op)?.place;
        assert!(place.index >= self.durable_end, "invariant 3");
        self.durable_end = place.index.next();
        if let Some(segment) = self.segment_mut(place.segment) {
            segment.info.end = place.index.next();
        }
        if place.segment != self.superblock.tail_segment {
            self.superblock.tail_segment = place.segment;
            self.superblock_dirty = true;
        }
        Some(place)
    }

    /// Gives the gathering batch the header it is written with.
    fn close(&mut self, gathering: &Gathering) -> (BatchHeader, Bytes) {
        let stamp = Stamp {
            home: self.home(self.active_salt()),
            index: self.next_index,
            term: self.term(),
            wall_ns: self.wall_ns,
            previous: self.previous,
            synced_end: self.durable_end,
            section_count: gathering.section_count,
        };
        let header = batch::close(self.chunks.gathering(), gathering.room, &stamp);
        (header, self.chunks.take())
    }

    /// Seals the segment that is left, and returns the head of the one that starts.
    fn start_segment(&mut self, ops: &mut OpIds, plans: &mut Vec<Plan>) -> Bytes {
        let (base, previous, wall_ns) = (self.next_index, self.previous, self.wall_ns);
        let segment = self.active();
        segment.header.base = base;
        segment.header.previous = previous;
        segment.header.wall_ns = wall_ns;
        let head = segment.header.encode();
        let left = self.segments.len().checked_sub(2).and_then(|at| self.segments.get_mut(at));
        if let Some(left) = left.filter(|left| !left.info.sealed) {
            let op = ops.draw();
            plans.push(left.seal(op, base));
            self.tasks.push((op, false));
        }
        head
    }

    // ---- after damage ----

    /// The floor of lease epochs, and how far damage had been met when it was raised.
    pub(crate) fn epoch_floor(&self) -> (Epoch, LogIndex) {
        (self.superblock.epoch_floor, self.superblock.damage_end)
    }

    /// Raises that floor for all damage below the log's end, durably: at start only.
    pub(crate) fn set_epoch_floor(
        &mut self,
        disk: &mut dyn Disk,
        floor: Epoch,
    ) -> Result<(), DiskFault> {
        self.superblock.epoch_floor = floor;
        self.superblock.damage_end = self.next_index;
        self.superblock.sequence += 1;
        disk.apply(&Plan::WriteSuperblock { op: OpId(0), copy: self.superblock.encode() })
    }

    // ---- for the scrub ----

    /// Where it goes on.
    pub(crate) fn scrub_segment(&self) -> u64 {
        self.superblock.scrub_segment
    }

    /// Remembers where it goes on, with the next superblock that is written anyway.
    pub(crate) fn set_scrub_segment(&mut self, segment: u64) {
        self.superblock.scrub_segment = segment;
    }

    /// Whether the superblock's copies may differ now.
    pub(crate) fn writes_superblock(&self) -> bool {
        self.superblock_write.is_some()
    }

    /// Whether a footer may be on its way.
    pub(crate) fn writes_footer(&self) -> bool {
        self.tasks.iter().any(|(_, frees)| !frees)
    }

    /// Some of its copies are damaged.
    pub(crate) fn rewrite_superblock(&mut self) {
        self.superblock_dirty = true;
    }

    // ---- turns ----

    /// Prepares segments, updates the superblock, retries what the full disk refused. Call each turn; cheap when idle.
    pub fn maintain(&mut self, mono_ns: u64, ops: &mut OpIds, plans: &mut Vec<Plan>) {
        self.pool.maintain(mono_ns, self.segments.len(), ops, plans);
        if self.superblock_dirty && self.superblock_write.is_none() {
            let op = ops.draw();
            self.superblock.sequence += 1;
            self.superblock.synced_end = self.durable_end;
            plans.push(Plan::WriteSuperblock { op, copy: self.superblock.encode() });
            self.superblock_write = Some(op);
            self.superblock_dirty = false;
        }
    }

    /// When `maintain` wants to be called though nothing happened, monotonic.
    pub fn deadline_ns(&self) -> Option<u64> {
        self.pool.deadline_ns()
    }

    /// A file task ended. `Ok(false)`: it is none of the log's. `Err`: the process must end with code 74.
    pub fn file_done(
        &mut self,
        op: OpId,
        result: Result<(), DiskFault>,
    ) -> Result<bool, DiskFault> {
        if self.superblock_write.take_if(|write| *write == op).is_some() {
            return result.map(|()| true);
        }
        if let Some(at) = self.tasks.iter().position(|(task, _)| *task == op) {
            let (_, frees) = self.tasks.swap_remove(at);
            if frees {
                self.pool.space_freed();
            }
            return result.map(|()| true);
        }
        self.pool.file_done(op, result).transpose().map(|done| done.is_some())
    }

    // ---- reading ----

    /// Bytes of the memory that batches are gathered in, those still held by readers counted.
    pub fn chunk_bytes(&self) -> usize {
        self.chunks.bytes()
    }

    /// The most they may come to.
    pub fn chunk_bytes_max(config: &LogConfig) -> usize {
        let (chunk_bytes, chunk_count) = chunks_of(config);
        chunk_bytes.saturating_mul(chunk_count)
    }

    /// Exclusive end of the synced log.
    pub fn durable_end(&self) -> LogIndex {
        self.durable_end
    }

    /// Exclusive end of everything appended, the gathering batch included.
    pub fn appended_end(&self) -> LogIndex {
        if self.gathering.is_some() { self.next_index.next() } else { self.next_index }
    }

    /// The log's term.
    pub fn term(&self) -> Term {
        self.superblock.term
    }

    /// The body of one of the newest batches (closed, perhaps still in flight), from memory; sections are read with `batch::section_at`.
    pub fn recent(&mut self, index: LogIndex) -> Option<&Bytes> {
        self.recent.get(index)
    }

    /// Whether `recent` has it; nobody reaches back for it by that.
    pub fn is_recent(&self, index: LogIndex) -> bool {
        self.recent.has(index)
    }

    /// Checks a batch read back from the disk (all of its padded bytes).
    pub fn verify(&self, place: BatchPlace, bytes: &Bytes) -> Result<BatchView, Damage> {
        let at = self.segments.binary_search_by_key(&place.segment, |segment| segment.info.number);
        let segment = at.ok().and_then(|at| self.segments.get(at)).ok_or(Damage::Misplaced)?;
        let header = BatchHeader::decode(bytes)?;
        if header.home != self.home(segment.info.salt) || header.index != place.index {
            return Err(Damage::Misplaced);
        }
        header.verify(bytes)
    }

    /// The segments that hold batches, oldest first; the last is being written.
    pub fn segments(&self) -> impl Iterator<Item = &SegmentInfo> {
        self.segments.iter().map(|segment| &segment.info)
    }

    // ---- keeping and forgetting ----

    /// Remembers in the superblock that a snapshot holds everything below `from`.
    pub fn set_snapshot(&mut self, from: LogIndex) {
        self.superblock.snapshot_from = self.superblock.snapshot_from.max(from);
        self.superblock_dirty = true;
    }

    /// Forgets the oldest segment; its file becomes the next one, or is deleted. `None`: only the active one is left,
    /// or the newest snapshot does not cover it.
    pub fn remove_oldest(&mut self, ops: &mut OpIds, plans: &mut Vec<Plan>) -> Option<SegmentInfo> {
        let oldest = self.segments.front()?.info;
        if !oldest.sealed || self.segments.len() < 2 || oldest.end > self.superblock.snapshot_from {
            return None;
        }
        self.segments.pop_front();
        let op = ops.draw();
        let gone = Ready { number: oldest.number, bytes: oldest.bytes };
        plans.push(self.pool.recycle(op, gone, self.segments.len()).unwrap_or_else(|| {
            self.tasks.push((op, true));
            Plan::Remove { op, file: FileName::Segment(oldest.number) }
        }));
        Some(oldest)
    }

    fn active(&mut self) -> &mut Segment {
        self.segments.back_mut().expect("a batch gathers, so its segment is there")
    }

    fn active_salt(&self) -> u128 {
        self.segments.back().map_or(0, |segment| segment.info.salt)
    }

    fn segment_mut(&mut self, number: u64) -> Option<&mut Segment> {
        self.segments.iter_mut().rev().find(|segment| segment.info.number == number)
    }

    fn home(&self, salt: u128) -> Home {
        home(&self.superblock.owner, salt)
    }
}

impl Segment {
    /// A segment in use, as its header tells, holding nothing yet.
    pub(crate) fn new(header: SegmentHeader) -> Self {
        let info = SegmentInfo {
            number: header.number,
            bytes: header.bytes,
            salt: header.salt,
            base: header.base,
            end: header.base,
            newest_ns: 0,
            sealed: false,
        };
        let end_position = crate::segment::HEAD_BYTES;
        Self {
            info,
            header,
            contents: Contents::default(),
            end_position,
            last_identity: header.previous,
        }
    }

    /// Leaves the segment for ever; the log goes on at `next_base`.
    pub(crate) fn seal(&mut self, op: OpId, next_base: LogIndex) -> Plan {
        self.info.sealed = true;
        let footer = Footer {
            header: self.header,
            end: self.info.end,
            next_base,
            end_position: self.end_position,
            last_identity: self.last_identity,
            contents: std::mem::take(&mut self.contents),
        };
        let position = u64::from(self.header.batches_end());
        Plan::WriteAt {
            op,
            file: FileName::Segment(self.info.number),
            position,
            bytes: footer.encode(),
        }
    }
}

/// What every batch of a segment says of its log.
pub(crate) fn home(owner: &Owner, salt: u128) -> Home {
    let bytes = owner.cluster_id.to_le_bytes();
    let half = |range: std::ops::Range<usize>| u64::from(crc32fast::hash(&bytes[range]));
    Home { cluster_hash: half(0..8) << 32 | half(8..16), shard: owner.shard, salt }
}

/// The size of a chunk and how many there may be: the recent batches leave room to gather.
fn chunks_of(config: &LogConfig) -> (usize, usize) {
    let batch_bytes = largest_batch_bytes(config);
    (4 * batch_bytes, config.recent_bytes_max.div_ceil(3 * batch_bytes) + 3)
}

/// The largest batch a log of this configuration writes, with its header, in bytes.
fn largest_batch_bytes(config: &LogConfig) -> usize {
    let body = config.batch_bytes_max.max(space::section_bytes_max(config));
    batch::header_room(body) + round_up(body)
}
