//! Offline: a shard's directory as `inspect` reads it: plain files, never written.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use storage::plan::{Disk, DiskFault, FileName, Plan};

/// A shard's directory, read only.
#[derive(Debug)]
pub struct OfflineShard {
    path: PathBuf,
    /// The file read last: reads go on in the same one.
    open: Option<(FileName, File)>,
}

impl OfflineShard {
    /// The directory at `path`; nothing is touched yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), open: None }
    }

    fn path_of(&self, file: FileName) -> PathBuf {
        self.path.join(file.to_string())
    }

    fn file(&mut self, file: FileName) -> Result<&mut File, DiskFault> {
        if self.open.as_ref().is_none_or(|(name, _)| *name != file) {
            let opened = File::open(self.path_of(file)).map_err(|error| fault_of(&error))?;
            self.open = Some((file, opened));
        }
        self.open.as_mut().map(|(_, file)| file).ok_or(DiskFault::Missing)
    }

    /// Numbers in the names of a folder's files that end in `extension`, ascending.
    fn numbers(&self, folder: &str, extension: &str) -> Result<Vec<u64>, DiskFault> {
        let entries = match std::fs::read_dir(self.path.join(folder)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(fault_of(&error)),
        };
        let mut numbers = Vec::new();
        for entry in entries {
            let path = entry.map_err(|error| fault_of(&error))?.path();
            if path.extension().is_some_and(|found| found == extension) {
                let stem = path.file_stem().and_then(|stem| stem.to_str());
                numbers.extend(stem.and_then(|stem| stem.parse::<u64>().ok()));
            }
        }
        numbers.sort_unstable();
        Ok(numbers)
    }
}

/// The directories of a node's shards, by shard number.
///
/// # Errors
/// The directory cannot be listed.
pub fn shards_of(data: &Path) -> std::io::Result<Vec<(u16, PathBuf)>> {
    let mut shards = Vec::new();
    for entry in std::fs::read_dir(data)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let number = name.strip_prefix("shard-").and_then(|number| number.parse().ok());
        shards.extend(number.map(|number| (number, path.clone())));
    }
    shards.sort_unstable();
    Ok(shards)
}

impl Disk for OfflineShard {
    fn segments(&mut self) -> Result<Vec<u64>, DiskFault> {
        self.numbers("log", "seg")
    }

    fn snapshots(&mut self) -> Result<Vec<u64>, DiskFault> {
        self.numbers("snap", "snap")
    }

    fn length(&mut self, file: FileName) -> Result<u64, DiskFault> {
        let metadata = self.file(file)?.metadata().map_err(|error| fault_of(&error))?;
        Ok(metadata.len())
    }

    fn read(&mut self, file: FileName, position: u64, into: &mut [u8]) -> Result<(), DiskFault> {
        let file = self.file(file)?;
        file.seek(SeekFrom::Start(position))
            .and_then(|_| file.read_exact(into))
            .map_err(|error| fault_of(&error))
    }

    fn apply(&mut self, _plan: &Plan) -> Result<(), DiskFault> {
        const EROFS: i32 = 30;
        Err(DiskFault::Errno(EROFS))
    }

    fn free_bytes(&mut self) -> Result<u64, DiskFault> {
        Ok(0)
    }
}

fn fault_of(error: &std::io::Error) -> DiskFault {
    if error.kind() == ErrorKind::NotFound {
        DiskFault::Missing
    } else if error.kind() == ErrorKind::UnexpectedEof {
        DiskFault::Short
    } else {
        DiskFault::Errno(error.raw_os_error().unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_by_their_numbers_and_never_written() {
        let path = std::env::temp_dir().join(format!("defibus-offline-{}", std::process::id()));
        let log = path.join("log");
        std::fs::create_dir_all(&log).expect("a temporary directory");
        std::fs::write(log.join("0000000000000012.seg"), [7; 10]).expect("a file");
        std::fs::write(log.join("0000000000000003.seg"), []).expect("a file");
        std::fs::write(log.join("other.txt"), []).expect("a file");
        let mut disk = OfflineShard::new(&path);
        assert_eq!(disk.segments(), Ok(vec![3, 12]));
        assert_eq!(disk.snapshots(), Ok(Vec::new()));
        assert_eq!(disk.length(FileName::Segment(12)), Ok(10));
        assert_eq!(disk.length(FileName::Superblock), Err(DiskFault::Missing));
        let mut bytes = [0; 4];
        assert_eq!(disk.read(FileName::Segment(12), 6, &mut bytes), Ok(()));
        assert_eq!(bytes, [7; 4]);
        assert_eq!(disk.read(FileName::Segment(12), 7, &mut bytes), Err(DiskFault::Short));
        let remove = Plan::Remove { op: storage::OpId(1), file: FileName::Segment(12) };
        assert!(disk.apply(&remove).is_err());
        std::fs::remove_dir_all(&path).expect("removed");
    }
}
