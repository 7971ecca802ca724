//! Cooling: the entries of a sealed segment go from memory into its index file.
//!
//! ```text
//!   building, <= 1000 queues a turn --Replace--> writing --done--> releasing, <= 1000 queues a turn
//! ```
//!
//! Until a queue is released its entries serve reads; from then on its run
//! points to the file. The newest sealed segment stays hot, so that readers a
//! little behind the tail find their entries, unless the log needs its room.

use super::Store;
use crate::index_file::IndexWriter;
use crate::plan::{FileName, OpId, Plan};
use crate::snapshot::ColdSegment;
use wire::{LogIndex, QueueId};

/// Queues handled in one turn.
const QUEUES_PER_TURN_MAX: usize = 1000;
/// Hot segments kept: the one being written, and the newest sealed.
const HOT_SEGMENTS: usize = 2;

/// The segment being cooled.
#[derive(Debug)]
struct Segment {
    number: u64,
    /// Exclusive end of its batches.
    end: LogIndex,
    queues: Vec<QueueId>,
    next: usize,
}

#[derive(Debug)]
enum Step {
    Building(IndexWriter),
    Writing { op: OpId, index_bytes: u32 },
    Releasing,
}

/// What is being cooled, if anything.
#[derive(Debug, Default)]
pub(super) struct Cooling {
    job: Option<(Segment, Step)>,
    /// The log needs room: only the segment being written stays hot.
    pressed: bool,
}

impl Segment {
    /// The next queues to be handled.
    fn piece(&mut self) -> std::ops::Range<usize> {
        let start = self.next;
        self.next = (start + QUEUES_PER_TURN_MAX).min(self.queues.len());
        start..self.next
    }
}

impl Cooling {
    pub(super) fn wants_turns(&self) -> bool {
        matches!(&self.job, Some((_, Step::Building(_) | Step::Releasing)))
    }

    /// Whether this segment may not go yet.
    pub(super) fn holds(&self, segment: u64) -> bool {
        self.job.as_ref().is_some_and(|(cooled, _)| cooled.number == segment)
    }

    pub(super) const fn press(&mut self) {
        self.pressed = true;
    }
}

impl Store {
    /// Does one piece of cooling.
    pub(super) fn cool(&mut self, plans: &mut Vec<Plan>) {
        let Some((mut segment, step)) = self.cooling.job.take().or_else(|| self.next_to_cool())
        else {
            return;
        };
        let step = match step {
            Step::Building(writer) => Some(self.build(&mut segment, writer, plans)),
            step @ Step::Writing { .. } => Some(step),
            Step::Releasing => self.release(&mut segment),
        };
        self.cooling.job = step.map(|step| (segment, step));
    }

    /// The oldest hot segment, once it is sealed and durable.
    fn next_to_cool(&mut self) -> Option<(Segment, Step)> {
        let hot_max = if self.cooling.pressed { 1 } else { HOT_SEGMENTS };
        if self.segments.hot.len() <= hot_max {
            self.cooling.pressed = false;
            return None;
        }
        let end = self.segments.hot.get(1)?.base;
        if self.log.durable_end() < end {
            return None;
        }
        let hot = self.segments.hot.front_mut()?;
        let mut queues = std::mem::take(&mut hot.queues);
        queues.sort_unstable();
        queues.dedup();
        let writer = IndexWriter::new(hot.number, hot.batches.clone());
        let segment = Segment { number: hot.number, end, queues, next: 0 };
        Some((segment, Step::Building(writer)))
    }

    fn build(
        &mut self,
        segment: &mut Segment,
        mut writer: IndexWriter,
        plans: &mut Vec<Plan>,
    ) -> Step {
        let piece = segment.piece();
        let base = self.segments.start.index;
        for id in &segment.queues[piece] {
            if let Some(queue) = self.queues.get(id) {
                let entries = queue.index.below(segment.end).filter(|entry| entry.index >= base);
                writer.queue(*id, entries);
            }
        }
        if segment.next < segment.queues.len() {
            return Step::Building(writer);
        }
        segment.next = 0;
        let bytes = writer.finish();
        let index_bytes = u32::try_from(bytes.len()).unwrap_or(0);
        let op = self.ops.draw();
        plans.push(Plan::Replace { op, file: FileName::Index(segment.number), bytes });
        Step::Writing { op, index_bytes }
    }

    /// Lets go of the entries of some queues; `None` when all are done.
    fn release(&mut self, segment: &mut Segment) -> Option<Step> {
        let piece = segment.piece();
        for id in &segment.queues[piece] {
            if let Some(queue) = self.queues.get_mut(id) {
                queue.index.trim(self.segments.start);
                queue.index.cool(segment.number, segment.end);
            }
        }
        if segment.next < segment.queues.len() {
            return Some(Step::Releasing);
        }
        if self.segments.hot.front().is_some_and(|hot| hot.number == segment.number) {
            self.segments.hot.pop_front();
        }
        None
    }

    /// The index file is on the disk, or there was no room for it.
    pub(super) fn index_written(&mut self, op: OpId, done: bool) {
        let Some((segment, step)) = &mut self.cooling.job else { return };
        let Step::Writing { op: awaited, index_bytes } = step else { return };
        if *awaited != op {
            return;
        }
        // Without a file the segment is scanned when somebody asks for it.
        let index_bytes = if done { *index_bytes } else { 0 };
        let cold = ColdSegment { number: segment.number, end: segment.end, index_bytes };
        self.segments.cold.insert(segment.number, cold);
        *step = Step::Releasing;
    }
}
