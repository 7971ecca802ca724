//! Core: the one synchronous function a shard drives, its events and its effects.
//!
//! ```text
//!   kernel --completions--> shard::drive --Event--> Core::step --Effect--> shard::drive --SQEs--> kernel
//! ```
//!
//! Rules of a turn:
//!   1. The machine drains a bounded number of completions and steps the core for each.
//!   2. Then it steps `Event::TurnEnd` once: group work (a flush, deliveries) belongs there.
//!   3. Effects are carried out in their order, after each step. Bytes of an event live only during it.
//!   4. A core has no IO, no clock, no randomness but its seed: the simulator drives the same core.
//!
//! Nothing here knows that a connection is a socket.

use crate::durations::Durations;
use bytes::Bytes;
use std::ops::Range;
use wire::{Frame, ShardId};

/// Both clocks, read once per turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Monotonic nanoseconds: every decision uses this one.
    pub mono_ns: u64,
    /// Wall nanoseconds since 1970, never going back within a process: stamps only.
    pub wall_ns: u64,
}

/// A connection of this shard: a slot, and which use of the slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId {
    /// Index into the shard's table of connections.
    pub slot: u32,
    /// Grows each time the slot is used again.
    pub generation: u32,
}

/// Names one flush, read or file task until its end; chosen by the core, never reused while in flight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId(pub u64);

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseCause {
    /// The peer closed, or the network did.
    Peer,
    /// The core asked for it.
    Asked,
    /// Its output buffer was full: it does not read.
    SlowConsumer,
    /// It sent bytes that are not frames.
    Malformed,
    /// A frame or the hello was not complete in time.
    Timeout,
}

/// What the machine could not do with a file. The number is the errno.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IoFault {
    /// No space left, or the quota is used up.
    NoSpace,
    /// A write took fewer bytes than given.
    Short,
    /// Everything else.
    Errno(i32),
}

/// What happened to a shard.
#[derive(Debug)]
pub enum Event<'a, M> {
    /// The first event of all.
    Started,
    /// A peer connected.
    Connected {
        /// The new connection.
        connection: ConnectionId,
    },
    /// A whole frame arrived. Its header is checked, its body is not.
    Frame {
        /// From whom.
        connection: ConnectionId,
        /// What.
        frame: Frame<'a>,
    },
    /// A connection is gone; said exactly once for each `Connected`.
    Closed {
        /// Which.
        connection: ConnectionId,
        /// Why.
        cause: CloseCause,
    },
    /// Another shard wrote.
    Mail {
        /// Who.
        from: ShardId,
        /// What.
        mail: M,
    },
    /// A timer of the core fell due.
    Timer {
        /// As given to `Effect::Arm`.
        token: u64,
    },
    /// A flush ended: the bytes are on the disk and synced, or the log is to be given up.
    Flushed {
        /// Which.
        operation: OperationId,
        /// Whether.
        result: Result<(), IoFault>,
    },
    /// A read ended.
    ReadDone {
        /// Which.
        operation: OperationId,
        /// The bytes asked for.
        result: Result<Bytes, IoFault>,
    },
    /// A file task ended.
    FileDone {
        /// Which.
        operation: OperationId,
        /// Whether.
        result: Result<(), IoFault>,
    },
    /// The process was asked to end: finish what is in flight, then `Effect::Stop`.
    Shutdown,
    /// All completions of this turn were stepped.
    TurnEnd,
}

/// A file of a shard's data directory, by role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileId {
    /// `log/<number>.seg`, 16 decimal digits.
    Segment(u64),
    /// `log/<number>.idx`: rebuildable.
    Index(u64),
    /// `snap/<index>.snap`.
    Snapshot(u64),
    /// `superblock`: four copies of 4 KiB.
    Superblock,
}

