//! Disk: a shard's directory that loses what was not synced.
//!
//! ```text
//!   write --> pending (in the drive's cache) --fdatasync done--> durable
//!                 | crash: each 512-byte sector kept or lost, by chance
//! ```
//!
//! Files are sparse: a block that was never written reads as zeroes. Whole-file
//! tasks (replace, remove, prepare) happen or do not happen when a crash meets them.

use crate::random::Random;
use std::collections::{BTreeMap, BTreeSet};
use storage::plan::{Disk, DiskFault, FileName, Plan};

const SECTOR_BYTES: usize = 512;
const BLOCK_BYTES: u64 = 4096;
/// A segment begins with its header and room for more, as storage lays it out.
const HEAD_BLOCKS: u32 = 16;

/// One file: its length and the sectors ever written.
#[derive(Clone, Debug, Default)]
struct File {
    bytes: u64,
    sectors: BTreeMap<u64, [u8; SECTOR_BYTES]>,
}

impl File {
    fn write(&mut self, position: u64, bytes: &[u8]) {
        for (number, sector) in sectors_of(position, bytes) {
            self.sectors.insert(number, sector);
        }
        let end = position + u64::try_from(bytes.len()).expect("a length fits 64 bits");
        self.bytes = self.bytes.max(end);
    }

    fn read(&self, position: u64, into: &mut [u8]) -> Result<(), DiskFault> {
        let end = position + u64::try_from(into.len()).expect("a length fits 64 bits");
        if end > self.bytes {
            return Err(DiskFault::Short);
        }
        into.fill(0);
        let first = position / SECTOR_BYTES as u64;
        for (number, sector) in self.sectors.range(first..end.div_ceil(SECTOR_BYTES as u64)) {
            overlay(position, into, number * SECTOR_BYTES as u64, sector);
        }
        Ok(())
    }
}

/// Copies the part of `bytes`, which stand at `at`, that `into`, which stands at `position`, covers.
fn overlay(position: u64, into: &mut [u8], at: u64, bytes: &[u8]) {
    let length = |bytes: &[u8]| u64::try_from(bytes.len()).expect("a length fits 64 bits");
    let start = position.max(at);
    let end = (position + length(into)).min(at + length(bytes));
    if start < end {
        let place = |from: u64| usize::try_from(from).expect("within a slice");
        into[place(start - position)..place(end - position)]
            .copy_from_slice(&bytes[place(start - at)..place(end - at)]);
    }
}

/// A write the drive has taken and not yet made durable.
#[derive(Clone, Debug)]
struct Pending {
    file: FileName,
    position: u64,
    bytes: Vec<u8>,
}

/// A shard's directory.
#[derive(Clone, Debug, Default)]
pub struct SimDisk {
    files: BTreeMap<FileName, File>,
    pending: Vec<Pending>,
    /// Bytes all files may have together; a full disk.
    pub bytes_max: u64,
}

