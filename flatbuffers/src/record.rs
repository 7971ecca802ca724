//! Record: one message, and the section of records a frame carries.
//!
//! ```text
//!  0     4        8         16        18     19     20           24      28
//!  | crc | length | born_ns | key len | tag  | zero | properties | body  | key tag properties body
//!  | u32 | u32    | u64     | u16     | u8   | u8   | len u32    | u32   |
//! ```
//!
//! Little-endian, unpadded; `length` counts all of it. `crc` is CRC-32 (IEEE)
//! by the producer over bytes 4..length: it is checked at ingress, in recovery
//! and by the consumer, so it also covers memory and network cards. Properties
//! are pairs of (u16 length, bytes) (u16 length, bytes), UTF-8.
//!
//! A section is records one after another: one publish, all or nothing. The
//! broker copies it once and never re-encodes it.

use crate::limits;
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Length of a record without key, tag, properties and body, in bytes.
pub const RECORD_HEADER_BYTES: usize = 28;

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Layout {
    crc: U32,
    length: U32,
    born_ns: U64,
    key_bytes: U16,
    tag_bytes: u8,
    zero: u8,
    properties_bytes: U32,
    body_bytes: U32,
}

const _: () = assert!(size_of::<Layout>() == RECORD_HEADER_BYTES);

/// One message, borrowed from its section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// When the producer made it: wall clock, nanoseconds since 1970.
    pub born_ns: u64,
    /// Chooses the queue; may be empty.
    pub key: &'a [u8],
    /// For filters; may be empty.
    pub tag: &'a [u8],
    /// Encoded pairs; see [`Properties`].
    pub properties: Properties<'a>,
    /// The payload.
    pub body: &'a [u8],
}

/// The string pairs of a record, still encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Properties<'a>(&'a [u8]);

/// Why bytes are not a record or a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// Shorter than its header or its own length says.
    Truncated,
    /// The parts do not add up to the length, or a reserved byte is not zero.
    Malformed,
    /// The checksum does not match.
    Checksum,
    /// A part or the whole is longer than the limit, both in bytes.
    TooLarge {
        /// What it has.
        bytes: usize,
        /// What it may have.
        bytes_max: usize,
    },
    /// The section holds another number of records than it says.
    Count,
}

impl<'a> Record<'a> {
    /// Reads and checks the record at the front of `bytes`; returns it and its length.
    pub fn decode(bytes: &'a [u8], record_bytes_max: usize) -> Result<(Self, usize), RecordError> {
        let (record, whole) = Self::split(bytes, record_bytes_max)?;
        if crc32fast::hash(&whole[4..])
            != u32::from_le_bytes([whole[0], whole[1], whole[2], whole[3]])
        {
            return Err(RecordError::Checksum);
        }
        Ok((record, whole.len()))
    }

    /// As `decode`, for bytes whose checksum was verified before.
    pub fn decode_verified(bytes: &'a [u8]) -> Result<(Self, usize), RecordError> {
        let (record, whole) = Self::split(bytes, limits::RECORD_BYTES_MAX)?;
        Ok((record, whole.len()))
    }

    fn split(bytes: &'a [u8], record_bytes_max: usize) -> Result<(Self, &'a [u8]), RecordError> {
        let (layout, _) = Layout::ref_from_prefix(bytes).map_err(|_| RecordError::Truncated)?;
        let length = layout.length.get() as usize;
        bounded(length, record_bytes_max)?;
        let whole = bytes.get(..length).ok_or(RecordError::Truncated)?;
        let rest = whole.get(RECORD_HEADER_BYTES..).ok_or(RecordError::Malformed)?;
        let key_bytes = layout.key_bytes.get() as usize;
        let tag_bytes = usize::from(layout.tag_bytes);
        let properties_bytes = layout.properties_bytes.get() as usize;
        bounded(key_bytes, limits::KEY_BYTES_MAX)?;
        bounded(tag_bytes, limits::TAG_BYTES_MAX)?;
        bounded(properties_bytes, limits::PROPERTIES_BYTES_MAX)?;
        let (key, rest) = rest.split_at_checked(key_bytes).ok_or(RecordError::Malformed)?;
        let (tag, rest) = rest.split_at_checked(tag_bytes).ok_or(RecordError::Malformed)?;
        let (properties, body) =
            rest.split_at_checked(properties_bytes).ok_or(RecordError::Malformed)?;
        if body.len() != layout.body_bytes.get() as usize || layout.zero != 0 {
            return Err(RecordError::Malformed);
        }
        let properties = Properties::check(properties)?;
        Ok((Self { born_ns: layout.born_ns.get(), key, tag, properties, body }, whole))
    }
}

