//! Batch: the unit of write, checksum and commit.
//!
//! ```text
//!   0          4        8          48         128                    body_start      body_end     padded_bytes
//!   | checksum | "DBAT" | envelope | identity | checks of the blocks | zero | section section ... | zero |
//!   |<------------- one sector --------------->|                            |<------- body ------>|
//! ```
//!
//! The first checksum covers the 128 bytes, so lengths are trusted only after
//! it. The **envelope** belongs to this disk (segment salt, padded length, how
//! far the log was synced). The **identity** is equal on every replica and
//! covers the checks, so its checksum stands for the whole batch: the next
//! batch repeats it (`previous`), which chains them.
//!
//! Checks: for each 4 KiB block that holds body, eight CRC-32: the running
//! value after each 512-byte sector of it. The eighth is the CRC-32 of the
//! block; the seven before it tell a torn block (every sector right or never
//! written) from a damaged one.
//!
//! A section is a header of 56 bytes and the records of one publish as they came.

mod section;
#[cfg(test)]
mod tests;

pub(crate) use section::{SECTION_HEADER_BYTES, write_section};
pub use section::{SectionHeader, section_at};

use crate::chunk::{BLOCK_BYTES, round_up};
use bytes::{Buf, Bytes, BytesMut};
use crc32fast::Hasher;
use section::split_section;
use wire::{LogIndex, ShardId, Term};
use zerocopy::little_endian::{U16, U32, U64, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The release that writes this format; stamped in every envelope. A newer one is refused by name.
pub const FORMAT_RELEASE: u32 = 1;
/// What the disk writes whole or not at all, in bytes.
pub(crate) const SECTOR_BYTES: usize = 512;
/// The part of a batch's header that is always there, in bytes.
pub(crate) const HEADER_BYTES: usize = 128;

const MAGIC: [u8; 4] = *b"DBAT";
const SECTORS_PER_BLOCK: usize = BLOCK_BYTES / SECTOR_BYTES;
const CHECKS_BYTES: usize = SECTORS_PER_BLOCK * 4;
/// Bodies up to this slide to their header, so that both share the first block; larger ones start on a block.
const SLIDE_BYTES_MAX: usize = 16 * 1024;
const ENVELOPE: std::ops::Range<usize> = 12..48;
const IDENTITY_FROM: usize = 52;

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Layout {
    checksum: U32,
    magic: [u8; 4],
    envelope_checksum: U32,
    release: U32,
    salt: U128,
    padded_bytes: U32,
    zero_envelope: U32,
    synced_end: U64,
    identity_checksum: U32,
    previous: U32,
    cluster_hash: U64,
    index: U64,
    term: U64,
    wall_ns: U64,
    shard: U16,
    flags: U16,
    section_count: U32,
    body_start: U32,
    body_bytes: U32,
    block_count: U32,
    zero: [u8; 20],
}

const _: () = assert!(size_of::<Layout>() == HEADER_BYTES && HEADER_BYTES <= SECTOR_BYTES);
/// Why bytes are not the batch that should be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// The header does not match its checksum.
    Header,
    /// A valid batch of another place or time: segment salt, index, cluster, shard or chain differ.
    Misplaced,
    /// A block of the body does not match its checksum; its number in the batch.
    Body(u32),
    /// The checks of the blocks do not match the identity.
    Checks,
    /// The lengths inside contradict each other though the checksums match, or the bytes are too few.
    Malformed,
    /// Written by a newer release.
    Release(u32),
}

/// A checked batch.
#[derive(Clone, Debug)]
pub struct BatchView {
    /// Its index.
    pub index: LogIndex,
    /// The reign it was written in.
    pub term: Term,
    /// When it was closed, wall nanoseconds.
    pub wall_ns: u64,
    /// Its sections, one after another.
    pub body: Bytes,
}

/// The log a batch belongs to: what its header must agree with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Home {
    pub(crate) cluster_hash: u64,
    pub(crate) shard: ShardId,
    pub(crate) salt: u128,
}

/// What a batch is stamped with when it is closed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    pub(crate) home: Home,
    pub(crate) index: LogIndex,
    pub(crate) term: Term,
    pub(crate) wall_ns: u64,
    pub(crate) previous: u32,
    pub(crate) synced_end: LogIndex,
    pub(crate) section_count: u32,
}

