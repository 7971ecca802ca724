//! File: a sparse file of a simulated disk: a block that was never written reads as zeroes.

use std::collections::BTreeMap;
use storage::plan::DiskFault;

/// What storage reads and writes.
pub(super) const BLOCK_BYTES: usize = 4096;

/// One file: its length and the blocks ever written.
#[derive(Clone, Debug, Default)]
pub(super) struct File {
    /// Its length.
    pub(super) bytes: u64,
    blocks: BTreeMap<u64, Box<[u8; BLOCK_BYTES]>>,
}

impl File {
    /// An empty file of this length, in which everything reads as zero.
    pub(super) fn of_zeroes(bytes: u64) -> Self {
        Self { bytes, blocks: BTreeMap::new() }
    }

    /// Writes, and grows where need be.
    pub(super) fn write(&mut self, position: u64, bytes: &[u8]) {
        let mut at = position;
        let mut rest = bytes;
        while !rest.is_empty() {
            let within = place(at % BLOCK_BYTES as u64);
            let (now, later) = rest.split_at(rest.len().min(BLOCK_BYTES - within));
            let block = self.blocks.entry(at / BLOCK_BYTES as u64);
            let block = block.or_insert_with(|| Box::new([0; BLOCK_BYTES]));
            block[within..within + now.len()].copy_from_slice(now);
            at += length(now);
            rest = later;
        }
        self.bytes = self.bytes.max(position + length(bytes));
    }

    /// Writes only where the file already is.
    pub(super) fn overwrite(&mut self, position: u64, bytes: &[u8]) {
        let left = place(self.bytes.saturating_sub(position));
        self.write(position, &bytes[..bytes.len().min(left)]);
    }

    /// Reads whole.
    ///
    /// # Errors
    /// The file ends before.
    pub(super) fn read(&self, position: u64, into: &mut [u8]) -> Result<(), DiskFault> {
        let end = position + length(into);
        if end > self.bytes {
            return Err(DiskFault::Short);
        }
        into.fill(0);
        let first = position / BLOCK_BYTES as u64;
        for (number, block) in self.blocks.range(first..end.div_ceil(BLOCK_BYTES as u64)) {
            overlay(position, into, number * BLOCK_BYTES as u64, &block[..]);
        }
        Ok(())
    }

    /// Positions of the blocks ever written.
    pub(super) fn written(&self) -> impl Iterator<Item = u64> {
        self.blocks.keys().map(|number| number * BLOCK_BYTES as u64)
    }

    /// Flips one bit of a block that was written.
    pub(super) fn flip(&mut self, position: u64, bit: u8) {
        if let Some(block) = self.blocks.get_mut(&(position / BLOCK_BYTES as u64)) {
            block[place(position % BLOCK_BYTES as u64)] ^= 1 << (bit % 8);
        }
    }
}

/// Copies the part of `bytes`, which stand at `at`, that `into`, which stands at `position`, covers.
pub(super) fn overlay(position: u64, into: &mut [u8], at: u64, bytes: &[u8]) {
    let start = position.max(at);
    let end = (position + length(into)).min(at + length(bytes));
    if start < end {
        into[place(start - position)..place(end - position)]
            .copy_from_slice(&bytes[place(start - at)..place(end - at)]);
    }
}

/// Of a slice, as a file counts.
pub(super) fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).expect("a length fits 64 bits")
}

fn place(number: u64) -> usize {
    usize::try_from(number).expect("within memory")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_the_rest_is_zero() {
        let mut file = File::of_zeroes(10_000);
        file.write(4090, &[7; 12]);
        let mut read = [1; 16];
        assert_eq!(file.read(4088, &mut read), Ok(()));
        assert_eq!(read, [0, 0, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 0, 0]);
        assert_eq!(file.read(9_990, &mut read), Err(DiskFault::Short));
        file.overwrite(9_999, &[3; 5]);
        assert_eq!(file.bytes, 10_000);
    }
}
