//! Section: the records of one publish, or one note, as they lie in a batch's body.
//!
//! ```text
//!   0       8              16      20              24         32      36     40         48            56
//!   | queue | first offset | count | records bytes | producer | epoch | zero | sequence | accepted_ns | records
//! ```

use bytes::{Bytes, BytesMut};
use wire::{Epoch, Offset, ProducerId, QueueId};
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Header of a section, in bytes.
pub(crate) const SECTION_HEADER_BYTES: usize = 56;

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct SectionLayout {
    queue: U64,
    first_offset: U64,
    count: U32,
    records_bytes: U32,
    producer: U64,
    epoch: U32,
    zero: U32,
    sequence: U64,
    accepted_ns: U64,
}

const _: () = assert!(size_of::<SectionLayout>() == SECTION_HEADER_BYTES);

/// What stands before the records of one publish, or before one note (queue `QueueId::NOTES`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SectionHeader {
    /// Into which queue.
    pub queue: QueueId,
    /// Offset of its first record.
    pub first_offset: Offset,
    /// How many records.
    pub count: u32,
    /// Length of its records, in bytes.
    pub records_bytes: u32,
    /// By whom; 0 = not idempotent.
    pub producer: ProducerId,
    /// The producer's epoch.
    pub epoch: Epoch,
    /// Sequence of its first record.
    pub sequence: u64,
    /// Wall clock of the acceptance, nanoseconds since 1970.
    pub accepted_ns: u64,
}

/// The section at a position of a checked body, its records sharing the body's memory.
pub fn section_at(body: &Bytes, section_position: u32) -> Option<(SectionHeader, Bytes)> {
    let (header, records) = split_section(body.get(section_position as usize..)?)?;
    let records = body.slice_ref(records);
    Some((header, records))
}

/// Appends a section; `header.records_bytes` is the length of `records`.
pub(crate) fn write_section(memory: &mut BytesMut, header: &SectionHeader, records: &[u8]) {
    let layout = SectionLayout {
        queue: header.queue.0.into(),
        first_offset: header.first_offset.0.into(),
        count: header.count.into(),
        records_bytes: header.records_bytes.into(),
        producer: header.producer.0.into(),
        epoch: header.epoch.0.into(),
        zero: 0.into(),
        sequence: header.sequence.into(),
        accepted_ns: header.accepted_ns.into(),
    };
    memory.extend_from_slice(layout.as_bytes());
    memory.extend_from_slice(records);
}

/// The section at the front of `bytes`.
pub(super) fn split_section(bytes: &[u8]) -> Option<(SectionHeader, &[u8])> {
    let (layout, rest) = SectionLayout::ref_from_prefix(bytes).ok()?;
    let header = SectionHeader {
        queue: QueueId(layout.queue.get()),
        first_offset: Offset(layout.first_offset.get()),
        count: layout.count.get(),
        records_bytes: layout.records_bytes.get(),
        producer: ProducerId(layout.producer.get()),
        epoch: Epoch(layout.epoch.get()),
        sequence: layout.sequence.get(),
        accepted_ns: layout.accepted_ns.get(),
    };
    Some((header, rest.get(..header.records_bytes as usize)?))
}
