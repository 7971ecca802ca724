//! Segment: one file of the log: its header and its footer.
//!
//! ```text
//!   0        4096     8192        65536                                bytes - 4096   bytes
//!   | header | header | zero      | batch | batch | ...        zero    | footer       |
//!   |        |  copy  | (reserved)|  each on 4 KiB                     | once sealed  |
//! ```
//!
//! A segment is made of zeroes and written once, from the front. The header
//! (twice) goes to the disk with the first batch; until then the file is zero
//! and holds nothing. The reserved region waits for replication's ring of
//! identities. The footer is written when the segment is left for ever; it
//! repeats the header, so it is a third copy of it.

use crate::batch::{Damage, FORMAT_RELEASE, SECTOR_BYTES, SectionHeader, is_count, is_zero};
use crate::chunk::{BLOCK_BYTES, aligned, aligned_zeroes};
use bytes::Bytes;
use wire::{LogIndex, Offset, QueueId, ShardId, Term};
use zerocopy::little_endian::{U16, U32, U64, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Version of everything on the disk. Another one is refused by name.
pub const FORMAT_VERSION: u32 = 1;
/// CRC-32 (IEEE): the one checksum of this version.
pub(crate) const CHECKSUM_CRC32: u8 = 1;
/// Where the first batch of a segment stands.
pub(crate) const HEAD_BYTES: u32 = 64 * 1024;
/// How many queues a footer can name.
pub(crate) const FOOTER_QUEUES_MAX: usize = 160;

const HEADER_MAGIC: [u8; 4] = *b"DSEG";
const FOOTER_MAGIC: [u8; 4] = *b"DEND";
const BLOCK: u32 = 4096;
const _: () = assert!(BLOCK as usize == BLOCK_BYTES);

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct HeaderLayout {
    checksum: U32,
    magic: [u8; 4],
    version: U32,
    block_bytes: U32,
    cluster_id: U128,
    node_id: U128,
    salt: U128,
    number: U64,
    bytes: U64,
    base: U64,
    term: U64,
    wall_ns: U64,
    previous: U32,
    release: U32,
    shard: U16,
    algorithm: u8,
    zero: [u8; 5],
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct FooterLayout {
    header: HeaderLayout,
    end: U64,
    next_base: U64,
    batch_count: U64,
    section_count: U64,
    record_count: U64,
    oldest_ns: U64,
    newest_ns: U64,
    end_position: U32,
    last_identity: U32,
    queue_count: U32,
    all_queues: u8,
    zero: [u8; 3],
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct QueueLayout {
    queue: U64,
    first: U64,
    end: U64,
}

const QUEUES_FROM: usize = 256;
const _: () = assert!(size_of::<HeaderLayout>() == 120);
const _: () = assert!(size_of::<FooterLayout>() <= QUEUES_FROM);
const _: () = assert!(QUEUES_FROM + FOOTER_QUEUES_MAX * size_of::<QueueLayout>() == BLOCK_BYTES);

/// Whose disk it is: what every header must agree with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) cluster_id: u128,
    pub(crate) node_id: u128,
    pub(crate) shard: ShardId,
}

/// A segment's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) owner: Owner,
    pub(crate) salt: u128,
    pub(crate) number: u64,
    pub(crate) bytes: u64,
    pub(crate) base: LogIndex,
    pub(crate) term: Term,
    pub(crate) wall_ns: u64,
    /// Identity checksum of the last batch before this segment; 0 before the first.
    pub(crate) previous: u32,
}

/// What is in a segment; counted while it is written, kept in the footer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Contents {
    pub(crate) batch_count: u64,
    pub(crate) section_count: u64,
    pub(crate) record_count: u64,
    /// First and last acceptance, wall nanoseconds; 0 = none.
    pub(crate) oldest_ns: u64,
    pub(crate) newest_ns: u64,
    /// Offset ranges, ascending by queue; not all when there are more than fit.
    pub(crate) queues: Vec<QueueRange>,
    pub(crate) more_queues: bool,
}

