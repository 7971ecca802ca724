//! Reading: records by offset, from memory at once, or by a planned read.
//!
//! ```text
//!   entry in memory ----------------> batch: recent? cached? else Plan::Read -> Wait
//!   run -> index file: cached? else Plan::Read -> Wait -> entry -> batch, as above
//! ```
//!
//! A planned read takes the following batches of the segment with it, up to
//! 1 MiB and half the cache, since whoever is behind wants them next, and is followed by the next
//! one once its reader goes on (`ahead`). Each batch is verified before it
//! is cached, and only verified bytes are served. A batch that does not verify
//! is read once more alone, then it is damaged: its sections are a gap, nothing
//! else is. So it is when it could not be read for as long as there is patience.

use super::reader::{Fetch, Planned};
use super::{DamagedRange, GapReason, Read, Store};
use crate::batch::{SectionHeader, section_at};
use crate::index_file::{ColdLookup, SegmentIndex};
use crate::log::BatchPlace;
use crate::memory::MemoryRing;
use crate::plan::{DiskFault, FileName, OpId};
use crate::queue::Lookup;
use bytes::Bytes;
use wire::record::record_bytes;
use wire::{LogIndex, Offset, QueueId};

/// A section that was found, and where its batch is.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    queue: QueueId,
    first_offset: Offset,
    count: u32,
    section_position: u32,
    index: LogIndex,
    /// The segment whose index file knows the batch, and its ordinal; `None`: hot.
    cold: Option<(u64, usize)>,
}

/// How much a caller wants.
#[derive(Clone, Copy, Debug)]
struct Portion {
    from: Offset,
    records_max: u32,
    bytes_max: usize,
}

impl Store {
    /// Reads from `from` on: whole records of one section, at least one, else at most `bytes_max` and `records_max`.
    ///
    /// An unknown queue reads as `End`. `Wait` names a read of the next turn's
    /// plans or one in flight; after its end the caller reads again.
    pub fn read(&mut self, id: QueueId, from: Offset, records_max: u32, bytes_max: usize) -> Read {
        let portion = Portion { from, records_max, bytes_max };
        let Some(queue) = self.queues.get(&id).filter(|queue| queue.level.is_some()) else {
            return Read::End;
        };
        let visible_end = queue.visible_end(self.log.durable_end());
        let end = queue.end;
        if let Some(ring) = &queue.memory {
            return read_ring(ring, end, portion);
        }
        if from >= visible_end {
            return Read::End;
        }
        let start = queue.start(self.segments.start);
        if let Some(lost) = queue.lost.as_ref().filter(|lost| from < start && lost.contains(&from))
        {
            return damaged_up_to(start.min(lost.end).min(visible_end));
        }
        if from < start {
            return Read::Gap { to: start.min(visible_end), reason: GapReason::Retention };
        }
        let damage =
            |next: Option<Offset>| damaged_up_to(next.unwrap_or(visible_end).min(visible_end));
        let wanted = match queue.index.find(from) {
            Lookup::Hole { next } => return damage(next),
            Lookup::Section(entry) => Wanted {
                queue: id,
                first_offset: entry.first_offset,
                count: entry.count,
                section_position: entry.section_position,
                index: entry.index,
                cold: None,
            },
            Lookup::Cold { segment, next } => match self.find_cold(segment, id, from) {
                Err(op) => return Read::Wait(op),
                Ok(Ok(wanted)) => wanted,
                Ok(Err(within)) => return damage(within.or(next)),
            },
        };
        match self.body_of(wanted) {
            Ok(body) => serve(&body, &wanted, portion),
            Err(read) => read,
        }
    }

    /// A section of a cold segment; `Err` outside: wait; inside: nothing there, the next begins there.
    fn find_cold(
        &mut self,
        segment: u64,
        queue: QueueId,
        from: Offset,
    ) -> Result<Result<Wanted, Option<Offset>>, OpId> {
        let Some(index) = self.reader.indexes.get(segment) else {
            return Err(self.wait_for_index(segment));
        };
        match index.find(queue, from) {
            ColdLookup::Hole { next } => Ok(Err(next)),
            ColdLookup::Section(found) => {
                let batch = index.batches_from(found.batch).next();
                Ok(batch.ok_or(None).map(|batch| Wanted {
                    queue,
                    first_offset: found.first_offset,
                    count: found.count,
                    section_position: found.section_position,
                    index: batch.index,
                    cold: Some((segment, found.batch)),
                }))
            }
        }
    }

