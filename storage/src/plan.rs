//! Plan: what storage wants from the machine, as plain values; and the disk as it is read at start.

use bytes::Bytes;

/// Names one flush, read or file task until it is reported done. Never reused by one `Store`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpId(pub u64);

/// A file of the shard's directory, by role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileName {
    /// `log/<number>.seg`, 16 decimal digits.
    Segment(u64),
    /// `log/<number>.idx`: rebuildable.
    Index(u64),
    /// `snap/<index>.snap`.
    Snapshot(u64),
    /// `superblock`: four copies of 4 KiB.
    Superblock,
}

impl std::fmt::Display for FileName {
    /// Its path in the shard's directory.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Segment(number) => write!(formatter, "log/{number:016}.seg"),
            Self::Index(number) => write!(formatter, "log/{number:016}.idx"),
            Self::Snapshot(index) => write!(formatter, "snap/{index:016}.snap"),
            Self::Superblock => formatter.write_str("superblock"),
        }
    }
}

/// One wish. Each is answered once through `Store::flushed`, `read_done` or `file_done`.
#[derive(Clone, Debug)]
pub enum Plan {
    /// Write `head` at 0 (a new segment's two header blocks) if given, then `batch`, then fdatasync: linked.
    Flush {
        /// Which flush.
        op: OpId,
        /// The segment's number.
        segment: u64,
        /// The segment's head, on its first batch.
        head: Option<Bytes>,
        /// Byte position of the batch, 4 KiB aligned.
        position: u32,
        /// The batch: memory and length 4 KiB aligned.
        batch: Bytes,
    },
    /// Read whole 4 KiB blocks.
    Read {
        /// Which read.
        op: OpId,
        /// From which file.
        file: FileName,
        /// Byte position, 4 KiB aligned.
        position: u64,
        /// Length in bytes, a multiple of 4 KiB.
        bytes: u32,
    },
    /// Create a segment, `zeroed` or only fallocated, synced with its directory.
    Prepare {
        /// Which task.
        op: OpId,
        /// The segment's number.
        segment: u64,
        /// Its length.
        bytes: u64,
        /// Whether zeroes are written over it.
        zeroed: bool,
    },
    /// Make a segment of the file of another, which nobody needs any more: gone under its old name before
    /// anything of it changes, zeroes written over it, synced with its directory. Where that file is
    /// missing or of another length, as `Prepare` with zeroes.
    Recycle {
        /// Which task.
        op: OpId,
        /// The segment that was.
        from: u64,
        /// The segment's number.
        segment: u64,
        /// Its length.
        bytes: u64,
    },
    /// Write at a 4 KiB aligned position of an existing file, then fdatasync (a footer).
    WriteAt {
        /// Which task.
        op: OpId,
        /// Where.
        file: FileName,
        /// From which byte on.
        position: u64,
        /// What.
        bytes: Bytes,
    },
    /// Write the four copies of the superblock one at a time, a sync after each.
    WriteSuperblock {
        /// Which task.
        op: OpId,
        /// One copy, 4 KiB.
        copy: Bytes,
    },
    /// Replace a file as a whole: temp, fsync, rename, fsync of the directory.
    Replace {
        /// Which task.
        op: OpId,
        /// Which file.
        file: FileName,
        /// Its contents.
        bytes: Bytes,
    },
    /// Delete a file, sync its directory.
    Remove {
        /// Which task.
        op: OpId,
        /// Which file.
        file: FileName,
    },
}

/// What a disk could not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskFault {
    /// No space left, or the quota is used up.
    NoSpace,
    /// A write or read took fewer bytes than given.
    Short,
    /// There is no such file.
    Missing,
    /// Everything else, by errno.
    Errno(i32),
}

/// A shard's directory as recovery and `inspect` see it: blocking, at start or offline only.
///
/// The caller holds the directory's lock. Writes are durable when they return.
pub trait Disk {
    /// Numbers of all segments, ascending.
    fn segments(&mut self) -> Result<Vec<u64>, DiskFault>;
    /// Indexes of all snapshots, ascending.
    fn snapshots(&mut self) -> Result<Vec<u64>, DiskFault>;
    /// Length of a file in bytes; `Missing` where there is none.
    fn length(&mut self, file: FileName) -> Result<u64, DiskFault>;
    /// Fills `into` from `position`; `Short` when the file ends before.
    fn read(&mut self, file: FileName, position: u64, into: &mut [u8]) -> Result<(), DiskFault>;
    /// Carries out whatever is no flush and no read at once, durably.
    fn apply(&mut self, plan: &Plan) -> Result<(), DiskFault>;
    /// Free bytes of the filesystem.
    fn free_bytes(&mut self) -> Result<u64, DiskFault>;
    /// Waits for so many nanoseconds before a read is tried again. A disk that only time changes need not.
    fn pause(&mut self, _span_ns: u64) {}
}

/// A disk that is read and never written: tasks are done at once, and nothing comes of them.
pub(crate) struct Unwritten<'d>(pub(crate) &'d mut dyn Disk);

impl Disk for Unwritten<'_> {
    fn segments(&mut self) -> Result<Vec<u64>, DiskFault> {
        self.0.segments()
    }

    fn snapshots(&mut self) -> Result<Vec<u64>, DiskFault> {
        self.0.snapshots()
    }

    fn length(&mut self, file: FileName) -> Result<u64, DiskFault> {
        self.0.length(file)
    }

    fn read(&mut self, file: FileName, position: u64, into: &mut [u8]) -> Result<(), DiskFault> {
        self.0.read(file, position, into)
    }

    fn apply(&mut self, _plan: &Plan) -> Result<(), DiskFault> {
        Ok(())
    }

    fn free_bytes(&mut self) -> Result<u64, DiskFault> {
        self.0.free_bytes()
    }

    fn pause(&mut self, span_ns: u64) {
        self.0.pause(span_ns);
    }
}

/// Where operation ids come from: counted up, never the same twice.
#[derive(Debug, Default)]
pub struct OpIds {
    last: u64,
}

impl OpIds {
    /// A new id.
    #[must_use]
    pub fn draw(&mut self) -> OpId {
        self.last += 1;
        OpId(self.last)
    }
}
