//! A disk in memory for tests: carries out plans, loses what was not synced, tears by sectors.

use crate::plan::{Disk, DiskFault, FileName, OpId, Plan};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

const SECTOR: usize = 512;
const COPY: usize = 4096;

/// What a plan ended as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    Flushed(OpId),
    Read(OpId, Result<Bytes, DiskFault>),
    File(OpId, Result<(), DiskFault>),
}

/// The synced image of a shard's directory.
#[derive(Clone, Debug)]
pub(crate) struct FakeDisk {
    pub(crate) files: BTreeMap<FileName, Vec<u8>>,
    /// All files together, in bytes.
    pub(crate) bytes_max: u64,
    /// Blocks whose reading fails: file and block number.
    pub(crate) unreadable: BTreeSet<(FileName, u64)>,
    /// No read succeeds before so many nanoseconds were waited.
    pub(crate) away_ns: u64,
}

impl FakeDisk {
    pub(crate) fn new() -> Self {
        Self { files: BTreeMap::new(), bytes_max: 1 << 30, unreadable: BTreeSet::new(), away_ns: 0 }
    }

    /// Carries out a plan whole; what it wrote is synced.
    pub(crate) fn carry_out(&mut self, plan: &Plan) -> Done {
        match plan {
            Plan::Flush { op, .. } => {
                self.write_sectors(plan, &mut |_| true);
                Done::Flushed(*op)
            }
            Plan::Read { op, file, position, bytes } => {
                let mut into = vec![0; *bytes as usize];
                let read = self.read(*file, *position, &mut into);
                Done::Read(*op, read.map(|()| Bytes::from(into)))
            }
            Plan::Prepare { op, .. }
            | Plan::Recycle { op, .. }
            | Plan::WriteAt { op, .. }
            | Plan::WriteSuperblock { op, .. }
            | Plan::Replace { op, .. }
            | Plan::Remove { op, .. } => {
                let result = self.apply(plan);
                Done::File(*op, result)
            }
        }
    }

    /// Loses power while a plan is carried out: only the sectors that `landed` tells of are there, by their number in the plan.
    pub(crate) fn crash_during(&mut self, plan: &Plan, landed: &mut dyn FnMut(usize) -> bool) {
        match plan {
            Plan::Flush { .. } | Plan::WriteAt { .. } | Plan::WriteSuperblock { .. } => {
                self.write_sectors(plan, landed);
            }
            // Whole or not at all.
            Plan::Replace { .. } | Plan::Remove { .. } if landed(0) => {
                let _ = self.apply(plan);
            }
            Plan::Prepare { segment, bytes, .. } => {
                let sectors = (0_usize..8).filter(|nth| landed(*nth)).count() as u64;
                self.put_zeroes(*segment, bytes * sectors / 8);
            }
            // It is gone under its old name, and has its new one only when it is whole.
            Plan::Recycle { from, .. } if landed(0) => {
                if (1_usize..8).all(landed) {
                    let _ = self.apply(plan);
                } else {
                    self.files.remove(&FileName::Segment(*from));
                }
            }
            Plan::Replace { .. }
            | Plan::Remove { .. }
            | Plan::Recycle { .. }
            | Plan::Read { .. } => {}
        }
    }

    /// How many sectors a plan writes.
    pub(crate) fn sector_count(plan: &Plan) -> usize {
        writes(plan).iter().map(|(_, _, bytes)| bytes.len() / SECTOR).sum()
    }

    /// The bytes of a segment.
    pub(crate) fn segment(&mut self, number: u64) -> &mut Vec<u8> {
        self.files.get_mut(&FileName::Segment(number)).expect("the segment is there")
    }

    fn write_sectors(&mut self, plan: &Plan, landed: &mut dyn FnMut(usize) -> bool) {
        let mut number = 0;
        for (file, position, bytes) in writes(plan) {
            let contents = self.files.entry(file).or_default();
            for (nth, sector) in bytes.chunks(SECTOR).enumerate() {
                if landed(number) {
                    let from = usize::try_from(position).expect("small") + nth * SECTOR;
                    if contents.len() < from + sector.len() {
                        contents.resize(from + sector.len(), 0);
                    }
                    contents[from..from + sector.len()].copy_from_slice(sector);
                }
                number += 1;
            }
        }
    }

