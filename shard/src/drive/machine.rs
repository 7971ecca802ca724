//! Machine: everything of a shard but its core: carries out effects, and keeps what they need.

use super::Tag;
use super::answer;
use super::connection::{Connection, Connections, Life, NEVER_NS};
use super::disk::{Disk, FlushOrder};
use super::memory::Memory;
use crate::config::NodeMachine;
use crate::core::{
    CloseCause, ConnectionId, Effect, Effects, IoFault, MachineCounters, OperationId, Parcel,
};
use crate::mailbox::{Bell, Mailboxes};
use crate::sys::host;
use crate::sys::operation::Operation;
use crate::sys::ring::Ring;
use crate::wheel::Wheel;
use bytes::Bytes;
use std::collections::VecDeque;
use std::net::TcpListener;
use std::sync::Arc;
use wire::ErrorCode;

/// Something a timer is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Due {
    /// The core's own.
    Core(u64),
    /// A connection's deadline may be over.
    Deadline(ConnectionId),
    /// Accepting is tried again.
    Accept(usize),
}

/// An event the machine found while it could not step the core.
#[derive(Debug)]
pub(super) enum Told {
    Closed(ConnectionId, CloseCause),
    Flushed(OperationId, IoFault),
    ReadDone(OperationId, Result<Bytes, IoFault>),
    FileDone(OperationId, IoFault),
}

/// One shard's machine.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts of one shard, each with its own reader"
)]
pub(super) struct Machine<M> {
    pub(super) config: Arc<NodeMachine>,
    pub(super) ring: Ring<Tag>,
    pub(super) connections: Connections,
    pub(super) memory: Memory,
    pub(super) disk: Disk,
    pub(super) mailboxes: Mailboxes<M>,
    pub(super) bell: Arc<Bell>,
    pub(super) listeners: [Arc<TcpListener>; 2],
    pub(super) wheel: Wheel<Due>,
    pub(super) now_ns: u64,
    pub(super) counters: MachineCounters,
    /// Events to step as soon as the core can be stepped.
    pub(super) told: VecDeque<Told>,
    /// Connections with input to look at again.
    pub(super) ready: VecDeque<ConnectionId>,
    /// Connections to settle at the turn's end.
    pub(super) touched: Vec<ConnectionId>,
    /// Connections that wait for receive buffers.
    pub(super) dry: VecDeque<ConnectionId>,
    /// Connections that wait for the assembly budget.
    pub(super) starved: VecDeque<ConnectionId>,
    /// The frame in hand was not taken.
    pub(super) is_refused: bool,
    /// The core was told of the shutdown: nobody is accepted any more.
    pub(super) is_ending: bool,
    /// The core said `Stop`.
    pub(super) is_stopped: bool,
    /// There was something to do when the last turn ended.
    pub(super) is_busy: bool,
}

impl<M: Parcel> Machine<M> {
    /// Carries out effects in their order, and empties them.
    pub(super) fn carry_out(&mut self, effects: &mut Effects<M>) {
        if effects.list.is_empty() {
            return;
        }
        let mut list = std::mem::take(&mut effects.list);
        for effect in list.drain(..) {
            self.carry_out_one(effect, &effects.bytes);
        }
        effects.list = list;
        effects.bytes.clear();
    }

    fn carry_out_one(&mut self, effect: Effect<M>, bytes: &[u8]) {
        match effect {
            Effect::Send { connection, range } => self.send(connection, &bytes[range]),
            Effect::Close { connection } => self.end(connection, CloseCause::Asked),
            Effect::Hold { connection } => self.hold(connection),
            Effect::Resume { connection } => self.resume(connection),
            Effect::Mail { to, mail } => self.mailboxes.outboxes[usize::from(to.0)].push(mail),
            Effect::Arm { token, at_ns } => self.wheel.arm(at_ns, Due::Core(token)),
            Effect::Flush { operation, file, head, position, batch } => {
                let order = FlushOrder { operation, file, head, position, batch };
                if let Err(fault) = self.disk.start_flush(order, &mut self.ring) {
                    self.told.push_back(Told::Flushed(operation, fault));
                }
            }
            Effect::Read { operation, file, position, bytes } => {
                if let Err(fault) =
                    self.disk.start_read(operation, file, (position, bytes), &mut self.ring)
                {
                    self.told.push_back(Told::ReadDone(operation, Err(fault)));
                }
            }
            Effect::File { operation, task } => {
                if let Err(fault) = self.disk.start_task(operation, task) {
                    self.told.push_back(Told::FileDone(operation, fault));
                }
            }
            Effect::Say { line } => eprintln!("{line}"),
            Effect::Halt { code, reason } => halt(code, &reason),
            Effect::Stop => self.is_stopped = true,
        }
    }

