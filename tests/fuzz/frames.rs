//! Frames: sound frames of every kind a client may send, their fields chosen by a script.
//!
//! Fields that only make sense when they name something (a member, a lease
//! epoch, a place for a reply) are mostly taken from what the broker said
//! before, so that a fuzzer gets past the first question of each handler.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each part builds its kinds and passes on the rest"
)]

use super::script::Script;
use flatbuffers::{FlatBufferBuilder, WIPOffset};
use wire::record::{Properties, Record, write_property, write_record};
use wire::table::{self, Level, OutcomeKind, ReplyTo, Sharing, StartAt, TopicKind};
use wire::{Frame, FrameWriter, Kind, QueueId, TopicId};

type Builder = FlatBufferBuilder<'static>;
type Root = WIPOffset<()>;
type Text = Option<WIPOffset<&'static str>>;

/// What a client may send, and some that it may not.
pub(crate) const KINDS: &[Kind] = &[
    Kind::Hello,
    Kind::Ping,
    Kind::Pong,
    Kind::Goodbye,
    Kind::TopicCreate,
    Kind::TopicAlter,
    Kind::TopicDelete,
    Kind::TopicDescribe,
    Kind::TopicList,
    Kind::Route,
    Kind::ProducerOpen,
    Kind::Publish,
    Kind::Subscribe,
    Kind::Credit,
    Kind::Ack,
    Kind::Nack,
    Kind::Commit,
    Kind::Unsubscribe,
    Kind::Fetch,
    Kind::Offsets,
    Kind::OffsetsReset,
    Kind::GroupList,
    Kind::GroupDescribe,
    Kind::Serve,
    Kind::Request,
    Kind::Reply,
    Kind::Cancel,
    Kind::Unserve,
    Kind::Stats,
    Kind::Outcome,
];

/// The newest numbers the broker gave out.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Known {
    member: u64,
    queue: u64,
    lease_epoch: u32,
    offset: u64,
    producer: u64,
    epoch: u32,
    responder: u64,
    reply_to: Option<ReplyTo>,
}

impl Known {
    /// Learns from a frame of the broker.
    pub(crate) fn learn(&mut self, frame: &Frame<'_>) {
        if let Ok(assigned) = frame.read::<table::Assigned<'_>>()
            && frame.kind() == Some(Kind::Assigned)
        {
            (self.member, self.queue) = (assigned.member(), assigned.queue());
            (self.lease_epoch, self.offset) = (assigned.lease_epoch(), assigned.floor());
        } else if let Ok(deliver) = frame.read::<table::Deliver<'_>>()
            && frame.kind() == Some(Kind::Deliver)
        {
            (self.member, self.queue) = (deliver.member(), deliver.queue());
            (self.lease_epoch, self.offset) = (deliver.lease_epoch(), deliver.first_offset());
        } else if let Ok(opened) = frame.read::<table::ProducerOpened<'_>>()
            && frame.kind() == Some(Kind::ProducerOpened)
        {
            (self.producer, self.epoch) = (opened.producer(), opened.epoch());
        } else if let Ok(call) = frame.read::<table::Call<'_>>()
            && frame.kind() == Some(Kind::Call)
        {
            (self.responder, self.reply_to) = (call.responder(), call.reply_to().copied());
        } else if let Ok(served) = frame.read::<table::Served<'_>>()
            && frame.kind() == Some(Kind::Served)
        {
            self.responder = served.responder();
        }
    }

    /// `known`, or a little more, or anything.
    fn or(script: &mut Script<'_>, known: u64) -> u64 {
        match script.byte() {
            0..0xC0 => known,
            near @ 0xC0..0xE0 => known.wrapping_add(u64::from(near - 0xC0)).wrapping_sub(4),
            _ => script.number(),
        }
    }
}

/// A sound frame of `kind`.
pub(crate) fn write(
    script: &mut Script<'_>,
    known: &Known,
    (kind, request_id): (Kind, u64),
) -> Vec<u8> {
    let mut out = Vec::new();
    let section = section_of(script, kind);
    let mut writer = FrameWriter::default();
    if matches!(kind, Kind::Ping | Kind::Pong) {
        writer.write_bare(&mut out, kind, request_id);
    } else {
        writer.write(&mut out, kind, request_id, &[&section], |builder| {
            body(builder, script, known, kind)
        });
    }
    if request_id & 1 == 1 {
        FrameWriter::mark_traced(&mut out);
    }
    out
}

