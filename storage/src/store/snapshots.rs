//! Snapshots: taking one in chunks, while the store goes on.
//!
//! A chunk is taken only while nothing gathers, so that its stamp falls between
//! two batches: it contains all of every batch below, nothing of those above.
//! On a busy log that is right after a flush was started. When all chunks are
//! taken the file waits until the log is durable up to the highest stamp
//! (invariant 1 of `store`), then replaces nothing: it has a name of its own,
//! and the one before last is removed.

use super::{QueueLevel, Store};
use crate::plan::{FileName, OpId, Plan};
use crate::snapshot::{ChunkKind, Owner, SnapshotWriter};
use wire::{GroupId, LogIndex, ProducerId, QueueId};

/// Items of one chunk, taken in one turn.
const ITEMS_PER_TURN_MAX: usize = 1000;
/// Snapshots kept: the newest, and one before it in case the newest is damaged.
const KEPT: usize = 2;

/// After one for which there was no room.
const RETRY_NS: u64 = 1_000_000_000;

/// How far the taking is.
#[derive(Clone, Copy, Debug)]
enum Next {
    Queues(Option<QueueId>),
    Positions(Option<(QueueId, GroupId)>),
    Windows(Option<(ProducerId, QueueId)>),
    Producers(Option<ProducerId>),
    Catalog(usize),
    Durable,
}

#[derive(Debug)]
struct Taking {
    writer: SnapshotWriter,
    next: Next,
    /// Replay will start here.
    from: LogIndex,
    stamp_max: LogIndex,
}

#[derive(Debug)]
struct Writing {
    op: OpId,
    number: u64,
    from: LogIndex,
}

/// The snapshots of a store.
#[derive(Debug, Default)]
pub(super) struct Snapshots {
    /// Flushed since the last one began.
    log_bytes: u64,
    /// When the last one began, monotonic.
    begun_ns: u64,
    /// Since when one is due and waits for the cooling, monotonic.
    due_since_ns: Option<u64>,
    /// Retention waits for one that covers everything below.
    pub(super) wanted: Option<LogIndex>,
    /// There was no room for the last one: not before, monotonic.
    retry_at_ns: u64,
    taking: Option<Box<Taking>>,
    writing: Option<Writing>,
    /// On the disk, ascending.
    numbers: Vec<u64>,
    /// Batches below are covered by the newest durable one.
    pub(super) covered: LogIndex,
}

impl Snapshots {
    /// With these on the disk; the newest that checks covers everything below `covered`.
    pub(super) fn recovered(numbers: Vec<u64>, covered: LogIndex, log_bytes: u64) -> Self {
        Self { log_bytes, numbers, covered, ..Self::default() }
    }

    /// Whether some changes of the catalog were taken and others not yet.
    pub(super) fn is_among_catalog(&self) -> bool {
        let taking = self.taking.as_ref();
        taking.is_some_and(|taking| matches!(taking.next, Next::Catalog(from) if from > 0))
    }

    pub(super) fn has(&self, number: u64) -> bool {
        self.numbers.contains(&number)
    }

    #[cfg(test)]
    pub(super) fn numbers(&self) -> &[u64] {
        &self.numbers
    }

    /// The first one on the disk from this number on.
    pub(super) fn next_from(&self, number: u64) -> Option<u64> {
        self.numbers.iter().copied().find(|kept| *kept >= number)
    }

    pub(super) const fn count_log_bytes(&mut self, bytes: u64) {
        self.log_bytes += bytes;
    }
}

impl Store {
    /// Takes one chunk, or begins, or writes what was taken.
    pub(super) fn take_snapshot(&mut self, plans: &mut Vec<Plan>) {
        if self.snapshots.writing.is_some() {
            return;
        }
        if self.snapshots.taking.is_none() && self.snapshot_is_due() {
            self.begin_snapshot();
        }
        let Some(mut taking) = self.snapshots.taking.take() else { return };
        if matches!(taking.next, Next::Durable) {
            if self.log.durable_end() < taking.stamp_max {
                self.snapshots.taking = Some(taking);
            } else {
                self.write_snapshot(*taking, plans);
            }
            return;
        }
        if !self.log.gathered() {
            self.take_chunk(&mut taking);
        }
        self.snapshots.taking = Some(taking);
    }

