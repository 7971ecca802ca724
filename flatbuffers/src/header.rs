//! FrameHeader: the fixed 32 bytes in front of every frame.
//!
//! ```text
//!  0        4    5    6      8         12           16          24        28   32
//!  | magic  | v  |kind|flags | body    | section    | request   | unused  | crc |
//!  | "DFB1" | u8 | u8 | u16  | len u32 | length u32 | id u64    | zero    | u32 |
//! ```
//!
//! Little-endian. `crc` is CRC-32 (IEEE) over bytes 0..28, so a length is only
//! believed after the header checked. Body and section follow without padding.

use crate::limits;
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Length of the header, in bytes.
pub const HEADER_BYTES: usize = 32;
/// The first four bytes of every frame.
pub const MAGIC: [u8; 4] = *b"DFB1";
/// The wire version this code speaks.
pub const VERSION: u8 = 1;

/// The message is to be traced: its answer is preceded by a `Trace`. Only for nodes that offer
/// `FEATURE_TRACE`, since one that does not know a flag refuses the frame; means nothing on other kinds.
pub const FLAG_TRACED: u16 = 1;
/// A node that offers this in its Welcome takes `FLAG_TRACED`.
pub const FEATURE_TRACE: u64 = 1;

const FLAGS_KNOWN: u16 = FLAG_TRACED;
const CRC_POSITION: usize = 28;

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Layout {
    magic: [u8; 4],
    version: u8,
    kind: u8,
    flags: U16,
    body_bytes: U32,
    section_bytes: U32,
    request_id: U64,
    unused: U32,
    crc: U32,
}

const _: () = assert!(size_of::<Layout>() == HEADER_BYTES);

/// A frame's header, as numbers. `kind` stays a number: an unknown kind is the broker's to refuse by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Wire version of the sender.
    pub version: u8,
    /// Number of the frame kind, see [`crate::Kind`].
    pub kind: u8,
    /// `FLAG_TRACED`; the other bits must be 0.
    pub flags: u16,
    /// Length of the FlatBuffers body, in bytes; at most `BODY_BYTES_MAX`.
    pub body_bytes: u32,
    /// Length of the record section, in bytes.
    pub section_bytes: u32,
    /// Chosen by whoever asks, echoed by whoever answers; 0 = no answer wanted.
    pub request_id: u64,
}

/// Why 32 bytes are not a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderError {
    /// The first bytes are not ours: another protocol.
    Magic([u8; 4]),
    /// The checksum does not match.
    Checksum,
    /// A version we do not speak.
    Version(u8),
    /// Body or section longer than any node takes; the announced total, in bytes.
    Length(u64),
    /// Flags or reserved bytes that must be zero are not.
    Reserved,
}

impl FrameHeader {
    /// Reads a header. `bytes` must be exactly the first 32 of a frame.
    pub fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Self, HeaderError> {
        let layout = Layout::read_from_bytes(bytes).map_err(|_| HeaderError::Checksum)?;
        if layout.magic != MAGIC {
            return Err(HeaderError::Magic(layout.magic));
        }
        if crc32fast::hash(&bytes[..CRC_POSITION]) != layout.crc.get() {
            return Err(HeaderError::Checksum);
        }
        if layout.version != VERSION {
            return Err(HeaderError::Version(layout.version));
        }
        if layout.flags.get() & !FLAGS_KNOWN != 0 || layout.unused.get() != 0 {
            return Err(HeaderError::Reserved);
        }
        let header = Self {
            version: layout.version,
            kind: layout.kind,
            flags: layout.flags.get(),
            body_bytes: layout.body_bytes.get(),
            section_bytes: layout.section_bytes.get(),
            request_id: layout.request_id.get(),
        };
        let body_too_long = header.body_bytes as usize > limits::BODY_BYTES_MAX;
        if body_too_long || header.frame_bytes() > limits::FRAME_BYTES_MAX as u64 {
            return Err(HeaderError::Length(header.frame_bytes()));
        }
        Ok(header)
    }

    /// The 32 bytes of this header, checksum included.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let layout = Layout {
            magic: MAGIC,
            version: self.version,
            kind: self.kind,
            flags: self.flags.into(),
            body_bytes: self.body_bytes.into(),
            section_bytes: self.section_bytes.into(),
            request_id: self.request_id.into(),
            unused: 0.into(),
            crc: 0.into(),
        };
        let mut bytes = [0; HEADER_BYTES];
        bytes.copy_from_slice(layout.as_bytes());
        let crc = crc32fast::hash(&bytes[..CRC_POSITION]);
        bytes[CRC_POSITION..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Whether its message is to be traced.
    pub const fn is_traced(&self) -> bool {
        self.flags & FLAG_TRACED != 0
    }

    /// Header, body and section together, in bytes.
    pub const fn frame_bytes(&self) -> u64 {
        HEADER_BYTES as u64 + self.body_bytes as u64 + self.section_bytes as u64
    }
}
