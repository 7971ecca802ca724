//! Clock: the one door of the measurements to the machine's clock, and to its cores.

use std::time::{Duration, Instant};

/// A moment of the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct Moment(Instant);

impl Moment {
    /// This moment.
    #[expect(clippy::disallowed_methods, reason = "a measurement is a clock")]
    pub fn now() -> Self {
        Self(Instant::now())
    }

    /// Time since then.
    pub fn elapsed(self) -> Duration {
        let Self(now) = Self::now();
        now.saturating_duration_since(self.0)
    }
}

/// Keeps this thread on `core`, if one is named. Whether it is where it should be.
pub fn pin(core: Option<usize>) -> bool {
    core.is_none_or(|id| core_affinity::set_for_current(core_affinity::CoreId { id }))
}
