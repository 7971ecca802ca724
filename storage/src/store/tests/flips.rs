//! Flips: any byte of any file may rot. Never a wrong byte is served, what is lost is named by queue
//! and offsets, everything else is served, no file goes for it; and offline verify says the same.

use super::*;
use crate::batch::BatchHeader;
use crate::inspect::{Depth, inspect};
use crate::log::BatchPlace;
use crate::plan::FileName;
use crate::segment::{HEAD_BYTES, batches_end};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

const QUIET: QueueId = QueueId::new(TopicId(3), 0);
const SEGMENT: u64 = 160 * 1024;

/// Records by queue and offset.
type Offsets = BTreeSet<(QueueId, u64)>;

/// A log of cold, hot and open segments, and what is in each of its batches.
struct Sound {
    config: StoreConfig,
    disk: FakeDisk,
    wall_ns: u64,
    places: Vec<BatchPlace>,
    batches: BTreeMap<LogIndex, Offsets>,
}

impl Sound {
    fn new() -> Self {
        let config = StoreConfig { segment_bytes: SEGMENT, recent_bytes_max: 0, ..config() };
        let mut house = House::with_queue(&config);
        house.store.create_queue(QUIET, QueueLevel::Durable, 0);
        let mut batches = BTreeMap::new();
        for round in 0..60_u32 {
            let index = house.store.log.appended_end();
            let mut records = Offsets::new();
            let first = house.publish(QUEUE, 1 + round % 3, 1500).first_offset.0;
            records.extend((first..=first + u64::from(round % 3)).map(|offset| (QUEUE, offset)));
            if round.is_multiple_of(7) {
                records.insert((QUIET, house.publish(QUIET, 1, 9000).first_offset.0));
            }
            batches.insert(index, records);
            house.turns(2);
        }
        house.store.snapshots.wanted = Some(LogIndex(0));
        house.turns(20);
        let mut disk = house.disk.clone();
        let report = inspect(&mut disk, Depth::Verify).expect("readable");
        assert_eq!(report.damage, []);
        let places = report.segments.iter().flat_map(|segment| segment.batches.iter());
        let places = places.map(|batch| batch.place).collect();
        let files: Vec<_> = disk.files.keys().collect();
        assert!(files.iter().filter(|file| matches!(file, FileName::Index(_))).count() >= 2);
        Self { config, disk, wall_ns: house.wall_ns, places, batches }
    }

    /// A log of a few small batches, one of them behind its snapshot: it opens in no time.
    fn small() -> Self {
        const BYTES: u64 = 72 * 1024;
        let config = StoreConfig {
            segment_bytes: BYTES,
            record_bytes_max: 1024,
            batch_bytes_max: 4096,
            recent_bytes_max: 0,
            ..config()
        };
        let mut house = House::with_queue(&config);
        let mut batches = BTreeMap::new();
        for round in 0..3 {
            let index = house.store.log.appended_end();
            let offset = house.publish(QUEUE, 1, 100).first_offset.0;
            batches.insert(index, Offsets::from([(QUEUE, offset)]));
            house.turns(2);
            if round == 1 {
                house.store.snapshots.wanted = Some(LogIndex(0));
                house.turns(20);
            }
        }
        let disk = house.disk.clone();
        let places = house.store.segments.hot.iter().flat_map(|hot| hot.batches.clone()).collect();
        Self { config, disk, wall_ns: house.wall_ns, places, batches }
    }

    /// Flips each byte of a range, one after another; what is lost at most is the batch that was hit.
    fn flip_each(&self, file: FileName, range: std::ops::Range<usize>) {
        let all = self.all();
        for at in range {
            let mut disk = self.disk.clone();
            disk.files.get_mut(&file).expect("there")[at] ^= 0x11;
            let lost: Offsets = all.difference(&self.served(disk)).copied().collect();
            assert!(lost.is_subset(&self.held_at(file, at)), "{file}, byte {at}: {lost:?}");
        }
    }

    fn all(&self) -> Offsets {
        self.batches.values().flatten().copied().collect()
    }

    /// What the batch at this byte holds; nothing where there is none.
    fn held_at(&self, file: FileName, at: usize) -> Offsets {
        let within = |place: &&BatchPlace| {
            let bytes = place.position as usize..(place.position + place.bytes) as usize;
            FileName::Segment(place.segment) == file && bytes.contains(&at)
        };
        let place = self.places.iter().find(within);
        place.and_then(|place| self.batches.get(&place.index)).cloned().unwrap_or_default()
    }

    /// What a node serves from `disk`. Panics on a wrong byte, or a gap for another reason than damage.
    fn served(&self, disk: FakeDisk) -> Offsets {
        let kept: Vec<FileName> = disk.files.keys().copied().collect();
        let mut house = House::open(&self.config, disk, self.wall_ns);
        let mut served = Offsets::new();
        for queue in [QUEUE, QUIET] {
            house.store.create_queue(queue, QueueLevel::Durable, 0);
            let (seen, gaps) = house.read_all(queue, Offset(0));
            assert!(gaps.iter().all(|gap| gap.2 == GapReason::Damage), "{gaps:?}");
            served.extend(seen.into_iter().map(|offset| (queue, offset)));
        }
        for file in kept {
            assert!(house.disk.files.contains_key(&file), "{file} was deleted");
        }
        served
    }

