//! Links: the connections of a client: one home, and one to each shard whose queues it uses.
//!
//! Home carries calls, subscriptions and registrations; publishes and requests go
//! straight to the shard that owns the queue. A shard that cannot be reached twice
//! is served through home until home is welcomed again: the node forwards.

use super::connection::{Connection, Due, Phase};
use super::pending::{Owner, Question};
use super::{HOME, Session};
use crate::catalog::NodeInfo;
use crate::clock::nanoseconds;
use crate::error::{CallError, ConnectError, UnknownCause};
use crate::outcome::Outcome;
use crate::session::inbox::Taken;
use wire::header::FEATURE_TRACE;
use wire::table::{Goodbye, GoodbyeArgs, Welcome};
use wire::{DecodeError, Kind, ShardId};

/// Direct connections are given up after so many failures in a row.
const DIRECT_FAILURES_MAX: u32 = 2;
/// Largest pause before subscribing again after a refusal, in nanoseconds.
pub(super) const AGAIN_PAUSE_NS_MAX: u64 = 1_000_000_000;

/// The longest silence that can be configured, in nanoseconds: a day.
const SILENCE_NS_MAX: u64 = 86_400_000_000_000;

/// Where a frame is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// Any shard will do.
    Home,
    /// Best straight to this one.
    Shard(ShardId),
}

impl Session {
    /// The connections are numbered below this.
    pub(crate) fn connection_end(&self) -> usize {
        self.connections.len()
    }

    /// A driver's socket belongs to one generation of its connection.
    pub(crate) fn generation(&self, index: usize) -> u64 {
        self.connections[index].generation
    }

    /// The address to connect to now, if this connection is due.
    pub(crate) fn connects(&self, index: usize) -> Option<&str> {
        let connection = &self.connections[index];
        connection.connects_now(self.now.mono_ns).then_some(connection.address.as_str())
    }

    /// The driver began to connect.
    pub(crate) fn connecting(&mut self, index: usize) {
        let until_ns = self.now.mono_ns.saturating_add(nanoseconds(self.config.connect_timeout));
        self.connections[index].phase = Phase::Connecting { until_ns };
        self.wake_at(until_ns);
    }

    /// Whether the driver is still to connect.
    #[cfg(any(feature = "tokio", feature = "glommio"))]
    pub(crate) fn is_connecting(&self, index: usize) -> bool {
        matches!(self.connections[index].phase, Phase::Connecting { .. })
    }

    /// Whether anything written is still to be sent.
    #[cfg(any(feature = "tokio", feature = "glommio"))]
    pub(crate) fn has_outgoing(&self) -> bool {
        self.connections.iter().any(|connection| !connection.outgoing().is_empty())
    }

    /// The socket is open.
    pub(crate) fn connected(&mut self, index: usize) {
        let question =
            Question { owner: Owner::Hello, connection: Some(index), deadline_ns: u64::MAX };
        let Some(request_id) = self.pending.insert(question) else {
            self.lost(index);
            return;
        };
        let until_ns = self.now.mono_ns.saturating_add(nanoseconds(self.config.connect_timeout));
        let hello = (request_id, self.nonce);
        self.connections[index].greet(&self.config, &mut self.writer, hello, until_ns);
        self.wake_at(until_ns);
    }

    /// The driver could not connect.
    pub(crate) fn not_connected(&mut self, index: usize, cause: &std::io::Error) {
        let server = self.connections[index].address.clone();
        if index == HOME {
            self.failure = Some(ConnectError::Unreachable { server, cause: cause.to_string() });
        }
        self.lost(index);
    }

    /// Where received bytes go.
    pub(crate) fn space(&mut self, index: usize) -> &mut [u8] {
        self.connections[index].inbox.space()
    }

