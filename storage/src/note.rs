//! Note: what the log says to itself: catalog changes, positions, leases, reservations.
//!
//! A note is the body of a section of queue [`QueueId::NOTES`]. It starts with
//! a version and a kind; all numbers are little-endian and unpadded:
//!
//! ```text
//!  0         1      2      4
//!  | version | kind | zero | fields of the kind ...
//!
//!  catalog       change bytes, as routing wrote them
//!  grant commit  queue u64 | group u32 | epoch u32 | offset u64   (floor of the position)
//!  nack reset    queue u64 | group u32 | epoch u32 | offset u64
//!  ack           queue u64 | group u32 | epoch u32 | offset u64 x n, 1 <= n <= 4096
//!  reservation   queue u64 | end u64
//!  queue removed queue u64
//!  group removed group u32
//! ```
//!
//! A kind once released keeps its number and its fields; an unknown version or
//! kind is refused by name, never skipped: it may hold a position.

use wire::limits::ACK_OFFSETS_MAX;
use wire::{Epoch, GroupId, Offset, QueueId};
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The version every note is written with.
pub const NOTE_VERSION: u8 = 1;

/// The largest note but a catalog change, in bytes.
pub const NOTE_BYTES_MAX: usize = HEAD_BYTES + size_of::<LeaseLayout>() + 8 * ACK_OFFSETS_MAX;

