//! Limits: the one table of maxima of the wire (law 5). Everything a peer may size is here.

/// Key of a record, in bytes.
pub const KEY_BYTES_MAX: usize = 1024;
/// Tag of a record, in bytes.
pub const TAG_BYTES_MAX: usize = 64;
/// All properties of a record together, encoded, in bytes.
pub const PROPERTIES_BYTES_MAX: usize = 32 * 1024;
/// A record as configured unless the node says otherwise, in bytes, everything included.
pub const RECORD_BYTES_DEFAULT: usize = 1024 * 1024;
/// The most a node may be configured to take as one record, in bytes.
pub const RECORD_BYTES_MAX: usize = 4 * 1024 * 1024;
/// What a section, a frame and a batch may hold above the record limit, in bytes.
pub const FRAME_OVERHEAD_BYTES: usize = 64 * 1024;
/// The largest frame any node takes: header, body and section, in bytes.
pub const FRAME_BYTES_MAX: usize = RECORD_BYTES_MAX + FRAME_OVERHEAD_BYTES;
/// The FlatBuffers body of a frame, in bytes: what the verifier must walk is small.
pub const BODY_BYTES_MAX: usize = 256 * 1024;
/// The largest frame before hello, in bytes.
pub const FRAME_BYTES_BEFORE_HELLO_MAX: usize = 64 * 1024;
/// Topic, group, client and area names, in bytes.
pub const NAME_BYTES_MAX: usize = 255;
/// Records in one section.
pub const SECTION_RECORDS_MAX: u32 = 65_536;
/// Offsets in one ack.
pub const ACK_OFFSETS_MAX: usize = 4096;
/// Topics or groups in one listing page.
pub const LISTING_COUNT_MAX: u32 = 1000;
/// Idempotent sections a producer may have in flight per queue; also the dedup window.
pub const PRODUCER_SECTIONS_IN_FLIGHT_MAX: usize = 64;

const _: () = assert!(FRAME_BYTES_BEFORE_HELLO_MAX < FRAME_BYTES_MAX);
const _: () = assert!(BODY_BYTES_MAX < FRAME_BYTES_MAX);
const _: () = assert!(PROPERTIES_BYTES_MAX + KEY_BYTES_MAX + TAG_BYTES_MAX < RECORD_BYTES_DEFAULT);
