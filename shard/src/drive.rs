//! Drive: one shard's loop, on the thread that calls it.
//!
//! ```text
//!   turn:  completions (bounded) -> mail -> file tasks -> timers -> input held back -> TurnEnd
//!          -> one send per touched connection -> one submit; then idle
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `machine` | everything but the core; carries out effects |
//! | `connection`, `input`, `memory` | a peer's socket, its bytes until they are frames, what all share |
//! | `settle` | what a connection needs at a turn's end |
//! | `disk` | flushes, reads, file tasks |
//! | `answer` | last words to peers |
//! | `idle` | between turns |
//!
//! Nothing is allocated per message once lists and buffers have grown. System calls per turn: one
//! `io_uring_enter`, one more when the kernel has to be asked for what it finished.

mod answer;
mod connection;
mod disk;
mod idle;
mod input;
mod machine;
mod memory;
mod settle;

use crate::core::{
    CloseCause, ConnectionId, Core, Effects, Event, MachineCounters, Now, OperationId,
};
use crate::helper::Helper;
use crate::probe::{self, StartError};
use crate::seat::Seat;
use crate::sys::host;
use crate::sys::operation::{Held, Operation, SocketSlot};
use crate::sys::ring::{Completion, Ring, RingFault, RingSetup, RingStep};
use crate::wheel::Wheel;
use connection::{Connection, Connections, Life, NEVER_NS};
use disk::{Disk, FlushPart, read_result};
use input::Look;
use machine::{Due, Machine, Told};
use memory::Memory;
use std::collections::VecDeque;
use std::sync::Arc;
use wire::header::FrameHeader;
use wire::{ErrorCode, ShardId};

/// Mails taken from one shard in one turn.
const MAILS_PER_TURN_MAX: usize = 256;
/// How long accepting rests when there are no descriptors left.
const ACCEPT_REST_NS: u64 = 50_000_000;
/// How long connections may take to be sent their last bytes after `Stop`.
const STOP_NS_MAX: u64 = 1_000_000_000;

/// What a completion belongs to.
#[derive(Clone, Copy, Debug)]
enum Tag {
    Accept(usize),
    Bell,
    Receive(ConnectionId),
    Send(ConnectionId),
    /// A hangup or a cancel: only its end counts.
    Side(ConnectionId),
    Closed(ConnectionId),
    Flush(FlushPart),
    Read(OperationId),
}

/// Runs a shard until its core says `Stop` (after `Event::Shutdown`); returns what the machine counted.
///
/// The ring is made here, on the shard's own thread, which is pinned first if the configuration says so.
///
/// # Errors
/// The ring or its buffers cannot be made; nothing was stepped then.
pub fn drive<C: Core>(core: C, seat: Seat<C::Mail>) -> Result<MachineCounters, StartError> {
    if let Some(core) = seat.config.cores.get(usize::from(seat.shard.0)) {
        core_affinity::set_for_current(core_affinity::CoreId { id: *core });
    }
    let shard_count = seat.config.shard_count;
    let now_ns = host::mono_ns();
    let machine = sit_down(seat, now_ns)?;
    let mut shard = Shard {
        core,
        machine,
        effects: Effects::new(shard_count),
        now: Now::default(),
        completions: Vec::new(),
        due: Vec::new(),
    };
    shard.run();
    Ok(shard.machine.counters)
}

