//! Plan: what a wish would change in the catalog, or why it is refused. No effect.

use super::{Catalog, Change, Group, Subject, Topic};
use wire::ids::QUEUES_PER_TOPIC_MAX;
use wire::limits::NAME_BYTES_MAX;
use wire::names::check_name;
use wire::table::{Level, TopicKind};
use wire::{Epoch, GroupId, ProducerId, TopicId};

/// Name of a group: its own, or with a separator and the instance of a broadcast member, in bytes.
const GROUP_NAME_BYTES_MAX: usize = 2 * NAME_BYTES_MAX + 1;

/// How much the catalog may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Topics.
    pub topics_max: usize,
    /// Queues of all topics together.
    pub queues_max: usize,
    /// Groups, broadcast instances counted.
    pub groups_max: usize,
    /// Producers; one more makes the catalog forget the one opened longest ago.
    pub producers_max: usize,
}

/// A topic as somebody wants it.
#[derive(Clone, Copy, Debug)]
pub struct TopicWish<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its kind.
    pub kind: TopicKind,
    /// Its level; `Unset` takes the default of its kind.
    pub level: Level,
    /// How many queues.
    pub queue_count: u16,
    /// Depth limit per queue, in records; 0 = none.
    pub depth_max: u64,
    /// In milliseconds; 0 = the node's.
    pub retention_ms: u64,
}

/// What is to become of a topic; what is `None` stays.
#[derive(Clone, Copy, Debug, Default)]
pub struct TopicAlteration {
    /// How many queues.
    pub queue_count: Option<u16>,
    /// Depth limit per queue, in records; 0 = none.
    pub depth_max: Option<u64>,
    /// In milliseconds; 0 = the node's.
    pub retention_ms: Option<u64>,
}

/// What a wish comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned<T> {
    /// Whom it is about.
    pub subject: T,
    /// The catalog's version from which on the wish is true.
    pub version: u64,
    /// What is to be changed; `None` if the wish was granted before.
    pub change: Option<Change>,
}

/// Why a wish is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeRefused {
    /// A name that is empty, too long or unprintable.
    InvalidName {
        /// Its length, in bytes.
        bytes: usize,
    },
    /// A number that is no kind or level.
    InvalidChoice {
        /// Which field.
        field: &'static str,
        /// Its value.
        value: u8,
        /// The largest it may have.
        value_max: u8,
    },
    /// No such topic.
    UnknownTopic,
    /// The topic exists with other settings.
    TopicExists,
    /// Too few, too many, or fewer than before.
    QueueCountInvalid {
        /// As asked.
        count: u16,
        /// The smallest allowed.
        count_min: u16,
    },
    /// `quorum` on a single node.
    LevelUnavailable,
    /// The limit of topics, or their numbers are used up.
    TooManyTopics {
        /// Allowed.
        count_max: usize,
    },
    /// The limit of queues.
    TooManyQueues {
        /// Allowed.
        count_max: usize,
    },
    /// The limit of groups, or their numbers are used up.
    TooManyGroups {
        /// Allowed.
        count_max: usize,
    },
    /// Never opened, or forgotten, or its epochs are used up.
    UnknownProducer {
        /// As given.
        producer: ProducerId,
    },
}

impl Catalog {
    /// A new topic. Granted before, if the same topic exists.
    pub fn plan_topic(
        &self,
        wish: &TopicWish<'_>,
        limits: &Limits,
    ) -> Result<Planned<TopicId>, ChangeRefused> {
        let level = checked_level(wish.kind, wish.level)?;
        check_name(wish.name).map_err(|_| ChangeRefused::InvalidName { bytes: wish.name.len() })?;
        check_queue_count(wish.queue_count, 1)?;
        if let Some(topic) = self.topic_by_name(wish.name) {
            return granted_before(topic, wish, level);
        }
        let too_many = ChangeRefused::TooManyTopics { count_max: limits.topics_max };
        if self.topic_count() >= limits.topics_max {
            return Err(too_many);
        }
        self.check_queues(usize::from(wish.queue_count), limits)?;
        let id = TopicId(self.numbers().topic.checked_add(1).ok_or(too_many)?);
        let version = self.version() + 1;
        let topic = Topic {
            id,
            name: wish.name.to_owned(),
            kind: wish.kind,
            level,
            queue_count: wish.queue_count,
            depth_max: wish.depth_max,
            retention_ms: wish.retention_ms,
            version,
        };
        Ok(planned(id, version, Subject::Topic(topic)))
    }

