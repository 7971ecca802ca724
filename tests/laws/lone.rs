//! Lone: one real broker on one disk and with one peer, moved by hand.
//!
//! The disk does nothing until `settle`, so a test sees what the broker says
//! before anything is synced. `lose_power` keeps only what was done.

use bytes::Bytes;
use defibus::broker::Broker;
use defibus::broker::catalog::Catalogue;
use defibus::broker::disk::name_of;
use defibus::broker::mail::Mail;
use defibus::broker::settings::Settings;
use flatbuffers::{FlatBufferBuilder, WIPOffset};
use shard::{ConnectionId, Core, Effect, Effects, Event, Now, Room};
use sim::disk::SimDisk;
use sim::node::plan_of;
use std::collections::VecDeque;
use storage::Store;
use storage::plan::{Disk, FileName};
use storage::store::StoreConfig;
use wire::frame::Decoded;
use wire::record::{Properties, Record, write_record};
use wire::table::TopicKind;
use wire::{Frame, FrameWriter, Kind, QueueId, ShardId, table};

const PEER: ConnectionId = ConnectionId { slot: 0, generation: 1 };

/// A frame the peer got.
#[derive(Clone, Debug)]
pub(crate) struct Received(Vec<u8>);

impl Received {
    pub(crate) fn frame(&self) -> Frame<'_> {
        let Ok(Decoded::Frame { frame, .. }) = Frame::decode(&self.0) else {
            panic!("a broker sends whole frames");
        };
        frame
    }

    pub(crate) fn kind(&self) -> Kind {
        self.frame().kind().expect("a broker sends known kinds")
    }
}

/// A broker alone.
pub(crate) struct Lone {
    broker: Broker,
    effects: Effects<Mail>,
    now: Now,
    disk: SimDisk,
    /// What the disk was asked and has not done.
    work: VecDeque<Effect<Mail>>,
    received: VecDeque<Received>,
    writer: FrameWriter,
    settings: Settings,
    store: StoreConfig,
}

impl Lone {
    /// A new node of one shard, its peer connected, its bounds as `bound` sets them.
    pub(crate) fn new(bound: impl FnOnce(&mut Settings, &mut StoreConfig)) -> Self {
        let mut settings = Settings::new(ShardId(0), 1);
        let mut store = store_config();
        bound(&mut settings, &mut store);
        Self::open(SimDisk::new(), settings, store)
    }

    /// The disk of a node that stored some records, and their queue.
    pub(crate) fn with_records() -> (SimDisk, QueueId) {
        let mut lone = Self::new(|_, _| {});
        let queue = QueueId(lone.create_topic(TopicKind::Event));
        for number in 0..6_u8 {
            lone.publish(queue.0, &[number; 700]);
            lone.settle();
        }
        (lone.disk, queue)
    }

    /// Creates the topic `A10-20190001` and returns the id of its queue.
    pub(crate) fn create_topic(&mut self, kind: TopicKind) -> u64 {
        self.send(Kind::TopicCreate, 2, &[], |builder| {
            let name = Some(builder.create_string("A10-20190001"));
            let args = table::TopicCreateArgs { name, kind, queue_count: 1, ..Default::default() };
            table::TopicCreate::create(builder, &args)
        });
        self.settle();
        let info = self.next().expect("an answer");
        assert_eq!(info.kind(), Kind::TopicInfo);
        let queues = info.frame().read::<table::TopicInfo<'_>>().expect("sound").queues();
        queues.expect("one queue").get(0).id()
    }

    /// The peer publishes one record without a producer.
    pub(crate) fn publish(&mut self, queue: u64, body: &[u8]) {
        self.send(Kind::Publish, 3, &section(body), |builder| {
            let args = table::PublishArgs { queue, count: 1, ..Default::default() };
            table::Publish::create(builder, &args)
        });
    }

    /// Power fails: the node starts again from what the disk has done.
    pub(crate) fn lose_power(self) -> Self {
        Self::open(self.disk, self.settings, self.store)
    }

    fn open(mut disk: SimDisk, settings: Settings, store: StoreConfig) -> Self {
        let now = Now { mono_ns: 1_000_000_000, wall_ns: 1_800_000_000_000_000_000 };
        let opened = Store::open(&store, &mut disk, now.wall_ns, false).expect("a sound directory");
        let catalogue = Catalogue::rebuild(&opened.catalog).expect("a sound catalog");
        let mut lone = Self {
            broker: Broker::new(settings.clone(), opened.store, catalogue),
            effects: Effects::new(1),
            now,
            disk,
            work: VecDeque::new(),
            received: VecDeque::new(),
            writer: FrameWriter::default(),
            settings,
            store,
        };
        lone.step(Event::Started);
        lone.settle();
        lone.step(Event::Connected { connection: PEER });
        lone.send(Kind::Hello, 1, &[], |builder| {
            let client = Some(builder.create_string("peer"));
            let args =
                table::HelloArgs { version_min: 1, version_max: 1, client, ..Default::default() };
            table::Hello::create(builder, &args)
        });
        assert_eq!(lone.next().map(|welcome| welcome.kind()), Some(Kind::Welcome));
        lone
    }

