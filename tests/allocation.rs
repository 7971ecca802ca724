//! Allocation: a warm shard handles a message without allocating.
//!
//! One real broker, stepped by hand on a disk that says yes. The counter is
//! process-wide, so one test measures everything, and each measure is the least
//! of several rounds: code that allocates for every message does so in every
//! round, tables that double their size only in some. The last measure plants an
//! allocation to show that it counts.

use bytes::Bytes;
use defibus::broker::Broker;
use defibus::broker::catalog::Catalogue;
use defibus::broker::mail::Mail;
use defibus::broker::settings::Settings;
use flatbuffers::{FlatBufferBuilder, WIPOffset};
use shard::{ConnectionId, Core, Effect, Effects, Event, Now, OperationId};
use sim::disk::SimDisk;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::collections::VecDeque;
use storage::Store;
use storage::store::StoreConfig;
use wire::frame::Decoded;
use wire::record::{Properties, Record, write_record};
use wire::table::{Level, TopicKind};
use wire::{Frame, FrameWriter, Kind, QueueId, ShardId, TopicId, table};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const PEER: ConnectionId = ConnectionId { slot: 0, generation: 1 };
const ROUNDS: usize = 24;
const MESSAGES_PER_ROUND: usize = 32;
/// Enough to fill what is bounded: buffers, rings.
const MESSAGES_TO_WARM_UP: usize = 4096;

/// The fewest allocations of a round of messages, once everything is warm.
fn allocations(mut message: impl FnMut()) -> usize {
    let mut round = || {
        let region = Region::new(ALLOCATOR);
        (0..MESSAGES_PER_ROUND).for_each(|_| message());
        let change = region.change();
        change.allocations + change.reallocations
    };
    (0..MESSAGES_TO_WARM_UP / MESSAGES_PER_ROUND).for_each(|_| {
        round();
    });
    (0..ROUNDS).map(|_| round()).min().expect("some rounds")
}

/// Longer than an ack waits for a batch to ride in, in nanoseconds.
const ACKS_WAIT_NS: u64 = 50_000_000;

/// What the disk was asked.
enum Work {
    Flush(OperationId),
    File(OperationId),
}

/// One broker and one peer; their memory is used again.
struct Shard {
    broker: Broker,
    effects: Effects<Mail>,
    list: Vec<Effect<Mail>>,
    work: VecDeque<Work>,
    now: Now,
    writer: FrameWriter,
    sent: Vec<u8>,
    received: Vec<u8>,
}

impl Shard {
    /// With one topic, of one queue.
    fn new(kind: TopicKind, level: Level) -> Self {
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
                table::TopicCreateArgs { name, kind, level, queue_count: 1, ..Default::default() };
            table::TopicCreate::create(builder, &args)
        });
        assert_eq!(shard.last_kind(), Some(Kind::TopicInfo));
        shard
    }

    /// The peer sends a frame, and everything happens that comes of it.
    fn send<T>(
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

    /// Acks ride in the next batch, or start a flush of their own after a while.
    fn flush_acks(&mut self) {
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
                | Effect::Halt { .. }
                | Effect::Stop => panic!("not in these tests: {effect:?}"),
            }
        }
        self.effects.clear();
    }

    /// The frames the peer received since it last sent one.
    fn frames(&self) -> impl Iterator<Item = Frame<'_>> {
        let mut rest = self.received.as_slice();
        std::iter::from_fn(move || {
            let Ok(Decoded::Frame { frame, bytes_taken }) = Frame::decode(rest) else {
                return None;
            };
            rest = &rest[bytes_taken..];
            Some(frame)
        })
    }

    fn last_kind(&self) -> Option<Kind> {
        self.frames().last()?.kind()
    }

    fn frame_of(&self, kind: Kind) -> Frame<'_> {
        let found = self.frames().find(|frame| frame.kind() == Some(kind));
        found.unwrap_or_else(|| panic!("no {kind:?} among {:?}", self.last_kind()))
    }

    fn publish(&mut self, records: &[u8]) {
        self.send(Kind::Publish, records, |builder| {
            let args = table::PublishArgs { queue: QUEUE.0, count: 1, ..Default::default() };
            table::Publish::create(builder, &args)
        });
    }
}