    pub(super) fn snapshot_wants_turns(&self) -> bool {
        let taking = self.snapshots.taking.as_ref();
        taking.is_some_and(|taking| match taking.next {
            Next::Durable => self.log.durable_end() >= taking.stamp_max,
            Next::Queues(_)
            | Next::Positions(_)
            | Next::Windows(_)
            | Next::Producers(_)
            | Next::Catalog(_) => !self.log.gathered(),
        })
    }

    fn snapshot_is_due(&mut self) -> bool {
        let grown = self.log_has_grown();
        let snapshots = &self.snapshots;
        // One that is wanted waits until the segments in question are cold.
        let base = self.segments.hot_base().unwrap_or(self.log.appended_end());
        let wanted = snapshots.wanted.is_some_and(|end| end <= base);
        (grown || wanted) && self.now_ns >= snapshots.retry_at_ns && !self.log.gathered()
    }

    /// Whether a snapshot would leave less to replay. What is hot is replayed all the same: right after a start that is
    /// all there is, and one taken at once would do nothing for the next start. So it waits until all is cooled that
    /// may be, but no longer than from one snapshot to the next.
    fn log_has_grown(&mut self) -> bool {
        let interval_ns = self.config.snapshot_interval_ns;
        let snapshots = &mut self.snapshots;
        let age_ns = self.now_ns.saturating_sub(snapshots.begun_ns);
        if snapshots.log_bytes < self.config.snapshot_log_bytes || age_ns < interval_ns {
            return false;
        }
        let since_ns = *snapshots.due_since_ns.get_or_insert(self.now_ns);
        !self.segments.are_cooling() || self.now_ns - since_ns >= interval_ns
    }

    fn begin_snapshot(&mut self) {
        let stamp = self.log.appended_end();
        // Entries of hot segments are rebuilt by the replay.
        let from = self.segments.hot_base().map_or(stamp, |base| base.min(stamp));
        let mut writer = SnapshotWriter::new();
        writer.begin(ChunkKind::Segments, stamp);
        for cold in self.segments.cold.values().filter(|cold| cold.end <= from) {
            writer.segment(cold);
        }
        writer.end(None);
        self.snapshots.log_bytes = 0;
        self.snapshots.begun_ns = self.now_ns;
        self.snapshots.due_since_ns = None;
        self.snapshots.wanted = None;
        let next = Next::Queues(None);
        self.snapshots.taking = Some(Box::new(Taking { writer, next, from, stamp_max: stamp }));
    }

    fn take_chunk(&mut self, taking: &mut Taking) {
        let stamp = self.log.appended_end();
        taking.stamp_max = taking.stamp_max.max(stamp);
        let writer = &mut taking.writer;
        taking.next = match taking.next {
            Next::Queues(after) => {
                writer.begin(ChunkKind::Queues, stamp);
                let last = self.take_queues(writer, after);
                writer.end(last.map(|id| (id.0, 0)));
                last.map_or(Next::Positions(None), |id| Next::Queues(Some(id)))
            }
            Next::Positions(after) => {
                writer.begin(ChunkKind::Positions, stamp);
                let last = self.take_positions(writer, after);
                writer.end(last.map(|key| (key.0.0, u64::from(key.1.0))));
                last.map_or(Next::Windows(None), |key| Next::Positions(Some(key)))
            }
            Next::Windows(after) => {
                writer.begin(ChunkKind::Windows, stamp);
                let last = self.take_windows(writer, after);
                writer.end(last.map(|key| (key.0.0, key.1.0)));
                last.map_or(Next::Producers(None), |key| Next::Windows(Some(key)))
            }
            Next::Producers(after) => {
                writer.begin(ChunkKind::Producers, stamp);
                let last = self.take_producers(writer, after);
                writer.end(last.map(|id| (id.0, 0)));
                last.map_or(Next::Catalog(0), |id| Next::Producers(Some(id)))
            }
            Next::Catalog(from) => {
                writer.begin(ChunkKind::Catalog, stamp);
                let changes = self.catalog.changes.iter().skip(from).take(ITEMS_PER_TURN_MAX);
                changes.for_each(|change| writer.catalog(change));
                let to = from + ITEMS_PER_TURN_MAX;
                let more = to < self.catalog.changes.len();
                writer.end(more.then_some((to as u64, 0)));
                if more { Next::Catalog(to) } else { Next::Durable }
            }
            Next::Durable => Next::Durable,
        };
    }

