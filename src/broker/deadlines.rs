//! Deadlines: many things with a time each, and one machine timer for the earliest.
//!
//! A heap whose entries are dropped lazily: the owner says on `pop_due` whether
//! a key still lives, and `sweep` throws dead ones out before they outnumber the
//! living. No allocation once warm.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Keys by due time, monotonic nanoseconds.
#[derive(Debug)]
pub(super) struct Deadlines<K> {
    heap: BinaryHeap<Reverse<(u64, K)>>,
    /// The machine timer already armed; `u64::MAX` = none.
    armed_ns: u64,
}

impl<K: Copy + Ord> Default for Deadlines<K> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), armed_ns: u64::MAX }
    }
}

impl<K: Copy + Ord> Deadlines<K> {
    /// Adds a key. Returns when to arm the machine's timer, if it must be armed anew.
    pub(super) fn push(&mut self, due_ns: u64, key: K) -> Option<u64> {
        self.heap.push(Reverse((due_ns, key)));
        self.arm()
    }

    /// Takes the next key due at `now_ns`, dead or alive.
    pub(super) fn pop_due(&mut self, now_ns: u64) -> Option<K> {
        let Reverse((due_ns, _)) = self.heap.peek()?;
        if *due_ns > now_ns {
            return None;
        }
        self.heap.pop().map(|Reverse((_, key))| key)
    }

    /// To be called when the machine's timer fired and all due keys were taken: when to arm it next.
    pub(super) fn rearm(&mut self) -> Option<u64> {
        self.armed_ns = u64::MAX;
        self.arm()
    }

    /// Throws out dead keys once they are more than the `living_count` and a few.
    pub(super) fn sweep(&mut self, living_count: usize, lives: impl Fn(K) -> bool) {
        const SLACK: usize = 1024;
        if self.heap.len() > 2 * living_count + SLACK {
            self.heap.retain(|Reverse((_, key))| lives(*key));
        }
    }

    fn arm(&mut self) -> Option<u64> {
        let Reverse((due_ns, _)) = self.heap.peek()?;
        if *due_ns >= self.armed_ns {
            return None;
        }
        self.armed_ns = *due_ns;
        Some(*due_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_earlier_deadline_arms_the_timer_anew() {
        let mut deadlines = Deadlines::default();
        assert_eq!(deadlines.push(50, 'a'), Some(50));
        assert_eq!(deadlines.push(60, 'b'), None);
        assert_eq!(deadlines.push(40, 'c'), Some(40));
    }

    #[test]
    fn due_keys_come_in_order_and_the_rest_is_armed() {
        let mut deadlines = Deadlines::default();
        for (due_ns, key) in [(30, 3), (10, 1), (20, 2)] {
            deadlines.push(due_ns, key);
        }
        assert_eq!(deadlines.pop_due(20), Some(1));
        assert_eq!(deadlines.pop_due(20), Some(2));
        assert_eq!(deadlines.pop_due(20), None);
        assert_eq!(deadlines.rearm(), Some(30));
    }

    #[test]
    fn dead_keys_are_swept_out() {
        let mut deadlines = Deadlines::default();
        for key in 0..5000_u64 {
            deadlines.push(key, key);
        }
        deadlines.sweep(10, |key| key < 10);
        assert_eq!(deadlines.heap.len(), 10);
    }
}
