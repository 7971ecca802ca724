//! Observation: what clients, disks and the world tell the oracle.

use crate::actors::TopicFacts;
use crate::disk::{Removal, Wound};
use std::ops::Range;
use wire::table::{GapReason, Level, OutcomeKind, ReplyFate, TraceStage};
use wire::{QueueId, ShardId, TopicId};

/// A record of a run: its producer in the upper half, its number in the lower one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordId(pub u64);

impl RecordId {
    /// The `number`th record of this producer.
    pub const fn new(producer: u64, number: u64) -> Self {
        Self(producer << 32 | number)
    }

    /// Which producer of the run made it.
    pub const fn producer(self) -> u64 {
        self.0 >> 32
    }
}

/// Under which sequence a record was published: once in this queue, whatever happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// As the node knows the producer.
    pub producer: u64,
    /// Under which epoch.
    pub epoch: u32,
    /// Of the record, not of its section.
    pub sequence: u64,
}

/// Who was served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Audience {
    /// A group.
    Group(&'static str),
    /// A reader that goes from the start of each queue to its end, once.
    Reader,
    /// A reader that follows the queues while everything happens.
    Follower,
}

/// What a group says it has consumed.
#[derive(Clone, Copy, Debug)]
pub enum Acked<'a> {
    /// These offsets.
    Offsets(&'a [u64]),
    /// All below.
    Below(u64),
}

/// A part of what a shard holds in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holding {
    /// What it is for.
    pub what: &'static str,
    /// How much it is.
    pub bytes: u64,
    /// The most it may be.
    pub bytes_max: u64,
}

/// One outstanding publish or request: on which connection, under which number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asked {
    /// The actor that asks.
    pub actor: usize,
    /// How many connections it had before.
    pub connection: u64,
    /// Its number on this connection.
    pub request: u64,
}

/// An answer, and what was told before it of its message's way.
#[derive(Clone, Copy, Debug)]
pub struct Traced<'a> {
    /// Of which message.
    pub asked: Asked,
    /// It was to be traced.
    pub is_wanted: bool,
    /// From its sending until its answer came.
    pub spent_ns: u64,
    /// Stages and their ends, in nanoseconds from the first one's beginning.
    pub marks: Option<&'a [(TraceStage, u64)]>,
    /// Of a request: how it ended, and what else its outcome says of queue and service, in microseconds.
    pub request: Option<(OutcomeKind, u64, u64)>,
}

