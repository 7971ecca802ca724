//! Tests of the store, over a disk in memory: what is asked of each file of it, and of all together.

mod consuming;
mod crashes;
mod damage;
mod flips;
mod memory_queues;
mod publishing;
mod reading;
mod restarts;
mod retaining;
mod scrub;

use super::*;
use crate::plan::Plan;
use crate::segment::QueueRange;
use crate::testing::{Done, FakeDisk};
use wire::record::{Properties, Record, check_section, write_record};
use wire::{Epoch, GroupId, Offset, ProducerId, ShardId, TopicId};

const SEGMENT_BYTES: u64 = 256 * 1024;
const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;
const QUEUE: QueueId = QueueId::new(TopicId(1), 0);
const GROUP: GroupId = GroupId(1);

pub(super) fn config() -> StoreConfig {
    StoreConfig {
        shard: ShardId(1),
        node_id: 7,
        cluster_id: 8,
        segment_bytes: SEGMENT_BYTES,
        record_bytes_max: 16 * 1024,
        batch_bytes_max: 64 * 1024,
        recent_bytes_max: 64 * 1024,
        read_cache_bytes_max: 512 * 1024,
        memory_bytes_max: 64 * 1024,
        log_bytes_max: 8 * SEGMENT_BYTES,
        retention_ns: 3600 * SECOND,
        prepared_segments: 1,
        snapshot_log_bytes: 1 << 40,
        snapshot_interval_ns: 0,
        scrub_period_ns: 0,
        scrub_bytes_per_second_max: 64 << 20,
        seed: 1,
    }
}

/// A section of `count` records; the body of each starts with its number.
fn section(first: u64, count: u32, body_bytes: usize) -> Vec<u8> {
    let mut section = Vec::new();
    for number in first..first + u64::from(count) {
        let mut body = vec![7; body_bytes.max(8)];
        body[..8].copy_from_slice(&number.to_le_bytes());
        let properties = Properties::default();
        let record = Record { born_ns: 1, key: b"k", tag: b"", properties, body: &body };
        write_record(&mut section, &record, 1 << 20).expect("small enough");
    }
    section
}

/// The numbers in the bodies of a section.
fn numbers(bytes: &[u8], count: u32) -> Vec<u64> {
    assert_eq!(check_section(bytes, count, 1 << 20), Ok(()));
    let body =
        |record: Record<'_>| record.body.first_chunk().map(|number| u64::from_le_bytes(*number));
    wire::record::records(bytes).filter_map(|(record, _)| body(record)).collect()
}

/// A store, its disk, and what is under way.
struct House {
    config: StoreConfig,
    disk: FakeDisk,
    store: Store,
    catalog: Vec<Bytes>,
    report: RecoveryReport,
    plans: Vec<Plan>,
    mono_ns: u64,
    wall_ns: u64,
}

impl House {
    fn new(config: &StoreConfig) -> Self {
        Self::open(config, FakeDisk::new(), 1_000_000 * SECOND)
    }

    fn open(config: &StoreConfig, mut disk: FakeDisk, wall_ns: u64) -> Self {
        let opened = Store::open(config, &mut disk, wall_ns, false).expect("it opens");
        Self {
            config: config.clone(),
            disk,
            store: opened.store,
            catalog: opened.catalog,
            report: opened.report,
            plans: Vec::new(),
            mono_ns: 0,
            wall_ns,
        }
    }

    /// With one durable queue.
    fn with_queue(config: &StoreConfig) -> Self {
        let mut house = Self::new(config);
        house.store.create_queue(QUEUE, QueueLevel::Durable, 0);
        house
    }

    /// The process ends here; what was not carried out is lost.
    fn restart(self) -> Self {
        let mut house = Self::open(&self.config, self.disk, self.wall_ns);
        house.store.create_queue(QUEUE, QueueLevel::Durable, 0);
        house
    }

    fn plan(&mut self) {
        self.mono_ns += MS;
        self.wall_ns += MS;
        self.store.turn(self.mono_ns, self.wall_ns, &mut self.plans);
    }

