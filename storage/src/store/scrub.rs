//! Scrub: everything that is sealed is read once in a period, so that rot is found while somebody can act.
//!
//! ```text
//!   superblock -> snapshots -> each sealed segment, by number -> superblock ...     one piece at a time
//!                              header -> batches -> footer -> index file
//! ```
//!
//! A pass is spread evenly over the period, but never faster than a bound; a
//! piece waits while somebody who is behind reads (at most a second). What does
//! not check is read once more before it is believed. Then it is quarantined as
//! a read would, and told once. What cannot be read is tried again as long as
//! there is patience, then told, and left to whoever needs it. What has its like
//! elsewhere is written anew: the superblock, a snapshot, an index file. How far
//! the pass is stands in the superblock, written when that is written anyway.
//!
//! What a piece must look like is in `check`.

mod check;

use super::Store;
use super::patience;
use super::reader::Extent;
use super::walk::Walk;
use crate::index_file::IndexCheck;
use crate::log::SegmentInfo;
use crate::plan::{DiskFault, FileName, OpId, Plan};
use crate::segment::HEAD_BYTES;
use crate::snapshot::SnapshotCheck;
use bytes::Bytes;
use check::{BLOCK, Finding, SUPERBLOCK_BYTES, Seen};
use wire::LogIndex;

/// A piece, unless a batch is longer.
const PIECE_BYTES: u32 = 256 << 10;
/// How often, and how many times, a piece waits for those who read.
const YIELD_NS: u64 = 5_000_000;
const YIELDS_MAX: u32 = 200;
const SECOND_NS: u64 = 1_000_000_000;

/// What is read next.
#[derive(Clone, Debug)]
enum Target {
    Superblock,
    Snapshot {
        number: u64,
        check: SnapshotCheck,
    },
    /// A segment's header, twice.
    Head(SegmentInfo),
    Batches {
        walk: Walk,
        previous: Option<(LogIndex, u32)>,
    },
    Footer(SegmentInfo),
    Index {
        segment: u64,
        check: IndexCheck,
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
    /// Before the next piece at least, from the next turn on.
    pause_ns: u64,
    yields: u32,
    /// This piece was read before and did not check.
    is_second_look: bool,
    /// How often this piece could not be read.
    failures: usize,
    pub(super) bytes: u64,
    pub(super) passes: u64,
    /// Wall clock of the end of the last pass, in seconds; 0 = none yet.
    pub(super) last_pass_seconds: u64,
    wall_ns: u64,
}

impl Target {
    fn extent(&self) -> Extent {
        match self {
            Self::Superblock => (FileName::Superblock, 0, SUPERBLOCK_BYTES),
            Self::Snapshot { number, check } => {
                let (position, bytes) = check.next_read(PIECE_BYTES);
                (FileName::Snapshot(*number), position, bytes)
            }
            Self::Head(info) => (FileName::Segment(info.number), 0, HEAD_BYTES),
            Self::Batches { walk, .. } => walk.next_read(),
            Self::Footer(info) => {
                (FileName::Segment(info.number), info.bytes.saturating_sub(u64::from(BLOCK)), BLOCK)
            }
            Self::Index { segment, check } => {
                let (position, bytes) = check.next_read(PIECE_BYTES);
                (FileName::Index(*segment), position, bytes)
            }
        }
    }

    /// Whether a checksum over all pieces vouches for it.
    const fn is_whole_file(&self) -> bool {
        matches!(self, Self::Snapshot { .. } | Self::Index { .. })
    }

    /// To look at it once more.
    fn again(&self) -> Self {
        match self {
            Self::Snapshot { number, .. } => {
                Self::Snapshot { number: *number, check: SnapshotCheck::default() }
            }
            Self::Index { segment, check } => {
                Self::Index { segment: *segment, check: check.again() }
            }
            Self::Superblock | Self::Head(_) | Self::Batches { .. } | Self::Footer(_) => {
                self.clone()
            }
        }
    }
}

impl Scrub {
    /// To go on with this segment.
    pub(super) fn at(segment: u64) -> Self {
        Self {
            target: Target::Superblock,
            segment,
            reading: None,
            next_at_ns: None,
            pause_ns: 0,
            yields: 0,
            is_second_look: false,
            failures: 0,
            bytes: 0,
            passes: 0,
            last_pass_seconds: 0,
            wall_ns: 0,
        }
    }

    pub(super) fn deadline_ns(&self) -> Option<u64> {
        self.next_at_ns.filter(|_| self.reading.is_none())
    }

    /// When the next piece is due; the first one after this pace.
    fn due_ns(&mut self, now_ns: u64, pace_ns: u64) -> u64 {
        let next_ns = self.next_at_ns.unwrap_or(now_ns.saturating_add(pace_ns));
        let due_ns = match std::mem::take(&mut self.pause_ns) {
            0 => next_ns,
            rest_ns => next_ns.max(now_ns.saturating_add(rest_ns)),
        };
        self.next_at_ns = Some(due_ns);
        due_ns
    }

