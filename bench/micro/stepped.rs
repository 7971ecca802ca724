//! Stepped: one real broker and one peer, stepped by hand on a disk that says yes.
//!
//! Its own memory is used again, so that what is counted is the broker's: instructions in `micro`,
//! allocations in `tests/allocation.rs`.

use defibus::broker::Broker;
use defibus::broker::catalog::Catalogue;
use defibus::broker::mail::Mail;
use defibus::broker::settings::Settings;
use flatbuffers::{FlatBufferBuilder, WIPOffset};
use shard::{ConnectionId, Core, Effect, Effects, Event, Now, OperationId};
use sim::disk::SimDisk;
use std::collections::VecDeque;
use storage::Store;
use storage::store::StoreConfig;
use wire::frame::Decoded;
use wire::record::{Properties, Record, write_record};
use wire::table::{Level, TopicKind};
use wire::{Frame, FrameWriter, Kind, QueueId, ShardId, TopicId, table};

const PEER: ConnectionId = ConnectionId { slot: 0, generation: 1 };
/// Longer than an ack waits for a batch to ride in, in nanoseconds.
const ACKS_WAIT_NS: u64 = 50_000_000;

/// What the disk was asked.
enum Work {
    Flush(OperationId),
    File(OperationId),
}

/// The peer as a consumer: who it is, and its lease.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member {
    member: u64,
    lease_epoch: u32,
}

/// One broker and one peer; their memory is used again.
pub(crate) struct Stepped {
    broker: Broker,
    effects: Effects<Mail>,
    list: Vec<Effect<Mail>>,
    work: VecDeque<Work>,
    now: Now,
    writer: FrameWriter,
    sent: Vec<u8>,
    received: Vec<u8>,
}

impl Stepped {
    /// With one topic, of one queue.
    pub(crate) fn new(kind: TopicKind, level: Level) -> Self {
        Self::with_queues(kind, level, 1)
    }

    /// With one topic, of so many queues.
    pub(crate) fn with_queues(kind: TopicKind, level: Level, queue_count: u16) -> Self {
        let now = Now { mono_ns: 1_000_000_000, wall_ns: 1_800_000_000_000_000_000 };
        let config = store_config();
        let opened = Store::open(&config, &mut SimDisk::new(), now.wall_ns, false).expect("empty");
        let settings = Settings::new(ShardId(0), 1);
        let mut shard = Self {
            broker: Broker::new(settings, opened.store, Catalogue::default()),
            effects: Effects::new(1),
            list: Vec::with_capacity(1024),
            work: VecDeque::with_capacity(64),
            now,
            writer: FrameWriter::default(),
            sent: Vec::with_capacity(1 << 20),
            received: Vec::with_capacity(1 << 20),
        };
        shard.step(Event::Started);
        shard.step(Event::Connected { connection: PEER });
        shard.send(Kind::Hello, &[], |builder| {
            let args = table::HelloArgs { version_min: 1, version_max: 1, ..Default::default() };
            table::Hello::create(builder, &args)
        });
        shard.send(Kind::TopicCreate, &[], |builder| {
            let name = Some(builder.create_string("t"));
            let args =
                table::TopicCreateArgs { name, kind, level, queue_count, ..Default::default() };
            table::TopicCreate::create(builder, &args)
        });
        assert_eq!(shard.last_kind(), Some(Kind::TopicInfo));
        shard
    }

    /// Another peer connects, says hello and nothing more.
    pub(crate) fn connect(&mut self, slot: u32) {
        let connection = ConnectionId { slot, generation: 1 };
        self.step(Event::Connected { connection });
        let mut sent = std::mem::take(&mut self.sent);
        sent.clear();
        self.writer.write(&mut sent, Kind::Hello, 1, &[], |builder| {
            let args = table::HelloArgs { version_min: 1, version_max: 1, ..Default::default() };
            table::Hello::create(builder, &args)
        });
        let Ok(Decoded::Frame { frame, .. }) = Frame::decode(&sent) else { panic!("whole") };
        self.step(Event::Frame { connection, frame });
        self.sent = sent;
        self.received.clear();
    }

