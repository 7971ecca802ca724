//! Shared: the few words that the main thread and the load threads tell each other during a run.

use super::ledger::Window;
use crate::clock::Clock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How far a part is on one thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Messages that left.
    pub sent: u64,
    /// Messages that were answered well.
    pub accepted: u64,
    /// Messages that ended otherwise.
    pub failed: u64,
    /// Messages that came for the first time, all groups together.
    pub received: u64,
    /// Nothing more leaves and nothing waits for an answer.
    pub is_quiet: bool,
}

/// One `Progress` between threads.
#[derive(Debug, Default)]
struct Slot {
    sent: AtomicU64,
    accepted: AtomicU64,
    failed: AtomicU64,
    received: AtomicU64,
    is_quiet: AtomicBool,
}

/// What both sides see.
#[derive(Debug)]
pub struct Shared {
    /// The clock of the run.
    pub clock: Clock,
    /// Length of the warm-up.
    pub warm_up_ns: u64,
    /// Length of the measured part.
    pub test_ns: u64,
    /// Length of an interval.
    pub interval_ns: u64,
    /// 0: not known yet.
    begin_ns: AtomicU64,
    stop: AtomicBool,
    /// By part, then by thread.
    slots: Vec<Vec<Slot>>,
}

impl Shared {
    /// For so many parts and threads.
    pub fn new(
        (parts, threads): (usize, usize),
        (warm_up_ns, test_ns, interval_ns): (u64, u64, u64),
    ) -> Self {
        let slots = || (0..threads).map(|_| Slot::default()).collect();
        Self {
            clock: Clock::begin(),
            warm_up_ns,
            test_ns,
            interval_ns,
            begin_ns: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            slots: (0..parts).map(|_| slots()).collect(),
        }
    }

    /// Everybody is ready: it begins then.
    pub fn begin_at(&self, begin_ns: u64) {
        self.begin_ns.store(begin_ns.max(1), Ordering::Release);
    }

    /// When it begins, once that is known.
    pub fn begin_ns(&self) -> Option<u64> {
        Some(self.begin_ns.load(Ordering::Acquire)).filter(|begin_ns| *begin_ns > 0)
    }

    /// The measured part of a run that begins then.
    pub const fn window(&self, begin_ns: u64) -> Window {
        let begin_ns = begin_ns + self.warm_up_ns;
        Window { begin_ns, end_ns: begin_ns + self.test_ns, interval_ns: self.interval_ns }
    }

    /// All threads end with their present turn.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    /// Whether they are to end.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// A thread tells how far it is with a part.
    pub fn tell(&self, thread: usize, part: usize, progress: Progress) {
        let slot = &self.slots[part][thread];
        slot.sent.store(progress.sent, Ordering::Relaxed);
        slot.accepted.store(progress.accepted, Ordering::Relaxed);
        slot.failed.store(progress.failed, Ordering::Relaxed);
        slot.received.store(progress.received, Ordering::Relaxed);
        slot.is_quiet.store(progress.is_quiet, Ordering::Release);
    }

    /// How far a part is, all threads together.
    pub fn progress(&self, part: usize) -> Progress {
        let mut all = Progress { is_quiet: true, ..Progress::default() };
        for slot in &self.slots[part] {
            all.is_quiet &= slot.is_quiet.load(Ordering::Acquire);
            all.sent += slot.sent.load(Ordering::Relaxed);
            all.accepted += slot.accepted.load(Ordering::Relaxed);
            all.failed += slot.failed.load(Ordering::Relaxed);
            all.received += slot.received.load(Ordering::Relaxed);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_as_far_as_all_its_threads_together() {
        let shared = Shared::new((2, 2), (10, 100, 10));
        let progress = |sent, is_quiet| Progress { sent, is_quiet, ..Progress::default() };
        shared.tell(0, 1, progress(3, true));
        assert_eq!(shared.progress(1), progress(3, false), "one thread has told nothing yet");
        shared.tell(1, 1, progress(4, true));
        assert_eq!(shared.progress(1), progress(7, true));
        assert_eq!(shared.begin_ns(), None);
        shared.begin_at(5);
        let window = shared.window(5);
        assert_eq!((window.begin_ns, window.end_ns), (15, 115));
    }
}
