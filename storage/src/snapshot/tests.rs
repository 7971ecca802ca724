//! Tests of the snapshot format: round trip, stamps, golden bytes, damage.

use super::*;
use crate::golden::hex;
use crate::note::{Lease, LeaseOffset};

/// Length of the golden bytes, in bytes.
const GOLDEN_BYTES: usize = 0x2a7;
/// Format 1: a snapshot with a bit of everything.
const GOLDEN: &str = "\
444642534e4150531a66eabb0100000001000000000000000000000000000000
020000000000000000000000000000002800000000000000a702000000000000
0300000000000000000000000000000000000000000000000000000000000000
01000000010000003200000000000000ffffffffffffffffffffffffffffffff
1400000000000000040000000000000028000000000000000010000002000000
010000003200000000000000070000000000000000000000000000003c000000
00000000070000000000000002000000000000001e0000000000000000000000
0000000001000000040000000000000002000000000000000900000000000000
02000000010000003c00000000000000ffffffffffffffffffffffffffffffff
2400000000000000080000000000000000000000000000000000000000000000
00001000000000000000000003000000010000003d00000000000000ffffffff
ffffffffffffffffffffffff4800000000000000070000000000000001000000
0200000003000000000000000100000000000000010000000100000009000000
000000000a000000000000000500000000000000010000000000000004000000
010000003e00000000000000ffffffffffffffffffffffffffffffff40000000
0000000005000000000000000700000000000000040000000000000027000000
0000000038000000010000000100000000000000000000000200000000000000
0400000005000000020000003e00000000000000ffffffffffffffffffffffff
ffffffff28000000000000000000000000000000000000000000000000000000
050000000000000003000000000000000100000006000000020000003f000000
00000000ffffffffffffffffffffffffffffffff0b0000000000000003000000
6f6e6500000000";

const OWNER: Owner = Owner { node_id: 1, cluster_id: 2, shard: ShardId(3) };

pub(super) fn file() -> Bytes {
    let mut writer = SnapshotWriter::new();
    writer.begin(ChunkKind::Segments, LogIndex(50));
    writer.segment(&ColdSegment { number: 4, end: LogIndex(40), index_bytes: 4096 });
    writer.end(None);
    let run = Run { segment: 4, first_offset: Offset(2), first_ns: 9 };
    let index = QueueIndex { runs: vec![run], entries: VecDeque::new() };
    let queue = Queue { start: Offset(2), end: Offset(30), index, ..Queue::default() };
    writer.begin(ChunkKind::Queues, LogIndex(50));
    writer.queue(QueueId(7), &queue, queue.start);
    writer.end(Some((7, 0)));
    writer.begin(ChunkKind::Queues, LogIndex(60));
    let ring = Some(Box::new(MemoryRing::recovered(Offset(1 << 20))));
    let memory = Queue { memory: ring, ..Queue::default() };
    writer.queue(QueueId(8), &memory, memory.start);
    writer.end(None);
    let mut positions = Positions::default();
    let lease = Lease { queue: QueueId(7), group: GroupId(1), epoch: Epoch(2) };
    positions.grant(LeaseOffset { lease, offset: Offset(3) });
    positions.ack(lease, Offset(9));
    positions.nack(LeaseOffset { lease, offset: Offset(5) });
    writer.begin(ChunkKind::Positions, LogIndex(61));
    for (key, held) in positions.after(None) {
        writer.position(key.0, key.1, held);
    }
    writer.end(None);
    writer.begin(ChunkKind::Windows, LogIndex(62));
    writer.window(&Window {
        producer: ProducerId(5),
        queue: QueueId(7),
        epoch: Epoch(1),
        next_sequence: 4,
        used: LastUse { index: LogIndex(39), order: 56 },
        taken: [Taken { sequence: 0, first_offset: Offset(2), count: 4 }].into(),
    });
    writer.end(None);
    writer.begin(ChunkKind::Producers, LogIndex(62));
    writer.producers_forgotten();
    let producer = Producer { newest: Epoch(3), forgotten: Some(Epoch(0)) };
    writer.producer(ProducerId(5), &producer);
    writer.end(None);
    writer.begin(ChunkKind::Catalog, LogIndex(63));
    writer.catalog(b"one");
    writer.catalog(b"");
    writer.end(None);
    writer.finish(OWNER, LogIndex(40))
}

