//! Offsets: questions about queues, gathered from all shards that own some, and resets.
//!
//! ```text
//!   asking shard --Query(ticket)--> every shard --Answer(ticket, rows)--> asking shard --> one frame
//! ```
//!
//! A ticket names the asking shard in its upper 16 bits. What nobody waits for any
//! more (its connection is gone) is dropped when its answers come.

use super::disk::Waiter;
use super::fetch::Fetches;
use super::lease::{Lease, Start};
use super::mail::{Mail, Origin, Peer};
use super::members::start_from_wire;
use super::outgoing::Turn;
use super::post::MailClass;
use super::refusal::Refusal;
use super::step::Broker;
use flatbuffers::{FlatBufferBuilder, ForwardsUOffset, Vector, WIPOffset};
use routing::catalog::Topic;
use routing::groups::Share;
use routing::placement::shard_of;
use std::collections::BTreeMap;
use wire::{Epoch, GroupId, Kind, LogIndex, MemberId, Offset, QueueId, ShardId, TopicId, table};

/// Questions under way on one shard.
const QUERIES_MAX: usize = 1024;
/// Where a ticket names the asking shard.
const SHARD_SHIFT: u32 = 48;

/// A question about your queues.
#[derive(Clone, Copy, Debug)]
pub enum Query {
    /// Starts and ends of your queues of this topic.
    Ends {
        /// Which topic.
        topic: TopicId,
    },
    /// The same, and where this group stands.
    Offsets {
        /// Which topic.
        topic: TopicId,
        /// Which group.
        group: GroupId,
    },
    /// Where this group stands on every queue it has a position on.
    Group {
        /// Which group.
        group: GroupId,
    },
    /// Move this group's positions, then the same as `Offsets`.
    Reset {
        /// Which topic.
        topic: TopicId,
        /// Which group.
        group: GroupId,
        /// Where to.
        start: Start,
    },
}

/// One queue, as its owner knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueRow {
    /// Which.
    pub queue: QueueId,
    /// First offset still there.
    pub start: Offset,
    /// Exclusive end of what consumers may see.
    pub end: Offset,
    /// The group's floor, if it has a position.
    pub floor: Option<Offset>,
    /// The newest lease epoch of the group.
    pub lease_epoch: Epoch,
    /// Who has the lease; 0 = nobody.
    pub member: MemberId,
    /// Delivered and not consumed.
    pub in_flight: u32,
}

/// What an owner answers.
#[derive(Debug)]
pub struct Answer {
    /// Its queues, in order.
    pub rows: Vec<QueueRow>,
}

impl Answer {
    /// What it counts in a mailbox.
    pub(super) fn bytes(&self) -> usize {
        self.rows.len() * size_of::<QueueRow>()
    }
}

/// What is made of all answers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Gathering {
    TopicInfo { topic: TopicId },
    Offsets,
    Group { group: GroupId },
}

#[derive(Debug)]
struct Question {
    origin: Origin,
    gathering: Gathering,
    answers_left: u16,
    rows: Vec<QueueRow>,
}

/// A reset of this shard's queues.
#[derive(Debug)]
struct Resetting {
    group: GroupId,
    start: Start,
    /// All queues of it, and how many of them are noted.
    queues: Vec<QueueId>,
    noted_count: usize,
    last_index: Option<LogIndex>,
}

/// Questions under way on this shard, its own and those it is to answer after a flush.
#[derive(Debug, Default)]
pub(super) struct Queries {
    asked: BTreeMap<u64, Question>,
    next: u64,
    resetting: BTreeMap<u64, Resetting>,
    /// Resets the log had no room for: tried again at each turn's end.
    unnoted: Vec<u64>,
    pub(super) fetches: Fetches,
}

impl Queries {
    /// Drops what a connection asked: it is gone.
    pub(super) fn forget(&mut self, peer: Peer) {
        self.asked.retain(|_, question| question.origin.peer != peer);
        self.fetches.forget(peer);
    }
}

impl Broker {
    /// Asks for starts and ends of a topic's queues; `answer_topic_info` gets them, sorted by queue.
    pub(super) fn ask_ends(
        &mut self,
        turn: &mut Turn<'_>,
        origin: Origin,
        topic: TopicId,
    ) -> Result<(), Refusal> {
        self.ask(turn, origin, Query::Ends { topic }, Gathering::TopicInfo { topic })
    }

