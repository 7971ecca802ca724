//! State: all of a client together, and what a turn does with it.

use super::HOME;
use super::calls::{CallState, Taken};
use super::connection::Connection;
use super::consumer::ConsumerState;
use super::pending::{Owner, Pending, Question};
use super::producer::ProducerState;
use super::requester::RequesterState;
use super::responder::ResponderState;
use super::routes::Routes;
use super::slots::Slots;
use crate::catalog::{ClientCounters, NodeInfo};
use crate::clock::Now;
use crate::config::ClientConfig;
use crate::error::{CallError, ConnectError, UnknownCause};
use wire::FrameWriter;

/// A client's whole state.
#[derive(Debug)]
pub(crate) struct Session {
    pub(super) config: ClientConfig,
    pub(super) now: Now,
    pub(super) nonce: u64,
    pub(super) random: u64,
    pub(super) node: NodeInfo,
    pub(super) connections: Vec<Connection>,
    /// By shard: the place of its direct connection.
    pub(super) direct: Vec<Option<usize>>,
    /// Why the home connection could not be made, last time.
    pub(super) failure: Option<ConnectError>,
    /// A question closed by a late answer or a stale frame; counted, never an error.
    pub(super) late_count: u64,
    /// Frames for members and responders whose own answer is still on its way; see `dispatch`.
    pub(super) early: Vec<Taken>,
    /// `tick` has nothing to do before, monotonic.
    pub(super) wake_ns: u64,
    pub(super) pending: Pending,
    pub(super) ended: Vec<(u64, Question)>,
    pub(super) writer: FrameWriter,
    pub(super) routes: Routes,
    pub(super) calls: Slots<CallState>,
    pub(super) unsent_calls: usize,
    pub(super) producers: Slots<ProducerState>,
    pub(super) consumers: Slots<ConsumerState>,
    pub(super) requesters: Slots<RequesterState>,
    pub(super) responders: Slots<ResponderState>,
    /// Reused while a record is encoded.
    pub(super) section: Vec<u8>,
    pub(super) properties: Vec<u8>,
}

impl Session {
    /// A client that is to connect to its configured server at once. `seed`: unforeseeable.
    pub(crate) fn new(config: ClientConfig, seed: u64, now: Now) -> Self {
        let mut home = Connection::new(None, config.server.clone());
        home.want(now.mono_ns);
        Self {
            config,
            now,
            nonce: seed,
            random: seed | 1,
            node: NodeInfo::default(),
            connections: vec![home],
            direct: Vec::new(),
            failure: None,
            late_count: 0,
            early: Vec::new(),
            wake_ns: now.mono_ns,
            pending: Pending::default(),
            ended: Vec::new(),
            writer: FrameWriter::default(),
            routes: Routes::default(),
            calls: Slots::default(),
            unsent_calls: 0,
            producers: Slots::default(),
            consumers: Slots::default(),
            requesters: Slots::default(),
            responders: Slots::default(),
            section: Vec::new(),
            properties: Vec::new(),
        }
    }

    /// Time has come this far. Before any other call of a turn.
    pub(crate) fn set_now(&mut self, now: Now) {
        self.now = now;
    }

    /// When this turn is, monotonic nanoseconds.
    pub(crate) const fn now_ns(&self) -> u64 {
        self.now.mono_ns
    }

    /// The configuration it was made with.
    pub(crate) const fn config(&self) -> &ClientConfig {
        &self.config
    }

    /// The node, as it introduced itself last.
    pub(crate) const fn node(&self) -> &NodeInfo {
        &self.node
    }

    /// What was met and needed no answer.
    pub(crate) fn counters(&mut self) -> ClientCounters {
        ClientCounters {
            connections_lost: self.connections.iter().map(|of| of.generation).sum(),
            late_frames: self.late_count,
            stale_deliveries: self.consumers.iter_mut().map(|(_, of)| of.stale_count).sum(),
            expired_calls: self.responders.iter_mut().map(|(_, of)| of.expired_count).sum(),
        }
    }

    /// Whether the node can be spoken to.
    pub(crate) fn is_ready(&self) -> bool {
        self.connections[HOME].is_ready()
    }

    /// Why the node cannot be spoken to, if an attempt failed.
    pub(crate) const fn failure(&self) -> Option<&ConnectError> {
        self.failure.as_ref()
    }

    /// When `tick` wants to be called at the latest, monotonic.
    pub(crate) const fn wake_ns(&self) -> u64 {
        self.wake_ns
    }

    /// Writes everything that can leave now into the outboxes.
    pub(crate) fn advance(&mut self) {
        if !self.is_ready() && self.connections.len() == 1 {
            return;
        }
        self.ask_routes();
        self.send_calls();
        self.publish_all();
        self.consume_all();
        self.serve_all();
        self.request_all();
    }

    /// Does what time asks for: heartbeats, deadlines, pauses that are over. Received bytes come first.
    pub(crate) fn tick(&mut self) {
        let now_ns = self.now.mono_ns;
        if now_ns < self.wake_ns {
            return;
        }
        self.tick_connections();
        let mut ended = std::mem::take(&mut self.ended);
        self.pending.expire(now_ns, &mut ended);
        for (request_id, question) in ended.drain(..) {
            self.expired(request_id, question);
        }
        self.ended = ended;
        let mut wake_ns = self.pending.earliest_ns();
        // Without the home connection nothing can be registered: its Welcome wakes, not the clock.
        let registers = self.connections[HOME].is_ready();
        for (_, producer) in self.producers.iter_mut() {
            producer.tick(now_ns);
            let opening_ns = if registers { producer.opening_ns() } else { u64::MAX };
            wake_ns = wake_ns.min(producer.wake_ns()).min(opening_ns);
        }
        for (_, consumer) in self.consumers.iter_mut() {
            consumer.tick(now_ns);
            let at_ns = if registers { consumer.wake_ns() } else { u64::MAX };
            wake_ns = wake_ns.min(at_ns.max(now_ns + 1));
        }
        for (_, responder) in self.responders.iter_mut().filter(|_| registers) {
            wake_ns = wake_ns.min(responder.wake_ns());
        }
        let connections = self.connections.iter().map(|of| of.wake_ns(now_ns));
        self.wake_ns = wake_ns.min(connections.min().unwrap_or(u64::MAX)).max(now_ns + 1);
    }

    /// Why something that was to be opened is not.
    pub(crate) fn unopened(&self) -> CallError {
        if self.is_ready() {
            return CallError::Unknown(UnknownCause::TimedOut);
        }
        CallError::NotSent
    }

    /// Has `tick` called at this time at the latest, monotonic.
    pub(crate) fn wake_at(&mut self, at_ns: u64) {
        self.wake_ns = self.wake_ns.min(at_ns);
    }

    fn expired(&mut self, request_id: u64, question: Question) {
        match question.owner {
            Owner::Call(key) => self.call_expired(key, question.connection.is_some()),
            Owner::Request(key) => {
                self.request_expired(key, request_id, question.connection.is_some());
            }
            Owner::Hello
            | Owner::Route
            | Owner::ProducerOpen(_)
            | Owner::Publish(..)
            | Owner::Subscribe(_)
            | Owner::Serve(_) => {} // these have no deadline of their own
        }
    }

    /// An unforeseeable number below `end` (at least 1); xorshift64.
    pub(super) fn random_below(&mut self, end: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % end.max(1)
    }
}
