//! Allocation: a warm store allocates nothing per message, and an idle queue is small.
//!
//! The counter is process-wide and the test harness has a thread of its own, so
//! each measure is the least of several rounds: code that allocates does so in
//! every one of them. The last test plants an allocation to show that it counts.

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::collections::BTreeMap;
use std::hint::black_box;
use storage::store::{Publish, PublishRefused, QueueLevel, Read, StoreConfig};
use storage::{Disk, DiskFault, FileName, Plan, Store};
use wire::record::{Properties, Record, write_record};
use wire::{Epoch, GroupId, Offset, ProducerId, QueueId, ShardId, TopicId};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const ROUNDS: usize = 5;
/// Rounds of life until all buffers of the log were used, and a segment was left.
const WARM: usize = 3000;
const DURABLE: QueueId = QueueId::new(TopicId(1), 0);
const MEMORY: QueueId = QueueId::new(TopicId(2), 0);
const GROUP: GroupId = GroupId(1);
const MS: u64 = 1_000_000;

/// A directory that keeps what the start needs, and forgets flushed batches.
#[derive(Default)]
struct Directory(BTreeMap<FileName, Vec<u8>>);

impl Disk for Directory {
    fn segments(&mut self) -> Result<Vec<u64>, DiskFault> {
        let number = |file: &FileName| match file {
            FileName::Segment(number) => Some(*number),
            FileName::Index(_) | FileName::Snapshot(_) | FileName::Superblock => None,
        };
        Ok(self.0.keys().filter_map(number).collect())
    }

    fn snapshots(&mut self) -> Result<Vec<u64>, DiskFault> {
        Ok(Vec::new())
    }

    fn length(&mut self, file: FileName) -> Result<u64, DiskFault> {
        self.0.get(&file).map(|bytes| bytes.len() as u64).ok_or(DiskFault::Missing)
    }

    fn read(&mut self, file: FileName, at: u64, into: &mut [u8]) -> Result<(), DiskFault> {
        let bytes = self.0.get(&file).ok_or(DiskFault::Missing)?;
        let at = usize::try_from(at).map_err(|_| DiskFault::Short)?;
        into.copy_from_slice(bytes.get(at..at + into.len()).ok_or(DiskFault::Short)?);
        Ok(())
    }

    fn apply(&mut self, plan: &Plan) -> Result<(), DiskFault> {
        if let Plan::Prepare { segment, bytes, .. } = plan {
            let length = usize::try_from(*bytes).map_err(|_| DiskFault::NoSpace)?;
            self.0.insert(FileName::Segment(*segment), vec![0; length]);
        }
        Ok(())
    }

    fn free_bytes(&mut self) -> Result<u64, DiskFault> {
        Ok(u64::MAX)
    }
}

struct Shard {
    store: Store,
    plans: Vec<Plan>,
    section: Vec<u8>,
    sequence: u64,
    lease: Epoch,
    memory_lease: Epoch,
    now_ns: u64,
}

impl Shard {
    fn new() -> Self {
        let config = StoreConfig {
            shard: ShardId(0),
            node_id: 1,
            cluster_id: 2,
            segment_bytes: 64 << 20,
            record_bytes_max: 1 << 16,
            batch_bytes_max: 1 << 20,
            recent_bytes_max: 4 << 20,
            read_cache_bytes_max: 4 << 20,
            memory_bytes_max: 4 << 20,
            log_bytes_max: 1 << 30,
            retention_ns: u64::MAX,
            prepared_segments: 2,
            snapshot_log_bytes: u64::MAX,
            snapshot_interval_ns: 0,
            scrub_period_ns: 0,
            scrub_bytes_per_second_max: 64 << 20,
            seed: 1,
        };
        let opened = Store::open(&config, &mut Directory::default(), MS, false).expect("a new one");
        let mut section = Vec::new();
        let properties = Properties::default();
        let record = Record { born_ns: 1, key: b"key", tag: b"", properties, body: &[7; 200] };
        for _ in 0..4 {
            write_record(&mut section, &record, 4096).expect("small");
        }
        let mut shard = Self {
            store: opened.store,
            plans: Vec::with_capacity(64),
            section,
            sequence: 0,
            lease: Epoch(0),
            memory_lease: Epoch(0),
            now_ns: MS,
        };
        shard.store.create_queue(DURABLE, QueueLevel::Durable, 0);
        shard.store.create_queue(MEMORY, QueueLevel::Memory, 0);
        shard.lease = shard.store.grant(DURABLE, GROUP, Offset(0)).expect("granted").0;
        shard.memory_lease = shard.store.grant(MEMORY, GROUP, Offset(0)).expect("granted").0;
        shard.turn();
        shard
    }

