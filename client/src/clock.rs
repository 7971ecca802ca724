//! Clock: the only door of this crate to the machine's clock and to randomness.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Both clocks, read once per turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Now {
    /// Monotonic nanoseconds since the client began: every decision uses this one.
    pub(crate) mono_ns: u64,
    /// Wall nanoseconds since 1970: stamps only.
    pub(crate) wall_ns: u64,
}

/// Reads both clocks with one call to the machine; the wall clock is carried along by the monotonic one.
#[derive(Debug)]
pub(crate) struct Clock {
    begin: Instant,
    begin_wall_ns: u64,
}

impl Clock {
    /// A clock that begins now.
    #[expect(
        clippy::disallowed_methods,
        reason = "the client is a door: it has no machine below it"
    )]
    pub(crate) fn new() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { begin: Instant::now(), begin_wall_ns: nanoseconds(wall) }
    }

    /// Now.
    #[expect(
        clippy::disallowed_methods,
        reason = "the client is a door: it has no machine below it"
    )]
    pub(crate) fn now(&self) -> Now {
        let mono_ns = nanoseconds(Instant::now().duration_since(self.begin));
        Now { mono_ns, wall_ns: self.begin_wall_ns.saturating_add(mono_ns) }
    }
}

/// A number nobody can foresee, without a dependency: std keys its hashers from the system's randomness.
pub(crate) fn seed() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// A span in nanoseconds; the longest representable one if it is longer.
pub(crate) fn nanoseconds(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
