//! Damage: what becomes of synced bytes on a drive that rots, or lied.
//!
//! Every damage tells what it may have taken: the sections of the batch it is in.
//! What a start must repair by itself (a copy of the superblock, one of a header,
//! an index file) takes nothing.
//!
//! A write that was lost or went elsewhere strikes a batch with a synced one after
//! it: what a drive lied about last looks like a torn write, and no single disk can tell.

use super::{BLOCK_BYTES, FileName, Place, SimDisk};
use crate::faults::Damage;
use crate::random::Random;
use bytes::Bytes;
use std::ops::Range;
use storage::batch::BatchView;
use storage::note::{LeaseOffset, Note};
use wire::QueueId;

/// Blocks of the two copies of a segment's header.
const HEADER_COPIES: u64 = 2 * BLOCK_BYTES as u64;

/// Records a damage may have taken: a queue's offsets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wound {
    /// Of which queue.
    pub queue: QueueId,
    /// Which offsets.
    pub offsets: Range<u64>,
}

/// What a damage may have taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Records.
    pub wounds: Vec<Wound>,
    /// Queues on which a group's position was moved by an operator: the word of that.
    pub resets: Vec<QueueId>,
}

impl Taken {
    /// This, too.
    pub fn extend(&mut self, more: Self) {
        self.wounds.extend(more.wounds);
        self.resets.extend(more.resets);
    }
}

/// A damage that was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Harm {
    /// Where and what, for the trace.
    pub words: String,
    /// What it may have taken.
    pub taken: Taken,
    /// Whether a start may refuse for it.
    pub may_refuse: bool,
}

impl SimDisk {
    /// Does damage; `None` where there is nothing that it could strike.
    pub fn damage(&mut self, damage: Damage, random: &mut Random) -> Option<Harm> {
        let mut harm = match damage {
            Damage::Bit => self.harm_segment(random, Self::flip_bit)?,
            Damage::BadSector => self.harm_segment(random, Self::spoil)?,
            Damage::BadTail => self.spoil_tail(random)?,
            Damage::LostWrite => self.lose_write(random)?,
            Damage::Misdirected => self.misdirect(random)?,
            Damage::SuperblockCopy => self.flip_in(FileName::Superblock, random)?,
            Damage::Index => {
                let name = self.one_of_files(random, |name| matches!(name, FileName::Index(_)))?;
                self.flip_in(name, random)?
            }
            Damage::Snapshot => {
                let newest = self.files.keys().rev();
                let name = newest.copied().find(|name| matches!(name, FileName::Snapshot(_)))?;
                // The one before it may not reach the log any more.
                Harm { may_refuse: true, ..self.flip_in(name, random)? }
            }
        };
        harm.words = format!("{damage:?}: {}", harm.words);
        Some(harm)
    }

    fn one_of_files(
        &self,
        random: &mut Random,
        is_one: impl Fn(&FileName) -> bool,
    ) -> Option<FileName> {
        let names: Vec<FileName> = self.files.keys().copied().filter(is_one).collect();
        (!names.is_empty()).then(|| random.one_of(&names))
    }

    fn one_of_blocks(&self, name: FileName, random: &mut Random) -> Option<u64> {
        let blocks: Vec<u64> = self.files.get(&name)?.written().collect();
        (!blocks.is_empty()).then(|| random.one_of(&blocks))
    }

    fn flip_in(&mut self, name: FileName, random: &mut Random) -> Option<Harm> {
        let block = self.one_of_blocks(name, random)?;
        self.flip_bit(name, block, random);
        Some(Harm { words: format!("{name:?} at {block}"), ..Harm::default() })
    }

    /// Harms some block of some segment that was written.
    fn harm_segment(
        &mut self,
        random: &mut Random,
        harm: fn(&mut Self, FileName, u64, &mut Random),
    ) -> Option<Harm> {
        let is_written = |name: &FileName| {
            let file = self.files.get(name);
            matches!(name, FileName::Segment(_))
                && file.is_some_and(|file| file.written().count() > 0)
        };
        let name = self.one_of_files(random, is_written)?;
        let FileName::Segment(segment) = name else { return None };
        let block = self.one_of_blocks(name, random)?;
        // Two copies and a footer: one of them is repaired, three would take the whole segment.
        let is_head = !self.batches.iter().any(|(place, _)| place.holds(segment, block));
        // And only of what was synced: a loss of power may have torn the other copy of a new segment.
        let is_synced =
            self.batches.iter().any(|(place, is_synced)| *is_synced && place.segment == segment);
        if is_head && !(is_synced && self.harmed_heads.insert(segment)) {
            return None;
        }
        let taken = self.taken_at(segment, block);
        harm(self, name, block, random);
        let words = format!("segment {segment} at {block}");
        Some(Harm { words, taken, may_refuse: block >= HEADER_COPIES })
    }

