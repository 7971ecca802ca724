//! Tests of batches: what was written reads back, and nothing else does.

use super::*;
use crate::chunk::aligned_zeroes;
use wire::{Epoch, Offset, ProducerId, QueueId};

const HOME: Home = Home { cluster_hash: 11, shard: ShardId(3), salt: 0x5a17 };

fn stamp(section_count: u32) -> Stamp {
    Stamp {
        home: HOME,
        index: LogIndex(42),
        term: Term(1),
        wall_ns: 1_700_000_000_000_000_000,
        previous: 0xfeed,
        synced_end: LogIndex(42),
        section_count,
    }
}

fn section(queue: u64, records: &[u8]) -> SectionHeader {
    SectionHeader {
        queue: QueueId(queue),
        first_offset: Offset(7),
        count: 1,
        records_bytes: u32::try_from(records.len()).expect("short"),
        producer: ProducerId(9),
        epoch: Epoch(2),
        sequence: 5,
        accepted_ns: 77,
    }
}

/// A batch of sections with these records.
fn batch(parts: &[Vec<u8>]) -> (BatchHeader, Bytes) {
    let body_bytes = parts.iter().map(|part| part.len() + SECTION_HEADER_BYTES).sum();
    let room = header_room(body_bytes);
    let mut memory = aligned_zeroes(room + round_up(body_bytes));
    memory.truncate(room);
    for (queue, part) in (1..).zip(parts) {
        write_section(&mut memory, &section(queue, part), part);
    }
    let count = u32::try_from(parts.len()).expect("few");
    let header = close(&mut memory, room, &stamp(count));
    (header, memory.freeze())
}

/// Records that are nowhere zero.
fn filled(length: usize) -> Vec<u8> {
    (0..length).map(|n| u8::try_from(n % 251).expect("small") | 1).collect()
}

#[test]
fn what_was_written_reads_back_at_every_size() {
    for length in [1, 100, 3000, 3880, 3881, 4096, 16_000, 16_328, 16_329, 70_000, 1 << 20, 4 << 20]
    {
        let parts = [filled(length), filled(3)];
        let (written, bytes) = batch(&parts);
        assert_eq!(bytes.len(), padded_bytes(length + 3 + 2 * SECTION_HEADER_BYTES), "{length}");
        assert_eq!(bytes.as_ptr().align_offset(BLOCK_BYTES), 0);
        let header = BatchHeader::decode(&bytes).expect("valid");
        assert_eq!(header, written);
        let view = header.verify(&bytes).expect("valid");
        let read: Vec<_> = view.sections().collect();
        assert_eq!(read.len(), 2);
        assert_eq!(read[0], (0, section(1, &parts[0]), parts[0].as_slice()));
        assert_eq!(section_at(&view.body, read[1].0).expect("there").1, parts[1]);
        assert!(header.padding_is_zero(&bytes));
    }
}

#[test]
fn a_lone_record_shares_its_block_with_the_header() {
    assert_eq!(batch(&[filled(256)]).1.len(), BLOCK_BYTES);
    assert_eq!(batch(&[filled(3880)]).1.len(), BLOCK_BYTES);
    assert_eq!(batch(&[filled(3881)]).1.len(), 2 * BLOCK_BYTES);
}

#[test]
fn flipped_bytes_are_found() {
    for length in [300, 9000, 20_000] {
        let (written, bytes) = batch(&[filled(length)]);
        let meaningful = written.body_start + written.body_bytes;
        for position in (0..bytes.len()).filter(|at| *at < 1024 || at % 13 == 0) {
            let mut damaged = bytes.to_vec();
            damaged[position] ^= 0x40;
            let damaged = Bytes::from(damaged);
            let read = BatchHeader::decode(&damaged).and_then(|header| header.verify(&damaged));
            let in_gap = (written.checks_end()..written.body_start).contains(&position);
            if position < meaningful && !in_gap {
                assert!(read.is_err(), "byte {position} of {length}");
            } else {
                let whole = batch(&[filled(length)]).1;
                let view = written.verify(&whole).expect("valid");
                assert_eq!(read.expect("padding is not data").body, view.body);
                assert!(!written.padding_is_zero(&damaged), "but a scrub sees it");
            }
        }
    }
}

#[test]
fn every_torn_sector_is_told_from_damage() {
    for length in [300, 9000, 20_000, 200_000] {
        let (header, bytes) = batch(&[filled(length)]);
        let end = header.body_start + header.body_bytes;
        for sector in 1..end.div_ceil(SECTOR_BYTES) {
            let range = sector * SECTOR_BYTES..(sector + 1) * SECTOR_BYTES;
            if is_zero(&bytes[range.clone()]) {
                continue;
            }
            let mut torn = bytes.to_vec();
            torn[range.clone()].fill(0);
            let torn = Bytes::from(torn);
            assert!(header.verify(&torn).is_err(), "sector {sector} of {length}");
            assert_eq!(header.remains(&torn), Remains::Torn, "sector {sector} of {length}");

            // Negative control: one wrong byte in a sector that was written.
            let mut damaged = bytes.to_vec();
            damaged[range.start + 3] ^= 1;
            let in_gap = (header.checks_end()..header.body_start).contains(&(range.start + 3));
            if range.start + 3 < end && !in_gap {
                let damaged = Bytes::from(damaged);
                assert_eq!(
                    header.remains(&damaged),
                    Remains::Damaged,
                    "sector {sector} of {length}"
                );
            }
        }
    }
}

#[test]
fn rot_beside_a_torn_sector_is_still_damage() {
    let (header, bytes) = batch(&[filled(9000)]);
    let mut bytes = bytes.to_vec();
    bytes[1024..1536].fill(0);
    assert_eq!(header.remains(&bytes), Remains::Torn);
    bytes[2048] ^= 1;
    assert_eq!(header.remains(&bytes), Remains::Damaged);
}

#[test]
fn the_bytes_of_a_batch_stay_what_they_are() {
    let (_, bytes) = batch(&[b"golden".to_vec()]);
    assert_eq!(
        crate::golden::hex(&bytes[..224]),
        crate::golden::BATCH,
        "released: it must stay readable"
    );
    assert!(is_zero(&bytes[224..]));
}

#[test]
fn a_newer_release_is_refused_by_name() {
    let (_, bytes) = batch(&[b"newer".to_vec()]);
    let mut bytes = bytes.to_vec();
    put_u32(&mut bytes, 12, FORMAT_RELEASE + 1);
    let envelope = crc32fast::hash(&bytes[ENVELOPE]);
    put_u32(&mut bytes, 8, envelope);
    let checksum = crc32fast::hash(&bytes[4..HEADER_BYTES]);
    put_u32(&mut bytes, 0, checksum);
    assert_eq!(BatchHeader::decode(&bytes), Err(Damage::Release(FORMAT_RELEASE + 1)));
}

proptest::proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(0_u8.., 0..8192)) {
        let bytes = Bytes::from(bytes);
        if let Ok(header) = BatchHeader::decode(&bytes) {
            let _ = header.verify(&bytes);
            header.remains(&bytes);
        }
    }
}
