//! IndexCheck: an index file's checksum over pieces of it, none of them kept.

use super::{CHECKED_FROM, HeaderLayout, IndexDamaged, MAGIC, VERSION};
use crc32fast::Hasher;
use zerocopy::FromBytes;

/// A file read so far.
#[derive(Clone, Debug)]
pub(crate) struct IndexCheck {
    segment: u64,
    bytes: u32,
    position: u32,
    sum: Hasher,
    /// As the header says.
    checksum: u32,
}

impl IndexCheck {
    /// Of this segment's file, which has so many bytes.
    pub(crate) fn new(segment: u64, bytes: u32) -> Self {
        Self { segment, bytes, position: 0, sum: Hasher::new(), checksum: 0 }
    }

    /// From the front.
    pub(crate) fn again(&self) -> Self {
        Self::new(self.segment, self.bytes)
    }

    /// Length of the file.
    pub(crate) const fn bytes(&self) -> u32 {
        self.bytes
    }

    /// The next piece: position and bytes.
    pub(crate) fn next_read(&self, bytes_max: u32) -> (u64, u32) {
        (self.position.into(), (self.bytes - self.position).min(bytes_max))
    }

    /// Takes that piece; `Ok(true)`: the whole file checks.
    pub(crate) fn take(&mut self, piece: &[u8]) -> Result<bool, IndexDamaged> {
        let mut from = 0;
        if self.position == 0 {
            let (header, _) = HeaderLayout::ref_from_prefix(piece).map_err(|_| IndexDamaged)?;
            let is_its = header.magic == MAGIC
                && header.version.get() == VERSION
                && header.segment.get() == self.segment;
            self.checksum = header.checksum.get();
            from = if is_its { CHECKED_FROM } else { return Err(IndexDamaged) };
        }
        self.sum.update(piece.get(from..).unwrap_or_default());
        let taken = u32::try_from(piece.len()).unwrap_or(u32::MAX);
        self.position = self.position.saturating_add(taken).min(self.bytes);
        if self.position < self.bytes {
            return Ok(false);
        }
        if self.sum.clone().finalize() == self.checksum { Ok(true) } else { Err(IndexDamaged) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index_file::tests::file;

    /// Whether it checks, read in pieces of so many bytes.
    fn check(bytes: &[u8], bytes_max: u32) -> bool {
        let mut check = IndexCheck::new(3, u32::try_from(bytes.len()).expect("short"));
        loop {
            let (position, length) = check.next_read(bytes_max);
            let from = usize::try_from(position).expect("short");
            match check.take(&bytes[from..from + length as usize]) {
                Ok(true) => return true,
                Ok(false) => {}
                Err(IndexDamaged) => return false,
            }
        }
    }

    #[test]
    fn every_flipped_byte_is_found_piece_by_piece() {
        let whole = file();
        for pieces in [512, 4096] {
            assert!(check(&whole, pieces));
            for at in 0..whole.len() {
                let mut flipped = whole.to_vec();
                flipped[at] ^= 8;
                assert!(!check(&flipped, pieces), "byte {at}");
            }
        }
    }
}
