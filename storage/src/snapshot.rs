//! Snapshot: the state of a store at some point of its log, as one file.
//!
//! ```text
//!   header 96 | chunk | chunk | ...      one checksum over everything after it
//!   chunk: kind, stamp, last key, count, length | items
//! ```
//!
//! It is taken in chunks of at most 1,000 items, so that no turn is long. Each
//! chunk carries a **stamp**: the first log index it does not contain. Replay
//! starts at `from`, below every stamp, and applies a change only where the
//! stamp of the item's chunk allows it. Which chunk that is follows from the
//! item's key, also for an item made after its chunk was written:
//!
//! ```text
//!   keys  ...1000] ...2000] ... no end]       the last chunk of a kind is open
//!   stamp     70       70      73
//! ```
//!
//! The writer keeps the file back until the log is durable up to the highest
//! stamp: a snapshot never knows of something that a crash may take away.
//! State and index are one unit under one checksum; a snapshot that does not
//! check is not used at all.

use crate::batch::{is_count, is_zero};
use crate::chunk::BLOCK_BYTES;
use crate::dedup::{LastUse, Producer, Taken, Window};
use crate::memory::MemoryRing;
use crate::positions::{Held, Position, Positions};
use crate::queue::{Queue, QueueIndex, Run};
use bytes::Bytes;
use crc32fast::Hasher;
use std::collections::VecDeque;
use wire::{Epoch, GroupId, LogIndex, Offset, ProducerId, QueueId, ShardId};
use zerocopy::little_endian::{U16, U32, U64, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

mod check;
mod layout;
pub(crate) use check::SnapshotCheck;
use layout::{
    ChunkLayout, HEADER_BYTES, HeaderLayout, MAGIC, PairLayout, PositionLayout, ProducerLayout,
    QueueLayout, RunLayout, SegmentLayout, TakenLayout, VERSION, WindowLayout,
};

const CHECKED_FROM: usize = 12;
const OPEN_END: (u64, u64) = (u64::MAX, u64::MAX);

/// What a chunk holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChunkKind {
    Segments = 1,
    Queues = 2,
    Positions = 3,
    Windows = 4,
    Producers = 5,
    Catalog = 6,
}

/// Whose snapshot it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) node_id: u128,
    pub(crate) cluster_id: u128,
    pub(crate) shard: ShardId,
}

/// A sealed segment whose index file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ColdSegment {
    pub(crate) number: u64,
    /// Exclusive end of its batches.
    pub(crate) end: LogIndex,
    /// Length of its index file.
    pub(crate) index_bytes: u32,
}

/// Why bytes are not a snapshot of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SnapshotError {
    Damaged,
    UnknownVersion(u32),
    Foreign(String),
}

/// First log index not contained, by the last key of each chunk, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stamps(Vec<((u64, u64), LogIndex)>);

/// What a snapshot holds.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    /// Where replay starts.
    pub(crate) from: LogIndex,
    pub(crate) segments: Vec<ColdSegment>,
    pub(crate) queues: Vec<(QueueId, Queue)>,
    pub(crate) positions: Positions,
    pub(crate) position_stamps: Stamps,
    pub(crate) windows: Vec<Window>,
    pub(crate) window_stamps: Stamps,
    pub(crate) producers: Vec<(ProducerId, Producer)>,
    pub(crate) producers_forgotten: bool,
    pub(crate) catalog: Vec<Bytes>,
    pub(crate) catalog_stamps: Stamps,
}

/// Writes a snapshot, chunk by chunk.
#[derive(Debug)]
pub(crate) struct SnapshotWriter {
    bytes: Vec<u8>,
    chunk: Option<(usize, ChunkKind, LogIndex)>,
    count: u32,
    /// Over everything after the header, up to the last chunk's end: no turn sums up all of it.
    sum: Hasher,
}

impl SnapshotWriter {
    pub(crate) fn new() -> Self {
        Self { bytes: vec![0; HEADER_BYTES], chunk: None, count: 0, sum: Hasher::new() }
    }

    pub(crate) fn begin(&mut self, kind: ChunkKind, stamp: LogIndex) {
        self.chunk = Some((self.bytes.len(), kind, stamp));
        self.count = 0;
        self.bytes.resize(self.bytes.len() + size_of::<ChunkLayout>(), 0);
    }

