//! `ShardDir`: the files of one shard, and each task done on them whole.
//!
//! ```text
//!   superblock          four copies of 4 KiB
//!   log/<number>.seg    segments, 16 decimal digits
//!   log/<number>.idx    indexes, rebuildable
//!   log/recycled.tmp    a segment that was, on its way to be another
//!   snap/<index>.snap   snapshots
//! ```
//!
//! Blocking: used at the start, and by the shard's helper thread; never on the shard's own thread
//! but for opening a file. A task that returned `Ok` is on the disk, directory entries included.

use crate::core::{FileId, FileTask, IoFault};
use crate::sys::host;
use crate::sys::pool::{BLOCK_BYTES, Block};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Copies of the superblock in its file.
const SUPERBLOCK_COPIES: u64 = 4;
/// Zeroes written at once when a segment is filled, in bytes.
const ZERO_BYTES: usize = 256 << 10;

/// Name of a segment's file while it is made into another.
const RECYCLED: &str = "log/recycled.tmp";

/// What a blocking file operation could not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFault {
    /// No space left, or the quota is used up.
    NoSpace,
    /// The file ends before, or took fewer bytes than given.
    Short,
    /// There is no such file.
    Missing,
    /// Everything else, by errno.
    Errno(i32),
}

impl FileFault {
    /// What an error of the standard library means for a file.
    pub(crate) fn of(error: &std::io::Error) -> Self {
        match error.raw_os_error() {
            Some(errno) => Self::of_errno(errno),
            None if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::WriteZero) => {
                Self::Short
            }
            None => Self::Errno(libc::EIO),
        }
    }

    fn of_errno(errno: i32) -> Self {
        match errno {
            libc::ENOSPC | libc::EDQUOT => Self::NoSpace,
            libc::ENOENT => Self::Missing,
            other => Self::Errno(other),
        }
    }
}

impl std::fmt::Display for FileFault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoSpace => formatter.write_str("no space left"),
            Self::Short => formatter.write_str("shorter than expected"),
            Self::Missing => formatter.write_str("no such file"),
            Self::Errno(errno) => std::io::Error::from_raw_os_error(*errno).fmt(formatter),
        }
    }
}

impl From<FileFault> for IoFault {
    fn from(fault: FileFault) -> Self {
        match fault {
            FileFault::NoSpace => Self::NoSpace,
            FileFault::Short => Self::Short,
            FileFault::Missing => Self::Errno(libc::ENOENT),
            FileFault::Errno(errno) => Self::Errno(errno),
        }
    }
}

/// The directory of one shard.
#[derive(Debug)]
pub struct ShardDir {
    path: PathBuf,
    direct: bool,
    /// The file read last, and whether directly: recovery reads one file in many pieces.
    last_read: Option<(FileId, bool, File)>,
}

impl ShardDir {
    /// Makes what is missing and syncs what is there.
    pub(crate) fn open(path: &Path, direct: bool) -> Result<Self, FileFault> {
        for part in ["log", "snap"] {
            make(&path.join(part))?;
        }
        // What a crash left on its way is part of neither the old segment nor the new one.
        remove(&path.join(RECYCLED))?;
        // One call for all of them: a sync for each of many files costs a start seconds.
        let opened = File::open(path).map_err(|error| FileFault::of(&error))?;
        host::sync_filesystem(&opened).map_err(FileFault::of_errno)?;
        Ok(Self { path: path.to_owned(), direct, last_read: None })
    }

    /// The same directory, for another thread.
    pub(crate) fn again(&self) -> Self {
        Self { path: self.path.clone(), direct: self.direct, last_read: None }
    }

    /// Opens an existing file for direct reading and writing.
    pub(crate) fn open_direct(&self, file: FileId) -> Result<File, FileFault> {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        self.open_with(&mut options, &self.path_of(file))
    }

    fn open_with(&self, options: &mut OpenOptions, path: &Path) -> Result<File, FileFault> {
        let flags = if self.direct { libc::O_DIRECT } else { 0 };
        options.mode(0o600).custom_flags(flags).open(path).map_err(|error| FileFault::of(&error))
    }