    pub(super) fn wait_for_index(&mut self, segment: u64) -> OpId {
        match self.segments.cold.get(&segment).filter(|cold| cold.index_bytes > 0) {
            Some(cold) => {
                let bytes = cold.index_bytes;
                self.reader.fetch_index(&mut self.ops, segment, bytes)
            }
            None => self.start_rebuild(segment),
        }
    }

    /// The verified body of a batch, or what to tell the caller instead.
    fn body_of(&mut self, wanted: Wanted) -> Result<Bytes, Read> {
        if let Some(body) = self.log.recent(wanted.index) {
            self.counts.reads_from_recent += 1;
            return Ok(body.clone());
        }
        if let Some(body) = self.reader.bodies.get(wanted.index) {
            let body = body.clone();
            self.counts.reads_from_cache += 1;
            if let Some(next) = self.reader.ahead.served(wanted.index) {
                self.read_ahead(wanted, next);
            }
            return Ok(body);
        }
        if self.reader.damaged.contains(&wanted.index) {
            return Err(damaged_up_to(wanted.end()));
        }
        self.fetch(wanted)
            .map_or_else(|| Err(damaged_up_to(wanted.end())), |op| Err(Read::Wait(op)))
    }

    /// Plans the read of a batch, unless it is under way; `None`: there is no such batch in its segment.
    fn fetch(&mut self, wanted: Wanted) -> Option<OpId> {
        let Self { segments, reader, ops, .. } = self;
        let Some((segment, ordinal)) = wanted.cold else {
            let places = segments.batches_from(wanted.index).iter().copied();
            return reader.fetch_batches(ops, wanted.index, places);
        };
        let index = reader.indexes.get(segment).cloned()?;
        reader.fetch_batches(ops, wanted.index, index.batches_from(ordinal))
    }

    /// Plans the read of `next`, which stands behind the piece of the log that `wanted` is in.
    fn read_ahead(&mut self, wanted: Wanted, next: LogIndex) {
        if self.log.is_recent(next) || self.reader.knows(next) {
            return;
        }
        let behind = usize::try_from(next.0 - wanted.index.0).unwrap_or(usize::MAX);
        let cold = wanted.cold.map(|(segment, ordinal)| (segment, ordinal.saturating_add(behind)));
        let planned = self.fetch(Wanted { index: next, cold, ..wanted });
        self.counts.reads_ahead += u64::from(planned.is_some());
    }

    /// A read ended; callers that waited for it read again.
    pub fn read_done(&mut self, op: OpId, result: Result<Bytes, DiskFault>) {
        if self.scrub_done(op, &result) {
            return;
        }
        let Some(planned) = self.reader.ended(op) else { return };
        let Some(planned) = self.try_again(planned, result.as_ref().err()) else { return };
        match planned.fetch {
            Fetch::Batches(places) => {
                self.counts.reads_from_disk += 1;
                self.take_batches(&places, result.as_ref());
            }
            Fetch::Index(segment) => self.take_index(segment, result),
            Fetch::Scan => self.take_scan(result),
        }
    }

    /// Gives back what is to be judged now: not a single batch that may come later, nor one that retention took.
    fn try_again(&mut self, planned: Planned, fault: Option<&DiskFault>) -> Option<Planned> {
        if fault.is_none() || !planned.is_alone() {
            return Some(planned);
        }
        let segment = planned.segment()?;
        if segment < self.segments.start.segment {
            return None;
        }
        self.counts.reads_failed += 1;
        if self.log.segments().any(|info| info.number == segment) {
            return self.reader.try_again(&mut self.ops, planned);
        }
        // When the log was opened its file was no segment any more: nothing will come of it.
        Some(planned)
    }

    fn take_batches(&mut self, places: &[BatchPlace], bytes: Result<&Bytes, &DiskFault>) {
        let mut position = 0;
        self.reader.ahead.came(places);
        for place in places {
            let end = position + place.bytes as usize;
            let batch = bytes.ok().filter(|bytes| bytes.len() >= end);
            let view = batch.map(|bytes| self.log.verify(*place, &bytes.slice(position..end)));
            position = end;
            if let Some(Ok(view)) = view {
                self.reader.keep(place.index, view.body, place.bytes as usize);
            } else if place.segment < self.segments.start.segment {
                // Retention took it meanwhile: what came may be another segment's already.
            } else if places.len() > 1 {
                self.reader.suspect(place.index);
            } else {
                self.give_up(*place, bytes.err());
            }
        }
    }

