//! The superblock as it is found at start: its quorum, made whole; or the operator's word.

use super::survey::describe;
use super::window::Window;
use crate::chunk::BLOCK_BYTES;
use crate::plan::{Disk, DiskFault, FileName, OpId, Plan};
use crate::segment::Owner;
use crate::store::{DamagedRange, OpenError};
use crate::superblock::{COPIES, Quorum, Superblock, quorum};

/// The four copies; what is missing is zero, what cannot be read matches nothing.
pub(crate) fn read_copies(disk: &mut dyn Disk) -> Result<Vec<Vec<u8>>, DiskFault> {
    let file_bytes = match disk.length(FileName::Superblock) {
        Ok(bytes) => bytes,
        Err(DiskFault::Missing) => 0,
        Err(fault) => return Err(fault),
    };
    let mut window = Window::new(disk, FileName::Superblock, file_bytes);
    let mut copies = Vec::with_capacity(COPIES);
    for nth in 0..COPIES {
        let position = (nth * BLOCK_BYTES) as u64;
        let there = position + BLOCK_BYTES as u64 <= file_bytes;
        let copy = there.then(|| window.get(position, BLOCK_BYTES).to_vec());
        copies.push(copy.unwrap_or_else(|| vec![0; BLOCK_BYTES]));
    }
    Ok(copies)
}

/// The superblock of a directory; a new one where there is no data yet.
pub(super) fn load(
    disk: &mut dyn Disk,
    owner: &Owner,
    has_data: bool,
    accept_loss: bool,
) -> Result<(Superblock, Option<DamagedRange>), OpenError> {
    let copies = read_copies(disk).map_err(OpenError::Disk)?;
    let (found, whole) = match quorum(&copies) {
        Quorum::Found(superblock) => (Some(superblock), true),
        Quorum::Never => (None, false),
        Quorum::Lost(newest) => (newest, false),
        Quorum::Version(version) => return Err(OpenError::UnknownFormat { version }),
    };
    if let Some(foreign) = found.filter(|found| found.owner != *owner) {
        return Err(OpenError::Foreign { found: describe(&foreign.owner) });
    }
    if let Some(found) = found.filter(|_| whole) {
        make_whole(disk, &copies, &found)?;
    }
    let lost = (!whole && has_data).then(without_quorum);
    match lost {
        Some(range) if !accept_loss => Err(OpenError::Damaged { range }),
        lost => Ok((found.unwrap_or_else(|| Superblock::new(*owner)), lost)),
    }
}

/// Makes every copy what two of them say. The next superblock is written over one after another,
/// so a crash leaves two that agree; but only if all four agreed before.
fn make_whole(
    disk: &mut dyn Disk,
    copies: &[Vec<u8>],
    found: &Superblock,
) -> Result<(), OpenError> {
    let bytes = found.encode();
    for (nth, _) in copies.iter().enumerate().filter(|(_, copy)| bytes != copy[..]) {
        let (op, position) = (OpId(0), (nth * BLOCK_BYTES) as u64);
        let file = FileName::Superblock;
        let plan = Plan::WriteAt { op, file, position, bytes: bytes.clone() };
        disk.apply(&plan).map_err(OpenError::Disk)?;
    }
    Ok(())
}

/// The damage of a superblock that nobody can be sure of.
pub(crate) fn without_quorum() -> DamagedRange {
    let what = "no two of its four copies agree".to_owned();
    DamagedRange::new(FileName::Superblock, 0, (COPIES * BLOCK_BYTES) as u64, what)
}
