//! Cooling: the entries of a sealed segment go from memory into its index file.
//!
//! ```text
//!   building --Replace--> writing --done--> releasing      a bounded piece of either a turn
//! ```
//!
//! Until a queue is released its entries serve reads; from then on its run
//! points to the file. The newest sealed segment stays hot, so that readers a
//! little behind the tail find their entries, unless the log needs its room.

use super::Store;
use super::segments::HOT_SEGMENTS_MAX;
use crate::index_file::IndexWriter;
use crate::plan::{FileName, OpId, Plan};
use crate::snapshot::ColdSegment;
use wire::{LogIndex, Offset, QueueId};

/// Queues handled in one turn.
const QUEUES_PER_TURN_MAX: usize = 1000;
/// Entries written to an index file in one turn.
const ENTRIES_PER_TURN_MAX: usize = 4096;

/// The segment being cooled.
#[derive(Debug)]
struct Segment {
    number: u64,
    /// Its batches.
    base: LogIndex,
    end: LogIndex,
    queues: Vec<QueueId>,
    /// Of `queues`, the next to be handled, and from which offset on.
    next: usize,
    next_offset: Offset,
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
        let hot_max = if self.cooling.pressed { 1 } else { HOT_SEGMENTS_MAX };
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
        let writer = IndexWriter::new(hot.number, hot.batches.clone(), hot.sections);
        let (number, base) = (hot.number, hot.base);
        let segment = Segment { number, base, end, queues, next: 0, next_offset: Offset(0) };
        Some((segment, Step::Building(writer)))
    }

    fn build(
        &mut self,
        segment: &mut Segment,
        mut writer: IndexWriter,
        plans: &mut Vec<Plan>,
    ) -> Step {
        let mut room = ENTRIES_PER_TURN_MAX;
        while let Some(id) = segment.queues.get(segment.next) {
            // A queue that was removed since costs a look-up, too.
            room = room.saturating_sub(1);
            let batches = segment.base..segment.end;
            let index = self.queues.get(id).map(|queue| &queue.index);
            let entries = index.map(|index| index.within(batches, segment.next_offset));
            for entry in entries.into_iter().flatten() {
                if room == 0 {
                    segment.next_offset = entry.first_offset;
                    writer.sum_up();
                    return Step::Building(writer);
                }
                room -= 1;
                writer.entry(*id, entry);
            }
            segment.next += 1;
            segment.next_offset = Offset(0);
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
        let piece = segment.next..(segment.next + QUEUES_PER_TURN_MAX).min(segment.queues.len());
        segment.next = piece.end;
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
