//! Catalog: the versioned truth about topics, groups and producers.
//!
//! ```text
//!   wish --plan--> Change (refused or checked, no effect) --flushed by shard 0--> apply, on every shard
//! ```
//!
//! Invariants:
//!   1. A number given to a topic, group or producer is never given again, deleted or not.
//!   2. A change applies once: one whose version is not above the catalog's has no effect.
//!   3. The same changes in the same order make the same catalog.
//!
//! No IO, no clock. Lives on every shard; changes are planned on shard 0 only.
//! Hot path: `topic` and `producer_epoch`, a walk down a tree, nothing allocated.

mod change;
mod plan;
#[cfg(test)]
mod tests;

pub use change::{Change, ChangeError, Subject};
pub use plan::{ChangeRefused, Limits, Planned, TopicAlteration, TopicWish};

use std::collections::BTreeMap;
use std::ops::Bound;
use wire::table::{Level, TopicKind};
use wire::{Epoch, GroupId, ProducerId, QueueId, TopicId};

/// A topic as the catalog knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its number, for ever.
    pub id: TopicId,
    /// Its name, for its life.
    pub name: String,
    /// Events or a service.
    pub kind: TopicKind,
    /// When a record counts as accepted; never `Unset`.
    pub level: Level,
    /// 1 to `QUEUES_PER_TOPIC_MAX`; only grows.
    pub queue_count: u16,
    /// Records per queue the slowest group may be behind; 0 = no limit.
    pub depth_max: u64,
    /// How long records are kept, in milliseconds; 0 = as long as the node's log.
    pub retention_ms: u64,
    /// The catalog's version that made it what it is.
    pub version: u64,
}

impl Topic {
    /// Its queues, in order.
    pub fn queues(&self) -> impl DoubleEndedIterator<Item = QueueId> + use<> {
        let id = self.id;
        (0..self.queue_count).map(move |number| QueueId::new(id, number))
    }
}

/// A consumer group, or one broadcast instance of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its number, for ever.
    pub id: GroupId,
    /// Its name, for ever.
    pub name: String,
    /// The catalog's version that made it.
    pub version: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Producer {
    epoch: Epoch,
    version: u64,
}

/// The newest number given of each kind; 0 = none yet (invariant 1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Of topics.
    pub topic: u32,
    /// Of groups.
    pub group: u32,
    /// Of producers.
    pub producer: u64,
}

/// Topics, groups and producers of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    version: u64,
    numbers: Numbers,
    topics: BTreeMap<TopicId, Topic>,
    topic_names: BTreeMap<String, TopicId>,
    queue_count: usize,
    groups: BTreeMap<GroupId, Group>,
    group_names: BTreeMap<String, GroupId>,
    producers: BTreeMap<ProducerId, Producer>,
    /// Producers by the version of their last opening: the first is the one to forget.
    producer_ages: BTreeMap<u64, ProducerId>,
}

/// What of an encoded history cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CatalogError {
    /// Which change, counted from the oldest.
    pub number: usize,
    /// Why.
    pub error: ChangeError,
}

impl Catalog {
    /// The catalog that these encoded changes make, oldest first.
    pub fn rebuild<B: AsRef<[u8]>>(changes: &[B]) -> Result<Self, CatalogError> {
        let mut catalog = Self::default();
        for (number, bytes) in changes.iter().enumerate() {
            let change =
                Change::decode(bytes.as_ref()).map_err(|error| CatalogError { number, error })?;
            catalog.apply(&change);
        }
        Ok(catalog)
    }

    /// The version of the newest change applied; 0 = none.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The newest numbers given.
    pub fn numbers(&self) -> Numbers {
        self.numbers
    }

    /// A topic by number.
    pub fn topic(&self, id: TopicId) -> Option<&Topic> {
        self.topics.get(&id)
    }

    /// The topic of a queue, if the topic has a queue of this number.
    pub fn topic_of_queue(&self, queue: QueueId) -> Option<&Topic> {
        let topic = self.topics.get(&queue.topic())?;
        (queue == QueueId::new(topic.id, queue.number()) && queue.number() < topic.queue_count)
            .then_some(topic)
    }

    /// A topic by name.
    pub fn topic_by_name(&self, name: &str) -> Option<&Topic> {
        self.topics.get(self.topic_names.get(name)?)
    }

    /// All topics, ordered by name.
    pub fn topics(&self) -> impl Iterator<Item = &Topic> {
        self.topics_after("")
    }

    /// Topics whose names come after `after`, ordered by name.
    pub fn topics_after(&self, after: &str) -> impl Iterator<Item = &Topic> {
        let range = (Bound::Excluded(after), Bound::Unbounded);
        self.topic_names.range::<str, _>(range).filter_map(|(_, id)| self.topics.get(id))
    }

    /// How many topics there are.
    pub fn topic_count(&self) -> usize {
        self.topics.len()
    }