fn section_of(script: &mut Script<'_>, kind: Kind) -> Vec<u8> {
    match kind {
        Kind::Publish => {
            let count = script.pick(4);
            section(script, count)
        }
        Kind::Request | Kind::Reply => section(script, 1),
        _ => Vec::new(),
    }
}

/// A section of sound records; a byte of it may be changed afterwards.
fn section(script: &mut Script<'_>, count: usize) -> Vec<u8> {
    let mut section = Vec::new();
    for _ in 0..count {
        let mut pairs = Vec::new();
        if script.byte() & 1 == 1 {
            write_property(&mut pairs, "zone", "A10").expect("fits");
        }
        let properties = Properties::check(&pairs).expect("written above");
        let body = vec![script.byte(); script.pick(256) * script.pick(64)];
        let record =
            Record { born_ns: script.number(), key: b"k", tag: b"t", properties, body: &body };
        write_record(&mut section, &record, 1 << 20).expect("short");
    }
    if script.byte() >= 0xF0 && !section.is_empty() {
        let place = usize::try_from(script.number()).unwrap_or(0) % section.len();
        section[place] ^= script.byte() | 1;
    }
    section
}

fn text(builder: &mut Builder, script: &mut Script<'_>, usual: &[&str]) -> Text {
    let choice = script.byte();
    let text = match choice {
        0xFF => return None,
        0xFE => String::from_utf8_lossy(script.counted()).into_owned(),
        0xFD => "x".repeat(usize::from(script.byte()) + 128),
        _ => usual[usize::from(choice) % usual.len()].to_owned(),
    };
    Some(WIPOffset::new(builder.create_string(&text).value()))
}

const TOPICS: &[&str] = &["A10-1", "A10-2", "S-1", "XX0-s-00000000-01-0", ""];
const GROUPS: &[&str] = &["g", "h", "all", ""];

/// `FrameWriter::write` asks for one type of root, there are thirty.
fn root<T>(offset: WIPOffset<T>) -> Root {
    WIPOffset::new(offset.value())
}

fn body(builder: &mut Builder, script: &mut Script<'_>, known: &Known, kind: Kind) -> Root {
    match kind {
        Kind::Publish | Kind::ProducerOpen | Kind::Fetch => {
            publishing(builder, script, known, kind)
        }
        Kind::Subscribe
        | Kind::Credit
        | Kind::Ack
        | Kind::Nack
        | Kind::Commit
        | Kind::Unsubscribe => consuming(builder, script, known, kind),
        Kind::Serve | Kind::Request | Kind::Reply | Kind::Cancel | Kind::Unserve => {
            calling(builder, script, known, kind)
        }
        Kind::TopicCreate
        | Kind::TopicAlter
        | Kind::TopicDelete
        | Kind::TopicDescribe
        | Kind::TopicList
        | Kind::Route
        | Kind::Offsets
        | Kind::OffsetsReset
        | Kind::GroupList
        | Kind::GroupDescribe => catalog(builder, script, kind),
        _ => connection(builder, script, kind),
    }
}

fn connection(builder: &mut Builder, script: &mut Script<'_>, kind: Kind) -> Root {
    match kind {
        Kind::Hello => {
            let client = text(builder, script, &["c"]);
            let area = text(builder, script, &["A10", ""]);
            let (version_min, version_max) = match script.byte() {
                0xFF => (script.byte(), script.byte()),
                _ => (1, 1),
            };
            let args =
                table::HelloArgs { version_min, version_max, client, area, ..Default::default() };
            root(table::Hello::create(builder, &args))
        }
        Kind::Stats => {
            let shard = u16::try_from(script.number() & 0xFFFF).unwrap_or(0) % 4;
            root(table::Stats::create(builder, &table::StatsArgs { shard }))
        }
        Kind::Outcome => {
            let args = table::OutcomeArgs { kind: OutcomeKind::Reply, ..Default::default() };
            root(table::Outcome::create(builder, &args))
        }
        _ => {
            let message = text(builder, script, &["bye"]);
            root(table::Goodbye::create(builder, &table::GoodbyeArgs { code: 0, message }))
        }
    }
}