/// The offsets of one queue in a segment or a log; the end is exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueRange {
    /// Which queue.
    pub queue: QueueId,
    /// Its first offset there.
    pub first: Offset,
    /// Exclusive end of its offsets there.
    pub end: Offset,
}

/// A sealed segment's footer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Footer {
    pub(crate) header: SegmentHeader,
    /// Exclusive end of its batches.
    pub(crate) end: LogIndex,
    /// Index the log goes on with: `end`, or later where batches were given up.
    pub(crate) next_base: LogIndex,
    /// Exclusive end of its batches in bytes; what follows was cut off.
    pub(crate) end_position: u32,
    pub(crate) last_identity: u32,
    pub(crate) contents: Contents,
}

/// Why a block is not a header or footer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadFault {
    /// Its first sector is zero: it was never written.
    Zero,
    /// Checksum, magic or lengths are wrong.
    Damaged,
    /// Another version of the format.
    Version(u32),
}

impl From<HeadFault> for Damage {
    fn from(_: HeadFault) -> Self {
        Self::Header
    }
}

impl SegmentHeader {
    /// Where batches end and the footer begins, in bytes.
    pub(crate) fn batches_end(&self) -> u32 {
        batches_end(self.bytes)
    }

    /// Both header blocks.
    pub(crate) fn encode(&self) -> Bytes {
        let mut block = [0; BLOCK_BYTES];
        block[..size_of::<HeaderLayout>()].copy_from_slice(self.layout().as_bytes());
        stamp(&mut block);
        let mut head = aligned_zeroes(2 * BLOCK_BYTES);
        head[..BLOCK_BYTES].copy_from_slice(&block);
        head[BLOCK_BYTES..].copy_from_slice(&block);
        head.freeze()
    }

    /// Reads one of the header blocks.
    pub(crate) fn decode(block: &[u8]) -> Result<Self, HeadFault> {
        let layout: &HeaderLayout = check(block, HEADER_MAGIC)?;
        Self::of(layout)
    }

    fn layout(&self) -> HeaderLayout {
        HeaderLayout {
            checksum: 0.into(),
            magic: HEADER_MAGIC,
            version: FORMAT_VERSION.into(),
            block_bytes: BLOCK.into(),
            cluster_id: self.owner.cluster_id.into(),
            node_id: self.owner.node_id.into(),
            salt: self.salt.into(),
            number: self.number.into(),
            bytes: self.bytes.into(),
            base: self.base.0.into(),
            term: self.term.0.into(),
            wall_ns: self.wall_ns.into(),
            previous: self.previous.into(),
            release: FORMAT_RELEASE.into(),
            shard: self.owner.shard.0.into(),
            algorithm: CHECKSUM_CRC32,
            zero: [0; 5],
        }
    }

    fn of(layout: &HeaderLayout) -> Result<Self, HeadFault> {
        let header = Self {
            owner: Owner {
                cluster_id: layout.cluster_id.get(),
                node_id: layout.node_id.get(),
                shard: ShardId(layout.shard.get()),
            },
            salt: layout.salt.get(),
            number: layout.number.get(),
            bytes: layout.bytes.get(),
            base: LogIndex(layout.base.get()),
            term: Term(layout.term.get()),
            wall_ns: layout.wall_ns.get(),
            previous: layout.previous.get(),
        };
        let known = layout.block_bytes.get() == BLOCK && layout.algorithm == CHECKSUM_CRC32;
        let counts = is_count(header.number) && is_count(header.base.0);
        if known && counts && bytes_fit(header.bytes) {
            Ok(header)
        } else {
            Err(HeadFault::Damaged)
        }
    }
}