/// A batch's header whose checksums match and whose lengths agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchHeader {
    pub(crate) home: Home,
    pub(crate) index: LogIndex,
    pub(crate) term: Term,
    pub(crate) wall_ns: u64,
    pub(crate) synced_end: LogIndex,
    pub(crate) previous: u32,
    pub(crate) identity_checksum: u32,
    pub(crate) section_count: u32,
    pub(crate) padded_bytes: usize,
    pub(crate) body_start: usize,
    pub(crate) body_bytes: usize,
    block_count: usize,
}

/// What is left of a batch after a crash (safety of a cut, see `recovery`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remains {
    /// Every sector is right or was never written.
    Torn,
    /// Some sector is neither.
    Damaged,
}

/// Zeroed memory that must stand before the body of a batch of at most `body_bytes_max`.
pub(crate) const fn header_room(body_bytes_max: usize) -> usize {
    round_up(HEADER_BYTES + (body_bytes_max.div_ceil(BLOCK_BYTES) + 1) * CHECKS_BYTES)
}

/// How long a batch with so much body is on the disk.
pub(crate) fn padded_bytes(body_bytes: usize) -> usize {
    round_up(body_start(body_bytes) + body_bytes)
}

/// The longest batch on a disk, whatever the configuration was, in bytes.
pub(crate) fn batch_bytes_max() -> usize {
    padded_bytes(wire::limits::FRAME_BYTES_MAX + SECTION_HEADER_BYTES)
}

/// Whether a log can have counted so far: batches, segments, writes of a superblock. More is damage
/// that a checksum did not find, and would not leave room to count on.
pub(crate) const fn is_count(number: u64) -> bool {
    number < 1 << 62
}

fn body_start(body_bytes: usize) -> usize {
    if body_bytes > SLIDE_BYTES_MAX {
        return round_up(HEADER_BYTES + body_bytes.div_ceil(BLOCK_BYTES) * CHECKS_BYTES);
    }
    let mut block_count = 1;
    loop {
        let start = HEADER_BYTES + block_count * CHECKS_BYTES;
        let needed = blocks_of(start, body_bytes);
        if needed <= block_count {
            return start;
        }
        block_count = needed;
    }
}

/// How many blocks hold body.
const fn blocks_of(body_start: usize, body_bytes: usize) -> usize {
    (body_start + body_bytes).div_ceil(BLOCK_BYTES) - body_start / BLOCK_BYTES
}

/// Makes of `room` zeroes and the body behind them a whole batch, at the front of `memory`. Returns its header.
pub(crate) fn close(memory: &mut BytesMut, room: usize, stamp: &Stamp) -> BatchHeader {
    let body_bytes = memory.len() - room;
    let start = body_start(body_bytes);
    if body_bytes <= SLIDE_BYTES_MAX {
        memory.copy_within(room.., start);
        memory.truncate(start + body_bytes);
    } else {
        memory.advance(room - start);
    }
    let padded = round_up(memory.len());
    memory.resize(padded, 0);
    let mut header = BatchHeader {
        home: stamp.home,
        index: stamp.index,
        term: stamp.term,
        wall_ns: stamp.wall_ns,
        synced_end: stamp.synced_end,
        previous: stamp.previous,
        identity_checksum: 0,
        section_count: stamp.section_count,
        padded_bytes: padded,
        body_start: start,
        body_bytes,
        block_count: blocks_of(start, body_bytes),
    };
    header.identity_checksum = header.seal(memory);
    header
}

impl BatchHeader {
    /// Writes checks, identity, envelope and the first checksum; everything else of `batch` is in place.
    pub(crate) fn seal(&self, batch: &mut [u8]) -> u32 {
        let (head, body) = batch.split_at_mut(self.body_start);
        head.fill(0);
        let body = &body[..self.body_bytes];
        for (block, place) in self.blocks().zip(head[HEADER_BYTES..].chunks_exact_mut(CHECKS_BYTES))
        {
            let mut hasher = Hasher::new();
            for (sector, place) in place.chunks_exact_mut(4).enumerate() {
                let part = self.part_of_sector(block, sector);
                hasher.update(&body[part.start - self.body_start..part.end - self.body_start]);
                place.copy_from_slice(&hasher.clone().finalize().to_le_bytes());
            }
        }
        head[..HEADER_BYTES].copy_from_slice(self.layout().as_bytes());
        let identity = crc32fast::hash(&head[IDENTITY_FROM..self.checks_end()]);
        put_u32(head, 48, identity);
        let envelope = crc32fast::hash(&head[ENVELOPE]);
        put_u32(head, 8, envelope);
        let checksum = crc32fast::hash(&head[4..HEADER_BYTES]);
        put_u32(head, 0, checksum);
        identity
    }

