//! Pool: segments made ready ahead, so that a flush never waits for a file.
//!
//! One file is prepared at a time, so numbers are used in the order in which
//! they become ready. Written full of zeroes while nobody is in a hurry (a
//! durable append into zeroes costs half of one into fallocated space), only
//! fallocated when segments are used up faster than that.

use crate::plan::{DiskFault, FileName, OpId, OpIds, Plan};
use std::collections::VecDeque;

/// After the disk was full, it is tried again so often.
const RETRY_NS: u64 = 1_000_000_000;
/// A segment that lasted at least this leaves time to write zeroes over the next.
const ZEROES_NS: u64 = 1_000_000_000;

/// What the pool waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    None,
    /// A file is made.
    Prepare(OpId),
    /// What a full disk left of a file is deleted.
    CleanUp(OpId),
    /// The disk was full: the half-made file is to be deleted.
    Refused,
    /// The disk was full; not again before this, monotonic.
    Retry(u64),
}

/// Segments of a log that hold nothing yet.
#[derive(Debug)]
pub(crate) struct Pool {
    ready: VecDeque<u64>,
    task: Task,
    /// Number of the file being made, or made next.
    next_number: u64,
    segment_bytes: u64,
    ready_target: usize,
    /// Of all segments together, those with batches included.
    segments_max: usize,
    /// When the newest segment was taken, monotonic; `None` = not seen by `maintain` yet.
    taken_ns: Option<u64>,
    /// Whether segments go faster than zeroes can be written.
    hurry: bool,
    /// Monotonic time of the last `maintain`.
    now_ns: u64,
}

impl Pool {
    /// Empty; the first file gets `next_number`.
    pub(crate) fn new(
        segment_bytes: u64,
        ready_target: usize,
        log_bytes_max: u64,
        next_number: u64,
    ) -> Self {
        let segments_max =
            usize::try_from(log_bytes_max / segment_bytes).unwrap_or(usize::MAX).max(2);
        let ready = VecDeque::with_capacity(ready_target + 1);
        let ready_target = ready_target.max(1);
        Self {
            ready,
            task: Task::None,
            next_number,
            segment_bytes,
            ready_target,
            segments_max,
            taken_ns: Some(0),
            hurry: false,
            now_ns: 0,
        }
    }

    /// Takes a file that recovery found, or made: it is empty.
    pub(crate) fn add(&mut self, number: u64) {
        self.ready.push_back(number);
        self.next_number = self.next_number.max(number + 1);
    }

    /// Number of the file that would be made next.
    pub(crate) fn next_number(&self) -> u64 {
        self.next_number
    }

    /// How many are ready.
    pub(crate) fn ready_count(&self) -> usize {
        self.ready.len()
    }

    /// The next segment to write to.
    pub(crate) fn take(&mut self) -> Option<u64> {
        let number = self.ready.pop_front()?;
        self.taken_ns = None;
        Some(number)
    }

    /// How many files there are when `used` of them hold batches.
    pub(crate) fn file_count(&self, used: usize) -> usize {
        let unfinished = !matches!(self.task, Task::None | Task::Retry(_));
        used + self.ready.len() + usize::from(unfinished)
    }

    /// The most bytes of all files together.
    pub(crate) fn bytes_max(&self) -> u64 {
        self.segments_max as u64 * self.segment_bytes
    }

    /// Whether nothing can be made ready now: the limit is reached, or the disk is full.
    pub(crate) fn blocked(&self, used: usize) -> bool {
        let disk_full = matches!(self.task, Task::CleanUp(_) | Task::Refused | Task::Retry(_));
        let making = matches!(self.task, Task::Prepare(_));
        disk_full || (!making && used + self.ready.len() >= self.segments_max)
    }

    /// Space was freed: a full disk is tried again at once.
    pub(crate) fn space_freed(&mut self) {
        if let Task::Retry(at_ns) = &mut self.task {
            *at_ns = 0;
        }
    }

    /// When `maintain` has something to do though nothing happens, monotonic.
    pub(crate) fn deadline_ns(&self) -> Option<u64> {
        match self.task {
            Task::Retry(at_ns) => Some(at_ns),
            Task::None | Task::Prepare(_) | Task::CleanUp(_) | Task::Refused => None,
        }
    }

    /// Makes the next file ready if one is wanted and allowed. `used` segments hold batches.
    pub(crate) fn maintain(
        &mut self,
        mono_ns: u64,
        used: usize,
        ops: &mut OpIds,
        plans: &mut Vec<Plan>,
    ) {
        self.now_ns = mono_ns;
        self.watch_pace();
        match self.task {
            Task::Prepare(_) | Task::CleanUp(_) => return,
            Task::Refused => {
                let op = ops.draw();
                self.task = Task::CleanUp(op);
                plans.push(Plan::Remove { op, file: FileName::Segment(self.next_number) });
                return;
            }
            Task::Retry(0) | Task::None => {}
            Task::Retry(at_ns) if mono_ns < at_ns => return,
            Task::Retry(_) => {}
        }
        let wanted = self.ready.len() < self.ready_target;
        if wanted && used + self.ready.len() < self.segments_max {
            let op = ops.draw();
            self.task = Task::Prepare(op);
            let zeroed = !self.hurry && !self.ready.is_empty();
            let (segment, bytes) = (self.next_number, self.segment_bytes);
            plans.push(Plan::Prepare { op, segment, bytes, zeroed });
        }
    }