    /// Ends the chunk: `key` is its last one, `None` when nothing of the kind follows.
    pub(crate) fn end(&mut self, key: Option<(u64, u64)>) {
        let Some((at, kind, stamp)) = self.chunk.take() else { return };
        let (high, low) = key.unwrap_or(OPEN_END);
        let items_at = at + size_of::<ChunkLayout>();
        let layout = ChunkLayout {
            kind: U32::new(kind as u32),
            count: self.count.into(),
            stamp: stamp.0.into(),
            key_high: high.into(),
            key_low: low.into(),
            bytes: U64::new((self.bytes.len() - items_at) as u64),
        };
        self.bytes[at..items_at].copy_from_slice(layout.as_bytes());
        self.sum.update(&self.bytes[at..]);
    }

    fn item(&mut self, layout: &(impl IntoBytes + Immutable)) {
        self.count += 1;
        self.bytes.extend_from_slice(layout.as_bytes());
    }

    fn part(&mut self, layout: &(impl IntoBytes + Immutable)) {
        self.bytes.extend_from_slice(layout.as_bytes());
    }

    pub(crate) fn segment(&mut self, segment: &ColdSegment) {
        self.item(&SegmentLayout {
            number: segment.number.into(),
            end: segment.end.0.into(),
            index_bytes: segment.index_bytes.into(),
        });
    }

    /// `start`: where its records begin, see `Queue::start`.
    pub(crate) fn queue(&mut self, id: QueueId, queue: &Queue, start: Offset) {
        let reserved = queue.memory.as_ref().map_or(Offset(0), |ring| ring.newest_reservation());
        self.item(&QueueLayout {
            queue: id.0.into(),
            start: start.0.into(),
            end: queue.end.0.into(),
            reserved_end: reserved.0.into(),
            run_count: count_of(queue.index.runs.len()),
        });
        for run in &queue.index.runs {
            self.part(&RunLayout {
                segment: run.segment.into(),
                first_offset: run.first_offset.0.into(),
                first_ns: run.first_ns.into(),
            });
        }
    }

    pub(crate) fn position(&mut self, queue: QueueId, group: GroupId, held: &Held) {
        self.item(&PositionLayout {
            queue: queue.0.into(),
            group: group.0.into(),
            epoch: held.position.epoch.0.into(),
            floor: held.position.floor.0.into(),
            grants: held.position.grants.into(),
            forgotten: u32::from(held.forgotten).into(),
            ahead_count: count_of(held.ahead.len()),
            attempts_count: count_of(held.attempts.len()),
        });
        for (start, end) in &held.ahead {
            self.part(&PairLayout { first: (*start).into(), second: (*end).into() });
        }
        for (offset, attempts) in &held.attempts {
            self.part(&PairLayout { first: (*offset).into(), second: u64::from(*attempts).into() });
        }
    }

    pub(crate) fn window(&mut self, window: &Window) {
        self.item(&WindowLayout {
            producer: window.producer.0.into(),
            queue: window.queue.0.into(),
            next_sequence: window.next_sequence.into(),
            used_index: window.used.index.0.into(),
            used_order: window.used.order.into(),
            epoch: window.epoch.0.into(),
            taken_count: count_of(window.taken.len()),
        });
        for taken in &window.taken {
            self.part(&TakenLayout {
                sequence: taken.sequence.into(),
                first_offset: taken.first_offset.0.into(),
                count: taken.count.into(),
            });
        }
    }

    pub(crate) fn producer(&mut self, id: ProducerId, producer: &Producer) {
        self.item(&ProducerLayout {
            producer: id.0.into(),
            newest: producer.newest.0.into(),
            forgotten: producer.forgotten.map_or(0, |epoch| epoch.0).into(),
            has_forgotten: u32::from(producer.forgotten.is_some()).into(),
        });
    }

    /// Whether producers nobody knows are refused: an item of its own among the producers.
    pub(crate) fn producers_forgotten(&mut self) {
        self.producer(ProducerId(0), &Producer::default());
    }

    pub(crate) fn catalog(&mut self, change: &[u8]) {
        self.item(&count_of(change.len()));
        self.bytes.extend_from_slice(change);
    }