    fn layout(&self) -> Layout {
        let narrow = |value: usize| {
            U32::new(
                u32::try_from(value).expect("a batch is shorter than 4 GiB, by the record limit"),
            )
        };
        Layout {
            checksum: 0.into(),
            magic: MAGIC,
            envelope_checksum: 0.into(),
            release: FORMAT_RELEASE.into(),
            salt: self.home.salt.into(),
            padded_bytes: narrow(self.padded_bytes),
            zero_envelope: 0.into(),
            synced_end: self.synced_end.0.into(),
            identity_checksum: 0.into(),
            previous: self.previous.into(),
            cluster_hash: self.home.cluster_hash.into(),
            index: self.index.0.into(),
            term: self.term.0.into(),
            wall_ns: self.wall_ns.into(),
            shard: self.home.shard.0.into(),
            flags: 0.into(),
            section_count: self.section_count.into(),
            body_start: narrow(self.body_start),
            body_bytes: narrow(self.body_bytes),
            block_count: narrow(self.block_count),
            zero: [0; 20],
        }
    }

    /// Reads a header from the first block of a batch. The checks may still be damaged.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        let (layout, _) = Layout::ref_from_prefix(bytes).map_err(|_| Damage::Malformed)?;
        if layout.magic != MAGIC
            || layout.checksum.get() != crc32fast::hash(&bytes[4..HEADER_BYTES])
            || layout.envelope_checksum.get() != crc32fast::hash(&bytes[ENVELOPE])
        {
            return Err(Damage::Header);
        }
        if layout.release.get() > FORMAT_RELEASE {
            return Err(Damage::Release(layout.release.get()));
        }
        let header = Self {
            home: Home {
                cluster_hash: layout.cluster_hash.get(),
                shard: ShardId(layout.shard.get()),
                salt: layout.salt.get(),
            },
            index: LogIndex(layout.index.get()),
            term: Term(layout.term.get()),
            wall_ns: layout.wall_ns.get(),
            synced_end: LogIndex(layout.synced_end.get()),
            previous: layout.previous.get(),
            identity_checksum: layout.identity_checksum.get(),
            section_count: layout.section_count.get(),
            padded_bytes: layout.padded_bytes.get() as usize,
            body_start: layout.body_start.get() as usize,
            body_bytes: layout.body_bytes.get() as usize,
            block_count: layout.block_count.get() as usize,
        };
        if header.lengths_agree() { Ok(header) } else { Err(Damage::Malformed) }
    }

    fn lengths_agree(&self) -> bool {
        is_count(self.index.0)
            && is_count(self.synced_end.0)
            && self.padded_bytes.is_multiple_of(BLOCK_BYTES)
            && self.body_bytes > 0
            && self.padded_bytes <= batch_bytes_max()
            && self.body_start <= self.padded_bytes
            && self.body_bytes <= self.padded_bytes - self.body_start
            && self.block_count == blocks_of(self.body_start, self.body_bytes)
            && self.body_start >= self.checks_end()
            && self.padded_bytes == round_up(self.body_start + self.body_bytes)
    }

    /// Checks the whole batch and hands out its body. `bytes` starts where `decode` read, and may go on after it.
    pub(crate) fn verify(&self, bytes: &Bytes) -> Result<BatchView, Damage> {
        let body_end = self.body_start + self.body_bytes;
        if bytes.len() < self.padded_bytes {
            return Err(Damage::Malformed);
        }
        if !self.checks_match(bytes) {
            return Err(Damage::Checks);
        }
        let body = bytes.slice(self.body_start..body_end);
        for (number, block) in self.blocks().enumerate() {
            let whole = check(bytes, number, SECTORS_PER_BLOCK - 1);
            if crc32fast::hash(&bytes[self.part_range(block)]) != whole {
                return Err(Damage::Body(u32::try_from(block).map_err(|_| Damage::Malformed)?));
            }
        }
        let view = BatchView { index: self.index, term: self.term, wall_ns: self.wall_ns, body };
        let sections = view.sections();
        let ends = sections.fold((0, 0), |(count, _), (position, _, records)| {
            (count + 1, position as usize + SECTION_HEADER_BYTES + records.len())
        });
        if ends == (self.section_count, self.body_bytes) {
            Ok(view)
        } else {
            Err(Damage::Malformed)
        }
    }

    /// Whether the identity covers these checks.
    fn checks_match(&self, bytes: &[u8]) -> bool {
        crc32fast::hash(&bytes[IDENTITY_FROM..self.checks_end()]) == self.identity_checksum
    }

    /// Whether everything between header, body and the padded end is zero, as it was written.
    pub(crate) fn padding_is_zero(&self, bytes: &[u8]) -> bool {
        let body_end = self.body_start + self.body_bytes;
        is_zero(&bytes[self.checks_end()..self.body_start])
            && is_zero(&bytes[body_end..self.padded_bytes])
    }

    /// Judges a batch that `verify` refused, by its sectors. The header's own sector is right.
    pub(crate) fn remains(&self, bytes: &[u8]) -> Remains {
        if bytes.len() < self.padded_bytes {
            return Remains::Damaged;
        }
        if !self.checks_match(bytes) {
            // Without all checks no sector of the body can be judged; a sector of the
            // checks that is zero was never written, as the checks of a block never are.
            let mut sectors = bytes[..self.checks_end()].chunks(SECTOR_BYTES).skip(1);
            return if sectors.any(is_zero) { Remains::Torn } else { Remains::Damaged };
        }
        for (number, block) in self.blocks().enumerate() {
            let mut before = 0;
            for sector in 0..SECTORS_PER_BLOCK {
                let after = check(bytes, number, sector);
                let start = block * BLOCK_BYTES + sector * SECTOR_BYTES;
                let never_written = is_zero(&bytes[start..start + SECTOR_BYTES]);
                let part = &bytes[self.part_of_sector(block, sector)];
                if !never_written && run_on(before, part) != after {
                    return Remains::Damaged;
                }
                before = after;
            }
        }
        let body_end = self.body_start + self.body_bytes;
        if is_zero(&bytes[body_end..self.padded_bytes]) { Remains::Torn } else { Remains::Damaged }
    }

    fn checks_end(&self) -> usize {
        HEADER_BYTES + self.block_count * CHECKS_BYTES
    }

    /// Numbers of the blocks that hold body, counted from the batch's start.
    fn blocks(&self) -> std::ops::Range<usize> {
        let first = self.body_start / BLOCK_BYTES;
        first..first + self.block_count
    }

    /// Which bytes of the batch are the body's part of a block.
    fn part_range(&self, block: usize) -> std::ops::Range<usize> {
        let body_end = self.body_start + self.body_bytes;
        let from = (block * BLOCK_BYTES).max(self.body_start);
        from..((block + 1) * BLOCK_BYTES).min(body_end)
    }

    /// Which bytes of the batch are the body's part of a sector; perhaps none.
    fn part_of_sector(&self, block: usize, sector: usize) -> std::ops::Range<usize> {
        let of_block = self.part_range(block);
        let start = block * BLOCK_BYTES + sector * SECTOR_BYTES;
        let within = |position: usize| position.clamp(of_block.start, of_block.end);
        within(start)..within(start + SECTOR_BYTES)
    }
}