    fn tell(&mut self, done: Done) {
        match done {
            Done::Flushed(op) => self.store.flushed(op),
            Done::Read(op, result) => self.store.read_done(op, result),
            Done::File(op, result) => assert_eq!(self.store.file_done(op, result), Ok(())),
        }
    }

    /// One turn, with everything done at its end.
    fn turn(&mut self) {
        self.plan();
        for plan in std::mem::take(&mut self.plans) {
            let done = self.disk.carry_out(&plan);
            self.tell(done);
        }
    }

    fn turns(&mut self, count: usize) {
        (0..count).for_each(|_| self.turn());
    }

    fn publish_as(
        &mut self,
        queue: QueueId,
        (producer, epoch, sequence): (u64, u32, u64),
        section: &[u8],
        count: u32,
    ) -> Result<Published, PublishRefused> {
        self.store.publish(&Publish {
            queue,
            producer: ProducerId(producer),
            epoch: Epoch(epoch),
            sequence,
            count,
            records: section,
            accepted_ns: self.wall_ns,
        })
    }

    /// Publishes `count` records numbered like their offsets.
    fn publish(&mut self, queue: QueueId, count: u32, body_bytes: usize) -> Published {
        for _ in 0..10 {
            let end = self.store.ends(queue).expect("it is there").appended_end;
            let section = section(end.0, count, body_bytes);
            match self.publish_as(queue, (0, 0, 0), &section, count) {
                Ok(published) => return published,
                Err(PublishRefused::Busy) => self.turn(),
                Err(refused) => panic!("{refused:?}"),
            }
        }
        panic!("busy for ever")
    }

    /// Publishes sections of one record until the log has so many segments.
    fn fill(&mut self, queue: QueueId, segments: usize) {
        while self.store.log.usage().segments < segments {
            self.publish(queue, 1, 8 * 1024);
            self.turn();
        }
    }

    /// One turn, not before what rests may go on.
    fn turn_when_due(&mut self) {
        let due_ns = self.store.reader.deadline_ns().unwrap_or(0);
        self.mono_ns = self.mono_ns.max(due_ns);
        self.turn();
    }

    /// One read, waiting as long as it takes.
    fn read(&mut self, queue: QueueId, from: Offset) -> Read {
        for _ in 0..200 {
            match self.store.read(queue, from, u32::MAX, usize::MAX) {
                Read::Wait(_) => self.turn_when_due(),
                read @ (Read::Records { .. } | Read::Gap { .. } | Read::End) => return read,
            }
        }
        panic!("it waits for ever")
    }

    /// Everything there is to read: offsets in order, gaps as (from, to, reason).
    fn read_all(&mut self, queue: QueueId, from: Offset) -> (Vec<u64>, Vec<(u64, u64, GapReason)>) {
        let (mut seen, mut gaps) = (Vec::new(), Vec::new());
        let mut from = from;
        loop {
            match self.read(queue, from) {
                Read::Records { first_offset, count, bytes, .. } => {
                    assert_eq!(first_offset, from);
                    let offsets: Vec<u64> = (from.0..from.0 + u64::from(count)).collect();
                    assert_eq!(numbers(&bytes, count), offsets, "each record at its own offset");
                    seen.extend(offsets);
                    from = from.plus(u64::from(count));
                }
                Read::Gap { to, reason } => {
                    assert!(to > from, "a gap leads on");
                    gaps.push((from.0, to.0, reason));
                    from = to;
                }
                Read::End => return (seen, gaps),
                Read::Wait(_) => panic!("`read` waited"),
            }
        }
    }

    fn visible_end(&self, queue: QueueId) -> Offset {
        self.store.ends(queue).expect("it is there").visible_end
    }

    fn counter(&self, name: &str) -> u64 {
        let counters = self.store.counters();
        counters.iter().find(|(other, _)| *other == name).expect("a counter").1
    }
}
