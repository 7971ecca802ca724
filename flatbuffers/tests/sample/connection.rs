//! Sample: the frames of the connection, of the node itself, of requests and replies.

use super::{Builder, root, text};
use flatbuffers::WIPOffset;
use wire::Kind;
use wire::table::{self, ReplyTo};

pub(super) fn build(builder: &mut Builder, kind: Kind) -> Option<WIPOffset<()>> {
    match kind {
        Kind::Hello => {
            let (client, area) = (text(builder, "gateway-1"), text(builder, "A10"));
            let args = table::HelloArgs {
                version_min: 1,
                version_max: 2,
                features: 3,
                client,
                area,
                nonce: 4,
                heartbeat_ms: 5,
            };
            root(table::Hello::create(builder, &args))
        }
        Kind::Welcome => welcome(builder),
        Kind::Goodbye => {
            let message = text(builder, "stopping");
            root(table::Goodbye::create(builder, &table::GoodbyeArgs { code: 0x0602, message }))
        }
        Kind::Error => {
            let message = text(builder, "the queue holds 9 of 8");
            let args = table::ErrorArgs {
                code: 0x0301,
                message,
                observed: 9,
                limit: 8,
                retry_after_ms: 7,
            };
            root(table::Error::create(builder, &args))
        }
        Kind::Stats => root(table::Stats::create(builder, &table::StatsArgs { shard: 1 })),
        Kind::StatsInfo => stats_info(builder),
        Kind::Trace => {
            let stages = table::TraceStage::ENUM_VALUES.iter().zip(1..);
            let marks: Vec<_> =
                stages.map(|(stage, nth)| table::Mark::new(1000 * nth, 3, *stage)).collect();
            let marks = Some(builder.create_vector(&marks));
            root(table::Trace::create(builder, &table::TraceArgs { marks }))
        }
        _ => request(builder, kind),
    }
}

fn welcome(builder: &mut Builder) -> Option<WIPOffset<()>> {
    let node = text(builder, "node-a");
    let first = builder.create_string("127.0.0.1:7401");
    let second = builder.create_string("127.0.0.1:7402");
    let addresses = Some(builder.create_vector(&[first, second]));
    let args = table::WelcomeArgs {
        version: 1,
        features: 2,
        node,
        node_id_high: 3,
        node_id_low: 4,
        shard: 1,
        shard_count: 2,
        addresses,
        record_bytes_max: 1 << 20,
        frame_bytes_max: 1 << 22,
        heartbeat_ms: 3000,
    };
    root(table::Welcome::create(builder, &args))
}

fn stats_info(builder: &mut Builder) -> Option<WIPOffset<()>> {
    let (name, label) = (text(builder, "records_published"), text(builder, "A10-1"));
    let kind = table::StatKind::Gauge;
    let stat = table::Stat::create(builder, &table::StatArgs { name, label, kind, value: 6 });
    let stats = Some(builder.create_vector(&[stat]));
    let buckets = Some(builder.create_vector(&[1_u64, 2]));
    let args = table::StageArgs { name, label, count: 3, sum_ns: 4, max_ns: 5, buckets };
    let stage = table::Stage::create(builder, &args);
    let stages = Some(builder.create_vector(&[stage]));
    let args = table::StatsInfoArgs { shard: 1, uptime_ms: 2, stats, stages };
    root(table::StatsInfo::create(builder, &args))
}

fn request(builder: &mut Builder, kind: Kind) -> Option<WIPOffset<()>> {
    let reply_to = ReplyTo::new(1, 2, 3, 4, 5, 6);
    let reply_to = Some(&reply_to);
    match kind {
        Kind::Serve => {
            let service = text(builder, "A10-20190001");
            root(table::Serve::create(builder, &table::ServeArgs { service, concurrency: 8 }))
        }
        Kind::Served => {
            root(table::Served::create(builder, &table::ServedArgs { responder: 1, topic: 2 }))
        }
        Kind::Request => {
            let args = table::RequestArgs { queue: 1, time_left_us: 2 };
            root(table::Request::create(builder, &args))
        }
        Kind::Call => {
            let args =
                table::CallArgs { responder: 1, queue: 2, reply_to, time_left_us: 3, offset: 4 };
            root(table::Call::create(builder, &args))
        }
        Kind::Reply => {
            root(table::Reply::create(builder, &table::ReplyArgs { responder: 1, reply_to }))
        }
        Kind::Outcome => {
            let args = table::OutcomeArgs {
                kind: table::OutcomeKind::Overloaded,
                observed: 1,
                limit: 2,
                queue_us: 3,
                service_us: 4,
            };
            root(table::Outcome::create(builder, &args))
        }
        Kind::ReplyResult => {
            let args = table::ReplyResultArgs { fate: table::ReplyFate::Late };
            root(table::ReplyResult::create(builder, &args))
        }
        Kind::Cancel => root(table::Cancel::create(builder, &table::CancelArgs { request: 1 })),
        Kind::Unserve => {
            root(table::Unserve::create(builder, &table::UnserveArgs { responder: 1 }))
        }
        _ => None,
    }
}
