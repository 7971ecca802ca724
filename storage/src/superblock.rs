//! Superblock: who owns the log, how often it was opened, how far it is known to be synced.
//!
//! Four copies of one 4 KiB block, rewritten one at a time with a sync between,
//! so a crash tears at most one. The newest sequence with two copies counts; if
//! there is none, the newer of two that follow each other: it was being written
//! over the other, which was whole then. So rot in one copy and a crash within a
//! write leave enough. Written at boot, when a segment is left, after a snapshot; never per batch.

use crate::batch::is_count;
use crate::chunk::{BLOCK_BYTES, aligned};
use crate::segment::{CHECKSUM_CRC32, FORMAT_VERSION, HeadFault, Owner, check, stamp};
use bytes::Bytes;
use wire::{Epoch, LogIndex, ShardId, Term};
use zerocopy::little_endian::{U16, U32, U64, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// How many copies there are.
pub(crate) const COPIES: usize = 4;
/// How many of them must agree.
pub(crate) const QUORUM: usize = 2;

const MAGIC: [u8; 4] = *b"DSUP";

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Layout {
    checksum: U32,
    magic: [u8; 4],
    version: U32,
    release: U32,
    cluster_id: U128,
    node_id: U128,
    sequence: U64,
    incarnation: U64,
    synced_end: U64,
    snapshot_from: U64,
    accepted_end: U64,
    tail_segment: U64,
    term: U64,
    vote: U64,
    shard: U16,
    algorithm: u8,
    zero: [u8; 5],
    damage_end: U64,
    epoch_floor: U32,
    zero_more: U32,
    scrub_segment: U64,
}

const _: () = assert!(size_of::<Layout>() == 144);

/// What the superblock says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Superblock {
    pub(crate) owner: Owner,
    /// Grows with every write.
    pub(crate) sequence: u64,
    /// Grows with every boot.
    pub(crate) incarnation: u64,
    /// Every batch below was synced when this was written: S of the recovery table.
    pub(crate) synced_end: LogIndex,
    /// The newest snapshot holds everything below.
    pub(crate) snapshot_from: LogIndex,
    /// Damage below was accepted by the operator.
    pub(crate) accepted_end: LogIndex,
    /// The newest segment that holds a synced batch.
    pub(crate) tail_segment: u64,
    pub(crate) term: Term,
    /// Damage below was met by an earlier start, which raised the floor of epochs for it.
    pub(crate) damage_end: LogIndex,
    /// Every lease epoch granted in a batch below `damage_end` is lower.
    pub(crate) epoch_floor: Epoch,
    /// The scrub goes on with the first segment from this number on.
    pub(crate) scrub_segment: u64,
}

/// What the four copies say together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quorum {
    /// Two copies agree on this, and none with two is newer.
    Found(Superblock),
    /// There never was one: every copy is zero or missing.
    Never,
    /// Copies are there, but no two agree; the newest readable one.
    Lost(Option<Superblock>),
    /// Written by another version of the format.
    Version(u32),
}

impl Superblock {
    /// The first one of a new log.
    pub(crate) fn new(owner: Owner) -> Self {
        Self {
            owner,
            sequence: 0,
            incarnation: 0,
            synced_end: LogIndex(0),
            snapshot_from: LogIndex(0),
            accepted_end: LogIndex(0),
            tail_segment: 0,
            term: Term(1),
            damage_end: LogIndex(0),
            epoch_floor: Epoch(0),
            scrub_segment: 0,
        }
    }

    /// One copy.
    pub(crate) fn encode(&self) -> Bytes {
        let layout = Layout {
            checksum: 0.into(),
            magic: MAGIC,
            version: FORMAT_VERSION.into(),
            release: crate::batch::FORMAT_RELEASE.into(),
            cluster_id: self.owner.cluster_id.into(),
            node_id: self.owner.node_id.into(),
            sequence: self.sequence.into(),
            incarnation: self.incarnation.into(),
            synced_end: self.synced_end.0.into(),
            snapshot_from: self.snapshot_from.0.into(),
            accepted_end: self.accepted_end.0.into(),
            tail_segment: self.tail_segment.into(),
            term: self.term.0.into(),
            vote: 0.into(),
            shard: self.owner.shard.0.into(),
            algorithm: CHECKSUM_CRC32,
            zero: [0; 5],
            damage_end: self.damage_end.0.into(),
            epoch_floor: self.epoch_floor.0.into(),
            zero_more: 0.into(),
            scrub_segment: self.scrub_segment.into(),
        };
        let mut block = [0; BLOCK_BYTES];
        block[..size_of::<Layout>()].copy_from_slice(layout.as_bytes());
        stamp(&mut block);
        aligned(&block)
    }

    /// Whether this was written right over the other.
    fn follows(&self, other: &Self) -> bool {
        self.owner == other.owner && self.sequence == other.sequence + 1
    }