    /// The peer sends a frame, and everything happens that comes of it.
    pub(crate) fn send<T>(
        &mut self,
        kind: Kind,
        section: &[u8],
        build: impl FnOnce(&mut FlatBufferBuilder<'static>) -> WIPOffset<T>,
    ) {
        self.received.clear();
        let mut sent = std::mem::take(&mut self.sent);
        sent.clear();
        self.writer.write(&mut sent, kind, 1, &[section], build);
        let Ok(Decoded::Frame { frame, .. }) = Frame::decode(&sent) else { panic!("whole") };
        self.step(Event::Frame { connection: PEER, frame });
        self.sent = sent;
        self.do_work();
    }

    /// The node asks now and then whether the peer has read what it was sent.
    fn answer_ping(&mut self) {
        let ping = self.frames().find(|frame| frame.kind() == Some(Kind::Ping));
        let Some(request_id) = ping.map(|frame| frame.header.request_id) else { return };
        let mut sent = std::mem::take(&mut self.sent);
        sent.clear();
        self.writer.write_bare(&mut sent, Kind::Pong, request_id);
        let Ok(Decoded::Frame { frame, .. }) = Frame::decode(&sent) else { panic!("whole") };
        self.step(Event::Frame { connection: PEER, frame });
        self.sent = sent;
    }

    /// Acks ride in the next batch, or start a flush of their own after a while.
    pub(crate) fn flush_acks(&mut self) {
        self.now.mono_ns += ACKS_WAIT_NS;
        self.step(Event::TurnEnd);
        self.do_work();
    }

    fn do_work(&mut self) {
        while let Some(work) = self.work.pop_front() {
            self.step(match work {
                Work::Flush(operation) => Event::Flushed { operation, result: Ok(()) },
                Work::File(operation) => Event::FileDone { operation, result: Ok(()) },
            });
        }
    }

    /// One event, and the end of its turn. Time passes.
    fn step(&mut self, event: Event<'_, Mail>) {
        self.now.mono_ns += 1000;
        self.now.wall_ns += 1000;
        self.broker.step(self.now, event, &mut self.effects);
        self.broker.step(self.now, Event::TurnEnd, &mut self.effects);
        std::mem::swap(&mut self.list, &mut self.effects.list);
        for effect in self.list.drain(..) {
            match effect {
                Effect::Send { range, .. } => {
                    self.received.extend_from_slice(&self.effects.bytes[range]);
                }
                Effect::Flush { operation, .. } => self.work.push_back(Work::Flush(operation)),
                Effect::File { operation, .. } => self.work.push_back(Work::File(operation)),
                Effect::Arm { .. } | Effect::Resume { .. } => {}
                Effect::Close { .. }
                | Effect::Hold { .. }
                | Effect::Mail { .. }
                | Effect::Read { .. }
                | Effect::Say { .. }
                | Effect::Halt { .. }
                | Effect::Stop => panic!("not in these tests: {effect:?}"),
            }
        }
        self.effects.clear();
    }

    /// The frames the peer received since it last sent one.
    pub(crate) fn frames(&self) -> impl Iterator<Item = Frame<'_>> {
        let mut rest = self.received.as_slice();
        std::iter::from_fn(move || {
            let Ok(Decoded::Frame { frame, bytes_taken }) = Frame::decode(rest) else {
                return None;
            };
            rest = &rest[bytes_taken..];
            Some(frame)
        })
    }

    pub(crate) fn last_kind(&self) -> Option<Kind> {
        self.frames().last()?.kind()
    }