    fn path_of(&self, file: FileId) -> PathBuf {
        match file {
            FileId::Segment(number) => self.path.join(format!("log/{number:016}.seg")),
            FileId::Index(number) => self.path.join(format!("log/{number:016}.idx")),
            FileId::Snapshot(index) => self.path.join(format!("snap/{index:016}.snap")),
            FileId::Superblock => self.path.join("superblock"),
        }
    }

    /// Numbers of all segments, ascending.
    ///
    /// # Errors
    /// The filesystem refuses.
    pub fn segments(&mut self) -> Result<Vec<u64>, FileFault> {
        numbers(&self.path.join("log"), ".seg")
    }

    /// Indexes of all snapshots, ascending.
    ///
    /// # Errors
    /// The filesystem refuses.
    pub fn snapshots(&mut self) -> Result<Vec<u64>, FileFault> {
        numbers(&self.path.join("snap"), ".snap")
    }

    /// Length of a file in bytes.
    ///
    /// # Errors
    /// `Missing` where there is none, or the filesystem refuses.
    pub fn length(&mut self, file: FileId) -> Result<u64, FileFault> {
        let facts = std::fs::metadata(self.path_of(file));
        facts.map(|facts| facts.len()).map_err(|error| FileFault::of(&error))
    }

    /// Fills `into` from `position`, at any alignment. Whole blocks into aligned memory come around the page cache:
    /// three times as fast for a log that is read once.
    ///
    /// # Errors
    /// `Missing`, `Short` when the file ends before, or the disk refuses.
    pub fn read(&mut self, file: FileId, position: u64, into: &mut [u8]) -> Result<(), FileFault> {
        let directly = self.direct && is_of_blocks(position, into);
        let opened = match self.last_read.take() {
            Some((last, was_direct, opened)) if (last, was_direct) == (file, directly) => opened,
            Some(_) | None => self.open_to_read(file, directly)?,
        };
        let read = opened.read_exact_at(into, position).map_err(|error| FileFault::of(&error));
        self.last_read = Some((file, directly, opened));
        read
    }

    fn open_to_read(&self, file: FileId, directly: bool) -> Result<File, FileFault> {
        let flags = if directly { libc::O_DIRECT } else { 0 };
        let opened = OpenOptions::new().read(true).custom_flags(flags).open(self.path_of(file));
        opened.map_err(|error| FileFault::of(&error))
    }

    /// Waits, before a read that failed is tried again. At a start only: no shard runs yet.
    #[expect(clippy::disallowed_methods, reason = "nothing else is to be done at a start")]
    pub fn pause(&mut self, span_ns: u64) {
        std::thread::sleep(std::time::Duration::from_nanos(span_ns));
    }

    /// Free bytes of the filesystem.
    ///
    /// # Errors
    /// The filesystem refuses.
    pub fn free_bytes(&mut self) -> Result<u64, FileFault> {
        host::free_bytes(&self.path).map_err(FileFault::of_errno)
    }

    /// Carries out a task at once, durably, exactly as the helper thread does.
    ///
    /// `Prepare` and `Recycle` refuse (`EEXIST`) a segment that is there: nothing that counts is ever written over.
    ///
    /// # Errors
    /// The disk refuses; a segment that could not be prepared is gone again.
    pub fn apply(&mut self, task: &FileTask) -> Result<(), FileFault> {
        self.apply_at_pace(task, &mut |_written_bytes| {})
    }