/// The running check after a sector of the nth block that holds body.
fn check(bytes: &[u8], block_number: usize, sector: usize) -> u32 {
    let position = HEADER_BYTES + block_number * CHECKS_BYTES + sector * 4;
    bytes[position..].first_chunk().map_or(0, |check| u32::from_le_bytes(*check))
}

impl BatchView {
    /// A batch by itself, wherever it stands; `None` unless all of it checks. For tools: what the log expects there is not asked.
    pub fn read(bytes: &Bytes) -> Option<Self> {
        BatchHeader::decode(bytes).ok()?.verify(bytes).ok()
    }

    /// Its sections with their positions in the body.
    pub fn sections(&self) -> impl Iterator<Item = (u32, SectionHeader, &[u8])> {
        let mut position = 0;
        std::iter::from_fn(move || {
            let (header, records) = split_section(self.body.get(position..)?)?;
            let start = u32::try_from(position).ok()?;
            position += SECTION_HEADER_BYTES + records.len();
            Some((start, header, records))
        })
    }
}

/// Whether all bytes are zero: never written, in a segment made of zeroes.
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<64>();
    words.iter().all(|word| *word == [0; 64]) && rest.iter().all(|byte| *byte == 0)
}

fn run_on(before: u32, part: &[u8]) -> u32 {
    let mut hasher = Hasher::new_with_initial(before);
    hasher.update(part);
    hasher.finalize()
}

fn put_u32(bytes: &mut [u8], position: usize, value: u32) {
    bytes[position..position + 4].copy_from_slice(&value.to_le_bytes());
}