    /// How many queues all topics have together.
    pub fn queue_count(&self) -> usize {
        self.queue_count
    }

    /// The queues of a topic, in order; none if there is no such topic.
    pub fn queues(&self, topic: TopicId) -> impl Iterator<Item = QueueId> + use<> {
        self.topic(topic).map(Topic::queues).into_iter().flatten()
    }

    /// A group by number.
    pub fn group(&self, id: GroupId) -> Option<&Group> {
        self.groups.get(&id)
    }

    /// A group by name.
    pub fn group_by_name(&self, name: &str) -> Option<&Group> {
        self.groups.get(self.group_names.get(name)?)
    }

    /// Groups whose names come after `after`, ordered by name.
    pub fn groups_after(&self, after: &str) -> impl Iterator<Item = &Group> {
        let range = (Bound::Excluded(after), Bound::Unbounded);
        self.group_names.range::<str, _>(range).filter_map(|(_, id)| self.groups.get(id))
    }

    /// How many groups there are.
    pub fn group_count(&self) -> usize {
        self.groups.len()
    }

    /// The newest epoch of a producer; `None` if it was never opened, or so long ago that it was forgotten.
    pub fn producer_epoch(&self, id: ProducerId) -> Option<Epoch> {
        self.producers.get(&id).map(|producer| producer.epoch)
    }

    /// All producers and their newest epochs, by number.
    pub fn producers(&self) -> impl Iterator<Item = (ProducerId, Epoch)> {
        self.producers.iter().map(|(id, producer)| (*id, producer.epoch))
    }

    /// How many producers there are.
    pub fn producer_count(&self) -> usize {
        self.producers.len()
    }

    /// Makes a change true. False if it has no effect (invariant 2).
    pub fn apply(&mut self, change: &Change) -> bool {
        if let Subject::Numbers(numbers) = &change.subject {
            self.raise_numbers(*numbers);
            self.version = self.version.max(change.version);
            return true;
        }
        if change.version <= self.version {
            return false;
        }
        self.version = change.version;
        match &change.subject {
            Subject::Topic(topic) => self.put_topic(topic),
            Subject::TopicDeleted(id) => self.remove_topic(*id),
            Subject::Group(group) => self.put_group(group),
            Subject::Producer { id, epoch, forgets } => {
                self.put_producer(*id, Producer { epoch: *epoch, version: change.version });
                self.forget_producer(*forgets);
            }
            Subject::Numbers(_) => unreachable!("returned above"),
        }
        true
    }

    /// The shortest history that makes this catalog.
    pub fn snapshot_changes(&self) -> Vec<Change> {
        let topics = self
            .topics
            .values()
            .map(|topic| Change { version: topic.version, subject: Subject::Topic(topic.clone()) });
        let groups = self
            .groups
            .values()
            .map(|group| Change { version: group.version, subject: Subject::Group(group.clone()) });
        let producers = self.producers.iter().map(|(id, producer)| Change {
            version: producer.version,
            subject: Subject::Producer {
                id: *id,
                epoch: producer.epoch,
                forgets: ProducerId::default(),
            },
        });
        let mut changes: Vec<Change> = topics.chain(groups).chain(producers).collect();
        changes.sort_unstable_by_key(|change| change.version);
        changes.push(Change { version: self.version, subject: Subject::Numbers(self.numbers) });
        changes
    }

    fn raise_numbers(&mut self, numbers: Numbers) {
        self.numbers.topic = self.numbers.topic.max(numbers.topic);
        self.numbers.group = self.numbers.group.max(numbers.group);
        self.numbers.producer = self.numbers.producer.max(numbers.producer);
    }

    fn put_topic(&mut self, topic: &Topic) {
        self.remove_topic(topic.id);
        self.raise_numbers(Numbers { topic: topic.id.0, ..Numbers::default() });
        self.queue_count += usize::from(topic.queue_count);
        self.topic_names.insert(topic.name.clone(), topic.id);
        self.topics.insert(topic.id, topic.clone());
    }

    fn remove_topic(&mut self, id: TopicId) {
        if let Some(topic) = self.topics.remove(&id) {
            self.queue_count -= usize::from(topic.queue_count);
            self.topic_names.remove(&topic.name);
        }
    }

    fn put_group(&mut self, group: &Group) {
        self.raise_numbers(Numbers { group: group.id.0, ..Numbers::default() });
        self.group_names.insert(group.name.clone(), group.id);
        self.groups.insert(group.id, group.clone());
    }

    fn put_producer(&mut self, id: ProducerId, producer: Producer) {
        self.raise_numbers(Numbers { producer: id.0, ..Numbers::default() });
        self.producer_ages.insert(producer.version, id);
        if let Some(before) = self.producers.insert(id, producer) {
            self.producer_ages.remove(&before.version);
        }
    }

    fn forget_producer(&mut self, id: ProducerId) {
        if let Some(producer) = self.producers.remove(&id) {
            self.producer_ages.remove(&producer.version);
        }
    }
}