/// File work off the shard's core, done whole by a helper thread.
#[derive(Clone, Debug)]
pub enum FileTask {
    /// Create a segment of `bytes`: fallocated, written with zeroes if `zeroed`, synced with its directory, opened for direct IO.
    Prepare {
        /// Which segment.
        segment: u64,
        /// Its length.
        bytes: u64,
        /// Whether to write zeroes over it.
        zeroed: bool,
    },
    /// Make a segment of the file of another, which nobody needs any more: renamed to no segment's name first, then
    /// written full of zeroes, synced, renamed to its new one, opened for direct IO. Where that file is missing or of
    /// another length it is deleted, and this is `Prepare` with zeroes.
    Recycle {
        /// The segment that was.
        from: u64,
        /// Which segment.
        segment: u64,
        /// Its length.
        bytes: u64,
    },
    /// Write `bytes` at `position` (4 KiB aligned) of an existing file and fdatasync it.
    WriteAt {
        /// Where.
        file: FileId,
        /// From which byte on.
        position: u64,
        /// What.
        bytes: Bytes,
    },
    /// Write the superblock's copies one at a time, with a sync after each.
    WriteSuperblock {
        /// One copy, 4 KiB; written to each of the four places.
        copy: Bytes,
    },
    /// Replace a small file as a whole: temp, fsync, rename, fsync of the directory.
    Replace {
        /// Which.
        file: FileId,
        /// Its new contents.
        bytes: Bytes,
    },
    /// Delete a file and sync its directory. A file that is not there is done.
    Remove {
        /// Which.
        file: FileId,
    },
}

/// What a shard wants done.
#[derive(Debug)]
pub enum Effect<M> {
    /// Send bytes of `Effects::bytes` to a connection: one or more whole frames.
    Send {
        /// To whom. A connection that is gone is no error.
        connection: ConnectionId,
        /// Where the bytes are.
        range: Range<usize>,
    },
    /// Send what is queued, then close.
    Close {
        /// Which.
        connection: ConnectionId,
    },
    /// The frame just handed in was not taken: hand it in again after `Resume`, and no other before.
    Hold {
        /// Whose frame.
        connection: ConnectionId,
    },
    /// Go on with a held connection.
    Resume {
        /// Which.
        connection: ConnectionId,
    },
    /// Write to another shard. Never more than `Effects::room` tells.
    Mail {
        /// To whom.
        to: ShardId,
        /// What.
        mail: M,
    },
    /// Have `Event::Timer` at `at_ns` (monotonic) or soon after. Timers are not cancelled: the core ignores stale tokens.
    Arm {
        /// Comes back in the event.
        token: u64,
        /// When.
        at_ns: u64,
    },
    /// Write and then fdatasync, linked; one at a time per log.
    Flush {
        /// Comes back in `Flushed`.
        operation: OperationId,
        /// Where.
        file: FileId,
        /// A segment's head, to be written at position 0 before the batch.
        head: Option<Bytes>,
        /// From which byte on; 4 KiB aligned.
        position: u64,
        /// The batch; 4 KiB aligned in memory and length.
        batch: Bytes,
    },
    /// Read from a file.
    Read {
        /// Comes back in `ReadDone`.
        operation: OperationId,
        /// Where.
        file: FileId,
        /// From which byte on; 4 KiB aligned.
        position: u64,
        /// How many bytes; a multiple of 4 KiB.
        bytes: u32,
    },
    /// Work for the helper thread.
    File {
        /// Comes back in `FileDone`.
        operation: OperationId,
        /// What.
        task: FileTask,
    },
    /// One line for the operator, on the standard error. Rare: never for what a peer does.
    Say {
        /// Without a line break.
        line: String,
    },
    /// End the process at once with this exit code; nothing more is sent.
    Halt {
        /// 74 for a failed disk, 70 for a defect.
        code: u8,
        /// For the operator.
        reason: String,
    },
    /// Shutdown is complete for this shard.
    Stop,
}

