//! Durable: what each fuzz target does with bytes that come back from a disk.
//!
//! As `decoders`, for the formats above the wire. Damage is made from the
//! input: it is applied to a sound directory, so that a fuzzer does not have to
//! find checksums first.

use crate::lone::{Lone, store_config};
use routing::catalog::Change;
use sim::disk::SimDisk;
use std::sync::LazyLock;
use storage::Store;
use storage::plan::{Disk, FileName};
use storage::store::QueueLevel;
use wire::QueueId;

/// As in `decoders`.
type Decoder = fn(&[u8]) -> bool;

/// Every decoder by the name of its target and of its folder in `corpus/`.
pub(crate) const ALL: &[(&str, Decoder)] = &[("catalog", catalog), ("recovery", recovery)];

const SECTOR_BYTES: u64 = 512;

/// A change of the catalog; what is taken encodes to the same bytes.
pub(crate) fn catalog(bytes: &[u8]) -> bool {
    let Ok(change) = Change::decode(bytes) else { return false };
    let mut again = Vec::new();
    change.encode(&mut again);
    assert_eq!(again, bytes, "a change has one encoding");
    true
}

/// A sound directory with bytes changed: every five of the input are a place (u32) and a value.
/// Recovery opens it, or refuses until the operator accepts the loss; a queue keeps its ends in order.
/// Taken means that all was found sound: `bad-` inputs are damage that must be noticed.
pub(crate) fn recovery(bytes: &[u8]) -> bool {
    let (mut disk, queue) = with_records();
    for edit in bytes.chunks_exact(5) {
        let place = u32::from_le_bytes([edit[0], edit[1], edit[2], edit[3]]);
        change(&mut disk, u64::from(place), edit[4]);
    }
    let refused = Store::open(&store_config(), &mut disk.clone(), 1, false).is_err();
    let Ok(mut opened) = Store::open(&store_config(), &mut disk, 1, refused) else { return false };
    opened.store.create_queue(queue, QueueLevel::Durable, u64::MAX);
    let ends = opened.store.ends(queue).expect("made above");
    assert!(ends.start <= ends.visible_end && ends.visible_end <= ends.appended_end, "{ends:?}");
    !refused && opened.report.damaged.is_empty() && opened.report.cut_bytes == 0
}

/// The sound directory; made once.
fn with_records() -> (SimDisk, QueueId) {
    static SOUND: LazyLock<(SimDisk, QueueId)> = LazyLock::new(Lone::with_records);
    SOUND.clone()
}

/// Sets one byte; even places lie in the superblock, odd ones in the first segment.
fn change(disk: &mut SimDisk, place: u64, value: u8) {
    let first = disk.segments().expect("readable").into_iter().min().expect("a log");
    let file =
        if place.is_multiple_of(2) { FileName::Superblock } else { FileName::Segment(first) };
    let position = (place / 2) % disk.length(file).expect("it is there");
    let start = position - position % SECTOR_BYTES;
    let mut sector = vec![0; 512];
    disk.read(file, start, &mut sector).expect("within the file");
    sector[usize::try_from(position - start).expect("within a sector")] = value;
    disk.write_unsynced(file, start, &sector);
    disk.sync(file);
}
