//! Layout: the fixed parts of a snapshot's bytes. Little-endian, unpadded.

use zerocopy::little_endian::{U16, U32, U64, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

pub(super) const MAGIC: [u8; 8] = *b"DFBSNAPS";
pub(super) const VERSION: u32 = 1;
pub(super) const HEADER_BYTES: usize = size_of::<HeaderLayout>();

const _: () = assert!(HEADER_BYTES == 96);

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct HeaderLayout {
    pub(super) magic: [u8; 8],
    pub(super) checksum: U32,
    pub(super) version: U32,
    pub(super) node_id: U128,
    pub(super) cluster_id: U128,
    pub(super) from: U64,
    /// Of the whole file.
    pub(super) bytes: U64,
    pub(super) shard: U16,
    pub(super) zero: [u8; 30],
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct ChunkLayout {
    pub(super) kind: U32,
    pub(super) count: U32,
    pub(super) stamp: U64,
    pub(super) key_high: U64,
    pub(super) key_low: U64,
    /// Of its items.
    pub(super) bytes: U64,
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct SegmentLayout {
    pub(super) number: U64,
    pub(super) end: U64,
    pub(super) index_bytes: U32,
}

/// `run_count` runs follow.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct QueueLayout {
    pub(super) queue: U64,
    pub(super) start: U64,
    pub(super) end: U64,
    /// Of a memory queue; 0 = it never reserved.
    pub(super) reserved_end: U64,
    pub(super) run_count: U32,
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct RunLayout {
    pub(super) segment: U64,
    pub(super) first_offset: U64,
    pub(super) first_ns: U64,
}

/// `ahead_count` pairs (start, end) and `attempts_count` pairs (offset, attempts) follow.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct PositionLayout {
    pub(super) queue: U64,
    pub(super) group: U32,
    pub(super) epoch: U32,
    pub(super) floor: U64,
    pub(super) grants: U32,
    pub(super) forgotten: U32,
    pub(super) ahead_count: U32,
    pub(super) attempts_count: U32,
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct PairLayout {
    pub(super) first: U64,
    pub(super) second: U64,
}

/// `taken_count` sections follow.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct WindowLayout {
    pub(super) producer: U64,
    pub(super) queue: U64,
    pub(super) next_sequence: U64,
    pub(super) used_index: U64,
    pub(super) used_order: U32,
    pub(super) epoch: U32,
    pub(super) taken_count: U32,
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct TakenLayout {
    pub(super) sequence: U64,
    pub(super) first_offset: U64,
    pub(super) count: U32,
}

/// Producer 0 says that producers were forgotten.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct ProducerLayout {
    pub(super) producer: U64,
    pub(super) newest: U32,
    pub(super) forgotten: U32,
    pub(super) has_forgotten: U32,
}
