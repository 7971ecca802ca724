//! Ledger: what was published, accepted and told so far; what more than one checker must know.

use crate::disk::Wound;
use crate::observation::{Audience, Observation, RecordId, Stamp};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use wire::table::{GapReason, Level, TopicKind};
use wire::{QueueId, TopicId};

/// What is known of a record.
#[derive(Clone, Copy, Debug)]
pub struct Fact {
    /// Where it was sent.
    pub queue: QueueId,
    /// Under which sequence, if its producer is idempotent.
    pub stamp: Option<Stamp>,
    /// Its offset and its level, once there was a receipt.
    pub accepted: Option<(u64, Level)>,
    body_checksum: u32,
}

/// What is known of a topic.
#[derive(Clone, Copy, Debug)]
pub struct Topic {
    /// Events or a service.
    pub kind: TopicKind,
    /// How its records are kept.
    pub level: Level,
    /// It is or may be deleted: nothing is promised of it any more.
    pub is_leaving: bool,
}

/// Everything several checkers look at.
#[derive(Debug, Default)]
pub struct Ledger {
    /// The clock.
    pub now_ns: u64,
    /// Records by id; ids grow as a producer makes them.
    pub records: BTreeMap<RecordId, Fact>,
    /// Topics by id.
    pub topics: BTreeMap<TopicId, Topic>,
    /// Which life of the node runs, or ran last.
    pub life: u64,
    /// A node started on damage: what it had noted last may be gone.
    pub is_harmed: bool,
    /// What retention took, as readers were told.
    pub retained: BTreeMap<QueueId, u64>,
    /// What damage may have taken.
    wounds: Vec<Wound>,
    /// What readers were told is damaged.
    damaged: Vec<Wound>,
    /// Publishes, deliveries and requests.
    pub operations: u64,
    /// Records accepted and still promised, by place: of memory topics those of this life.
    accepted: BTreeMap<(QueueId, u64), RecordId>,
    /// What each group got.
    served: BTreeMap<&'static str, BTreeSet<RecordId>>,
    /// What each group got before its position was moved back.
    served_before_reset: BTreeMap<&'static str, BTreeSet<RecordId>>,
    /// Groups whose position on a topic an operator moved back.
    moved: BTreeSet<(&'static str, TopicId)>,
    /// Where each group began on a queue, with its first lease.
    begun: BTreeMap<(&'static str, QueueId), u64>,
    /// What each group was told is gone; a receipt may come later than that.
    gaps: BTreeMap<&'static str, Vec<Wound>>,
}

impl Ledger {
    /// The record with this body.
    pub fn record_of(&self, body: &[u8]) -> Option<RecordId> {
        let record = RecordId(u64::from_le_bytes(*body.first_chunk()?));
        let fact = self.records.get(&record)?;
        (fact.body_checksum == crc32fast::hash(body)).then_some(record)
    }

    /// How the records of a queue are kept.
    pub fn level_of(&self, queue: QueueId) -> Option<Level> {
        self.topics.get(&queue.topic()).map(|topic| topic.level)
    }

    /// Whether a queue forgets with the process.
    pub fn is_memory(&self, queue: QueueId) -> bool {
        self.level_of(queue) == Some(Level::Memory)
    }

    /// Whether the topic of a queue is or may be deleted.
    pub fn is_leaving(&self, queue: QueueId) -> bool {
        self.topics.get(&queue.topic()).is_some_and(|topic| topic.is_leaving)
    }

    /// Records accepted in this range of a queue, and still promised.
    pub fn accepted_in(
        &self,
        queue: QueueId,
        range: Range<u64>,
    ) -> impl Iterator<Item = (u64, RecordId)> {
        let places = (queue, range.start)..(queue, range.end.max(range.start));
        self.accepted.range(places).map(|((_, offset), record)| (*offset, *record))
    }

    /// Whether anything was damaged so far.
    pub fn has_wounds(&self) -> bool {
        self.is_harmed || !self.wounds.is_empty()
    }

    /// Whether damage was done to the batch of a record.
    pub fn is_wounded(&self, queue: QueueId, offset: u64) -> bool {
        holds(&self.wounds, queue, offset)
    }

    /// Whether readers were told that it is damaged.
    pub fn is_told_damaged(&self, queue: QueueId, offset: u64) -> bool {
        holds(&self.damaged, queue, offset)
    }

    /// A record accepted that a group has neither got nor been told of: queue, offset, record. It need not be told of
    /// what retention took before it began or was moved back: it begins at what is there.
    pub fn missing(&self, group: &str, topic: TopicId) -> Option<(QueueId, u64, RecordId)> {
        let served = self.served.get(group);
        let of_topic = (QueueId::new(topic, 0), 0)..=(QueueId::new(topic, u16::MAX), u64::MAX);
        let gaps = self.gaps.get(group).map_or(&[][..], Vec::as_slice);
        let is_moved = self.moved.contains(&(group, topic));
        let is_missing = |(queue, offset): (QueueId, u64), record: &RecordId| {
            let is_gone = offset < self.retained.get(&queue).copied().unwrap_or(0);
            let begun = self.begun.get(&(group, queue)).copied().unwrap_or(0);
            !(served.is_some_and(|got| got.contains(record))
                || (is_gone && (is_moved || offset < begun))
                || holds(gaps, queue, offset))
        };
        let mut accepted = self.accepted.range(of_topic);
        let missing = accepted.find(|(place, record)| is_missing(**place, record));
        missing.map(|((queue, offset), record)| (*queue, *offset, *record))
    }

    /// Keeps what several checkers must know.
    pub fn note(&mut self, seen: &Observation<'_>) {
        match *seen {
            Observation::TopicMade(facts) => {
                let (kind, level, is_leaving) = (facts.kind, facts.level, false);
                let topic = Topic { kind, level, is_leaving };
                self.topics.insert(facts.id, topic);
            }
            Observation::DeletionAsked { topic } => {
                if let Some(known) = self.topics.get_mut(&topic) {
                    known.is_leaving = true;
                }
                self.accepted.retain(|(queue, _), _| queue.topic() != topic);
            }
            Observation::NodeStarted { life } => {
                self.life = life;
                let Self { accepted, topics, .. } = self;
                let level = |queue: &QueueId| topics.get(&queue.topic()).map(|topic| topic.level);
                accepted.retain(|(queue, _), _| level(queue) != Some(Level::Memory));
            }
            Observation::StartedOnDamage => self.is_harmed = true,
            Observation::ResetAsked { group, topic } => self.forget_served(group, topic),
            Observation::Made { record, queue, stamp, body_checksum } => {
                let fact = Fact { queue, stamp, accepted: None, body_checksum };
                self.records.insert(record, fact);
            }
            Observation::Published { .. }
            | Observation::Leased { .. }
            | Observation::Requested { .. } => self.operations += 1,
            Observation::Accepted { queue, first_offset, level, records, .. } => {
                self.accept(queue, (first_offset, level), records);
            }
            Observation::Served { to: Audience::Group(group), record: Some(record), .. } => {
                self.served.entry(group).or_default().insert(record);
            }
            Observation::Assigned { group, queue, floor, .. } => {
                self.begun.entry((group, queue)).or_insert(floor);
            }
            Observation::Gap { to, queue, ref range, reason } => {
                self.note_gap(to, queue, range.clone(), reason);
            }
            Observation::Damaged { wounds, resets } => {
                self.wounds.extend_from_slice(wounds);
                for queue in resets {
                    self.lose_reset(*queue);
                }
            }
            Observation::Refused { .. }
            | Observation::Joined { .. }
            | Observation::Served { .. }
            | Observation::Read { .. }
            | Observation::Deleted { .. }
            | Observation::AckSent { .. }
            | Observation::AckTaken { .. }
            | Observation::Replied { .. }
            | Observation::Traced(_)
            | Observation::Reset { .. }
            | Observation::Recovered { .. }
            | Observation::Removed { .. }
            | Observation::Holds { .. }
            | Observation::IndexesLost
            | Observation::Ended { .. }
            | Observation::RequestRefused { .. }
            | Observation::Disconnected { .. }
            | Observation::TimeWentBy
            | Observation::StartRefused { .. }
            | Observation::ReadAgain
            | Observation::Hindered { .. }
            | Observation::StillOpen { .. }
            | Observation::RotUnnamed { .. }
            | Observation::Unfinished { .. } => {}
        }
    }

    /// A reset was asked for. Not when it is known to be done: by then it may have got records anew. Until it is done it is asked again.
    fn forget_served(&mut self, group: &'static str, topic: TopicId) {
        self.moved.insert((group, topic));
        let records = &self.records;
        let is_of_it =
            |record: &RecordId| records.get(record).is_some_and(|fact| fact.queue.topic() == topic);
        if let Some(served) = self.served.get_mut(group) {
            let again = served.extract_if(.., is_of_it);
            self.served_before_reset.entry(group).or_default().extend(again);
        }
    }

    /// Damage took the word of a reset: the group may be where it was before, and what it had got of that queue is not owed again.
    fn lose_reset(&mut self, queue: QueueId) {
        let records = &self.records;
        let is_of_it =
            |record: &RecordId| records.get(record).is_some_and(|fact| fact.queue == queue);
        for (group, before) in &mut self.served_before_reset {
            let back = before.extract_if(.., is_of_it);
            self.served.entry(group).or_default().extend(back);
        }
    }

    fn accept(&mut self, queue: QueueId, place: (u64, Level), records: &[RecordId]) {
        let (first_offset, level) = place;
        for (offset, record) in (first_offset..).zip(records) {
            if let Some(fact) = self.records.get_mut(record) {
                fact.accepted = Some((offset, level));
            }
            if !self.is_leaving(queue) {
                self.accepted.insert((queue, offset), *record);
            }
        }
    }

    fn note_gap(&mut self, to: Audience, queue: QueueId, range: Range<u64>, reason: GapReason) {
        match to {
            Audience::Group(group) => {
                self.gaps.entry(group).or_default().push(Wound { queue, offsets: range });
            }
            Audience::Reader if reason == GapReason::Retention => {
                let retained = self.retained.entry(queue).or_default();
                *retained = range.end.max(*retained);
            }
            Audience::Reader if reason == GapReason::Damage => {
                self.damaged.push(Wound { queue, offsets: range });
            }
            Audience::Reader | Audience::Follower => {}
        }
    }
}

fn holds(wounds: &[Wound], queue: QueueId, offset: u64) -> bool {
    wounds.iter().any(|wound| wound.queue == queue && wound.offsets.contains(&offset))
}
