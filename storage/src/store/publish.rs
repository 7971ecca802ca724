//! Publish: a section gets its offsets, in the log or in a ring, once.

use super::{NoteRefused, Publish, PublishRefused, Published, QueueLevel, Store};
use crate::batch::SectionHeader;
use crate::dedup::{Claim, LastUse, Verdict};
use crate::log::{AppendRefused, Purpose};
use crate::memory::{MemoryRing, MemorySection, Pool, RESERVATION_OFFSETS};
use crate::queue::Entry;
use wire::{Epoch, LogIndex, ProducerId};

impl Store {
    /// Appends a section, or finds that it was published before.
    ///
    /// A duplicate gets its original offset, and waits for the original's batch
    /// while that is not durable.
    ///
    /// # Errors
    /// As `PublishRefused` says; nothing was stored then.
    pub fn publish(&mut self, publish: &Publish<'_>) -> Result<Published, PublishRefused> {
        let queue = self.queues.get(&publish.queue);
        let (queue, level) = queue
            .and_then(|queue| Some((queue, queue.level?)))
            .ok_or(PublishRefused::UnknownQueue)?;
        if publish.producer != ProducerId(0) {
            match self.dedup.judge(&publish.claim()) {
                Verdict::New => {}
                Verdict::Duplicate(first_offset) => {
                    self.counts.duplicates += 1;
                    let waits_for = queue.tail.batch_of(first_offset, self.log.durable_end());
                    return Ok(Published { first_offset, waits_for, duplicate: true });
                }
                Verdict::Fenced { newest } => return Err(PublishRefused::Fenced { newest }),
                Verdict::SequenceGap { expected } => {
                    return Err(PublishRefused::SequenceGap { expected });
                }
                Verdict::UnknownProducer => return Err(PublishRefused::UnknownProducer),
            }
        }
        self.accepted_ns = self.accepted_ns.max(publish.accepted_ns);
        match level {
            QueueLevel::Durable => self.append_section(publish),
            QueueLevel::Memory => self.keep_section(publish),
        }
    }

    /// Whether this was published before: `publish` would give it its original offset.
    pub fn is_duplicate(&self, publish: &Publish<'_>) -> bool {
        publish.producer != ProducerId(0)
            && matches!(self.dedup.judge(&publish.claim()), Verdict::Duplicate(_))
    }

    /// Makes a producer's epoch known: older epochs are fenced, its forgotten pairs forgiven. Not logged (the catalog is).
    pub fn open_producer(&mut self, producer: ProducerId, epoch: Epoch) {
        self.dedup.open(producer, epoch);
    }

    fn append_section(&mut self, publish: &Publish<'_>) -> Result<Published, PublishRefused> {
        let queue = self.queues.get_mut(&publish.queue).ok_or(PublishRefused::UnknownQueue)?;
        let header = SectionHeader {
            queue: publish.queue,
            first_offset: queue.end,
            count: publish.count,
            records_bytes: u32::try_from(publish.records.len())
                .map_err(|_| PublishRefused::TooLarge)?,
            producer: publish.producer,
            epoch: publish.epoch,
            sequence: publish.sequence,
            accepted_ns: self.accepted_ns,
        };
        let placed = match self.log.append(&header, publish.records, Purpose::Data) {
            Ok(placed) => placed,
            Err(AppendRefused::Busy) => {
                self.flush.now();
                return Err(PublishRefused::Busy);
            }
            Err(AppendRefused::StorageFull { bytes, bytes_max }) => {
                return Err(PublishRefused::StorageFull { bytes, bytes_max });
            }
            Err(AppendRefused::TooLarge) => return Err(PublishRefused::TooLarge),
        };
        self.flush.now();
        self.segments.placed(&placed);
        queue.index.trim(self.segments.start);
        self.segments.touch(publish.queue, queue, placed.index);
        queue.index.push(Entry {
            first_offset: header.first_offset,
            accepted_ns: header.accepted_ns,
            index: placed.index,
            section_position: placed.section_position,
            count: header.count,
        });
        queue.tail.append(placed.index, header.first_offset);
        queue.end = header.first_offset.plus(u64::from(header.count));
        let published = Published {
            first_offset: header.first_offset,
            waits_for: Some(placed.index),
            duplicate: false,
        };
        self.remember(publish, &published, placed.index, placed.section_position);
        Ok(published)
    }

