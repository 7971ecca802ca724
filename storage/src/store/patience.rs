//! Patience: how long what cannot be read is tried again before it is taken for damage.
//!
//! A read that fails says nothing of the bytes: a path that comes back, or a drive
//! that finds its sector after all, gives them a moment later. What a reader is
//! told is gone stays gone for it, so nobody is told before a while has passed.
//! A drive that lost a sector for good delays those who need it, once.

/// Between one failed try and the next, in nanoseconds: 3.75 s together.
const PAUSES_NS: [u64; 5] = [50_000_000, 200_000_000, 500_000_000, 1_000_000_000, 2_000_000_000];

/// The pause after so many failed tries, of which there was one at least; `None`: they were enough.
pub(super) fn pause_ns(failures: usize) -> Option<u64> {
    PAUSES_NS.get(failures.checked_sub(1)?).copied()
}