    fn send(&mut self, id: ConnectionId, bytes: &[u8]) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if connection.life != Life::Open {
            return;
        }
        if connection.queued.is_empty() {
            connection.queued_ns = self.now_ns;
        }
        if connection.queue(bytes, self.config.output_bytes_max, &mut self.memory) {
            self.touch(id);
            self.limit_output();
        } else {
            self.end_slow(id);
        }
    }

    /// While all outputs together are too long, the longest one goes: nobody else pays for it.
    fn limit_output(&mut self) {
        while self.memory.output_bytes() > self.config.output_total_bytes_max {
            let Some(longest) = self.connections.longest_output() else { return };
            self.end_slow(longest);
        }
    }

    fn end_slow(&mut self, id: ConnectionId) {
        self.counters.slow_consumers += 1;
        self.end(id, CloseCause::SlowConsumer);
    }

    fn hold(&mut self, id: ConnectionId) {
        if let Some(connection) =
            self.connections.get_mut(id).filter(|connection| connection.life == Life::Open)
        {
            connection.input.held = true;
            connection.deadline_ns = NEVER_NS;
            self.is_refused = true;
        }
    }

    fn resume(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(id)
            && std::mem::take(&mut connection.input.held)
        {
            self.ready.push_back(id);
        }
    }

    /// Has a connection looked after at the turn's end.
    pub(super) fn touch(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(id)
            && !std::mem::replace(&mut connection.is_touched, true)
        {
            self.touched.push(id);
        }
    }

    /// Ends a connection: the core hears of it once, and of nothing else of it after that.
    pub(super) fn end(&mut self, id: ConnectionId, cause: CloseCause) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if connection.life != Life::Open {
            return;
        }
        connection.life = Life::Draining;
        connection.input.discard(&mut self.ring, &mut self.memory);
        if std::mem::take(&mut connection.is_announced) {
            self.counters.open_connections -= 1;
            self.told.push_back(Told::Closed(id, cause));
        }
        self.wake_starved();
        match cause {
            // What it did not read so far it need not read later either.
            CloseCause::SlowConsumer => self.abort(id),
            CloseCause::Peer | CloseCause::Asked | CloseCause::Malformed | CloseCause::Timeout => {
                self.set_deadline(id, DRAIN_NS_MAX);
                self.touch(id);
            }
        }
    }

    /// Ends a connection with an `Error` frame as the last word.
    pub(super) fn end_with(
        &mut self,
        id: ConnectionId,
        cause: CloseCause,
        (code, observed, limit): (ErrorCode, u64, u64),
    ) {
        let mut words = self.memory.take();
        answer::error(&mut words, code, observed, limit);
        self.end_saying(id, cause, words);
    }

    /// Ends a connection with these bytes as the last words; none if its output is full.
    pub(super) fn end_saying(&mut self, id: ConnectionId, cause: CloseCause, words: Vec<u8>) {
        let open = |connection: &&mut Connection| connection.life == Life::Open;
        if let Some(connection) = self.connections.get_mut(id).filter(open) {
            let _is_full = connection.queue(&words, self.config.output_bytes_max, &mut self.memory);
        }
        self.memory.give(words);
        self.end(id, cause);
    }

    /// Stops a connection in both directions; it is gone when its operations are.
    pub(super) fn abort(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if matches!(connection.life, Life::Aborting | Life::Closing) {
            return;
        }
        connection.life = Life::Aborting;
        self.memory.discharge_output(connection.output_bytes());
        // At once: many may be cut off in one turn, to have room for others.
        let unsent = std::mem::take(&mut connection.queued);
        self.memory.give(unsent);
        if connection.receive.is_some() || connection.sending_bytes > 0 {
            connection.operations += 1;
            self.ring
                .push(Tag::Side(id), Operation::Hangup { socket: connection.socket, both: true });
        }
        self.touch(id);
    }

    /// Sets a connection's deadline `span_ns` from now, and sees that a timer watches it.
    pub(super) fn set_deadline(&mut self, id: ConnectionId, span_ns: u64) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        connection.deadline_ns = self.now_ns.saturating_add(span_ns);
        if connection.deadline_ns < connection.watched_ns {
            connection.watched_ns = connection.deadline_ns;
            self.wheel.arm(connection.deadline_ns, Due::Deadline(id));
        }
    }

    /// Lets those that waited for the assembly budget try again.
    pub(super) fn wake_starved(&mut self) {
        self.ready.extend(self.starved.drain(..));
    }

    /// Refills what shards may mail: read once a turn, as only this shard makes it less.
    pub(super) fn refresh_rooms(&mut self, effects: &mut Effects<M>) {
        for (room, outbox) in effects.rooms.iter_mut().zip(&mut self.mailboxes.outboxes) {
            *room = outbox.room();
            outbox.forget_room();
        }
    }
}

/// How long what is queued may take to be sent after the end; then the connection is dropped.
const DRAIN_NS_MAX: u64 = 5_000_000_000;

/// Ends the process at the core's word.
fn halt(code: u8, reason: &str) -> ! {
    let name = if code == EXIT_DISK_FAILED { ErrorCode::DiskFailed } else { ErrorCode::Internal };
    eprintln!("error[{name}]: {reason}");
    host::exit_now(code)
}

/// The exit code of a failed disk.
const EXIT_DISK_FAILED: u8 = 74;