impl SimDisk {
    /// An empty directory.
    pub fn new() -> Self {
        Self { bytes_max: u64::MAX, ..Self::default() }
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
        }
    }

    /// Power is lost: of each pending write any set of sectors survives.
    pub fn crash(&mut self, random: &mut Random) {
        for pending in std::mem::take(&mut self.pending) {
            let file = self.files.entry(pending.file).or_default();
            let kept_parts = [0, 300, 700, 1000][random.index(4)];
            for (number, sector) in sectors_of(pending.position, &pending.bytes) {
                if random.chance(kept_parts) && (number + 1) * SECTOR_BYTES as u64 <= file.bytes {
                    file.sectors.insert(number, sector);
                }
            }
        }
    }

    /// Only the process died: what the drive took reaches the disk.
    pub fn process_crash(&mut self) {
        for Pending { file, position, bytes } in std::mem::take(&mut self.pending) {
            self.files.entry(file).or_default().write(position, &bytes);
        }
    }

    /// Flips one bit of a written sector of a segment; returns where, or `None` where nothing was written.
    pub fn rot(&mut self, random: &mut Random) -> Option<(FileName, u64)> {
        let written: Vec<(FileName, u64)> = self
            .files
            .iter()
            .filter(|(name, _)| matches!(name, FileName::Segment(_)))
            .flat_map(|(name, file)| file.sectors.keys().map(|sector| (*name, *sector)))
            .collect();
        if written.is_empty() {
            return None;
        }
        let (name, sector) = written[random.index(written.len())];
        let bytes = self.files.get_mut(&name)?.sectors.get_mut(&sector)?;
        bytes[random.index(SECTOR_BYTES)] ^= 1 << random.below(8);
        Some((name, sector * SECTOR_BYTES as u64))
    }

    /// A write went to the wrong place: a block of a segment holds what another one holds; which, or `None` where there are no two.
    pub fn misdirect(&mut self, random: &mut Random) -> Option<(FileName, u64)> {
        let with_batches = |(name, file): (&FileName, &File)| {
            let first = u64::from(HEAD_BLOCKS);
            let blocks: BTreeSet<u64> =
                file.sectors.keys().map(|sector| sector / 8).filter(|at| *at >= first).collect();
            (matches!(name, FileName::Segment(_)) && blocks.len() > 1)
                .then(|| (*name, blocks.into_iter().collect::<Vec<_>>()))
        };
        let segments: Vec<(FileName, Vec<u64>)> =
            self.files.iter().filter_map(with_batches).collect();
        if segments.is_empty() {
            return None;
        }
        let (name, blocks) = &segments[random.index(segments.len())];
        let (from, to) = (random.index(blocks.len()), random.index(blocks.len()));
        let (from, to) = (blocks[from] * BLOCK_BYTES, blocks[to] * BLOCK_BYTES);
        let mut block = [0; 4096];
        let file = self.files.get_mut(name)?;
        file.read(from, &mut block).ok()?;
        file.write(to, &block);
        Some((*name, to))
    }

    /// Reads as the running machine does: the drive's cache counts.
    pub fn read_running(
        &self,
        file: FileName,
        position: u64,
        into: &mut [u8],
    ) -> Result<(), DiskFault> {
        self.files.get(&file).ok_or(DiskFault::Missing)?.read(position, into)?;
        for pending in self.pending.iter().filter(|pending| pending.file == file) {
            overlay(position, into, pending.position, &pending.bytes);
        }
        Ok(())
    }

    /// One copy of the superblock is written and synced.
    pub fn write_superblock_copy(&mut self, number: u64, copy: &[u8]) {
        self.files.entry(FileName::Superblock).or_default().write(number * 4096, copy);
    }

    /// One copy of the superblock is being written when the power fails: its first sector begins new and ends old.
    pub fn shear_superblock_copy(&mut self, number: u64, copy: &[u8], random: &mut Random) {
        let mut block = copy.to_vec();
        let cut = 4 + random.index(120);
        let mut old = vec![0; block.len()];
        // Where there is no old copy, there are zeroes.
        let _ = self.read_running(FileName::Superblock, number * 4096, &mut old);
        block[cut..].copy_from_slice(&old[cut..]);
        self.write_superblock_copy(number, &block);
    }

    fn used_bytes(&self) -> u64 {
        self.files.values().map(|file| file.bytes).sum()
    }

    fn replace(&mut self, file: FileName, bytes: &[u8]) {
        let mut new = File::default();
        new.write(0, bytes);
        new.bytes = u64::try_from(bytes.len()).expect("a length fits 64 bits");
        self.files.insert(file, new);
    }

    fn names(&self, number: impl Fn(FileName) -> Option<u64>) -> Vec<u64> {
        self.files.keys().filter_map(|name| number(*name)).collect()
    }
}

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
        self.files.get(&file).ok_or(DiskFault::Missing)?.read(position, into)
    }

    fn apply(&mut self, plan: &Plan) -> Result<(), DiskFault> {
        match plan {
            Plan::Prepare { segment, bytes, .. } => {
                if self.used_bytes() + bytes > self.bytes_max {
                    return Err(DiskFault::NoSpace);
                }
                let file = File { bytes: *bytes, sectors: BTreeMap::new() };
                self.files.insert(FileName::Segment(*segment), file);
            }
            Plan::WriteAt { file, position, bytes, .. } => {
                self.files.get_mut(file).ok_or(DiskFault::Missing)?.write(*position, bytes);
            }
            Plan::WriteSuperblock { copy, .. } => {
                for number in 0..4 {
                    self.write_superblock_copy(number, copy);
                }
            }
            Plan::Replace { file, bytes, .. } => self.replace(*file, bytes),
            Plan::Remove { file, .. } => {
                self.files.remove(file);
            }
            Plan::Flush { .. } | Plan::Read { .. } => unreachable!("not file tasks"),
        }
        Ok(())
    }

    fn free_bytes(&mut self) -> Result<u64, DiskFault> {
        Ok(self.bytes_max.saturating_sub(self.used_bytes()))
    }
}

/// The sectors of a write; the last one is padded with zeroes.
fn sectors_of(position: u64, bytes: &[u8]) -> impl Iterator<Item = (u64, [u8; SECTOR_BYTES])> {
    assert!(position.is_multiple_of(SECTOR_BYTES as u64), "direct writes are aligned");
    let first = position / SECTOR_BYTES as u64;
    (first..).zip(bytes.chunks(SECTOR_BYTES)).map(|(number, chunk)| {
        let mut sector = [0; SECTOR_BYTES];
        sector[..chunk.len()].copy_from_slice(chunk);
        (number, sector)
    })
}
