//! Helper: the thread that does a shard's file tasks, off the shard's core.
//!
//! Tasks are done one after another, in order. Both queues are bounded: a task is refused when
//! there is no room for its answer, so the helper never waits for the shard.
//!
//! Zeroes are written over the next segment at a pace, so that the flushes of the present one find the
//! disk free: several times as fast as segments are used up, and never slowly. Once another task waits,
//! or the shard is ending, without a pause.

use crate::core::{FileId, FileTask, IoFault, OperationId};
use crate::directory::ShardDir;
use crate::mailbox::Bell;
use crate::sys::host;
use rtrb::{Consumer, Producer, RingBuffer};
use std::fs::File;
use std::sync::Arc;
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

/// The slowest pace of zeroes, in bytes per second: a burst finds a segment ready in a third of a second.
const ZEROES_PER_SECOND_MIN: u64 = 192 << 20;
/// Zeroes are written so many times as fast as the segments before were used up.
const ZEROES_AHEAD: u64 = 4;
/// Tasks a shard may have waiting.
const TASKS_MAX: usize = 256;

/// A task that ended.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) operation: OperationId,
    pub(crate) result: Result<(), IoFault>,
    /// Files that are not what they were before; a segment made ready is opened for direct IO.
    pub(crate) changed: Vec<(FileId, Option<File>)>,
}

/// One shard's helper thread, seen from the shard.
#[derive(Debug)]
pub(crate) struct Helper {
    /// `None` once the helper was told to end.
    tasks: Option<Producer<(OperationId, FileTask)>>,
    done: Consumer<Done>,
    waiting: usize,
    thread: Option<JoinHandle<()>>,
}

impl Helper {
    /// Starts the thread; it rings `bell` for each task that ended.
    pub(crate) fn start(
        name: String,
        dir: ShardDir,
        bell: Arc<Bell>,
        core: Option<usize>,
    ) -> std::io::Result<Self> {
        let (tasks, task_queue) = RingBuffer::new(TASKS_MAX);
        let (done_queue, done) = RingBuffer::new(TASKS_MAX);
        let prepared_ns = host::mono_ns();
        let mut work = Work { dir, task_queue, done_queue, bell, prepared_ns };
        let thread = std::thread::Builder::new().name(name).spawn(move || {
            if let Some(core) = core {
                core_affinity::set_for_current(core_affinity::CoreId { id: core });
            }
            work.run();
        })?;
        Ok(Self { tasks: Some(tasks), done, waiting: 0, thread: Some(thread) })
    }

    /// Hands a task over; `false` when too many wait.
    #[must_use]
    pub(crate) fn give(&mut self, operation: OperationId, task: FileTask) -> bool {
        let Some(tasks) = &mut self.tasks else { return false };
        if self.waiting == TASKS_MAX || tasks.push((operation, task)).is_err() {
            return false;
        }
        self.waiting += 1;
        if let Some(thread) = self.thread.as_ref().map(JoinHandle::thread) {
            Thread::unpark(thread);
        }
        true
    }

    /// The next task that ended.
    pub(crate) fn take_done(&mut self) -> Option<Done> {
        let done = self.done.pop().ok()?;
        self.waiting -= 1;
        Some(done)
    }

    pub(crate) fn has_done(&self) -> bool {
        !self.done.is_empty()
    }
}

impl Drop for Helper {
    /// Lets the task in progress and those waiting end.
    fn drop(&mut self) {
        self.tasks = None;
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _panicked = thread.join();
        }
    }
}

/// What the thread works with.
struct Work {
    dir: ShardDir,
    task_queue: Consumer<(OperationId, FileTask)>,
    done_queue: Producer<Done>,
    bell: Arc<Bell>,
    /// When the segment before was begun.
    prepared_ns: u64,
}

impl Work {
    fn run(&mut self) {
        loop {
            // Asked before the last look: what was given before the end is done.
            let is_last_look = self.task_queue.is_abandoned();
            while let Ok((operation, task)) = self.task_queue.pop() {
                let done = self.carry_out(operation, &task);
                assert!(self.done_queue.push(done).is_ok(), "`give` keeps room for every answer");
                self.bell.ring();
            }
            if is_last_look {
                return;
            }
            std::thread::park();
        }
    }

    fn carry_out(&mut self, operation: OperationId, task: &FileTask) -> Done {
        let begun_ns = host::mono_ns();
        let bytes_per_second = self.pace(task, begun_ns);
        let Self { dir, task_queue, .. } = self;
        let result = dir.apply_at_pace(task, &mut |written_bytes| {
            let span_ns = written_bytes * 1_000_000_000 / bytes_per_second;
            rest_until(begun_ns + span_ns, task_queue);
        });
        let changed = match task {
            FileTask::Prepare { segment, .. } => vec![self.opened(*segment)],
            FileTask::Recycle { from, segment, .. } => {
                vec![(FileId::Segment(*from), None), self.opened(*segment)]
            }
            FileTask::Replace { file, .. } | FileTask::Remove { file } => vec![(*file, None)],
            FileTask::WriteAt { .. } | FileTask::WriteSuperblock { .. } => Vec::new(),
        };
        Done { operation, result: result.map_err(IoFault::from), changed }
    }

    fn opened(&self, segment: u64) -> (FileId, Option<File>) {
        let file = FileId::Segment(segment);
        (file, self.dir.open_direct(file).ok())
    }