impl Footer {
    /// The footer's block.
    pub(crate) fn encode(&self) -> Bytes {
        let contents = &self.contents;
        let mut header = self.header.layout();
        header.magic = FOOTER_MAGIC;
        let layout = FooterLayout {
            header,
            end: self.end.0.into(),
            next_base: self.next_base.0.into(),
            batch_count: contents.batch_count.into(),
            section_count: contents.section_count.into(),
            record_count: contents.record_count.into(),
            oldest_ns: contents.oldest_ns.into(),
            newest_ns: contents.newest_ns.into(),
            end_position: self.end_position.into(),
            last_identity: self.last_identity.into(),
            queue_count: u32::try_from(contents.queues.len()).expect("at most 160").into(),
            all_queues: u8::from(!contents.more_queues),
            zero: [0; 3],
        };
        let mut block = [0; BLOCK_BYTES];
        block[..size_of::<FooterLayout>()].copy_from_slice(layout.as_bytes());
        let places = block[QUEUES_FROM..].chunks_exact_mut(size_of::<QueueLayout>());
        for (range, place) in contents.queues.iter().zip(places) {
            let (queue, first, end) =
                (range.queue.0.into(), range.first.0.into(), range.end.0.into());
            place.copy_from_slice(QueueLayout { queue, first, end }.as_bytes());
        }
        stamp(&mut block);
        aligned(&block)
    }

    /// Reads a footer's block.
    pub(crate) fn decode(block: &[u8]) -> Result<Self, HeadFault> {
        let layout: &FooterLayout = check(block, FOOTER_MAGIC)?;
        let header = SegmentHeader::of(&layout.header)?;
        let queue_count = layout.queue_count.get() as usize;
        let end_position = layout.end_position.get();
        let positions = HEAD_BYTES..=header.batches_end();
        let ends_agree = is_count(layout.next_base.get())
            && layout.end.get() >= header.base.0
            && layout.next_base.get() >= layout.end.get()
            && positions.contains(&end_position);
        if queue_count > FOOTER_QUEUES_MAX || !ends_agree {
            return Err(HeadFault::Damaged);
        }
        let queues = block[QUEUES_FROM..].chunks_exact(size_of::<QueueLayout>()).take(queue_count);
        let queues = queues.filter_map(|bytes| QueueLayout::ref_from_bytes(bytes).ok());
        let range = |layout: &QueueLayout| QueueRange {
            queue: QueueId(layout.queue.get()),
            first: Offset(layout.first.get()),
            end: Offset(layout.end.get()),
        };
        Ok(Self {
            header,
            end: LogIndex(layout.end.get()),
            next_base: LogIndex(layout.next_base.get()),
            end_position,
            last_identity: layout.last_identity.get(),
            contents: Contents {
                batch_count: layout.batch_count.get(),
                section_count: layout.section_count.get(),
                record_count: layout.record_count.get(),
                oldest_ns: layout.oldest_ns.get(),
                newest_ns: layout.newest_ns.get(),
                queues: queues.map(range).collect(),
                more_queues: layout.all_queues == 0,
            },
        })
    }
}

impl Contents {
    /// Counts one section in.
    pub(crate) fn count(&mut self, section: &SectionHeader) {
        self.section_count += 1;
        self.record_count += u64::from(section.count);
        if self.oldest_ns == 0 {
            self.oldest_ns = section.accepted_ns;
        }
        self.newest_ns = self.newest_ns.max(section.accepted_ns);
        let end = section.first_offset.plus(u64::from(section.count));
        match self.queues.binary_search_by_key(&section.queue, |range| range.queue) {
            Ok(at) => self.queues[at].end = end.max(self.queues[at].end),
            Err(_) if self.queues.len() == FOOTER_QUEUES_MAX => self.more_queues = true,
            Err(at) => {
                let first = section.first_offset;
                self.queues.insert(at, QueueRange { queue: section.queue, first, end });
            }
        }
    }
}

/// Where batches end in a segment of `bytes`.
pub(crate) fn batches_end(bytes: u64) -> u32 {
    u32::try_from(bytes).expect("checked by `bytes_fit`") - BLOCK
}

/// Whether a segment may be so long: blocks only, room for a batch, positions of 32 bits.
pub(crate) fn bytes_fit(bytes: u64) -> bool {
    bytes.is_multiple_of(u64::from(BLOCK))
        && bytes >= u64::from(HEAD_BYTES + 2 * BLOCK)
        && u32::try_from(bytes).is_ok()
}

/// Writes the checksum of a block into its first four bytes.
pub(crate) fn stamp(block: &mut [u8; BLOCK_BYTES]) {
    let checksum = crc32fast::hash(&block[4..]);
    block[..4].copy_from_slice(&checksum.to_le_bytes());
}

