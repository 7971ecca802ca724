//! Reader: reads under way for those who are behind, and what earlier ones brought.
//!
//! ```text
//!   plan --> under way --done--> caches
//!               | failed, and alone
//!               v
//!             rests --pause--> under way, under another number
//! ```
//!
//! Reads are shared: who wants what one brings waits for it. They are bounded;
//! beyond, a caller waits for the oldest. Batches of a merged read that did not
//! come or do not verify are suspects: each is read alone.

use super::ahead::Ahead;
use super::patience;
use super::rebuild::Rebuild;
use crate::cache::Cache;
use crate::index_file::SegmentIndex;
use crate::log::BatchPlace;
use crate::plan::{FileName, OpId, OpIds, Plan};
use bytes::Bytes;
use std::collections::BTreeSet;
use wire::LogIndex;

/// The most a read for one waiter takes with it, in bytes.
pub(super) const READ_BYTES_MAX: u32 = 1 << 20;
/// Reads under way per shard; as many more may rest.
const READS_MAX: usize = 16;
/// Damaged batches remembered; beyond, one is read again to know.
const DAMAGED_MAX: usize = 4096;
/// Of the cache, for index files: at least this, or a quarter.
const INDEX_BYTES_MIN: usize = 4 << 20;

/// Where a read takes its bytes: file, position, bytes.
pub(super) type Extent = (FileName, u64, u32);

/// What a planned read brings.
#[derive(Debug)]
pub(super) enum Fetch {
    /// Neighbouring batches.
    Batches(Vec<BatchPlace>),
    /// The index file of a segment.
    Index(u64),
    /// A part of the segment being scanned.
    Scan,
}

/// A read that somebody waits for.
#[derive(Debug)]
pub(super) struct Planned {
    op: OpId,
    pub(super) fetch: Fetch,
    extent: Extent,
    /// Tries that failed.
    failures: usize,
    stage: Stage,
}

/// How far a planned read is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    UnderWay,
    /// From the next turn on, for so many nanoseconds.
    Rests(u64),
    /// It goes on its way at this time, monotonic.
    DueAt(u64),
}

/// Reads in flight, and what earlier ones brought.
#[derive(Debug)]
pub(super) struct Reader {
    /// Bodies of verified batches.
    pub(super) bodies: Cache<LogIndex, Bytes>,
    /// A merged read is no longer: what it brings must not push out its first batch.
    read_bytes_max: u32,
    /// Index files by segment.
    pub(super) indexes: Cache<u64, SegmentIndex>,
    in_flight: Vec<Planned>,
    /// What comes after the pieces that were read.
    pub(super) ahead: Ahead,
    /// To be handed out by the next turn.
    pub(super) plans: Vec<Plan>,
    /// Did not verify in a merged read: the next one is alone.
    suspects: BTreeSet<LogIndex>,
    pub(super) damaged: BTreeSet<LogIndex>,
    pub(super) rebuild: Option<Rebuild>,
}

/// Of a cache: what batches may take, and what index files may.
fn shares_of(bytes_max: usize) -> (usize, usize) {
    (bytes_max - bytes_max / 4, (bytes_max / 4).max(INDEX_BYTES_MIN))
}

impl Planned {
    /// Whether it is for one batch and nothing else.
    pub(super) fn is_alone(&self) -> bool {
        matches!(&self.fetch, Fetch::Batches(places) if places.len() == 1)
    }

    /// Of which segment it is, or of its index file.
    pub(super) const fn segment(&self) -> Option<u64> {
        match self.extent.0 {
            FileName::Segment(number) | FileName::Index(number) => Some(number),
            FileName::Snapshot(_) | FileName::Superblock => None,
        }
    }

    const fn read(&self) -> Plan {
        let (op, (file, position, bytes)) = (self.op, self.extent);
        Plan::Read { op, file, position, bytes }
    }

    fn is_under_way(&self) -> bool {
        self.stage == Stage::UnderWay
    }
}

impl Reader {
    pub(super) fn new(bytes_max: usize) -> Self {
        let (bodies_bytes_max, index_bytes_max) = shares_of(bytes_max);
        let half = u32::try_from(bodies_bytes_max / 2).unwrap_or(u32::MAX);
        let read_bytes_max = half.min(READ_BYTES_MAX);
        Self {
            bodies: Cache::new(bodies_bytes_max),
            read_bytes_max,
            indexes: Cache::new(index_bytes_max),
            in_flight: Vec::with_capacity(2 * READS_MAX),
            ahead: Ahead::new(bodies_bytes_max, read_bytes_max),
            plans: Vec::new(),
            suspects: BTreeSet::new(),
            damaged: BTreeSet::new(),
            rebuild: None,
        }
    }

    /// The most a cache of this size keeps, unless a single batch or index file is larger.
    pub(super) fn bytes_max(bytes_max: usize) -> usize {
        let (bodies_bytes_max, index_bytes_max) = shares_of(bytes_max);
        bodies_bytes_max.saturating_add(index_bytes_max)
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bodies.bytes() + self.indexes.bytes()
    }

    /// Whether this batch needs no read: it is there, or known to be damaged.
    pub(super) fn knows(&self, index: LogIndex) -> bool {
        self.bodies.has(index) || self.damaged.contains(&index)
    }

    /// Whether somebody who is behind waits for the disk.
    pub(super) fn is_reading(&self) -> bool {
        self.in_flight.iter().any(Planned::is_under_way)
    }

