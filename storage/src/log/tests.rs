//! Tests of the log while it runs: placing, flushing, rolling, refusing, forgetting.

use super::*;
use crate::testing::{Done, FakeDisk};
use wire::{Offset, QueueId, ShardId};

pub(crate) const SEGMENT_BYTES: u64 = 256 * 1024;

/// A small log.
pub(crate) fn config() -> LogConfig {
    LogConfig {
        shard: ShardId(1),
        node_id: 7,
        cluster_id: 8,
        segment_bytes: SEGMENT_BYTES,
        record_bytes_max: 16 * 1024,
        batch_bytes_max: 64 * 1024,
        recent_bytes_max: 256 * 1024,
        log_bytes_max: 8 * SEGMENT_BYTES,
        prepared_segments: 2,
        seed: 1,
    }
}

/// A log, its disk, and what is under way.
pub(crate) struct Bench {
    pub(crate) disk: FakeDisk,
    pub(crate) log: Log,
    pub(crate) ops: OpIds,
    pub(crate) plans: Vec<Plan>,
    pub(crate) now_ns: u64,
}

impl Bench {
    pub(crate) fn new(config: &LogConfig) -> Self {
        let mut disk = FakeDisk::new();
        let log =
            Log::open(config, &mut disk, Start::default(), &mut |_| {}).expect("a new log").log;
        Self { disk, log, ops: OpIds::default(), plans: Vec::new(), now_ns: 1 }
    }

    /// Appends a note whose bytes all are `fill`.
    pub(crate) fn append(
        &mut self,
        fill: u8,
        length: usize,
        purpose: Purpose,
    ) -> Result<Placed, AppendRefused> {
        let records_bytes = u32::try_from(length).expect("short");
        let header = SectionHeader {
            queue: QueueId::NOTES,
            first_offset: Offset(u64::from(fill)),
            count: 1,
            records_bytes,
            accepted_ns: self.now_ns,
            ..SectionHeader::default()
        };
        self.log.append(&header, &vec![fill; length], purpose)
    }

    /// Says what to do now.
    pub(crate) fn plan(&mut self) {
        self.now_ns += 1_000_000;
        self.log.start_flush(self.now_ns, &mut self.ops, &mut self.plans);
        self.log.maintain(self.now_ns, &mut self.ops, &mut self.plans);
    }

    /// Carries all of it out.
    pub(crate) fn carry_out(&mut self) {
        for plan in std::mem::take(&mut self.plans) {
            match self.disk.carry_out(&plan) {
                Done::Flushed(op) => assert!(self.log.flushed(op).is_some()),
                Done::File(op, result) => assert_eq!(self.log.file_done(op, result), Ok(true)),
                Done::Read(..) => panic!("a log plans no reads"),
            }
        }
    }

    /// One turn, with everything done at its end.
    pub(crate) fn turn(&mut self) {
        self.plan();
        self.carry_out();
    }

    /// Reads a batch back from the disk.
    fn read(&mut self, place: BatchPlace) -> Result<BatchView, Damage> {
        let mut bytes = vec![0; place.bytes as usize];
        let file = FileName::Segment(place.segment);
        self.disk.read(file, u64::from(place.position), &mut bytes).expect("there");
        self.log.verify(place, &Bytes::from(bytes))
    }
}

fn first_flush(plans: &[Plan]) -> &Plan {
    let flush = |plan: &&Plan| matches!(plan, Plan::Flush { .. });
    plans.iter().find(flush).expect("something gathered")
}

#[test]
fn sections_stand_where_they_were_told() {
    let mut bench = Bench::new(&config());
    let mut placed = Vec::new();
    for round in 0..60_u8 {
        for part in 0..3 {
            let length = 100 + 997 * usize::from(round % 12) + part;
            let appended = bench.append(round, length, Purpose::Data).or_else(|refused| {
                assert_eq!(refused, AppendRefused::Busy, "the segment ends here");
                bench.turn();
                bench.append(round, length, Purpose::Data)
            });
            placed.push((appended.expect("room"), round, length));
        }
        bench.plan();
        let Plan::Flush { segment, position, batch, .. } = first_flush(&bench.plans) else {
            panic!("something gathered")
        };
        let (segment, position, bytes) = (*segment, *position, batch.len());
        let (last, _, _) = placed[placed.len() - 1];
        assert_eq!((last.segment, last.position), (segment, position), "invariant 2");
        assert_eq!(bench.log.durable_end(), last.index);
        bench.carry_out();
        assert_eq!(bench.log.durable_end(), last.index.next());
        let bytes = u32::try_from(bytes).expect("short");
        let view =
            bench.read(BatchPlace { index: last.index, segment, position, bytes }).expect("whole");
        let recent = bench.log.recent(last.index).expect("just written");
        assert_eq!(*recent, view.body);
        for (placed, round, length) in
            placed.iter().filter(|(placed, ..)| placed.index == last.index)
        {
            let (header, records) =
                batch::section_at(recent, placed.section_position).expect("there");
            assert_eq!(header.records_bytes as usize, *length);
            assert!(records.iter().all(|byte| byte == round));
        }
    }
    assert!(bench.log.segments().count() > 2, "segments were left");
    assert!(bench.log.recent(LogIndex(0)).is_none(), "and memory is bounded");
}

