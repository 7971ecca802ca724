//! `DataDir`: a node's directory, locked by one process at a time.
//!
//! ```text
//!   DATA/lock             flock, for as long as the `DataDir` lives
//!   DATA/<name>           small files of the node, replaced as a whole
//!   DATA/shard-<n>/       see `directory`
//! ```
//!
//! Blocking: for the start of a process only.

use crate::directory::{self, FileFault, ShardDir};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use wire::{ErrorCode, ShardId};

/// Why a data directory cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
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
        /// What went wrong.
        fault: FileFault,
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

impl std::fmt::Display for DataDirError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Locked { path } => write!(formatter, "another process holds the lock of {path}"),
            Self::Unusable { path, fault } => write!(formatter, "{path}: {fault}"),
        }
    }
}

/// A node's data directory, locked until it is dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// Whether files can be read and written around the page cache.
    direct: bool,
    _lock: File,
}

impl DataDir {
    /// Makes the directory if it is not there, and locks it.
    ///
    /// # Errors
    /// Another process holds it, or the filesystem refuses.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        directory::make(path).map_err(|fault| unusable(path, fault))?;
        let lock_path = path.join("lock");
        let lock = directory::create(&lock_path).map_err(|fault| unusable(&lock_path, fault))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(DataDirError::Locked { path: path.display().to_string() });
            }
            Err(TryLockError::Error(error)) => {
                return Err(unusable(&lock_path, FileFault::of(&error)));
            }
        }
        let direct = directory::is_direct(&lock_path);
        Ok(Self { path: path.to_owned(), direct, _lock: lock })
    }

    /// Whether files are read and written around the page cache. `false` on a filesystem that
    /// cannot (some tmpfs): a node serves from it, and should say so in one line.
    pub fn is_direct(&self) -> bool {
        self.direct
    }

    /// How many shards have a directory here: 0 in a new one.
    ///
    /// # Errors
    /// The filesystem refuses.
    pub fn shard_count(&self) -> Result<u16, DataDirError> {
        let names = directory::names(&self.path).map_err(|fault| unusable(&self.path, fault))?;
        let numbers =
            names.iter().filter_map(|name| name.strip_prefix("shard-")?.parse::<u16>().ok());
        Ok(numbers.max().map_or(0, |last| last.saturating_add(1)))
    }

    /// Reads a small file of the node, such as its identity. `None` where there is none.
    ///
    /// # Errors
    /// The filesystem refuses.
    pub fn load(&self, name: &str) -> Result<Option<Vec<u8>>, DataDirError> {
        let path = self.path.join(name);
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unusable(&path, FileFault::of(&error))),
        }
    }

    /// Replaces a small file of the node as a whole, durably.
    ///
    /// # Errors
    /// The filesystem refuses; the file is as before then.
    pub fn save(&self, name: &str, bytes: &[u8]) -> Result<(), DataDirError> {
        let path = self.path.join(name);
        directory::replace(&path, bytes).map_err(|fault| unusable(&path, fault))
    }

    /// Adds to a small file of the node, durably; it is made if it is not there.
    ///
    /// # Errors
    /// The filesystem refuses; a part may have been added then.
    pub fn append(&self, name: &str, bytes: &[u8]) -> Result<(), DataDirError> {
        let path = self.path.join(name);
        directory::append(&path, bytes).map_err(|fault| unusable(&path, fault))
    }

    /// A shard's directory, made if it is not there. All its files are synced first, so nothing is
    /// read now that a power cut could take back later.
    ///
    /// # Errors
    /// The filesystem refuses.
    pub fn shard(&self, shard: ShardId) -> Result<ShardDir, DataDirError> {
        let path = self.path.join(format!("shard-{shard}"));
        let opened = ShardDir::open(&path, self.direct);
        opened
            .and_then(|dir| directory::sync(&self.path).map(|()| dir))
            .map_err(|fault| unusable(&path, fault))
    }
}

fn unusable(path: &Path, fault: FileFault) -> DataDirError {
    DataDirError::Unusable { path: path.display().to_string(), fault }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_at_a_time() {
        let place = tempfile::tempdir().expect("a place");
        let path = place.path().join("data");
        let first = DataDir::open(&path).expect("new");
        assert_eq!(
            DataDir::open(&path).err(),
            Some(DataDirError::Locked { path: path.display().to_string() })
        );
        drop(first);
        DataDir::open(&path).expect("free again");
    }

    #[test]
    fn shards_are_counted_and_small_files_kept() {
        let place = tempfile::tempdir().expect("a place");
        let data = DataDir::open(place.path()).expect("opens");
        assert_eq!(data.shard_count(), Ok(0));
        for shard in [0, 1, 2] {
            data.shard(ShardId(shard)).expect("made");
        }
        assert_eq!(data.shard_count(), Ok(3));
        assert_eq!(data.load("node"), Ok(None));
        data.save("node", b"one").expect("saved");
        data.save("node", b"two").expect("saved");
        assert_eq!(data.load("node"), Ok(Some(b"two".to_vec())));
        data.append("audit", b"one").expect("added");
        data.append("audit", b"two").expect("added");
        assert_eq!(data.load("audit"), Ok(Some(b"onetwo".to_vec())));
    }
}