    pub(crate) fn frame_of(&self, kind: Kind) -> Frame<'_> {
        let found = self.frames().find(|frame| frame.kind() == Some(kind));
        found.unwrap_or_else(|| panic!("no {kind:?} among {:?}", self.last_kind()))
    }

    /// The peer publishes a section of `count` records.
    pub(crate) fn publish(&mut self, records: &[u8], count: u32) {
        self.publish_to(QUEUE, records, count);
    }

    /// The same, into one of several queues.
    pub(crate) fn publish_to(&mut self, queue: QueueId, records: &[u8], count: u32) {
        self.send(Kind::Publish, records, |builder| {
            let args = table::PublishArgs { queue: queue.0, count, ..Default::default() };
            table::Publish::create(builder, &args)
        });
        self.answer_ping();
        assert_eq!(self.frames().next().and_then(|frame| frame.kind()), Some(Kind::Receipt));
    }

    /// The peer becomes the only member of a group, with credit for ever.
    pub(crate) fn subscribe(&mut self) -> Member {
        self.subscribe_as("g")
    }

    /// The same, of a group by name.
    pub(crate) fn subscribe_as(&mut self, group: &str) -> Member {
        self.send(Kind::Subscribe, &[], |builder| {
            let group = Some(builder.create_string(group));
            let topic = Some(builder.create_string("t"));
            let args = table::SubscribeArgs {
                group,
                topic,
                credit_records: u32::MAX,
                credit_bytes: u32::MAX,
                ..Default::default()
            };
            table::Subscribe::create(builder, &args)
        });
        let assigned: table::Assigned<'_> =
            self.frame_of(Kind::Assigned).read().expect("an Assigned");
        Member { member: assigned.member(), lease_epoch: assigned.lease_epoch() }
    }

    /// Acks one offset, and waits until that is on the disk.
    pub(crate) fn ack(&mut self, member: Member, offset: u64) {
        let Member { member, lease_epoch } = member;
        self.send(Kind::Ack, &[], |builder| {
            let offsets = Some(builder.create_vector(&[offset]));
            let args = table::AckArgs { member, queue: QUEUE.0, lease_epoch, offsets };
            table::Ack::create(builder, &args)
        });
        self.flush_acks();
        assert_eq!(self.last_kind(), Some(Kind::Done));
    }

    /// Commits all below `offset`, and waits until that is on the disk.
    pub(crate) fn commit(&mut self, member: Member, offset: u64) {
        let Member { member, lease_epoch } = member;
        self.send(Kind::Commit, &[], |builder| {
            let args = table::CommitArgs { member, queue: QUEUE.0, lease_epoch, offset };
            table::Commit::create(builder, &args)
        });
        self.flush_acks();
        assert_eq!(self.last_kind(), Some(Kind::Done));
    }

    /// The offset of the first record that was delivered since the peer sent something.
    pub(crate) fn delivered(&self) -> u64 {
        let delivered: table::Deliver<'_> = self.frame_of(Kind::Deliver).read().expect("a Deliver");
        delivered.first_offset()
    }

    /// The peer becomes a responder.
    pub(crate) fn serve(&mut self) {
        self.send(Kind::Serve, &[], |builder| {
            let service = Some(builder.create_string("t"));
            table::Serve::create(builder, &table::ServeArgs { service, concurrency: 8 })
        });
        assert_eq!(self.last_kind(), Some(Kind::Served));
    }

    /// The peer asks, is called, replies, and has the outcome.
    pub(crate) fn request(&mut self, records: &[u8]) {
        self.send(Kind::Request, records, |builder| {
            let args = table::RequestArgs { queue: QUEUE.0, time_left_us: 1_000_000 };
            table::Request::create(builder, &args)
        });
        let call: table::Call<'_> = self.frame_of(Kind::Call).read().expect("a Call");
        let responder = call.responder();
        let reply_to = *call.reply_to().expect("filled");
        self.send(Kind::Reply, records, |builder| {
            let args = table::ReplyArgs { responder, reply_to: Some(&reply_to) };
            table::Reply::create(builder, &args)
        });
        assert_eq!(self.frame_of(Kind::Outcome).section, records);
    }
}

/// The one queue there is.
pub(crate) const QUEUE: QueueId = QueueId::new(TopicId(1), 0);

/// A store whose background never has anything to do.
pub(crate) fn store_config() -> StoreConfig {
    StoreConfig {
        shard: ShardId(0),
        node_id: 1,
        cluster_id: 2,
        segment_bytes: 64 << 20,
        record_bytes_max: wire::limits::RECORD_BYTES_DEFAULT,
        batch_bytes_max: 1 << 20,
        recent_bytes_max: 1 << 20,
        read_cache_bytes_max: 1 << 20,
        memory_bytes_max: 1 << 20,
        log_bytes_max: 1 << 40,
        retention_ns: u64::MAX,
        prepared_segments: 1,
        snapshot_log_bytes: u64::MAX,
        snapshot_interval_ns: u64::MAX,
        scrub_period_ns: 0,
        scrub_bytes_per_second_max: 64 << 20,
        seed: 3,
    }
}

/// A section of `count` records with bodies of `body_bytes`.
pub(crate) fn section(count: u32, body_bytes: usize) -> Vec<u8> {
    let mut section = Vec::new();
    let body = vec![7; body_bytes];
    let properties = Properties::default();
    let record = Record { born_ns: 1, key: b"key", tag: b"", properties, body: &body };
    for _ in 0..count {
        write_record(&mut section, &record, wire::limits::RECORD_BYTES_DEFAULT).expect("small");
    }
    section
}
