//! MemoryDisk: a shard's directory in memory, for tests. What it is told is done at once, whole.

use crate::broker::disk::name_of;
use bytes::Bytes;
use shard::FileTask;
use std::collections::BTreeMap;
use storage::plan::{Disk, DiskFault, FileName, Plan};

/// Bytes it says are free.
const FREE_BYTES: u64 = 1 << 40;

/// Files by their role.
#[derive(Clone, Debug, Default)]
pub(super) struct MemoryDisk {
    files: BTreeMap<FileName, Vec<u8>>,
}

impl MemoryDisk {
    /// Writes at a position; the file grows as needed.
    pub(super) fn write(&mut self, file: FileName, position: u64, bytes: &[u8]) {
        let from = usize::try_from(position).expect("tests write small files");
        let contents = self.files.entry(file).or_default();
        contents.resize(contents.len().max(from + bytes.len()), 0);
        contents[from..from + bytes.len()].copy_from_slice(bytes);
    }

    /// Does the work of the helper thread.
    pub(super) fn do_task(&mut self, task: FileTask) {
        match task {
            FileTask::Prepare { segment, bytes, .. } => self.prepare(segment, bytes),
            FileTask::WriteAt { file, position, bytes } => {
                self.write(name_of(file), position, &bytes);
            }
            FileTask::WriteSuperblock { copy } => self.write_superblock(&copy),
            FileTask::Replace { file, bytes } => self.replace(name_of(file), &bytes),
            FileTask::Remove { file } => self.remove(name_of(file)),
        }
    }

    fn prepare(&mut self, segment: u64, bytes: u64) {
        let length = usize::try_from(bytes).expect("tests use small segments");
        self.files.insert(FileName::Segment(segment), vec![0; length]);
    }

    fn write_superblock(&mut self, copy: &[u8]) {
        self.files.insert(FileName::Superblock, copy.repeat(4));
    }

    fn replace(&mut self, file: FileName, bytes: &Bytes) {
        self.files.insert(file, bytes.to_vec());
    }

    fn remove(&mut self, file: FileName) {
        self.files.remove(&file);
    }
}

impl Disk for MemoryDisk {
    fn segments(&mut self) -> Result<Vec<u64>, DiskFault> {
        let number = |name: &FileName| match name {
            FileName::Segment(number) => Some(*number),
            FileName::Index(_) | FileName::Snapshot(_) | FileName::Superblock => None,
        };
        Ok(self.files.keys().filter_map(number).collect())
    }

    fn snapshots(&mut self) -> Result<Vec<u64>, DiskFault> {
        let index = |name: &FileName| match name {
            FileName::Snapshot(index) => Some(*index),
            FileName::Index(_) | FileName::Segment(_) | FileName::Superblock => None,
        };
        Ok(self.files.keys().filter_map(index).collect())
    }

    fn length(&mut self, file: FileName) -> Result<u64, DiskFault> {
        self.files.get(&file).map(|bytes| bytes.len() as u64).ok_or(DiskFault::Missing)
    }

    fn read(&mut self, file: FileName, position: u64, into: &mut [u8]) -> Result<(), DiskFault> {
        let contents = self.files.get(&file).ok_or(DiskFault::Missing)?;
        let from = usize::try_from(position).map_err(|_| DiskFault::Short)?;
        into.copy_from_slice(contents.get(from..from + into.len()).ok_or(DiskFault::Short)?);
        Ok(())
    }

    fn apply(&mut self, plan: &Plan) -> Result<(), DiskFault> {
        match plan {
            Plan::Prepare { segment, bytes, .. } => self.prepare(*segment, *bytes),
            Plan::WriteAt { file, position, bytes, .. } => self.write(*file, *position, bytes),
            Plan::WriteSuperblock { copy, .. } => self.write_superblock(copy),
            Plan::Replace { file, bytes, .. } => self.replace(*file, bytes),
            Plan::Remove { file, .. } => self.remove(*file),
            Plan::Flush { .. } | Plan::Read { .. } => unreachable!("not a file task: {plan:?}"),
        }
        Ok(())
    }

    fn free_bytes(&mut self) -> Result<u64, DiskFault> {
        Ok(FREE_BYTES)
    }
}
