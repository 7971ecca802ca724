//! Bridge: SDKs made for a runtime, driven by a load that polls.
//!
//! The runtime has no thread of its own: it lives on the load thread and runs within
//! the port's turn, once round: tasks that were woken run, then the sockets are looked
//! at without waiting. What that finds is there for the next turn. So a peer's client
//! costs what its SDK costs, plus one entry into the runtime a turn, and no hand-over
//! between threads. Of what an end sends or takes nothing waits: it is polled, and
//! polled again in the next turn.

use bench::load::driver::DriveError;
use std::fmt::Display;
use std::future::Future;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// How long a step of opening an end may take.
const OPEN_WITHIN: Duration = Duration::from_secs(30);

/// The runtime of one load thread.
#[derive(Debug)]
pub(crate) struct Bridge(Runtime);

impl Bridge {
    /// One with nothing to do.
    pub(crate) fn new() -> Result<Self, DriveError> {
        let runtime = Builder::new_current_thread().enable_all().build();
        runtime.map(Self).map_err(|error| failed("the runtime", error))
    }

    /// Waits for something that is not measured; `what` it is, for people.
    pub(crate) fn wait<T, E: Display>(
        &self,
        what: &str,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, DriveError> {
        let bounded = async { tokio::time::timeout(OPEN_WITHIN, work).await };
        match self.0.block_on(bounded) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(failed(what, error)),
            Err(_) => Err(failed(what, format!("no answer within {} s", OPEN_WITHIN.as_secs()))),
        }
    }

    /// Runs what was woken, then looks at the sockets; never waits.
    pub(crate) fn turn(&self) {
        self.0.block_on(tokio::task::yield_now());
    }
}

/// What a peer's SDK said.
pub(crate) fn failed(what: &str, error: impl Display) -> DriveError {
    DriveError::Bus(format!("{what}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc::unbounded_channel;

    #[test]
    fn a_turn_runs_what_was_woken_and_does_not_wait() {
        let bridge = Bridge::new().expect("a runtime");
        let (ask, mut asked) = unbounded_channel::<u32>();
        let (answer, mut answered) = unbounded_channel();
        let echo = async move {
            while let Some(number) = asked.recv().await {
                if answer.send(number).is_err() {
                    break;
                }
            }
        };
        let spawn = async { Ok::<_, String>(tokio::spawn(echo)) };
        bridge.wait("a task", spawn).expect("spawned");
        for number in 0..3 {
            ask.send(number).expect("it listens");
            bridge.turn();
            assert_eq!(answered.try_recv(), Ok(number), "after one turn");
        }
        bridge.turn();
        assert!(answered.try_recv().is_err(), "nothing to do is no reason to wait");
    }

    #[test]
    fn what_an_sdk_says_is_told_with_what_it_was_asked() {
        let bridge = Bridge::new().expect("a runtime");
        let refused = bridge.wait("the stream", async { Err::<(), _>("no space") });
        assert_eq!(refused.expect_err("refused").to_string(), "the stream: no space");
    }
}