/// Checks a block that starts with checksum, magic and version, and reads its front.
pub(crate) fn check<T>(block: &[u8], magic: [u8; 4]) -> Result<&T, HeadFault>
where
    T: FromBytes + Immutable + KnownLayout + Unaligned,
{
    let block: &[u8; BLOCK_BYTES] = block.try_into().map_err(|_| HeadFault::Damaged)?;
    if is_zero(&block[..SECTOR_BYTES]) {
        return Err(HeadFault::Zero);
    }
    let word =
        |at: usize| u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]]);
    if word(0) != crc32fast::hash(&block[4..]) || block[4..8] != magic {
        return Err(HeadFault::Damaged);
    }
    if word(8) != FORMAT_VERSION {
        return Err(HeadFault::Version(word(8)));
    }
    T::ref_from_prefix(block).map(|(layout, _)| layout).map_err(|_| HeadFault::Damaged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden;

    fn header() -> SegmentHeader {
        SegmentHeader {
            owner: Owner { cluster_id: 1, node_id: 2, shard: ShardId(3) },
            salt: 0xabcd,
            number: 7,
            bytes: 1 << 20,
            base: LogIndex(100),
            term: Term(1),
            wall_ns: 9,
            previous: 0x1234,
        }
    }

    fn footer() -> Footer {
        let mut contents = Contents { batch_count: 4, ..Contents::default() };
        for queue in [5, 3, 5] {
            let queue = QueueId(queue);
            let section = SectionHeader { queue, count: 2, accepted_ns: 8, ..Default::default() };
            contents.count(&section);
        }
        Footer {
            header: header(),
            end: LogIndex(104),
            next_base: LogIndex(104),
            end_position: HEAD_BYTES + BLOCK,
            last_identity: 0x99,
            contents,
        }
    }

    #[test]
    fn both_read_back_as_written() {
        let head = header().encode();
        assert_eq!(SegmentHeader::decode(&head[..BLOCK_BYTES]), Ok(header()));
        assert_eq!(SegmentHeader::decode(&head[BLOCK_BYTES..]), Ok(header()));
        assert_eq!(Footer::decode(&footer().encode()), Ok(footer()));
    }

    #[test]
    fn every_flipped_byte_is_found() {
        let (head, foot) = (header().encode(), footer().encode());
        for position in 0..BLOCK_BYTES {
            let flip = |bytes: &Bytes| {
                let mut block = bytes[..BLOCK_BYTES].to_vec();
                block[position] ^= 0x20;
                block
            };
            assert!(SegmentHeader::decode(&flip(&head)).is_err(), "header byte {position}");
            assert!(Footer::decode(&flip(&foot)).is_err(), "footer byte {position}");
        }
    }

    #[test]
    fn a_block_never_written_is_no_damage() {
        assert_eq!(SegmentHeader::decode(&[0; BLOCK_BYTES]), Err(HeadFault::Zero));
        assert_eq!(Footer::decode(&header().encode()[..BLOCK_BYTES]), Err(HeadFault::Damaged));
    }

    #[test]
    fn another_version_is_refused_by_name() {
        let mut block: [u8; BLOCK_BYTES] =
            header().encode()[..BLOCK_BYTES].try_into().expect("one block");
        block[8] = 9;
        stamp(&mut block);
        assert_eq!(SegmentHeader::decode(&block), Err(HeadFault::Version(9)));
    }

    #[test]
    fn more_queues_than_fit_are_named_as_such() {
        let mut contents = Contents::default();
        for queue in 0..=FOOTER_QUEUES_MAX as u64 {
            contents.count(&SectionHeader { queue: QueueId(queue), ..Default::default() });
        }
        assert!(contents.more_queues);
        let footer = Footer { contents, ..footer() };
        assert_eq!(Footer::decode(&footer.encode()), Ok(footer));
    }

    #[test]
    fn released_bytes_stay_what_they_are() {
        assert_eq!(golden::hex(&header().encode()[..120]), golden::SEGMENT_HEADER);
        assert_eq!(golden::hex(&footer().encode()[..304]), golden::SEGMENT_FOOTER);
    }
}