    /// So many bytes were received: takes every whole frame.
    pub(crate) fn received(&mut self, index: usize, bytes: usize) {
        let connection = &mut self.connections[index];
        connection.heard(self.now.mono_ns);
        connection.inbox.filled(bytes);
        let generation = connection.generation;
        while self.connections[index].generation == generation {
            match self.connections[index].inbox.next() {
                Ok(Some(taken)) => self.dispatch(index, &taken),
                Ok(None) => return,
                Err(error) => {
                    self.not_understood(index, error);
                    return;
                }
            }
        }
    }

    /// What is to be sent.
    pub(crate) fn outgoing(&self, index: usize) -> &[u8] {
        self.connections[index].outgoing()
    }

    /// So many bytes of it left.
    pub(crate) fn sent(&mut self, index: usize, bytes: usize) {
        self.connections[index].sent(bytes);
    }

    /// The connection is gone, for whatever cause: everything that waited for it learns so once.
    pub(crate) fn lost(&mut self, index: usize) {
        let now_ns = self.now.mono_ns;
        let failures = self.connections[index].failures;
        let given_up = index != HOME && failures + 1 >= DIRECT_FAILURES_MAX;
        let pause_ns = self.pause_ns(failures);
        self.connections[index].lost(now_ns, (!given_up).then_some(pause_ns));
        self.wake_at(now_ns.saturating_add(pause_ns));
        if index == HOME && self.failure.is_none() {
            let server = self.config.server.clone();
            let cause = "the connection was closed".to_owned();
            self.failure = Some(ConnectError::Unreachable { server, cause });
        }
        let mut ended = std::mem::take(&mut self.ended);
        self.pending.lose(index, &mut ended);
        for (request_id, question) in ended.drain(..) {
            self.unanswered(request_id, question.owner);
        }
        self.ended = ended;
        for (_, producer) in self.producers.iter_mut() {
            producer.lost(index);
        }
        if index == HOME {
            self.early.clear();
            self.consumers.iter_mut().for_each(|(_, consumer)| consumer.lost(now_ns));
            self.responders.iter_mut().for_each(|(_, responder)| responder.lost(now_ns));
        }
    }

    /// Writes a last word on every open connection.
    pub(crate) fn say_goodbye(&mut self) {
        for connection in self.connections.iter_mut().filter(|of| of.is_ready()) {
            self.writer.write(connection.outbox(), Kind::Goodbye, 0, &[], |builder| {
                Goodbye::create(builder, &GoodbyeArgs::default())
            });
        }
    }

    /// The connection for `target`; it may not be ready yet.
    pub(super) fn place(&mut self, target: Target) -> usize {
        let Target::Shard(shard) = target else { return HOME };
        if shard == self.node.shard || !self.config.direct {
            return HOME;
        }
        let known = self.direct.get(usize::from(shard.0)).copied().flatten();
        let Some(index) = known.or_else(|| self.add_direct(shard)) else { return HOME };
        let connection = &mut self.connections[index];
        if connection.failures >= DIRECT_FAILURES_MAX {
            return HOME;
        }
        connection.want(self.now.mono_ns);
        index
    }

    /// The connection for `target`, if frames may be appended to it now.
    pub(super) fn open_place(&mut self, target: Target) -> Option<usize> {
        let index = self.place(target);
        let connection = &self.connections[index];
        (connection.is_ready() && !connection.is_congested()).then_some(index)
    }

    pub(super) fn tick_connections(&mut self) {
        for index in 0..self.connections.len() {
            match self.connections[index].due(self.now.mono_ns) {
                Due::Nothing => {}
                Due::Ping => {
                    self.writer.write_bare(self.connections[index].outbox(), Kind::Ping, 0);
                }
                Due::Dead => self.lost(index),
            }
        }
    }

