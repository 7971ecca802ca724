//! Connection: one connection's life: connecting, greeting, heartbeats, and connecting again.
//!
//! ```text
//!   idle --wanted--> pausing --time--> connecting --opened--> greeting --Welcome--> ready
//!                       ^------------------- lost, from any of them -----------------'
//! ```
//!
//! Pauses double from loss to loss, up to a maximum, and start anew after a
//! Welcome. A Ping leaves in every interval the node asks for; when nothing was
//! heard after one until the silence is too long, the connection is taken for dead.

use crate::config::ClientConfig;
use crate::session::inbox::Inbox;
use wire::table::{Hello, HelloArgs};
use wire::{FrameWriter, Kind, ShardId};

/// Publishes wait when so much is queued on a connection, in bytes.
pub(crate) const OUTBOX_BYTES_HIGH: usize = 1 << 20;
/// The most memory an idle outbox keeps, in bytes.
const OUTBOX_BYTES_KEPT: usize = 2 << 20;

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Not wanted.
    Idle,
    /// To be connected at this time, monotonic.
    Pausing {
        /// When.
        until_ns: u64,
    },
    /// The driver is connecting; it must be done by then.
    Connecting {
        /// When, monotonic.
        until_ns: u64,
    },
    /// Hello is sent; Welcome must come by then.
    Greeting {
        /// When, monotonic.
        until_ns: u64,
    },
    /// In use.
    Ready,
}

/// What a connection's timers ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Nothing.
    Nothing,
    /// Send a Ping.
    Ping,
    /// Take it for dead.
    Dead,
}

/// One connection of a client.
#[derive(Debug)]
pub(crate) struct Connection {
    /// The shard it goes to; `None`: the home connection.
    pub(crate) shard: Option<ShardId>,
    /// `host:port`.
    pub(crate) address: String,
    /// Where it stands.
    pub(crate) phase: Phase,
    /// Received bytes.
    pub(crate) inbox: Inbox,
    /// Grows when the connection is lost: a driver's socket belongs to one generation.
    pub(crate) generation: u64,
    /// Losses since the last Welcome.
    pub(crate) failures: u32,
    outbox: Vec<u8>,
    outbox_start: usize,
    ping_every_ns: u64,
    silence_ns_max: u64,
    heard_ns: u64,
    pinged_ns: u64,
}

impl Connection {
    /// One that is not wanted yet.
    pub(crate) fn new(shard: Option<ShardId>, address: String) -> Self {
        Self {
            shard,
            address,
            phase: Phase::Idle,
            inbox: Inbox::default(),
            generation: 0,
            failures: 0,
            outbox: Vec::new(),
            outbox_start: 0,
            ping_every_ns: u64::MAX,
            silence_ns_max: u64::MAX,
            heard_ns: 0,
            pinged_ns: 0,
        }
    }

    /// Asks for it to be connected at once, unless it is on its way.
    pub(crate) fn want(&mut self, now_ns: u64) {
        if self.phase == Phase::Idle {
            self.phase = Phase::Pausing { until_ns: now_ns };
        }
    }

    /// Whether frames may be sent.
    pub(crate) fn is_ready(&self) -> bool {
        self.phase == Phase::Ready
    }

    /// Whether the driver should connect it now.
    pub(crate) fn connects_now(&self, now_ns: u64) -> bool {
        matches!(self.phase, Phase::Pausing { until_ns } if until_ns <= now_ns)
    }

    /// The socket is open: says hello.
    pub(crate) fn greet(
        &mut self,
        config: &ClientConfig,
        writer: &mut FrameWriter,
        hello: (u64, u64),
        until_ns: u64,
    ) {
        let (request_id, nonce) = hello;
        self.inbox.clear();
        self.outbox.clear();
        self.outbox_start = 0;
        let heartbeat_ms = u32::try_from(config.heartbeat.as_millis()).unwrap_or(u32::MAX);
        writer.write(&mut self.outbox, Kind::Hello, request_id, &[], |builder| {
            let client = builder.create_string(&config.name);
            let area = builder.create_string(&config.area);
            let arguments = HelloArgs {
                version_min: wire::header::VERSION,
                version_max: wire::header::VERSION,
                features: 0,
                client: Some(client),
                area: Some(area),
                nonce,
                heartbeat_ms,
            };
            Hello::create(builder, &arguments)
        });
        self.phase = Phase::Greeting { until_ns };
    }

    /// The node took us: heartbeats begin.
    pub(crate) fn welcomed(&mut self, ping_every_ns: u64, silence_ns_max: u64, now_ns: u64) {
        self.phase = Phase::Ready;
        self.failures = 0;
        self.ping_every_ns = ping_every_ns;
        self.silence_ns_max = silence_ns_max;
        self.heard_ns = now_ns;
        self.pinged_ns = now_ns;
    }

