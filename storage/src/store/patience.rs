//! Patience: how long what cannot be read is tried again before it is taken for damage.
//!
//! A read that fails says nothing of the bytes: a path that comes back, or a drive
//! that finds its sector after all, gives them a moment later. What a reader is
//! told is gone stays gone for it, so nobody is told before a while has passed.
//! A drive that lost a sector for good delays those who need it, once. So it is with
//! a start, which has its patience once for all of its reads.

use crate::plan::{Disk, DiskFault, FileName, Plan};

/// Between one failed try and the next, in nanoseconds: 3.75 s together.
const PAUSES_NS: [u64; 5] = [50_000_000, 200_000_000, 500_000_000, 1_000_000_000, 2_000_000_000];

/// The pause after so many failed tries, of which there was one at least; `None`: they were enough.
pub(super) fn pause_ns(failures: usize) -> Option<u64> {
    PAUSES_NS.get(failures.checked_sub(1)?).copied()
}

/// A disk at a start: a read that fails is tried again, after pauses of 3.75 s together.
pub(super) struct Patient<'d> {
    disk: &'d mut dyn Disk,
    /// Tries that failed, of all reads.
    failures: usize,
}

impl<'d> Patient<'d> {
    pub(super) fn new(disk: &'d mut dyn Disk) -> Self {
        Self { disk, failures: 0 }
    }
}

impl Disk for Patient<'_> {
    fn segments(&mut self) -> Result<Vec<u64>, DiskFault> {
        self.disk.segments()
    }

    fn snapshots(&mut self) -> Result<Vec<u64>, DiskFault> {
        self.disk.snapshots()
    }

    fn length(&mut self, file: FileName) -> Result<u64, DiskFault> {
        self.disk.length(file)
    }

    fn read(&mut self, file: FileName, position: u64, into: &mut [u8]) -> Result<(), DiskFault> {
        loop {
            let read = self.disk.read(file, position, into);
            let Err(DiskFault::Errno(_)) = read else { return read };
            let Some(pause_ns) = pause_ns(self.failures + 1) else { return read };
            self.failures += 1;
            self.disk.pause(pause_ns);
        }
    }

    fn apply(&mut self, plan: &Plan) -> Result<(), DiskFault> {
        self.disk.apply(plan)
    }

    fn free_bytes(&mut self) -> Result<u64, DiskFault> {
        self.disk.free_bytes()
    }

    fn pause(&mut self, span_ns: u64) {
        self.disk.pause(span_ns);
    }
}