const QUEUE: QueueId = QueueId::new(TopicId(1), 0);

fn store_config() -> StoreConfig {
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
        seed: 3,
    }
}

/// A section of one record.
fn section() -> Vec<u8> {
    let mut section = Vec::new();
    let body = [7; 256];
    let properties = Properties::default();
    let record = Record { born_ns: 1, key: b"key", tag: b"", properties, body: &body };
    write_record(&mut section, &record, 4096).expect("small");
    section
}

fn publish_allocations(level: Level) -> usize {
    let mut shard = Shard::new(TopicKind::Event, level);
    let records = section();
    allocations(|| {
        shard.publish(&records);
        assert_eq!(shard.last_kind(), Some(Kind::Receipt));
    })
}

/// A publish, its delivery to a member, and the member's ack, answered.
fn consume_allocations() -> usize {
    let mut shard = Shard::new(TopicKind::Event, Level::Durable);
    let records = section();
    shard.send(Kind::Subscribe, &[], |builder| {
        let group = Some(builder.create_string("g"));
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
    let assigned: table::Assigned<'_> = shard.frame_of(Kind::Assigned).read().expect("an Assigned");
    let (member, lease_epoch) = (assigned.member(), assigned.lease_epoch());
    allocations(|| {
        shard.publish(&records);
        let delivered: table::Deliver<'_> =
            shard.frame_of(Kind::Deliver).read().expect("a Deliver");
        let offset = delivered.first_offset();
        shard.send(Kind::Ack, &[], |builder| {
            let offsets = Some(builder.create_vector(&[offset]));
            let args = table::AckArgs { member, queue: QUEUE.0, lease_epoch, offsets };
            table::Ack::create(builder, &args)
        });
        shard.flush_acks();
        assert_eq!(shard.last_kind(), Some(Kind::Done));
    })
}

/// A request, the call of a responder, its reply, and the outcome.
fn request_allocations() -> usize {
    let mut shard = Shard::new(TopicKind::Service, Level::Memory);
    let records = section();
    shard.send(Kind::Serve, &[], |builder| {
        let service = Some(builder.create_string("t"));
        table::Serve::create(builder, &table::ServeArgs { service, concurrency: 8 })
    });
    assert_eq!(shard.last_kind(), Some(Kind::Served));
    allocations(|| {
        shard.send(Kind::Request, &records, |builder| {
            let args = table::RequestArgs { queue: QUEUE.0, time_left_us: 1_000_000 };
            table::Request::create(builder, &args)
        });
        let call: table::Call<'_> = shard.frame_of(Kind::Call).read().expect("a Call");
        let responder = call.responder();
        let reply_to = *call.reply_to().expect("filled");
        shard.send(Kind::Reply, &records, |builder| {
            let args = table::ReplyArgs { responder, reply_to: Some(&reply_to) };
            table::Reply::create(builder, &args)
        });
        assert_eq!(shard.frame_of(Kind::Outcome).section, records);
    })
}

#[test]
fn a_warm_shard_allocates_nothing_for_a_message() {
    assert_eq!(publish_allocations(Level::Durable), 0, "a durable publish");
    assert_eq!(publish_allocations(Level::Memory), 0, "a publish in memory");
    assert_eq!(consume_allocations(), 0, "a delivery and its ack");
    assert_eq!(request_allocations(), 0, "a request and its reply");
    let planted = || drop(std::hint::black_box(Bytes::copy_from_slice(&[1; 64])));
    assert!(allocations(planted) >= MESSAGES_PER_ROUND, "an allocation would be counted");
}
