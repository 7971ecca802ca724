//! Cases: what is counted, by name. Each makes its setting and gives the work to be repeated.

use crate::stepped::{self, QUEUE, Stepped, section};
use sim::disk::SimDisk;
use std::hint::black_box;
use storage::Store;
use storage::plan::Plan;
use storage::store::{Publish, QueueLevel, Read, StoreConfig};
use wire::frame::Decoded;
use wire::record::check_section;
use wire::table::{Level, TopicKind};
use wire::{Epoch, Frame, FrameWriter, Kind, Offset, ProducerId, table};

/// Work to be repeated.
type Work = Box<dyn FnMut()>;
/// A name, and how its work is made.
type Case = (&'static str, fn() -> Work);

/// Every case. A name is never used for other work: its counts are compared from commit to commit.
pub(crate) const ALL: &[Case] = &[
    ("frame_read", frame_read),
    ("frame_write", frame_write),
    ("section_check_1x256", || check(1, 256)),
    ("section_check_64x64", || check(64, 64)),
    ("section_check_64x256", || check(64, 256)),
    ("store_append_1x256", || append(1, 256, ProducerId(0))),
    ("store_append_64x256", || append(64, 256, ProducerId(0))),
    ("store_append_dedup_1x256", || append(1, 256, ProducerId(7))),
    ("store_find_and_read", find_and_read),
    ("shard_publish_durable_1x256", || publish(Level::Durable, 1, 256)),
    ("shard_publish_durable_64x256", || publish(Level::Durable, 64, 256)),
    ("shard_publish_durable_1x1024", || publish(Level::Durable, 1, 1024)),
    ("shard_publish_memory_1x64", || publish(Level::Memory, 1, 64)),
    ("shard_publish_memory_64x64", || publish(Level::Memory, 64, 64)),
    ("shard_deliver_and_ack_1x256", deliver_and_ack),
    ("shard_deliver_64x256", deliver),
    ("shard_request_64", request),
    ("machine_mail", || Box::new(shard::floor::mail())),
    ("machine_timer", || Box::new(shard::floor::timer())),
];

fn publish_frame() -> Vec<u8> {
    let mut bytes = Vec::new();
    FrameWriter::default().write(&mut bytes, Kind::Publish, 1, &[&section(1, 256)], |builder| {
        let args = table::PublishArgs { queue: QUEUE.0, count: 1, ..Default::default() };
        table::Publish::create(builder, &args)
    });
    bytes
}

/// A header checked, a table verified and read.
fn frame_read() -> Work {
    let bytes = publish_frame();
    Box::new(move || {
        let Ok(Decoded::Frame { frame, .. }) = Frame::decode(black_box(&bytes)) else {
            panic!("a whole frame")
        };
        let publish: table::Publish<'_> = frame.read().expect("a Publish");
        black_box((publish.queue(), publish.sequence(), publish.count()));
    })
}

fn frame_write() -> Work {
    let (mut writer, mut out) = (FrameWriter::default(), Vec::new());
    Box::new(move || {
        out.clear();
        writer.write(&mut out, Kind::Receipt, 1, &[], |builder| {
            let args = table::ReceiptArgs { queue: 1, first_offset: 2, ..Default::default() };
            table::Receipt::create(builder, &args)
        });
        black_box(&out);
    })
}

/// What every record costs at the door: its form and its checksum.
fn check(count: u32, body_bytes: usize) -> Work {
    let section = section(count, body_bytes);
    Box::new(move || {
        let bytes_max = wire::limits::RECORD_BYTES_DEFAULT;
        check_section(black_box(&section), count, bytes_max).expect("sound");
    })
}

/// A store of one durable queue.
struct Stored {
    store: Store,
    plans: Vec<Plan>,
    now_ns: u64,
}

impl Stored {
    fn new() -> Self {
        let config = StoreConfig { recent_bytes_max: 8 << 20, ..stepped::store_config() };
        let now_ns = 1_800_000_000_000_000_000;
        let opened = Store::open(&config, &mut SimDisk::new(), now_ns, false).expect("empty");
        let mut store = opened.store;
        store.create_queue(QUEUE, QueueLevel::Durable, 0);
        Self { store, plans: Vec::new(), now_ns }
    }

    /// One section appended, closed into a batch and said to be on the disk.
    fn publish(&mut self, section: &[u8], count: u32, by: ProducerId, sequence: u64) -> Offset {
        self.now_ns += 1000;
        let publish = Publish {
            queue: QUEUE,
            producer: by,
            epoch: Epoch(0),
            sequence,
            count,
            records: section,
            accepted_ns: self.now_ns,
        };
        let published = self.store.publish(&publish).expect("room");
        self.store.turn(self.now_ns, self.now_ns, &mut self.plans);
        for plan in self.plans.drain(..) {
            match plan {
                Plan::Flush { op, .. } => self.store.flushed(op),
                Plan::Prepare { op, .. }
                | Plan::Recycle { op, .. }
                | Plan::WriteAt { op, .. }
                | Plan::WriteSuperblock { op, .. }
                | Plan::Replace { op, .. }
                | Plan::Remove { op, .. } => self.store.file_done(op, Ok(())).expect("fine"),
                Plan::Read { .. } => panic!("all is in memory"),
            }
        }
        published.first_offset
    }
}

/// Dedup, index, one copy and the batch's checksums.
fn append(count: u32, body_bytes: usize, by: ProducerId) -> Work {
    let (mut stored, section, mut sequence) = (Stored::new(), section(count, body_bytes), 0);
    Box::new(move || {
        stored.publish(&section, count, by, sequence);
        sequence += u64::from(count);
    })
}

/// One of the newest of many sections found by its offset, and read from memory.
fn find_and_read() -> Work {
    let (mut stored, section) = (Stored::new(), section(1, 256));
    let newest = (0..1500).map(|_| stored.publish(&section, 1, ProducerId(0), 0)).last();
    let newest = newest.expect("some were published").0;
    let mut back = 0;
    Box::new(move || {
        back = (back + 3) % 7;
        let read = stored.store.read(QUEUE, Offset(newest - back), 1, 4096);
        assert!(matches!(black_box(read), Read::Records { count: 1, .. }), "it is in memory");
    })
}

/// A frame in, its flush, the receipt out; a turn of its own.
fn publish(level: Level, count: u32, body_bytes: usize) -> Work {
    let (mut shard, section) = (Stepped::new(TopicKind::Event, level), section(count, body_bytes));
    Box::new(move || shard.publish(&section, count))
}

/// A publish, its delivery, and the ack's flush.
fn deliver_and_ack() -> Work {
    let (mut shard, section) = (Stepped::new(TopicKind::Event, Level::Durable), section(1, 256));
    let member = shard.subscribe();
    Box::new(move || {
        shard.publish(&section, 1);
        let offset = shard.delivered();
        shard.ack(member, offset);
    })
}

/// A publish, its delivery in one frame, and the commit's flush.
fn deliver() -> Work {
    let (mut shard, section) = (Stepped::new(TopicKind::Event, Level::Durable), section(64, 256));
    let member = shard.subscribe();
    Box::new(move || {
        shard.publish(&section, 64);
        let offset = shard.delivered();
        shard.commit(member, offset + 64);
    })
}

/// Request, call, reply, outcome: two turns.
fn request() -> Work {
    let (mut shard, section) = (Stepped::new(TopicKind::Service, Level::Memory), section(1, 64));
    shard.serve();
    Box::new(move || shard.request(&section))
}