    /// Reads a part of the segment being scanned, after a pause.
    pub(super) fn fetch_scan(&mut self, ops: &mut OpIds, extent: Extent, pause_ns: u64) -> OpId {
        let stage = if pause_ns > 0 { Stage::Rests(pause_ns) } else { Stage::UnderWay };
        let op = ops.draw();
        self.plan(Planned { op, fetch: Fetch::Scan, extent, failures: 0, stage })
    }

    /// The scan's read in flight.
    pub(super) fn scan_op(&self) -> Option<OpId> {
        let scan = self.in_flight.iter().find(|planned| matches!(planned.fetch, Fetch::Scan));
        scan.map(|planned| planned.op)
    }

    pub(super) fn fetch_index(&mut self, ops: &mut OpIds, segment: u64, bytes: u32) -> OpId {
        let same = |fetch: &Fetch| matches!(fetch, Fetch::Index(number) if *number == segment);
        let extent = (FileName::Index(segment), 0, bytes);
        self.find(same).or_else(|| self.crowded()).unwrap_or_else(|| {
            let (op, fetch) = (ops.draw(), Fetch::Index(segment));
            self.plan(Planned { op, fetch, extent, failures: 0, stage: Stage::UnderWay })
        })
    }

    /// Reads the batch `index`, the first of `places`, and its neighbours unless it is suspect.
    pub(super) fn fetch_batches(
        &mut self,
        ops: &mut OpIds,
        index: LogIndex,
        places: impl Iterator<Item = BatchPlace>,
    ) -> Option<OpId> {
        let mut merged: Vec<BatchPlace> = Vec::new();
        let mut bytes = 0;
        for place in places {
            let end = merged.last().map_or(place.position, |last| last.position + last.bytes);
            let alone = merged.first().is_some_and(|first| self.suspects.contains(&first.index));
            let fits = merged.is_empty() || bytes + place.bytes <= self.read_bytes_max;
            if place.position != end || !fits || alone {
                break;
            }
            bytes += place.bytes;
            merged.push(place);
        }
        let first = *merged.first().filter(|first| first.index == index)?;
        let brings = |fetch: &Fetch| match fetch {
            Fetch::Batches(places) => places.iter().any(|place| place.index == first.index),
            Fetch::Index(_) | Fetch::Scan => false,
        };
        let extent = (FileName::Segment(first.segment), u64::from(first.position), bytes);
        Some(self.find(brings).or_else(|| self.crowded()).unwrap_or_else(|| {
            let (op, fetch) = (ops.draw(), Fetch::Batches(merged));
            self.plan(Planned { op, fetch, extent, failures: 0, stage: Stage::UnderWay })
        }))
    }

    fn find(&self, is_it: impl Fn(&Fetch) -> bool) -> Option<OpId> {
        self.in_flight.iter().find(|planned| is_it(&planned.fetch)).map(|planned| planned.op)
    }

    /// The read to wait for when no more may start.
    fn crowded(&self) -> Option<OpId> {
        let oldest_of = |is_under_way: bool| {
            let is_of = |planned: &&Planned| planned.is_under_way() == is_under_way;
            let mut crowd = self.in_flight.iter().filter(is_of);
            let oldest = crowd.next()?;
            (crowd.count() + 1 >= READS_MAX).then_some(oldest.op)
        };
        oldest_of(true).or_else(|| oldest_of(false))
    }

    fn plan(&mut self, planned: Planned) -> OpId {
        if planned.is_under_way() {
            self.plans.push(planned.read());
        }
        let op = planned.op;
        self.in_flight.push(planned);
        op
    }

    /// A read ended; `None`: it was none of these.
    pub(super) fn ended(&mut self, op: OpId) -> Option<Planned> {
        let at = self.in_flight.iter().position(|planned| planned.op == op)?;
        Some(self.in_flight.remove(at))
    }

    /// A read failed: it is tried again later, or given back, when it failed often enough.
    pub(super) fn try_again(&mut self, ops: &mut OpIds, failed: Planned) -> Option<Planned> {
        let failures = failed.failures + 1;
        let Some(pause_ns) = patience::pause_ns(failures) else { return Some(failed) };
        self.plan(Planned { op: ops.draw(), failures, stage: Stage::Rests(pause_ns), ..failed });
        None
    }

    /// Hands out what has rested long enough.
    pub(super) fn wake(&mut self, now_ns: u64) {
        for planned in &mut self.in_flight {
            match planned.stage {
                Stage::Rests(pause_ns) => planned.stage = Stage::DueAt(now_ns + pause_ns),
                Stage::DueAt(at_ns) if at_ns <= now_ns => {
                    planned.stage = Stage::UnderWay;
                    self.plans.push(planned.read());
                }
                Stage::DueAt(_) | Stage::UnderWay => {}
            }
        }
    }

    /// When the next one has rested long enough, monotonic.
    pub(super) fn deadline_ns(&self) -> Option<u64> {
        let due = self.in_flight.iter().filter_map(|planned| match planned.stage {
            Stage::DueAt(at_ns) => Some(at_ns),
            Stage::Rests(_) | Stage::UnderWay => None,
        });
        due.min()
    }

    /// The next read of this batch brings no other.
    pub(super) fn suspect(&mut self, index: LogIndex) {
        self.suspects.insert(index);
    }

    /// A batch came, and verifies.
    pub(super) fn keep(&mut self, index: LogIndex, body: Bytes, bytes: usize) {
        self.suspects.remove(&index);
        self.bodies.insert(index, body, bytes);
    }

    pub(super) fn mark_damaged(&mut self, index: LogIndex) {
        self.suspects.remove(&index);
        if self.damaged.len() >= DAMAGED_MAX {
            self.damaged.pop_first();
        }
        self.damaged.insert(index);
    }
}