    /// The same; while zeroes are written over a segment `pause` is called with the bytes written so far.
    pub(crate) fn apply_at_pace(
        &mut self,
        task: &FileTask,
        pause: &mut dyn FnMut(u64),
    ) -> Result<(), FileFault> {
        self.last_read = None;
        match task {
            FileTask::Prepare { segment, bytes, zeroed } => {
                self.prepare_or_clean_up(*segment, *bytes, zeroed.then_some(pause))
            }
            FileTask::Recycle { from, segment, bytes } => {
                if self.path_of(FileId::Segment(*segment)).exists() {
                    return Err(FileFault::Errno(libc::EEXIST));
                }
                if self.retire(*from, *bytes)? {
                    return self.recycle(*segment, *bytes, pause);
                }
                self.prepare_or_clean_up(*segment, *bytes, Some(pause))
            }
            FileTask::WriteAt { file, position, bytes } => {
                let opened = self.open_direct(*file)?;
                self.write_synced(&opened, *position, bytes)
            }
            FileTask::WriteSuperblock { copy } => self.write_superblock(copy),
            FileTask::Replace { file, bytes } => replace(&self.path_of(*file), bytes),
            FileTask::Remove { file } => remove(&self.path_of(*file)),
        }
    }

    /// Leaves nothing where it fails; what was there before stays.
    fn prepare_or_clean_up(
        &self,
        segment: u64,
        bytes: u64,
        pause: Option<&mut dyn FnMut(u64)>,
    ) -> Result<(), FileFault> {
        let path = self.path_of(FileId::Segment(segment));
        let prepared = self.prepare(&path, bytes, pause);
        if prepared.is_err_and(|fault| fault != FileFault::Errno(libc::EEXIST)) {
            remove(&path)?;
        }
        prepared
    }

    /// With a `pause` it is written full of zeroes.
    fn prepare(
        &self,
        path: &Path,
        bytes: u64,
        pause: Option<&mut dyn FnMut(u64)>,
    ) -> Result<(), FileFault> {
        let file =
            self.open_with(OpenOptions::new().read(true).write(true).create_new(true), path)?;
        match host::allocate(&file, bytes) {
            Ok(()) => {}
            Err(libc::EOPNOTSUPP) => file.set_len(bytes).map_err(|error| FileFault::of(&error))?,
            Err(errno) => return Err(FileFault::of_errno(errno)),
        }
        if let Some(pause) = pause {
            write_zeroes(&file, bytes, pause)?;
        }
        file.sync_all().map_err(|error| FileFault::of(&error))?;
        sync_folder_of(path)
    }

    /// A segment is one no more, durably: its file waits to be recycled. False: it is gone, or had another length.
    fn retire(&self, segment: u64, bytes: u64) -> Result<bool, FileFault> {
        let path = self.path_of(FileId::Segment(segment));
        match std::fs::metadata(&path) {
            Ok(facts) if facts.len() == bytes => {}
            Ok(_) => return remove(&path).map(|()| false),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(FileFault::of(&error)),
        }
        rename(&path, &self.path.join(RECYCLED))?;
        Ok(true)
    }

    /// What `retire` left becomes a segment once it is zeroes from begin to end.
    fn recycle(
        &self,
        segment: u64,
        bytes: u64,
        pause: &mut dyn FnMut(u64),
    ) -> Result<(), FileFault> {
        let path = self.path.join(RECYCLED);
        let zeroed = self
            .open_with(OpenOptions::new().read(true).write(true), &path)
            .and_then(|file| {
                write_zeroes(&file, bytes, pause)?;
                file.sync_all().map_err(|error| FileFault::of(&error))
            })
            .and_then(|()| rename(&path, &self.path_of(FileId::Segment(segment))));
        if zeroed.is_err() {
            remove(&path)?;
        }
        zeroed
    }

    fn write_superblock(&self, copy: &[u8]) -> Result<(), FileFault> {
        let path = self.path_of(FileId::Superblock);
        let is_new = !path.exists();
        let mut options = OpenOptions::new();
        let file =
            self.open_with(options.read(true).write(true).create(true).truncate(false), &path)?;
        for place in 0..SUPERBLOCK_COPIES {
            self.write_synced(&file, place * copy.len() as u64, copy)?;
        }
        if is_new { sync_folder_of(&path) } else { Ok(()) }
    }

