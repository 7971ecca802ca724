//! Sample: the frames of topics, routes, producers and publishing.

use super::{Builder, Offsets, root, text};
use flatbuffers::WIPOffset;
use wire::Kind;
use wire::table::{self, Level, TopicKind};

pub(super) fn build(builder: &mut Builder, kind: Kind) -> Option<WIPOffset<()>> {
    let name = text(builder, "A10-20190001");
    match kind {
        Kind::TopicCreate => {
            let args = table::TopicCreateArgs {
                name,
                kind: TopicKind::Service,
                level: Level::Durable,
                queue_count: 3,
                depth_max: 4,
                retention_ms: 5,
            };
            root(table::TopicCreate::create(builder, &args))
        }
        Kind::TopicAlter => {
            let (queue_count, depth_max) = (Some(4), Some(0));
            let args = table::TopicAlterArgs { name, queue_count, depth_max, retention_ms: None };
            root(table::TopicAlter::create(builder, &args))
        }
        Kind::TopicDelete => {
            root(table::TopicDelete::create(builder, &table::TopicDeleteArgs { name }))
        }
        Kind::TopicDescribe => {
            root(table::TopicDescribe::create(builder, &table::TopicDescribeArgs { name }))
        }
        Kind::TopicList => {
            let args = table::TopicListArgs { after: name, count_max: 6 };
            root(table::TopicList::create(builder, &args))
        }
        Kind::Route => root(table::Route::create(builder, &table::RouteArgs { topic: name })),
        Kind::TopicInfo => {
            let (topic, queues) = (Some(topic(builder)), queues(builder));
            root(table::TopicInfo::create(builder, &table::TopicInfoArgs { topic, queues }))
        }
        Kind::TopicListing => {
            let topic = topic(builder);
            let topics = Some(builder.create_vector(&[topic]));
            let args = table::TopicListingArgs { topics, more: true };
            root(table::TopicListing::create(builder, &args))
        }
        Kind::RouteInfo => {
            let (topic, queues) = (Some(topic(builder)), queues(builder));
            root(table::RouteInfo::create(builder, &table::RouteInfoArgs { topic, queues }))
        }
        _ => publish(builder, kind),
    }
}

fn publish(builder: &mut Builder, kind: Kind) -> Option<WIPOffset<()>> {
    match kind {
        Kind::ProducerOpen => {
            root(table::ProducerOpen::create(builder, &table::ProducerOpenArgs { producer: 1 }))
        }
        Kind::ProducerOpened => {
            let args = table::ProducerOpenedArgs { producer: 1, epoch: 2 };
            root(table::ProducerOpened::create(builder, &args))
        }
        Kind::Publish => {
            let args =
                table::PublishArgs { queue: 1, producer: 2, epoch: 3, sequence: 4, count: 2 };
            root(table::Publish::create(builder, &args))
        }
        Kind::Receipt => {
            let args = table::ReceiptArgs {
                queue: 1,
                first_offset: 2,
                count: 3,
                level: Level::Quorum,
                term: 4,
                duplicate: true,
            };
            root(table::Receipt::create(builder, &args))
        }
        _ => None,
    }
}

fn topic(builder: &mut Builder) -> WIPOffset<table::Topic<'static>> {
    let name = text(builder, "A10-20190001");
    let args = table::TopicArgs {
        id: 1,
        name,
        kind: TopicKind::Service,
        level: Level::Memory,
        queue_count: 2,
        depth_max: 3,
        retention_ms: 4,
        version: 5,
    };
    WIPOffset::new(table::Topic::create(builder, &args).value())
}

fn queues(builder: &mut Builder) -> Offsets<'static, table::QueueInfo<'static>> {
    let args = table::QueueInfoArgs { id: 65_537, number: 1, shard: 2, start: 3, end: 4 };
    let queue = table::QueueInfo::create(builder, &args);
    Some(WIPOffset::new(builder.create_vector(&[queue]).value()))
}
