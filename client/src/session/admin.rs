//! Admin: the administrator's questions and answers as frames.

use super::Session;
use super::consuming::start_on_wire;
use super::links::Target;
use crate::catalog::{
    Fetched, GroupDetail, GroupSummary, GroupTopic, Level, MemberDetail, Page, QueueDetail,
    QueueOffsets, ShardStats, Stage, Start, Stat, TopicChange, TopicDetail, TopicKind,
    TopicSettings, TopicSummary,
};
use crate::delivery::GapReason;
use crate::error::{CallError, UnknownCause};
use crate::outcome::ReplyFate;
use crate::record::RecordView;
use crate::session::inbox::Taken;
use wire::table;
use wire::{DecodeError, Epoch, GroupId, Kind, MemberId, Offset, QueueId, ShardId, TopicId};

/// What an administrator asks. Names are borrowed until the frame is written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ask<'a> {
    TopicCreate(&'a str, TopicSettings),
    TopicAlter(&'a str, TopicChange),
    TopicDelete(&'a str),
    TopicDescribe(&'a str),
    TopicList(&'a str, u32),
    GroupList(&'a str, u32),
    GroupDescribe(&'a str),
    Offsets(&'a str, &'a str),
    OffsetsReset(&'a str, &'a str, Start),
    Fetch { queue: QueueId, offset: Offset, records_max: u32, bytes_max: u32 },
    Stats(ShardId),
}

impl Session {
    /// Begins an administrator's call.
    pub(crate) fn ask(&mut self, ask: Ask<'_>, deadline_ns: u64) -> usize {
        let target = match ask {
            Ask::Fetch { queue, .. } => {
                self.routes.shard_of(queue).map_or(Target::Home, Target::Shard)
            }
            Ask::Stats(shard) => Target::Shard(shard),
            Ask::TopicCreate(..)
            | Ask::TopicAlter(..)
            | Ask::TopicDelete(_)
            | Ask::TopicDescribe(_)
            | Ask::TopicList(..)
            | Ask::GroupList(..)
            | Ask::GroupDescribe(_)
            | Ask::Offsets(..)
            | Ask::OffsetsReset(..) => Target::Home,
        };
        if let Ask::TopicDelete(name) | Ask::TopicAlter(name, _) | Ask::TopicCreate(name, _) = ask {
            self.routes.forget_unless_asked(name);
        }
        self.begin_call(target, deadline_ns, |writer, out, id| write_ask(writer, out, id, ask))
    }
}

fn write_ask(writer: &mut wire::FrameWriter, out: &mut Vec<u8>, id: u64, ask: Ask<'_>) {
    match ask {
        Ask::TopicCreate(name, settings) => {
            writer.write(out, Kind::TopicCreate, id, &[], |builder| {
                let TopicSettings { queue_count, depth_max, retention_ms, .. } = settings;
                let arguments = table::TopicCreateArgs {
                    name: Some(builder.create_string(name)),
                    kind: settings.kind.on_wire(),
                    level: settings.level.map_or(table::Level::Unset, Level::on_wire),
                    queue_count,
                    depth_max,
                    retention_ms,
                };
                table::TopicCreate::create(builder, &arguments)
            });
        }
        Ask::TopicAlter(name, change) => writer.write(out, Kind::TopicAlter, id, &[], |builder| {
            let TopicChange { queue_count, depth_max, retention_ms } = change;
            let name = Some(builder.create_string(name));
            let arguments = table::TopicAlterArgs { name, queue_count, depth_max, retention_ms };
            table::TopicAlter::create(builder, &arguments)
        }),
        Ask::TopicDelete(name) => writer.write(out, Kind::TopicDelete, id, &[], |builder| {
            let name = Some(builder.create_string(name));
            table::TopicDelete::create(builder, &table::TopicDeleteArgs { name })
        }),
        Ask::TopicDescribe(name) => writer.write(out, Kind::TopicDescribe, id, &[], |builder| {
            let name = Some(builder.create_string(name));
            table::TopicDescribe::create(builder, &table::TopicDescribeArgs { name })
        }),
        Ask::TopicList(after, count_max) => {
            writer.write(out, Kind::TopicList, id, &[], |builder| {
                let after = Some(builder.create_string(after));
                table::TopicList::create(builder, &table::TopicListArgs { after, count_max })
            });
        }
        Ask::GroupList(..)
        | Ask::GroupDescribe(_)
        | Ask::Offsets(..)
        | Ask::OffsetsReset(..)
        | Ask::Fetch { .. }
        | Ask::Stats(_) => write_ask_of_groups(writer, out, id, ask),
    }
}

fn write_ask_of_groups(writer: &mut wire::FrameWriter, out: &mut Vec<u8>, id: u64, ask: Ask<'_>) {
    match ask {
        Ask::GroupList(after, count_max) => {
            writer.write(out, Kind::GroupList, id, &[], |builder| {
                let after = Some(builder.create_string(after));
                table::GroupList::create(builder, &table::GroupListArgs { after, count_max })
            });
        }
        Ask::GroupDescribe(name) => writer.write(out, Kind::GroupDescribe, id, &[], |builder| {
            let name = Some(builder.create_string(name));
            table::GroupDescribe::create(builder, &table::GroupDescribeArgs { name })
        }),
        Ask::Offsets(group, topic) => writer.write(out, Kind::Offsets, id, &[], |builder| {
            let group = Some(builder.create_string(group));
            let topic = Some(builder.create_string(topic));
            table::Offsets::create(builder, &table::OffsetsArgs { group, topic })
        }),
        Ask::OffsetsReset(group, topic, start) => {
            writer.write(out, Kind::OffsetsReset, id, &[], |builder| {
                let group = Some(builder.create_string(group));
                let topic = Some(builder.create_string(topic));
                let (start, Offset(offset), time_ns) = start_on_wire(start);
                let arguments = table::OffsetsResetArgs { group, topic, start, offset, time_ns };
                table::OffsetsReset::create(builder, &arguments)
            });
        }
        Ask::Fetch { queue: QueueId(queue), offset: Offset(offset), records_max, bytes_max } => {
            writer.write(out, Kind::Fetch, id, &[], |builder| {
                let arguments = table::FetchArgs { queue, offset, records_max, bytes_max };
                table::Fetch::create(builder, &arguments)
            });
        }
        Ask::Stats(ShardId(shard)) => writer.write(out, Kind::Stats, id, &[], |builder| {
            table::Stats::create(builder, &table::StatsArgs { shard })
        }),
        Ask::TopicCreate(..)
        | Ask::TopicAlter(..)
        | Ask::TopicDelete(_)
        | Ask::TopicDescribe(_)
        | Ask::TopicList(..) => {} // written by `write_ask`
    }
}

/// Reads an answer; one that cannot be read leaves open what was done.
pub(crate) fn read<T>(
    taken: &Taken,
    read: impl FnOnce(&Taken) -> Result<T, DecodeError>,
) -> Result<T, CallError> {
    read(taken).map_err(|_| CallError::Unknown(UnknownCause::AnswerMalformed))
}

/// `Done`.
pub(crate) fn done(taken: &Taken) -> Result<(), DecodeError> {
    if taken.kind() == Some(Kind::Done) { Ok(()) } else { Err(DecodeError::Body) }
}

fn expect(taken: &Taken, kind: Kind) -> Result<wire::Frame<'_>, DecodeError> {
    if taken.kind() == Some(kind) { Ok(taken.frame()) } else { Err(DecodeError::Body) }
}

/// `TopicInfo`.
pub(crate) fn topic(taken: &Taken) -> Result<TopicDetail, DecodeError> {
    let frame = expect(taken, Kind::TopicInfo)?;
    let info = frame.read::<table::TopicInfo<'_>>()?;
    let topic = summary(info.topic().ok_or(DecodeError::Body)?)?;
    let queues = info.queues().into_iter().flatten().map(|queue| QueueDetail {
        id: QueueId(queue.id()),
        number: queue.number(),
        shard: ShardId(queue.shard()),
        start: Offset(queue.start()),
        end: Offset(queue.end()),
    });
    Ok(TopicDetail { topic, queues: queues.collect() })
}

fn summary(topic: table::Topic<'_>) -> Result<TopicSummary, DecodeError> {
    Ok(TopicSummary {
        id: TopicId(topic.id()),
        name: topic.name().unwrap_or_default().to_owned(),
        kind: TopicKind::from_wire(topic.kind()).ok_or(DecodeError::Body)?,
        level: Level::from_wire(topic.level()).ok_or(DecodeError::Body)?,
        queue_count: topic.queue_count(),
        depth_max: topic.depth_max(),
        retention_ms: topic.retention_ms(),
        version: topic.version(),
    })
}

/// `TopicListing`.
pub(crate) fn topics(taken: &Taken) -> Result<Page<TopicSummary>, DecodeError> {
    let frame = expect(taken, Kind::TopicListing)?;
    let listing = frame.read::<table::TopicListing<'_>>()?;
    let items = listing.topics().into_iter().flatten().map(summary).collect::<Result<_, _>>()?;
    Ok(Page { items, more: listing.more() })
}

/// `GroupListing`.
pub(crate) fn groups(taken: &Taken) -> Result<Page<GroupSummary>, DecodeError> {
    let frame = expect(taken, Kind::GroupListing)?;
    let listing = frame.read::<table::GroupListing<'_>>()?;
    let items = listing.groups().into_iter().flatten().map(|group| GroupSummary {
        id: GroupId(group.id()),
        name: group.name().unwrap_or_default().to_owned(),
        members: group.members(),
        topics: group.topics(),
    });
    Ok(Page { items: items.collect(), more: listing.more() })
}

/// `GroupInfo`.
pub(crate) fn group(taken: &Taken) -> Result<GroupDetail, DecodeError> {
    let frame = expect(taken, Kind::GroupInfo)?;
    let info = frame.read::<table::GroupInfo<'_>>()?;
    let members = info.members().into_iter().flatten().map(|member| MemberDetail {
        id: MemberId(member.member()),
        client: member.client().unwrap_or_default().to_owned(),
        area: member.area().unwrap_or_default().to_owned(),
        topic: member.topic().unwrap_or_default().to_owned(),
        broadcast: member.sharing() == table::Sharing::Broadcast,
        queues: member.queues().into_iter().flatten().map(QueueId).collect(),
    });
    let topics = info.topics().into_iter().flatten().map(|topic| GroupTopic {
        topic: topic.topic().unwrap_or_default().to_owned(),
        queues: topic.queues().into_iter().flatten().map(standing).collect(),
    });
    Ok(GroupDetail {
        id: GroupId(info.id()),
        name: info.name().unwrap_or_default().to_owned(),
        members: members.collect(),
        topics: topics.collect(),
    })
}

fn standing(queue: table::QueueOffsets<'_>) -> QueueOffsets {
    QueueOffsets {
        queue: QueueId(queue.queue()),
        number: queue.number(),
        shard: ShardId(queue.shard()),
        start: Offset(queue.start()),
        end: Offset(queue.end()),
        floor: queue.has_position().then_some(Offset(queue.floor())),
        lease_epoch: Epoch(queue.lease_epoch()),
        member: MemberId(queue.member()),
        in_flight: queue.in_flight(),
    }
}

/// `OffsetsInfo`.
pub(crate) fn offsets(taken: &Taken) -> Result<Vec<QueueOffsets>, DecodeError> {
    let frame = expect(taken, Kind::OffsetsInfo)?;
    let info = frame.read::<table::OffsetsInfo<'_>>()?;
    Ok(info.queues().into_iter().flatten().map(standing).collect())
}

/// `Fetched`, every record checked.
pub(crate) fn fetched(taken: &Taken) -> Result<Fetched, DecodeError> {
    let frame = expect(taken, Kind::Fetched)?;
    let info = frame.read::<table::Fetched<'_>>()?;
    let mut section = taken.section();
    let mut records = Vec::new();
    while !section.is_empty() {
        records.push(RecordView::split_from(&mut section).map_err(|_| DecodeError::Body)?);
    }
    if records.len() != info.count() as usize {
        return Err(DecodeError::Body);
    }
    let reason = GapReason::from_wire(info.gap_reason());
    let has_gap = info.gap_reason() != table::GapReason::None;
    Ok(Fetched {
        records,
        first_offset: Offset(info.first_offset()),
        start: Offset(info.start()),
        end: Offset(info.end()),
        accepted_ns: info.accepted_ns(),
        gap: has_gap.then_some((Offset(info.gap_to()), reason)),
    })
}

/// `StatsInfo`.
pub(crate) fn stats(taken: &Taken) -> Result<ShardStats, DecodeError> {
    let frame = expect(taken, Kind::StatsInfo)?;
    let info = frame.read::<table::StatsInfo<'_>>()?;
    let stats = info.stats().into_iter().flatten().map(|stat| Stat {
        name: stat.name().unwrap_or_default().to_owned(),
        label: stat.label().unwrap_or_default().to_owned(),
        gauge: stat.kind() == table::StatKind::Gauge,
        value: stat.value(),
    });
    let stages = info.stages().into_iter().flatten().map(|stage| Stage {
        name: stage.name().unwrap_or_default().to_owned(),
        label: stage.label().unwrap_or_default().to_owned(),
        count: stage.count(),
        sum_ns: stage.sum_ns(),
        max_ns: stage.max_ns(),
        buckets: stage.buckets().into_iter().flatten().collect(),
    });
    Ok(ShardStats {
        shard: ShardId(info.shard()),
        uptime_ms: info.uptime_ms(),
        stats: stats.collect(),
        stages: stages.collect(),
    })
}

/// `ReplyResult`.
pub(crate) fn reply_fate(taken: &Taken) -> Result<ReplyFate, DecodeError> {
    let frame = expect(taken, Kind::ReplyResult)?;
    match frame.read::<table::ReplyResult<'_>>()?.fate() {
        table::ReplyFate::Delivered => Ok(ReplyFate::Delivered),
        table::ReplyFate::Late => Ok(ReplyFate::Late),
        table::ReplyFate::RequesterGone => Ok(ReplyFate::RequesterGone),
        table::ReplyFate::NotYours => Ok(ReplyFate::NotYours),
        _ => Err(DecodeError::Body),
    }
}

impl Level {
    pub(crate) fn from_wire(level: table::Level) -> Option<Self> {
        match level {
            table::Level::Memory => Some(Self::Memory),
            table::Level::Durable => Some(Self::Durable),
            table::Level::Quorum => Some(Self::Quorum),
            _ => None,
        }
    }

    const fn on_wire(self) -> table::Level {
        match self {
            Self::Memory => table::Level::Memory,
            Self::Durable => table::Level::Durable,
            Self::Quorum => table::Level::Quorum,
        }
    }
}

impl TopicKind {
    fn from_wire(kind: table::TopicKind) -> Option<Self> {
        match kind {
            table::TopicKind::Event => Some(Self::Event),
            table::TopicKind::Service => Some(Self::Service),
            _ => None,
        }
    }

    const fn on_wire(self) -> table::TopicKind {
        match self {
            Self::Event => table::TopicKind::Event,
            Self::Service => table::TopicKind::Service,
        }
    }
}

impl GapReason {
    pub(crate) fn from_wire(reason: table::GapReason) -> Self {
        match reason {
            table::GapReason::Retention => Self::Retention,
            table::GapReason::Damage => Self::Damage,
            table::GapReason::MemoryLost => Self::MemoryLost,
            table::GapReason::Reserved => Self::Reserved,
            _ => Self::Other,
        }
    }
}
