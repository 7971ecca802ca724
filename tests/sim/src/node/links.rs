//! Links: connections as the machine under a shard sees them.
//!
//! What `shard::drive` does with sockets: bytes are put together until they are
//! frames, a held frame is handed in again, what a client does not read waits up
//! to a bound, a frame begun must be whole in time, and the core hears of each end once.

use super::{Fate, Node, index};
use crate::network::LinkId;
use crate::node::Input;
use crate::schedule::Schedule;
use shard::{CloseCause, ConnectionId, Event};
use wire::frame::Decoded;
use wire::{ErrorCode, Frame, FrameWriter, Kind, ShardId, limits, table};

/// The first frame, and every frame begun, must be whole after this time.
const FRAME_DEADLINE_NS: u64 = 5_000_000_000;

/// One connection.
#[derive(Debug)]
struct Link {
    id: LinkId,
    generation: u32,
    /// A frame was handed in and not taken.
    held: bool,
    /// Bytes that came and were not taken.
    input: Vec<u8>,
    /// A frame was taken.
    is_greeted: bool,
    /// When what has begun must be whole.
    deadline_ns: Option<u64>,
    /// It is over, and why; the core is told next.
    ending: Option<CloseCause>,
}

/// The connections of a shard, by slot.
#[derive(Debug, Default)]
pub(super) struct Links {
    slots: Vec<Option<Link>>,
    generations: Vec<u32>,
}

impl Links {
    fn open(&mut self, id: LinkId, now_ns: u64) -> ConnectionId {
        let slot = self.slots.iter().position(Option::is_none).unwrap_or_else(|| {
            self.slots.push(None);
            self.generations.push(0);
            self.slots.len() - 1
        });
        self.generations[slot] += 1;
        let generation = self.generations[slot];
        self.slots[slot] = Some(Link {
            id,
            generation,
            held: false,
            input: Vec::new(),
            is_greeted: false,
            deadline_ns: Some(now_ns + FRAME_DEADLINE_NS),
            ending: None,
        });
        connection_id(slot, generation)
    }

    fn slot_of(&self, link: LinkId) -> Option<usize> {
        self.slots.iter().position(|known| known.as_ref().is_some_and(|known| known.id == link))
    }

    fn close(&mut self, link: LinkId) -> Option<(ConnectionId, Link)> {
        let slot = self.slot_of(link)?;
        let closed = self.slots[slot].take()?;
        Some((connection_id(slot, closed.generation), closed))
    }

    /// A connection the core may still use.
    fn find(&mut self, connection: ConnectionId) -> Option<&mut Link> {
        let link = self.slots.get_mut(connection.slot as usize)?.as_mut()?;
        (link.generation == connection.generation && link.ending.is_none()).then_some(link)
    }

    /// All that are open.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = LinkId> {
        self.slots.iter_mut().filter_map(Option::take).map(|link| link.id)
    }
}

/// What stands at the front of a connection's bytes.
enum Look {
    Frame(usize),
    Incomplete,
    Bad(CloseCause, ErrorCode),
}

impl Link {
    fn look(&self) -> Look {
        let bytes_max = if self.is_greeted {
            limits::FRAME_BYTES_MAX
        } else {
            limits::FRAME_BYTES_BEFORE_HELLO_MAX
        };
        let bytes = match Frame::decode(&self.input) {
            Ok(Decoded::Frame { bytes_taken, .. }) if bytes_taken <= bytes_max => {
                return Look::Frame(bytes_taken);
            }
            Ok(Decoded::Frame { bytes_taken, .. }) => bytes_taken,
            Ok(Decoded::Incomplete { bytes_wanted }) => bytes_wanted,
            Err(_) => return Look::Bad(CloseCause::Malformed, ErrorCode::MalformedFrame),
        };
        if bytes > bytes_max {
            return Look::Bad(CloseCause::Malformed, ErrorCode::FrameTooLarge);
        }
        Look::Incomplete
    }
}

impl Node {
    pub(super) fn take_connected(
        &mut self,
        shard: ShardId,
        link: LinkId,
        world: &mut Schedule,
    ) -> Fate {
        let connection = self.seats[index(shard)].links.open(link, world.now_ns);
        world.frame_deadline(shard, link, world.now_ns + FRAME_DEADLINE_NS);
        self.step(shard, Event::Connected { connection }, world)
    }

    pub(super) fn take_closed(
        &mut self,
        shard: ShardId,
        link: LinkId,
        world: &mut Schedule,
    ) -> Fate {
        let Some((connection, closed)) = self.seats[index(shard)].links.close(link) else {
            return Fate::Runs;
        };
        world.fired.cut_frames += u64::from(closed.ending.is_none() && !closed.input.is_empty());
        let cause = closed.ending.unwrap_or(CloseCause::Peer);
        self.step(shard, Event::Closed { connection, cause }, world)
    }

    pub(super) fn take_bytes(
        &mut self,
        shard: ShardId,
        link: LinkId,
        bytes: &[u8],
        world: &mut Schedule,
    ) -> Fate {
        let links = &mut self.seats[index(shard)].links;
        let Some(slot) = links.slot_of(link) else { return Fate::Runs };
        let known = links.slots[slot].as_mut().expect("found above");
        known.input.extend_from_slice(bytes);
        let connection = connection_id(slot, known.generation);
        self.feed(shard, connection, world)
    }

