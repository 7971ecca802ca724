//! Disk: storage's plans become effects, and what waits for a flush is let go.
//!
//! Receipts wait here in the order of their batches, which is the order of the
//! log: one pass from the front answers everything a flush made durable. The
//! first failed write or sync ends the process with code 74, and nothing that
//! waited is answered.

use super::mail::Origin;
use super::outgoing::Turn;
use super::step::Broker;
use bytes::Bytes;
use shard::{Effect, FileId, FileTask, IoFault, OperationId};
use std::collections::VecDeque;
use std::fmt::Write;
use storage::inspect::QueueRange;
use storage::plan::{DiskFault, FileName, OpId, Plan};
use storage::store::DamagedRange;
use wire::{GroupId, LogIndex, QueueId};

/// The exit code of a failed disk.
const EXIT_DISK: u8 = 74;
/// Timer tokens of the broker; see `on_timer`.
pub(super) const TIMER_STORAGE: u64 = 1;
pub(super) const TIMER_HEARTBEAT: u64 = 2;
pub(super) const TIMER_REQUESTS: u64 = 3;
pub(super) const TIMER_LEASES: u64 = 4;
pub(super) const TIMER_MAILBOX: u64 = 5;

/// What is done once a batch is durable.
#[derive(Clone, Copy, Debug)]
pub(super) enum Waiter {
    /// A publish: its receipt, and the queue has more to deliver.
    Receipt(super::publish::ReceiptDue),
    /// A note a client asked for and wants to know done (ack, nack, commit).
    Done(Origin),
    /// A lease: deliveries under it may begin.
    Grant {
        /// Of which queue.
        queue: QueueId,
        /// To which group.
        group: GroupId,
    },
    /// A catalog change: it is mailed to the other shards.
    Catalog {
        /// The catalog version it makes.
        version: u64,
    },
    /// A request to a durable service: it may be handed to a responder.
    Request {
        /// The waiting request, see `responders`.
        ticket: u64,
    },
    /// A position was reset: the answer is gathered.
    Reset {
        /// The question it belongs to, see `offsets`.
        ticket: u64,
    },
}

/// Plans under way and what waits for them.
#[derive(Debug, Default)]
pub(super) struct Disk {
    plans: Vec<Plan>,
    waiters: VecDeque<(LogIndex, Waiter)>,
    flushes: usize,
    file_tasks: usize,
    stopping: bool,
    armed_ns: u64,
}

impl Disk {
    /// Does `waiter` once the batch `index` is durable; never before what waits already (a duplicate's batch may be older).
    pub(super) fn wait(&mut self, index: LogIndex, waiter: Waiter) {
        let index = self.last_awaited().map_or(index, |last| last.max(index));
        self.waiters.push_back((index, waiter));
    }

    /// The newest batch something waits for.
    pub(super) fn last_awaited(&self) -> Option<LogIndex> {
        self.waiters.back().map(|(index, _)| *index)
    }

    /// Ends the shard once nothing is in flight.
    pub(super) fn stop_when_flushed(&mut self) {
        self.stopping = true;
    }

    fn next_durable(&mut self, durable_end: LogIndex) -> Option<Waiter> {
        if self.waiters.front()?.0 >= durable_end {
            return None;
        }
        self.waiters.pop_front().map(|(_, waiter)| waiter)
    }
}

impl Broker {
    /// At the end of a turn: one flush for everything that arrived in it, and other plans.
    pub(super) fn plan_storage(&mut self, turn: &mut Turn<'_>) {
        let mut plans = std::mem::take(&mut self.disk.plans);
        self.store.turn(turn.now.mono_ns, turn.now.wall_ns, &mut plans);
        for plan in plans.drain(..) {
            self.carry_out(turn, plan);
        }
        self.disk.plans = plans;
        self.tell_damage(turn);
        self.arm_storage(turn);
        if self.disk.stopping && self.disk.flushes == 0 && self.disk.file_tasks == 0 {
            self.disk.stopping = false;
            turn.effects.list.push(Effect::Stop);
        }
    }

