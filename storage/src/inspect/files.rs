//! Files: what has a copy elsewhere, or can be made again: superblock, snapshots, heads, indexes.
//!
//! Damage to one of them loses no record; it is told all the same, since the
//! disk that did it holds the only copy of everything else.

use crate::chunk::BLOCK_BYTES;
use crate::index_file::SegmentIndex;
use crate::plan::{Disk, DiskFault, FileName};
use crate::recovery::{Surveyed, Window};
use crate::segment::{Footer, HeadFault, SegmentHeader};
use crate::snapshot::{ColdSegment, Contents, Owner, SnapshotError};
use crate::store::{DamagedRange, OpenError, read_file};
use crate::superblock::Superblock;
use bytes::Bytes;

const BLOCK: u64 = BLOCK_BYTES as u64;

/// Copies of the superblock that cannot be read.
pub(super) fn superblock_copies(copies: &[Vec<u8>]) -> impl Iterator<Item = DamagedRange> {
    let bad = (0_u64..).zip(copies).filter(|(_, copy)| Superblock::decode(copy).is_err());
    bad.map(|(nth, _)| {
        let what = format!("copy {} of 4 cannot be read", nth + 1);
        DamagedRange::new(FileName::Superblock, nth * BLOCK, BLOCK, what)
    })
}

/// The newest snapshot that checks; those that do not are damage.
pub(super) fn newest_snapshot(
    disk: &mut dyn Disk,
    owner: Owner,
    damage: &mut Vec<DamagedRange>,
) -> Result<Contents, OpenError> {
    let mut newest = None;
    for number in disk.snapshots().map_err(OpenError::Disk)?.into_iter().rev() {
        let file = FileName::Snapshot(number);
        let read =
            read_file(disk, file).ok().map(|bytes| (bytes.len(), Contents::read(owner, &bytes)));
        match read {
            Some((_, Ok(contents))) => newest = newest.or(Some(contents)),
            Some((_, Err(SnapshotError::UnknownVersion(version)))) => {
                return Err(OpenError::UnknownFormat { version });
            }
            Some((bytes, Err(SnapshotError::Damaged | SnapshotError::Foreign(_)))) => {
                let what = "it does not match its checksum or its owner".to_owned();
                damage.push(DamagedRange::new(file, 0, bytes as u64, what));
            }
            None => damage.push(DamagedRange::new(file, 0, 0, "it cannot be read".to_owned())),
        }
    }
    Ok(newest.unwrap_or_default())
}

/// Copies of a segment's header that cannot be read though another can, and a footer that is none.
pub(super) fn heads(disk: &mut dyn Disk, file: &Surveyed) -> Vec<DamagedRange> {
    let name = FileName::Segment(file.number);
    let mut window = Window::new(disk, name, 0);
    let mut damage = Vec::new();
    let mut tell = |position: u64, what: &str| {
        damage.push(DamagedRange::new(name, position, BLOCK, what.to_owned()));
    };
    for (position, what) in [(0, "the header's first copy"), (BLOCK, "the header's second copy")] {
        if SegmentHeader::decode(&window.get(position, BLOCK_BYTES)).is_err() {
            tell(position, &format!("{what} cannot be read"));
        }
    }
    let position = file.file_bytes - BLOCK;
    match Footer::decode(&window.get(position, BLOCK_BYTES)) {
        Ok(_) | Err(HeadFault::Zero) => {}
        Err(HeadFault::Damaged | HeadFault::Version(_)) => {
            tell(position, "the footer cannot be read");
        }
    }
    damage
}

/// Index files that do not check: they are made again when somebody asks for what is in them.
pub(super) fn indexes(disk: &mut dyn Disk, cold: &[ColdSegment]) -> Vec<DamagedRange> {
    let mut damage = Vec::new();
    for segment in cold.iter().filter(|segment| segment.index_bytes > 0) {
        let file = FileName::Index(segment.number);
        let is_sound = |bytes: &Bytes| SegmentIndex::read(segment.number, bytes).is_ok();
        match read_file(disk, file) {
            // It may be deleted at will.
            Err(DiskFault::Missing) => {}
            Ok(bytes) if is_sound(&bytes) => {}
            Ok(_) | Err(DiskFault::Short | DiskFault::NoSpace | DiskFault::Errno(_)) => {
                let what = "it does not match its checksum; it is made again".to_owned();
                damage.push(DamagedRange::new(file, 0, u64::from(segment.index_bytes), what));
            }
        }
    }
    damage
}
