//! Drive: what the machine under a shard does with flushes, reads and file tasks, and how they fail.

use super::{Fate, Node, index};
use crate::disk::EIO;
use crate::faults::FlushFault;
use crate::node::Input;
use crate::schedule::Schedule;
use bytes::Bytes;
use defibus::broker::disk::name_of;
use shard::{Effect, Event, FileTask, IoFault, OperationId};
use storage::plan::{DiskFault, FileName, OpId, Plan};
use wire::ShardId;

impl Node {
    /// The drive takes a flush, or a read begins, or the helper thread gets a task.
    pub(super) fn start_disk_work<M>(
        &mut self,
        shard: ShardId,
        effect: Effect<M>,
        world: &mut Schedule,
    ) {
        match effect {
            Effect::Flush { operation, file, head, position, batch } => {
                let FileName::Segment(segment) = name_of(file) else {
                    unreachable!("batches go to segments");
                };
                let disk = &mut self.disks[index(shard)];
                if let Some(head) = head {
                    disk.write_unsynced(FileName::Segment(segment), 0, &head);
                }
                disk.write_batch(segment, position, &batch);
                world.disk(shard, Input::Flushed(operation, segment));
            }
            Effect::Read { operation, file, position, bytes } => {
                world.disk(shard, Input::Read(operation, name_of(file), position, bytes));
            }
            Effect::File { operation, task } => {
                let plan = plan_of(operation, task);
                self.seats[index(shard)].file_tasks.insert(operation, plan.clone());
                world.disk(shard, Input::File(operation, Box::new(plan)));
            }
            Effect::Send { .. }
            | Effect::Close { .. }
            | Effect::Hold { .. }
            | Effect::Resume { .. }
            | Effect::Mail { .. }
            | Effect::Arm { .. }
            | Effect::Say { .. }
            | Effect::Halt { .. }
            | Effect::Stop => unreachable!("not for the disk"),
        }
    }

    pub(super) fn end_flush(
        &mut self,
        shard: ShardId,
        operation: OperationId,
        segment: u64,
        world: &mut Schedule,
    ) -> Fate {
        let disk = &mut self.disks[index(shard)];
        let result = match self.flush_fault.take() {
            None => {
                disk.sync_batch(segment);
                Ok(())
            }
            Some(fault) => {
                disk.fail_flush(fault, &mut world.drive);
                match fault {
                    FlushFault::Short => world.fired.short_writes += 1,
                    FlushFault::Write => world.fired.write_errors += 1,
                    FlushFault::Sync => world.fired.sync_errors += 1,
                }
                let is_short = fault == FlushFault::Short;
                Err(if is_short { IoFault::Short } else { IoFault::Errno(EIO) })
            }
        };
        self.step(shard, Event::Flushed { operation, result }, world)
    }

    pub(super) fn end_read(
        &mut self,
        shard: ShardId,
        operation: OperationId,
        (file, position, bytes): (FileName, u64, u32),
        world: &mut Schedule,
    ) -> Fate {
        let disk = &mut self.disks[index(shard)];
        let mut into = vec![0; bytes as usize];
        let mut read = disk.read_running(file, position, &mut into);
        if read.is_ok() && world.is_unreadable() {
            read = Err(DiskFault::Errno(EIO));
        }
        world.fired.read_errors += u64::from(read == Err(DiskFault::Errno(EIO)));
        let result = read.map(|()| Bytes::from(into)).map_err(fault_in_machine_words);
        self.step(shard, Event::ReadDone { operation, result }, world)
    }

    pub(super) fn end_task(
        &mut self,
        shard: ShardId,
        operation: OperationId,
        plan: &Plan,
        world: &mut Schedule,
    ) -> Fate {
        self.seats[index(shard)].file_tasks.remove(&operation);
        let disk = &mut self.disks[index(shard)];
        let result = if std::mem::take(&mut self.task_fails) {
            world.fired.task_errors += 1;
            disk.interrupt(plan, &mut world.drive);
            Err(IoFault::Errno(EIO))
        } else {
            disk.carry_out(plan).map_err(fault_in_machine_words)
        };
        self.step(shard, Event::FileDone { operation, result }, world)
    }
}

/// A file task in storage's words: what `defibus::broker::disk` made of a plan, undone.
pub fn plan_of(operation: OperationId, task: FileTask) -> Plan {
    let op = OpId(operation.0);
    match task {
        FileTask::Prepare { segment, bytes, zeroed } => {
            Plan::Prepare { op, segment, bytes, zeroed }
        }
        FileTask::Recycle { from, segment, bytes } => Plan::Recycle { op, from, segment, bytes },
        FileTask::WriteAt { file, position, bytes } => {
            Plan::WriteAt { op, file: name_of(file), position, bytes }
        }
        FileTask::WriteSuperblock { copy } => Plan::WriteSuperblock { op, copy },
        FileTask::Replace { file, bytes } => Plan::Replace { op, file: name_of(file), bytes },
        FileTask::Remove { file } => Plan::Remove { op, file: name_of(file) },
    }
}

fn fault_in_machine_words(fault: DiskFault) -> IoFault {
    match fault {
        DiskFault::NoSpace => IoFault::NoSpace,
        DiskFault::Short => IoFault::Short,
        DiskFault::Missing => IoFault::Errno(2),
        DiskFault::Errno(errno) => IoFault::Errno(errno),
    }
}
