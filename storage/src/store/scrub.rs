//! Scrub: everything that is sealed is read once in a period, so that rot is found while somebody can act.
//!
//! ```text
//!   superblock -> snapshots -> sealed segments, by number -> superblock ...    one piece at a time
//! ```
//!
//! A pass is spread evenly over the period, but never faster than a bound; a
//! piece waits while somebody who is behind reads (at most a second). What does
//! not check is read once more before it is believed. Then it is quarantined as
//! a read would, and told once. What has a copy elsewhere is written anew: the
//! superblock, a snapshot. How far the pass is stands in the superblock,
//! written when that is written anyway.

use super::Store;
use super::walk::{Stretch, Walk};
use crate::chunk::BLOCK_BYTES;
use crate::log::SegmentInfo;
use crate::plan::{DiskFault, FileName, OpId, Plan};
use crate::segment::{HEAD_BYTES, SegmentHeader};
use crate::snapshot::SnapshotCheck;
use crate::store::DamagedRange;
use crate::superblock::{COPIES, Superblock};
use bytes::Bytes;
use std::ops::Range;
use wire::LogIndex;

/// A piece, unless a batch is longer.
const PIECE_BYTES: u32 = 256 << 10;
const SUPERBLOCK_BYTES: u32 = 16 << 10;
const _: () = assert!(SUPERBLOCK_BYTES as usize == COPIES * BLOCK_BYTES);
/// How often, and how many times, a piece waits for those who read.
const YIELD_NS: u64 = 5_000_000;
const YIELDS_MAX: u32 = 200;
const SECOND_NS: u64 = 1_000_000_000;

/// What is read next.
#[derive(Debug)]
enum Target {
    Superblock,
    Snapshot {
        number: u64,
        check: SnapshotCheck,
    },
    /// A segment's header, twice.
    Head(u64),
    Batches {
        walk: Walk,
        previous: Option<(LogIndex, u32)>,
    },
}

/// How far the scrub is.
#[derive(Debug)]
pub(super) struct Scrub {
    target: Target,
    /// The first segment from this number on is the next to be read.
    segment: u64,
    reading: Option<OpId>,
    /// When the next piece is due; `None`: the first turn says.
    next_at_ns: Option<u64>,
    yields: u32,
    /// This piece was read before and did not check.
    is_second_look: bool,
    pub(super) bytes: u64,
    pub(super) passes: u64,
    /// Wall clock of the end of the last pass, in seconds; 0 = none yet.
    pub(super) last_pass_seconds: u64,
    wall_ns: u64,
}

/// What a piece showed to be wrong, and the batches it is about.
type Wrong = Vec<(DamagedRange, Range<LogIndex>)>;

impl Scrub {
    /// To go on with this segment.
    pub(super) fn at(segment: u64) -> Self {
        Self {
            target: Target::Superblock,
            segment,
            reading: None,
            next_at_ns: None,
            yields: 0,
            is_second_look: false,
            bytes: 0,
            passes: 0,
            last_pass_seconds: 0,
            wall_ns: 0,
        }
    }

    pub(super) fn deadline_ns(&self) -> Option<u64> {
        self.next_at_ns.filter(|_| self.reading.is_none())
    }

    fn next_read(&self) -> (FileName, u64, u32) {
        match &self.target {
            Target::Superblock => (FileName::Superblock, 0, SUPERBLOCK_BYTES),
            Target::Snapshot { number, check } => {
                let (position, bytes) = check.next_read(PIECE_BYTES);
                (FileName::Snapshot(*number), position, bytes)
            }
            Target::Head(segment) => (FileName::Segment(*segment), 0, HEAD_BYTES),
            Target::Batches { walk, .. } => walk.next_read(),
        }
    }
}

impl Store {
    /// Plans the next piece when it is due.
    pub(super) fn scrub(&mut self, wall_ns: u64, plans: &mut Vec<Plan>) {
        if self.config.scrub_period_ns == 0 || self.scrub.reading.is_some() {
            return;
        }
        self.scrub.wall_ns = wall_ns;
        let wait_ns = self.scrub_pace_ns(self.scrub.next_read().2);
        let due_ns = *self.scrub.next_at_ns.get_or_insert(self.now_ns.saturating_add(wait_ns));
        if self.now_ns < due_ns {
            return;
        }
        if self.reader.is_reading() && self.scrub.yields < YIELDS_MAX {
            self.scrub.yields += 1;
            self.scrub.next_at_ns = Some(self.now_ns + YIELD_NS);
            return;
        }
        let op = self.ops.draw();
        let (file, position, bytes) = self.scrub.next_read();
        plans.push(Plan::Read { op, file, position, bytes });
        self.scrub.reading = Some(op);
        self.scrub.yields = 0;
        self.scrub.bytes += u64::from(bytes);
        self.scrub.next_at_ns = Some(self.now_ns.saturating_add(self.scrub_pace_ns(bytes)));
    }