    pub(super) fn on_offsets(
        &mut self,
        turn: &mut Turn<'_>,
        origin: Origin,
        offsets: table::Offsets<'_>,
    ) -> Result<(), Refusal> {
        let topic = self.topic_named(offsets.topic())?;
        let query = match offsets.group() {
            None | Some("") => Query::Ends { topic },
            Some(name) => Query::Offsets { topic, group: self.group_named(name)? },
        };
        self.ask(turn, origin, query, Gathering::Offsets)
    }

    /// On shard 0, which knows whether the group has members.
    pub(super) fn on_offsets_reset(
        &mut self,
        turn: &mut Turn<'_>,
        origin: Origin,
        reset: table::OffsetsReset<'_>,
    ) -> Result<(), Refusal> {
        let topic = self.topic_named(reset.topic())?;
        let group = self.group_named(reset.group().unwrap_or_default())?;
        let start = start_from_wire(reset.start(), reset.offset(), reset.time_ns())?;
        let members = self.members.groups.member_count(Share { group, topic });
        if members > 0 {
            return Err(Refusal::GroupActive { members });
        }
        self.ask(turn, origin, Query::Reset { topic, group, start }, Gathering::Offsets)
    }

    /// Puts a question to every shard.
    pub(super) fn ask(
        &mut self,
        turn: &mut Turn<'_>,
        origin: Origin,
        query: Query,
        gathering: Gathering,
    ) -> Result<(), Refusal> {
        if self.queries.asked.len() >= QUERIES_MAX {
            let what = "the list of questions under way";
            return Err(Refusal::Overloaded { what, count_max: QUERIES_MAX });
        }
        let shards = || (0..self.settings.shard_count).map(ShardId);
        if !shards().all(|shard| self.out.post.has_room(turn.effects, shard, MailClass::Ask)) {
            return Err(Refusal::Busy);
        }
        self.queries.next += 1;
        let ticket = u64::from(self.settings.shard.0) << SHARD_SHIFT | self.queries.next;
        let answers_left = self.settings.shard_count;
        let question = Question { origin, gathering, answers_left, rows: Vec::new() };
        self.queries.asked.insert(ticket, question);
        for shard in (0..self.settings.shard_count).map(ShardId) {
            self.out.post.send(turn.effects, shard, Mail::Query { ticket, query });
        }
        Ok(())
    }

    pub(super) fn on_query(&mut self, turn: &mut Turn<'_>, ticket: u64, query: &Query) {
        let rows = match *query {
            Query::Ends { topic } => self.rows(&self.own_queues(topic), None),
            Query::Offsets { topic, group } => self.rows(&self.own_queues(topic), Some(group)),
            Query::Group { group } => self.rows(&self.store.queues_of_group(group), Some(group)),
            Query::Reset { topic, group, start } => {
                let queues = self.own_queues(topic);
                let resetting =
                    Resetting { group, start, queues, noted_count: 0, last_index: None };
                self.queries.resetting.insert(ticket, resetting);
                return self.reset(turn, ticket);
            }
        };
        self.answer(turn, ticket, rows);
    }

    fn answer(&mut self, turn: &mut Turn<'_>, ticket: u64, rows: Vec<QueueRow>) {
        let asking = ShardId(u16::try_from(ticket >> SHARD_SHIFT).unwrap_or_default());
        self.out.post.send(turn.effects, asking, Mail::Answer { ticket, answer: Answer { rows } });
    }

    pub(super) fn on_answer(&mut self, turn: &mut Turn<'_>, ticket: u64, answer: Answer) {
        let Some(question) = self.queries.asked.get_mut(&ticket) else { return };
        question.rows.extend(answer.rows);
        question.answers_left -= 1;
        if question.answers_left > 0 {
            return;
        }
        let Some(mut question) = self.queries.asked.remove(&ticket) else { return };
        question.rows.sort_unstable_by_key(|row| row.queue);
        let (origin, rows) = (question.origin, &question.rows);
        match question.gathering {
            Gathering::TopicInfo { topic } => self.answer_topic_info(turn, origin, topic, rows),
            Gathering::Group { group } => self.answer_group_info(turn, origin, group, rows),
            Gathering::Offsets => {
                let shard_count = self.settings.shard_count;
                self.out.send(turn, origin, (Kind::OffsetsInfo, &[]), |builder| {
                    let queues = Some(write_rows(builder, rows, shard_count));
                    table::OffsetsInfo::create(builder, &table::OffsetsInfoArgs { queues })
                });
            }
        }
    }

