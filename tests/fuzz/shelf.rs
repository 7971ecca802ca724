//! Shelf: one real store on a disk in memory, for the targets of `files`.
//!
//! `sound` makes a directory with all there is: several segments, sealed and open,
//! index files, snapshots, positions, a producer's window, catalog changes, a
//! memory queue. Bodies follow from their offsets, so a wrong byte is known.

use sim::disk::SimDisk;
use std::sync::LazyLock;
use storage::Store;
use storage::plan::{Disk, DiskFault, FileName, Plan};
use storage::store::{OpenError, Publish, QueueLevel, Read, StoreConfig};
use wire::record::{Properties, Record, records, write_record};
use wire::{Epoch, GroupId, Offset, ProducerId, QueueId, ShardId, TopicId};

/// The queue whose records are read back.
pub(crate) const QUEUE: QueueId = QueueId::new(TopicId(1), 0);
/// A queue that is only in memory.
const MEMORY_QUEUE: QueueId = QueueId::new(TopicId(2), 0);
const GROUP: GroupId = GroupId(1);
const PRODUCER: ProducerId = ProducerId(5);
/// Records of the sound directory: enough for four segments.
const RECORDS: u64 = 56;
/// Turns until a store has done what it wanted.
const TURNS_MAX: usize = 2000;
/// Bytes an opening may read, for each byte there is.
const READS_MAX: u64 = 16;

/// A store and what its disk does for it.
pub(crate) struct Shelf {
    store: Store,
    disk: SimDisk,
    now_ns: u64,
}

/// A disk that counts what is read.
struct Counted<'a> {
    disk: &'a mut SimDisk,
    read_bytes: u64,
}

impl Disk for Counted<'_> {
    fn segments(&mut self) -> Result<Vec<u64>, DiskFault> {
        self.disk.segments()
    }

    fn snapshots(&mut self) -> Result<Vec<u64>, DiskFault> {
        self.disk.snapshots()
    }

    fn length(&mut self, file: FileName) -> Result<u64, DiskFault> {
        self.disk.length(file)
    }

    fn read(&mut self, file: FileName, position: u64, into: &mut [u8]) -> Result<(), DiskFault> {
        self.read_bytes += into.len() as u64;
        self.disk.read(file, position, into)
    }

    fn apply(&mut self, plan: &Plan) -> Result<(), DiskFault> {
        self.disk.apply(plan)
    }

    fn free_bytes(&mut self) -> Result<u64, DiskFault> {
        self.disk.free_bytes()
    }
}

/// The sound directory; made once.
pub(crate) fn sound() -> SimDisk {
    static SOUND: LazyLock<SimDisk> = LazyLock::new(|| {
        let (mut shelf, _) = Shelf::open(SimDisk::new(), false).expect("an empty directory");
        shelf.fill();
        shelf.disk
    });
    SOUND.clone()
}

/// Opens a directory as it was damaged, reads all of it, writes to it, opens it again.
/// Whether it was found sound; not to open at all is fine, too.
pub(crate) fn judge(disk: &SimDisk) -> bool {
    let opened = Shelf::open(disk.clone(), false);
    let refused = opened.is_err();
    let Ok((mut shelf, sound)) = opened.or_else(|_| Shelf::open(disk.clone(), true)) else {
        return false;
    };
    shelf.store.create_queue(QUEUE, QueueLevel::Durable, u64::MAX);
    shelf.store.create_queue(MEMORY_QUEUE, QueueLevel::Memory, u64::MAX);
    shelf.read_all();
    let ends = shelf.store.ends(QUEUE).expect("made above");
    assert!(ends.start <= ends.visible_end && ends.visible_end <= ends.appended_end, "{ends:?}");
    shelf.publish(QUEUE, 0);
    // A group goes on, or is told that it cannot.
    if let Ok((epoch, _)) = shelf.store.grant(QUEUE, GROUP, Offset(0)) {
        let _ = shelf.store.ack(QUEUE, GROUP, epoch, &[ends.start]);
    }
    shelf.run();
    shelf.read_all();
    let again = Shelf::open(shelf.disk, true);
    assert!(again.is_ok(), "what was opened and written to opens again: {:?}", again.err());
    sound && !refused
}

impl Shelf {
    /// A store, and whether nothing was found wrong.
    fn open(mut disk: SimDisk, accept_loss: bool) -> Result<(Self, bool), OpenError> {
        let there = length_of_all(&mut disk);
        let mut counted = Counted { disk: &mut disk, read_bytes: 0 };
        let opened = Store::open(&config(), &mut counted, 1_800_000_000_000_000_000, accept_loss);
        let read = counted.read_bytes;
        assert!(read <= READS_MAX * (there + (1 << 20)), "{read} bytes read of {there}");
        let opened = opened?;
        let sound = opened.report.damaged.is_empty() && opened.report.cut_bytes == 0;
        Ok((Self { store: opened.store, disk, now_ns: 1_000_000_000 }, sound))
    }

    fn fill(&mut self) {
        self.store.create_queue(QUEUE, QueueLevel::Durable, u64::MAX);
        self.store.create_queue(MEMORY_QUEUE, QueueLevel::Memory, u64::MAX);
        self.store.open_producer(PRODUCER, Epoch(1));
        self.run();
        let (epoch, _) = self.store.grant(QUEUE, GROUP, Offset(0)).expect("the first lease");
        for number in 0..RECORDS {
            self.publish(QUEUE, if number % 3 == 0 { number / 3 + 1 } else { 0 });
            self.run();
            if number % 8 == 7 {
                self.store
                    .note_catalog(format!("change {number}").as_bytes(), false)
                    .expect("room");
                self.store.ack(QUEUE, GROUP, epoch, &[Offset(number)]).expect("visible");
            }
            if number == RECORDS / 2 {
                self.store.nack(QUEUE, GROUP, epoch, Offset(3)).expect("visible");
                self.store.commit(QUEUE, GROUP, epoch, Offset(3)).expect("visible");
            }
        }
        self.publish(MEMORY_QUEUE, 0);
        self.run();
        let found = self.disk.snapshots().expect("readable").len();
        let segments = self.disk.segments().expect("readable");
        assert!(found > 0 && segments.len() > 3, "there is something of everything");
        assert!(self.disk.length(FileName::Index(segments[0])).is_ok());
    }

