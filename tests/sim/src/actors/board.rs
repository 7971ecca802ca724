//! Board: the topics of a run, and what the actors tell each other.

use wire::table::{Level, TopicKind};
use wire::{QueueId, TopicId};

/// A topic every run has: its place on the board is its slot.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Its name.
    pub name: &'static str,
    /// Events or a service.
    pub kind: TopicKind,
    /// How its records are kept.
    pub level: Level,
    /// How many queues it begins with.
    pub queue_count: u16,
    /// Records its slowest group may leave behind; 0 = no limit.
    pub depth_max: u64,
}

const fn plan(name: &'static str, kind: TopicKind, level: Level, queue_count: u16) -> Plan {
    Plan { name, kind, level, queue_count, depth_max: 0 }
}

/// Several queues, and more of them while it is used.
pub const EVENTS: usize = 0;
/// One queue.
pub const BARE: usize = 1;
/// A memory topic.
pub const MEMORY: usize = 2;
/// A service in memory.
pub const SERVICE: usize = 3;
/// A service that stores its requests.
pub const STORED_SERVICE: usize = 4;
/// Its depth limit is soon reached.
pub const NARROW: usize = 5;
/// Is deleted and made again while it is used.
pub const PASSING: usize = 6;
/// Is read by broadcast instances.
pub const DEEP: usize = 7;
/// A service that is deleted and made again while it is used.
pub const PASSING_SERVICE: usize = 8;

/// By slot.
pub const TOPICS: [Plan; 9] = [
    plan("A10-00000001", TopicKind::Event, Level::Durable, 3),
    plan("A10-00000002", TopicKind::Event, Level::Durable, 1),
    plan("A10-00000003", TopicKind::Event, Level::Memory, 2),
    plan("A10-10000004", TopicKind::Service, Level::Memory, 2),
    plan("A10-10000005", TopicKind::Service, Level::Durable, 1),
    Plan { depth_max: 12, ..plan("A10-00000006", TopicKind::Event, Level::Durable, 1) },
    plan("A10-00000007", TopicKind::Event, Level::Durable, 2),
    plan("A10-00000008", TopicKind::Event, Level::Durable, 2),
    plan("A10-10000009", TopicKind::Service, Level::Memory, 1),
];

/// A topic of a run.
#[derive(Clone, Debug)]
pub struct TopicFacts {
    /// Its id.
    pub id: TopicId,
    /// Its name.
    pub name: String,
    /// Events or a service.
    pub kind: TopicKind,
    /// How its records are kept.
    pub level: Level,
    /// Its queues.
    pub queues: Vec<QueueId>,
}

/// What the actors tell each other.
#[derive(Debug, Default)]
pub struct Board {
    /// By slot; `None` while it is not there.
    pub topics: [Option<TopicFacts>; TOPICS.len()],
    /// All were made once.
    pub is_open: bool,
    /// The admin is done: what is there now stays.
    pub is_settled: bool,
    /// Producers that have not yet finished.
    pub producers_at_work: usize,
    /// This group is to leave: its position is being reset.
    pub resetting: Option<&'static str>,
}

impl Board {
    /// The queues of the event topics that are there.
    pub fn event_queues(&self) -> Vec<QueueId> {
        let topics = self.topics.iter().flatten();
        let events = topics.filter(|topic| topic.kind == TopicKind::Event);
        events.flat_map(|topic| topic.queues.iter().copied()).collect()
    }

    /// The queues of the durable event topics that are there.
    pub fn durable_queues(&self) -> Vec<QueueId> {
        let durable =
            |topic: &&TopicFacts| topic.level == Level::Durable && topic.kind == TopicKind::Event;
        let topics = self.topics.iter().flatten().filter(durable);
        topics.flat_map(|topic| topic.queues.iter().copied()).collect()
    }

    /// Whether this queue has a depth limit.
    pub fn is_narrow(&self, queue: QueueId) -> bool {
        self.topics[NARROW].as_ref().is_some_and(|topic| topic.queues.contains(&queue))
    }

    /// Whether the topic of this queue is there.
    pub fn has_queue(&self, queue: QueueId) -> bool {
        self.topics.iter().flatten().any(|topic| topic.queues.contains(&queue))
    }
}
