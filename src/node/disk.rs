//! Disk: a shard's directory as storage reads it at start.
//!
//! The pillars do not know each other; this translates between their words.

use crate::broker::disk::file_of;
use shard::FileTask;
use shard::{FileFault, ShardDir};
use storage::plan::{Disk, DiskFault, FileName, Plan};

/// Storage's view of a shard's directory.
#[derive(Debug)]
pub struct ShardDisk<'a>(pub &'a mut ShardDir);

impl Disk for ShardDisk<'_> {
    fn segments(&mut self) -> Result<Vec<u64>, DiskFault> {
        self.0.segments().map_err(fault_of)
    }

    fn snapshots(&mut self) -> Result<Vec<u64>, DiskFault> {
        self.0.snapshots().map_err(fault_of)
    }

    fn length(&mut self, file: FileName) -> Result<u64, DiskFault> {
        self.0.length(file_of(file)).map_err(fault_of)
    }

    fn read(&mut self, file: FileName, position: u64, into: &mut [u8]) -> Result<(), DiskFault> {
        self.0.read(file_of(file), position, into).map_err(fault_of)
    }

    fn apply(&mut self, plan: &Plan) -> Result<(), DiskFault> {
        let task = match plan.clone() {
            Plan::Prepare { segment, bytes, zeroed, .. } => {
                FileTask::Prepare { segment, bytes, zeroed }
            }
            Plan::Recycle { from, segment, bytes, .. } => {
                FileTask::Recycle { from, segment, bytes }
            }
            Plan::WriteAt { file, position, bytes, .. } => {
                FileTask::WriteAt { file: file_of(file), position, bytes }
            }
            Plan::WriteSuperblock { copy, .. } => FileTask::WriteSuperblock { copy },
            Plan::Replace { file, bytes, .. } => FileTask::Replace { file: file_of(file), bytes },
            Plan::Remove { file, .. } => FileTask::Remove { file: file_of(file) },
            Plan::Flush { .. } | Plan::Read { .. } => {
                unreachable!("before a shard runs, storage flushes and reads nothing by plan")
            }
        };
        self.0.apply(&task).map_err(fault_of)
    }

    fn free_bytes(&mut self) -> Result<u64, DiskFault> {
        self.0.free_bytes().map_err(fault_of)
    }

    fn pause(&mut self, span_ns: u64) {
        self.0.pause(span_ns);
    }
}

fn fault_of(fault: FileFault) -> DiskFault {
    match fault {
        FileFault::NoSpace => DiskFault::NoSpace,
        FileFault::Short => DiskFault::Short,
        FileFault::Missing => DiskFault::Missing,
        FileFault::Errno(errno) => DiskFault::Errno(errno),
    }
}
