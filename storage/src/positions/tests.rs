//! Tests of positions: against a model, and the rules one by one.

use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap as Map, BTreeSet};

const QUEUE: QueueId = QueueId(1 << 16);
const GROUP: GroupId = GroupId(1);

fn at(epoch: u32, offset: u64) -> LeaseOffset {
    let lease = Lease { queue: QUEUE, group: GROUP, epoch: Epoch(epoch) };
    LeaseOffset { lease, offset: Offset(offset) }
}

/// What `Held` means, without being clever.
#[derive(Default)]
struct Model {
    floor: u64,
    consumed: BTreeSet<u64>,
    attempts: Map<u64, u32>,
}

impl Model {
    fn consume(&mut self, offset: u64) {
        if offset >= self.floor {
            self.consumed.insert(offset);
            self.settle();
        }
    }

    fn commit(&mut self, floor: u64) {
        self.floor = self.floor.max(floor);
        self.settle();
    }

    fn fail(&mut self, offset: u64) {
        if offset >= self.floor && !self.consumed.contains(&offset) {
            *self.attempts.entry(offset).or_default() += 1;
        }
    }

    fn settle(&mut self) {
        while self.consumed.contains(&self.floor) {
            self.floor += 1;
        }
        self.consumed.retain(|offset| *offset >= self.floor);
        let Self { floor, consumed, attempts } = self;
        attempts.retain(|offset, _| *offset >= *floor && !consumed.contains(offset));
    }
}

/// The same cases on every run.
fn seeded() -> ProptestConfig {
    let rng_seed = proptest::test_runner::RngSeed::Fixed(7);
    ProptestConfig { rng_seed, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(seeded())]
    #[test]
    fn acks_commits_and_nacks_agree_with_the_model(
        changes in prop::collection::vec((0_u8..8, 0_u64..60), 0..200)
    ) {
        let mut positions = Positions::default();
        positions.grant(at(1, 0));
        let mut model = Model::default();
        for (kind, offset) in changes {
            match kind {
                0..=4 => {
                    positions.ack(at(1, 0).lease, Offset(offset));
                    model.consume(offset);
                }
                5 => {
                    positions.commit(at(1, offset / 2));
                    model.commit(offset / 2);
                }
                _ => {
                    positions.nack(at(1, offset));
                    model.fail(offset);
                }
            }
            let held = positions.get(QUEUE, GROUP).expect("granted");
            prop_assert_eq!(held.position.floor.0, model.floor);
            prop_assert_eq!(held.ahead_count, model.consumed.len());
            for offset in 0..62 {
                let consumed = offset < model.floor || model.consumed.contains(&offset);
                prop_assert_eq!(held.is_consumed(Offset(offset)), consumed);
                let attempts = model.attempts.get(&offset).copied().unwrap_or(0);
                prop_assert_eq!(held.attempts(Offset(offset)), attempts);
            }
            let parts = Held::from_parts(
                held.position.clone(),
                held.forgotten,
                held.ahead.clone(),
                held.attempts.clone(),
            );
            prop_assert_eq!(parts.as_ref(), Some(held));
        }
    }
}

#[test]
fn an_older_epoch_is_fenced() {
    let mut positions = Positions::default();
    let fenced = |current| Err(PositionRefused::Fenced { current: Epoch(current) });
    assert_eq!(positions.check_lease(at(0, 0).lease), fenced(0));
    positions.grant(positions.next_grant(QUEUE, GROUP, Offset(5)));
    positions.grant(positions.next_grant(QUEUE, GROUP, Offset(9)));
    assert_eq!(positions.check_lease(at(1, 0).lease), fenced(2));
    assert_eq!(positions.check_lease(at(2, 0).lease), Ok(()));
    let held = positions.get(QUEUE, GROUP).expect("granted");
    assert_eq!(held.position, Position { floor: Offset(5), epoch: Epoch(2), grants: 2 });
    positions.commit(at(2, 6));
    assert_eq!(positions.get(QUEUE, GROUP).expect("granted").position.grants, 0);
}

#[test]
fn a_reset_moves_back_and_fences() {
    let mut positions = Positions::default();
    positions.grant(at(1, 0));
    positions.commit(at(1, 50));
    positions.reset(at(2, 10));
    let held = positions.get(QUEUE, GROUP).expect("granted");
    assert_eq!(held.position, Position { floor: Offset(10), epoch: Epoch(2), grants: 0 });
}

#[test]
fn lost_records_lose_the_position_but_not_the_epoch() {
    let mut positions = Positions::default();
    positions.grant(at(7, 3));
    positions.forget_queue(QUEUE);
    assert_eq!(positions.get(QUEUE, GROUP), None);
    assert_eq!(positions.lowest_floor(QUEUE), None);
    let next = positions.next_grant(QUEUE, GROUP, Offset(100));
    assert_eq!(next, at(8, 100));
    positions.grant(next);
    assert_eq!(positions.lowest_floor(QUEUE), Some((Offset(100), GROUP)));
}

#[test]
fn what_lies_above_the_floor_is_bounded() {
    let mut positions = Positions::default();
    positions.grant(at(1, 0));
    let lease = at(1, 0).lease;
    for offset in 0..AHEAD_OFFSETS_MAX as u64 {
        assert_eq!(positions.check_ahead(lease, &[U64::new(1 + 2 * offset)]), Ok(()));
        positions.ack(lease, Offset(1 + 2 * offset));
    }
    let far = U64::new(1_000_000);
    let refused = Err(PositionRefused::TooManyAhead);
    assert_eq!(positions.check_ahead(lease, &[far]), refused);
    assert_eq!(positions.check_ahead(lease, &[U64::new(0)]), Ok(()), "it moves the floor");
    assert_eq!(positions.check_ahead(lease, &[far, U64::new(0)]), Ok(()));
    positions.commit(at(1, 2));
    assert_eq!(positions.check_ahead(lease, &[far]), Ok(()));
}

#[test]
fn a_removed_group_leaves_nothing() {
    let mut positions = Positions::default();
    positions.grant(at(1, 0));
    let other = Lease { group: GroupId(2), ..at(1, 0).lease };
    positions.grant(LeaseOffset { lease: other, offset: Offset(4) });
    positions.remove_group(GROUP);
    assert_eq!(positions.lowest_floor(QUEUE), Some((Offset(4), GroupId(2))));
    assert_eq!(positions.queues_of(GroupId(2)), [QUEUE]);
    positions.remove_queue(QUEUE);
    assert_eq!(positions.count(), 0);
}