fn catalog(builder: &mut Builder, script: &mut Script<'_>, kind: Kind) -> Root {
    let name = match kind {
        Kind::GroupList | Kind::GroupDescribe => text(builder, script, GROUPS),
        _ => text(builder, script, TOPICS),
    };
    let count_max = if script.byte() < 0x80 { 0 } else { script.number_u32() };
    match kind {
        Kind::TopicCreate => root(table::TopicCreate::create(builder, &topic(script, name))),
        Kind::TopicAlter => {
            let mut maybe = || (script.byte() & 1 == 1).then(|| script.number());
            let queue_count = maybe().map(|count| u16::try_from(count & 0xFFFF).unwrap_or(0));
            let args = table::TopicAlterArgs {
                name,
                queue_count,
                depth_max: maybe(),
                retention_ms: maybe(),
            };
            root(table::TopicAlter::create(builder, &args))
        }
        Kind::TopicDelete => {
            root(table::TopicDelete::create(builder, &table::TopicDeleteArgs { name }))
        }
        Kind::TopicDescribe => {
            root(table::TopicDescribe::create(builder, &table::TopicDescribeArgs { name }))
        }
        Kind::TopicList => root(table::TopicList::create(
            builder,
            &table::TopicListArgs { after: name, count_max },
        )),
        Kind::Route => root(table::Route::create(builder, &table::RouteArgs { topic: name })),
        Kind::GroupList => root(table::GroupList::create(
            builder,
            &table::GroupListArgs { after: name, count_max },
        )),
        Kind::GroupDescribe => {
            root(table::GroupDescribe::create(builder, &table::GroupDescribeArgs { name }))
        }
        Kind::Offsets => {
            let group = text(builder, script, GROUPS);
            root(table::Offsets::create(builder, &table::OffsetsArgs { group, topic: name }))
        }
        _ => {
            let group = text(builder, script, GROUPS);
            let (start, offset, time_ns) = start(script);
            let args = table::OffsetsResetArgs { group, topic: name, start, offset, time_ns };
            root(table::OffsetsReset::create(builder, &args))
        }
    }
}

fn topic<'a>(
    script: &mut Script<'_>,
    name: Option<WIPOffset<&'a str>>,
) -> table::TopicCreateArgs<'a> {
    let queue_count = match script.byte() {
        small @ 0..0xE0 => u16::from(small % 4) + 1,
        _ => u16::try_from(script.number() & 0xFFFF).unwrap_or(0),
    };
    let levels = [Level::Unset, Level::Memory, Level::Durable, Level::Quorum, Level(9)];
    table::TopicCreateArgs {
        name,
        kind: TopicKind(script.byte() % 3),
        level: levels[script.pick(levels.len())],
        queue_count,
        depth_max: script.number(),
        retention_ms: script.number(),
    }
}

fn start(script: &mut Script<'_>) -> (StartAt, u64, u64) {
    (StartAt(script.byte() % 5), script.number(), script.number())
}

fn publishing(builder: &mut Builder, script: &mut Script<'_>, known: &Known, kind: Kind) -> Root {
    let queue = queue(script, known);
    match kind {
        Kind::ProducerOpen => {
            let again = script.byte() & 1 == 1;
            let producer = Known::or(script, if again { known.producer } else { 0 });
            root(table::ProducerOpen::create(builder, &table::ProducerOpenArgs { producer }))
        }
        Kind::Publish => {
            let is_idempotent = script.byte() & 1 == 1;
            let (producer, epoch) =
                if is_idempotent { (known.producer, known.epoch) } else { (0, 0) };
            let args = table::PublishArgs {
                queue,
                producer: Known::or(script, producer),
                epoch: if script.byte() < 0xE0 { epoch } else { script.number_u32() },
                sequence: script.number(),
                count: if script.byte() < 0xE0 {
                    1 + u32::from(script.byte() % 3)
                } else {
                    script.number_u32()
                },
            };
            root(table::Publish::create(builder, &args))
        }
        _ => {
            let (offset, records_max) = (script.number(), script.number_u32());
            let args =
                table::FetchArgs { queue, offset, records_max, bytes_max: script.number_u32() };
            root(table::Fetch::create(builder, &args))
        }
    }
}