impl<'a> Properties<'a> {
    /// Checks that `bytes` are whole pairs of UTF-8 strings.
    pub fn check(bytes: &'a [u8]) -> Result<Self, RecordError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let (_, after) = split_string(rest).ok_or(RecordError::Malformed)?;
            let (_, after) = split_string(after).ok_or(RecordError::Malformed)?;
            rest = after;
        }
        Ok(Self(bytes))
    }

    /// The pairs, in the order they were given.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (name, after) = split_string(rest)?;
            let (value, after) = split_string(after)?;
            rest = after;
            Some((name, value))
        })
    }

    /// The encoded bytes.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }
}

/// Appends one property to an encoded list.
pub fn write_property(out: &mut Vec<u8>, name: &str, value: &str) -> Result<(), RecordError> {
    for part in [name, value] {
        let bytes_max = limits::PROPERTIES_BYTES_MAX;
        let length = u16::try_from(part.len())
            .map_err(|_| RecordError::TooLarge { bytes: part.len(), bytes_max })?;
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(part.as_bytes());
    }
    bounded(out.len(), limits::PROPERTIES_BYTES_MAX)
}

/// Appends one encoded record, checksum included, to `section`; on an error nothing is appended.
pub fn write_record(
    section: &mut Vec<u8>,
    record: &Record<'_>,
    record_bytes_max: usize,
) -> Result<(), RecordError> {
    let start = section.len();
    append_record(section, record, record_bytes_max)?;
    write_checksums(&mut section[start..]);
    Ok(())
}

/// As `write_record`, but for the checksum, which `write_checksums` writes once the section is
/// whole. A core that reads what it has just written in smaller pieces waits until that is in
/// its cache; the checksum of a record of 64 bytes takes twice as long then.
pub fn append_record(
    section: &mut Vec<u8>,
    record: &Record<'_>,
    record_bytes_max: usize,
) -> Result<(), RecordError> {
    bounded(record.key.len(), limits::KEY_BYTES_MAX)?;
    bounded(record.tag.len(), limits::TAG_BYTES_MAX)?;
    bounded(record.properties.0.len(), limits::PROPERTIES_BYTES_MAX)?;
    let parts = [record.key, record.tag, record.properties.0, record.body];
    let length = RECORD_HEADER_BYTES + parts.iter().map(|part| part.len()).sum::<usize>();
    bounded(length, record_bytes_max)?;
    let too_large = RecordError::TooLarge { bytes: length, bytes_max: record_bytes_max };
    let length_field = u32::try_from(length).map_err(|_| too_large)?;
    let key_bytes = u16::try_from(record.key.len()).map_err(|_| too_large)?;
    let tag_bytes = u8::try_from(record.tag.len()).map_err(|_| too_large)?;
    let properties_bytes = u32::try_from(record.properties.0.len()).map_err(|_| too_large)?;
    let body_bytes = u32::try_from(record.body.len()).map_err(|_| too_large)?;
    let start = section.len();
    section.reserve(length);
    section.extend_from_slice(&[0; RECORD_HEADER_BYTES]);
    for part in parts.into_iter().filter(|part| !part.is_empty()) {
        section.extend_from_slice(part);
    }
    // Field by field in its place: a header that is made elsewhere is read again to be copied.
    let (layout, _) = Layout::mut_from_prefix(&mut section[start..]).expect("appended above");
    layout.length = length_field.into();
    layout.born_ns = record.born_ns.into();
    layout.key_bytes = key_bytes.into();
    layout.tag_bytes = tag_bytes;
    layout.properties_bytes = properties_bytes.into();
    layout.body_bytes = body_bytes.into();
    Ok(())
}

