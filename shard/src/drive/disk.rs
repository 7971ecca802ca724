//! Disk: a shard's flushes and reads through its ring, and file tasks through its helper.
//!
//! ```text
//!   flush:  [write head at 0 -->] write batch --> fdatasync      linked, one submit, one at a time
//! ```
//!
//! Invariants:
//!   1. A flush is good only if every write took all its bytes and the sync came after them: a
//!      short write breaks the chain, and a chain torn between two submits is synced again.
//!   2. A file in use stays open: operations own it, the table only keeps it at hand.

use super::Tag;
use crate::core::{FileId, FileTask, IoFault, OperationId};
use crate::directory::ShardDir;
use crate::helper::{Done, Helper};
use crate::sys::operation::Operation;
use crate::sys::pool::{BLOCK_BYTES, Blank, Block};
use crate::sys::ring::Ring;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;

/// A node without a data directory.
const NO_DATA: IoFault = IoFault::Errno(libc::ENODEV);

/// A write and its sync, as the core asked for them.
#[derive(Debug)]
pub(super) struct FlushOrder {
    pub(super) operation: OperationId,
    pub(super) file: FileId,
    pub(super) head: Option<Bytes>,
    pub(super) position: u64,
    pub(super) batch: Bytes,
}

/// A part of a flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FlushPart {
    Head,
    Batch,
    Sync,
}

#[derive(Debug)]
struct Flush {
    operation: OperationId,
    file: Arc<File>,
    head_bytes: usize,
    batch_bytes: usize,
    /// Completions still to come.
    parts_left: u8,
    /// The first thing that went wrong.
    fault: Option<IoFault>,
    /// The ring's count of torn submits when the chain was queued.
    torn_submits: u64,
}

#[derive(Debug)]
struct Opened {
    file: Arc<File>,
    /// When it was asked for last, in uses.
    used: u64,
}

/// The disk of a shard; a node without data answers everything with `ENODEV`.
#[derive(Debug)]
pub(super) struct Disk {
    dir: Option<ShardDir>,
    helper: Option<Helper>,
    files: BTreeMap<FileId, Opened>,
    files_max: usize,
    uses: u64,
    flush: Option<Flush>,
}

impl Disk {
    /// Keeps at most `files_max` files open.
    pub(super) fn new(dir: Option<ShardDir>, helper: Option<Helper>, files_max: usize) -> Self {
        Self { dir, helper, files: BTreeMap::new(), files_max, uses: 0, flush: None }
    }

    /// Whether a flush is in flight.
    pub(super) fn is_flushing(&self) -> bool {
        self.flush.is_some()
    }

    /// An open file, opened now if need be.
    fn file(&mut self, id: FileId) -> Result<Arc<File>, IoFault> {
        if !self.files.contains_key(&id) {
            let dir = self.dir.as_ref().ok_or(NO_DATA)?;
            let file = dir.open_direct(id)?;
            self.keep(id, file);
        }
        self.uses += 1;
        let opened = self.files.get_mut(&id).expect("kept above");
        opened.used = self.uses;
        Ok(Arc::clone(&opened.file))
    }

    fn keep(&mut self, id: FileId, file: File) {
        if self.files.len() >= self.files_max {
            let oldest = self.files.iter().min_by_key(|(_, opened)| opened.used).map(|(id, _)| *id);
            oldest.map(|id| self.files.remove(&id));
        }
        self.files.insert(id, Opened { file: Arc::new(file), used: self.uses });
    }

    /// Starts a flush. A second one while one is in flight is a defect of the core.
    pub(super) fn start_flush(
        &mut self,
        order: FlushOrder,
        ring: &mut Ring<Tag>,
    ) -> Result<(), IoFault> {
        assert!(self.flush.is_none(), "one flush in flight per log");
        let file = self.file(order.file)?;
        ring.reserve(3);
        let torn_submits = ring.torn_submits();
        let head_bytes = order.head.as_ref().map_or(0, Bytes::len);
        let batch_bytes = order.batch.len();
        if let Some(bytes) = order.head {
            let file = Arc::clone(&file);
            let write = Operation::Write { file, bytes, position: 0, linked: true };
            ring.push(Tag::Flush(FlushPart::Head), write);
        }
        let write = Operation::Write {
            file: Arc::clone(&file),
            bytes: order.batch,
            position: order.position,
            linked: true,
        };
        ring.push(Tag::Flush(FlushPart::Batch), write);
        ring.push(Tag::Flush(FlushPart::Sync), Operation::Sync(Arc::clone(&file)));
        let parts_left = if head_bytes > 0 { 3 } else { 2 };
        let operation = order.operation;
        self.flush = Some(Flush {
            operation,
            file,
            head_bytes,
            batch_bytes,
            parts_left,
            fault: None,
            torn_submits,
        });
        Ok(())
    }

    /// Takes the end of a part; tells the end of the flush with its last one.
    pub(super) fn end_part(
        &mut self,
        part: FlushPart,
        result: i32,
        ring: &mut Ring<Tag>,
    ) -> Option<(OperationId, Result<(), IoFault>)> {
        let flush = self.flush.as_mut().expect("a part belongs to the flush in flight");
        let bytes_expected = match part {
            FlushPart::Head => flush.head_bytes,
            FlushPart::Batch => flush.batch_bytes,
            FlushPart::Sync => 0,
        };
        // What was only cancelled is not the cause.
        let is_cause = flush.fault.is_none_or(|fault| fault == IoFault::Errno(libc::ECANCELED));
        if is_cause && let Err(fault) = check(result, bytes_expected) {
            flush.fault = Some(fault);
        }
        flush.parts_left -= 1;
        if flush.parts_left > 0 {
            return None;
        }
        if flush.fault.is_none() && flush.torn_submits != ring.torn_submits() {
            flush.torn_submits = ring.torn_submits();
            flush.parts_left = 1;
            ring.push(Tag::Flush(FlushPart::Sync), Operation::Sync(Arc::clone(&flush.file)));
            return None;
        }
        let flush = self.flush.take()?;
        Some((flush.operation, flush.fault.map_or(Ok(()), Err)))
    }

