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
//! | `peers` | what completions mean for a connection |
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
mod peers;
mod settle;

use crate::config::NodeMachine;
use crate::core::{
    CloseCause, ConnectionId, Core, Effects, Event, MachineCounters, Now, OperationId,
};
use crate::helper::Helper;
use crate::memlock::RING_ENTRIES_MIN;
use crate::probe::{self, StartError};
use crate::seat::Seat;
use crate::sys::host;
use crate::sys::operation::{Held, Operation, SocketSlot};
use crate::sys::ring::{Completion, Ring, RingFault, RingSetup, RingStep};
use crate::wheel::Wheel;
use connection::Connections;
use disk::{Disk, FlushPart, read_result};
use machine::{Due, Machine, Told};
use memory::Memory;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use wire::ShardId;

/// Mails taken from one shard in one turn.
const MAILS_PER_TURN_MAX: usize = 256;
/// How long accepting rests when there are no descriptors left.
const ACCEPT_REST_NS: u64 = 50_000_000;
/// How long connections may take to be sent their last bytes after `Stop`.
const STOP_NS_MAX: u64 = 1_000_000_000;

/// How often a ring of one size is tried, and the pause between two tries.
const RING_TRIES: usize = 20;
const RING_PAUSE: Duration = Duration::from_millis(20);

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
pub fn drive<C: Core>(core: C, mut seat: Seat<C::Mail>) -> Result<MachineCounters, StartError> {
    let seated = seat.seated.take();
    let shard = be_seated(core, seat);
    if let Some(seated) = seated {
        // Who does not wait for it does not listen.
        let _ = seated.try_send(shard.as_ref().map(|_| ()).map_err(Clone::clone));
    }
    let mut shard = shard?;
    shard.run();
    Ok(shard.machine.counters)
}

/// Makes everything a shard runs on, on its own thread.
fn be_seated<C: Core>(core: C, seat: Seat<C::Mail>) -> Result<Shard<C>, StartError> {
    // Before this thread is pinned: a thread begins where its maker may run.
    let helper = start_helper(&seat)?;
    if let Some(core) = seat.config.cores.get(usize::from(seat.shard.0)) {
        core_affinity::set_for_current(core_affinity::CoreId { id: *core });
    }
    let shard_count = seat.config.shard_count;
    let now_ns = host::mono_ns();
    let machine = sit_down(seat, helper, now_ns)?;
    Ok(Shard {
        core,
        machine,
        effects: Effects::new(shard_count),
        now: Now::default(),
        completions: Vec::new(),
        due: Vec::new(),
    })
}

/// Starts the thread for file tasks, if there are files.
fn start_helper<M>(seat: &Seat<M>) -> Result<Option<Helper>, StartError> {
    let Some(dir) = &seat.directory else { return Ok(None) };
    let name = format!("files-{}", seat.shard);
    let started =
        Helper::start(name, dir.again(), Arc::clone(&seat.bell), seat.config.housekeeping_core);
    let errno = |error: std::io::Error| error.raw_os_error().unwrap_or(libc::EAGAIN);
    started
        .map(Some)
        .map_err(|error| StartError::Kernel { what: "starting a thread", errno: errno(error) })
}

/// Makes the machine of a seat.
fn sit_down<M>(
    seat: Seat<M>,
    helper: Option<Helper>,
    now_ns: u64,
) -> Result<Machine<M>, StartError> {
    let config = Arc::clone(&seat.config);
    let ring = make_ring(&config, seat.shard)?;
    Ok(Machine {
        ring,
        connections: Connections::default(),
        memory: Memory::new(config.assembly_bytes_max, config.spill_bytes_max()),
        disk: Disk::new(seat.directory, helper, config.open_files_max),
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
        is_busy: false,
        config,
    })
}

/// Makes the shard's ring, a smaller one where RLIMIT_MEMLOCK asks for it: slower under load, never wrong.
fn make_ring(config: &NodeMachine, shard: ShardId) -> Result<Ring<Tag>, StartError> {
    let mut setup = RingSetup {
        entries: config.ring_entries,
        sockets: config.sockets(),
        buffer_count: config.receive_buffer_count,
        buffer_bytes: config.receive_buffer_bytes,
        housekeeping_core: config.housekeeping_core,
    };
    loop {
        match patiently_made(setup) {
            Err(fault) if fault.errno == libc::ENOMEM && setup.entries > RING_ENTRIES_MIN => {
                setup.entries /= 2;
            }
            Err(fault) => return Err(ring_fault(fault)),
            Ok(ring) if setup.entries == config.ring_entries => return Ok(ring),
            Ok(ring) => {
                let (entries, wanted, limit) =
                    (setup.entries, config.ring_entries, host::memlock_limit());
                eprintln!(
                    "warning: shard {shard}: a ring of {entries} entries instead of {wanted}: RLIMIT_MEMLOCK is {limit} bytes; fix: ulimit -l unlimited, or LimitMEMLOCK=infinity"
                );
                return Ok(ring);
            }
        }
    }
}

/// The kernel gives back what a ring had locked some time after its end: that of the probe, or of a
/// node that was killed just now. So what does not fit is tried again for a while.
fn patiently_made(setup: RingSetup) -> Result<Ring<Tag>, RingFault> {
    for _ in 1..RING_TRIES {
        match Ring::new(setup) {
            Err(fault) if fault.errno == libc::ENOMEM => std::thread::park_timeout(RING_PAUSE),
            made => return made,
        }
    }
    Ring::new(setup)
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
        self.machine.is_ending = true;
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
        let before_ns = self.now.mono_ns;
        self.now = Now { mono_ns: host::mono_ns(), wall_ns };
        // A shard that was idle looked all the time; one that was not looked when its last turn began.
        self.effects.waited_ns =
            if self.machine.is_busy { self.now.mono_ns - before_ns } else { 0 };
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
            outbox.end_turn(room.mails);
        }
        let kept_bytes = &self.effects.kept_bytes;
        for (inbox, kept_bytes) in self.machine.mailboxes.inboxes.iter_mut().zip(kept_bytes) {
            inbox.keep(*kept_bytes);
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
                self.step(Event::Flushed { operation, result: Err(fault) });
            }
            Told::ReadDone(operation, result) => self.step(Event::ReadDone { operation, result }),
            Told::FileDone(operation, fault) => {
                self.step(Event::FileDone { operation, result: Err(fault) });
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
            let kept_bytes = self.effects.kept_bytes[number];
            self.machine.mailboxes.inboxes[number].keep(kept_bytes);
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
            Tag::Send(id) => {
                if let Some(took_ns) = self.machine.complete_send(id, completion) {
                    self.effects.egress.record(took_ns);
                }
            }
            Tag::Side(id) => self.machine.complete_side(id),
            Tag::Closed(id) => self.machine.connections.remove(id),
            Tag::Flush(part) => {
                let ended =
                    self.machine.disk.end_part(part, completion.result, &mut self.machine.ring);
                if let Some((operation, result)) = ended {
                    self.step(Event::Flushed { operation, result });
                }
            }
            Tag::Read(operation) => match completion.held {
                Held::Read(block) => {
                    let result = read_result(completion.result, block);
                    self.step(Event::ReadDone { operation, result });
                }
                Held::Rest(read) => {
                    self.machine.ring.push(Tag::Read(operation), read);
                }
                Held::Nothing | Held::Sent(..) => {}
            },
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