    /// The whole file.
    pub(crate) fn finish(mut self, owner: Owner, from: LogIndex) -> Bytes {
        let layout = HeaderLayout {
            magic: MAGIC,
            checksum: 0.into(),
            version: VERSION.into(),
            node_id: U128::new(owner.node_id),
            cluster_id: U128::new(owner.cluster_id),
            from: from.0.into(),
            bytes: U64::new(self.bytes.len() as u64),
            shard: U16::new(owner.shard.0),
            zero: [0; 30],
        };
        let mut sum = Hasher::new();
        sum.update(&layout.as_bytes()[CHECKED_FROM..]);
        sum.combine(&self.sum);
        self.bytes[..HEADER_BYTES].copy_from_slice(layout.as_bytes());
        self.bytes[8..CHECKED_FROM].copy_from_slice(&sum.finalize().to_le_bytes());
        self.bytes.resize(self.bytes.len().next_multiple_of(BLOCK_BYTES), 0);
        Bytes::from(self.bytes)
    }
}

impl Stamps {
    /// Whether a change in this batch is not in the snapshot yet.
    pub(crate) fn applies(&self, key: (u64, u64), index: LogIndex) -> bool {
        let chunk = self.0.partition_point(|(last, _)| *last < key);
        self.0.get(chunk).is_none_or(|(_, stamp)| index >= *stamp)
    }

    /// As `applies`, for a list that only grows: its last chunk decides.
    pub(crate) fn applies_at_end(&self, index: LogIndex) -> bool {
        self.0.last().is_none_or(|(_, stamp)| index >= *stamp)
    }
}

impl Contents {
    /// Reads a whole file of `owner`.
    pub(crate) fn read(owner: Owner, bytes: &Bytes) -> Result<Self, SnapshotError> {
        let damaged = SnapshotError::Damaged;
        let (header, _) =
            HeaderLayout::ref_from_prefix(bytes).map_err(|_| SnapshotError::Damaged)?;
        let length = usize::try_from(header.bytes.get()).unwrap_or(usize::MAX);
        let whole = header.magic == MAGIC
            && is_count(header.from.get())
            && (HEADER_BYTES..=bytes.len()).contains(&length)
            && (bytes.len() == length || bytes.len() == length.next_multiple_of(BLOCK_BYTES))
            && is_zero(&bytes[length..])
            && header.checksum.get() == crc32fast::hash(&bytes[CHECKED_FROM..length]);
        if !whole {
            return Err(damaged);
        }
        if header.version.get() != VERSION {
            return Err(SnapshotError::UnknownVersion(header.version.get()));
        }
        let (node, cluster) = (header.node_id.get(), header.cluster_id.get());
        if (node, cluster, header.shard.get()) != (owner.node_id, owner.cluster_id, owner.shard.0) {
            let found = format!(
                "a snapshot of node {node:032x}, cluster {cluster:032x}, shard {}",
                header.shard
            );
            return Err(SnapshotError::Foreign(found));
        }
        let mut contents = Self { from: LogIndex(header.from.get()), ..Self::default() };
        let mut rest = bytes.get(HEADER_BYTES..length).ok_or(SnapshotError::Damaged)?;
        while !rest.is_empty() {
            rest = contents.read_chunk(rest).ok_or(SnapshotError::Damaged)?;
        }
        contents.windows.sort_by_key(|window| window.used);
        Ok(contents)
    }