    /// The peer sends a frame; the broker's turn ends with it.
    pub(crate) fn send<T>(
        &mut self,
        kind: Kind,
        request_id: u64,
        section: &[u8],
        build: impl FnOnce(&mut FlatBufferBuilder<'static>) -> WIPOffset<T>,
    ) {
        let mut bytes = Vec::new();
        self.writer.write(&mut bytes, kind, request_id, &[section], build);
        let Ok(Decoded::Frame { frame, .. }) = Frame::decode(&bytes) else { panic!("whole") };
        self.step(Event::Frame { connection: PEER, frame });
    }

    /// What the peer got next.
    pub(crate) fn next(&mut self) -> Option<Received> {
        self.received.pop_front()
    }

    /// Length of all segments on the disk.
    pub(crate) fn log_bytes(&mut self) -> u64 {
        let numbers = self.disk.segments().expect("readable");
        let length = |number| self.disk.length(FileName::Segment(number)).expect("readable");
        numbers.into_iter().map(length).sum()
    }

    /// The disk does everything it was asked, and what comes of that.
    pub(crate) fn settle(&mut self) {
        while let Some(work) = self.work.pop_front() {
            self.finish(work);
        }
    }

    fn finish(&mut self, work: Effect<Mail>) {
        match work {
            Effect::Flush { operation, file, head, position, batch } => {
                if let Some(head) = head {
                    self.disk.write_unsynced(name_of(file), 0, &head);
                }
                self.disk.write_unsynced(name_of(file), position, &batch);
                self.disk.sync(name_of(file));
                self.step(Event::Flushed { operation, result: Ok(()) });
            }
            Effect::Read { operation, file, position, bytes } => {
                let mut into = vec![0; bytes as usize];
                let read = self.disk.read_running(name_of(file), position, &mut into);
                read.expect("the broker reads what it wrote");
                self.step(Event::ReadDone { operation, result: Ok(Bytes::from(into)) });
            }
            Effect::File { operation, task } => {
                self.disk.apply(&plan_of(operation, task)).expect("room enough");
                self.step(Event::FileDone { operation, result: Ok(()) });
            }
            Effect::Send { .. }
            | Effect::Close { .. }
            | Effect::Hold { .. }
            | Effect::Resume { .. }
            | Effect::Mail { .. }
            | Effect::Arm { .. }
            | Effect::Say { .. }
            | Effect::Halt { .. }
            | Effect::Stop => unreachable!("no work of a disk"),
        }
    }

    /// One event, and the end of its turn.
    fn step(&mut self, event: Event<'_, Mail>) {
        self.step_once(event);
        self.step_once(Event::TurnEnd);
    }

    fn step_once(&mut self, event: Event<'_, Mail>) {
        self.effects.clear();
        self.effects.rooms = vec![Room { mails: 64, ..Room::default() }];
        self.broker.step(self.now, event, &mut self.effects);
        for effect in std::mem::take(&mut self.effects.list) {
            match effect {
                Effect::Send { range, .. } => {
                    let sent = self.effects.bytes[range].to_vec();
                    self.receive(&sent);
                }
                Effect::Flush { .. } | Effect::Read { .. } | Effect::File { .. } => {
                    self.work.push_back(effect);
                }
                Effect::Say { line } => panic!("{line}"),
                Effect::Halt { code, reason } => panic!("halt {code}: {reason}"),
                Effect::Arm { .. }
                | Effect::Hold { .. }
                | Effect::Resume { .. }
                | Effect::Close { .. }
                | Effect::Mail { .. }
                | Effect::Stop => {}
            }
        }
    }

    fn receive(&mut self, mut sent: &[u8]) {
        while let Ok(Decoded::Frame { bytes_taken, .. }) = Frame::decode(sent) {
            self.received.push_back(Received(sent[..bytes_taken].to_vec()));
            sent = &sent[bytes_taken..];
        }
    }
}

/// A section of one record.
pub(crate) fn section(body: &[u8]) -> Vec<u8> {
    let mut section = Vec::new();
    let record = Record { born_ns: 1, key: b"", tag: b"", properties: Properties::default(), body };
    write_record(&mut section, &record, 1 << 20).expect("within limits");
    section
}

/// Small, with everything on.
pub(crate) fn store_config() -> StoreConfig {
    StoreConfig {
        shard: ShardId(0),
        node_id: 1,
        cluster_id: 2,
        segment_bytes: 1 << 20,
        record_bytes_max: 64 << 10,
        batch_bytes_max: 256 << 10,
        recent_bytes_max: 1 << 20,
        read_cache_bytes_max: 1 << 20,
        memory_bytes_max: 4 << 20,
        log_bytes_max: 1 << 40,
        retention_ns: u64::MAX,
        prepared_segments: 2,
        snapshot_log_bytes: 1 << 20,
        snapshot_interval_ns: 1_000_000_000,
        scrub_period_ns: 0,
        scrub_bytes_per_second_max: 64 << 20,
        seed: 3,
    }
}