/// Makes the machine of a seat.
fn sit_down<M>(seat: Seat<M>, now_ns: u64) -> Result<Machine<M>, StartError> {
    let config = Arc::clone(&seat.config);
    let setup = RingSetup {
        entries: config.ring_entries,
        sockets: config.sockets(),
        buffer_count: config.receive_buffer_count,
        buffer_bytes: config.receive_buffer_bytes,
        housekeeping_core: config.housekeeping_core,
    };
    let ring = Ring::new(setup).map_err(ring_fault)?;
    let helper = match &seat.directory {
        Some(dir) => {
            let name = format!("files-{}", seat.shard);
            let started =
                Helper::start(name, dir.again(), Arc::clone(&seat.bell), config.housekeeping_core);
            let errno = |error: std::io::Error| error.raw_os_error().unwrap_or(libc::EAGAIN);
            Some(started.map_err(|error| StartError::Kernel {
                what: "starting a thread",
                errno: errno(error),
            })?)
        }
        None => None,
    };
    Ok(Machine {
        ring,
        connections: Connections::default(),
        memory: Memory::new(config.assembly_bytes_max, config.spill_bytes_max()),
        disk: Disk::new(seat.directory, helper),
        mailboxes: seat.mailboxes,
        bell: seat.bell,
        listeners: seat.listeners,
        wheel: Wheel::new(now_ns),
        now_ns,
        counters: MachineCounters::default(),
        told: VecDeque::new(),
        ready: VecDeque::new(),
        touched: Vec::new(),
        dry: VecDeque::new(),
        starved: VecDeque::new(),
        is_refused: false,
        is_ending: false,
        is_stopped: false,
        config,
    })
}

fn ring_fault(fault: RingFault) -> StartError {
    match fault.step {
        RingStep::Setup => probe::no_ring(fault.errno),
        RingStep::Sockets => {
            StartError::Kernel { what: "io_uring_register: table of sockets", errno: fault.errno }
        }
        RingStep::Buffers => {
            StartError::Kernel { what: "io_uring_register: receive buffers", errno: fault.errno }
        }
    }
}

/// A core and the machine under it.
struct Shard<C: Core> {
    core: C,
    machine: Machine<C::Mail>,
    effects: Effects<C::Mail>,
    now: Now,
    /// Completions of this turn; kept for its memory.
    completions: Vec<Completion<Tag>>,
    /// Timers of this turn; kept for its memory.
    due: Vec<Due>,
}

impl<C: Core> Shard<C> {
    fn run(&mut self) {
        let bell = self.machine.bell.wake_up();
        self.machine.ring.push(Tag::Bell, Operation::Watch(bell));
        self.read_clocks();
        self.machine.refresh_rooms(&mut self.effects);
        self.step(Event::Started);
        for which in 0..self.machine.listeners.len() {
            self.machine.accept(which);
        }
        while !self.machine.is_stopped {
            self.turn();
            self.machine.idle();
        }
        self.see_off();
    }

    /// Sends what is queued, without the core.
    fn see_off(&mut self) {
        let until_ns = host::mono_ns() + STOP_NS_MAX;
        for id in self.machine.connections.ids().collect::<Vec<_>>() {
            self.machine.end(id, CloseCause::Asked);
        }
        while self.machine.connections.len() > 0 && self.machine.now_ns < until_ns {
            self.turn();
            self.machine.ring.wait(Some(STOP_NS_MAX / 100));
        }
    }

    fn read_clocks(&mut self) {
        let wall_ns = host::wall_ns().max(self.now.wall_ns);
        self.now = Now { mono_ns: host::mono_ns(), wall_ns };
        self.machine.now_ns = self.now.mono_ns;
    }

    fn turn(&mut self) {
        self.read_clocks();
        self.count_turn();
        self.machine.refresh_rooms(&mut self.effects);
        self.take_completions();
        self.take_mail();
        while let Some((operation, result)) = self.machine.disk.take_done() {
            self.step(Event::FileDone { operation, result });
        }
        self.take_timers();
        self.tell_shutdown();
        for _ in 0..self.machine.ready.len() {
            if let Some(id) = self.machine.ready.pop_front() {
                self.machine.touch(id);
                self.feed(id);
            }
        }
        while let Some(told) = self.machine.told.pop_front() {
            self.tell(told);
        }
        self.step(Event::TurnEnd);
        self.machine.settle_touched();
        for (outbox, room) in self.machine.mailboxes.outboxes.iter_mut().zip(&self.effects.rooms) {
            outbox.end_turn(*room);
        }
    }

    fn count_turn(&mut self) {
        let machine = &mut self.machine;
        machine.counters.turns += 1;
        machine.counters.enters = machine.ring.enters;
        machine.counters.sq_full = machine.ring.full_queues;
        machine.counters.cq_overflow = machine.ring.overflows;
        self.effects.machine = machine.counters;
    }

