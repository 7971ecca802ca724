//! Topics: create, alter, delete, describe, list, and where their queues live.
//!
//! Changes go to shard 0 (`catalog`); questions are answered by any shard from its replica.

use super::catalog::Then;
use super::mail::Origin;
use super::offsets::QueueRow;
use super::outgoing::Turn;
use super::refusal::Refusal;
use super::step::Broker;
use flatbuffers::{FlatBufferBuilder, ForwardsUOffset, Vector, WIPOffset};
use routing::catalog::{Catalog, Topic, TopicAlteration, TopicWish};
use routing::placement::shard_of;
use wire::{Kind, QueueId, TopicId, limits, table};

/// Bytes of names in one page of a listing: far below what a body may have.
const LISTING_NAME_BYTES_MAX: usize = 64 << 10;

impl Broker {
    pub(super) fn on_topic_create(
        &mut self,
        turn: &mut Turn<'_>,
        origin: Origin,
        create: table::TopicCreate<'_>,
    ) -> Result<(), Refusal> {
        let name = create.name().unwrap_or_default();
        let wish = TopicWish {
            name,
            kind: create.kind(),
            level: create.level(),
            queue_count: create.queue_count(),
            depth_max: create.depth_max(),
            retention_ms: create.retention_ms(),
        };
        let planned = self.catalogue.ahead().plan_topic(&wish, &self.catalog_limits());
        let planned = planned.map_err(|refused| self.refuse_change(refused, ("topic", name)))?;
        let then = Then::TopicInfo { origin, topic: planned.subject };
        self.change_catalog(turn, planned, then)
    }

    pub(super) fn on_topic_alter(
        &mut self,
        turn: &mut Turn<'_>,
        origin: Origin,
        alter: table::TopicAlter<'_>,
    ) -> Result<(), Refusal> {
        let name = alter.name().unwrap_or_default();
        let alteration = TopicAlteration {
            queue_count: alter.queue_count(),
            depth_max: alter.depth_max(),
            retention_ms: alter.retention_ms(),
        };
        let limits = self.catalog_limits();
        let planned = self.catalogue.ahead().plan_alteration(name, &alteration, &limits);
        let planned = planned.map_err(|refused| self.refuse_change(refused, ("topic", name)))?;
        let then = Then::TopicInfo { origin, topic: planned.subject };
        self.change_catalog(turn, planned, then)
    }

    pub(super) fn on_topic_delete(
        &mut self,
        turn: &mut Turn<'_>,
        origin: Origin,
        delete: table::TopicDelete<'_>,
    ) -> Result<(), Refusal> {
        let name = delete.name().unwrap_or_default();
        let planned = self.catalogue.ahead().plan_deletion(name);
        let planned = planned.map_err(|refused| self.refuse_change(refused, ("topic", name)))?;
        self.change_catalog(turn, planned, Then::Done(origin))
    }

    pub(super) fn on_topic_describe(
        &mut self,
        turn: &mut Turn<'_>,
        origin: Origin,
        describe: table::TopicDescribe<'_>,
    ) -> Result<(), Refusal> {
        let topic = find_topic(self.catalogue.replica(), describe.name())?.id;
        self.ask_ends(turn, origin, topic)
    }

    /// Describes a topic to who created or altered it.
    pub(super) fn describe_topic(&mut self, turn: &mut Turn<'_>, origin: Origin, topic: TopicId) {
        let asked = if self.catalogue.replica().topic(topic).is_some() {
            self.ask_ends(turn, origin, topic)
        } else {
            Err(Refusal::UnknownTopic { name: topic.to_string() })
        };
        if let Err(refusal) = asked {
            self.refuse(turn, origin, &refusal);
        }
    }

    /// The starts and ends that `ask_ends` gathered, sorted by queue.
    pub(super) fn answer_topic_info(
        &mut self,
        turn: &mut Turn<'_>,
        origin: Origin,
        topic: TopicId,
        rows: &[QueueRow],
    ) {
        let shard_count = self.settings.shard_count;
        let Some(topic) = self.catalogue.replica().topic(topic) else {
            let refusal = Refusal::UnknownTopic { name: topic.to_string() };
            return self.refuse(turn, origin, &refusal);
        };
        let queues = rows.iter().map(|row| table::QueueInfoArgs {
            start: row.start.0,
            end: row.end.0,
            ..place_of(row.queue, shard_count)
        });
        self.out.send(turn, origin, (Kind::TopicInfo, &[]), |builder| {
            let queues = write_queues(builder, queues);
            let topic = write_topic(builder, topic);
            let args = table::TopicInfoArgs { topic: Some(topic), queues: Some(queues) };
            table::TopicInfo::create(builder, &args)
        });
    }