    /// The node took a connection.
    pub(super) fn welcomed(&mut self, index: usize, taken: &Taken) -> Result<(), DecodeError> {
        let frame = taken.frame();
        let welcome = frame.read::<Welcome<'_>>()?;
        let silence_ns_max = nanoseconds(self.config.heartbeat).min(SILENCE_NS_MAX);
        let asked_ns = u64::from(welcome.heartbeat_ms()) * 1_000_000;
        let ping_every_ns =
            if asked_ns == 0 { silence_ns_max / 3 } else { asked_ns.min(silence_ns_max / 3) };
        let now_ns = self.now.mono_ns;
        self.connections[index].welcomed(ping_every_ns, silence_ns_max, now_ns);
        self.wake_at(self.connections[index].wake_ns(now_ns));
        if index == HOME {
            self.failure = None;
            // What waited to be registered has its time counted again.
            self.wake_at(now_ns);
            self.node = introduced(welcome);
            self.refresh_direct();
        }
        Ok(())
    }

    /// Home speaks to the node again: the shards' addresses are fresh.
    fn refresh_direct(&mut self) {
        for connection in &mut self.connections {
            let Some(shard) = connection.shard else { continue };
            if let Some(address) = self.node.addresses.get(usize::from(shard.0)) {
                connection.address.clone_from(address);
            }
            connection.failures = 0;
        }
    }

    fn add_direct(&mut self, shard: ShardId) -> Option<usize> {
        let address = self.node.addresses.get(usize::from(shard.0))?;
        if address.is_empty() {
            return None;
        }
        self.connections.push(Connection::new(Some(shard), address.clone()));
        let index = self.connections.len() - 1;
        let place = usize::from(shard.0);
        if self.direct.len() <= place {
            self.direct.resize(place + 1, None);
        }
        self.direct[place] = Some(index);
        self.wake_at(self.now.mono_ns);
        Some(index)
    }

    fn not_understood(&mut self, index: usize, error: DecodeError) {
        let foreign = matches!(error, DecodeError::Header(wire::header::HeaderError::Magic(_)));
        if index == HOME && foreign {
            let server = self.config.server.clone();
            self.failure = Some(ConnectError::NotOurProtocol { server });
        }
        self.lost(index);
    }

    /// A question whose answer can no longer come.
    fn unanswered(&mut self, request_id: u64, owner: Owner) {
        match owner {
            Owner::Call(key) => {
                self.call_answered(key, Err(CallError::Unknown(UnknownCause::ConnectionLost)));
            }
            Owner::Request(key) => self.request_ended(key, request_id, Outcome::Unknown),
            Owner::Route => self.routes.unanswered(request_id),
            Owner::ProducerOpen(key) => self.open_unanswered(key),
            // Sections are found by their connection; the others begin again with their connection.
            Owner::Hello | Owner::Publish(..) | Owner::Subscribe(_) | Owner::Serve(_) => {}
        }
    }

    /// Between half and the whole of a pause that doubles with each failure: not all clients at once.
    fn pause_ns(&mut self, failures: u32) -> u64 {
        let pause_max_ns = nanoseconds(self.config.reconnect_pause_max);
        let pause_min_ns = nanoseconds(self.config.reconnect_pause_min);
        let pause_ns = pause_min_ns.saturating_mul(1 << failures.min(30)).min(pause_max_ns);
        pause_ns / 2 + self.random_below(pause_ns / 2 + 1)
    }
}

fn introduced(welcome: Welcome<'_>) -> NodeInfo {
    let id = u128::from(welcome.node_id_high()) << 64 | u128::from(welcome.node_id_low());
    let addresses = welcome.addresses().into_iter().flatten().map(str::to_owned).collect();
    let bounded = |bytes: u32, most: usize| match bytes as usize {
        0 => most,
        bytes => bytes.min(most),
    };
    NodeInfo {
        name: welcome.node().unwrap_or_default().to_owned(),
        id,
        shard: ShardId(welcome.shard()),
        shard_count: welcome.shard_count(),
        addresses,
        record_bytes_max: bounded(welcome.record_bytes_max(), wire::limits::RECORD_BYTES_MAX),
        frame_bytes_max: bounded(welcome.frame_bytes_max(), wire::limits::FRAME_BYTES_MAX),
        traces: welcome.features() & FEATURE_TRACE != 0,
    }
}
