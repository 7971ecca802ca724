//! SnapshotCheck: a snapshot's checksum over pieces of its file, none of them kept.

use super::layout::{HeaderLayout, MAGIC};
use super::{BLOCK_BYTES, CHECKED_FROM, SnapshotError};
use crate::batch::is_zero;
use crc32fast::Hasher;
use zerocopy::FromBytes;

const BLOCK: u64 = BLOCK_BYTES as u64;

/// A file read so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct SnapshotCheck {
    sum: Hasher,
    /// As the header says.
    checksum: u32,
    bytes: u64,
    position: u64,
}

impl SnapshotCheck {
    /// The next piece: position and bytes, whole blocks. The first one tells how long the file is.
    pub(crate) fn next_read(&self, bytes_max: u32) -> (u64, u32) {
        let left = self.padded_bytes().saturating_sub(self.position);
        let bytes = u32::try_from(left.max(BLOCK)).unwrap_or(u32::MAX).min(bytes_max);
        (self.position, bytes)
    }

    /// Its length as far as it is known.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes that piece; `Ok(true)`: the whole file checks.
    pub(crate) fn take(&mut self, piece: &[u8]) -> Result<bool, SnapshotError> {
        let mut from = 0;
        if self.position == 0 {
            let (header, _) =
                HeaderLayout::ref_from_prefix(piece).map_err(|_| SnapshotError::Damaged)?;
            if header.magic != MAGIC || header.bytes.get() < size_of::<HeaderLayout>() as u64 {
                return Err(SnapshotError::Damaged);
            }
            (self.checksum, self.bytes) = (header.checksum.get(), header.bytes.get());
            from = CHECKED_FROM;
        }
        let left = usize::try_from(self.bytes - self.position).unwrap_or(usize::MAX);
        let (body, padding) = piece.split_at(left.min(piece.len()));
        self.sum.update(body.get(from..).unwrap_or_default());
        self.position += piece.len() as u64;
        if self.position < self.padded_bytes() {
            return Ok(false);
        }
        let whole = is_zero(padding) && self.sum.clone().finalize() == self.checksum;
        if whole { Ok(true) } else { Err(SnapshotError::Damaged) }
    }

    const fn padded_bytes(&self) -> u64 {
        self.bytes.saturating_add(BLOCK - 1) / BLOCK * BLOCK
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::tests::file;

    fn check(bytes: &[u8]) -> bool {
        let mut check = SnapshotCheck::default();
        loop {
            let (position, length) = check.next_read(4096);
            let from = usize::try_from(position).expect("short");
            let Some(piece) = bytes.get(from..from + length as usize) else { return false };
            match check.take(piece) {
                Ok(true) => return true,
                Ok(false) => {}
                Err(_) => return false,
            }
        }
    }

    #[test]
    fn every_flipped_byte_is_found_piece_by_piece() {
        let whole = file();
        assert!(check(&whole));
        for at in 0..whole.len() {
            let mut flipped = whole.to_vec();
            flipped[at] ^= 8;
            assert!(!check(&flipped), "byte {at}");
        }
    }
}
