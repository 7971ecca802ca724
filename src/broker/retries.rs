//! Retries: nacked records of one lease, and when each is delivered again.
//!
//! Bounded by what one lease may have in flight.

use std::collections::{BTreeMap, BTreeSet};
use wire::Offset;

/// Offsets waiting for their time.
#[derive(Debug, Default)]
pub(super) struct Retries {
    due: BTreeMap<Offset, u64>,
    by_time: BTreeSet<(u64, Offset)>,
}

impl Retries {
    pub(super) fn insert(&mut self, offset: Offset, due_ns: u64) {
        self.remove(offset);
        self.due.insert(offset, due_ns);
        self.by_time.insert((due_ns, offset));
    }

    pub(super) fn remove(&mut self, offset: Offset) {
        if let Some(due_ns) = self.due.remove(&offset) {
            self.by_time.remove(&(due_ns, offset));
        }
    }

    pub(super) fn contains(&self, offset: Offset) -> bool {
        self.due.contains_key(&offset)
    }

    /// The one to deliver at `now_ns`, if any is due.
    pub(super) fn first_due(&self, now_ns: u64) -> Option<Offset> {
        self.by_time.first().filter(|(due_ns, _)| *due_ns <= now_ns).map(|(_, offset)| *offset)
    }

    /// When the earliest is due, monotonic.
    pub(super) fn first_due_ns(&self) -> Option<u64> {
        self.by_time.first().map(|(due_ns, _)| *due_ns)
    }

    /// Forgets all below `floor`: they were consumed.
    pub(super) fn forget_below(&mut self, floor: Offset) {
        while let Some((offset, due_ns)) = self.due.first_key_value().map(|(key, due)| (*key, *due))
            && offset < floor
        {
            self.due.remove(&offset);
            self.by_time.remove(&(due_ns, offset));
        }
    }
}

/// How long a record waits that failed `failed` times before: doubles each time, up to a limit.
pub(super) fn back_off_ns(failed: u32, first_ns: u64, max_ns: u64) -> u64 {
    let factor = 1_u64.checked_shl(failed).unwrap_or(u64::MAX);
    first_ns.saturating_mul(factor).min(max_ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_come_in_the_order_of_their_times() {
        let mut retries = Retries::default();
        retries.insert(Offset(1), 30);
        retries.insert(Offset(2), 10);
        retries.insert(Offset(3), 20);
        assert_eq!(retries.first_due_ns(), Some(10));
        assert_eq!(retries.first_due(9), None);
        assert_eq!(retries.first_due(15), Some(Offset(2)));
        retries.remove(Offset(2));
        retries.insert(Offset(3), 40);
        assert_eq!(retries.first_due_ns(), Some(30));
        assert!(retries.contains(Offset(3)) && !retries.contains(Offset(2)));
    }

    #[test]
    fn what_is_consumed_is_forgotten() {
        let mut retries = Retries::default();
        for offset in 0..5 {
            retries.insert(Offset(offset), 100 - offset);
        }
        retries.forget_below(Offset(4));
        assert_eq!(retries.first_due(1000), Some(Offset(4)));
        assert!(!retries.contains(Offset(3)));
    }

    #[test]
    fn the_wait_doubles_up_to_its_limit() {
        let waits: Vec<u64> = (0..8).map(|failed| back_off_ns(failed, 1, 60)).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(back_off_ns(200, 1_000_000_000, 60_000_000_000), 60_000_000_000);
    }
}