    /// Steps the core once and carries out what it wants. After `Stop` it is not asked any more.
    fn step(&mut self, event: Event<'_, C::Mail>) {
        if self.machine.is_stopped {
            return;
        }
        self.core.step(self.now, event, &mut self.effects);
        self.machine.carry_out(&mut self.effects);
    }

    fn tell(&mut self, told: Told) {
        match told {
            Told::Closed(connection, cause) => self.step(Event::Closed { connection, cause }),
            Told::Flushed(operation, fault) => {
                self.step(Event::Flushed { operation, result: Err(fault) })
            }
            Told::ReadDone(operation, result) => self.step(Event::ReadDone { operation, result }),
            Told::FileDone(operation, fault) => {
                self.step(Event::FileDone { operation, result: Err(fault) })
            }
        }
    }

    fn tell_shutdown(&mut self) {
        if self.machine.bell.is_shutdown_asked()
            && !std::mem::replace(&mut self.machine.is_ending, true)
        {
            self.step(Event::Shutdown);
        }
    }

    fn take_completions(&mut self) {
        let mut completions = std::mem::take(&mut self.completions);
        self.machine.ring.reap(&mut completions, self.machine.config.completions_per_turn_max);
        self.machine.counters.completions += completions.len() as u64;
        for completion in completions.drain(..) {
            self.complete(completion);
        }
        self.completions = completions;
    }

    fn take_mail(&mut self) {
        for number in 0..self.machine.mailboxes.inboxes.len() {
            if self.machine.mailboxes.inboxes[number].is_empty() {
                continue;
            }
            let from = ShardId(u16::try_from(number).expect("a shard count is u16"));
            for _ in 0..MAILS_PER_TURN_MAX {
                let Some(mail) = self.machine.mailboxes.inboxes[number].pop() else { break };
                self.step(Event::Mail { from, mail });
            }
            self.machine.mailboxes.inboxes[number].end_turn();
        }
    }

    fn take_timers(&mut self) {
        let mut due = std::mem::take(&mut self.due);
        self.machine.wheel.take_due(self.now.mono_ns, &mut due);
        for item in due.drain(..) {
            match item {
                Due::Core(token) => self.step(Event::Timer { token }),
                Due::Deadline(id) => self.machine.deadline(id),
                Due::Accept(which) => self.machine.accept(which),
            }
        }
        self.due = due;
    }

    fn complete(&mut self, completion: Completion<Tag>) {
        match completion.tag {
            Tag::Accept(which) => self.complete_accept(which, &completion),
            Tag::Bell => self.machine.complete_bell(completion.more),
            Tag::Receive(id) => {
                self.machine.complete_receive(id, completion);
                self.feed(id);
                self.machine.limit_buffers(id);
            }
            Tag::Send(id) => self.machine.complete_send(id, completion),
            Tag::Side(id) => self.machine.complete_side(id),
            Tag::Closed(id) => self.machine.connections.remove(id),
            Tag::Flush(part) => {
                let ended =
                    self.machine.disk.end_part(part, completion.result, &mut self.machine.ring);
                if let Some((operation, result)) = ended {
                    self.step(Event::Flushed { operation, result });
                }
            }
            Tag::Read(operation) => {
                if let Held::Block(block) = completion.held {
                    let result = read_result(completion.result, block);
                    self.step(Event::ReadDone { operation, result });
                }
            }
        }
    }

    fn complete_accept(&mut self, which: usize, completion: &Completion<Tag>) {
        if let Ok(slot) = u32::try_from(completion.result) {
            if let Some(connection) = self.machine.adopt(SocketSlot(slot)) {
                self.step(Event::Connected { connection });
            }
        } else {
            // No descriptors or no memory: those that wait in the backlog are taken later.
            self.machine.wheel.arm(self.now.mono_ns + ACCEPT_REST_NS, Due::Accept(which));
            return;
        }
        if !completion.more {
            self.machine.accept(which);
        }
    }