    /// The connection is gone, or never came; it is tried again after `pause_ns`, or not at all.
    pub(crate) fn lost(&mut self, now_ns: u64, pause_ns: Option<u64>) {
        self.generation += 1;
        self.failures = self.failures.saturating_add(1);
        self.inbox.clear();
        self.outbox.clear();
        self.outbox_start = 0;
        self.phase = match pause_ns {
            Some(pause_ns) => Phase::Pausing { until_ns: now_ns.saturating_add(pause_ns) },
            None => Phase::Idle,
        };
    }

    /// Where frames are appended.
    pub(crate) fn outbox(&mut self) -> &mut Vec<u8> {
        &mut self.outbox
    }

    /// Whether publishes should wait for the network.
    pub(crate) fn is_congested(&self) -> bool {
        self.outbox.len() - self.outbox_start >= OUTBOX_BYTES_HIGH
    }

    /// What is still to be sent.
    pub(crate) fn outgoing(&self) -> &[u8] {
        match self.phase {
            Phase::Greeting { .. } | Phase::Ready => &self.outbox[self.outbox_start..],
            Phase::Idle | Phase::Pausing { .. } | Phase::Connecting { .. } => &[],
        }
    }

    /// So many bytes of `outgoing` left.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.outbox_start = (self.outbox_start + bytes).min(self.outbox.len());
        if self.outbox_start == self.outbox.len() {
            self.outbox.clear();
            self.outbox.shrink_to(OUTBOX_BYTES_KEPT);
            self.outbox_start = 0;
        } else if self.outbox_start >= OUTBOX_BYTES_HIGH {
            self.outbox.drain(..self.outbox_start);
            self.outbox_start = 0;
        }
    }

    /// Something was heard of the peer.
    pub(crate) fn heard(&mut self, now_ns: u64) {
        self.heard_ns = now_ns;
    }

    /// What the timers ask for. Bytes that arrived meanwhile must have been received first.
    pub(crate) fn due(&mut self, now_ns: u64) -> Due {
        match self.phase {
            Phase::Connecting { until_ns } | Phase::Greeting { until_ns } if until_ns <= now_ns => {
                Due::Dead
            }
            Phase::Ready => {
                let silent = self.heard_ns < self.pinged_ns;
                let since_ns = now_ns.saturating_sub(self.pinged_ns);
                if silent && since_ns >= self.silence_ns_max - self.ping_every_ns {
                    return Due::Dead;
                }
                if !silent && since_ns >= self.ping_every_ns {
                    self.pinged_ns = now_ns;
                    return Due::Ping;
                }
                Due::Nothing
            }
            Phase::Idle
            | Phase::Pausing { .. }
            | Phase::Connecting { .. }
            | Phase::Greeting { .. } => Due::Nothing,
        }
    }

    /// When `due` or `connects_now` is to be asked again, monotonic.
    pub(crate) fn wake_ns(&self, now_ns: u64) -> u64 {
        match self.phase {
            Phase::Pausing { until_ns }
            | Phase::Connecting { until_ns }
            | Phase::Greeting { until_ns } => until_ns,
            Phase::Ready => {
                let ping_ns = self.pinged_ns.saturating_add(self.ping_every_ns);
                let dead_ns = (self.pinged_ns + self.silence_ns_max) - self.ping_every_ns;
                if ping_ns > now_ns { ping_ns } else { dead_ns }
            }
            Phase::Idle => u64::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready() -> Connection {
        let mut connection = Connection::new(None, String::new());
        connection.welcomed(300, 900, 0);
        connection
    }

    #[test]
    fn a_ping_leaves_every_third_and_silence_is_death() {
        let mut connection = ready();
        assert_eq!(connection.due(299), Due::Nothing);
        assert_eq!(connection.due(300), Due::Ping);
        assert_eq!(connection.wake_ns(300), 600, "an answer may have come by then");
        assert_eq!(connection.wake_ns(600), 900);
        assert_eq!(connection.due(899), Due::Nothing);
        assert_eq!(connection.due(900), Due::Dead);
    }

    #[test]
    fn a_peer_that_answers_lives_even_when_the_caller_slept() {
        let mut connection = ready();
        assert_eq!(connection.due(5000), Due::Ping, "asleep for long: ask before judging");
        connection.heard(9000);
        assert_eq!(connection.due(9000), Due::Ping);
    }

    #[test]
    fn losses_pause_and_a_new_generation_begins() {
        let mut connection = ready();
        connection.outbox().extend_from_slice(b"stale");
        connection.lost(100, Some(50));
        assert_eq!(connection.generation, 1);
        assert!(connection.outgoing().is_empty());
        assert!(!connection.connects_now(149));
        assert!(connection.connects_now(150));
    }
}
