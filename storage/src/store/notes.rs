//! Notes: appending them, and the few that may have to wait for room.

use super::{Catalog, NoteRefused, Store};
use crate::batch::SectionHeader;
use crate::log::{AppendRefused, Purpose};
use crate::memory::RESERVATION_OFFSETS;
use crate::note::Note;
use bytes::Bytes;
use std::collections::VecDeque;
use wire::{GroupId, LogIndex, QueueId};
use zerocopy::little_endian::U64;

/// Waiting notes written in one turn.
const RETRIES_PER_TURN_MAX: usize = 1000;
/// All changes of the catalog together, in bytes.
const CATALOG_BYTES_MAX: usize = 64 << 20;

/// How soon a note wants to be flushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Urgency {
    /// Somebody waits: grants, resets, catalog changes, reservations.
    AtOnce,
    /// It rides in the next batch, or starts a flush after 20 ms.
    Rides,
}

/// What was removed and is still to be noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Removal {
    Queue(QueueId),
    Group(GroupId),
}

/// Notes in the making.
#[derive(Debug, Default)]
pub(super) struct Notes {
    bytes: Vec<u8>,
    /// The offsets of an ack.
    pub(super) offsets: Vec<U64>,
    removals: VecDeque<Removal>,
    reservations: VecDeque<QueueId>,
}

impl Notes {
    pub(super) fn remove_later(&mut self, removal: Removal) {
        self.removals.push_back(removal);
    }

    pub(super) fn reserve_later(&mut self, queue: QueueId) {
        self.reservations.push_back(queue);
    }

    pub(super) fn is_waiting(&self) -> bool {
        !self.removals.is_empty() || !self.reservations.is_empty()
    }
}

impl Store {
    /// Notes a catalog change (shard 0). One that `serves_publishing` is refused where a publish is:
    /// what is left then is for those who consume and delete.
    ///
    /// # Errors
    /// `Busy`: again after the flush. `StorageFull`: no room on the disk, the
    /// change is larger than a batch, or all changes together exceed 64 MiB.
    pub fn note_catalog(
        &mut self,
        change: &[u8],
        serves_publishing: bool,
    ) -> Result<LogIndex, NoteRefused> {
        if self.catalog.bytes + change.len() > CATALOG_BYTES_MAX {
            return Err(NoteRefused::StorageFull);
        }
        let purpose = if serves_publishing { Purpose::Data } else { Purpose::Note };
        let index = self.append_note_for(purpose, &Note::Catalog(change), Urgency::AtOnce)?;
        self.catalog.push(change);
        Ok(index)
    }

    /// All changes of the catalog noted so far, in bytes.
    pub fn catalog_bytes(&self) -> usize {
        self.catalog.bytes
    }

    /// Replaces all changes of the catalog noted so far by fewer that make the same catalog.
    ///
    /// The log keeps what it has; the next snapshot says it shorter. False while
    /// a snapshot is being taken of them: ask again later.
    pub fn replace_catalog(&mut self, changes: &[Bytes]) -> bool {
        if self.snapshots.is_among_catalog() {
            return false;
        }
        self.catalog = Catalog::default();
        for change in changes {
            self.catalog.push(change);
        }
        true
    }

    pub(super) fn append_note(
        &mut self,
        note: &Note<'_>,
        urgency: Urgency,
    ) -> Result<LogIndex, NoteRefused> {
        self.append_note_for(Purpose::Note, note, urgency)
    }

    fn append_note_for(
        &mut self,
        purpose: Purpose,
        note: &Note<'_>,
        urgency: Urgency,
    ) -> Result<LogIndex, NoteRefused> {
        self.notes.bytes.clear();
        note.write(&mut self.notes.bytes);
        let header = SectionHeader {
            queue: QueueId::NOTES,
            count: 1,
            records_bytes: u32::try_from(self.notes.bytes.len())
                .map_err(|_| NoteRefused::StorageFull)?,
            accepted_ns: self.accepted_ns,
            ..SectionHeader::default()
        };
        match self.log.append(&header, &self.notes.bytes, purpose) {
            Ok(placed) => {
                self.segments.placed(&placed);
                self.flush.note(urgency);
                self.counts.notes += 1;
                Ok(placed.index)
            }
            Err(AppendRefused::Busy) => {
                self.flush.now();
                Err(NoteRefused::Busy)
            }
            Err(AppendRefused::StorageFull { .. } | AppendRefused::TooLarge) => {
                Err(NoteRefused::StorageFull)
            }
        }
    }

    /// The newest index given to anybody: what changed nothing is durable once this is.
    pub(super) fn newest_index(&self) -> LogIndex {
        LogIndex(self.log.appended_end().0.saturating_sub(1))
    }

    /// Writes what waited for room, a bounded number.
    pub(super) fn retry_notes(&mut self) {
        for _ in 0..RETRIES_PER_TURN_MAX {
            let Some(removal) = self.notes.removals.front().copied() else { break };
            let note = match removal {
                Removal::Queue(queue) => Note::QueueRemoved(queue),
                Removal::Group(group) => Note::GroupRemoved(group),
            };
            if self.append_note(&note, Urgency::Rides).is_err() {
                return;
            }
            self.notes.removals.pop_front();
        }
        for _ in 0..RETRIES_PER_TURN_MAX {
            let Some(queue) = self.notes.reservations.front().copied() else { break };
            if self.reserve(queue).is_err() {
                return;
            }
            self.notes.reservations.pop_front();
        }
    }

    /// Reserves the next block of offsets of a memory queue, unless one is on its way.
    pub(super) fn reserve(&mut self, id: QueueId) -> Result<(), NoteRefused> {
        let durable_end = self.log.durable_end();
        let Some(ring) = self.queues.get_mut(&id).and_then(|queue| queue.memory.as_mut()) else {
            return Ok(());
        };
        ring.settle(durable_end);
        if ring.reserving.is_some() {
            return Ok(());
        }
        let end = ring.reserved_end.plus(RESERVATION_OFFSETS);
        let index = self.append_note(&Note::Reservation { queue: id, end }, Urgency::AtOnce)?;
        if let Some(ring) = self.queues.get_mut(&id).and_then(|queue| queue.memory.as_mut()) {
            ring.reserving = Some((end, index));
        }
        Ok(())
    }
}