    fn keep_section(&mut self, publish: &Publish<'_>) -> Result<Published, PublishRefused> {
        self.check_reserved(publish)?;
        self.make_memory_room(publish)?;
        let queue = self.queues.get_mut(&publish.queue).ok_or(PublishRefused::UnknownQueue)?;
        let ring = queue.memory.as_mut().ok_or(PublishRefused::UnknownQueue)?;
        let records = self.pool.keep(publish.records).ok_or(PublishRefused::TooLarge)?;
        let first_offset = queue.end;
        ring.push(MemorySection {
            first_offset,
            count: publish.count,
            accepted_ns: self.accepted_ns,
            records,
        });
        queue.end = first_offset.plus(u64::from(publish.count));
        let published = Published { first_offset, waits_for: None, duplicate: false };
        self.remember(publish, &published, self.log.appended_end(), 0);
        Ok(published)
    }

    /// Whether the offsets of this publish are reserved; reserves ahead at half a block.
    fn check_reserved(&mut self, publish: &Publish<'_>) -> Result<(), PublishRefused> {
        let durable_end = self.log.durable_end();
        let queue = self.queues.get_mut(&publish.queue).ok_or(PublishRefused::UnknownQueue)?;
        let ring = queue.memory.as_mut().ok_or(PublishRefused::UnknownQueue)?;
        ring.settle(durable_end);
        let left = ring.reserved_end.0.saturating_sub(queue.end.0);
        let enough = left >= u64::from(publish.count);
        let mut reserved = Ok(());
        if left <= RESERVATION_OFFSETS / 2 && ring.reserving.is_none() {
            reserved = self.reserve(publish.queue);
        }
        match reserved {
            _ if enough => Ok(()),
            Err(NoteRefused::StorageFull) => {
                let usage = self.log.usage();
                Err(PublishRefused::StorageFull { bytes: usage.bytes, bytes_max: usage.bytes_max })
            }
            // On its way, or asked for again by the next publish.
            _ => Err(PublishRefused::Busy),
        }
    }

    /// On a queue that no group reads, the oldest records make room for the newest. One that no
    /// group ever read has less room: after a restart its groups have no position, but come back.
    fn make_memory_room(&mut self, publish: &Publish<'_>) -> Result<(), PublishRefused> {
        let queue = self.queues.get_mut(&publish.queue).ok_or(PublishRefused::UnknownQueue)?;
        let ring = queue.memory.as_mut().ok_or(PublishRefused::UnknownQueue)?;
        let (pool, positions) = (&mut self.pool, &self.positions);
        let is_above_share = |ring: &MemoryRing, pool: &Pool| {
            ring.bytes() > pool.unread_bytes_max() && !positions.is_known(publish.queue)
        };
        let is_in_the_way = |pool: &Pool| {
            !pool.has_room(publish.records) && positions.lowest_floor(publish.queue).is_none()
        };
        while (is_above_share(ring, pool) || is_in_the_way(pool)) && ring.drop_oldest(pool) {
            self.counts.memory_dropped += 1;
        }
        if self.pool.has_room(publish.records) {
            return Ok(());
        }
        Err(PublishRefused::MemoryFull {
            bytes: self.pool.used_bytes() as u64,
            bytes_max: self.pool.bytes_max() as u64,
        })
    }

    fn remember(
        &mut self,
        publish: &Publish<'_>,
        published: &Published,
        index: LogIndex,
        order: u32,
    ) {
        self.counts.sections += 1;
        if publish.producer != ProducerId(0) {
            let used = LastUse { index, order };
            self.dedup.take(&publish.claim(), published.first_offset, used);
        }
    }
}

impl Publish<'_> {
    const fn claim(&self) -> Claim {
        Claim {
            producer: self.producer,
            queue: self.queue,
            epoch: self.epoch,
            sequence: self.sequence,
            count: self.count,
        }
    }
}
