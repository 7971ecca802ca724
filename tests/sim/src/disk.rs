//! Disk: a shard's directory that loses what was not synced, and fails.
//!
//! ```text
//!   write --> pending (in the drive's cache) --fdatasync done--> durable
//!                 | crash: each sector kept or lost, by chance
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `file` | sparse files |
//! | `crash` | what the end of a process, or of the power, leaves |
//! | `damage` | what becomes of synced bytes on a bad drive |
//! | `rot` | which of them a scrub must find |
//!
//! Whole-file tasks (replace, remove, prepare) happen or do not happen when a crash meets them.

mod crash;
mod damage;
mod file;
mod rot;

use crate::faults::Fired;
use crate::random::Random;
pub use damage::{Harm, Taken, Wound};
use file::{BLOCK_BYTES, File, length, overlay};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Unbounded};
use storage::plan::{Disk, DiskFault, FileName, Plan};

/// The errno of a medium that fails.
pub const EIO: i32 = 5;

/// A write the drive has taken and not yet made durable.
#[derive(Clone, Debug)]
struct Pending {
    file: FileName,
    position: u64,
    bytes: Vec<u8>,
}

/// A file that was removed, and what the directory held at that moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removal {
    /// Which file.
    pub file: FileName,
    /// Of a segment: batches in it that were synced.
    pub synced_batches: usize,
    /// Of a segment: none with such batches has a lower number.
    pub is_oldest: bool,
    /// All segments together, in bytes, and this one.
    pub segments_bytes: u64,
    /// This one.
    pub segment_bytes: u64,
    /// Of a snapshot: a newer one is there.
    pub has_newer_snapshot: bool,
}

impl Removal {
    /// Whether one more segment, beside one that is being made, would have been more than the log may have.
    pub fn fills_up(&self, log_bytes_max: u64) -> bool {
        self.segments_bytes + self.segment_bytes > log_bytes_max
    }
}

/// A batch: where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    segment: u64,
    position: u64,
    bytes: u64,
}

/// A shard's directory.
#[derive(Clone, Debug)]
pub struct SimDisk {
    files: BTreeMap<FileName, File>,
    pending: Vec<Pending>,
    /// Bytes all files may have together; a full disk.
    bytes_max: u64,
    /// What a crash keeps or loses whole.
    sector_bytes: usize,
    /// Batches in the order of the log, and whether they were synced; those of removed segments are forgotten.
    batches: Vec<(Place, bool)>,
    /// Blocks that cannot be read.
    unreadable: BTreeSet<(FileName, u64)>,
    /// Blocks that are not what was synced there.
    rot: BTreeSet<(FileName, u64)>,
    /// Segments whose head was harmed.
    harmed_heads: BTreeSet<u64>,
    /// Writes of a start until the process ends within it.
    writes_left: Option<u64>,
    /// Reads of a start fail by chance, until it has waited so long.
    shaky_ns: u64,
    /// What was removed, until it is told.
    pub removals: Vec<Removal>,
    /// Where a start's chance comes from.
    random: Random,
    /// What struck.
    pub fired: Fired,
}

impl SimDisk {
    /// An empty directory on a disk that nothing befalls.
    pub fn new() -> Self {
        Self::of_sectors(512, Random::new(0))
    }

    /// An empty directory on a disk that keeps or loses so many bytes whole.
    pub fn of_sectors(sector_bytes: usize, random: Random) -> Self {
        Self {
            files: BTreeMap::new(),
            pending: Vec::new(),
            bytes_max: u64::MAX,
            sector_bytes,
            batches: Vec::new(),
            unreadable: BTreeSet::new(),
            rot: BTreeSet::new(),
            harmed_heads: BTreeSet::new(),
            writes_left: None,
            shaky_ns: 0,
            removals: Vec::new(),
            random,
            fired: Fired::default(),
        }
    }

    /// The drive takes a write into its cache.
    pub fn write_unsynced(&mut self, file: FileName, position: u64, bytes: &[u8]) {
        self.pending.push(Pending { file, position, bytes: bytes.to_vec() });
    }

    /// An fdatasync of `file` ended well: its pending writes are durable.
    pub fn sync(&mut self, file: FileName) {
        let (synced, rest) =
            std::mem::take(&mut self.pending).into_iter().partition(|pending| pending.file == file);
        self.pending = rest;
        for Pending { file, position, bytes } in synced {
            self.files.entry(file).or_default().write(position, &bytes);
            // A new sector is mapped in where an old one could not be read.
            let written = position..position + length(&bytes);
            self.end_rot(file, &written);
            self.unreadable.retain(|(bad, at)| *bad != file || !written.contains(at));
        }
    }