/// Writes the checksum of each record of a section that `append_record` made.
pub fn write_checksums(section: &mut [u8]) {
    // One for all: to find what the processor can do takes as long as a short record.
    let fresh = crc32fast::Hasher::new();
    let mut rest = section;
    while let Some(bytes) = record_bytes(rest).filter(|bytes| *bytes >= RECORD_HEADER_BYTES) {
        let Some((record, behind)) = rest.split_at_mut_checked(bytes) else { return };
        let mut hasher = fresh.clone();
        hasher.update(&record[4..]);
        let crc = hasher.finalize();
        record[..4].copy_from_slice(&crc.to_le_bytes());
        rest = behind;
    }
}

/// Checks every record of a section, and that there are `count` of them.
pub fn check_section(
    section: &[u8],
    count: u32,
    record_bytes_max: usize,
) -> Result<(), RecordError> {
    let mut rest = section;
    for _ in 0..count {
        let (_, length) = Record::decode(rest, record_bytes_max)?;
        rest = &rest[length..];
    }
    if rest.is_empty() && count > 0 && count <= limits::SECTION_RECORDS_MAX {
        return Ok(());
    }
    Err(RecordError::Count)
}

/// The checksum of every record: CRC-32 (IEEE).
pub fn checksum(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// The records of a section whose checksums were verified before, with the length of each.
pub fn records(section: &[u8]) -> impl Iterator<Item = (Record<'_>, usize)> {
    let mut rest = section;
    std::iter::from_fn(move || {
        let (record, length) = Record::decode_verified(rest).ok()?;
        rest = &rest[length..];
        Some((record, length))
    })
}

/// The length of the record at the front of verified bytes, without reading its parts.
pub fn record_bytes(bytes: &[u8]) -> Option<usize> {
    let (layout, _) = Layout::ref_from_prefix(bytes).ok()?;
    Some(layout.length.get() as usize)
}

fn split_string(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    let (text, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
    Some((std::str::from_utf8(text).ok()?, rest))
}

const fn bounded(bytes: usize, bytes_max: usize) -> Result<(), RecordError> {
    if bytes > bytes_max { Err(RecordError::TooLarge { bytes, bytes_max }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(bodies: &[&[u8]]) -> Vec<u8> {
        let mut section = Vec::new();
        let mut pairs = Vec::new();
        write_property(&mut pairs, "zone", "A10").expect("fits");
        let properties = Properties::check(&pairs).expect("written above");
        for body in bodies {
            let record = Record { born_ns: 5, key: b"k", tag: b"t", properties, body };
            write_record(&mut section, &record, 4096).expect("fits");
        }
        section
    }

    #[test]
    fn a_section_reads_back_as_written() {
        let section = section(&[b"one", b"", b"three"]);
        assert_eq!(check_section(&section, 3, 4096), Ok(()));
        let bodies: Vec<&[u8]> = records(&section).map(|(record, _)| record.body).collect();
        assert_eq!(bodies, [b"one".as_slice(), b"", b"three"]);
        let (first, _) = Record::decode(&section, 4096).expect("valid");
        assert_eq!(first.properties.iter().collect::<Vec<_>>(), [("zone", "A10")]);
    }

    #[test]
    fn checksums_that_are_written_together_are_those_of_each() {
        let one_by_one = section(&[b"one", b"", b"three"]);
        let mut together = Vec::new();
        for (record, _) in records(&one_by_one) {
            append_record(&mut together, &record, 4096).expect("fits");
        }
        assert_eq!(check_section(&together, 3, 4096), Err(RecordError::Checksum));
        write_checksums(&mut together);
        assert_eq!(together, one_by_one);
    }

    #[test]
    fn every_flipped_byte_is_refused() {
        let section = section(&[b"one", b"two"]);
        for position in 0..section.len() {
            let mut damaged = section.clone();
            damaged[position] ^= 0x10;
            assert!(check_section(&damaged, 2, 4096).is_err(), "byte {position}");
        }
    }

    #[test]
    fn a_wrong_count_is_refused() {
        let section = section(&[b"one", b"two"]);
        assert_eq!(check_section(&section, 1, 4096), Err(RecordError::Count));
        assert_eq!(check_section(&section, 3, 4096), Err(RecordError::Truncated));
        assert_eq!(check_section(&[], 0, 4096), Err(RecordError::Count));
    }
}
