//! Peers: what completions mean for a connection: accepted, received, sent, ended.

use super::Tag;
use super::answer;
use super::connection::{Connection, Life, NEVER_NS};
use super::input::Look;
use super::machine::Machine;
use crate::core::{CloseCause, ConnectionId, Parcel};
use crate::sys::operation::{Held, Operation, SocketSlot};
use crate::sys::ring::Completion;
use std::sync::Arc;
use wire::ErrorCode;
use wire::header::FrameHeader;

impl<M: Parcel> Machine<M> {
    /// Accepts on one of the listeners, until the shard is ending.
    pub(super) fn accept(&mut self, which: usize) {
        if !self.is_ending {
            let listener = Arc::clone(&self.listeners[which]);
            self.ring.push(Tag::Accept(which), Operation::Accept(listener));
        }
    }

    /// Makes an accepted socket a connection; `None`: it is turned away.
    pub(super) fn adopt(&mut self, socket: SocketSlot) -> Option<ConnectionId> {
        let limit = u64::from(self.config.connections_max);
        let refusal = if self.is_ending {
            Some((ErrorCode::ShuttingDown, 0, 0))
        } else if self.counters.open_connections >= limit {
            Some((ErrorCode::TooManyConnections, self.counters.open_connections, limit))
        } else {
            None
        };
        let id = self.connections.insert(Connection::new(socket, Life::Open));
        if let Some(refusal) = refusal {
            self.end_with(id, CloseCause::Asked, refusal);
            return None;
        }
        self.counters.accepted_connections += 1;
        self.counters.open_connections += 1;
        if let Some(connection) = self.connections.get_mut(id) {
            connection.is_announced = true;
        }
        self.set_deadline(id, self.config.frame_deadline_ns);
        self.touch(id);
        Some(id)
    }

    pub(super) fn complete_bell(&mut self, more: bool) {
        if !more {
            let bell = self.bell.wake_up();
            self.ring.push(Tag::Bell, Operation::Watch(bell));
        }
    }

    pub(super) fn complete_side(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(id) {
            connection.operations -= 1;
            self.touch(id);
        }
    }

    pub(super) fn complete_receive(&mut self, id: ConnectionId, completion: Completion<Tag>) {
        let connection =
            self.connections.get_mut(id).expect("a connection outlives its operations");
        if let Some(received) = completion.received {
            self.counters.received_bytes += received.len() as u64;
            if connection.life == Life::Open && received.len() > 0 {
                connection.input.arrive(received);
            } else {
                self.ring.give_back(received);
            }
        }
        if !completion.more {
            connection.receive = None;
            connection.is_pausing = false;
        }
        self.touch(id);
        match -completion.result {
            0 => self.peer_ended(id),
            libc::ENOBUFS => self.run_dry(id),
            // Data, or an end that only means: arm it again.
            ..0 | libc::ECANCELED | libc::EINTR | libc::EAGAIN => {}
            _reset => self.peer_gone(id),
        }
    }

    pub(super) fn peer_ended(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(id) {
            connection.has_peer_ended = true;
        }
    }

    pub(super) fn run_dry(&mut self, id: ConnectionId) {
        let some_are_left = self.ring.offer_more_buffers();
        self.counters.receive_buffers_empty += u64::from(!some_are_left);
        if let Some(connection) = self.connections.get_mut(id) {
            connection.is_dry = true;
            self.dry.push_back(id);
        }
    }

    /// The connection broke: nothing can be sent any more.
    pub(super) fn peer_gone(&mut self, id: ConnectionId) {
        self.peer_ended(id);
        self.end(id, CloseCause::Peer);
        self.abort(id);
    }