    /// A piece could not be read: whether to try it again, after a pause.
    fn try_again(&mut self) -> bool {
        self.failures += 1;
        let pause_ns = patience::pause_ns(self.failures);
        self.pause_ns = pause_ns.unwrap_or(0);
        // What was tried so often needs no second look.
        self.is_second_look |= pause_ns.is_none();
        pause_ns.is_some()
    }
}

impl Store {
    /// Plans the next piece when it is due.
    pub(super) fn scrub(&mut self, wall_ns: u64, plans: &mut Vec<Plan>) {
        if self.config.scrub_period_ns == 0 || self.scrub.reading.is_some() {
            return;
        }
        self.scrub.wall_ns = wall_ns;
        let (file, position, bytes) = self.scrub.target.extent();
        let pace_ns = self.scrub_pace_ns(bytes);
        if self.now_ns < self.scrub.due_ns(self.now_ns, pace_ns) {
            return;
        }
        if self.reader.is_reading() && self.scrub.yields < YIELDS_MAX {
            self.scrub.yields += 1;
            self.scrub.next_at_ns = Some(self.now_ns + YIELD_NS);
            return;
        }
        let op = self.ops.draw();
        plans.push(Plan::Read { op, file, position, bytes });
        self.scrub.reading = Some(op);
        self.scrub.yields = 0;
        self.scrub.bytes += u64::from(bytes);
        self.scrub.next_at_ns = Some(self.now_ns.saturating_add(pace_ns));
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
        let target = std::mem::replace(&mut self.scrub.target, Target::Superblock);
        let seen = match (&target, result) {
            _ if !self.is_there(&target) => Seen::default(),
            (Target::Batches { walk, previous }, result) => {
                self.check_batches(*walk, *previous, result.as_ref().ok())
            }
            (_, Ok(bytes)) => self.check(&target, bytes),
            // No later read brings what is not there.
            (_, Err(DiskFault::Short)) if target.is_whole_file() => Seen::short(target.extent()),
            (_, Err(_)) if self.scrub.try_again() => {
                self.scrub.target = target;
                return true;
            }
            (_, Err(_)) => Seen::unread(target.extent()),
        };
        self.scrub.failures = 0;
        let is_news = !seen.wrong.is_empty();
        if is_news && !std::mem::replace(&mut self.scrub.is_second_look, true) {
            self.scrub.target = target.again();
            return true;
        }
        // What is read in pieces is looked at again from its front.
        self.scrub.is_second_look &= !is_news && seen.next.is_some() && target.is_whole_file();
        for finding in seen.wrong {
            self.found(finding);
        }
        self.scrub.target = seen.next.unwrap_or_else(|| self.after(&target));
        true
    }

    /// Whether it was not removed meanwhile.
    fn is_there(&self, target: &Target) -> bool {
        let is_sealed = |number| self.log.segments().any(|info| info.number == number);
        match target {
            Target::Superblock => true,
            Target::Snapshot { number, .. } => self.snapshots.has(*number),
            Target::Head(info) | Target::Footer(info) => is_sealed(info.number),
            Target::Batches { walk, .. } => is_sealed(walk.segment()),
            Target::Index { segment, check } => self.index_bytes(*segment) == check.bytes(),
        }
    }

    fn found(&mut self, finding: Finding) {
        match finding {
            Finding::Damage(range, batches) => {
                self.repair(range.file);
                self.found_damage(range, batches);
            }
            Finding::Unread(range) => {
                self.repair(range.file);
                self.found_unread(range);
            }
        }
    }

    /// Writes anew what is known in memory, or follows from what is sound.
    fn repair(&mut self, file: FileName) {
        match file {
            FileName::Superblock => self.log.rewrite_superblock(),
            FileName::Snapshot(_) => self.snapshots.wanted = Some(LogIndex(0)),
            FileName::Index(segment) => {
                if let Some(cold) = self.segments.cold.get_mut(&segment) {
                    cold.index_bytes = 0;
                    self.start_rebuild(segment);
                }
            }
            FileName::Segment(_) => {}
        }
    }

    // ---- the order of a pass ----

    /// What follows when all of this was looked at.
    fn after(&mut self, target: &Target) -> Target {
        match target {
            Target::Superblock => self.snapshot_from(0),
            Target::Snapshot { number, .. } => self.snapshot_from(number + 1),
            Target::Head(info) => match Walk::new(info, PIECE_BYTES) {
                walk if walk.is_complete() => Target::Footer(*info),
                walk => Target::Batches { walk, previous: None },
            },
            Target::Batches { walk, .. } => match self.sealed_from(walk.segment()) {
                Some(info) if info.number == walk.segment() => Target::Footer(info),
                Some(_) | None => self.segment_from(walk.segment() + 1),
            },
            Target::Footer(info) => match self.index_bytes(info.number) {
                0 => self.segment_from(info.number + 1),
                bytes => {
                    let segment = info.number;
                    Target::Index { segment, check: IndexCheck::new(segment, bytes) }
                }
            },
            Target::Index { segment, .. } => self.segment_from(segment + 1),
        }
    }

    fn snapshot_from(&mut self, number: u64) -> Target {
        match self.snapshots.next_from(number) {
            Some(number) => Target::Snapshot { number, check: SnapshotCheck::default() },
            None => self.segment_from(self.scrub.segment),
        }
    }

    /// The first sealed segment from this number on; the end of a pass when there is none.
    fn segment_from(&mut self, number: u64) -> Target {
        let next = self.sealed_from(number);
        if next.is_none() {
            self.scrub.passes += 1;
            self.scrub.last_pass_seconds = self.scrub.wall_ns / SECOND_NS;
        }
        self.scrub.segment = next.map_or(0, |info| info.number);
        self.log.set_scrub_segment(self.scrub.segment);
        next.map_or(Target::Superblock, Target::Head)
    }

    fn sealed_from(&self, number: u64) -> Option<SegmentInfo> {
        self.log.segments().find(|info| info.number >= number && info.sealed).copied()
    }

    /// Length of a segment's index file; 0: it has none.
    fn index_bytes(&self, segment: u64) -> u32 {
        self.segments.cold.get(&segment).map_or(0, |cold| cold.index_bytes)
    }
}