    /// What rots on the disk is told once, when it is found.
    fn tell_damage(&mut self, turn: &mut Turn<'_>) {
        while let Some(DamagedRange { file, position, bytes, what, lost }) =
            self.store.next_damage()
        {
            let shard = self.settings.shard;
            let mut line =
                format!("warning: shard {shard}: {file} at byte {position}, {bytes} bytes: {what}");
            for QueueRange { queue, first, end } in lost {
                let topic = self.catalogue.topic_of_queue(queue).map(|topic| topic.name.as_str());
                let topic = topic.unwrap_or("a deleted topic");
                let number = queue.number();
                // A line is as long as its list of queues; writing to one cannot fail.
                let _ = write!(line, "; {topic} queue {number} offsets {first}..{end} are lost");
            }
            turn.effects.list.push(Effect::Say { line });
        }
    }

    fn arm_storage(&mut self, turn: &mut Turn<'_>) {
        let Some(at_ns) = self.store.deadline_ns() else { return };
        let armed_is_due = self.disk.armed_ns <= turn.now.mono_ns;
        if armed_is_due || at_ns < self.disk.armed_ns {
            self.disk.armed_ns = at_ns;
            turn.effects.list.push(Effect::Arm { token: TIMER_STORAGE, at_ns });
        }
    }

    fn carry_out(&mut self, turn: &mut Turn<'_>, plan: Plan) {
        let effect = effect_of(plan);
        match &effect {
            Effect::Flush { .. } => {
                self.disk.flushes += 1;
                self.stats.flush_began(turn.now.mono_ns);
            }
            Effect::File { .. } => self.disk.file_tasks += 1,
            Effect::Send { .. }
            | Effect::Close { .. }
            | Effect::Hold { .. }
            | Effect::Resume { .. }
            | Effect::Mail { .. }
            | Effect::Arm { .. }
            | Effect::Read { .. }
            | Effect::Say { .. }
            | Effect::Halt { .. }
            | Effect::Stop => {}
        }
        turn.effects.list.push(effect);
    }

    pub(super) fn on_flushed(
        &mut self,
        turn: &mut Turn<'_>,
        operation: OperationId,
        result: Result<(), IoFault>,
    ) {
        if let Err(fault) = result {
            return Self::halt(
                turn,
                EXIT_DISK,
                format!("a log write or fdatasync failed: {fault:?}"),
            );
        }
        self.disk.flushes -= 1;
        let flush_began_ns = self.stats.flush_ended(turn.now.mono_ns);
        self.store.flushed(OpId(operation.0));
        let durable_end = self.store.durable_end();
        while let Some(waiter) = self.disk.next_durable(durable_end) {
            self.let_go(turn, waiter, flush_began_ns);
        }
        self.held.retry();
    }

    fn let_go(&mut self, turn: &mut Turn<'_>, waiter: Waiter, flush_began_ns: u64) {
        match waiter {
            Waiter::Receipt(due) => self.send_receipt(turn, due, flush_began_ns),
            Waiter::Done(origin) => self.out.done(turn, origin),
            Waiter::Grant { queue, group } => self.on_grant_durable(turn, queue, group),
            Waiter::Catalog { version } => self.on_catalog_durable(turn, version),
            Waiter::Request { ticket } => self.on_request_durable(turn, ticket, flush_began_ns),
            Waiter::Reset { ticket } => self.on_reset_durable(turn, ticket),
        }
    }

    pub(super) fn on_read_done(
        &mut self,
        turn: &mut Turn<'_>,
        operation: OperationId,
        result: Result<Bytes, IoFault>,
    ) {
        self.store.read_done(OpId(operation.0), result.map_err(fault_of));
        self.deliver_after_read(turn, OpId(operation.0));
        self.fetch_after_read(turn, OpId(operation.0));
    }