    /// How long a send took that is done, in nanoseconds.
    pub(super) fn complete_send(
        &mut self,
        id: ConnectionId,
        completion: Completion<Tag>,
    ) -> Option<u64> {
        let connection =
            self.connections.get_mut(id).expect("a connection outlives its operations");
        let Held::Sent(bytes, from) = completion.held else { return None };
        let Ok(sent) = usize::try_from(completion.result) else {
            connection.operations -= 1;
            let unsent_bytes = std::mem::take(&mut connection.sending_bytes);
            if connection.is_counted() {
                self.memory.discharge_output(unsent_bytes);
            }
            self.memory.give(bytes);
            self.touch(id);
            self.peer_gone(id);
            return None;
        };
        self.counters.sent_bytes += sent as u64;
        connection.sending_bytes -= sent;
        if connection.is_counted() {
            self.memory.discharge_output(sent);
        }
        if connection.sending_bytes > 0 {
            let (socket, from) = (connection.socket, from + sent);
            self.ring.push(Tag::Send(id), Operation::Send { socket, bytes, from });
            return None;
        }
        connection.operations -= 1;
        self.memory.give(bytes);
        let took_ns = self.now_ns.saturating_sub(connection.sending_ns);
        if connection.life != Life::Open || !connection.queued.is_empty() {
            self.touch(id);
        }
        Some(took_ns)
    }

    /// The frame at the front of an open connection, if there is one to hand in; deals with all else.
    pub(super) fn look(&mut self, id: ConnectionId) -> Option<FrameHeader> {
        let connection = self.connections.get_mut(id)?;
        if connection.life != Life::Open || connection.input.held {
            return None;
        }
        connection.input.starved = false;
        let frame_bytes_max = if connection.is_greeted {
            self.config.frame_bytes_max
        } else {
            wire::limits::FRAME_BYTES_BEFORE_HELLO_MAX
        };
        let is_greeted = connection.is_greeted;
        match connection.input.look(&mut self.ring, &mut self.memory, frame_bytes_max) {
            Look::Frame(header) => return Some(header),
            Look::Incomplete => self.wait_for_more(id),
            Look::Starved => {
                connection.deadline_ns = NEVER_NS;
                self.starved.push_back(id);
            }
            Look::Malformed(cause) => {
                let mut words = self.memory.take();
                answer::malformed(&mut words, cause, is_greeted);
                self.end_saying(id, CloseCause::Malformed, words);
            }
            Look::TooLarge { bytes, bytes_max } => {
                let words = (ErrorCode::FrameTooLarge, bytes as u64, bytes_max as u64);
                self.end_with(id, CloseCause::Malformed, words);
            }
        }
        None
    }

    /// Sees that a connection whose bytes wait does not keep the receive buffers of all others:
    /// one burst of the kernel may have given it every buffer before its receive is cancelled.
    pub(super) fn limit_buffers(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let buffers_max = self.config.receive_buffers_held_max;
        if connection.input.buffers() > buffers_max
            && !connection.input.spill(&mut self.ring, &mut self.memory)
        {
            self.end_with(id, CloseCause::Timeout, (ErrorCode::Overloaded, 0, 0));
        }
    }

    /// No whole frame: the peer has ended, or is to go on in time.
    pub(super) fn wait_for_more(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if connection.has_peer_ended {
            self.end(id, CloseCause::Peer);
        } else if connection.input.is_begun() && connection.deadline_ns == NEVER_NS {
            self.set_deadline(id, self.config.frame_deadline_ns);
        }
    }

    /// Passes a frame the core took, unless the connection ended over it.
    pub(super) fn take(&mut self, id: ConnectionId, header: FrameHeader) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if connection.life != Life::Open {
            return;
        }
        connection.is_greeted = true;
        connection.deadline_ns = NEVER_NS;
        connection.input.take(header, &mut self.ring, &mut self.memory);
        self.wake_starved();
    }

    /// A timer of a connection: its deadline is over, or lies further ahead.
    pub(super) fn deadline(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        connection.watched_ns = NEVER_NS;
        if connection.deadline_ns > self.now_ns {
            let left_ns = connection.deadline_ns - self.now_ns;
            if connection.deadline_ns != NEVER_NS {
                self.set_deadline(id, left_ns);
            }
            return;
        }
        let limit_ms = self.config.frame_deadline_ns / 1_000_000;
        match connection.life {
            Life::Open => {
                let greeted = connection.is_greeted;
                let code =
                    if greeted { ErrorCode::FrameTimeout } else { ErrorCode::HandshakeTimeout };
                self.end_with(id, CloseCause::Timeout, (code, limit_ms, limit_ms));
            }
            Life::Draining | Life::Lingering => self.abort(id),
            Life::Aborting | Life::Closing => {}
        }
    }
}