    /// A topic with other settings. Granted before, if it has them.
    pub fn plan_alteration(
        &self,
        name: &str,
        alteration: &TopicAlteration,
        limits: &Limits,
    ) -> Result<Planned<TopicId>, ChangeRefused> {
        let before = self.topic_by_name(name).ok_or(ChangeRefused::UnknownTopic)?;
        let mut topic = before.clone();
        if let Some(queue_count) = alteration.queue_count {
            check_queue_count(queue_count, before.queue_count)?;
            self.check_queues(usize::from(queue_count - before.queue_count), limits)?;
            topic.queue_count = queue_count;
        }
        topic.depth_max = alteration.depth_max.unwrap_or(before.depth_max);
        topic.retention_ms = alteration.retention_ms.unwrap_or(before.retention_ms);
        if topic == *before {
            return Ok(Planned { subject: topic.id, version: topic.version, change: None });
        }
        topic.version = self.version() + 1;
        Ok(planned(topic.id, topic.version, Subject::Topic(topic)))
    }

    /// A topic's end.
    pub fn plan_deletion(&self, name: &str) -> Result<Planned<TopicId>, ChangeRefused> {
        let id = self.topic_by_name(name).ok_or(ChangeRefused::UnknownTopic)?.id;
        Ok(planned(id, self.version() + 1, Subject::TopicDeleted(id)))
    }

    /// A group. Granted before, if it exists.
    pub fn plan_group(
        &self,
        name: &str,
        limits: &Limits,
    ) -> Result<Planned<GroupId>, ChangeRefused> {
        if let Some(group) = self.group_by_name(name) {
            return Ok(Planned { subject: group.id, version: group.version, change: None });
        }
        if name.is_empty() || name.len() > GROUP_NAME_BYTES_MAX {
            return Err(ChangeRefused::InvalidName { bytes: name.len() });
        }
        let too_many = ChangeRefused::TooManyGroups { count_max: limits.groups_max };
        if self.group_count() >= limits.groups_max {
            return Err(too_many);
        }
        let id = GroupId(self.numbers().group.checked_add(1).ok_or(too_many)?);
        let version = self.version() + 1;
        Ok(planned(id, version, Subject::Group(Group { id, name: name.to_owned(), version })))
    }

    /// A producer's next epoch; 0 asks for a new producer.
    pub fn plan_producer(
        &self,
        producer: ProducerId,
        limits: &Limits,
    ) -> Result<Planned<(ProducerId, Epoch)>, ChangeRefused> {
        let unknown = ChangeRefused::UnknownProducer { producer };
        let mut forgets = ProducerId(0);
        let (id, epoch) = if producer == ProducerId(0) {
            if self.producer_count() >= limits.producers_max {
                forgets = self.oldest_producer();
            }
            (ProducerId(self.numbers().producer.checked_add(1).ok_or(unknown)?), Epoch(1))
        } else {
            let newest = self.producer_epoch(producer).ok_or(unknown)?;
            (producer, Epoch(newest.0.checked_add(1).ok_or(unknown)?))
        };
        let subject = Subject::Producer { id, epoch, forgets };
        Ok(planned((id, epoch), self.version() + 1, subject))
    }

    /// The producer opened longest ago; 0 if there is none.
    fn oldest_producer(&self) -> ProducerId {
        self.producer_ages.values().next().copied().unwrap_or_default()
    }

    fn check_queues(&self, more: usize, limits: &Limits) -> Result<(), ChangeRefused> {
        if self.queue_count() + more > limits.queues_max {
            return Err(ChangeRefused::TooManyQueues { count_max: limits.queues_max });
        }
        Ok(())
    }
}

fn planned<T>(about: T, version: u64, subject: Subject) -> Planned<T> {
    Planned { subject: about, version, change: Some(Change { version, subject }) }
}

fn granted_before(
    topic: &Topic,
    wish: &TopicWish<'_>,
    level: Level,
) -> Result<Planned<TopicId>, ChangeRefused> {
    let is_the_same = topic.kind == wish.kind
        && topic.level == level
        && topic.queue_count == wish.queue_count
        && topic.depth_max == wish.depth_max
        && topic.retention_ms == wish.retention_ms;
    if !is_the_same {
        return Err(ChangeRefused::TopicExists);
    }
    Ok(Planned { subject: topic.id, version: topic.version, change: None })
}

fn check_queue_count(count: u16, count_min: u16) -> Result<(), ChangeRefused> {
    if count < count_min || count > QUEUES_PER_TOPIC_MAX {
        return Err(ChangeRefused::QueueCountInvalid { count, count_min });
    }
    Ok(())
}

/// The level a topic of this kind gets. Never a silent downgrade.
fn checked_level(kind: TopicKind, level: Level) -> Result<Level, ChangeRefused> {
    let default = match kind {
        TopicKind::Event => Level::Durable,
        TopicKind::Service => Level::Memory,
        TopicKind(value) => {
            let value_max = TopicKind::ENUM_MAX;
            return Err(ChangeRefused::InvalidChoice { field: "kind", value, value_max });
        }
    };
    match level {
        Level::Unset => Ok(default),
        Level::Memory | Level::Durable => Ok(level),
        Level::Quorum => Err(ChangeRefused::LevelUnavailable),
        Level(value) => {
            let value_max = Level::ENUM_MAX;
            Err(ChangeRefused::InvalidChoice { field: "level", value, value_max })
        }
    }
}
