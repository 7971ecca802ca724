//! Settle: what each touched connection needs at the end of a turn: one send, a receive, its next step towards the end.

use super::Tag;
use super::connection::{Connection, Life};
use super::machine::Machine;
use crate::core::{ConnectionId, Parcel};
use crate::sys::operation::Operation;

/// How long a peer has to say goodbye after our last byte.
const LINGER_NS_MAX: u64 = 1_000_000_000;
/// The same when the whole shard waits for it.
const LINGER_STOPPED_NS_MAX: u64 = 50_000_000;

impl<M: Parcel> Machine<M> {
    /// Settles every touched connection.
    pub(super) fn settle_touched(&mut self) {
        self.wake_dry();
        let mut touched = std::mem::take(&mut self.touched);
        for id in touched.drain(..) {
            if let Some(connection) = self.connections.get_mut(id) {
                connection.is_touched = false;
                self.settle(id);
            }
        }
        // Settling one connection may touch others or itself again: they wait for the next turn.
        touched.append(&mut self.touched);
        self.touched = touched;
    }

    /// Once a share of the receive buffers came back, those that found none are read again.
    fn wake_dry(&mut self) {
        let share = usize::from(self.config.receive_buffer_count / 8).max(1);
        if self.ring.free_buffers() < share {
            return;
        }
        for _ in 0..self.ring.free_buffers() {
            let Some(id) = self.dry.pop_front() else { return };
            if let Some(connection) = self.connections.get_mut(id) {
                connection.is_dry = false;
                self.touch(id);
            }
        }
    }

    fn settle(&mut self, id: ConnectionId) {
        self.start_send(id);
        let Some(connection) = self.connections.get(id) else { return };
        match connection.life {
            Life::Draining if connection.is_drained() => {
                if connection.has_peer_ended {
                    self.abort(id);
                } else {
                    self.linger(id);
                }
            }
            Life::Lingering if connection.has_peer_ended => self.abort(id),
            Life::Open | Life::Draining | Life::Lingering => self.settle_receive(id),
            Life::Aborting => self.close_if_quiet(id),
            Life::Closing => {}
        }
    }

    fn start_send(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let may_send = matches!(connection.life, Life::Open | Life::Draining);
        if may_send && connection.sending_bytes == 0 && !connection.queued.is_empty() {
            let bytes = std::mem::take(&mut connection.queued);
            connection.sending_bytes = bytes.len();
            connection.sending_ns = connection.queued_ns;
            connection.operations += 1;
            self.counters.sends += 1;
            self.ring
                .push(Tag::Send(id), Operation::Send { socket: connection.socket, bytes, from: 0 });
        }
    }

    /// Reads, or does not, as the connection's bounds say.
    fn settle_receive(&mut self, id: ConnectionId) {
        let buffers_max = self.config.receive_buffers_held_max;
        let Some(connection) = self.connections.get_mut(id) else { return };
        match connection.receive {
            Some(key) if connection.is_full(buffers_max) && !connection.is_pausing => {
                connection.is_pausing = true;
                connection.operations += 1;
                self.ring.push(Tag::Side(id), Operation::Cancel(key));
            }
            None if connection.may_receive(buffers_max) => {
                let key = self.ring.push(Tag::Receive(id), Operation::Receive(connection.socket));
                connection.receive = Some(key);
            }
            Some(_) | None => {}
        }
    }

    /// Says that all is sent, and waits a moment for the peer to say so too.
    fn linger(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(id) {
            connection.life = Life::Lingering;
            connection.operations += 1;
            self.ring
                .push(Tag::Side(id), Operation::Hangup { socket: connection.socket, both: false });
        }
        self.set_deadline(id, if self.is_stopped { LINGER_STOPPED_NS_MAX } else { LINGER_NS_MAX });
        self.settle_receive(id);
    }

    fn close_if_quiet(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if connection.receive.is_none() && connection.operations == 0 {
            connection.life = Life::Closing;
            connection.operations = 1;
            self.ring.push(Tag::Closed(id), Operation::Close(connection.socket));
        }
    }
}

impl Connection {
    /// Whether it is not to be read for now.
    fn is_full(&self, buffers_max: usize) -> bool {
        let input = &self.input;
        input.starved || input.buffers() >= buffers_max || (input.held && input.is_spilled())
    }

    /// Whether a receive is to be armed: with some distance to the bound that stopped it.
    fn may_receive(&self, buffers_max: usize) -> bool {
        !self.has_peer_ended && !self.is_dry && !self.is_full(buffers_max.div_ceil(2))
    }
}
