//! Sample: the frames of subscriptions, deliveries, offsets and groups.

use super::{Builder, Offsets, root, text};
use flatbuffers::WIPOffset;
use wire::Kind;
use wire::table::{self, GapReason, RevokeReason, Sharing, StartAt};

pub(super) fn build(builder: &mut Builder, kind: Kind) -> Option<WIPOffset<()>> {
    match kind {
        Kind::Subscribe => subscribe(builder),
        Kind::Subscribed => {
            let args = table::SubscribedArgs { member: 1, group: 2, topic: 3 };
            root(table::Subscribed::create(builder, &args))
        }
        Kind::Assigned => {
            let args = table::AssignedArgs { member: 1, queue: 2, lease_epoch: 3, floor: 4 };
            root(table::Assigned::create(builder, &args))
        }
        Kind::Revoked => {
            let reason = RevokeReason::TopicDeleted;
            let args =
                table::RevokedArgs { member: 1, queue: 2, lease_epoch: 3, drain_ms: 4, reason };
            root(table::Revoked::create(builder, &args))
        }
        Kind::Credit => {
            let args =
                table::CreditArgs { member: 1, queue: 2, lease_epoch: 3, records: 4, bytes: 5 };
            root(table::Credit::create(builder, &args))
        }
        Kind::Deliver => deliver(builder),
        Kind::Ack => {
            let offsets = Some(builder.create_vector(&[4_u64, 6]));
            let args = table::AckArgs { member: 1, queue: 2, lease_epoch: 3, offsets };
            root(table::Ack::create(builder, &args))
        }
        Kind::Nack => {
            let args = table::NackArgs { member: 1, queue: 2, lease_epoch: 3, offset: 4 };
            root(table::Nack::create(builder, &args))
        }
        Kind::Commit => {
            let args = table::CommitArgs { member: 1, queue: 2, lease_epoch: 3, offset: 4 };
            root(table::Commit::create(builder, &args))
        }
        Kind::Unsubscribe => {
            root(table::Unsubscribe::create(builder, &table::UnsubscribeArgs { member: 1 }))
        }
        _ => reading(builder, kind),
    }
}

fn subscribe(builder: &mut Builder) -> Option<WIPOffset<()>> {
    let group = text(builder, "settlement");
    let topic = text(builder, "orders");
    let instance = text(builder, "desk-7");
    let args = table::SubscribeArgs {
        group,
        topic,
        sharing: Sharing::Broadcast,
        instance,
        start: StartAt::Time,
        offset: 1,
        time_ns: 2,
        credit_records: 3,
        credit_bytes: 4,
        observe: true,
    };
    root(table::Subscribe::create(builder, &args))
}

fn deliver(builder: &mut Builder) -> Option<WIPOffset<()>> {
    let args = table::DeliverArgs {
        member: 1,
        queue: 2,
        lease_epoch: 3,
        first_offset: 4,
        count: 2,
        attempt: 5,
        accepted_ns: 6,
        gap_from: 7,
        gap_to: 8,
        gap_reason: GapReason::Retention,
    };
    root(table::Deliver::create(builder, &args))
}

fn reading(builder: &mut Builder, kind: Kind) -> Option<WIPOffset<()>> {
    match kind {
        Kind::Fetch => {
            let args = table::FetchArgs { queue: 1, offset: 2, records_max: 3, bytes_max: 4 };
            root(table::Fetch::create(builder, &args))
        }
        Kind::Fetched => {
            let args = table::FetchedArgs {
                queue: 1,
                first_offset: 2,
                count: 2,
                start: 3,
                end: 4,
                accepted_ns: 5,
                gap_to: 6,
                gap_reason: GapReason::Damage,
            };
            root(table::Fetched::create(builder, &args))
        }
        Kind::Offsets => {
            let (group, topic) = (text(builder, "settlement"), text(builder, "orders"));
            root(table::Offsets::create(builder, &table::OffsetsArgs { group, topic }))
        }
        Kind::OffsetsInfo => {
            let queues = queue_offsets(builder);
            root(table::OffsetsInfo::create(builder, &table::OffsetsInfoArgs { queues }))
        }
        Kind::OffsetsReset => {
            let (group, topic) = (text(builder, "settlement"), text(builder, "orders"));
            let start = StartAt::Offset;
            let args = table::OffsetsResetArgs { group, topic, start, offset: 1, time_ns: 2 };
            root(table::OffsetsReset::create(builder, &args))
        }
        _ => groups(builder, kind),
    }
}

fn groups(builder: &mut Builder, kind: Kind) -> Option<WIPOffset<()>> {
    let name = text(builder, "settlement");
    match kind {
        Kind::GroupList => {
            let args = table::GroupListArgs { after: name, count_max: 1 };
            root(table::GroupList::create(builder, &args))
        }
        Kind::GroupListing => {
            let args = table::GroupSummaryArgs { id: 1, name, members: 2, topics: 3 };
            let group = table::GroupSummary::create(builder, &args);
            let groups = Some(builder.create_vector(&[group]));
            let args = table::GroupListingArgs { groups, more: true };
            root(table::GroupListing::create(builder, &args))
        }
        Kind::GroupDescribe => {
            root(table::GroupDescribe::create(builder, &table::GroupDescribeArgs { name }))
        }
        Kind::GroupInfo => group_info(builder),
        _ => None,
    }
}

fn group_info(builder: &mut Builder) -> Option<WIPOffset<()>> {
    let (client, area) = (text(builder, "desk-7"), text(builder, "A10"));
    let topic = text(builder, "orders");
    let queues = Some(builder.create_vector(&[2_u64, 3]));
    let sharing = Sharing::Broadcast;
    let args = table::MemberInfoArgs { member: 1, client, area, topic, sharing, queues };
    let member = table::MemberInfo::create(builder, &args);
    let members = Some(builder.create_vector(&[member]));
    let queues = queue_offsets(builder);
    let group_topic = table::GroupTopic::create(builder, &table::GroupTopicArgs { topic, queues });
    let topics = Some(builder.create_vector(&[group_topic]));
    let name = text(builder, "settlement");
    let args = table::GroupInfoArgs { id: 1, name, members, topics };
    root(table::GroupInfo::create(builder, &args))
}

fn queue_offsets(builder: &mut Builder) -> Offsets<'static, table::QueueOffsets<'static>> {
    let args = table::QueueOffsetsArgs {
        queue: 1,
        number: 2,
        shard: 3,
        start: 4,
        end: 5,
        floor: 6,
        has_position: true,
        lease_epoch: 7,
        member: 8,
        in_flight: 9,
    };
    let queue = table::QueueOffsets::create(builder, &args);
    Some(WIPOffset::new(builder.create_vector(&[queue]).value()))
}