    /// How long so many bytes take at the pace of a pass.
    fn scrub_pace_ns(&self, bytes: u32) -> u64 {
        let total = self.log.usage().bytes + u64::from(SUPERBLOCK_BYTES);
        let by_period =
            u128::from(bytes) * u128::from(self.config.scrub_period_ns) / u128::from(total);
        let bound = u128::from(self.config.scrub_bytes_per_second_max.max(1));
        let by_bound = u128::from(bytes) * u128::from(SECOND_NS) / bound;
        u64::try_from(by_period.max(by_bound)).unwrap_or(u64::MAX)
    }

    /// Takes a piece; `false`: the read was none of the scrub's.
    pub(super) fn scrub_done(&mut self, op: OpId, result: &Result<Bytes, DiskFault>) -> bool {
        if self.scrub.reading.take_if(|reading| *reading == op).is_none() {
            return false;
        }
        let bytes = result.as_ref().ok();
        let target = std::mem::replace(&mut self.scrub.target, Target::Superblock);
        let (next, again, wrong) = match target {
            Target::Superblock => self.check_superblock(bytes),
            Target::Snapshot { number, check } => self.check_snapshot(number, check, bytes),
            Target::Head(segment) => self.check_head(segment, bytes),
            Target::Batches { walk, previous } => self.check_batches((walk, previous), bytes),
        };
        if !wrong.is_empty() && !std::mem::replace(&mut self.scrub.is_second_look, true) {
            self.scrub.target = again;
            return true;
        }
        self.scrub.is_second_look = false;
        self.scrub.target = next;
        for (range, batches) in wrong {
            self.repair(range.file);
            self.found_damage(range, batches);
        }
        true
    }

    fn check_superblock(&mut self, bytes: Option<&Bytes>) -> (Target, Target, Wrong) {
        // While it is written its copies differ.
        let copies = bytes.filter(|_| !self.log.writes_superblock());
        let copies = copies.map(|bytes| bytes.chunks(BLOCK_BYTES).map(Superblock::decode));
        let bad = copies.into_iter().flatten().enumerate().filter(|(_, copy)| copy.is_err());
        let wrong = bad.map(|(nth, _)| {
            let what = format!("copy {} of 4 cannot be read", nth + 1);
            let position = (nth * BLOCK_BYTES) as u64;
            (
                DamagedRange::new(FileName::Superblock, position, BLOCK_BYTES as u64, what),
                no_batches(),
            )
        });
        let wrong = wrong.collect();
        (self.snapshot_from(0), Target::Superblock, wrong)
    }

    fn check_snapshot(
        &mut self,
        number: u64,
        check: SnapshotCheck,
        bytes: Option<&Bytes>,
    ) -> (Target, Target, Wrong) {
        let again = Target::Snapshot { number, check: SnapshotCheck::default() };
        if !self.snapshots.has(number) {
            return (self.snapshot_from(number + 1), again, Vec::new());
        }
        let mut check = check;
        match bytes.map(|bytes| check.take(bytes)) {
            Some(Ok(false)) => (Target::Snapshot { number, check }, again, Vec::new()),
            Some(Ok(true)) => (self.snapshot_from(number + 1), again, Vec::new()),
            Some(Err(_)) | None => {
                let what = "it does not match its checksum".to_owned();
                let range = DamagedRange::new(FileName::Snapshot(number), 0, check.bytes(), what);
                (self.snapshot_from(number + 1), again, vec![(range, no_batches())])
            }
        }
    }