/// One of the first queues of the first topics, the one last told of, or any.
fn queue(script: &mut Script<'_>, known: &Known) -> u64 {
    match script.byte() {
        choice @ 0..0xC0 => {
            QueueId::new(TopicId(u32::from(choice % 5) + 1), u16::from(choice / 48)).0
        }
        0xC0..0xF8 => known.queue,
        _ => script.number(),
    }
}

fn consuming(builder: &mut Builder, script: &mut Script<'_>, known: &Known, kind: Kind) -> Root {
    let queue = if script.byte() < 0xE0 { known.queue } else { queue(script, known) };
    let member = Known::or(script, known.member);
    let lease_epoch = if script.byte() < 0xE0 { known.lease_epoch } else { script.number_u32() };
    let offset = Known::or(script, known.offset);
    match kind {
        Kind::Subscribe => {
            let group = text(builder, script, GROUPS);
            let topic = text(builder, script, TOPICS);
            let instance = text(builder, script, &["", "i", "j"]);
            let (start, offset, time_ns) = start(script);
            let args = table::SubscribeArgs {
                group,
                topic,
                sharing: Sharing(script.byte() % 3),
                instance,
                start,
                offset,
                time_ns,
                credit_records: script.number_u32(),
                credit_bytes: if script.byte() < 0x80 { u32::MAX } else { script.number_u32() },
                observe: script.byte() >= 0xC0,
            };
            root(table::Subscribe::create(builder, &args))
        }
        Kind::Credit => {
            let (records, bytes) = (script.number_u32(), script.number_u32());
            let args = table::CreditArgs { member, queue, lease_epoch, records, bytes };
            root(table::Credit::create(builder, &args))
        }
        Kind::Ack => {
            let offsets: Vec<u64> =
                (0..script.pick(5)).map(|_| Known::or(script, offset)).collect();
            let offsets = Some(builder.create_vector(&offsets));
            let args = table::AckArgs { member, queue, lease_epoch, offsets };
            root(table::Ack::create(builder, &args))
        }
        Kind::Nack => {
            let args = table::NackArgs { member, queue, lease_epoch, offset };
            root(table::Nack::create(builder, &args))
        }
        Kind::Commit => {
            let args = table::CommitArgs { member, queue, lease_epoch, offset };
            root(table::Commit::create(builder, &args))
        }
        _ => root(table::Unsubscribe::create(builder, &table::UnsubscribeArgs { member })),
    }
}

fn calling(builder: &mut Builder, script: &mut Script<'_>, known: &Known, kind: Kind) -> Root {
    let responder = Known::or(script, known.responder);
    match kind {
        Kind::Serve => {
            let service = text(builder, script, TOPICS);
            let concurrency = script.number_u32();
            root(table::Serve::create(builder, &table::ServeArgs { service, concurrency }))
        }
        Kind::Request => {
            let args = table::RequestArgs {
                queue: queue(script, known),
                time_left_us: script.number().saturating_mul(1000),
            };
            root(table::Request::create(builder, &args))
        }
        Kind::Reply => {
            let reply_to = reply_to(script, known);
            let args = table::ReplyArgs { responder, reply_to: reply_to.as_ref() };
            root(table::Reply::create(builder, &args))
        }
        Kind::Cancel => {
            let request = script.number();
            root(table::Cancel::create(builder, &table::CancelArgs { request }))
        }
        _ => root(table::Unserve::create(builder, &table::UnserveArgs { responder })),
    }
}

/// The place of the last call, a part of it forged, or none.
fn reply_to(script: &mut Script<'_>, known: &Known) -> Option<ReplyTo> {
    let mut reply_to = known.reply_to;
    match script.byte() {
        0xFF => return None,
        0xFE => {
            let numbers = [script.number(), script.number()];
            let (slot, generation) = (script.number_u32(), script.number_u32());
            let (shard, owner) = (u16::from(script.byte()), u16::from(script.byte()));
            reply_to = Some(ReplyTo::new(numbers[0], numbers[1], slot, generation, shard, owner));
        }
        0xFD => reply_to.as_mut()?.set_shard(u16::from(script.byte())),
        0xFC => reply_to.as_mut()?.set_owner(u16::from(script.byte())),
        0xFB => reply_to.as_mut()?.set_nonce(script.number()),
        _ => {}
    }
    reply_to
}
