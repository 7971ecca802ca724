//! Rot: blocks that are not what was synced, until they are written anew; and which of them a scrub must find.

use super::{BLOCK_BYTES, FileName, SimDisk};
use std::ops::Range;

/// Blocks of the two copies of a segment's header.
const HEAD_BYTES: u64 = 2 * BLOCK_BYTES as u64;

impl SimDisk {
    /// A block rots, if somebody vouched for it: leftovers of a write that was cut off belong to nobody.
    pub(super) fn note_rot(&mut self, file: FileName, block: u64) {
        let is_vouched_for = match file {
            FileName::Segment(segment) => self.is_of_segment(segment, block),
            FileName::Snapshot(_) | FileName::Superblock => true,
            // Which of them the node still knows is its own business.
            FileName::Index(_) => false,
        };
        if is_vouched_for {
            self.rot.insert((file, block));
        }
    }

    fn is_of_segment(&self, segment: u64, block: u64) -> bool {
        let file = self.files.get(&FileName::Segment(segment));
        let footer = file.map_or(0, |file| file.bytes.saturating_sub(BLOCK_BYTES as u64));
        let mut synced = self.batches.iter().filter(|(_, is_synced)| *is_synced);
        block < HEAD_BYTES
            || block == footer
            || synced.any(|(place, _)| place.holds(segment, block))
    }

    /// These bytes were written: what rotted there is whole again.
    pub(super) fn end_rot(&mut self, file: FileName, written: &Range<u64>) {
        self.rot.retain(|(rotten, block)| *rotten != file || !written.contains(block));
    }

    /// Rotten blocks of what is sealed: nothing will ever be written there but by a repair.
    pub fn sealed_rot(&self) -> impl Iterator<Item = (FileName, u64)> {
        let newest = self.batches.iter().filter(|(_, is_synced)| *is_synced);
        let newest = newest.map(|(place, _)| place.segment).max().unwrap_or(0);
        self.rot.iter().copied().filter(move |(file, _)| {
            *file < FileName::Segment(newest) || !matches!(file, FileName::Segment(_))
        })
    }
}