    /// A batch does not check, or could not be read for long enough.
    fn give_up(&mut self, place: BatchPlace, fault: Option<&DiskFault>) {
        self.counts.damaged_batches += 1;
        let what = match fault {
            Some(fault) => format!("batch {} cannot be read: {fault:?}", place.index),
            None => format!("batch {} does not check", place.index),
        };
        let file = FileName::Segment(place.segment);
        let (position, bytes) = (u64::from(place.position), u64::from(place.bytes));
        let range = DamagedRange::new(file, position, bytes, what);
        self.found_damage(range, place.index..place.index.next());
    }

    fn take_index(&mut self, segment: u64, result: Result<Bytes, DiskFault>) {
        let read = result.ok().and_then(|bytes| SegmentIndex::read(segment, &bytes).ok());
        if let Some(index) = read {
            let bytes = index.bytes();
            self.reader.indexes.insert(segment, index, bytes);
        } else if let Some(cold) = self.segments.cold.get_mut(&segment) {
            // Lost or damaged: whoever asks next has it built again.
            cold.index_bytes = 0;
        }
    }
}

impl Wanted {
    fn end(&self) -> Offset {
        self.first_offset.plus(u64::from(self.count))
    }
}

const fn damaged_up_to(to: Offset) -> Read {
    Read::Gap { to, reason: GapReason::Damage }
}

fn read_ring(ring: &MemoryRing, end: Offset, portion: Portion) -> Read {
    let from = portion.from;
    if from >= end {
        return Read::End;
    }
    if from < ring.base {
        return Read::Gap { to: ring.base, reason: GapReason::MemoryLost };
    }
    let Some(section) = ring.find(from) else {
        return Read::Gap { to: ring.start(end), reason: GapReason::Retention };
    };
    let header = SectionHeader {
        first_offset: section.first_offset,
        count: section.count,
        accepted_ns: section.accepted_ns,
        ..SectionHeader::default()
    };
    cut(&header, &section.records, portion)
}

/// Takes the wanted section out of a verified body.
fn serve(body: &Bytes, wanted: &Wanted, portion: Portion) -> Read {
    match section_at(body, wanted.section_position) {
        Some((header, records))
            if header.queue == wanted.queue
                && header.first_offset == wanted.first_offset
                && header.count == wanted.count =>
        {
            cut(&header, &records, portion)
        }
        _ => damaged_up_to(wanted.end()),
    }
}

/// The records of a section from `portion.from` on that fit the portion; at least one.
fn cut(header: &SectionHeader, records: &Bytes, portion: Portion) -> Read {
    let end = header.first_offset.plus(u64::from(header.count));
    let mut start = 0;
    for _ in header.first_offset.0..portion.from.0 {
        let Some(bytes) = next_record(records, start) else { return damaged_up_to(end) };
        start += bytes;
    }
    let left = u32::try_from(end.0 - portion.from.0).unwrap_or(u32::MAX);
    if left <= portion.records_max && records.len() - start <= portion.bytes_max {
        return answer(header, portion.from, left, records.slice(start..));
    }
    let mut stop = start;
    let mut count = 0;
    while count < left.min(portion.records_max.max(1)) {
        let Some(bytes) = next_record(records, stop) else { return damaged_up_to(end) };
        if count > 0 && stop + bytes - start > portion.bytes_max {
            break;
        }
        stop += bytes;
        count += 1;
    }
    answer(header, portion.from, count, records.slice(start..stop))
}

/// Length of the record at `start`; `None` where there is no whole one.
fn next_record(records: &Bytes, start: usize) -> Option<usize> {
    let rest = records.get(start..)?;
    record_bytes(rest).filter(|bytes| *bytes > 0 && *bytes <= rest.len())
}

const fn answer(header: &SectionHeader, first_offset: Offset, count: u32, bytes: Bytes) -> Read {
    Read::Records { first_offset, count, accepted_ns: header.accepted_ns, bytes }
}