    fn put_zeroes(&mut self, segment: u64, bytes: u64) {
        let length = usize::try_from(bytes).expect("small");
        self.files.insert(FileName::Segment(segment), vec![0; length]);
    }

    fn used_bytes(&self) -> u64 {
        self.files.values().map(|bytes| bytes.len() as u64).sum()
    }
}

/// The writes of a plan, in order.
fn writes(plan: &Plan) -> Vec<(FileName, u64, Bytes)> {
    match plan {
        Plan::Flush { segment, head, position, batch, .. } => {
            let file = FileName::Segment(*segment);
            let head = head.iter().map(|head| (file, 0, head.clone()));
            head.chain([(file, u64::from(*position), batch.clone())]).collect()
        }
        Plan::WriteAt { file, position, bytes, .. } => vec![(*file, *position, bytes.clone())],
        Plan::WriteSuperblock { copy, .. } => {
            let place = |nth: usize| (FileName::Superblock, (nth * COPY) as u64, copy.clone());
            (0..4).map(place).collect()
        }
        Plan::Read { .. }
        | Plan::Prepare { .. }
        | Plan::Recycle { .. }
        | Plan::Replace { .. }
        | Plan::Remove { .. } => Vec::new(),
    }
}

impl Disk for FakeDisk {
    fn segments(&mut self) -> Result<Vec<u64>, DiskFault> {
        let number = |file: &FileName| match file {
            FileName::Segment(number) => Some(*number),
            FileName::Index(_) | FileName::Snapshot(_) | FileName::Superblock => None,
        };
        Ok(self.files.keys().filter_map(number).collect())
    }

    fn snapshots(&mut self) -> Result<Vec<u64>, DiskFault> {
        let index = |file: &FileName| match file {
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
        let from = usize::try_from(position).expect("small");
        let bytes = contents.get(from..from + into.len()).ok_or(DiskFault::Short)?;
        let blocks = position / COPY as u64..(position + into.len() as u64).div_ceil(COPY as u64);
        if self.away_ns > 0
            || blocks.into_iter().any(|block| self.unreadable.contains(&(file, block)))
        {
            return Err(DiskFault::Errno(5));
        }
        into.copy_from_slice(bytes);
        Ok(())
    }

    fn apply(&mut self, plan: &Plan) -> Result<(), DiskFault> {
        match plan {
            Plan::Prepare { segment, bytes, .. } => {
                if self.used_bytes() + bytes > self.bytes_max {
                    return Err(DiskFault::NoSpace);
                }
                self.put_zeroes(*segment, *bytes);
            }
            Plan::Recycle { from, segment, bytes, .. } => {
                self.files.remove(&FileName::Segment(*from));
                self.put_zeroes(*segment, *bytes);
            }
            Plan::Replace { file, bytes, .. } => {
                self.files.insert(*file, bytes.to_vec());
            }
            Plan::Remove { file, .. } => {
                self.files.remove(file).ok_or(DiskFault::Missing)?;
            }
            Plan::WriteAt { file, .. } if !self.files.contains_key(file) => {
                return Err(DiskFault::Missing);
            }
            Plan::WriteAt { .. } | Plan::WriteSuperblock { .. } => {
                self.write_sectors(plan, &mut |_| true);
            }
            Plan::Flush { .. } | Plan::Read { .. } => panic!("not a file task: {plan:?}"),
        }
        Ok(())
    }

    fn free_bytes(&mut self) -> Result<u64, DiskFault> {
        Ok(self.bytes_max.saturating_sub(self.used_bytes()))
    }

    fn pause(&mut self, span_ns: u64) {
        self.away_ns = self.away_ns.saturating_sub(span_ns);
    }
}