    fn read_chunk<'a>(&mut self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let (chunk, rest) = ChunkLayout::ref_from_prefix(bytes).ok()?;
        let (items, rest) = rest.split_at_checked(usize::try_from(chunk.bytes.get()).ok()?)?;
        let stamp = ((chunk.key_high.get(), chunk.key_low.get()), LogIndex(chunk.stamp.get()));
        let items = &mut &*items;
        for _ in 0..chunk.count.get() {
            match chunk.kind.get() {
                kind if kind == ChunkKind::Segments as u32 => self.read_segment(items)?,
                kind if kind == ChunkKind::Queues as u32 => self.read_queue(items)?,
                kind if kind == ChunkKind::Positions as u32 => self.read_position(items)?,
                kind if kind == ChunkKind::Windows as u32 => self.read_window(items)?,
                kind if kind == ChunkKind::Producers as u32 => self.read_producer(items)?,
                kind if kind == ChunkKind::Catalog as u32 => self.read_catalog(items)?,
                _ => return None,
            }
        }
        match chunk.kind.get() {
            kind if kind == ChunkKind::Positions as u32 => self.position_stamps.0.push(stamp),
            kind if kind == ChunkKind::Windows as u32 => self.window_stamps.0.push(stamp),
            kind if kind == ChunkKind::Catalog as u32 => self.catalog_stamps.0.push(stamp),
            _ => {}
        }
        items.is_empty().then_some(rest)
    }

    fn read_segment(&mut self, items: &mut &[u8]) -> Option<()> {
        let layout: &SegmentLayout = take(items)?;
        if !is_count(layout.number.get()) || !is_count(layout.end.get()) {
            return None;
        }
        self.segments.push(ColdSegment {
            number: layout.number.get(),
            end: LogIndex(layout.end.get()),
            index_bytes: layout.index_bytes.get(),
        });
        Some(())
    }

    fn read_queue(&mut self, items: &mut &[u8]) -> Option<()> {
        let layout: &QueueLayout = take(items)?;
        let mut runs = Vec::new();
        for _ in 0..layout.run_count.get() {
            let run: &RunLayout = take(items)?;
            runs.push(Run {
                segment: run.segment.get(),
                first_offset: Offset(run.first_offset.get()),
                first_ns: run.first_ns.get(),
            });
        }
        let reserved_end = Offset(layout.reserved_end.get());
        let start = Offset(layout.start.get());
        let queue = Queue {
            start,
            // Whatever is said of the end: no offset below the start is given out again.
            end: start.max(Offset(layout.end.get())),
            index: QueueIndex { runs, entries: VecDeque::new() },
            memory: (reserved_end > Offset(0))
                .then(|| Box::new(MemoryRing::recovered(reserved_end))),
            ..Queue::default()
        };
        self.queues.push((QueueId(layout.queue.get()), queue));
        Some(())
    }

    fn read_position(&mut self, items: &mut &[u8]) -> Option<()> {
        let layout: &PositionLayout = take(items)?;
        let mut ahead = Vec::new();
        for _ in 0..layout.ahead_count.get() {
            let pair: &PairLayout = take(items)?;
            ahead.push((pair.first.get(), pair.second.get()));
        }
        let mut attempts = Vec::new();
        for _ in 0..layout.attempts_count.get() {
            let pair: &PairLayout = take(items)?;
            attempts.push((pair.first.get(), u32::try_from(pair.second.get()).ok()?));
        }
        let position = Position {
            floor: Offset(layout.floor.get()),
            epoch: Epoch(layout.epoch.get()),
            grants: layout.grants.get(),
        };
        let held = Held::from_parts(position, layout.forgotten.get() != 0, ahead, attempts)?;
        let (queue, group) = (QueueId(layout.queue.get()), GroupId(layout.group.get()));
        self.positions.restore(queue, group, held);
        Some(())
    }

    fn read_window(&mut self, items: &mut &[u8]) -> Option<()> {
        let layout: &WindowLayout = take(items)?;
        let mut taken = VecDeque::new();
        for _ in 0..layout.taken_count.get() {
            let section: &TakenLayout = take(items)?;
            taken.push_back(Taken {
                sequence: section.sequence.get(),
                first_offset: Offset(section.first_offset.get()),
                count: section.count.get(),
            });
        }
        self.windows.push(Window {
            producer: ProducerId(layout.producer.get()),
            queue: QueueId(layout.queue.get()),
            epoch: Epoch(layout.epoch.get()),
            next_sequence: layout.next_sequence.get(),
            used: LastUse {
                index: LogIndex(layout.used_index.get()),
                order: layout.used_order.get(),
            },
            taken,
        });
        Some(())
    }

    fn read_producer(&mut self, items: &mut &[u8]) -> Option<()> {
        let layout: &ProducerLayout = take(items)?;
        let forgotten = Epoch(layout.forgotten.get());
        let producer = Producer {
            newest: Epoch(layout.newest.get()),
            forgotten: (layout.has_forgotten.get() != 0).then_some(forgotten),
        };
        match ProducerId(layout.producer.get()) {
            ProducerId(0) => self.producers_forgotten = true,
            id => self.producers.push((id, producer)),
        }
        Some(())
    }

    fn read_catalog(&mut self, items: &mut &[u8]) -> Option<()> {
        let length: &U32 = take(items)?;
        let (change, rest) = items.split_at_checked(usize::try_from(length.get()).ok()?)?;
        self.catalog.push(Bytes::copy_from_slice(change));
        *items = rest;
        Some(())
    }
}

fn take<'a, T: FromBytes + KnownLayout + Immutable + Unaligned>(
    items: &mut &'a [u8],
) -> Option<&'a T> {
    let (layout, rest) = T::ref_from_prefix(items).ok()?;
    *items = rest;
    Some(layout)
}

fn count_of(count: usize) -> U32 {
    U32::new(u32::try_from(count).expect("every list in a snapshot is bounded below 2^32"))
}

#[cfg(test)]
mod tests;