/// Something somebody saw or did.
#[derive(Debug)]
pub enum Observation<'a> {
    /// A topic is there, or has another number of queues than before.
    TopicMade(&'a TopicFacts),
    /// A topic is to be deleted: from now on nothing is promised of it.
    DeletionAsked {
        /// Which.
        topic: TopicId,
    },
    /// It was deleted.
    Deleted {
        /// Which.
        topic: TopicId,
    },
    /// A record was made, and will be published. Its body begins with its id.
    Made {
        /// Which.
        record: RecordId,
        /// Where it will be sent.
        queue: QueueId,
        /// Under which sequence, if its producer is idempotent.
        stamp: Option<Stamp>,
        /// CRC-32 of its body.
        body_checksum: u32,
    },
    /// A section is sent, for the first time or again.
    Published {
        /// By whom.
        asked: Asked,
        /// Where to.
        queue: QueueId,
        /// Its records, in order.
        records: &'a [RecordId],
    },
    /// A receipt came.
    Accepted {
        /// For which publish.
        asked: Asked,
        /// Where they are.
        queue: QueueId,
        /// The first one's offset.
        first_offset: u64,
        /// At which level.
        level: Level,
        /// Its records, in order.
        records: &'a [RecordId],
    },
    /// A publish was refused.
    Refused {
        /// Which publish.
        asked: Asked,
        /// Where it was sent.
        queue: QueueId,
        /// Its records, in order.
        records: &'a [RecordId],
        /// The number of its reason.
        code: u16,
    },
    /// A record was served.
    Served {
        /// To whom.
        to: Audience,
        /// From where.
        queue: QueueId,
        /// At which place.
        offset: u64,
        /// `None`: its body is not one that was published.
        record: Option<RecordId>,
    },
    /// Somebody was told that there is nothing in this range, for ever.
    Gap {
        /// Who.
        to: Audience,
        /// Of which queue.
        queue: QueueId,
        /// Offsets.
        range: Range<u64>,
        /// Why.
        reason: GapReason,
    },
    /// A read from `offset` on was answered: with what begins at `next`.
    Read {
        /// Of which queue.
        queue: QueueId,
        /// Asked.
        offset: u64,
        /// Got.
        next: u64,
    },
    /// A group reads a topic from its start.
    Joined {
        /// Which group.
        group: &'static str,
        /// Which topic.
        topic: TopicId,
    },
    /// A delivery came under a lease.
    Leased {
        /// Of which group.
        group: &'static str,
        /// Of which queue.
        queue: QueueId,
        /// Under which epoch.
        epoch: u32,
        /// To which member.
        member: u64,
    },
    /// A member was told of a lease.
    Assigned {
        /// Of which group.
        group: &'static str,
        /// Of which queue.
        queue: QueueId,
        /// Under which epoch.
        epoch: u32,
        /// Where it begins: all below is consumed.
        floor: u64,
    },
    /// A member sent an ack or a commit.
    AckSent {
        /// Which one.
        asked: Asked,
        /// For which group.
        group: &'static str,
        /// On which queue.
        queue: QueueId,
        /// Under which epoch.
        epoch: u32,
        /// What it says.
        what: Acked<'a>,
    },
    /// It was taken, and is on the disk.
    AckTaken {
        /// Which one.
        asked: Asked,
    },
    /// It is asked for that a group's position moves to the start: from now on it may have, before anybody hears of it.
    ResetAsked {
        /// Which group.
        group: &'static str,
        /// On which topic.
        topic: TopicId,
    },
    /// The position of a group without members was moved to the start.
    Reset {
        /// Which group.
        group: &'static str,
        /// On which topic.
        topic: TopicId,
    },
    /// A request was sent.
    Requested {
        /// By whom.
        asked: Asked,
        /// It has an outcome by then.
        answer_by_ns: u64,
        /// What the reply's body must be.
        body: u64,
    },
    /// An outcome came.
    Ended {
        /// Of which request.
        asked: Asked,
        /// How.
        kind: OutcomeKind,
        /// The reply's body.
        body: Option<u64>,
    },
    /// A request was refused at the door: that is its outcome.
    RequestRefused {
        /// Which.
        asked: Asked,
    },
    /// A responder was told what became of its reply.
    Replied {
        /// What it carried.
        body: u64,
        /// What became of it.
        fate: ReplyFate,
    },
    /// An answer to a publish or a request came, with a trace or without.
    Traced(&'a Traced<'a>),
    /// A connection broke: what was outstanding on it is unknown.
    Disconnected {
        /// Whose.
        actor: usize,
        /// Which of its connections.
        connection: u64,
    },
    /// An actor looked at its clock.
    TimeWentBy,
    /// The node started.
    NodeStarted {
        /// Which of its lives.
        life: u64,
    },
    /// A shard opened what a crash had left of its log.
    Recovered {
        /// Which shard.
        shard: ShardId,
        /// Exclusive end of what the drive had synced before, in batches.
        synced_end: u64,
        /// Exclusive end of what recovery found.
        found_end: u64,
        /// Ranges it found damaged.
        damaged: usize,
    },
    /// A shard removes a file, or recovery does.
    Removed {
        /// Which shard.
        shard: ShardId,
        /// What it is, and what else there is.
        removal: &'a Removal,
        /// The most its log may have.
        log_bytes_max: u64,
    },
    /// What a shard holds in memory at some moment.
    Holds {
        /// Which shard.
        shard: ShardId,
        /// Part by part, as the budget has it.
        parts: &'a [Holding],
    },
    /// All index files are deleted, and everything is read once more.
    IndexesLost,
    /// The node would not start.
    StartRefused {
        /// In its words.
        words: &'a str,
    },
    /// A disk was damaged on purpose.
    Damaged {
        /// What may be gone for it.
        wounds: &'a [Wound],
        /// Queues on which the word of a reset may be gone.
        resets: &'a [QueueId],
    },
    /// A node started on a damaged disk: what it noted last may be gone.
    StartedOnDamage,
    /// Everything is read once more.
    ReadAgain,
    /// Nothing reaches an actor before this, whatever the node does.
    Hindered {
        /// Whom; `None`: nobody, the node is paused.
        actor: Option<usize>,
        /// When that is over.
        until_ns: u64,
    },
    /// Something sealed rots, nothing strikes any more, and nobody named it.
    RotUnnamed {
        /// What.
        words: &'a str,
        /// For how long there was peace.
        for_ns: u64,
    },
    /// A half-open connection should have been found.
    StillOpen {
        /// Which.
        words: &'a str,
    },
    /// The run goes on and on, or does not end in time.
    Unfinished {
        /// Who has not finished, and why that is known.
        words: &'a str,
    },
}