    /// Writes through an aligned copy: direct IO asks for aligned memory, position and length.
    fn write_synced(&self, file: &File, position: u64, bytes: &[u8]) -> Result<(), FileFault> {
        if self.direct && !bytes.len().is_multiple_of(BLOCK_BYTES) {
            return Err(FileFault::Errno(libc::EINVAL));
        }
        let mut block = Block::zeroed(bytes.len());
        block.as_mut_slice()[..bytes.len()].copy_from_slice(bytes);
        file.write_all_at(&block.as_ref()[..bytes.len()], position)
            .map_err(|error| FileFault::of(&error))?;
        file.sync_data().map_err(|error| FileFault::of(&error))
    }
}

/// What direct IO asks of a read.
fn is_of_blocks(position: u64, into: &[u8]) -> bool {
    let blocks = |bytes: usize| bytes.is_multiple_of(BLOCK_BYTES);
    blocks(into.len())
        && blocks(into.as_ptr().addr())
        && position.is_multiple_of(BLOCK_BYTES as u64)
}

fn write_zeroes(file: &File, bytes: u64, pause: &mut dyn FnMut(u64)) -> Result<(), FileFault> {
    let zeroes = Block::zeroed(ZERO_BYTES);
    let mut position = 0;
    while position < bytes {
        let rest = usize::try_from(bytes - position).unwrap_or(ZERO_BYTES).min(ZERO_BYTES);
        file.write_all_at(&zeroes.as_ref()[..rest], position)
            .map_err(|error| FileFault::of(&error))?;
        position += rest as u64;
        pause(position);
    }
    Ok(())
}

/// Makes a directory that only its owner may read, with its parents.
pub(crate) fn make(path: &Path) -> Result<(), FileFault> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| FileFault::of(&error))
}

/// Opens a file for writing, made if it is not there.
pub(crate) fn create(path: &Path) -> Result<File, FileFault> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    options.open(path).map_err(|error| FileFault::of(&error))
}

/// Whether this file can be opened for direct IO.
pub(crate) fn is_direct(path: &Path) -> bool {
    OpenOptions::new().read(true).custom_flags(libc::O_DIRECT).open(path).is_ok()
}

/// Replaces a file as a whole: a reader sees the old or the new one, also after a power cut.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), FileFault> {
    let fresh_path = path.with_added_extension("tmp");
    let written = (|| {
        let mut fresh = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&fresh_path)?;
        fresh.write_all(bytes)?;
        fresh.sync_all()
    })();
    written.map_err(|error| FileFault::of(&error))?;
    rename(&fresh_path, path)
}

/// Adds to a file, made if it is not there; on the disk when this returns.
pub(crate) fn append(path: &Path, bytes: &[u8]) -> Result<(), FileFault> {
    let added = (|| {
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    })();
    added.map_err(|error| FileFault::of(&error))?;
    sync_folder_of(path)
}

fn remove(path: &Path) -> Result<(), FileFault> {
    match std::fs::remove_file(path) {
        Ok(()) => sync_folder_of(path),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(FileFault::of(&error)),
    }
}

/// Gives a file another name in its directory, durably.
fn rename(path: &Path, fresh_path: &Path) -> Result<(), FileFault> {
    std::fs::rename(path, fresh_path).map_err(|error| FileFault::of(&error))?;
    sync_folder_of(fresh_path)
}

/// Makes names in a directory durable.
pub(crate) fn sync(folder: &Path) -> Result<(), FileFault> {
    File::open(folder).and_then(|opened| opened.sync_all()).map_err(|error| FileFault::of(&error))
}

fn sync_folder_of(path: &Path) -> Result<(), FileFault> {
    sync(path.parent().expect("a file of ours has a directory"))
}

/// Names in a directory, in no order.
pub(crate) fn names(folder: &Path) -> Result<Vec<String>, FileFault> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| FileFault::of(&error))? {
        let entry = entry.map_err(|error| FileFault::of(&error))?;
        names.extend(entry.file_name().into_string());
    }
    Ok(names)
}

fn numbers(folder: &Path, ending: &str) -> Result<Vec<u64>, FileFault> {
    let names = names(folder)?;
    let mut numbers: Vec<u64> =
        names.iter().filter_map(|name| name.strip_suffix(ending)?.parse().ok()).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

#[cfg(test)]
mod tests;
