//! Findings: what a read or the scrub found wrong while the store runs, named and told once.
//!
//! Batches that do not check are quarantined. What could only not be read is not:
//! it may be there, and whoever needs it tries for himself.
//!
//! Naming takes the index of the segment, which may have to be read first; so a
//! finding waits here until its offsets are known, or cannot be.

use super::Store;
use crate::plan::FileName;
use crate::queue::QueueIndex;
use crate::segment::QueueRange;
use crate::store::DamagedRange;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use wire::{LogIndex, QueueId};

/// Findings that wait to be named; beyond, they are only counted.
const WAITING_MAX: usize = 64;
/// Places that were told; beyond, nothing more is.
const TOLD_MAX: usize = 4096;
/// Turns a finding waits for an index.
const TURNS_MAX: u32 = 10_000;

/// What was found and not yet told.
#[derive(Debug, Default)]
pub(super) struct Findings {
    waiting: VecDeque<(DamagedRange, Range<LogIndex>)>,
    /// Up to which byte, by where it begins and whether there is nothing to be had for good.
    told: BTreeMap<(FileName, u64, bool), u64>,
    turns: u32,
    /// Blocks found damaged, each once.
    pub(super) blocks: u64,
    /// Blocks in stretches that the scrub could not read, each once.
    pub(super) unread_blocks: u64,
}

impl Findings {
    pub(super) fn wait(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Tells of a range unless all of it was told before; returns how many of its blocks are news.
    fn tell(&mut self, range: DamagedRange, batches: Range<LogIndex>, is_damage: bool) -> u64 {
        let place = (range.file, range.position, is_damage);
        let end = range.position.saturating_add(range.bytes.max(1));
        let before = self.told.get(&place).copied();
        let has_room = before.is_some() || self.told.len() < TOLD_MAX;
        let from = before.unwrap_or(range.position);
        if end <= from || !has_room {
            return 0;
        }
        self.told.insert(place, end);
        if self.waiting.len() < WAITING_MAX {
            self.waiting.push_back((range, batches));
        }
        (end - from).div_ceil(crate::chunk::BLOCK_BYTES as u64)
    }
}

impl Store {
    /// Damage that was found since the last time, with what is lost for it: one line for the operator.
    pub fn next_damage(&mut self) -> Option<DamagedRange> {
        let (range, batches) = self.findings.waiting.front().cloned()?;
        let lost = match range.file {
            FileName::Segment(segment) if batches.start < batches.end => {
                self.lost_in(segment, batches)
            }
            FileName::Segment(_)
            | FileName::Index(_)
            | FileName::Snapshot(_)
            | FileName::Superblock => Some(Vec::new()),
        };
        self.findings.turns += 1;
        if lost.is_none() && self.findings.turns < TURNS_MAX {
            return None;
        }
        self.findings.turns = 0;
        self.findings.waiting.pop_front();
        Some(DamagedRange { lost: lost.unwrap_or_default(), ..range })
    }

    /// These batches of a segment do not check: they are served no more, and told once.
    pub(super) fn found_damage(&mut self, range: DamagedRange, batches: Range<LogIndex>) {
        if batches.end.0.saturating_sub(batches.start.0) <= WAITING_MAX as u64 {
            for index in batches.start.0..batches.end.0 {
                self.reader.mark_damaged(LogIndex(index));
            }
        }
        self.findings.blocks += self.findings.tell(range, batches, true);
    }

    /// This cannot be read: told once, and nothing more.
    pub(super) fn found_unread(&mut self, range: DamagedRange) {
        self.findings.unread_blocks += self.findings.tell(range, LogIndex(0)..LogIndex(0), false);
    }

    /// Offsets in these batches, or between their neighbours; `None`: the index is being read.
    fn lost_in(&mut self, segment: u64, batches: Range<LogIndex>) -> Option<Vec<QueueRange>> {
        if let Some(hot) = self.segments.hot.iter().find(|hot| hot.number == segment) {
            let mut queues: Vec<QueueId> = hot.queues.clone();
            queues.sort_unstable();
            queues.dedup();
            let indexes = queues.iter().filter_map(|id| Some((*id, &self.queues.get(id)?.index)));
            return Some(indexes.flat_map(|(id, index)| index.lost_in(id, &batches)).collect());
        }
        if !self.segments.cold.contains_key(&segment) {
            return Some(Vec::new());
        }
        let known = self.reader.indexes.get(segment).map(|index| index.lost_in(&batches));
        if known.is_none() {
            self.wait_for_index(segment);
        }
        known
    }
}

impl QueueIndex {
    /// What is in these batches, or was between their neighbours.
    fn lost_in(&self, queue: QueueId, batches: &Range<LogIndex>) -> Vec<QueueRange> {
        let pairs = self.entries.iter().zip(self.entries.iter().skip(1).map(Some).chain([None]));
        let lost = pairs.filter_map(|(entry, next)| {
            if batches.contains(&entry.index) {
                return Some((entry.first_offset, entry.end()));
            }
            let next =
                next.filter(|next| entry.index < batches.start && next.index >= batches.end)?;
            (entry.end() < next.first_offset).then(|| (entry.end(), next.first_offset))
        });
        lost.map(|(first, end)| QueueRange { queue, first, end }).collect()
    }
}
