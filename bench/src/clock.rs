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

/// A monotonic clock that all threads of a run share, in nanoseconds since the run was made.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Moment);

impl Clock {
    /// A clock that begins now.
    pub fn begin() -> Self {
        Self(Moment::now())
    }

    /// Now; more than 0, so that 0 can stand for no time.
    pub fn now_ns(self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX).max(1)
    }
}

/// Keeps this thread on `core`, if one is named. Whether it is where it should be.
pub fn pin(core: Option<usize>) -> bool {
    core.is_none_or(|id| core_affinity::set_for_current(core_affinity::CoreId { id }))
}

/// The wall clock, RFC 3339 in UTC to the second: a stamp for people, never a measure.
pub fn stamp() -> String {
    let now = jiff::Timestamp::now();
    now.round(jiff::Unit::Second).unwrap_or(now).to_string()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_stamp_is_utc_to_the_second() {
        let stamp = super::stamp();
        assert_eq!((stamp.len(), stamp.ends_with('Z')), ("2026-11-27T08:00:00Z".len(), true));
    }
}
