//! Connection: one peer's socket, its bytes in both directions, and its end.
//!
//! ```text
//!   Open --end--> Draining --all sent--> Lingering --peer ended, or 1 s--> Aborting --quiet--> Closing --> gone
//!     \                \--5 s----------------------------------------------^
//!      \--slow consumer, reset---------------------------------------------^
//! ```
//!
//! Draining and Lingering read and forget what still comes: closing a socket with unread bytes
//! would take the last answer away from the peer.

use super::input::Input;
use super::memory::Memory;
use crate::core::ConnectionId;
use crate::sys::operation::{OperationKey, SocketSlot};

/// No deadline.
pub(super) const NEVER_NS: u64 = u64::MAX;

/// Where a connection is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// In use.
    Open,
    /// What is queued is still sent.
    Draining,
    /// All is sent and said to be all; waits for the peer's end.
    Lingering,
    /// Waits for its operations to end.
    Aborting,
    /// Its socket is being closed.
    Closing,
}

#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts of one connection, each with its own reader"
)]
pub(super) struct Connection {
    pub(super) socket: SocketSlot,
    pub(super) life: Life,
    /// The core was told of it, and not of its end.
    pub(super) is_announced: bool,
    /// The core took a frame of it.
    pub(super) is_greeted: bool,
    pub(super) input: Input,
    /// Bytes to send after those in flight.
    pub(super) queued: Vec<u8>,
    /// Since when the oldest of them wait, and those in flight; monotonic.
    pub(super) queued_ns: u64,
    pub(super) sending_ns: u64,
    /// Bytes given to the kernel and not reported sent.
    pub(super) sending_bytes: usize,
    /// The multishot receive, while it is armed.
    pub(super) receive: Option<OperationKey>,
    /// Its cancel is on the way.
    pub(super) is_pausing: bool,
    /// Waits for receive buffers.
    pub(super) is_dry: bool,
    /// Operations in flight beside the receive.
    pub(super) operations: u32,
    /// The peer sends no more.
    pub(super) has_peer_ended: bool,
    /// When it is at fault, or is closed for good.
    pub(super) deadline_ns: u64,
    /// The earliest timer armed for it.
    pub(super) watched_ns: u64,
    /// It is on the list of connections to settle.
    pub(super) is_touched: bool,
}

impl Connection {
    pub(super) fn new(socket: SocketSlot, life: Life) -> Self {
        Self {
            socket,
            life,
            is_announced: false,
            is_greeted: false,
            input: Input::default(),
            queued: Vec::new(),
            queued_ns: 0,
            sending_ns: 0,
            sending_bytes: 0,
            receive: None,
            is_pausing: false,
            is_dry: false,
            operations: 0,
            has_peer_ended: false,
            deadline_ns: NEVER_NS,
            watched_ns: NEVER_NS,
            is_touched: false,
        }
    }

    /// Queues bytes; `false` when more than `bytes_max` would wait.
    #[must_use]
    pub(super) fn queue(&mut self, bytes: &[u8], bytes_max: usize, memory: &mut Memory) -> bool {
        if self.output_bytes() + bytes.len() > bytes_max {
            return false;
        }
        memory.charge_output(bytes.len());
        if self.queued.capacity() == 0 {
            self.queued = memory.take();
        }
        self.queued.extend_from_slice(bytes);
        true
    }

    /// Bytes queued and being sent.
    pub(super) fn output_bytes(&self) -> usize {
        self.sending_bytes + self.queued.len()
    }

    /// Whether its output is among that of all: until it is cut off.
    pub(super) fn is_counted(&self) -> bool {
        !matches!(self.life, Life::Aborting | Life::Closing)
    }

    /// Whether everything was sent.
    pub(super) fn is_drained(&self) -> bool {
        self.sending_bytes == 0 && self.queued.is_empty()
    }
}

/// The connections of a shard, by slot.
#[derive(Debug, Default)]
pub(super) struct Connections {
    slots: Vec<Slot>,
    unused: Vec<u32>,
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    connection: Option<Connection>,
}

impl Connections {
    /// Slots in use, also by connections that are ending.
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.unused.len()
    }

    pub(super) fn insert(&mut self, connection: Connection) -> ConnectionId {
        let slot = self.unused.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, connection: None });
            u32::try_from(self.slots.len() - 1).expect("bounded by the ring's sockets")
        });
        let place = &mut self.slots[slot as usize];
        place.generation = place.generation.wrapping_add(1);
        place.connection = Some(connection);
        ConnectionId { slot, generation: place.generation }
    }

    pub(super) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        let slot = self.slots.get_mut(id.slot as usize)?;
        if slot.generation == id.generation { slot.connection.as_mut() } else { None }
    }

    pub(super) fn get(&self, id: ConnectionId) -> Option<&Connection> {
        let slot = self.slots.get(id.slot as usize)?;
        if slot.generation == id.generation { slot.connection.as_ref() } else { None }
    }

    pub(super) fn remove(&mut self, id: ConnectionId) {
        if self.get(id).is_some() {
            self.slots[id.slot as usize].connection = None;
            self.unused.push(id.slot);
        }
    }

    /// The open one with the most output; `None`: nobody waits for any.
    pub(super) fn longest_output(&self) -> Option<ConnectionId> {
        let bytes = |id: &ConnectionId| {
            let open = self.get(*id).filter(|connection| connection.life == Life::Open);
            open.map_or(0, Connection::output_bytes)
        };
        self.ids().max_by_key(bytes).filter(|id| bytes(id) > 0)
    }

    /// All that are there, by slot.
    pub(super) fn ids(&self) -> impl Iterator<Item = ConnectionId> {
        (0..).zip(&self.slots).filter_map(|(slot, place)| {
            let generation = place.generation;
            place.connection.as_ref().map(|_| ConnectionId { slot, generation })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_used_again_is_another_connection() {
        let mut connections = Connections::default();
        let first = connections.insert(Connection::new(SocketSlot(3), Life::Open));
        connections.remove(first);
        connections.remove(first);
        let second = connections.insert(Connection::new(SocketSlot(3), Life::Open));
        assert_eq!(second.slot, first.slot);
        assert!(connections.get(first).is_none() && connections.get(second).is_some());
        assert_eq!((connections.len(), connections.ids().collect::<Vec<_>>()), (1, vec![second]));
    }

    #[test]
    fn output_is_bounded() {
        let mut memory = Memory::new(0, 0);
        let mut connection = Connection::new(SocketSlot(0), Life::Open);
        connection.sending_bytes = 4;
        assert!(connection.queue(&[0; 6], 10, &mut memory));
        assert!(!connection.queue(&[0; 1], 10, &mut memory));
        assert!(!connection.is_drained());
    }
}
