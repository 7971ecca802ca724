//! Groups: which consumer groups there are, and how one of them stands.
//!
//! Both are shard 0's: it knows the members. What the shards know of positions is
//! gathered by `offsets`. A description is cut off where a frame's body would become
//! too large; `Offsets` then has the rest, topic by topic.

use super::mail::Origin;
use super::offsets::{Gathering, Query, QueueRow, write_rows};
use super::outgoing::Turn;
use super::refusal::Refusal;
use super::step::Broker;
use super::topics::page_count;
use flatbuffers::{FlatBufferBuilder, WIPOffset};
use routing::catalog::Topic;
use wire::{GroupId, Kind, MemberId, TopicId, limits, table};

/// What the parts of one description may take: the rest of a body is for its tables' frames.
const DESCRIPTION_BYTES_MAX: usize = limits::BODY_BYTES_MAX / 4 * 3;
/// What a table takes beside its names and lists, at most.
const TABLE_BYTES: usize = 96;

impl Broker {
    #[expect(clippy::unnecessary_wraps, reason = "the shape of every frame's handler")]
    pub(super) fn on_group_list(
        &mut self,
        turn: &mut Turn<'_>,
        origin: Origin,
        list: table::GroupList<'_>,
    ) -> Result<(), Refusal> {
        let count_max = page_count(list.count_max());
        let after = list.after().unwrap_or_default();
        let mut groups = self.catalogue.replica().groups_after(after).peekable();
        let members = &self.members.groups;
        self.out.send(turn, origin, (Kind::GroupListing, &[]), |builder| {
            let mut bytes_left = DESCRIPTION_BYTES_MAX;
            let mut page = Vec::new();
            while let Some(group) = groups.next_if(|group| {
                page.len() < count_max && take(&mut bytes_left, TABLE_BYTES + group.name.len())
            }) {
                let name = Some(builder.create_string(&group.name));
                let (members, topics) = members.counts(group.id);
                let (members, topics) = (count_u32(members), count_u32(topics));
                let args = table::GroupSummaryArgs { id: group.id.0, name, members, topics };
                page.push(table::GroupSummary::create(builder, &args));
            }
            let more = groups.peek().is_some();
            let groups = Some(builder.create_vector(&page));
            table::GroupListing::create(builder, &table::GroupListingArgs { groups, more })
        });
        Ok(())
    }

    pub(super) fn on_group_describe(
        &mut self,
        turn: &mut Turn<'_>,
        origin: Origin,
        describe: table::GroupDescribe<'_>,
    ) -> Result<(), Refusal> {
        let group = self.group_named(describe.name().unwrap_or_default())?;
        self.ask(turn, origin, Query::Group { group }, Gathering::Group { group })
    }

    /// Where the group stands, gathered from all shards and sorted by queue; its members are known here.
    pub(super) fn answer_group_info(
        &mut self,
        turn: &mut Turn<'_>,
        origin: Origin,
        group: GroupId,
        rows: &[QueueRow],
    ) {
        let replica = self.catalogue.replica();
        let name = replica.group(group).map_or("", |group| &group.name);
        let shard_count = self.settings.shard_count;
        let members = &self.members;
        self.out.send(turn, origin, (Kind::GroupInfo, &[]), |builder| {
            let mut bytes_left = DESCRIPTION_BYTES_MAX;
            let topic_name =
                |topic: TopicId| replica.topic(topic).map_or("", |topic: &Topic| &topic.name);
            let mut infos = Vec::new();
            for (topic, id) in members.groups.members_of(group) {
                let Some(member) = members.get(id) else { continue };
                let (topic, queues) = (topic_name(topic), members.groups.queues_of(id));
                let names = [member.client.as_str(), &member.area, topic];
                let bytes =
                    TABLE_BYTES + names.map(str::len).iter().sum::<usize>() + 8 * queues.len();
                if !take(&mut bytes_left, bytes) {
                    break;
                }
                let queues: Vec<u64> = queues.iter().map(|queue| queue.0).collect();
                infos.push(write_member(builder, id, names, (member.sharing, &queues)));
            }
            let mut topics = Vec::new();
            for rows in rows.chunk_by(|one, other| one.queue.topic() == other.queue.topic()) {
                let name = rows.first().map_or("", |row| topic_name(row.queue.topic()));
                if !take(&mut bytes_left, TABLE_BYTES * (1 + rows.len()) + name.len()) {
                    break;
                }
                let topic = Some(builder.create_string(name));
                let queues = Some(write_rows(builder, rows, shard_count));
                topics.push(table::GroupTopic::create(
                    builder,
                    &table::GroupTopicArgs { topic, queues },
                ));
            }
            let (infos, topics) = (builder.create_vector(&infos), builder.create_vector(&topics));
            let args = table::GroupInfoArgs {
                id: group.0,
                name: Some(builder.create_string(name)),
                members: Some(infos),
                topics: Some(topics),
            };
            table::GroupInfo::create(builder, &args)
        });
    }
}

/// `names`: client, area, topic.
fn write_member(
    builder: &mut FlatBufferBuilder<'static>,
    member: MemberId,
    names: [&str; 3],
    shares: (table::Sharing, &[u64]),
) -> WIPOffset<table::MemberInfo<'static>> {
    let [client, area, topic] = names.map(|name| Some(builder.create_string(name)));
    let (sharing, queues) = shares;
    let queues = Some(builder.create_vector(queues));
    let args = table::MemberInfoArgs { member: member.0, client, area, topic, sharing, queues };
    table::MemberInfo::create(builder, &args)
}

/// Takes from what is left, if it is enough.
fn take(bytes_left: &mut usize, bytes: usize) -> bool {
    let rest = bytes_left.checked_sub(bytes);
    if let Some(rest) = rest {
        *bytes_left = rest;
    }
    rest.is_some()
}

fn count_u32(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