const HEAD_BYTES: usize = 4;

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct HeadLayout {
    version: u8,
    kind: u8,
    zero: U16,
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct LeaseLayout {
    queue: U64,
    group: U32,
    epoch: U32,
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct PositionLayout {
    lease: LeaseLayout,
    offset: U64,
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct ReservationLayout {
    queue: U64,
    end: U64,
}

/// One group's lease of one queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Of which queue.
    pub queue: QueueId,
    /// To which group.
    pub group: GroupId,
    /// Which reign.
    pub epoch: Epoch,
}

/// A lease and one offset of its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseOffset {
    /// Whose.
    pub lease: Lease,
    /// Which record, or the floor.
    pub offset: Offset,
}

/// One note, borrowed from its section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note<'a> {
    /// The catalog changed (shard 0); the bytes are routing's.
    Catalog(&'a [u8]),
    /// A lease was granted; the offset is the floor it starts from.
    Grant(LeaseOffset),
    /// All below the offset is consumed.
    Commit(LeaseOffset),
    /// One record was not consumed.
    Nack(LeaseOffset),
    /// An operator moved the floor; the epoch is the new one.
    Reset(LeaseOffset),
    /// These records are consumed, out of order.
    Ack(Lease, &'a [U64]),
    /// A memory queue may hand out offsets below the end, and never again any it had before.
    Reservation {
        /// Which queue.
        queue: QueueId,
        /// Exclusive end of what may be handed out.
        end: Offset,
    },
    /// The queue is gone; its records go with retention.
    QueueRemoved(QueueId),
    /// The group is gone, and what it consumed.
    GroupRemoved(GroupId),
}

/// Why bytes are not a note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoteError {
    /// Shorter or longer than its kind.
    Length {
        /// What it has.
        bytes: usize,
    },
    /// Written by a newer release.
    UnknownVersion(u8),
    /// A kind this release does not know.
    UnknownKind(u8),
}

mod kind {
    pub(super) const CATALOG: u8 = 1;
    pub(super) const GRANT: u8 = 2;
    pub(super) const COMMIT: u8 = 3;
    pub(super) const NACK: u8 = 4;
    pub(super) const RESET: u8 = 5;
    pub(super) const ACK: u8 = 6;
    pub(super) const RESERVATION: u8 = 7;
    pub(super) const QUEUE_REMOVED: u8 = 8;
    pub(super) const GROUP_REMOVED: u8 = 9;
}

impl<'a> Note<'a> {
    /// Appends the note to `into`.
    pub fn write(&self, into: &mut Vec<u8>) {
        let head = HeadLayout { version: NOTE_VERSION, kind: self.kind(), zero: 0.into() };
        into.extend_from_slice(head.as_bytes());
        match self {
            Note::Catalog(change) => into.extend_from_slice(change),
            Note::Grant(at) | Note::Commit(at) | Note::Nack(at) | Note::Reset(at) => {
                into.extend_from_slice(at.layout().as_bytes());
            }
            Note::Ack(lease, offsets) => {
                into.extend_from_slice(lease.layout().as_bytes());
                into.extend_from_slice(offsets.as_bytes());
            }
            Note::Reservation { queue, end } => {
                let layout = ReservationLayout { queue: queue.0.into(), end: end.0.into() };
                into.extend_from_slice(layout.as_bytes());
            }
            Note::QueueRemoved(queue) => into.extend_from_slice(&queue.0.to_le_bytes()),
            Note::GroupRemoved(group) => into.extend_from_slice(&group.0.to_le_bytes()),
        }
    }

    /// Reads a whole note.
    pub fn read(bytes: &'a [u8]) -> Result<Self, NoteError> {
        let length = NoteError::Length { bytes: bytes.len() };
        let (head, fields) = HeadLayout::ref_from_prefix(bytes).map_err(|_| length)?;
        if head.version != NOTE_VERSION {
            return Err(NoteError::UnknownVersion(head.version));
        }
        let note = match head.kind {
            kind::CATALOG => Some(Note::Catalog(fields)),
            kind::GRANT => LeaseOffset::read(fields).map(Note::Grant),
            kind::COMMIT => LeaseOffset::read(fields).map(Note::Commit),
            kind::NACK => LeaseOffset::read(fields).map(Note::Nack),
            kind::RESET => LeaseOffset::read(fields).map(Note::Reset),
            kind::ACK => Self::read_ack(fields),
            kind::RESERVATION => {
                ReservationLayout::ref_from_bytes(fields).ok().map(|layout| Note::Reservation {
                    queue: QueueId(layout.queue.get()),
                    end: Offset(layout.end.get()),
                })
            }
            kind::QUEUE_REMOVED => fields
                .try_into()
                .ok()
                .map(|bytes| Note::QueueRemoved(QueueId(u64::from_le_bytes(bytes)))),
            kind::GROUP_REMOVED => fields
                .try_into()
                .ok()
                .map(|bytes| Note::GroupRemoved(GroupId(u32::from_le_bytes(bytes)))),
            unknown => return Err(NoteError::UnknownKind(unknown)),
        };
        note.ok_or(length)
    }

    fn read_ack(fields: &'a [u8]) -> Option<Self> {
        let (lease, offsets) = LeaseLayout::ref_from_prefix(fields).ok()?;
        let offsets = <[U64]>::ref_from_bytes(offsets).ok()?;
        let bounded = !offsets.is_empty() && offsets.len() <= ACK_OFFSETS_MAX;
        bounded.then(|| Note::Ack(Lease::from_layout(lease), offsets))
    }

    const fn kind(&self) -> u8 {
        match self {
            Note::Catalog(_) => kind::CATALOG,
            Note::Grant(_) => kind::GRANT,
            Note::Commit(_) => kind::COMMIT,
            Note::Nack(_) => kind::NACK,
            Note::Reset(_) => kind::RESET,
            Note::Ack(..) => kind::ACK,
            Note::Reservation { .. } => kind::RESERVATION,
            Note::QueueRemoved(_) => kind::QUEUE_REMOVED,
            Note::GroupRemoved(_) => kind::GROUP_REMOVED,
        }
    }
}

impl Lease {
    fn layout(&self) -> LeaseLayout {
        LeaseLayout {
            queue: self.queue.0.into(),
            group: self.group.0.into(),
            epoch: self.epoch.0.into(),
        }
    }

    fn from_layout(layout: &LeaseLayout) -> Self {
        Self {
            queue: QueueId(layout.queue.get()),
            group: GroupId(layout.group.get()),
            epoch: Epoch(layout.epoch.get()),
        }
    }
}

impl LeaseOffset {
    fn layout(&self) -> PositionLayout {
        PositionLayout { lease: self.lease.layout(), offset: self.offset.0.into() }
    }

    fn read(fields: &[u8]) -> Option<Self> {
        let layout = PositionLayout::ref_from_bytes(fields).ok()?;
        Some(Self { lease: Lease::from_layout(&layout.lease), offset: Offset(layout.offset.get()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Lease = Lease { queue: QueueId(0x0102), group: GroupId(3), epoch: Epoch(4) };
    const AT: LeaseOffset = LeaseOffset { lease: LEASE, offset: Offset(0x0506) };

    fn check(note: &Note<'_>, golden: &[u8]) {
        let mut bytes = Vec::new();
        note.write(&mut bytes);
        assert_eq!(bytes, golden, "{note:?}");
        assert_eq!(Note::read(golden).as_ref(), Ok(note));
        let longer = [golden, &[0]].concat();
        if !matches!(note, Note::Catalog(_)) {
            assert_eq!(Note::read(&longer), Err(NoteError::Length { bytes: longer.len() }));
        }
    }

    #[test]
    fn every_kind_has_its_golden_bytes() {
        let lease = [2, 1, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0];
        let at = [lease.as_slice(), &[6, 5, 0, 0, 0, 0, 0, 0]].concat();
        let golden = |kind: u8, fields: &[u8]| [&[1, kind, 0, 0], fields].concat();
        check(&Note::Catalog(b"change"), &golden(1, b"change"));
        check(&Note::Grant(AT), &golden(2, &at));
        check(&Note::Commit(AT), &golden(3, &at));
        check(&Note::Nack(AT), &golden(4, &at));
        check(&Note::Reset(AT), &golden(5, &at));
        check(&Note::Ack(LEASE, &[U64::new(0x0506)]), &golden(6, &at));
        let reservation = Note::Reservation { queue: QueueId(7), end: Offset(1 << 20) };
        check(&reservation, &golden(7, &[7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 0, 0]));
        check(&Note::QueueRemoved(QueueId(7)), &golden(8, &[7, 0, 0, 0, 0, 0, 0, 0]));
        check(&Note::GroupRemoved(GroupId(9)), &golden(9, &[9, 0, 0, 0]));
    }

    #[test]
    fn other_versions_and_kinds_are_refused_by_name() {
        assert_eq!(Note::read(&[2, 1, 0, 0]), Err(NoteError::UnknownVersion(2)));
        assert_eq!(Note::read(&[1, 99, 0, 0]), Err(NoteError::UnknownKind(99)));
        assert_eq!(Note::read(&[1]), Err(NoteError::Length { bytes: 1 }));
        assert_eq!(Note::read(&[]), Err(NoteError::Length { bytes: 0 }));
    }
}
