//! Log floor: the least a log can be: bytes gathered, written whole, perhaps synced, one write at a time.
//!
//! | keeping | writes to | answers |
//! |---|---|---|
//! | `Written` | one file of zeroes, round and round, a full buffer at a time | at once |
//! | `Synced` | the same | when the fdatasync linked to the write has ended: group commit |
//! | `Fresh` | fallocated segments, each made while the one before is written and removed after | the same |

use super::pipeline::Tag;
use crate::core::{FileId, FileTask};
use crate::directory::{FileFault, ShardDir};
use crate::sys::host;
use crate::sys::operation::Operation;
use crate::sys::pool::BLOCK_BYTES;
use crate::sys::ring::Ring;
use bytes::{Buf, Bytes, BytesMut};
use std::collections::VecDeque;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

/// Length of a buffer, and the most a write and a frame have, in bytes.
pub(super) const BUFFER_BYTES: usize = 1 << 20;
/// Buffers there are.
const BUFFERS: usize = 8;
/// Length of a file, in bytes.
const FILE_BYTES: u64 = 64 << 20;
/// Segments kept, at least, since two before the one that is made nobody writes any more, and at most.
const KEPT: (u64, u64) = (3, 128);

/// What is done with what was gathered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// Written, never synced: answered before.
    Written,
    /// Written and synced, into blocks made ready before.
    Synced,
    /// Written and synced into fresh segments; making them is part of the work.
    Fresh,
}

#[derive(Debug)]
pub(super) struct Log {
    folder: PathBuf,
    keeping: Keeping,
    file: Arc<File>,
    position: u64,
    gathering: BytesMut,
    /// A frame did not fit beside what was gathered.
    is_full: bool,
    free: Vec<BytesMut>,
    /// Being written.
    flying: VecDeque<Bytes>,
    /// Who is answered after the sync to come, and after the one in flight.
    waiting: Vec<(usize, u32)>,
    synced: Vec<(usize, u32)>,
    is_syncing: bool,
    /// The next segments, made on a thread of their own.
    segments: Option<Receiver<File>>,
}

/// What a part of a write that ended makes ready.
#[derive(Debug, Default)]
pub(super) struct LogDone {
    /// To whom, how many records.
    pub(super) answers: Vec<(usize, u32)>,
}

impl Log {
    pub(super) fn open(place: &Path, keeping: Keeping) -> Result<Self, FileFault> {
        let folder = place.join(format!("floor-{:016x}", u64::from_ne_bytes(host::random())));
        let mut dir = ShardDir::open(&folder, true)?;
        let zeroed = keeping != Keeping::Fresh;
        dir.apply(&FileTask::Prepare { segment: 0, bytes: FILE_BYTES, zeroed })?;
        let file = Arc::new(dir.open_direct(FileId::Segment(0))?);
        let segments = (keeping == Keeping::Fresh).then(|| make_segments(dir));
        let mut free: Vec<BytesMut> = (0..BUFFERS).map(|_| buffer()).collect();
        let gathering = free.pop().expect("there are some");
        Ok(Self {
            folder,
            keeping,
            file,
            position: 0,
            gathering,
            is_full: false,
            free,
            flying: VecDeque::new(),
            waiting: Vec::new(),
            synced: Vec::new(),
            is_syncing: false,
            segments,
        })
    }

    /// Whether answers wait for a sync.
    pub(super) fn is_synced(&self) -> bool {
        self.keeping != Keeping::Written
    }

    /// Copies a frame in; `false`: there is no room now.
    pub(super) fn append(&mut self, frame: &[u8]) -> bool {
        let fits = self.gathering.len() + frame.len() <= BUFFER_BYTES;
        if fits {
            self.gathering.extend_from_slice(frame);
        }
        self.is_full |= !fits;
        fits
    }

    /// Answers `to` after the next sync.
    pub(super) fn wait(&mut self, to: usize, records: u32) {
        self.waiting.push((to, records));
    }