#[test]
fn one_flush_is_in_flight_and_the_next_takes_all_that_gathered() {
    let mut bench = Bench::new(&config());
    bench.append(1, 100, Purpose::Data).expect("room");
    bench.plan();
    assert!(bench.log.in_flight().is_some());
    let second = bench.append(2, 100, Purpose::Data).expect("room");
    let third = bench.append(3, 100, Purpose::Data).expect("room");
    assert_eq!(second.index, third.index, "they gather");
    let before = bench.plans.len();
    bench.plan();
    let flushes = bench.plans[before..].iter().filter(|plan| matches!(plan, Plan::Flush { .. }));
    assert_eq!(flushes.count(), 0, "invariant 1");
    bench.carry_out();
    bench.plan();
    assert!(matches!(bench.plans[0], Plan::Flush { .. }));
    bench.carry_out();
    assert_eq!(bench.log.durable_end(), second.index.next());
    assert!(!bench.log.gathered());
    assert_eq!(bench.log.flushed(OpId(9999)), None);
}

#[test]
fn a_full_batch_is_busy_until_its_flush_starts() {
    let mut bench = Bench::new(&config());
    while bench.append(1, 8000, Purpose::Data).is_ok() {}
    assert_eq!(bench.append(1, 8000, Purpose::Note), Err(AppendRefused::Busy));
    bench.plan();
    assert!(bench.append(1, 8000, Purpose::Data).is_ok());
    let too_large = 16 * 1024 + wire::limits::FRAME_OVERHEAD_BYTES + 1;
    assert_eq!(bench.append(1, too_large, Purpose::Data), Err(AppendRefused::TooLarge));
}

#[test]
fn publishes_stop_before_notes_and_go_on_when_space_is_freed() {
    let mut bench = Bench::new(&config());
    let data_full = loop {
        if let Err(refused) = bench.append(1, 8000, Purpose::Data)
            && refused != AppendRefused::Busy
        {
            break refused;
        }
        bench.turn();
    };
    let bytes_max = 8 * SEGMENT_BYTES;
    assert_eq!(data_full, AppendRefused::StorageFull { bytes: bytes_max, bytes_max });
    assert!(bench.disk.segments().expect("there").len() == 8, "the limit holds");
    let mut notes = 0;
    while bench.append(2, 100, Purpose::Note).is_ok() {
        bench.turn();
        notes += 1;
    }
    assert!(notes >= 8, "acks and deletes still work: {notes}");
    assert_eq!(
        bench.log.remove_oldest(&mut bench.ops, &mut bench.plans),
        None,
        "no snapshot covers it"
    );
    bench.log.set_snapshot(bench.log.durable_end());
    let removed = bench.log.remove_oldest(&mut bench.ops, &mut bench.plans).expect("covered");
    assert_eq!(removed.number, 1);
    bench.turn();
    bench.turn();
    assert!(bench.append(3, 8000, Purpose::Data).is_ok(), "without a restart");
}

#[test]
fn a_full_disk_refuses_and_recovers_without_a_restart() {
    let mut bench = Bench::new(&config());
    bench.disk.bytes_max = 3 * SEGMENT_BYTES + 16384;
    let mut refused = None;
    for _ in 0..200 {
        if let Err(AppendRefused::StorageFull { .. }) = bench.append(1, 8000, Purpose::Data) {
            refused = Some(bench.log.deadline_ns());
            break;
        }
        bench.turn();
    }
    let retry_ns = refused.expect("the disk is full").expect("and tried again");
    assert!(bench.append(2, 100, Purpose::Note).is_ok());
    bench.turn();
    bench.disk.bytes_max = 8 * SEGMENT_BYTES;
    bench.now_ns = retry_ns;
    bench.turn();
    bench.turn();
    assert!(bench.append(1, 8000, Purpose::Data).is_ok());
}

#[test]
fn a_failed_superblock_or_footer_ends_the_process() {
    let mut bench = Bench::new(&config());
    bench.append(1, 100, Purpose::Data).expect("room");
    bench.turn();
    bench.plan();
    let superblock = |plan: &&Plan| matches!(plan, Plan::WriteSuperblock { .. });
    let Some(Plan::WriteSuperblock { op, .. }) = bench.plans.iter().find(superblock) else {
        panic!("a segment was entered")
    };
    let op = *op;
    assert_eq!(bench.log.file_done(op, Err(DiskFault::Errno(5))), Err(DiskFault::Errno(5)));
    assert_eq!(bench.log.file_done(OpId(9999), Ok(())), Ok(false));
}

#[test]
fn steady_state_uses_the_same_memory() {
    let mut bench = Bench::new(&config());
    let mut chunks = std::collections::BTreeSet::new();
    for round in 0..400_u32 {
        bench.append(1, 3000, Purpose::Data).expect("room");
        bench.plan();
        for plan in &bench.plans {
            if let Plan::Flush { batch, .. } = plan {
                chunks.insert(batch.as_ptr() as usize >> 20);
            }
        }
        bench.carry_out();
        if round % 20 == 0 {
            bench.log.set_snapshot(bench.log.durable_end());
            bench.turn();
            while bench.log.remove_oldest(&mut bench.ops, &mut bench.plans).is_some() {}
            bench.turn();
        }
    }
    assert!(chunks.len() <= 6, "a few chunks, again and again: {}", chunks.len());
}

#[test]
fn a_section_larger_than_what_is_ready_waits_for_one_more() {
    // One segment ready, of which this section would leave less than the reserve.
    let mut bench =
        Bench::new(&LogConfig { record_bytes_max: 160 * 1024, prepared_segments: 1, ..config() });
    let mut refused = 0;
    while let Err(refusal) = bench.append(1, 160 * 1024, Purpose::Data) {
        assert_eq!(refusal, AppendRefused::Busy);
        refused += 1;
        assert!(refused < 5, "not for ever");
        bench.turn();
    }
}