    /// Hands the core every whole frame of a connection, until it ends or one is not taken.
    fn feed(&mut self, id: ConnectionId) {
        while let Some(header) = self.machine.look(id) {
            if self.machine.is_stopped {
                return;
            }
            let Some(connection) = self.machine.connections.get(id) else { return };
            let frame = connection.input.frame(header, &self.machine.ring);
            self.machine.is_refused = false;
            self.core.step(self.now, Event::Frame { connection: id, frame }, &mut self.effects);
            self.machine.carry_out(&mut self.effects);
            if self.machine.is_refused {
                return;
            }
            self.machine.take(id, header);
        }
    }
}

impl<M> Machine<M> {
    /// Accepts on one of the listeners, until the shard is ending.
    fn accept(&mut self, which: usize) {
        if !self.is_ending {
            let listener = Arc::clone(&self.listeners[which]);
            self.ring.push(Tag::Accept(which), Operation::Accept(listener));
        }
    }

    /// Makes an accepted socket a connection; `None`: it is turned away.
    fn adopt(&mut self, socket: SocketSlot) -> Option<ConnectionId> {
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

    fn complete_bell(&mut self, more: bool) {
        if !more {
            let bell = self.bell.wake_up();
            self.ring.push(Tag::Bell, Operation::Watch(bell));
        }
    }

    fn complete_side(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(id) {
            connection.operations -= 1;
            self.touch(id);
        }
    }

    fn complete_receive(&mut self, id: ConnectionId, completion: Completion<Tag>) {
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

    fn peer_ended(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(id) {
            connection.has_peer_ended = true;
        }
    }

    fn run_dry(&mut self, id: ConnectionId) {
        self.counters.receive_buffers_empty += 1;
        if let Some(connection) = self.connections.get_mut(id) {
            connection.is_dry = true;
            self.dry.push_back(id);
        }
    }

    /// The connection broke: nothing can be sent any more.
    fn peer_gone(&mut self, id: ConnectionId) {
        self.peer_ended(id);
        self.end(id, CloseCause::Peer);
        self.abort(id);
    }

    fn complete_send(&mut self, id: ConnectionId, completion: Completion<Tag>) {
        let connection =
            self.connections.get_mut(id).expect("a connection outlives its operations");
        let Held::Sent(bytes, from) = completion.held else { return };
        let Ok(sent) = usize::try_from(completion.result) else {
            connection.operations -= 1;
            connection.sending_bytes = 0;
            self.memory.give(bytes);
            self.touch(id);
            return self.peer_gone(id);
        };
        self.counters.sent_bytes += sent as u64;
        connection.sending_bytes -= sent;
        if connection.sending_bytes > 0 {
            let (socket, from) = (connection.socket, from + sent);
            self.ring.push(Tag::Send(id), Operation::Send { socket, bytes, from });
            return;
        }
        connection.operations -= 1;
        self.memory.give(bytes);
        if connection.life != Life::Open || !connection.queued.is_empty() {
            self.touch(id);
        }
    }

    /// The frame at the front of an open connection, if there is one to hand in; deals with all else.
    fn look(&mut self, id: ConnectionId) -> Option<FrameHeader> {
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
    fn limit_buffers(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let buffers_max = self.config.receive_buffers_held_max;
        if connection.input.buffers() > buffers_max
            && !connection.input.spill(&mut self.ring, &mut self.memory)
        {
            self.end_with(id, CloseCause::Timeout, (ErrorCode::Overloaded, 0, 0));
        }
    }

    /// No whole frame: the peer has ended, or is to go on in time.
    fn wait_for_more(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if connection.has_peer_ended {
            self.end(id, CloseCause::Peer);
        } else if connection.input.is_begun() && connection.deadline_ns == NEVER_NS {
            self.set_deadline(id, self.config.frame_deadline_ns);
        }
    }

    /// Passes a frame the core took, unless the connection ended over it.
    fn take(&mut self, id: ConnectionId, header: FrameHeader) {
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
    fn deadline(&mut self, id: ConnectionId) {
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