    /// Without syncs: writes a buffer that is as good as full.
    pub(super) fn write_full(&mut self, ring: &mut Ring<Tag>) {
        let is_full = self.is_full || self.gathering.len() > BUFFER_BYTES * 3 / 4;
        if is_full && !self.is_synced() && !self.free.is_empty() {
            self.write(ring, false);
        }
    }

    /// With syncs: starts one for all that was gathered, unless one is in flight.
    pub(super) fn flush(&mut self, ring: &mut Ring<Tag>) {
        if self.is_synced() && !self.is_syncing && !self.gathering.is_empty() {
            self.is_syncing = true;
            std::mem::swap(&mut self.waiting, &mut self.synced);
            ring.reserve(2);
            self.write(ring, true);
            ring.push(Tag::Sync, Operation::Sync(Arc::clone(&self.file)));
        } else {
            self.write_full(ring);
        }
    }

    fn write(&mut self, ring: &mut Ring<Tag>, linked: bool) {
        let length = self.gathering.len().next_multiple_of(BLOCK_BYTES);
        self.gathering.resize(length, 0);
        if self.position + length as u64 > FILE_BYTES {
            self.position = 0;
            if let Some(next) = self.segments.as_ref().and_then(|segments| segments.recv().ok()) {
                self.file = Arc::new(next);
            }
        }
        self.is_full = false;
        let next = self.free.pop().unwrap_or_else(buffer);
        let bytes = std::mem::replace(&mut self.gathering, next).freeze();
        self.flying.push_back(bytes.clone());
        let (file, position) = (Arc::clone(&self.file), self.position);
        ring.push(Tag::Write, Operation::Write { file, bytes, position, linked });
        self.position += length as u64;
    }

    /// A write or a sync ended.
    pub(super) fn end_part(&mut self, is_sync: bool, result: i32) -> LogDone {
        assert!(result >= 0, "the floor's disk failed: errno {}", -result);
        if is_sync {
            self.is_syncing = false;
            return LogDone { answers: std::mem::take(&mut self.synced) };
        }
        if let Some(mut memory) =
            self.flying.pop_front().and_then(|bytes| bytes.try_into_mut().ok())
        {
            memory.clear();
            self.free.push(memory);
        }
        LogDone::default()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.segments = None;
        // What a thread still makes there is removed with its folder, or left for the operator.
        let _in_use = std::fs::remove_dir_all(&self.folder);
    }
}

/// Makes segments one ahead. Those that were left stay as long as there is room: a deletion may stop the disk while it
/// discards the blocks, which is not what is measured.
fn make_segments(mut dir: ShardDir) -> Receiver<File> {
    let (give, take) = sync_channel(1);
    let kept = (dir.free_bytes().unwrap_or(0) / 4 / FILE_BYTES).clamp(KEPT.0, KEPT.1);
    let made = crate::process::spawn("floor-files", move || {
        for segment in 1.. {
            let made = dir.apply(&FileTask::Prepare { segment, bytes: FILE_BYTES, zeroed: false });
            let opened = made.and_then(|()| dir.open_direct(FileId::Segment(segment)));
            if opened.is_err() || opened.is_ok_and(|file| give.send(file).is_err()) {
                let _gone = dir.apply(&FileTask::Remove { file: FileId::Segment(segment) });
                return;
            }
            if segment >= kept {
                let _gone = dir.apply(&FileTask::Remove { file: FileId::Segment(segment - kept) });
            }
        }
    });
    made.expect("a thread can be started");
    take
}

/// Aligned memory whose later `freeze` and `try_into_mut` keep it whole.
fn buffer() -> BytesMut {
    let mut memory = BytesMut::with_capacity(BUFFER_BYTES + 2 * BLOCK_BYTES);
    let skip = memory.as_ptr().align_offset(BLOCK_BYTES);
    memory.resize(skip, 0);
    memory.advance(skip);
    memory
}
