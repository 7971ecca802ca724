//! Crashes: between and during any plan; what was told stays true.

use super::*;
use proptest::prelude::*;

/// What the outside was told.
#[derive(Clone, Debug, Default)]
struct Told {
    /// Exclusive end of the records whose receipts were sent.
    accepted_end: u64,
    /// Floor whose commit was answered.
    floor: u64,
    epoch: u32,
    catalog: usize,
}

/// Does a little of everything; returns what waits for which index.
fn live(house: &mut House, round: u64, waiting: &mut Vec<(LogIndex, Told)>, told: &Told) {
    let mut next = waiting.last().map_or(told, |(_, told)| told).clone();
    let mut index = None;
    let end = house.store.ends(QUEUE).expect("made").appended_end.0;
    let records = section(end, 2, 1500);
    if let Ok(published) = house.publish_as(QUEUE, (5, 1, end), &records, 2) {
        next.accepted_end = end + 2;
        index = published.waits_for;
    }
    if round.is_multiple_of(4)
        && let Ok((epoch, at)) = house.store.grant(QUEUE, GROUP, Offset(0))
    {
        next.epoch = epoch.0;
        index = Some(at);
    }
    let floor = house.visible_end(QUEUE);
    if let Some(position) = house.store.position(QUEUE, GROUP).cloned()
        && let Ok(at) = house.store.commit(QUEUE, GROUP, position.epoch, floor)
    {
        next.floor = floor.0;
        index = Some(at);
    }
    if round.is_multiple_of(3)
        && let Ok(at) = house.store.note_catalog(b"change", false)
    {
        next.catalog += 1;
        index = Some(at);
    }
    if let Some(index) = index {
        waiting.push((index, next));
    }
}

fn check_after(config: &StoreConfig, disk: &FakeDisk, wall_ns: u64, told: &Told) {
    let mut house = House::open(config, disk.clone(), wall_ns);
    house.store.create_queue(QUEUE, QueueLevel::Durable, 0);
    let end = house.visible_end(QUEUE).0;
    assert!(end >= told.accepted_end, "{end} after {told:?}");
    let (seen, gaps) = house.read_all(QUEUE, Offset(0));
    let start = gaps.last().map_or(0, |gap| gap.1);
    assert_eq!(seen, (start..end).collect::<Vec<_>>());
    assert!(gaps.iter().all(|gap| gap.2 == GapReason::Retention), "{gaps:?}");
    let position = house.store.position(QUEUE, GROUP);
    assert!(position.map_or(0, |position| position.floor.0) >= told.floor);
    assert!(position.map_or(0, |position| position.epoch.0) >= told.epoch);
    assert!(position.is_none_or(|position| position.floor.0 <= end), "nothing unread is consumed");
    assert!(house.catalog.len() >= told.catalog);
    // A retry of the last accepted publish is known, with its offset.
    if told.accepted_end > 0 {
        let records = section(0, 2, 1500);
        let sequence = told.accepted_end - 2;
        let retry = house.publish_as(QUEUE, (5, 1, sequence), &records, 2).expect("known");
        assert!(retry.duplicate && retry.first_offset == Offset(sequence), "{retry:?} {told:?}");
    }
    // And life goes on; each crash left a sealed segment, so retention may have to make room first.
    for _ in 0..40 {
        house.turn();
    }
    let records = section(end, 2, 1500);
    let mut next = house.publish_as(QUEUE, (5, 1, end), &records, 2);
    for _ in 0..30 {
        // At the limit, what may go must go first.
        if !matches!(next, Err(PublishRefused::StorageFull { .. } | PublishRefused::Busy)) {
            break;
        }
        house.turn();
        next = house.publish_as(QUEUE, (5, 1, end), &records, 2);
    }
    assert_eq!(next.map(|published| published.first_offset), Ok(Offset(end)));
    house.turn();
    assert_eq!(house.visible_end(QUEUE), Offset(end + 2));
}

fn small() -> StoreConfig {
    StoreConfig {
        segment_bytes: 160 * 1024,
        log_bytes_max: 6 * 160 * 1024,
        batch_bytes_max: 24 * 1024,
        snapshot_log_bytes: 60 * 1024,
        ..config()
    }
}

#[test]
fn a_crash_at_any_plan_takes_nothing_that_was_told() {
    let config = small();
    let mut house = House::with_queue(&config);
    let mut told = Told::default();
    let mut waiting: Vec<(LogIndex, Told)> = Vec::new();
    let mut crashes = 0;
    for round in 0..100 {
        live(&mut house, round, &mut waiting, &told);
        house.plan();
        for plan in std::mem::take(&mut house.plans) {
            // Lost whole, torn in its middle, every second sector, and landed but not told.
            let sectors = FakeDisk::sector_count(&plan);
            let landings: [&dyn Fn(usize) -> bool; 4] =
                [&|_| false, &|nth| nth < sectors / 2, &|nth| nth % 2 == 0, &|_| true];
            for landed in landings {
                let mut disk = house.disk.clone();
                disk.crash_during(&plan, &mut |nth| landed(nth));
                check_after(&config, &disk, house.wall_ns, &told);
                crashes += 1;
            }
            let done = house.disk.carry_out(&plan);
            house.tell(done);
            let durable_end = house.store.durable_end();
            while waiting.first().is_some_and(|(index, _)| *index < durable_end) {
                told = waiting.remove(0).1;
            }
        }
    }
    assert!(crashes > 500, "{crashes}");
    assert!(house.counter("segments_sized_out") > 0, "retention was crossed too");
    assert!(house.counter("snapshots") > 2);
}

#[test]
fn the_check_fails_when_an_acknowledged_batch_is_lost() {
    // The negative control: a disk that drops a synced flush is noticed.
    let config = small();
    let mut house = House::with_queue(&config);
    let records = section(0, 2, 1500);
    house.publish_as(QUEUE, (5, 1, 0), &records, 2).expect("taken");
    let before = house.disk.clone();
    house.turn();
    let told = Told { accepted_end: 2, ..Told::default() };
    check_after(&config, &house.disk, house.wall_ns, &told);
    let lied = House::open(&config, before, house.wall_ns);
    assert!(lied.store.queues.get(&QUEUE).is_none_or(|queue| queue.end < Offset(2)));
}

/// The same cases on every run.
fn seeded() -> ProptestConfig {
    let rng_seed = proptest::test_runner::RngSeed::Fixed(7);
    ProptestConfig { rng_seed, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..seeded() })]
    #[test]
    fn random_crashes_and_restarts_keep_every_promise(
        seed in any::<u64>(),
        crashes in prop::collection::vec((1_u64..40, any::<u64>()), 1..6),
    ) {
        let config = StoreConfig { seed, ..small() };
        let mut house = House::with_queue(&config);
        let mut told = Told::default();
        let mut waiting: Vec<(LogIndex, Told)> = Vec::new();
        for (rounds, landing) in crashes {
            for round in 0..rounds {
                live(&mut house, round, &mut waiting, &told);
                house.turn();
                let durable_end = house.store.durable_end();
                while waiting.first().is_some_and(|(index, _)| *index < durable_end) {
                    told = waiting.remove(0).1;
                }
            }
            live(&mut house, 0, &mut waiting, &told);
            house.plan();
            for plan in std::mem::take(&mut house.plans) {
                house.disk.crash_during(&plan, &mut |nth| landing >> (nth % 64) & 1 == 1);
            }
            waiting.clear();
            check_after(&config, &house.disk, house.wall_ns, &told);
            house = house.restart();
            // What landed untold is there now, and stays.
            told.accepted_end = house.visible_end(QUEUE).0;
        }
    }
}
