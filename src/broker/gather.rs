//! Gather: neighbouring sections of a queue, read into one frame.
//!
//! Storage gives at most one section a time; a frame may carry several as long as
//! their offsets follow each other. The parts are shared with storage, not copied.

use bytes::Bytes;
use storage::Store;
use storage::plan::OpId;
use storage::store::{GapReason, Read};
use wire::{Offset, QueueId};

/// Sections in one frame.
const PARTS_MAX: usize = 64;

/// What to read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Want {
    pub(super) queue: QueueId,
    pub(super) from: Offset,
    pub(super) records_max: u32,
    /// At least one record is read, whatever its size.
    pub(super) bytes_max: usize,
}

/// Why nothing was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nothing {
    /// It is on the disk: ask again after this read.
    Wait(OpId),
    /// There is nothing up to `to`, for ever.
    Gap { to: Offset, reason: GapReason },
    /// Nothing is visible yet.
    End,
}

/// What was read; its bytes are in `Gather::slices`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gathered {
    pub(super) first_offset: Offset,
    pub(super) count: u32,
    pub(super) bytes: usize,
    /// When the first of the sections was accepted.
    pub(super) accepted_ns: u64,
}

/// The sections of the last read; its memory is used again.
#[derive(Debug, Default)]
pub(super) struct Gather {
    parts: Vec<Bytes>,
}

impl Gather {
    /// Reads at least one record, or says why not.
    pub(super) fn read(&mut self, store: &mut Store, want: Want) -> Result<Gathered, Nothing> {
        self.parts.clear();
        let mut all = Gathered { first_offset: want.from, count: 0, bytes: 0, accepted_ns: 0 };
        while all.count < want.records_max
            && all.bytes < want.bytes_max
            && self.parts.len() < PARTS_MAX
        {
            let from = want.from.plus(u64::from(all.count));
            let read = store.read(
                want.queue,
                from,
                want.records_max - all.count,
                want.bytes_max - all.bytes,
            );
            match read {
                Read::Records { first_offset, count, accepted_ns, bytes } => {
                    let is_first = all.count == 0;
                    let is_neighbour = is_first || first_offset == from;
                    if !is_neighbour || (!is_first && all.bytes + bytes.len() > want.bytes_max) {
                        break;
                    }
                    if is_first {
                        (all.first_offset, all.accepted_ns) = (first_offset, accepted_ns);
                    }
                    all.count += count;
                    all.bytes += bytes.len();
                    self.parts.push(bytes);
                }
                Read::Wait(op) => return all.or(Nothing::Wait(op)),
                Read::Gap { to, reason } => return all.or(Nothing::Gap { to, reason }),
                Read::End => return all.or(Nothing::End),
            }
        }
        all.or(Nothing::End)
    }

    /// Hands the sections of the last read to `send`, then lets go of them.
    pub(super) fn with_slices(&mut self, send: impl FnOnce(&[&[u8]])) {
        let mut slices: [&[u8]; PARTS_MAX] = [&[]; PARTS_MAX];
        for (slice, part) in slices.iter_mut().zip(&self.parts) {
            *slice = part;
        }
        send(&slices[..self.parts.len()]);
        self.parts.clear();
    }
}

impl Gathered {
    /// What stops a read matters only when nothing was read before it: the next read meets it again.
    fn or(self, nothing: Nothing) -> Result<Self, Nothing> {
        if self.count > 0 { Ok(self) } else { Err(nothing) }
    }
}

/// Storage's reason, in the wire's words.
pub(super) const fn reason_on_wire(reason: GapReason) -> wire::table::GapReason {
    match reason {
        GapReason::Retention => wire::table::GapReason::Retention,
        GapReason::Damage => wire::table::GapReason::Damage,
        GapReason::MemoryLost => wire::table::GapReason::MemoryLost,
        GapReason::Reserved => wire::table::GapReason::Reserved,
    }
}
