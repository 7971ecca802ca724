//! Frame: header, FlatBuffers body and record section, encoded and decoded as one.
//!
//! Decoding borrows and allocates nothing. `decode` answers *incomplete* (how
//! many bytes are wanted), *malformed*, or a frame with the bytes it took.
//! Bodies are verified with tight limits before any field is read (`Frame::read`).

use crate::header::{FLAG_TRACED, FrameHeader, HEADER_BYTES, HeaderError, VERSION};
use crate::kind::Kind;
use crate::limits;
use flatbuffers::{FlatBufferBuilder, Follow, Verifiable, VerifierOptions, WIPOffset};

/// A whole frame, borrowed from the bytes it came in.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// The fixed part.
    pub header: FrameHeader,
    /// The FlatBuffers table, not yet verified.
    pub body: &'a [u8],
    /// The records, opaque here; see [`crate::record`].
    pub section: &'a [u8],
}

/// Why bytes are not a frame, or a body is not the table its kind asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The header is not one of ours.
    Header(HeaderError),
    /// The body is not a valid table of its kind.
    Body,
}

/// What the front of a byte stream holds.
#[derive(Clone, Copy, Debug)]
pub enum Decoded<'a> {
    /// Nothing whole yet; so many bytes in all are needed to go on.
    Incomplete {
        /// Length from the start of the stream, in bytes.
        bytes_wanted: usize,
    },
    /// A frame, and how many bytes of the stream it took.
    Frame {
        /// The frame.
        frame: Frame<'a>,
        /// Its length, in bytes.
        bytes_taken: usize,
    },
}

impl<'a> Frame<'a> {
    /// Looks at the front of `stream`.
    pub fn decode(stream: &'a [u8]) -> Result<Decoded<'a>, DecodeError> {
        let Some((header_bytes, rest)) = stream.split_first_chunk::<HEADER_BYTES>() else {
            return Self::decode_short(stream);
        };
        let header = FrameHeader::decode(header_bytes).map_err(DecodeError::Header)?;
        let body_bytes = header.body_bytes as usize;
        let payload_bytes = body_bytes + header.section_bytes as usize;
        let Some(payload) = rest.get(..payload_bytes) else {
            return Ok(Decoded::Incomplete { bytes_wanted: HEADER_BYTES + payload_bytes });
        };
        let (body, section) = payload.split_at(body_bytes);
        let frame = Frame { header, body, section };
        Ok(Decoded::Frame { frame, bytes_taken: HEADER_BYTES + payload_bytes })
    }

    /// Fewer bytes than a header: another protocol is already told from the first of them.
    fn decode_short(stream: &[u8]) -> Result<Decoded<'a>, DecodeError> {
        let known = stream.len().min(crate::header::MAGIC.len());
        if stream[..known] == crate::header::MAGIC[..known] {
            return Ok(Decoded::Incomplete { bytes_wanted: HEADER_BYTES });
        }
        let mut first = [0; 4];
        first[..known].copy_from_slice(&stream[..known]);
        Err(DecodeError::Header(HeaderError::Magic(first)))
    }

    /// The kind, if we know its number.
    pub const fn kind(&self) -> Option<Kind> {
        Kind::from_number(self.header.kind)
    }

    /// Verifies the body as a table `T` and returns it.
    pub fn read<T>(&self) -> Result<T, DecodeError>
    where
        T: Follow<'a, Inner = T> + Verifiable + 'a,
    {
        let options = VerifierOptions {
            max_depth: 8,
            max_tables: 64.max(limits::LISTING_COUNT_MAX as usize * 4),
            max_apparent_size: limits::BODY_BYTES_MAX,
            ignore_missing_null_terminator: false,
        };
        flatbuffers::root_with_opts::<T>(&options, self.body).map_err(|_| DecodeError::Body)
    }
}

/// Writes frames, reusing one FlatBuffers builder: no allocation once warm.
pub struct FrameWriter {
    builder: FlatBufferBuilder<'static>,
}

impl std::fmt::Debug for FrameWriter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("FrameWriter")
    }
}

impl Default for FrameWriter {
    fn default() -> Self {
        Self { builder: FlatBufferBuilder::with_capacity(1024) }
    }
}

impl FrameWriter {
    /// Appends a frame to `out`: the table `build` makes, then `section` (its parts one after another).
    #[expect(
        clippy::too_many_arguments,
        reason = "what a frame is made of; a struct would only rename it"
    )]
    pub fn write<T>(
        &mut self,
        out: &mut Vec<u8>,
        kind: Kind,
        request_id: u64,
        section: &[&[u8]],
        build: impl FnOnce(&mut FlatBufferBuilder<'static>) -> WIPOffset<T>,
    ) {
        self.builder.reset();
        let root = build(&mut self.builder);
        self.builder.finish_minimal(root);
        write_parts(out, kind, request_id, self.builder.finished_data(), section);
    }

    /// Sets `FLAG_TRACED` in a frame that was just written.
    ///
    /// # Panics
    /// `frame` does not begin with a sound header.
    pub fn mark_traced(frame: &mut [u8]) {
        let header = frame.first_chunk_mut::<HEADER_BYTES>().expect("a whole header was written");
        let mut decoded = FrameHeader::decode(header).expect("a sound header was written");
        decoded.flags |= FLAG_TRACED;
        *header = decoded.encode();
    }

    /// Appends a frame that is only a header: Ping, Pong, Done.
    pub fn write_bare(&mut self, out: &mut Vec<u8>, kind: Kind, request_id: u64) {
        write_parts(out, kind, request_id, &[], &[]);
    }
}

fn write_parts(out: &mut Vec<u8>, kind: Kind, request_id: u64, body: &[u8], section: &[&[u8]]) {
    let section_bytes: usize = section.iter().map(|part| part.len()).sum();
    let header = FrameHeader {
        version: VERSION,
        kind: kind as u8,
        flags: 0,
        body_bytes: length(body.len()),
        section_bytes: length(section_bytes),
        request_id,
    };
    out.extend_from_slice(&header.encode());
    out.extend_from_slice(body);
    for part in section {
        out.extend_from_slice(part);
    }
}

/// A length on the wire. Frames are bounded far below 4 GiB by whoever builds them.
fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("a frame part is bounded by FRAME_BYTES_MAX")
}
