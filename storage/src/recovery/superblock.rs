//! The superblock as it is found at start: its quorum, or the operator's word.

use super::survey::describe;
use super::window::Window;
use crate::chunk::BLOCK_BYTES;
use crate::plan::{Disk, DiskFault, FileName};
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
) -> Result<Superblock, OpenError> {
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
    if !whole && has_data && !accept_loss {
        let what = "superblock: no two of its four copies agree".to_owned();
        let range = DamagedRange { segment: 0, position: 0, bytes: copies_bytes(), what };
        return Err(OpenError::Damaged { range });
    }
    Ok(found.unwrap_or_else(|| Superblock::new(*owner)))
}

const fn copies_bytes() -> u64 {
    (COPIES * BLOCK_BYTES) as u64
}