    fn check_head(&mut self, segment: u64, bytes: Option<&Bytes>) -> (Target, Target, Wrong) {
        let Some(info) = self.sealed(segment) else {
            return (self.segment_from(segment + 1), Target::Head(segment), Vec::new());
        };
        let mut wrong = Vec::new();
        for nth in 0..2_usize {
            let copy =
                bytes.and_then(|bytes| bytes.get(nth * BLOCK_BYTES..(nth + 1) * BLOCK_BYTES));
            if copy.and_then(|copy| SegmentHeader::decode(copy).ok()).is_none() {
                let what = format!("copy {} of the header cannot be read", nth + 1);
                let (file, position) = (FileName::Segment(segment), (nth * BLOCK_BYTES) as u64);
                let range = DamagedRange::new(file, position, BLOCK_BYTES as u64, what);
                wrong.push((range, no_batches()));
            }
        }
        let walk = Walk::new(&info, PIECE_BYTES);
        let next = if walk.is_complete() {
            self.segment_from(segment + 1)
        } else {
            Target::Batches { walk, previous: None }
        };
        (next, Target::Head(segment), wrong)
    }

    fn check_batches(
        &mut self,
        (walk, previous): (Walk, Option<(LogIndex, u32)>),
        bytes: Option<&Bytes>,
    ) -> (Target, Target, Wrong) {
        let segment = walk.segment();
        let again = Target::Batches { walk, previous };
        if self.sealed(segment).is_none() {
            return (self.segment_from(segment + 1), again, Vec::new());
        }
        let (mut walk, mut previous, mut wrong) = (walk, previous, Vec::new());
        walk.take(bytes, &self.log, &mut |stretch| {
            judge(&stretch, segment, &mut previous, &mut wrong);
        });
        let next = if walk.is_complete() {
            self.segment_from(segment + 1)
        } else {
            Target::Batches { walk, previous }
        };
        (next, again, wrong)
    }

    fn sealed(&self, segment: u64) -> Option<SegmentInfo> {
        self.log.segments().find(|info| info.number == segment && info.sealed).copied()
    }

    fn snapshot_from(&mut self, number: u64) -> Target {
        match self.snapshots.next_from(number) {
            Some(number) => Target::Snapshot { number, check: SnapshotCheck::default() },
            None => self.segment_from(self.scrub.segment),
        }
    }

    /// The first sealed segment from this number on; the end of a pass when there is none.
    fn segment_from(&mut self, number: u64) -> Target {
        let next = self.log.segments().find(|info| info.number >= number && info.sealed);
        let next = next.map(|info| info.number);
        if next.is_none() {
            self.scrub.passes += 1;
            self.scrub.last_pass_seconds = self.scrub.wall_ns / SECOND_NS;
        }
        self.scrub.segment = next.unwrap_or(0);
        self.log.set_scrub_segment(self.scrub.segment);
        next.map_or(Target::Superblock, Target::Head)
    }

    /// Writes anew what is known in memory.
    fn repair(&mut self, file: FileName) {
        match file {
            FileName::Superblock => self.log.rewrite_superblock(),
            FileName::Snapshot(_) => self.snapshots.wanted = Some(LogIndex(0)),
            FileName::Segment(_) | FileName::Index(_) => {}
        }
    }
}

/// What a stretch of a segment shows to be wrong.
fn judge(
    stretch: &Stretch<'_>,
    segment: u64,
    previous: &mut Option<(LogIndex, u32)>,
    wrong: &mut Wrong,
) {
    let file = FileName::Segment(segment);
    let mut tell = |position: u64, bytes: u64, what: String, batches: Range<LogIndex>| {
        wrong.push((DamagedRange::new(file, position, bytes, what), batches));
    };
    match stretch {
        Stretch::Bad { position, bytes, batches } => {
            let what = format!("batches {} to {} are damaged", batches.start, batches.end);
            tell(*position, *bytes, what, batches.clone());
            *previous = None;
        }
        Stretch::Batch { place, header, bytes, .. } => {
            let (position, length) = (u64::from(place.position), u64::from(place.bytes));
            if !header.padding_is_zero(bytes) {
                let what = format!("batch {}: its padding is not zero", place.index);
                tell(position, length, what, no_batches());
            }
            let before = previous.replace((place.index.next(), header.identity_checksum));
            if before
                .is_some_and(|(next, identity)| next == place.index && identity != header.previous)
            {
                let what = format!("the chain breaks at batch {}", place.index);
                tell(position, length, what, no_batches());
            }
        }
    }
}

const fn no_batches() -> Range<LogIndex> {
    LogIndex(0)..LogIndex(0)
}
