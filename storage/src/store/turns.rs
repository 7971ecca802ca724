//! Turns: what a shard's turn wants from its store: a flush, and a bounded piece of the rest.
//!
//! Group commit without timers: a turn with something to flush starts the flush
//! at its end; while one is in flight the next gathers. Only notes that may ride
//! wait, at most 20 ms, for something to ride with.

use super::Store;
use super::notes::Urgency;
use crate::plan::{DiskFault, OpId, Plan};

/// How long a note that rides waits for company.
const RIDE_NS: u64 = 20_000_000;
/// Between pieces of background work when nothing else calls for a turn.
const PIECE_NS: u64 = 100_000;
/// Until a finding is looked at again whose index is being read.
const YIELD_NS: u64 = 5_000_000;

/// Whether a flush is wanted.
#[derive(Debug, Default)]
pub(super) struct FlushWish {
    at_once: bool,
    rides: bool,
    rides_since_ns: Option<u64>,
}

impl FlushWish {
    pub(super) const fn now(&mut self) {
        self.at_once = true;
    }

    pub(super) const fn note(&mut self, urgency: Urgency) {
        match urgency {
            Urgency::AtOnce => self.at_once = true,
            Urgency::Rides => self.rides = true,
        }
    }

    fn is_due(&mut self, mono_ns: u64) -> bool {
        if self.rides {
            let since = *self.rides_since_ns.get_or_insert(mono_ns);
            self.at_once |= mono_ns >= since + RIDE_NS;
        }
        self.at_once
    }

    fn deadline_ns(&self) -> Option<u64> {
        // Without a flush in flight `at_once` is served in the turn that sees it.
        self.rides_since_ns.filter(|_| !self.at_once).map(|since| since + RIDE_NS)
    }
}

impl Store {
    /// Says what to do now: start a flush if none is in flight and something waits, prepare, seal, snapshot, retain. Called at each turn's end.
    pub fn turn(&mut self, mono_ns: u64, wall_ns: u64, plans: &mut Vec<Plan>) {
        self.now_ns = mono_ns;
        self.reader.wake(mono_ns);
        plans.append(&mut self.reader.plans);
        self.log.maintain(mono_ns, &mut self.ops, plans);
        if self.notes.is_waiting() {
            self.retry_notes();
        }
        if self.flush.is_due(mono_ns) && self.log.in_flight().is_none() {
            self.log.start_flush(wall_ns, &mut self.ops, plans);
            if !self.log.gathered() {
                self.flush = FlushWish::default();
            }
        }
        self.sweep_queues(mono_ns, wall_ns);
        self.retain(wall_ns, plans);
        self.cool(plans);
        self.take_snapshot(plans);
        self.scrub(wall_ns, plans);
    }

    /// When `turn` wants to be called though nothing happened (lazy notes wait 20 ms; retention), monotonic.
    pub fn deadline_ns(&self) -> Option<u64> {
        let busy = self.cooling.wants_turns() || self.snapshot_wants_turns() || self.is_sweeping();
        let naming = self.findings.wait().then_some(self.now_ns + YIELD_NS);
        let piece = busy.then_some(self.now_ns + PIECE_NS);
        let deadlines =
            [self.flush.deadline_ns(), self.log.deadline_ns(), self.sweep_deadline_ns(), piece];
        let reads = [self.scrub.deadline_ns(), self.reader.deadline_ns()];
        let deadlines = deadlines.into_iter().chain(reads).chain([naming]);
        deadlines.flatten().min()
    }

    /// A flush is on the disk. After this `durable_end` and `visible_end` have moved.
    pub fn flushed(&mut self, op: OpId) {
        if let Some(place) = self.log.flushed(op) {
            self.segments.flushed(place);
            self.snapshots.count_log_bytes(u64::from(place.bytes));
        }
    }

    /// A file task ended. `Err` = the process must end with code 74, except `NoSpace` on a prepare.
    ///
    /// # Errors
    /// The fault, when what failed was needed for what is acknowledged. No space
    /// for a snapshot or an index file is none: both are tried again later.
    pub fn file_done(&mut self, op: OpId, result: Result<(), DiskFault>) -> Result<(), DiskFault> {
        if self.log.file_done(op, result)? {
            return Ok(());
        }
        match result {
            Ok(()) | Err(DiskFault::NoSpace) => {
                self.index_written(op, result.is_ok());
                self.snapshot_written(op, result.is_ok());
                Ok(())
            }
            // What was to be removed is gone.
            Err(DiskFault::Missing) => Ok(()),
            Err(fault @ (DiskFault::Short | DiskFault::Errno(_))) => Err(fault),
        }
    }
}
