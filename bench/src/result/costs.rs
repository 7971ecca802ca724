//! Costs: how many messages a run moved, and what they took of CPU and disk.

use crate::spans::as_f64;
use serde::{Deserialize, Serialize};

/// How many of what, in the measured part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Messages or requests the load sent.
    pub sent: u64,
    /// Messages acknowledged at the level, or requests that ended with a reply.
    pub completed: u64,
    /// Messages handed to consumers, all groups together; requests served.
    pub delivered: u64,
    /// Refused, timed out, or ended otherwise than asked.
    pub failed: u64,
    /// Acknowledged and never delivered.
    pub lost: u64,
    /// Delivered more than once to one group.
    pub doubled: u64,
    /// Delivered before an earlier one of its queue.
    pub disordered: u64,
}

impl Counts {
    /// Whether every message came once and in order.
    pub const fn is_clean(&self) -> bool {
        self.lost == 0 && self.doubled == 0 && self.disordered == 0
    }
}

/// CPU time of the measured part, in seconds; absent where it cannot be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CpuUse {
    /// Of the bus, all its processes.
    pub server_s: Option<f64>,
    /// Of the load.
    pub client_s: Option<f64>,
    /// Whether the bus spins while it has nothing to do: its time is then the time that passed,
    /// not what messages cost.
    pub server_spins: bool,
}

/// What the bus did with its disk in the measured part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlushUse {
    /// Syncs.
    pub fdatasyncs: u64,
    /// Publishes they made durable: each is a batch of one producer.
    pub publishes: u64,
    /// Messages in these.
    pub messages: u64,
    /// Bytes written.
    pub bytes: u64,
}

impl FlushUse {
    /// Publishes that shared one fdatasync, on average; absent without any.
    pub fn publishes_per_fdatasync(self) -> Option<f64> {
        per(self.publishes, self.fdatasyncs)
    }

    /// Messages that shared one fdatasync, on average; absent without any.
    pub fn messages_per_fdatasync(self) -> Option<f64> {
        per(self.messages, self.fdatasyncs)
    }
}

fn per(what: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| as_f64(what) / as_f64(of))
}

/// Microseconds a message of `count`, for `seconds` of CPU.
pub fn us_per_message(seconds: Option<f64>, count: u64) -> Option<f64> {
    (count > 0).then(|| seconds.map(|seconds| seconds * 1e6 / as_f64(count))).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_divided_by_nothing() {
        assert_eq!(us_per_message(Some(1.0), 0), None);
        assert_eq!(us_per_message(None, 1), None);
        assert_eq!(us_per_message(Some(2.0), 1_000_000), Some(2.0));
        assert_eq!(FlushUse::default().publishes_per_fdatasync(), None);
        let flushes = FlushUse { fdatasyncs: 4, publishes: 10, messages: 640, bytes: 1 };
        assert_eq!(flushes.publishes_per_fdatasync(), Some(2.5));
        assert_eq!(flushes.messages_per_fdatasync(), Some(160.0));
    }
}
