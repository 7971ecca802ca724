//! DataDir: a node's directory, locked; and the directory of each shard in it.
//!
//! ```text
//!   DATA/lock                        flock: one process at a time
//!   DATA/<name>                      small files of the node, replaced as a whole
//!   DATA/shard-<n>/superblock        four copies of 4 KiB
//!   DATA/shard-<n>/log/<number>.seg  segments, 16 decimal digits
//!   DATA/shard-<n>/log/<number>.idx  indexes, rebuildable
//!   DATA/shard-<n>/snap/<index>.snap snapshots
//! ```

use crate::core::{FileId, FileTask};
use std::path::Path;
use wire::{ErrorCode, ShardId};

/// Why a data directory cannot be used.
#[derive(Debug)]
pub enum DataDirError {
    /// Another process holds it.
    Locked {
        /// The directory.
        path: String,
    },
    /// The filesystem refused.
    Unusable {
        /// The file or directory.
        path: String,
        /// Its errno.
        errno: i32,
    },
}

impl DataDirError {
    /// Its stable number.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Locked { .. } => ErrorCode::DataDirLocked,
            Self::Unusable { .. } => ErrorCode::FileUnreadable,
        }
    }
}

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

/// A node's data directory, locked until it is dropped.
#[derive(Debug)]
pub struct DataDir {}

impl DataDir {
    /// Makes the directory if it is not there, and locks it.
    ///
    /// # Errors
    /// Another process holds it, or the filesystem refuses.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        let _ = path;
        unimplemented!()
    }
    /// How many shards have a directory here: 0 in a new one.
    pub fn shard_count(&self) -> Result<u16, DataDirError> {
        unimplemented!()
    }
    /// Reads a small file of the node, such as its identity. `None` where there is none.
    pub fn load(&self, name: &str) -> Result<Option<Vec<u8>>, DataDirError> {
        let _ = name;
        unimplemented!()
    }
    /// Replaces a small file of the node as a whole, durably.
    pub fn save(&self, name: &str, bytes: &[u8]) -> Result<(), DataDirError> {
        let _ = (name, bytes);
        unimplemented!()
    }
    /// A shard's directory, made if it is not there; all its files are synced before anything is read.
    pub fn shard(&self, shard: ShardId) -> Result<ShardDir, DataDirError> {
        let _ = shard;
        unimplemented!()
    }
}

/// The directory of one shard: blocking access, for the start and for the helper thread.
#[derive(Debug)]
pub struct ShardDir {}

impl ShardDir {
    /// Numbers of all segments, ascending.
    pub fn segments(&mut self) -> Result<Vec<u64>, FileFault> {
        unimplemented!()
    }
    /// Indexes of all snapshots, ascending.
    pub fn snapshots(&mut self) -> Result<Vec<u64>, FileFault> {
        unimplemented!()
    }
    /// Length of a file in bytes.
    pub fn length(&mut self, file: FileId) -> Result<u64, FileFault> {
        let _ = file;
        unimplemented!()
    }
    /// Fills `into` from `position`; `Short` when the file ends before. Any alignment.
    pub fn read(&mut self, file: FileId, position: u64, into: &mut [u8]) -> Result<(), FileFault> {
        let _ = (file, position, into);
        unimplemented!()
    }
    /// Carries out a task at once, durably, exactly as the helper thread does.
    pub fn apply(&mut self, task: &FileTask) -> Result<(), FileFault> {
        let _ = task;
        unimplemented!()
    }
    /// Free bytes of the filesystem.
    pub fn free_bytes(&mut self) -> Result<u64, FileFault> {
        unimplemented!()
    }
}