    /// Reads one copy.
    pub(crate) fn decode(block: &[u8]) -> Result<Self, HeadFault> {
        let layout: &Layout = check(block, MAGIC)?;
        if layout.algorithm != CHECKSUM_CRC32 {
            return Err(HeadFault::Damaged);
        }
        let counts = [
            layout.sequence,
            layout.incarnation,
            layout.synced_end,
            layout.snapshot_from,
            layout.accepted_end,
            layout.tail_segment,
        ];
        if !counts.iter().all(|count| is_count(count.get())) {
            return Err(HeadFault::Damaged);
        }
        Ok(Self {
            owner: Owner {
                cluster_id: layout.cluster_id.get(),
                node_id: layout.node_id.get(),
                shard: ShardId(layout.shard.get()),
            },
            sequence: layout.sequence.get(),
            incarnation: layout.incarnation.get(),
            synced_end: LogIndex(layout.synced_end.get()),
            snapshot_from: LogIndex(layout.snapshot_from.get()),
            accepted_end: LogIndex(layout.accepted_end.get()),
            tail_segment: layout.tail_segment.get(),
            term: Term(layout.term.get()),
            damage_end: LogIndex(layout.damage_end.get()),
            epoch_floor: Epoch(layout.epoch_floor.get()),
            scrub_segment: layout.scrub_segment.get(),
        })
    }
}

/// Decides by the copies that could be read, each 4 KiB.
pub(crate) fn quorum(copies: &[Vec<u8>]) -> Quorum {
    let read: Vec<_> = copies.iter().map(|copy| Superblock::decode(copy)).collect();
    if read.iter().all(|copy| *copy == Err(HeadFault::Zero)) {
        return Quorum::Never;
    }
    let mut valid: Vec<Superblock> = read.iter().filter_map(|copy| copy.ok()).collect();
    valid.sort_by_key(|copy| std::cmp::Reverse(copy.sequence));
    let agreed = |copy: &&Superblock| valid.iter().filter(|other| other == copy).count() >= QUORUM;
    if let Some(newest) = valid.iter().find(agreed) {
        return Quorum::Found(*newest);
    }
    let follows = |copy: &&Superblock| valid.iter().any(|other| copy.follows(other));
    if let Some(newer) = valid.iter().find(follows) {
        return Quorum::Found(*newer);
    }
    let version = read.iter().find_map(|copy| match copy {
        Err(HeadFault::Version(version)) => Some(*version),
        Err(HeadFault::Zero | HeadFault::Damaged) | Ok(_) => None,
    });
    version.map_or(Quorum::Lost(valid.first().copied()), Quorum::Version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden;

    fn superblock(sequence: u64) -> Superblock {
        let owner = Owner { cluster_id: 1, node_id: 2, shard: ShardId(3) };
        Superblock { sequence, incarnation: 4, tail_segment: 9, ..Superblock::new(owner) }
    }

    fn check(sequences: [u64; COPIES], expected: Quorum) {
        let copy = |sequence: u64| match sequence {
            0 => vec![0; BLOCK_BYTES],
            u64::MAX => vec![0xe1; BLOCK_BYTES],
            sequence => superblock(sequence).encode().to_vec(),
        };
        assert_eq!(quorum(&sequences.map(copy)), expected, "{sequences:?}");
    }

    #[test]
    fn two_copies_of_four_decide() {
        let damaged = u64::MAX;
        check([5, 5, 5, 5], Quorum::Found(superblock(5)));
        check([6, 5, 5, 5], Quorum::Found(superblock(5)));
        check([6, 6, 5, 5], Quorum::Found(superblock(6)));
        check([6, damaged, 5, 5], Quorum::Found(superblock(5)));
        check([damaged, damaged, 5, 5], Quorum::Found(superblock(5)));
        check([6, damaged, damaged, 5], Quorum::Found(superblock(6)));
        check([damaged, damaged, 6, 5], Quorum::Found(superblock(6)));
        check([7, damaged, damaged, 5], Quorum::Lost(Some(superblock(7))));
        check([6, damaged, damaged, damaged], Quorum::Lost(Some(superblock(6))));
        check([damaged; 4], Quorum::Lost(None));
        check([1, 0, 0, 0], Quorum::Lost(Some(superblock(1))));
        check([0; 4], Quorum::Never);
    }

    #[test]
    fn every_flipped_byte_is_found() {
        let copy = superblock(5).encode();
        for position in 0..BLOCK_BYTES {
            let mut flipped = copy.to_vec();
            flipped[position] ^= 1;
            assert!(Superblock::decode(&flipped).is_err(), "byte {position}");
        }
    }

    #[test]
    fn released_bytes_stay_what_they_are() {
        assert_eq!(golden::hex(&superblock(5).encode()[..120]), golden::SUPERBLOCK);
    }

    #[test]
    fn every_field_reads_back() {
        let written = Superblock {
            damage_end: LogIndex(7),
            epoch_floor: Epoch(1 << 20),
            scrub_segment: 3,
            ..superblock(5)
        };
        assert_eq!(Superblock::decode(&written.encode()), Ok(written));
    }

    #[test]
    fn another_version_is_refused_by_name() {
        let mut block: [u8; BLOCK_BYTES] =
            superblock(5).encode()[..].try_into().expect("one block");
        block[8] = 2;
        stamp(&mut block);
        let copies = vec![block.to_vec(); COPIES];
        assert_eq!(quorum(&copies), Quorum::Version(2));
    }
}