    /// The last key taken, if more may follow; so for the next ones.
    fn take_queues(
        &mut self,
        writer: &mut SnapshotWriter,
        after: Option<QueueId>,
    ) -> Option<QueueId> {
        use std::ops::Bound::{Excluded, Unbounded};
        let start = self.segments.start;
        let range = self.queues.range_mut((after.map_or(Unbounded, Excluded), Unbounded));
        let mut taken = Taken::default();
        for (id, queue) in range.take(ITEMS_PER_TURN_MAX) {
            queue.index.trim(start);
            writer.queue(*id, queue, queue.kept_start(start));
            taken.note(*id);
        }
        taken.last_of_full()
    }

    fn take_positions(
        &self,
        writer: &mut SnapshotWriter,
        after: Option<(QueueId, GroupId)>,
    ) -> Option<(QueueId, GroupId)> {
        let mut taken = Taken::default();
        for (key, held) in self.positions.after(after).take(ITEMS_PER_TURN_MAX) {
            writer.position(key.0, key.1, held);
            taken.note(*key);
        }
        taken.last_of_full()
    }

    /// Windows on memory queues end with the process, as what they guard does.
    fn take_windows(
        &self,
        writer: &mut SnapshotWriter,
        after: Option<(ProducerId, QueueId)>,
    ) -> Option<(ProducerId, QueueId)> {
        let mut taken = Taken::default();
        for window in self.dedup.windows_after(after).take(ITEMS_PER_TURN_MAX) {
            let queue = self.queues.get(&window.queue);
            if queue.is_none_or(|queue| queue.level != Some(QueueLevel::Memory)) {
                writer.window(window);
            }
            taken.note((window.producer, window.queue));
        }
        taken.last_of_full()
    }

    fn take_producers(
        &self,
        writer: &mut SnapshotWriter,
        after: Option<ProducerId>,
    ) -> Option<ProducerId> {
        if after.is_none() && self.dedup.producers_forgotten() {
            writer.producers_forgotten();
        }
        let mut taken = Taken::default();
        for (id, producer) in self.dedup.producers_after(after).take(ITEMS_PER_TURN_MAX) {
            writer.producer(id, &producer);
            taken.note(id);
        }
        taken.last_of_full()
    }

    fn write_snapshot(&mut self, taking: Taking, plans: &mut Vec<Plan>) {
        let owner = Owner::of(&self.config);
        let number = taking.stamp_max.0;
        let bytes = taking.writer.finish(owner, taking.from);
        let op = self.ops.draw();
        plans.push(Plan::Replace { op, file: FileName::Snapshot(number), bytes });
        self.snapshots.writing = Some(Writing { op, number, from: taking.from });
    }

    /// The snapshot is on the disk, or there was no room for it.
    pub(super) fn snapshot_written(&mut self, op: OpId, done: bool) {
        let Some(writing) = self.snapshots.writing.take_if(|writing| writing.op == op) else {
            return;
        };
        if !done {
            self.snapshots.retry_at_ns = self.now_ns + RETRY_NS;
            return;
        }
        self.counts.snapshots += 1;
        self.log.set_snapshot(writing.from);
        self.snapshots.covered = writing.from;
        if self.snapshots.numbers.last() != Some(&writing.number) {
            self.snapshots.numbers.push(writing.number);
        }
        while self.snapshots.numbers.len() > KEPT {
            let number = self.snapshots.numbers.remove(0);
            let op = self.ops.draw();
            self.reader.plans.push(Plan::Remove { op, file: FileName::Snapshot(number) });
        }
    }
}

/// The keys of a chunk, so far.
#[derive(Debug)]
struct Taken<K> {
    count: usize,
    last: Option<K>,
}

impl<K> Default for Taken<K> {
    fn default() -> Self {
        Self { count: 0, last: None }
    }
}

impl<K> Taken<K> {
    fn note(&mut self, key: K) {
        self.count += 1;
        self.last = Some(key);
    }

    fn last_of_full(self) -> Option<K> {
        self.last.filter(|_| self.count == ITEMS_PER_TURN_MAX)
    }
}
