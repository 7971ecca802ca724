//! Pool: segments made ready ahead, so that a flush never waits for a file.
//!
//! One file is prepared at a time, so numbers are used in the order in which
//! they become ready. Written full of zeroes: a write into space that is only
//! fallocated must have its extents converted before it counts as done, which
//! costs more than writing every byte twice. Only when an append found nothing
//! ready the next is fallocated and no more, which takes no time. The one that a
//! start makes because there is none is short, so that it can be zeroes at once.
//!
//! The file of a segment that retention takes is the next one, up to one more than
//! the target: to delete it may stop the disk for as long as it takes to discard it.

use crate::plan::{DiskFault, FileName, OpId, OpIds, Plan};
use crate::segment::{HEAD_BYTES, batches_end};
use std::collections::VecDeque;

/// After the disk was full, it is tried again so often.
const RETRY_NS: u64 = 1_000_000_000;
/// Length of the segment that a start makes and waits for: some milliseconds of zeroes.
const FIRST_BYTES: u64 = 8 << 20;

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

/// An empty file: its number and length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ready {
    pub(crate) number: u64,
    pub(crate) bytes: u64,
}

/// Segments of a log that hold nothing yet.
#[derive(Debug)]
pub(crate) struct Pool {
    ready: VecDeque<Ready>,
    task: Task,
    /// Number of the file being made, or made next.
    next_number: u64,
    segment_bytes: u64,
    ready_target: usize,
    /// Of all segments together, those with batches included.
    segments_max: usize,
    /// An append found too little room: one more than the target, and at once.
    more: bool,
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
        let ready_target = ready_target.max(1);
        // One more by an append that found too little, one more by retention.
        let ready = VecDeque::with_capacity(ready_target + 2);
        Self {
            ready,
            task: Task::None,
            next_number,
            segment_bytes,
            ready_target,
            segments_max,
            more: false,
            now_ns: 0,
        }
    }

    /// Takes a file that recovery found, or made: it is empty.
    pub(crate) fn add(&mut self, ready: Ready) {
        self.ready.push_back(ready);
        self.next_number = self.next_number.max(ready.number + 1);
    }

    /// What a start makes when nothing is ready.
    pub(crate) fn first(&self) -> Ready {
        Ready { number: self.next_number, bytes: self.segment_bytes.min(FIRST_BYTES) }
    }

    /// How many are ready.
    pub(crate) fn ready_count(&self) -> usize {
        self.ready.len()
    }

    /// Room for batches in all that is ready, and in the next one alone, in bytes.
    pub(crate) fn ready_bytes(&self) -> (u64, u64) {
        let room = |ready: &Ready| u64::from(batches_end(ready.bytes) - HEAD_BYTES);
        (self.ready.iter().map(room).sum(), self.ready.front().map_or(0, room))
    }

    /// The next segment to write to.
    pub(crate) fn take(&mut self) -> Option<Ready> {
        self.ready.pop_front()
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

    /// What is ready is not enough for somebody.
    pub(crate) fn want_more(&mut self) {
        self.more = true;
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

    /// Whether one is being made.
    pub(crate) const fn is_making(&self) -> bool {
        matches!(self.task, Task::Prepare(_))
    }

    /// Whether one more is ready, or being made, than there should be.
    pub(crate) fn is_ahead(&self) -> bool {
        self.ready.len() + usize::from(self.is_making()) > self.ready_target
    }

    /// Makes the next file of a segment that is gone, if it has its length and nobody waits for one:
    /// zeroes take their time. `used` segments hold batches, that one not counted. `None`: it is to be deleted.
    pub(crate) fn recycle(&mut self, op: OpId, gone: Ready, used: usize) -> Option<Plan> {
        let is_idle = matches!(self.task, Task::None | Task::Retry(_));
        let has_room = !self.is_ahead() && used + self.ready.len() < self.segments_max;
        if !is_idle || !has_room || self.more || gone.bytes != self.segment_bytes {
            return None;
        }
        self.task = Task::Prepare(op);
        let (from, segment, bytes) = (gone.number, self.next_number, self.segment_bytes);
        Some(Plan::Recycle { op, from, segment, bytes })
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
        let wanted = self.more || self.ready.len() < self.ready_target;
        if wanted && used + self.ready.len() < self.segments_max {
            let op = ops.draw();
            self.task = Task::Prepare(op);
            let (segment, bytes, zeroed) = (self.next_number, self.segment_bytes, !self.more);
            plans.push(Plan::Prepare { op, segment, bytes, zeroed });
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
                    self.more = false;
                    self.add(Ready { number: self.next_number, bytes: self.segment_bytes });
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

    fn make(pool: &mut Pool, mono_ns: u64, used: usize, ops: &mut OpIds) -> (u64, bool) {
        let (op, segment, zeroed) = prepared(turn(pool, mono_ns, used, ops).as_ref());
        assert_eq!(pool.file_done(op, Ok(())), Some(Ok(())));
        (segment, zeroed)
    }

    #[test]
    fn files_are_made_one_at_a_time_up_to_the_limit() {
        let mut ops = OpIds::default();
        let mut pool = Pool::new(MIB, 2, 4 * MIB, 1);
        let (op, ..) = prepared(turn(&mut pool, 0, 2, &mut ops).as_ref());
        assert!(turn(&mut pool, 0, 2, &mut ops).is_none(), "one at a time");
        assert_eq!(pool.file_done(op, Ok(())), Some(Ok(())));
        assert_eq!(make(&mut pool, 0, 2, &mut ops), (2, true));
        assert!(turn(&mut pool, 0, 2, &mut ops).is_none());
        assert!(pool.blocked(2), "2 used and 2 ready of 4");
        assert_eq!(
            [pool.take(), pool.take()].map(|ready| ready.map(|ready| ready.number)),
            [Some(1), Some(2)]
        );
        assert!(turn(&mut pool, 0, 4, &mut ops).is_none(), "the limit");
        assert!(turn(&mut pool, 0, 3, &mut ops).is_some());
    }

    #[test]
    fn zeroes_are_written_unless_an_append_found_nothing_ready() {
        let mut ops = OpIds::default();
        let mut pool = Pool::new(64 * MIB, 1, 999 * 64 * MIB, 1);
        assert_eq!(make(&mut pool, 0, 0, &mut ops), (1, true));
        pool.take();
        let (op, ..) = prepared(turn(&mut pool, 1, 1, &mut ops).as_ref());
        pool.want_more();
        assert!(turn(&mut pool, 2, 1, &mut ops).is_none(), "what is being made comes first");
        assert_eq!(pool.file_done(op, Ok(())), Some(Ok(())));
        pool.take();
        assert_eq!(make(&mut pool, 3, 2, &mut ops), (3, true), "what was wanted has come");
        pool.take();
        pool.want_more();
        assert_eq!(make(&mut pool, 4, 3, &mut ops), (4, false), "somebody waits");
        pool.take();
        assert_eq!(make(&mut pool, 5, 4, &mut ops), (5, true), "the rush is over");
    }

    #[test]
    fn the_file_of_a_segment_that_is_gone_is_the_next_one() {
        let mut ops = OpIds::default();
        let mut pool = Pool::new(MIB, 1, 9 * MIB, 7);
        let gone = |number| Ready { number, bytes: MIB };
        let mut recycle = |pool: &mut Pool, gone, used| {
            let plan = pool.recycle(ops.draw(), gone, used)?;
            let Plan::Recycle { op, from, segment, bytes } = plan else { panic!("{plan:?}") };
            assert_eq!(bytes, MIB);
            Some((op, from, segment))
        };
        let (first, from, segment) = recycle(&mut pool, gone(1), 3).expect("one is wanted");
        assert_eq!((from, segment, pool.is_ahead()), (1, 7, false));
        assert_eq!(recycle(&mut pool, gone(2), 3), None, "one at a time");
        assert_eq!(pool.file_done(first, Ok(())), Some(Ok(())));
        let (second, from, segment) = recycle(&mut pool, gone(2), 3).expect("and one more");
        assert_eq!((from, segment, pool.is_ahead()), (2, 8, true));
        assert_eq!(pool.file_done(second, Ok(())), Some(Ok(())));
        assert_eq!(recycle(&mut pool, gone(3), 3), None, "no third one");
        pool.take();
        assert_eq!(recycle(&mut pool, Ready { number: 3, bytes: MIB / 2 }, 3), None, "too short");
        assert_eq!(recycle(&mut pool, gone(3), 8), None, "the limit");
        pool.want_more();
        assert_eq!(recycle(&mut pool, gone(3), 3), None, "somebody waits, and zeroes take time");
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
