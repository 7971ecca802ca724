//! Clock: the one door of the measurements to the machine's clock, cores and threads.

use std::thread::JoinHandle;
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

/// Which cores the two ends of a measurement run on; `None` leaves it to the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cores {
    /// Of the loop that serves.
    pub server: Option<usize>,
    /// Of the thread that measures.
    pub client: Option<usize>,
}

/// Starts `work` on a thread of its own, on `core` if there is one of that number.
#[expect(clippy::disallowed_methods, reason = "a measurement needs two ends; no broker runs here")]
pub fn spawn<T: Send + 'static>(
    core: Option<usize>,
    work: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    std::thread::spawn(move || {
        pin(core);
        work()
    })
}

/// Keeps this thread on `core`. Whether it is there now.
pub fn pin(core: Option<usize>) -> bool {
    core.is_none_or(|id| core_affinity::set_for_current(core_affinity::CoreId { id }))
}