    pub(super) fn on_file_done(
        &mut self,
        turn: &mut Turn<'_>,
        operation: OperationId,
        result: Result<(), IoFault>,
    ) {
        self.disk.file_tasks -= 1;
        if let Err(fault) = self.store.file_done(OpId(operation.0), result.map_err(fault_of)) {
            return Self::halt(turn, EXIT_DISK, format!("a file of the log failed: {fault:?}"));
        }
        self.held.retry();
    }

    pub(super) fn on_started(&mut self, turn: &mut Turn<'_>) {
        self.stats.started(turn.now.mono_ns);
        Self::arm_heartbeat(turn);
    }

    fn arm_heartbeat(turn: &mut Turn<'_>) {
        let at_ns = turn.now.mono_ns + super::connection::HEARTBEAT_CHECK_NS;
        turn.effects.list.push(Effect::Arm { token: TIMER_HEARTBEAT, at_ns });
    }

    pub(super) fn on_timer(&mut self, turn: &mut Turn<'_>, token: u64) {
        match token {
            TIMER_HEARTBEAT => {
                self.check_heartbeats(turn);
                Self::arm_heartbeat(turn);
            }
            TIMER_REQUESTS => self.end_due_requests(turn),
            TIMER_LEASES => self.on_leases_due(turn),
            TIMER_MAILBOX => self.look_again(turn.now.mono_ns),
            // The turn's end does what it is for.
            TIMER_STORAGE => {}
            _ => unreachable!("timer token {token} was never armed"),
        }
    }
}

fn effect_of<M>(plan: Plan) -> Effect<M> {
    let (op, task) = match plan {
        Plan::Flush { op, segment, head, position, batch } => {
            return Effect::Flush {
                operation: OperationId(op.0),
                file: FileId::Segment(segment),
                head,
                position: u64::from(position),
                batch,
            };
        }
        Plan::Read { op, file, position, bytes } => {
            let file = file_of(file);
            return Effect::Read { operation: OperationId(op.0), file, position, bytes };
        }
        Plan::Prepare { op, segment, bytes, zeroed } => {
            (op, FileTask::Prepare { segment, bytes, zeroed })
        }
        Plan::Recycle { op, from, segment, bytes } => {
            (op, FileTask::Recycle { from, segment, bytes })
        }
        Plan::WriteAt { op, file, position, bytes } => {
            (op, FileTask::WriteAt { file: file_of(file), position, bytes })
        }
        Plan::WriteSuperblock { op, copy } => (op, FileTask::WriteSuperblock { copy }),
        Plan::Replace { op, file, bytes } => (op, FileTask::Replace { file: file_of(file), bytes }),
        Plan::Remove { op, file } => (op, FileTask::Remove { file: file_of(file) }),
    };
    Effect::File { operation: OperationId(op.0), task }
}

/// Storage's name of a file, in the machine's words.
pub fn file_of(file: FileName) -> FileId {
    match file {
        FileName::Segment(number) => FileId::Segment(number),
        FileName::Index(number) => FileId::Index(number),
        FileName::Snapshot(index) => FileId::Snapshot(index),
        FileName::Superblock => FileId::Superblock,
    }
}

/// The machine's name of a file, in storage's words.
pub fn name_of(file: FileId) -> FileName {
    match file {
        FileId::Segment(number) => FileName::Segment(number),
        FileId::Index(number) => FileName::Index(number),
        FileId::Snapshot(index) => FileName::Snapshot(index),
        FileId::Superblock => FileName::Superblock,
    }
}

/// The machine's fault, in storage's words.
pub fn fault_of(fault: IoFault) -> DiskFault {
    match fault {
        IoFault::NoSpace => DiskFault::NoSpace,
        IoFault::Short => DiskFault::Short,
        IoFault::Errno(errno) => DiskFault::Errno(errno),
    }
}
