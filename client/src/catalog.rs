//! Catalog: what a node tells of itself, its topics and its groups.

use crate::record::RecordView;
use wire::{Epoch, GroupId, MemberId, Offset, QueueId, ShardId, TopicId};

/// What a topic is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TopicKind {
    /// Published and subscribed.
    #[default]
    Event,
    /// Requested and replied.
    Service,
}

/// What *accepted* means; stronger levels are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// In the memory of the queue's shard.
    Memory,
    /// On this node's disk, synced.
    Durable,
    /// Synced on a majority of the replicas.
    Quorum,
}

impl Level {
    /// The word for it on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Durable => "durable",
            Self::Quorum => "quorum",
        }
    }
}

/// Where to start reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// At the oldest record there is.
    #[default]
    First,
    /// After the newest record.
    Last,
    /// At this offset, in every queue.
    Offset(Offset),
    /// At the first record accepted at or after this wall-clock time, nanoseconds since 1970.
    Time(u64),
}

/// The node a client is connected to, as it introduced itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeInfo {
    /// Its name.
    pub name: String,
    /// Its identity.
    pub id: u128,
    /// The shard the home connection landed on.
    pub shard: ShardId,
    /// How many shards it has.
    pub shard_count: u16,
    /// Each shard's own address, `host:port`.
    pub addresses: Vec<String>,
    /// The largest record it takes, in bytes.
    pub record_bytes_max: usize,
    /// The largest frame it takes, in bytes.
    pub frame_bytes_max: usize,
    /// It tells where the time of a message went that is to be traced.
    pub traces: bool,
}

/// What a client met that needs no answer and is no error, counted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientCounters {
    /// Connections lost, or not made.
    pub connections_lost: u64,
    /// Answers to questions that had ended, and frames for nobody.
    pub late_frames: u64,
    /// Deliveries dropped because their lease was over; of the consumers there are now.
    pub stale_deliveries: u64,
    /// Calls whose deadline passed before they were taken; of the responders there are now.
    pub expired_calls: u64,
}

/// What a new topic shall be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicSettings {
    /// What it is for.
    pub kind: TopicKind,
    /// Its level; `None`: the default of its kind (event: durable, service: memory).
    pub level: Option<Level>,
    /// 1 to 1024.
    pub queue_count: u16,
    /// Records a group may be behind before publishes are refused; 0: no limit.
    pub depth_max: u64,
    /// Age after which records go, in milliseconds; 0: as the node is configured.
    pub retention_ms: u64,
}

impl Default for TopicSettings {
    fn default() -> Self {
        Self { kind: TopicKind::Event, level: None, queue_count: 1, depth_max: 0, retention_ms: 0 }
    }
}

/// What shall change of a topic; `None` stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TopicChange {
    /// More queues; never fewer.
    pub queue_count: Option<u16>,
    /// Another depth limit; 0: none.
    pub depth_max: Option<u64>,
    /// Another retention, in milliseconds; 0: as the node is configured.
    pub retention_ms: Option<u64>,
}

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSummary {
    /// Its number, never used again.
    pub id: TopicId,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub kind: TopicKind,
    /// What *accepted* means here.
    pub level: Level,
    /// How many queues it has.
    pub queue_count: u16,
    /// Records a group may be behind; 0: no limit.
    pub depth_max: u64,
    /// In milliseconds; 0: as the node is configured.
    pub retention_ms: u64,
    /// Grows with every change of the catalog that touched it.
    pub version: u64,
}

/// A topic with its queues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicDetail {
    /// The topic.
    pub topic: TopicSummary,
    /// Its queues by number.
    pub queues: Vec<QueueDetail>,
}

/// One queue of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueDetail {
    /// Its id.
    pub id: QueueId,
    /// Its number within the topic.
    pub number: u16,
    /// Its owner.
    pub shard: ShardId,
    /// The oldest offset there is.
    pub start: Offset,
    /// The offset of the next record.
    pub end: Offset,
}

/// A page of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page<T> {
    /// In the order of their names.
    pub items: Vec<T>,
    /// Whether there are more after these.
    pub more: bool,
}

/// A consumer group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSummary {
    /// Its number, never used again.
    pub id: GroupId,
    /// Its name.
    pub name: String,
    /// Members at this moment.
    pub members: u32,
    /// Topics it has positions on.
    pub topics: u32,
}

/// A consumer group with its members and positions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupDetail {
    /// Its number.
    pub id: GroupId,
    /// Its name.
    pub name: String,
    /// Who is in it now.
    pub members: Vec<MemberDetail>,
    /// Its positions, topic by topic.
    pub topics: Vec<GroupTopic>,
}

/// One member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberDetail {
    /// Its number.
    pub id: MemberId,
    /// The name its client gave itself.
    pub client: String,
    /// The area its client lives in.
    pub area: String,
    /// What it subscribed to.
    pub topic: String,
    /// Whether it gets everything.
    pub broadcast: bool,
    /// The queues it holds leases of.
    pub queues: Vec<QueueId>,
}

/// A group's positions on one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupTopic {
    /// The topic.
    pub topic: String,
    /// Queue by queue.
    pub queues: Vec<QueueOffsets>,
}

/// Where a queue, and a group on it, stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueOffsets {
    /// The queue.
    pub queue: QueueId,
    /// Its number within the topic.
    pub number: u16,
    /// Its owner.
    pub shard: ShardId,
    /// The oldest offset there is.
    pub start: Offset,
    /// The offset of the next record.
    pub end: Offset,
    /// Everything below was consumed by the group; `None`: it has no position yet.
    pub floor: Option<Offset>,
    /// The lease in force; 0: none yet.
    pub lease_epoch: Epoch,
    /// Who holds it; 0: nobody.
    pub member: MemberId,
    /// Delivered and not acknowledged.
    pub in_flight: u32,
}

impl QueueOffsets {
    /// Records the group has still to consume.
    pub fn lag(&self) -> u64 {
        let from = self.floor.unwrap_or(self.start).max(self.start);
        self.end.0.saturating_sub(from.0)
    }
}

/// What a fetch found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// The records, with contiguous offsets from `first_offset`.
    pub records: Vec<RecordView>,
    /// Offset of the first record.
    pub first_offset: Offset,
    /// The oldest offset of the queue.
    pub start: Offset,
    /// The offset of the queue's next record.
    pub end: Offset,
    /// When the records were accepted: wall clock, nanoseconds since 1970.
    pub accepted_ns: u64,
    /// Offsets below this one are missing, and why.
    pub gap: Option<(Offset, crate::delivery::GapReason)>,
}

/// The counters of one shard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShardStats {
    /// Which shard.
    pub shard: ShardId,
    /// Since its start, in milliseconds.
    pub uptime_ms: u64,
    /// Counters and gauges.
    pub stats: Vec<Stat>,
    /// Latencies by stage.
    pub stages: Vec<Stage>,
}

/// One number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stat {
    /// Its name.
    pub name: String,
    /// What it is about; may be empty.
    pub label: String,
    /// Whether it can go down.
    pub gauge: bool,
    /// The number.
    pub value: u64,
}

/// One latency.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// What it is about; may be empty.
    pub label: String,
    /// How often it was measured.
    pub count: u64,
    /// All of them together, in nanoseconds.
    pub sum_ns: u64,
    /// The longest, in nanoseconds.
    pub max_ns: u64,
    /// Bucket i counts those in [2^i, 2^(i+1)) nanoseconds.
    pub buckets: Vec<u64>,
}