    /// Hands in the frames of a connection until it is held, ends or has no more.
    fn feed(&mut self, shard: ShardId, connection: ConnectionId, world: &mut Schedule) -> Fate {
        loop {
            let Some(link) = self.seats[index(shard)].links.find(connection) else {
                return Fate::Runs;
            };
            if link.held {
                return Fate::Runs;
            }
            match link.look() {
                Look::Frame(bytes) => {
                    let fate = self.hand_in(shard, connection, bytes, world);
                    if fate != Fate::Runs {
                        return fate;
                    }
                }
                Look::Incomplete => {
                    if !link.input.is_empty() && link.deadline_ns.is_none() {
                        let deadline_ns = world.now_ns + FRAME_DEADLINE_NS;
                        link.deadline_ns = Some(deadline_ns);
                        world.frame_deadline(shard, link.id, deadline_ns);
                    }
                    return Fate::Runs;
                }
                Look::Bad(cause, code) => {
                    self.end_link(shard, connection, (cause, Some(code)), world);
                    return Fate::Runs;
                }
            }
        }
    }

    fn hand_in(
        &mut self,
        shard: ShardId,
        connection: ConnectionId,
        frame_bytes: usize,
        world: &mut Schedule,
    ) -> Fate {
        let Some(link) = self.seats[index(shard)].links.find(connection) else {
            return Fate::Runs;
        };
        let input = std::mem::take(&mut link.input);
        let Ok(Decoded::Frame { frame, .. }) = Frame::decode(&input) else {
            unreachable!("looked at before");
        };
        let fate = self.step(shard, Event::Frame { connection, frame }, world);
        if fate != Fate::Runs {
            return fate;
        }
        if let Some(link) = self.seats[index(shard)].links.find(connection) {
            link.input = input;
            if !link.held {
                link.is_greeted = true;
                link.deadline_ns = None;
                link.input.drain(..frame_bytes);
            }
        }
        Fate::Runs
    }

    /// A frame, or the hello, is not whole in time.
    pub(super) fn take_deadline(
        &mut self,
        shard: ShardId,
        link: LinkId,
        world: &mut Schedule,
    ) -> Fate {
        let links = &mut self.seats[index(shard)].links;
        let Some(slot) = links.slot_of(link) else { return Fate::Runs };
        let known = links.slots[slot].as_ref().expect("found above");
        let connection = connection_id(slot, known.generation);
        if known.deadline_ns.is_some_and(|deadline_ns| deadline_ns <= world.now_ns) {
            let code = if known.is_greeted {
                ErrorCode::FrameTimeout
            } else {
                ErrorCode::HandshakeTimeout
            };
            self.end_link(shard, connection, (CloseCause::Timeout, Some(code)), world);
        }
        Fate::Runs
    }

    pub(super) fn send(
        &mut self,
        shard: ShardId,
        connection: ConnectionId,
        bytes: &[u8],
        world: &mut Schedule,
    ) {
        let Some(link) = self.seats[index(shard)].links.find(connection) else { return };
        if !world.to_actor(link.id, bytes) {
            link.ending = Some(CloseCause::SlowConsumer);
            world.fired.slow_consumers += 1;
            world.broker_drops(link.id);
            world.soon(shard, Input::Closed(link.id));
        }
    }

    /// The machine, or the core, ends a connection; with these last words.
    pub(super) fn end_link(
        &mut self,
        shard: ShardId,
        connection: ConnectionId,
        (cause, code): (CloseCause, Option<ErrorCode>),
        world: &mut Schedule,
    ) {
        let Some(link) = self.seats[index(shard)].links.find(connection) else { return };
        link.ending = Some(cause);
        link.input.clear();
        if let Some(code) = code {
            // Where no more of it can wait there are no last words.
            let _is_full = world.to_actor(link.id, &last_words(code));
        }
        world.broker_closes(link.id);
        world.soon(shard, Input::Closed(link.id));
    }

    pub(super) fn hold(&mut self, shard: ShardId, connection: ConnectionId) {
        if let Some(link) = self.seats[index(shard)].links.find(connection) {
            link.held = true;
            link.deadline_ns = None;
        }
    }

    pub(super) fn resume(
        &mut self,
        shard: ShardId,
        connection: ConnectionId,
        world: &mut Schedule,
    ) {
        if let Some(link) = self.seats[index(shard)].links.find(connection)
            && std::mem::take(&mut link.held)
        {
            // The machine goes on with a resumed connection after this step.
            world.soon(shard, Input::Bytes(link.id, Vec::new()));
        }
    }
}

fn connection_id(slot: usize, generation: u32) -> ConnectionId {
    ConnectionId { slot: u32::try_from(slot).expect("few connections"), generation }
}

/// An `Error` frame about the connection itself.
fn last_words(code: ErrorCode) -> Vec<u8> {
    let mut out = Vec::new();
    FrameWriter::default().write(&mut out, Kind::Error, 0, &[], |builder| {
        let message = Some(builder.create_string(code.what()));
        let args = table::ErrorArgs { code: code as u16, message, ..Default::default() };
        table::Error::create(builder, &args)
    });
    out
}
