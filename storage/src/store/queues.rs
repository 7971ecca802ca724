//! Queues: making them known, forgetting them, their ends.

use super::notes::Removal;
use super::{QueueEnds, QueueLevel, Store};
use wire::{Epoch, Offset, QueueId};

impl Store {
    /// Makes a queue known. Its offsets go on where the log left them. Idempotent.
    ///
    /// A memory queue gets its first block of offsets reserved; until that is
    /// durable, publishes to it are `Busy`. What its groups consumed in an
    /// earlier process is forgotten with the records. `retention_ns` 0 = the log's.
    pub fn create_queue(&mut self, id: QueueId, level: QueueLevel, retention_ns: u64) {
        let unknown = !self.queues.contains_key(&id);
        let queue = self.queues.entry(id).or_default();
        queue.retention_ns = retention_ns;
        if queue.level.is_some() {
            return;
        }
        queue.level = Some(level);
        if level == QueueLevel::Memory {
            queue.memory.get_or_insert_default();
        }
        if unknown && self.log_damaged {
            queue.skip_lost();
        }
        if let Some(ring) = &queue.memory {
            queue.start = ring.base;
            queue.end = ring.base;
            self.positions.forget_queue(id);
            self.notes.reserve_later(id);
            self.retry_notes();
        }
    }

    /// Forgets a queue; retention takes its records.
    pub fn remove_queue(&mut self, id: QueueId) {
        let Some(mut queue) = self.queues.remove(&id) else { return };
        if let Some(ring) = &mut queue.memory {
            while ring.drop_oldest(&mut self.pool) {}
        }
        self.positions.remove_queue(id);
        self.dedup.remove_queue(id);
        self.notes.remove_later(Removal::Queue(id));
        self.retry_notes();
    }

    /// Start and ends.
    pub fn ends(&self, id: QueueId) -> Option<QueueEnds> {
        let queue = self.queues.get(&id)?;
        let level = queue.level?;
        let start = queue.start(self.segments.start);
        let is_doubtful = self.log.epoch_floor().0 > Epoch(0) && level == QueueLevel::Durable;
        Some(QueueEnds {
            start,
            told_start: if is_doubtful { Offset(0) } else { start },
            visible_end: queue.visible_end(self.log.durable_end()),
            appended_end: queue.end,
            level,
        })
    }

    /// The first offset accepted at or after a wall-clock time; the queue's end when all are older.
    ///
    /// To the precision of a section; for what lies in sealed segments, of the
    /// segment: never later than asked, perhaps earlier. `None`: no such queue.
    pub fn offset_at(&self, id: QueueId, time_ns: u64) -> Option<Offset> {
        let queue = self.queues.get(&id).filter(|queue| queue.level.is_some())?;
        let found = match &queue.memory {
            Some(ring) => ring.at_time(time_ns),
            None => queue.index.at_time(time_ns),
        };
        Some(found.unwrap_or(queue.end).max(queue.start(self.segments.start)))
    }

    /// Lets go of what every group with a position on a memory queue consumed.
    pub(super) fn drop_consumed(&mut self, id: QueueId) {
        let Some(queue) = self.queues.get_mut(&id) else { return };
        let Some(ring) = &mut queue.memory else { return };
        if let Some((floor, _)) = self.positions.lowest_floor(id) {
            ring.drop_below(floor, &mut self.pool);
        }
    }
}