    #[expect(clippy::unnecessary_wraps, reason = "the shape of every frame's handler")]
    pub(super) fn on_topic_list(
        &mut self,
        turn: &mut Turn<'_>,
        origin: Origin,
        list: table::TopicList<'_>,
    ) -> Result<(), Refusal> {
        let count_max = page_count(list.count_max());
        let after = list.after().unwrap_or_default();
        let mut topics = self.catalogue.replica().topics_after(after).peekable();
        self.out.send(turn, origin, (Kind::TopicListing, &[]), |builder| {
            let mut name_bytes = 0;
            let mut page = Vec::new();
            while let Some(topic) = topics.next_if(|topic| {
                page.len() < count_max && name_bytes + topic.name.len() <= LISTING_NAME_BYTES_MAX
            }) {
                name_bytes += topic.name.len();
                page.push(write_topic(builder, topic));
            }
            let page = builder.create_vector(&page);
            let more = topics.peek().is_some();
            let args = table::TopicListingArgs { topics: Some(page), more };
            table::TopicListing::create(builder, &args)
        });
        Ok(())
    }

    pub(super) fn on_route(
        &mut self,
        turn: &mut Turn<'_>,
        origin: Origin,
        route: table::Route<'_>,
    ) -> Result<(), Refusal> {
        let shard_count = self.settings.shard_count;
        let topic = find_topic(self.catalogue.replica(), route.topic())?;
        self.out.send(turn, origin, (Kind::RouteInfo, &[]), |builder| {
            let queues = topic.queues().map(|queue| place_of(queue, shard_count));
            let queues = write_queues(builder, queues);
            let topic = write_topic(builder, topic);
            let args = table::RouteInfoArgs { topic: Some(topic), queues: Some(queues) };
            table::RouteInfo::create(builder, &args)
        });
        Ok(())
    }
}

/// A topic by the name a client gave.
fn find_topic<'a>(catalog: &'a Catalog, name: Option<&str>) -> Result<&'a Topic, Refusal> {
    let name = name.unwrap_or_default();
    catalog.topic_by_name(name).ok_or_else(|| Refusal::UnknownTopic { name: name.to_owned() })
}

/// How many a page may list; 0 asks for as many as there may be.
pub(super) fn page_count(asked: u32) -> usize {
    let count = if asked == 0 { limits::LISTING_COUNT_MAX } else { asked };
    count.min(limits::LISTING_COUNT_MAX) as usize
}

/// A queue's number and shard, without start and end.
fn place_of(queue: QueueId, shard_count: u16) -> table::QueueInfoArgs {
    table::QueueInfoArgs {
        id: queue.0,
        number: queue.number(),
        shard: shard_of(queue, shard_count).0,
        start: 0,
        end: 0,
    }
}

type Builder = FlatBufferBuilder<'static>;
type Queues = WIPOffset<Vector<'static, ForwardsUOffset<table::QueueInfo<'static>>>>;

fn write_queues(
    builder: &mut Builder,
    queues: impl Iterator<Item = table::QueueInfoArgs>,
) -> Queues {
    let queues: Vec<_> = queues.map(|queue| table::QueueInfo::create(builder, &queue)).collect();
    builder.create_vector(&queues)
}

fn write_topic(builder: &mut Builder, topic: &Topic) -> WIPOffset<table::Topic<'static>> {
    let name = builder.create_string(&topic.name);
    table::Topic::create(
        builder,
        &table::TopicArgs {
            id: topic.id.0,
            name: Some(name),
            kind: topic.kind,
            level: topic.level,
            queue_count: topic.queue_count,
            depth_max: topic.depth_max,
            retention_ms: topic.retention_ms,
            version: topic.version,
        },
    )
}