    /// Flips a byte, and compares what a node serves with what offline verify says; how much is lost.
    fn check(&self, file: FileName, at: usize) -> usize {
        let mut disk = self.disk.clone();
        disk.files.get_mut(&file).expect("there")[at] ^= 0x11;
        let report = inspect(&mut disk, Depth::Verify).expect("readable");
        let covers = |range: &&DamagedRange| {
            range.file == file
                && (range.position..range.position + range.bytes).contains(&(at as u64))
        };
        assert!(report.damage.iter().any(|range| covers(&range)), "{file}, byte {at}: {report:?}");
        let named: Offsets = report
            .damage
            .iter()
            .flat_map(|range| &range.lost)
            .flat_map(|lost| {
                (lost.first.0..lost.end.0.min(1000)).map(|offset| (lost.queue, offset))
            })
            .collect();
        let lost: Offsets = self.all().difference(&self.served(disk)).copied().collect();
        let published: Offsets = named.intersection(&self.all()).copied().collect();
        assert_eq!(lost, published, "{file}, byte {at}: {:?}", report.damage);
        assert!(lost.is_subset(&self.held_at(file, at)), "{file}, byte {at}: {lost:?}");
        lost.len()
    }
}

/// About so many bytes of a range, its first and last ones among them.
fn some(range: std::ops::Range<usize>, count: usize) -> impl Iterator<Item = usize> {
    let step = (range.len() / count).max(1);
    range.clone().step_by(step).chain(range.end - 1..range.end)
}

#[test]
fn a_flipped_byte_of_any_file_is_found_and_nothing_else_is_lost() {
    let sound = Sound::new();
    assert_eq!(sound.served(sound.disk.clone()), sound.all());
    for (file, bytes) in &sound.disk.files {
        let used: Vec<_> = match file {
            FileName::Superblock | FileName::Snapshot(_) | FileName::Index(_) => {
                std::iter::once(0..bytes.len()).collect()
            }
            FileName::Segment(number) => {
                let footer = batches_end(SEGMENT) as usize;
                let is_sealed = bytes[footer] != 0;
                let is_used = sound.places.iter().any(|place| place.segment == *number);
                let head = is_used.then_some(0..8192);
                head.into_iter().chain(is_sealed.then_some(footer..bytes.len())).collect()
            }
        };
        for range in used {
            let lost: usize = some(range, 40).map(|at| sound.check(*file, at)).sum();
            assert_eq!(lost, 0, "{file}: there is a copy, or it is made again");
        }
    }
    for place in &sound.places {
        let start = place.position as usize;
        for at in some(start..start + 200, 6) {
            sound.check(FileName::Segment(place.segment), at);
        }
    }
}

#[test]
fn any_byte_of_a_superblock_may_rot() {
    let sound = Sound::small();
    let bytes = sound.disk.files[&FileName::Superblock].len();
    sound.flip_each(FileName::Superblock, 0..bytes);
}

#[test]
fn any_byte_of_a_snapshot_may_rot() {
    let sound = Sound::small();
    let newest = sound.disk.files.iter().rfind(|(file, _)| matches!(file, FileName::Snapshot(_)));
    let (file, bytes) = newest.expect("one was taken");
    sound.flip_each(*file, 0..bytes.len());
}

#[test]
fn any_byte_of_a_segments_header_may_rot() {
    let sound = Sound::small();
    sound.flip_each(FileName::Segment(sound.places[0].segment), 0..8192);
}

#[test]
fn any_byte_of_a_batchs_header_costs_that_batch_at_most() {
    let sound = Sound::small();
    for place in &sound.places {
        let file = FileName::Segment(place.segment);
        let start = place.position as usize;
        let header = BatchHeader::decode(&sound.disk.files[&file][start..]).expect("sound");
        sound.flip_each(file, start..start + header.body_start);
    }
}

#[test]
fn a_thousand_flips_in_bodies_lose_what_they_hit_and_no_more() {
    let sound = Sound::new();
    // A linear congruence: the same bytes each time.
    let mut state = 973_u64;
    let mut draw = |below: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).expect("31 bits") % below
    };
    let mut hits = 0;
    for _ in 0..1000 {
        let place = sound.places[draw(sound.places.len())];
        let at = place.position as usize + draw(place.bytes as usize);
        hits += usize::from(sound.check(FileName::Segment(place.segment), at) > 0);
    }
    assert!(hits > 500, "{hits}: most of a log is records");
}

#[test]
fn wrong_bytes_under_repaired_checksums_are_noticed() {
    // The control: with every checksum of ours made to fit, the check of the records fails.
    let sound = Sound::new();
    let place =
        *sound.places.iter().rfind(|place| sound.batches.contains_key(&place.index)).expect("one");
    let mut disk = sound.disk.clone();
    let range = place.position as usize..(place.position + place.bytes) as usize;
    let batch = &mut disk.segment(place.segment)[range];
    let header = BatchHeader::decode(batch).expect("sound");
    let body = header.body_start;
    // A byte of the first record's body, far behind its header.
    batch[body + 1000] ^= 1;
    header.seal(batch);
    let report = inspect(&mut disk.clone(), Depth::Verify).expect("readable");
    assert!(
        report.damage.iter().any(|range| !range.lost.is_empty()),
        "its producer's checksum tells"
    );
    let noticed = catch_unwind(AssertUnwindSafe(|| sound.served(disk)));
    assert!(noticed.is_err(), "a wrong byte was served and nobody saw it");
}

#[test]
fn the_reserved_region_holds_nothing() {
    let sound = Sound::new();
    let mut disk = sound.disk.clone();
    disk.segment(1)[HEAD_BYTES as usize - 1] ^= 1;
    assert_eq!(sound.served(disk), sound.all());
}
