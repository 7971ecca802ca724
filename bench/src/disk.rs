//! Disk: a file of zeroes, overwritten and synced one block at a time: what one flush costs.
//!
//! As the log does it: direct IO, 4 KiB aligned, into blocks that were written
//! with zeroes and synced before, `fdatasync` after each write. The file is
//! removed at the end.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What a log aligns its batches to, in bytes.
pub const BLOCK_BYTES: usize = 4096;
/// Length of the file, in bytes: a segment.
const FILE_BYTES: usize = 64 << 20;

/// A prepared file and the block that is written over it.
#[derive(Debug)]
pub struct Segment {
    path: PathBuf,
    file: File,
    memory: Vec<u8>,
    /// Where in `memory` the aligned block begins.
    aligned: usize,
    position: usize,
}

impl Segment {
    /// A new file in `folder`, its blocks written and synced.
    pub fn prepare(folder: &Path) -> io::Result<Self> {
        let path = folder.join(format!(".defibus-floor-{}", std::process::id()));
        let mut plain = OpenOptions::new().write(true).create_new(true).open(&path)?;
        let made = zeroed(&mut plain)
            .and_then(|()| OpenOptions::new().write(true).custom_flags(libc::O_DIRECT).open(&path));
        let file = made.inspect_err(|_| drop(std::fs::remove_file(&path)))?;
        let memory = vec![0x5A; 2 * BLOCK_BYTES];
        let aligned = memory.as_ptr().align_offset(BLOCK_BYTES);
        Ok(Self { path, file, memory, aligned, position: 0 })
    }

    /// Writes the next block and waits until the disk has it.
    pub fn flush_block(&mut self) -> io::Result<()> {
        let block = &self.memory[self.aligned..self.aligned + BLOCK_BYTES];
        self.file.write_all_at(block, self.position as u64)?;
        self.file.sync_data()?;
        self.position = (self.position + BLOCK_BYTES) % FILE_BYTES;
        Ok(())
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn zeroed(file: &mut File) -> io::Result<()> {
    let zeroes = vec![0; 1 << 20];
    for _ in 0..FILE_BYTES / zeroes.len() {
        file.write_all(&zeroes)?;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_written_and_leaves_nothing_behind() {
        // The target folder: a temporary one may be on tmpfs, which knows no direct IO.
        let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).expect("a folder");
        let Ok(mut segment) = Segment::prepare(folder.path()) else {
            return; // a file system without direct IO cannot be measured
        };
        segment.flush_block().expect("written");
        segment.flush_block().expect("written");
        assert_eq!(segment.position, 2 * BLOCK_BYTES);
        drop(segment);
        assert_eq!(std::fs::read_dir(folder.path()).expect("readable").count(), 0);
    }
}