    /// Takes note of how long segments last, as their pace decides how the next is made.
    fn watch_pace(&mut self) {
        match self.taken_ns {
            None => (self.taken_ns, self.hurry) = (Some(self.now_ns), true),
            Some(taken_ns) if self.now_ns.saturating_sub(taken_ns) >= ZEROES_NS => {
                self.hurry = false;
            }
            Some(_) => {}
        }
    }

    /// A file task ended; `None` if it is not the pool's. A full disk is no fault here.
    pub(crate) fn file_done(
        &mut self,
        op: OpId,
        result: Result<(), DiskFault>,
    ) -> Option<Result<(), DiskFault>> {
        match self.task {
            Task::Prepare(prepare) if prepare == op => match result {
                Ok(()) => {
                    self.task = Task::None;
                    let number = self.next_number;
                    self.add(number);
                    Some(Ok(()))
                }
                Err(DiskFault::NoSpace) => {
                    self.task = Task::Refused;
                    Some(Ok(()))
                }
                Err(fault) => Some(Err(fault)),
            },
            Task::CleanUp(remove) if remove == op => {
                self.task = Task::Retry(self.now_ns + RETRY_NS);
                Some(match result {
                    Err(DiskFault::Missing) => Ok(()),
                    other => other,
                })
            }
            Task::None | Task::Prepare(_) | Task::CleanUp(_) | Task::Refused | Task::Retry(_) => {
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn turn(pool: &mut Pool, mono_ns: u64, used: usize, ops: &mut OpIds) -> Option<Plan> {
        let mut plans = Vec::new();
        pool.maintain(mono_ns, used, ops, &mut plans);
        assert!(plans.len() <= 1);
        plans.pop()
    }

    fn prepared(plan: Option<&Plan>) -> (OpId, u64, bool) {
        let Some(Plan::Prepare { op, segment, zeroed, .. }) = plan else {
            panic!("a file is to be made, not {plan:?}")
        };
        (*op, *segment, *zeroed)
    }

    #[test]
    fn files_are_made_one_at_a_time_up_to_the_limit() {
        let mut ops = OpIds::default();
        let mut pool = Pool::new(MIB, 2, 4 * MIB, 1);
        let (op, segment, zeroed) = prepared(turn(&mut pool, 5 * ZEROES_NS, 2, &mut ops).as_ref());
        assert_eq!((segment, zeroed), (1, false), "the first one in a hurry");
        assert!(turn(&mut pool, 0, 2, &mut ops).is_none(), "one at a time");
        assert_eq!(pool.file_done(op, Ok(())), Some(Ok(())));
        let (op, segment, zeroed) = prepared(turn(&mut pool, 5 * ZEROES_NS, 2, &mut ops).as_ref());
        assert_eq!((segment, zeroed), (2, true));
        assert_eq!(pool.file_done(op, Ok(())), Some(Ok(())));
        assert!(turn(&mut pool, 0, 2, &mut ops).is_none());
        assert!(pool.blocked(2), "2 used and 2 ready of 4");
        assert_eq!(pool.take(), Some(1));
        assert_eq!(pool.take(), Some(2));
        assert!(turn(&mut pool, 6 * ZEROES_NS, 4, &mut ops).is_none(), "the limit");
        let (_, _, zeroed) = prepared(turn(&mut pool, 6 * ZEROES_NS, 3, &mut ops).as_ref());
        assert!(!zeroed, "segments go fast");
    }

    #[test]
    fn a_full_disk_is_cleaned_up_and_tried_again() {
        let mut ops = OpIds::default();
        let mut pool = Pool::new(MIB, 1, 9 * MIB, 1);
        let (op, ..) = prepared(turn(&mut pool, 0, 1, &mut ops).as_ref());
        assert_eq!(pool.file_done(op, Err(DiskFault::NoSpace)), Some(Ok(())));
        assert!(pool.blocked(1));
        let Some(Plan::Remove { op, file }) = turn(&mut pool, 10, 1, &mut ops) else {
            panic!("the half-made file goes")
        };
        assert_eq!(file, FileName::Segment(1));
        assert_eq!(pool.file_done(op, Err(DiskFault::Missing)), Some(Ok(())));
        assert!(turn(&mut pool, 20, 1, &mut ops).is_none());
        assert_eq!(pool.deadline_ns(), Some(10 + RETRY_NS));
        pool.space_freed();
        let (op, segment, _) = prepared(turn(&mut pool, 20, 1, &mut ops).as_ref());
        assert_eq!(segment, 1);
        assert_eq!(pool.file_done(op, Err(DiskFault::Errno(5))), Some(Err(DiskFault::Errno(5))));
    }
}