    /// The drive takes a batch into its cache.
    pub fn write_batch(&mut self, segment: u64, position: u64, batch: &[u8]) {
        self.batches.retain(|(place, _)| (place.segment, place.position) != (segment, position));
        self.batches.push((Place { segment, position, bytes: length(batch) }, false));
        self.write_unsynced(FileName::Segment(segment), position, batch);
    }

    /// The batch taken last is durable.
    pub fn sync_batch(&mut self, segment: u64) {
        self.sync(FileName::Segment(segment));
        if let Some((_, is_synced)) = self.batches.last_mut() {
            *is_synced = true;
        }
    }

    /// From now on there is room for so many bytes more.
    pub fn fill_up(&mut self, bytes_left: u64) {
        self.bytes_max = self.used_bytes() + bytes_left;
    }

    /// There is room again.
    pub fn free_up(&mut self) {
        self.bytes_max = u64::MAX;
    }

    /// The next start ends after so many of its writes.
    pub fn end_start_after(&mut self, writes: u64) {
        self.writes_left = Some(writes);
    }

    /// Reads of the next start fail by chance, for so many nanoseconds.
    pub fn shake_start(&mut self, span_ns: u64) {
        self.shaky_ns = span_ns;
    }

    /// Whether a start was to end early and did.
    pub fn has_ended_start(&mut self) -> bool {
        let ended = self.writes_left == Some(0);
        self.writes_left = None;
        ended
    }

    /// Reads as the running machine does: the drive's cache counts.
    ///
    /// # Errors
    /// The medium's.
    pub fn read_running(
        &self,
        file: FileName,
        position: u64,
        into: &mut [u8],
    ) -> Result<(), DiskFault> {
        self.read_medium(file, position, into)?;
        for pending in self.pending.iter().filter(|pending| pending.file == file) {
            overlay(position, into, pending.position, &pending.bytes);
        }
        Ok(())
    }

    fn read_medium(&self, file: FileName, position: u64, into: &mut [u8]) -> Result<(), DiskFault> {
        self.files.get(&file).ok_or(DiskFault::Missing)?.read(position, into)?;
        let first = position / BLOCK_BYTES as u64 * BLOCK_BYTES as u64;
        let end = position + length(into);
        match self.unreadable.range((file, first)..(file, end)).next() {
            Some(_) => Err(DiskFault::Errno(EIO)),
            None => Ok(()),
        }
    }

    /// One copy of the superblock is written and synced.
    fn write_superblock_copy(&mut self, number: u64, copy: &[u8]) {
        self.files.entry(FileName::Superblock).or_default().write(number * 4096, copy);
        self.end_rot(FileName::Superblock, &(number * 4096..(number + 1) * 4096));
    }

    fn used_bytes(&self) -> u64 {
        self.files.values().map(|file| file.bytes).sum()
    }

    fn has_room(&mut self, bytes: u64) -> bool {
        let has_room = self.used_bytes() + bytes <= self.bytes_max;
        self.fired.refused_space += u64::from(!has_room);
        has_room
    }

    fn prepare(&mut self, segment: u64, bytes: u64) -> Result<(), DiskFault> {
        let has_room = self.has_room(bytes);
        // What a full disk leaves of a file is short.
        let bytes = if has_room { bytes } else { self.random.below(bytes / 4096) * 4096 };
        self.put(FileName::Segment(segment), File::of_zeroes(bytes));
        if has_room { Ok(()) } else { Err(DiskFault::NoSpace) }
    }

    fn replace(&mut self, file: FileName, bytes: &[u8]) -> Result<(), DiskFault> {
        if !self.has_room(length(bytes)) {
            return Err(DiskFault::NoSpace);
        }
        let mut new = File::default();
        new.write(0, bytes);
        self.put(file, new);
        Ok(())
    }

    /// A new file under this name: nothing of an old one is left.
    fn put(&mut self, name: FileName, file: File) {
        self.files.insert(name, file);
        self.end_rot(name, &(0..u64::MAX));
        self.unreadable.retain(|(bad, _)| *bad != name);
    }

    fn remove(&mut self, file: FileName) {
        self.note_removal(file);
        self.files.remove(&file);
        self.end_rot(file, &(0..u64::MAX));
        self.unreadable.retain(|(bad, _)| *bad != file);
        if let FileName::Segment(number) = file {
            self.batches.retain(|(place, _)| place.segment != number);
        }
    }