    /// Starts a read of whole blocks.
    pub(super) fn start_read(
        &mut self,
        operation: OperationId,
        file: FileId,
        (position, bytes): (u64, u32),
        ring: &mut Ring<Tag>,
    ) -> Result<(), IoFault> {
        debug_assert!((bytes as usize).is_multiple_of(BLOCK_BYTES), "reads are of whole blocks");
        let file = self.file(file)?;
        let block = Blank::new(bytes as usize);
        ring.push(Tag::Read(operation), Operation::Read { file, block, position });
        Ok(())
    }

    /// Hands a task to the helper.
    pub(super) fn start_task(
        &mut self,
        operation: OperationId,
        task: FileTask,
    ) -> Result<(), IoFault> {
        let helper = self.helper.as_mut().ok_or(NO_DATA)?;
        if helper.give(operation, task) { Ok(()) } else { Err(IoFault::Errno(libc::EBUSY)) }
    }

    /// The next task that ended.
    pub(super) fn take_done(&mut self) -> Option<(OperationId, Result<(), IoFault>)> {
        let Done { operation, result, changed } = self.helper.as_mut()?.take_done()?;
        for (id, opened) in changed {
            self.files.remove(&id);
            if let Some(file) = opened {
                self.keep(id, file);
            }
        }
        Some((operation, result))
    }

    pub(super) fn has_done(&self) -> bool {
        self.helper.as_ref().is_some_and(Helper::has_done)
    }
}

/// What a read gave.
pub(super) fn read_result(result: i32, block: Option<Block>) -> Result<Bytes, IoFault> {
    block.map(Bytes::from_owner).ok_or_else(|| fault_of(result))
}

/// Whether an operation counted what it should: a short write is an error, not progress.
fn check(result: i32, bytes_expected: usize) -> Result<(), IoFault> {
    match usize::try_from(result) {
        Ok(bytes) if bytes == bytes_expected => Ok(()),
        Ok(_) | Err(_) => Err(fault_of(result)),
    }
}

/// What went wrong with an operation that did not count what it should.
fn fault_of(result: i32) -> IoFault {
    match -result {
        _ if result >= 0 => IoFault::Short,
        libc::ENOSPC | libc::EDQUOT => IoFault::NoSpace,
        errno => IoFault::Errno(errno),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::operation::Held;
    use crate::sys::ring::tests::ring;

    #[test]
    fn a_long_read_is_made_in_steps_and_ends_whole_or_not_at_all() {
        let mut ring = ring();
        let whole: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
        let path = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(path.path(), &whole).expect("written");
        let file = Arc::new(std::fs::File::open(path.path()).expect("there"));
        let mut read = |bytes: usize, position: u64| {
            let (file, block) = (Arc::clone(&file), Blank::new(bytes));
            let mut next = Operation::Read { file, block, position };
            for step in 1.. {
                ring.push(1, next);
                ring.wait(None);
                let mut completions = Vec::new();
                ring.reap(&mut completions, 1);
                match completions.pop().expect("one").held {
                    Held::Rest(rest) => next = rest,
                    Held::Read(block) => return (step, block),
                    Held::Nothing | Held::Sent(..) => panic!("a read"),
                }
            }
            unreachable!("it ends")
        };
        let (steps, block) = read(1_000_000, 4096);
        assert_eq!((steps, block.expect("whole").as_ref()), (2, &whole[4096..1_004_096]));
        assert!(matches!(read(1_000_000, 400_000), (2, None)), "the file ends before");
        assert!(matches!(read(4096, 0), (1, Some(_))));
    }

    #[test]
    fn a_full_queue_is_submitted_and_every_operation_ends_once() {
        let mut ring = ring();
        let file = Arc::new(std::fs::File::open("/dev/zero").expect("a device"));
        for tag in 0..100 {
            let read =
                Operation::Read { file: Arc::clone(&file), block: Blank::new(64), position: 0 };
            ring.push(tag, read);
        }
        let (mut completions, mut tags) = (Vec::new(), Vec::new());
        while tags.len() < 100 {
            ring.wait(None);
            ring.reap(&mut completions, 7);
            tags.extend(completions.drain(..).map(|completion| completion.tag));
        }
        tags.sort_unstable();
        assert!(tags.iter().copied().eq(0..100));
        assert!(ring.full_queues > 0 && ring.is_quiet());
    }

    #[test]
    fn only_all_bytes_are_good() {
        assert_eq!(check(4096, 4096), Ok(()));
        assert_eq!(check(4095, 4096), Err(IoFault::Short));
        assert_eq!(check(0, 4096), Err(IoFault::Short));
        assert_eq!(check(-libc::ENOSPC, 4096), Err(IoFault::NoSpace));
        assert_eq!(check(-libc::EIO, 4096), Err(IoFault::Errno(libc::EIO)));
    }
}
