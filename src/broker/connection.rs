//! Connection: hello, heartbeat and goodbye of the peers of this shard.
//!
//! ```text
//!   connected --Hello--> greeted --Goodbye / silence / close--> gone (said once to every shard that knows it)
//! ```

use super::mail::{Mail, Origin};
use super::outgoing::Turn;
use super::refusal::Refusal;
use super::step::Broker;
use shard::{ConnectionId, Effect};
use wire::header::FEATURE_TRACE;
use wire::{Frame, Kind, limits, table};

/// The wire version this broker speaks.
const VERSION: u8 = wire::header::VERSION;
/// How often silence is looked for, in nanoseconds.
pub(super) const HEARTBEAT_CHECK_NS: u64 = 1_000_000_000;
/// A check that comes this late finds that the shard itself was stopped: nobody could be heard meanwhile.
const CHECK_LATE_NS: u64 = 2 * HEARTBEAT_CHECK_NS;
/// A client is told to be heard three times within the allowed silence.
const HEARTBEATS_PER_SILENCE: u64 = 3;

/// What is known of one connection.
#[derive(Clone, Debug)]
struct Connection {
    generation: u32,
    greeted: bool,
    /// Other shards keep something for it, and must hear of its end.
    known_elsewhere: bool,
    heard_ns: u64,
    client: String,
    area: String,
}

/// The connections of this shard, by slot.
#[derive(Debug, Default)]
pub(super) struct Connections {
    slots: Vec<Option<Connection>>,
    /// When silence was looked for last, monotonic.
    checked_ns: u64,
}

impl Connections {
    fn open(&mut self, id: ConnectionId, now_ns: u64) {
        let slot = id.slot as usize;
        if slot >= self.slots.len() {
            self.slots.resize(slot + 1, None);
        }
        self.slots[slot] = Some(Connection {
            generation: id.generation,
            greeted: false,
            known_elsewhere: false,
            heard_ns: now_ns,
            client: String::new(),
            area: String::new(),
        });
    }

    fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        let connection = self.slots.get_mut(id.slot as usize)?.as_mut()?;
        (connection.generation == id.generation).then_some(connection)
    }

    fn close(&mut self, id: ConnectionId) -> Option<Connection> {
        self.get_mut(id)?;
        self.slots[id.slot as usize].take()
    }

    /// A sign of life.
    pub(super) fn heard(&mut self, id: ConnectionId, now_ns: u64) {
        if let Some(connection) = self.get_mut(id) {
            connection.heard_ns = now_ns;
        }
    }

    /// Another shard will keep something for this connection.
    pub(super) fn mark_known_elsewhere(&mut self, id: ConnectionId) {
        if let Some(connection) = self.get_mut(id) {
            connection.known_elsewhere = true;
        }
    }

    /// The client's name and area, as it said in Hello.
    pub(super) fn names(&mut self, id: ConnectionId) -> (String, String) {
        self.get_mut(id).map_or_else(Default::default, |connection| {
            (connection.client.clone(), connection.area.clone())
        })
    }

    /// Whether silence may be judged now: what peers sent while this shard was stopped is read first.
    fn may_judge(&mut self, now_ns: u64) -> bool {
        let checked_ns = std::mem::replace(&mut self.checked_ns, now_ns);
        now_ns.saturating_sub(checked_ns) < CHECK_LATE_NS
    }

    fn each(&self) -> impl Iterator<Item = (ConnectionId, &Connection)> {
        self.slots.iter().enumerate().filter_map(|(slot, connection)| {
            let connection = connection.as_ref()?;
            let slot = u32::try_from(slot).ok()?;
            Some((ConnectionId { slot, generation: connection.generation }, connection))
        })
    }
}

impl Broker {
    pub(super) fn on_connected(&mut self, turn: &mut Turn<'_>, connection: ConnectionId) {
        self.connections.open(connection, turn.now.mono_ns);
    }

    pub(super) fn on_closed(&mut self, turn: &mut Turn<'_>, connection: ConnectionId) {
        let Some(closed) = self.connections.close(connection) else { return };
        let peer = self.home(connection);
        self.requests.forget(connection);
        if closed.known_elsewhere {
            self.out.post.send_to_others(turn.effects, || Mail::PeerClosed { peer });
        }
        self.on_peer_closed(turn, peer);
    }

    /// The first frame must be Hello, and only the first.
    pub(super) fn check_greeted(
        &mut self,
        connection: ConnectionId,
        frame: &Frame<'_>,
    ) -> Result<(), Refusal> {
        let greeted = self.connections.get_mut(connection).is_some_and(|known| known.greeted);
        let is_hello = frame.kind() == Some(Kind::Hello);
        match (greeted, is_hello) {
            (false, false) => Err(Refusal::HelloExpected),
            (true, true) => Err(Refusal::HelloTwice),
            (false, true) | (true, false) => Ok(()),
        }
    }