    /// One turn; everything planned succeeds.
    fn turn(&mut self) {
        self.now_ns += MS;
        self.store.turn(self.now_ns, self.now_ns, &mut self.plans);
        for plan in self.plans.drain(..) {
            match plan {
                Plan::Flush { op, .. } => self.store.flushed(op),
                Plan::Prepare { op, .. }
                | Plan::Recycle { op, .. }
                | Plan::WriteAt { op, .. }
                | Plan::WriteSuperblock { op, .. }
                | Plan::Replace { op, .. }
                | Plan::Remove { op, .. } => self.store.file_done(op, Ok(())).expect("no fault"),
                Plan::Read { .. } => panic!("everything read here is recent"),
            }
        }
    }

    fn publish(&mut self, queue: QueueId) -> Offset {
        for _ in 0..10 {
            let publish = Publish {
                queue,
                producer: ProducerId(9),
                epoch: Epoch(1),
                sequence: self.sequence,
                count: 4,
                records: &self.section,
                accepted_ns: self.now_ns,
            };
            match self.store.publish(&publish) {
                Ok(published) => return published.first_offset,
                Err(PublishRefused::Busy) => self.turn(),
                Err(refused) => panic!("{refused:?}"),
            }
        }
        panic!("busy for ever")
    }

    /// The whole life of eight sections, on both levels.
    fn live(&mut self) {
        let mut firsts = [Offset(0); 4];
        for first in &mut firsts {
            *first = self.publish(DURABLE);
            self.publish(MEMORY);
            self.sequence += 4;
        }
        self.turn();
        for first in firsts {
            for (queue, lease) in [(DURABLE, self.lease), (MEMORY, self.memory_lease)] {
                let read = self.store.read(queue, first, 100, 1 << 20);
                assert!(matches!(black_box(read), Read::Records { count: 4, .. }));
                let acked = [first.plus(1), first, first.plus(2), first.plus(3)];
                self.store.ack(queue, GROUP, lease, &acked).expect("delivered");
            }
        }
    }
}

fn allocations(mut work: impl FnMut()) -> usize {
    let mut round = || {
        let region = Region::new(ALLOCATOR);
        work();
        let change = region.change();
        change.allocations + change.reallocations
    };
    (0..ROUNDS).map(|_| round()).min().expect("some rounds")
}

#[test]
fn messages_allocate_nothing_and_queues_little() {
    // One after the other: the counter knows no threads.
    a_warm_store_allocates_nothing_per_message();
    a_queue_used_once_takes_less_than_a_kibibyte();
}

fn a_warm_store_allocates_nothing_per_message() {
    let mut shard = Shard::new();
    for _ in 0..WARM {
        shard.live();
    }
    let count = allocations(|| {
        for _ in 0..20 {
            shard.live();
        }
    });
    assert_eq!(count, 0, "for 160 sections published, read and consumed");
}

fn a_queue_used_once_takes_less_than_a_kibibyte() {
    const QUEUES: u32 = 20_000;
    let mut shard = Shard::new();
    for _ in 0..WARM {
        shard.live();
    }
    let region = Region::new(ALLOCATOR);
    for topic in 0..QUEUES {
        let queue = QueueId::new(TopicId(100 + topic), 0);
        shard.store.create_queue(queue, QueueLevel::Durable, 0);
        shard.sequence = 0;
        shard.publish(queue);
        shard.turn();
    }
    let change = region.change();
    let bytes = change.bytes_allocated - change.bytes_deallocated;
    let per_queue = bytes / QUEUES as usize;
    assert!(per_queue <= 1024, "{per_queue} bytes a queue");
}

#[test]
fn a_planted_allocation_is_counted() {
    assert!(allocations(|| drop(black_box(Box::new([0_u8; 64])))) > 0);
}