    /// How fast zeroes are written, in bytes per second.
    fn pace(&mut self, task: &FileTask, now_ns: u64) -> u64 {
        let (FileTask::Prepare { bytes, .. } | FileTask::Recycle { bytes, .. }) = task else {
            return ZEROES_PER_SECOND_MIN;
        };
        let since_ns = now_ns - std::mem::replace(&mut self.prepared_ns, now_ns);
        zeroes_per_second(*bytes, since_ns)
    }
}

/// How fast zeroes are written over a segment of `bytes` when the one before was wanted `since_ns` ago.
fn zeroes_per_second(bytes: u64, since_ns: u64) -> u64 {
    let used_per_second = bytes.saturating_mul(1_000_000_000) / since_ns.max(1);
    used_per_second.saturating_mul(ZEROES_AHEAD).max(ZEROES_PER_SECOND_MIN)
}

/// Rests until then, unless there is something to do.
fn rest_until(due_ns: u64, task_queue: &Consumer<(OperationId, FileTask)>) {
    while task_queue.is_empty() && !task_queue.is_abandoned() {
        let left_ns = due_ns.saturating_sub(host::mono_ns());
        if left_ns == 0 {
            return;
        }
        std::thread::park_timeout(Duration::from_nanos(left_ns));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeroes_keep_ahead_of_what_is_used() {
        let (segment_bytes, second_ns) = (64 << 20, 1_000_000_000);
        assert_eq!(zeroes_per_second(segment_bytes, 60 * second_ns), ZEROES_PER_SECOND_MIN);
        assert_eq!(zeroes_per_second(segment_bytes, second_ns / 10), 2560 << 20);
        assert!(zeroes_per_second(segment_bytes, 0) > 1 << 40, "and nothing is divided by zero");
    }

    #[test]
    fn tasks_end_in_order_and_the_rest_is_done_before_the_end() {
        let place = tempfile::tempdir().expect("a place");
        let dir = ShardDir::open(place.path(), false).expect("opens");
        let bell = Arc::new(Bell::new().expect("an eventfd"));
        let mut helper =
            Helper::start("helper".to_owned(), dir.again(), bell, None).expect("starts");
        for number in 0..3 {
            let task = FileTask::Prepare { segment: number, bytes: 4096, zeroed: true };
            assert!(helper.give(OperationId(number), task));
        }
        let mut ended = Vec::new();
        while ended.len() < 3 {
            ended.extend(
                helper
                    .take_done()
                    .map(|done| (done.operation.0, done.result, !done.changed.is_empty())),
            );
            std::hint::spin_loop();
        }
        assert_eq!(ended, [(0, Ok(()), true), (1, Ok(()), true), (2, Ok(()), true)]);
        assert!(helper.give(OperationId(3), FileTask::Remove { file: FileId::Segment(1) }));
        drop(helper);
        assert_eq!(dir.again().segments(), Ok(vec![0, 2]));
    }

    #[test]
    fn a_recycled_segment_is_opened_and_forgotten_under_its_old_name() {
        let place = tempfile::tempdir().expect("a place");
        let dir = ShardDir::open(place.path(), false).expect("opens");
        let bell = Arc::new(Bell::new().expect("an eventfd"));
        let mut helper = Helper::start("helper".to_owned(), dir, bell, None).expect("starts");
        let made = FileTask::Prepare { segment: 1, bytes: 4096, zeroed: true };
        assert!(helper.give(OperationId(1), made));
        let recycled = FileTask::Recycle { from: 1, segment: 2, bytes: 4096 };
        assert!(helper.give(OperationId(2), recycled));
        let mut changed = Vec::new();
        while changed.len() < 3 {
            changed.extend(helper.take_done().into_iter().flat_map(|done| done.changed));
            std::hint::spin_loop();
        }
        let changed: Vec<_> = changed.iter().map(|(id, file)| (*id, file.is_some())).collect();
        let (first, second) = (FileId::Segment(1), FileId::Segment(2));
        assert_eq!(changed, [(first, true), (first, false), (second, true)]);
    }

    #[test]
    fn a_slow_task_hurries_when_another_waits_or_the_shard_ends() {
        let (mut tasks, task_queue) = RingBuffer::new(1);
        let task = FileTask::Remove { file: FileId::Index(1) };
        tasks.push((OperationId(1), task)).expect("room for one");
        rest_until(u64::MAX, &task_queue);
        let (ended, task_queue) = RingBuffer::new(1);
        drop(ended);
        rest_until(u64::MAX, &task_queue);
        let (_alive, task_queue) = RingBuffer::<(OperationId, FileTask)>::new(1);
        rest_until(host::mono_ns(), &task_queue);
    }

    #[test]
    fn too_many_tasks_are_refused() {
        let place = tempfile::tempdir().expect("a place");
        let dir = ShardDir::open(place.path(), false).expect("opens");
        let bell = Arc::new(Bell::new().expect("an eventfd"));
        let mut helper = Helper::start("helper".to_owned(), dir, bell, None).expect("starts");
        let remove = || FileTask::Remove { file: FileId::Index(1) };
        let taken =
            (0..=TASKS_MAX as u64).take_while(|number| helper.give(OperationId(*number), remove()));
        assert_eq!(taken.count(), TASKS_MAX, "answers not taken count too");
    }
}
