//! Crash: what the end of the process, or of the power, leaves of writes under way.

use super::{BLOCK_BYTES, FileName, Pending, Plan, SimDisk, length};
use crate::faults::FlushFault;
use crate::random::Random;

/// A superblock has so many copies.
const COPIES: u64 = 4;

impl SimDisk {
    /// Power is lost: of each pending write any set of sectors survives, whatever was written first.
    pub fn crash(&mut self, random: &mut Random) {
        let mut was_dropped = false;
        for pending in std::mem::take(&mut self.pending) {
            let kept_parts = random.one_of(&[0, 300, 700, 1000]);
            let (mut kept, mut lost) = (0_u64, 0_u64);
            let mut position = pending.position;
            for sector in pending.bytes.chunks(self.sector_bytes) {
                if random.chance(kept_parts) {
                    kept += 1;
                    self.keep(pending.file, position, sector);
                } else {
                    lost += 1;
                }
                position += length(sector);
            }
            let is_torn = u64::from(kept > 0 && lost > 0);
            if self.sector_bytes == BLOCK_BYTES {
                self.fired.torn_4096 += is_torn;
            } else {
                self.fired.torn_512 += is_torn;
            }
            self.fired.dropped_writes += u64::from(kept == 0);
            self.fired.reordered_writes += u64::from(was_dropped && kept > 0);
            was_dropped |= kept == 0;
        }
    }

    fn keep(&mut self, name: FileName, position: u64, sector: &[u8]) {
        if let Some(file) = self.files.get_mut(&name) {
            file.overwrite(position, sector);
        }
        self.end_rot(name, &(position..position + length(sector)));
    }

    /// Only the process died: what the drive took reaches the disk.
    pub fn process_crash(&mut self) {
        for Pending { file, position, bytes } in std::mem::take(&mut self.pending) {
            self.files.entry(file).or_default().write(position, &bytes);
            self.end_rot(file, &(position..position + length(&bytes)));
        }
    }

    /// The flush under way fails: what of it the drive still holds.
    pub fn fail_flush(&mut self, fault: FlushFault, random: &mut Random) {
        match fault {
            FlushFault::Short => {
                if let Some(last) = self.pending.last_mut() {
                    let taken = random.index(last.bytes.len().div_ceil(512)) * 512;
                    last.bytes.truncate(taken);
                }
            }
            // Neither says which of the bytes are there.
            FlushFault::Write | FlushFault::Sync => self.crash(random),
        }
    }

    /// What a crash, or an error, leaves of a file task: nothing, all, or a part where it has parts.
    pub fn interrupt(&mut self, plan: &Plan, random: &mut Random) {
        self.fired.torn_tasks += 1;
        match plan {
            Plan::WriteSuperblock { copy, .. } => {
                let whole = random.below(COPIES + 1);
                for number in 0..whole {
                    self.write_superblock_copy(number, copy);
                }
                if whole < COPIES {
                    self.shear_superblock_copy(whole, copy, random);
                }
            }
            Plan::WriteAt { file, position, bytes, .. } => {
                self.write_unsynced(*file, *position, bytes);
            }
            Plan::Prepare { segment, bytes, .. } => match random.below(3) {
                0 => {}
                1 => drop(self.carry_out(plan)),
                _ => {
                    let part = random.below(bytes / 4096) * 4096;
                    let file = super::File::of_zeroes(part);
                    self.put(FileName::Segment(*segment), file);
                }
            },
            // It has its new name only when it is whole.
            Plan::Recycle { from, .. } => {
                self.fired.torn_recycles += 1;
                match random.below(3) {
                    0 => {}
                    1 => drop(self.carry_out(plan)),
                    _ => self.remove(FileName::Segment(*from)),
                }
            }
            Plan::Replace { .. } | Plan::Remove { .. } => {
                if random.chance(500) {
                    // A full disk refuses; then nothing is left of it.
                    let _ = self.carry_out(plan);
                }
            }
            Plan::Flush { .. } | Plan::Read { .. } => unreachable!("not file tasks"),
        }
    }

    /// One copy of the superblock is being written when the power fails: its first sector begins new and ends old.
    fn shear_superblock_copy(&mut self, number: u64, copy: &[u8], random: &mut Random) {
        let mut block = copy.to_vec();
        let cut = 4 + random.index(120);
        let mut old = vec![0; block.len()];
        // Where there is no old copy, there are zeroes.
        let _ = self.read_running(FileName::Superblock, number * 4096, &mut old);
        block[cut..].copy_from_slice(&old[cut..]);
        self.write_superblock_copy(number, &block);
    }
}