    fn flip_bit(&mut self, name: FileName, block: u64, random: &mut Random) {
        self.fired.flipped_bits += 1;
        let position = block + random.below(BLOCK_BYTES as u64);
        let bit = u8::try_from(random.below(8)).expect("below 8");
        if let Some(file) = self.files.get_mut(&name) {
            file.flip(position, bit);
        }
        self.note_rot(name, block);
    }

    fn spoil(&mut self, name: FileName, block: u64, _random: &mut Random) {
        self.fired.bad_sectors += 1;
        self.unreadable.insert((name, block));
        self.note_rot(name, block);
    }

    /// A block of the newest batch of all, or all of it.
    fn spoil_tail(&mut self, random: &mut Random) -> Option<Harm> {
        let (place, _) = *self.batches.last().filter(|(_, is_synced)| *is_synced)?;
        let name = FileName::Segment(place.segment);
        let taken = self.sections_of(place);
        let count = place.bytes / BLOCK_BYTES as u64;
        let blocks = if random.chance(500) { 0..count } else { 0..1 };
        for nth in blocks {
            self.spoil(name, place.position + nth * BLOCK_BYTES as u64, random);
        }
        let words = format!("{name} at {}, {} bytes", place.position, place.bytes);
        Some(Harm { words, taken, may_refuse: true })
    }

    /// A batch with a synced one after it.
    fn proven_batch(&self, random: &mut Random) -> Option<Place> {
        let newest = self.batches.iter().rposition(|(_, is_synced)| *is_synced)?;
        (newest > 0).then(|| self.batches[random.index(newest)].0)
    }

    fn lose_write(&mut self, random: &mut Random) -> Option<Harm> {
        let place = self.proven_batch(random)?;
        let taken = self.sections_of(place);
        // The whole write, or one block of it.
        let block = place.position + random.below(place.bytes / BLOCK_BYTES as u64) * 4096;
        let (from, bytes) =
            if random.chance(500) { (place.position, place.bytes) } else { (block, 4096) };
        let zeroes = vec![0; usize::try_from(bytes).expect("a batch fits memory")];
        self.files.get_mut(&FileName::Segment(place.segment))?.overwrite(from, &zeroes);
        self.fired.lost_writes += 1;
        let words = format!("segment {} at {from}, {bytes} bytes", place.segment);
        Some(Harm { words, taken, may_refuse: true })
    }

    /// A block is missing where it belongs, and stands where another one did.
    fn misdirect(&mut self, random: &mut Random) -> Option<Harm> {
        let (from, to) = (self.proven_batch(random)?, self.proven_batch(random)?);
        let block_of = |place: Place, random: &mut Random| {
            place.position + random.below(place.bytes / BLOCK_BYTES as u64) * 4096
        };
        let (at, other) = (block_of(from, random), block_of(to, random));
        let mut taken = self.sections_of(from);
        taken.extend(self.sections_of(to));
        let mut block = [0; BLOCK_BYTES];
        self.files.get(&FileName::Segment(from.segment))?.read(at, &mut block).ok()?;
        self.files.get_mut(&FileName::Segment(to.segment))?.overwrite(other, &block);
        if (from.segment, at) != (to.segment, other) && random.chance(500) {
            let file = self.files.get_mut(&FileName::Segment(from.segment))?;
            file.overwrite(at, &[0; BLOCK_BYTES]);
        }
        self.fired.misdirected_writes += 1;
        let words =
            format!("segment {} at {at}, to segment {} at {other}", from.segment, to.segment);
        Some(Harm { words, taken, may_refuse: true })
    }

    fn taken_at(&self, segment: u64, block: u64) -> Taken {
        let hit = self.batches.iter().find(|(place, _)| place.holds(segment, block));
        hit.map_or_else(Taken::default, |(place, _)| self.sections_of(*place))
    }

    /// The sections of a batch, as long as it is whole.
    fn sections_of(&self, place: Place) -> Taken {
        let mut bytes = vec![0; usize::try_from(place.bytes).expect("a batch fits memory")];
        let file = self.files.get(&FileName::Segment(place.segment));
        let read = file.map(|file| file.read(place.position, &mut bytes));
        let Some(Ok(())) = read else { return Taken::default() };
        let Some(batch) = BatchView::read(&Bytes::from(bytes)) else { return Taken::default() };
        let mut taken = Taken::default();
        for (_, section, bytes) in batch.sections() {
            let (queue, first) = (section.queue, section.first_offset.0);
            if queue != QueueId::NOTES {
                let offsets = first..first + u64::from(section.count);
                taken.wounds.push(Wound { queue, offsets });
            } else if let Ok(Note::Reset(LeaseOffset { lease, .. })) = Note::read(bytes) {
                taken.resets.push(lease.queue);
            }
        }
        taken
    }
}

impl Place {
    pub(super) fn holds(self, segment: u64, block: u64) -> bool {
        self.segment == segment && (self.position..self.position + self.bytes).contains(&block)
    }
}