    /// One record; `sequence` 0: by nobody in particular, else the one after it.
    fn publish(&mut self, queue: QueueId, sequence: u64) {
        let Some(ends) = self.store.ends(queue) else { return };
        let mut section = Vec::new();
        let (body, properties) = (body_at(ends.appended_end), Properties::default());
        let record = Record { born_ns: 1, key: b"k", tag: b"", properties, body: &body };
        write_record(&mut section, &record, 8192).expect("small");
        let (producer, epoch) =
            if sequence == 0 { (ProducerId(0), Epoch(0)) } else { (PRODUCER, Epoch(1)) };
        // A store that was damaged may refuse.
        let _ = self.store.publish(&Publish {
            queue,
            producer,
            epoch,
            sequence: sequence.saturating_sub(1),
            count: 1,
            records: &section,
            accepted_ns: 1_800_000_000_000_000_000 + self.now_ns,
        });
    }

    /// The disk does all that the store wants.
    fn run(&mut self) {
        let mut idle = 0;
        for _ in 0..TURNS_MAX {
            let mut plans = Vec::new();
            self.now_ns += 50_000_000;
            self.store.turn(self.now_ns, 1_800_000_000_000_000_000 + self.now_ns, &mut plans);
            idle = if plans.is_empty() { idle + 1 } else { 0 };
            if idle == 3 {
                return;
            }
            for plan in &plans {
                self.carry_out(plan);
            }
        }
        panic!("a store that never comes to rest");
    }

    fn carry_out(&mut self, plan: &Plan) {
        match plan {
            Plan::Flush { op, segment, head, position, batch } => {
                let file = FileName::Segment(*segment);
                if let Some(head) = head {
                    self.disk.write_unsynced(file, 0, head);
                }
                self.disk.write_unsynced(file, u64::from(*position), batch);
                self.disk.sync(file);
                self.store.flushed(*op);
            }
            Plan::Read { op, file, position, bytes } => {
                let there = self.disk.length(*file).unwrap_or(0);
                let end = position + u64::from(*bytes);
                let result = if end <= there {
                    let mut into = vec![0; *bytes as usize];
                    self.disk.read(*file, *position, &mut into).map(|()| into.into())
                } else {
                    Err(DiskFault::Short)
                };
                self.store.read_done(*op, result);
            }
            Plan::Prepare { op, .. }
            | Plan::Recycle { op, .. }
            | Plan::WriteAt { op, .. }
            | Plan::WriteSuperblock { op, .. }
            | Plan::Replace { op, .. }
            | Plan::Remove { op, .. } => {
                let result = self.disk.apply(plan);
                self.store.file_done(*op, result).expect("no disk fails here");
            }
        }
    }

    /// Reads the queue from its start to its end: what is served is what was published there.
    fn read_all(&mut self) {
        let Some(ends) = self.store.ends(QUEUE) else { return };
        let mut from = ends.start;
        for _ in 0..TURNS_MAX {
            match self.store.read(QUEUE, from, 64, 1 << 20) {
                Read::Records { first_offset, count, bytes, .. } => {
                    assert!(count > 0 && first_offset <= from, "{first_offset} for {from}");
                    let read = records(&bytes).map(|(record, _)| record.body.to_vec());
                    for (offset, body) in (first_offset.0..).map(Offset).zip(read) {
                        assert_eq!(body, body_at(offset), "a wrong byte at offset {offset}");
                    }
                    let end = first_offset.plus(u64::from(count));
                    assert!(end > from, "reading moves on");
                    from = end;
                }
                Read::Gap { to, .. } => {
                    assert!(to > from, "a gap from {from} to {to}");
                    from = to;
                }
                Read::Wait(_) => self.run(),
                Read::End => return,
            }
        }
        panic!("a queue without an end");
    }
}

/// What is published at an offset.
fn body_at(offset: Offset) -> Vec<u8> {
    offset.0.to_le_bytes().repeat(256)
}

fn length_of_all(disk: &mut SimDisk) -> u64 {
    let segments = disk.segments().expect("readable").into_iter();
    let snapshots = disk.snapshots().expect("readable").into_iter();
    let files: Vec<FileName> = segments
        .flat_map(|number| [FileName::Segment(number), FileName::Index(number)])
        .chain(snapshots.map(FileName::Snapshot))
        .collect();
    files.into_iter().map(|file| disk.length(file).unwrap_or(0)).sum()
}

fn config() -> StoreConfig {
    StoreConfig {
        shard: ShardId(0),
        node_id: 1,
        cluster_id: 2,
        segment_bytes: 128 << 10,
        record_bytes_max: 8192,
        batch_bytes_max: 16 << 10,
        recent_bytes_max: 4096,
        read_cache_bytes_max: 64 << 10,
        memory_bytes_max: 64 << 10,
        log_bytes_max: 1 << 30,
        retention_ns: u64::MAX,
        prepared_segments: 1,
        snapshot_log_bytes: 16 << 10,
        snapshot_interval_ns: 1,
        scrub_period_ns: 0,
        scrub_bytes_per_second_max: 1,
        seed: 3,
    }
}