    pub(super) fn on_hello(
        &mut self,
        turn: &mut Turn<'_>,
        origin: Origin,
        hello: table::Hello<'_>,
    ) -> Result<(), Refusal> {
        if hello.version_min() > VERSION || hello.version_max() < VERSION {
            let (client_min, client_max) = (hello.version_min(), hello.version_max());
            return Err(Refusal::VersionMismatch { client_min, client_max });
        }
        let client = checked_name("client name", hello.client())?;
        let area = checked_name("area", hello.area())?;
        if let Some(connection) = self.connections.get_mut(origin.peer.connection) {
            connection.greeted = true;
            client.clone_into(&mut connection.client);
            area.clone_into(&mut connection.area);
        }
        self.welcome(turn, origin);
        Ok(())
    }

    fn welcome(&mut self, turn: &mut Turn<'_>, origin: Origin) {
        let settings = &self.settings;
        self.out.send(turn, origin, (Kind::Welcome, &[]), |builder| {
            let node = builder.create_string(&settings.node_name);
            let addresses: Vec<_> =
                settings.addresses.iter().map(|address| builder.create_string(address)).collect();
            let addresses = builder.create_vector(&addresses);
            table::Welcome::create(
                builder,
                &table::WelcomeArgs {
                    version: VERSION,
                    features: FEATURE_TRACE,
                    node: Some(node),
                    node_id_high: high_half(settings.node_id),
                    node_id_low: low_half(settings.node_id),
                    shard: settings.shard.0,
                    shard_count: settings.shard_count,
                    addresses: Some(addresses),
                    record_bytes_max: bytes_u32(settings.record_bytes_max),
                    frame_bytes_max: bytes_u32(
                        settings.record_bytes_max + limits::FRAME_OVERHEAD_BYTES,
                    ),
                    heartbeat_ms: milliseconds_u32(settings.silence_ns / HEARTBEATS_PER_SILENCE),
                },
            )
        });
    }

    pub(super) fn on_ping(&mut self, turn: &mut Turn<'_>, origin: Origin) {
        self.out.send_bare(turn, origin, Kind::Pong);
    }

    /// A refusal; before and during hello, and for a body that cannot be read, it is the last word.
    pub(super) fn refuse_or_close(
        &mut self,
        turn: &mut Turn<'_>,
        origin: Origin,
        refusal: &Refusal,
    ) {
        let connection = origin.peer.connection;
        let greeted = self.connections.get_mut(connection).is_some_and(|known| known.greeted);
        self.refuse(turn, origin, refusal);
        if !greeted || *refusal == Refusal::MalformedBody {
            turn.effects.list.push(Effect::Close { connection });
        }
    }

    /// Closes who was silent for too long; its end then follows as for any other.
    pub(super) fn check_heartbeats(&mut self, turn: &mut Turn<'_>) {
        let silence_ns_max = self.settings.silence_ns;
        let now_ns = turn.now.mono_ns;
        if !self.connections.may_judge(now_ns) {
            return;
        }
        let silent: Vec<(ConnectionId, u64)> = self
            .connections
            .each()
            .map(|(id, connection)| (id, now_ns.saturating_sub(connection.heard_ns)))
            .filter(|(_, silence_ns)| *silence_ns >= silence_ns_max)
            .collect();
        for (connection, silence_ns) in silent {
            let refusal = Refusal::HeartbeatLost {
                silence_ms: silence_ns / 1_000_000,
                silence_ms_max: silence_ns_max / 1_000_000,
            };
            let origin = Origin { peer: self.home(connection), request_id: 0 };
            self.refuse(turn, origin, &refusal);
            turn.effects.list.push(Effect::Close { connection });
        }
    }

    pub(super) fn say_goodbye_to_all(&mut self, turn: &mut Turn<'_>) {
        let all: Vec<ConnectionId> = self.connections.each().map(|(id, _)| id).collect();
        let words = Refusal::ShuttingDown.words();
        for connection in all {
            let origin = Origin { peer: self.home(connection), request_id: 0 };
            self.out.send(turn, origin, (Kind::Goodbye, &[]), |builder| {
                let message = Some(builder.create_string(&words.message));
                table::Goodbye::create(
                    builder,
                    &table::GoodbyeArgs { code: words.code as u16, message },
                )
            });
        }
    }
}

/// An optional name: absent is empty, too long is refused.
fn checked_name<'a>(field: &'static str, name: Option<&'a str>) -> Result<&'a str, Refusal> {
    let name = name.unwrap_or_default();
    if name.len() > limits::NAME_BYTES_MAX {
        return Err(Refusal::InvalidName { field, bytes: name.len() });
    }
    Ok(name)
}

const fn high_half(id: u128) -> u64 {
    (id >> 64) as u64
}

#[expect(clippy::cast_possible_truncation, reason = "the lower 64 of 128 bits")]
const fn low_half(id: u128) -> u64 {
    id as u64
}

fn bytes_u32(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

fn milliseconds_u32(span_ns: u64) -> u32 {
    u32::try_from(span_ns / 1_000_000).unwrap_or(u32::MAX)
}
