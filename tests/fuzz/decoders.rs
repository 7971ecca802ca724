//! Decoders: what each fuzz target does with arbitrary bytes.
//!
//! Plain functions, so that the libFuzzer targets (nightly) and `cargo test`
//! (which replays the committed corpus) run the same code. Each returns
//! whether the bytes were taken; a panic or a broken promise is the finding.

use wire::body::visit_body;
use wire::frame::Decoded;
use wire::header::{FrameHeader, HEADER_BYTES};
use wire::limits::RECORD_BYTES_MAX;
use wire::names::TopicName;
use wire::record::{Properties, Record, check_section, records};
use wire::{Frame, Kind};

/// A decoder under test: takes any bytes, says whether it took them.
pub(crate) type Decoder = fn(&[u8]) -> bool;

/// Every decoder by the name of its target and of its folder in `corpus/`.
pub(crate) const ALL: &[(&str, Decoder)] = &[
    ("header", header),
    ("frame", frame),
    ("body", body),
    ("record", record),
    ("section", section),
    ("properties", properties),
    ("name", name),
];

/// The 32 bytes in front of a frame; what is taken encodes to the same bytes.
pub(crate) fn header(bytes: &[u8]) -> bool {
    let Some(front) = bytes.first_chunk::<HEADER_BYTES>() else { return false };
    let Ok(header) = FrameHeader::decode(front) else { return false };
    assert_eq!(&header.encode(), front, "a header has one encoding");
    true
}

/// A stream of frames: each is taken whole, its body and its records read to the end.
pub(crate) fn frame(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    let mut taken = false;
    while let Ok(Decoded::Frame { frame, bytes_taken }) = Frame::decode(rest) {
        assert!(bytes_taken >= HEADER_BYTES, "a stream moves on");
        read_body(&frame);
        section(frame.section);
        rest = &rest[bytes_taken..];
        taken = true;
    }
    taken
}

/// The first byte names the kind, the others are the body: the verifier without the header's checksum.
pub(crate) fn body(bytes: &[u8]) -> bool {
    let Some((kind, body)) = bytes.split_first() else { return false };
    let kinds = Kind::ALL;
    let kind = kinds[usize::from(*kind) % kinds.len()] as u8;
    let body_bytes = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let header =
        FrameHeader { version: 1, kind, flags: 0, body_bytes, section_bytes: 0, request_id: 0 };
    read_body(&Frame { header, body, section: &[] })
}

/// Reads every field of a body that verifies.
fn read_body(frame: &Frame<'_>) -> bool {
    let mut words_bytes = 0;
    let verdict = visit_body(frame, &mut |table| words_bytes += format!("{table:?}").len());
    verdict.is_ok()
}

/// One record; what is taken lies within the bytes.
pub(crate) fn record(bytes: &[u8]) -> bool {
    let unverified = Record::decode_verified(bytes);
    let Ok((record, length)) = Record::decode(bytes, RECORD_BYTES_MAX) else { return false };
    assert_eq!(unverified, Ok((record, length)), "the checksum changes no field");
    assert!(length <= bytes.len());
    record.properties.iter().for_each(drop);
    true
}

/// Records one after another; as many as can be read must be as many as it takes.
pub(crate) fn section(bytes: &[u8]) -> bool {
    let read = records(bytes).map(|(_, length)| length);
    let lengths: Vec<usize> = read.collect();
    assert!(lengths.iter().sum::<usize>() <= bytes.len());
    let count = u32::try_from(lengths.len()).unwrap_or(u32::MAX);
    check_section(bytes, count, RECORD_BYTES_MAX).is_ok()
}

/// The encoded string pairs of a record.
pub(crate) fn properties(bytes: &[u8]) -> bool {
    let Ok(properties) = Properties::check(bytes) else { return false };
    let pair_bytes = |(name, value): (&str, &str)| 4 + name.len() + value.len();
    let read_bytes: usize = properties.iter().map(pair_bytes).sum();
    assert_eq!(read_bytes, bytes.len(), "what was checked is read to the end");
    true
}

/// A topic's name.
pub(crate) fn name(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(name) = TopicName::parse(text) else { return false };
    assert_eq!(name.area().is_some(), name.service().is_some());
    true
}