    fn note_removal(&mut self, file: FileName) {
        let Some(segment_bytes) = self.files.get(&file).map(|file| file.bytes) else { return };
        let is_segment = |name: &FileName| matches!(name, FileName::Segment(_));
        let segments = self.files.iter().filter(|(name, _)| is_segment(name));
        let synced = self.batches.iter().filter(|(_, is_synced)| *is_synced);
        let synced: Vec<u64> = synced.map(|(place, _)| place.segment).collect();
        let newer = self.files.range((Excluded(file), Unbounded)).next();
        self.removals.push(Removal {
            file,
            synced_batches: synced.iter().filter(|of| FileName::Segment(**of) == file).count(),
            is_oldest: synced.iter().all(|of| FileName::Segment(*of) >= file),
            segments_bytes: segments.map(|(_, segment)| segment.bytes).sum(),
            segment_bytes,
            has_newer_snapshot: newer
                .is_some_and(|(name, _)| matches!(name, FileName::Snapshot(_))),
        });
    }

    /// All index files are gone.
    pub fn remove_indexes(&mut self) {
        self.files.retain(|name, _| !matches!(name, FileName::Index(_)));
    }

    fn names(&self, number: impl Fn(FileName) -> Option<u64>) -> Vec<u64> {
        self.files.keys().filter_map(|name| number(*name)).collect()
    }

    /// Carries out a file task.
    ///
    /// # Errors
    /// No space, or no such file.
    pub fn carry_out(&mut self, plan: &Plan) -> Result<(), DiskFault> {
        match plan {
            Plan::Prepare { segment, bytes, .. } => self.prepare(*segment, *bytes)?,
            Plan::Recycle { from, segment, bytes, .. } => {
                self.fired.recycled += 1;
                self.remove(FileName::Segment(*from));
                self.prepare(*segment, *bytes)?;
            }
            Plan::WriteAt { file, position, bytes, .. } => {
                self.files.get_mut(file).ok_or(DiskFault::Missing)?.write(*position, bytes);
                self.end_rot(*file, &(*position..*position + length(bytes)));
            }
            Plan::WriteSuperblock { copy, .. } => {
                for number in 0..4 {
                    self.write_superblock_copy(number, copy);
                }
            }
            Plan::Replace { file, bytes, .. } => self.replace(*file, bytes)?,
            Plan::Remove { file, .. } => self.remove(*file),
            Plan::Flush { .. } | Plan::Read { .. } => unreachable!("not file tasks"),
        }
        Ok(())
    }
}

impl Default for SimDisk {
    fn default() -> Self {
        Self::new()
    }
}

/// The directory as a start sees it.
impl Disk for SimDisk {
    fn segments(&mut self) -> Result<Vec<u64>, DiskFault> {
        Ok(self
            .names(|name| if let FileName::Segment(number) = name { Some(number) } else { None }))
    }

    fn snapshots(&mut self) -> Result<Vec<u64>, DiskFault> {
        Ok(self.names(|name| if let FileName::Snapshot(index) = name { Some(index) } else { None }))
    }

    fn length(&mut self, file: FileName) -> Result<u64, DiskFault> {
        self.files.get(&file).map(|file| file.bytes).ok_or(DiskFault::Missing)
    }

    fn read(&mut self, file: FileName, position: u64, into: &mut [u8]) -> Result<(), DiskFault> {
        if self.shaky_ns > 0 && self.random.chance(700) {
            self.fired.shaky_reads += 1;
            return Err(DiskFault::Errno(EIO));
        }
        self.read_medium(file, position, into)
    }

    fn apply(&mut self, plan: &Plan) -> Result<(), DiskFault> {
        match &mut self.writes_left {
            Some(0) => return Err(DiskFault::Errno(EIO)),
            Some(left) => {
                *left -= 1;
                if *left == 0 {
                    let mut random = self.random.fork("interrupted");
                    self.interrupt(plan, &mut random);
                    return Err(DiskFault::Errno(EIO));
                }
            }
            None => {}
        }
        self.carry_out(plan)
    }

    fn free_bytes(&mut self) -> Result<u64, DiskFault> {
        Ok(self.bytes_max.saturating_sub(self.used_bytes()))
    }

    fn pause(&mut self, span_ns: u64) {
        self.shaky_ns = self.shaky_ns.saturating_sub(span_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_prepared_again_has_nothing_of_what_rotted_there() {
        let mut disk = SimDisk::new();
        let segment = FileName::Segment(1);
        disk.prepare(1, 1 << 20).expect("room");
        disk.write_batch(1, 8192, &[1; BLOCK_BYTES]);
        disk.sync_batch(1);
        disk.note_rot(segment, 8192);
        disk.unreadable.insert((segment, 8192));
        assert_eq!(disk.rot.len(), 1);
        assert!(disk.read_running(segment, 8192, &mut [0; BLOCK_BYTES]).is_err());
        disk.prepare(1, 1 << 20).expect("room");
        assert!(disk.rot.is_empty());
        let mut read = [1; BLOCK_BYTES];
        disk.read_running(segment, 8192, &mut read).expect("readable");
        assert_eq!(read, [0; BLOCK_BYTES]);
    }
}