#[test]
fn it_reads_back_as_written() {
    let contents = Contents::read(OWNER, &file()).expect("as written");
    assert_eq!(contents.from, LogIndex(40));
    assert_eq!(contents.segments.len(), 1);
    let (id, queue) = &contents.queues[0];
    assert_eq!((*id, queue.start, queue.end), (QueueId(7), Offset(2), Offset(30)));
    assert_eq!(queue.index.runs.len(), 1);
    let ring = contents.queues[1].1.memory.as_ref().expect("a memory queue");
    assert_eq!((ring.base, ring.reserved_end), (Offset(1 << 20), Offset(1 << 20)));
    let held = contents.positions.get(QueueId(7), GroupId(1)).expect("kept");
    assert_eq!(held.position, Position { floor: Offset(3), epoch: Epoch(2), grants: 1 });
    assert!(held.is_consumed(Offset(9)));
    assert_eq!(held.attempts(Offset(5)), 1);
    assert_eq!(contents.windows[0].next_sequence, 4);
    assert!(contents.producers_forgotten);
    assert_eq!(contents.producers[0].1.forgotten, Some(Epoch(0)));
    assert_eq!(contents.catalog, [&b"one"[..], b""]);
}

#[test]
fn the_bytes_are_those_of_format_1() {
    let file = file();
    let (content, padding) = file.split_at(GOLDEN_BYTES);
    assert_eq!(hex(content), GOLDEN);
    assert!(padding.iter().all(|byte| *byte == 0));
}

#[test]
fn whatever_the_counts_say_nothing_panics() {
    // Files of earlier builds end with their contents.
    let whole = file().slice(..GOLDEN_BYTES);
    for position in 12..whole.len() {
        for value in [0, 1, 0x7f, 0xff] {
            let mut bytes = whole.to_vec();
            bytes[position] = value;
            let checksum = crc32fast::hash(&bytes[CHECKED_FROM..]);
            bytes[8..CHECKED_FROM].copy_from_slice(&checksum.to_le_bytes());
            let _ = Contents::read(OWNER, &Bytes::from(bytes));
        }
    }
}

#[test]
fn stamps_decide_by_the_chunk_of_the_key() {
    let stamps = Stamps(vec![((7, 0), LogIndex(50)), (OPEN_END, LogIndex(60))]);
    let applies = |queue: u64, index: u64| stamps.applies((queue, 0), LogIndex(index));
    assert!(!applies(7, 49) && applies(7, 50));
    assert!(!applies(3, 49) && applies(3, 50), "made later, in the same range");
    assert!(!applies(8, 59) && applies(8, 60));
    assert!(!applies(999, 59) && applies(999, 60), "the last chunk is open");
    assert!(Stamps::default().applies((1, 1), LogIndex(0)), "without a snapshot all applies");
}

#[test]
fn every_flipped_byte_is_damage_and_others_are_refused_by_name() {
    let bytes = file();
    for position in 0..bytes.len() {
        let mut damaged = bytes.to_vec();
        damaged[position] ^= 4;
        let read = Contents::read(OWNER, &Bytes::from(damaged));
        assert!(matches!(read, Err(SnapshotError::Damaged)), "byte {position}");
    }
    for length in [0, 10, 95, 96, bytes.len() - 1] {
        assert!(Contents::read(OWNER, &bytes.slice(..length)).is_err(), "{length} bytes");
    }
    let other = Owner { shard: ShardId(4), ..OWNER };
    assert!(matches!(Contents::read(other, &bytes), Err(SnapshotError::Foreign(_))));
    let mut newer = bytes.to_vec();
    newer[12] = 2;
    let checksum = crc32fast::hash(&newer[CHECKED_FROM..GOLDEN_BYTES]);
    newer[8..12].copy_from_slice(&checksum.to_le_bytes());
    let read = Contents::read(OWNER, &Bytes::from(newer));
    assert!(matches!(read, Err(SnapshotError::UnknownVersion(2))));
}