/// Counters of the machine under this shard, for `stats`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "named like their metrics, docs/operations.md")]
pub struct MachineCounters {
    pub turns: u64,
    pub completions: u64,
    pub enters: u64,
    pub sends: u64,
    pub sent_bytes: u64,
    pub received_bytes: u64,
    pub accepted_connections: u64,
    pub open_connections: u64,
    pub slow_consumers: u64,
    pub receive_buffers_empty: u64,
    pub sq_full: u64,
    pub cq_overflow: u64,
    pub busy_ns: u64,
    pub idle_ns: u64,
}

/// What one shard writes to another.
pub trait Parcel: Send + 'static {
    /// Bytes it refers to outside of its slot, as far as they are worth counting.
    fn bytes(&self) -> usize {
        0
    }
}

impl Parcel for () {}
impl Parcel for u64 {}
impl<const N: usize> Parcel for [u64; N] {}

/// What a mailbox still takes, and what it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// So many mails; not one more.
    pub mails: usize,
    /// Bytes of mails on their way. How many are too many the core knows: a mail that must arrive does.
    pub on_way_bytes: usize,
    /// Bytes of mails that the reader has taken and is not done with.
    pub kept_bytes: usize,
}

/// Where a core puts its effects: a list, and the bytes it refers to. Reused from step to step.
#[derive(Debug)]
pub struct Effects<M> {
    /// In the order they are to be carried out.
    pub list: Vec<Effect<M>>,
    /// Frames to send.
    pub bytes: Vec<u8>,
    /// What each shard can still take; kept by the machine, counted down by `mail`.
    pub rooms: Vec<Room>,
    /// Bytes of mails of each shard that the core has taken and is not done with; told by the core where they grow,
    /// and at each `TurnEnd`.
    pub kept_bytes: Vec<usize>,
    /// The machine's counters, as of this turn.
    pub machine: MachineCounters,
    /// From the turn that queued a send until the kernel had all of it; kept by the machine.
    pub egress: Durations,
    /// What this turn takes has waited for it at most so long; told by the machine, in nanoseconds.
    pub waited_ns: u64,
}

impl<M> Effects<M> {
    /// Empty, for a node of `shard_count` shards.
    pub fn new(shard_count: u16) -> Self {
        Self {
            list: Vec::with_capacity(1024),
            bytes: Vec::with_capacity(1 << 20),
            rooms: vec![Room::default(); usize::from(shard_count)],
            kept_bytes: vec![0; usize::from(shard_count)],
            machine: MachineCounters::default(),
            egress: Durations::default(),
            waited_ns: 0,
        }
    }

    /// Sends what `write` appends: whole frames. Consecutive sends to one connection become one.
    pub fn send(&mut self, connection: ConnectionId, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        write(&mut self.bytes);
        let end = self.bytes.len();
        if let Some(Effect::Send { connection: last, range }) = self.list.last_mut()
            && *last == connection
            && range.end == start
        {
            range.end = end;
            return;
        }
        self.list.push(Effect::Send { connection, range: start..end });
    }

    /// What `to` can still take in this step.
    pub fn room(&self, to: ShardId) -> Room {
        self.rooms.get(usize::from(to.0)).copied().unwrap_or_default()
    }

    /// Mails `to`. The caller looked at `room` first: mail without room is a defect.
    pub fn mail(&mut self, to: ShardId, mail: M)
    where
        M: Parcel,
    {
        let room = &mut self.rooms[usize::from(to.0)];
        assert!(room.mails > 0, "mail to shard {to} without room");
        room.mails -= 1;
        room.on_way_bytes += mail.bytes();
        self.list.push(Effect::Mail { to, mail });
    }

    /// Forgets list and bytes; keeps their memory.
    pub fn clear(&mut self) {
        self.list.clear();
        self.bytes.clear();
    }
}

/// The logic of a shard: the broker, or a floor that only echoes.
pub trait Core {
    /// What shards write to each other.
    type Mail: Parcel;

    /// Takes one event; appends what is to be done.
    fn step(&mut self, now: Now, event: Event<'_, Self::Mail>, effects: &mut Effects<Self::Mail>);
}
