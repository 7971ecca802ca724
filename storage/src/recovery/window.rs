//! Window: a file read forward in large pieces, where what cannot be read looks like damage.

use crate::chunk::{BLOCK_BYTES, aligned_zeroes};
use crate::plan::{Disk, FileName};
use bytes::{Bytes, BytesMut};

/// Read ahead, in bytes: many batches, as one that is cut off at its end is read again.
const AHEAD_BYTES: usize = 4 << 20;
/// Stands for a block that the disk refused: never zero, and no checksum matches it.
const UNREADABLE: u8 = 0xe1;

/// One file, and the piece of it that was read last.
pub(crate) struct Window<'d> {
    disk: &'d mut dyn Disk,
    file: FileName,
    file_bytes: u64,
    from: u64,
    piece: Bytes,
}

impl<'d> Window<'d> {
    pub(crate) fn new(disk: &'d mut dyn Disk, file: FileName, file_bytes: u64) -> Self {
        Self { disk, file, file_bytes, from: 0, piece: Bytes::new() }
    }

    /// These bytes of the file. Blocks that cannot be read, or lie outside, are filled so that nothing matches.
    pub(crate) fn get(&mut self, position: u64, length: usize) -> Bytes {
        let start = position.checked_sub(self.from).and_then(|start| usize::try_from(start).ok());
        if let Some(start) = start.filter(|start| start + length <= self.piece.len()) {
            return self.piece.slice(start..start + length);
        }
        let in_file =
            usize::try_from(self.file_bytes.saturating_sub(position)).unwrap_or(usize::MAX);
        let wanted = length.max(AHEAD_BYTES.min(in_file));
        self.from = position;
        self.piece = self.load(position, wanted);
        self.piece.slice(..length)
    }

    fn load(&mut self, position: u64, length: usize) -> Bytes {
        let mut piece = self.memory(length);
        if self.disk.read(self.file, position, &mut piece).is_err() {
            for (nth, block) in (0..).zip(piece.chunks_mut(BLOCK_BYTES)) {
                if self.disk.read(self.file, position + nth * BLOCK_BYTES as u64, block).is_err() {
                    block.fill(UNREADABLE);
                }
            }
        }
        piece.freeze()
    }

    /// That of the piece before, if it has the right length and nobody holds a part of it. Filled with anything.
    fn memory(&mut self, length: usize) -> BytesMut {
        let before = std::mem::take(&mut self.piece).try_into_mut().ok();
        before.filter(|before| before.len() == length).unwrap_or_else(|| aligned_zeroes(length))
    }
}