    /// Moves the positions one after another, as far as the log has room; answered when the last is durable.
    fn reset(&mut self, turn: &mut Turn<'_>, ticket: u64) {
        let Some(mut resetting) = self.queries.resetting.remove(&ticket) else { return };
        while let Some(queue) = resetting.queues.get(resetting.noted_count).copied() {
            if let Some(ends) = self.store.ends(queue) {
                let floor = self.first_floor(queue, &ends, resetting.start);
                let Ok(index) = self.store.reset(queue, resetting.group, floor) else {
                    self.queries.resetting.insert(ticket, resetting);
                    self.queries.unnoted.push(ticket);
                    return;
                };
                resetting.last_index = Some(index);
                self.restart_lease(turn, (queue, resetting.group), floor);
            }
            resetting.noted_count += 1;
        }
        let last_index = resetting.last_index;
        self.queries.resetting.insert(ticket, resetting);
        match last_index {
            Some(index) => self.disk.wait(index, Waiter::Reset { ticket }),
            None => self.on_reset_durable(turn, ticket),
        }
    }

    /// At a turn's end: resets the log had no room for.
    pub(super) fn reset_again(&mut self, turn: &mut Turn<'_>) {
        for ticket in std::mem::take(&mut self.queries.unnoted) {
            self.reset(turn, ticket);
        }
    }

    pub(super) fn on_reset_durable(&mut self, turn: &mut Turn<'_>, ticket: u64) {
        let Some(resetting) = self.queries.resetting.remove(&ticket) else { return };
        let rows = self.rows(&resetting.queues, Some(resetting.group));
        self.answer(turn, ticket, rows);
    }

    /// The queues of a topic that this shard owns.
    fn own_queues(&self, topic: TopicId) -> Vec<QueueId> {
        let (own, shard_count) = (self.settings.shard, self.settings.shard_count);
        let queues = self.catalogue.replica().topic(topic).into_iter().flat_map(Topic::queues);
        queues.filter(|queue| shard_of(*queue, shard_count) == own).collect()
    }

    fn rows(&self, queues: &[QueueId], group: Option<GroupId>) -> Vec<QueueRow> {
        queues.iter().filter_map(|queue| self.row(*queue, group)).collect()
    }

    fn row(&self, queue: QueueId, group: Option<GroupId>) -> Option<QueueRow> {
        let ends = self.store.ends(queue)?;
        let position = group.and_then(|group| self.store.position(queue, group));
        let owner = group.and_then(|group| self.leases.get((queue, group))).and_then(Lease::owner);
        Some(QueueRow {
            queue,
            start: ends.start,
            end: ends.visible_end,
            floor: position.map(|position| position.floor),
            lease_epoch: position.map_or(Epoch(0), |position| position.epoch),
            member: owner.map_or(MemberId(0), |owner| owner.tenant.member),
            in_flight: owner.map_or(0, |owner| owner.in_flight),
        })
    }

    fn topic_named(&self, name: Option<&str>) -> Result<TopicId, Refusal> {
        let name = name.unwrap_or_default();
        let topic = self.catalogue.topic_by_name(name);
        topic.map(|topic| topic.id).ok_or_else(|| Refusal::UnknownTopic { name: name.to_owned() })
    }

    pub(super) fn group_named(&self, name: &str) -> Result<GroupId, Refusal> {
        let group = self.catalogue.replica().group_by_name(name);
        group.map(|group| group.id).ok_or_else(|| Refusal::UnknownGroup { name: name.to_owned() })
    }
}

type Rows = WIPOffset<Vector<'static, ForwardsUOffset<table::QueueOffsets<'static>>>>;

/// Rows as a frame carries them.
pub(super) fn write_rows(
    builder: &mut FlatBufferBuilder<'static>,
    rows: &[QueueRow],
    shard_count: u16,
) -> Rows {
    let written: Vec<_> = rows
        .iter()
        .map(|row| {
            table::QueueOffsets::create(
                builder,
                &table::QueueOffsetsArgs {
                    queue: row.queue.0,
                    number: row.queue.number(),
                    shard: shard_of(row.queue, shard_count).0,
                    start: row.start.0,
                    end: row.end.0,
                    floor: row.floor.unwrap_or_default().0,
                    has_position: row.floor.is_some(),
                    lease_epoch: row.lease_epoch.0,
                    member: row.member.0,
                    in_flight: row.in_flight,
                },
            )
        })
        .collect();
    builder.create_vector(&written)
}
