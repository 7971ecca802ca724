//! Node: real brokers over simulated disks, mailboxes, timers and connections.
//!
//! It does what `shard::drive` does, with the world's clock instead of the
//! kernel: one event, one step, its effects in order, then `TurnEnd`. A crash may
//! come between any two effects.

use crate::disk::SimDisk;
use crate::faults::{Faults, Rot};
use crate::random::Random;
use crate::world::{LinkId, Schedule};
use bytes::Bytes;
use defibus::broker::Broker;
use defibus::broker::catalog::Catalogue;
use defibus::broker::disk::name_of;
use defibus::broker::mail::Mail;
use defibus::broker::settings::Settings;
use shard::{
    CloseCause, ConnectionId, Core, Effect, Effects, Event, FileTask, IoFault, Now, OperationId,
};
use std::collections::{BTreeMap, VecDeque};
use storage::Store;
use storage::plan::{Disk, FileName, OpId, Plan};
use storage::store::{OpenError, StoreConfig};
use wire::frame::Decoded;
use wire::{Frame, ShardId};

const MIB: u64 = 1 << 20;

/// What arrives at a shard.
#[derive(Debug)]
pub enum Input {
    /// The shard begins.
    Started,
    /// A client connected.
    Connected(LinkId),
    /// Whole frames of a client.
    Bytes(LinkId, Vec<u8>),
    /// A client is gone.
    Closed(LinkId),
    /// Another shard's mail.
    Mail(ShardId, Box<Mail>),
    /// A timer fell due.
    Timer(u64),
    /// The drive is done with a flush.
    Flushed(OperationId, FileName),
    /// The drive has read.
    Read(OperationId, FileName, u64, u32),
    /// The helper thread is done.
    File(OperationId, Box<Plan>),
    /// The process is asked to end.
    Shutdown,
}

/// A connection as the machine under a shard sees it.
#[derive(Debug)]
struct Link {
    id: LinkId,
    generation: u32,
    held: bool,
    input: VecDeque<Vec<u8>>,
}

struct Seat {
    broker: Broker,
    links: Vec<Option<Link>>,
    generations: Vec<u32>,
    /// Mails on their way to each other shard.
    mails: Vec<usize>,
    file_tasks: BTreeMap<OperationId, Plan>,
    stopped: bool,
}

/// What a turn did to the node as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It runs.
    Runs,
    /// A shard asked for the end of the process, or the crash came.
    Died,
    /// All shards ended in order.
    Stopped,
}

/// A node that would not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// It names damage.
    pub is_damage: bool,
    /// Which shard, and why.
    pub words: String,
}

/// A node: one process with its disks.
pub struct Node {
    seats: Vec<Seat>,
    disks: Vec<SimDisk>,
    effects: Effects<Mail>,
    /// Grows with each start: what was scheduled for an older life is void.
    pub incarnation: u64,
    /// Effects still to be carried out before the planned crash.
    pub crash_in: Option<u64>,
    store: StoreConfig,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Node {{ incarnation: {} }}", self.incarnation)
    }
}

impl Node {
    /// A node with empty disks, not started.
    pub fn new(faults: &Faults) -> Self {
        let store = StoreConfig {
            shard: ShardId(0),
            node_id: 77,
            cluster_id: 78,
            segment_bytes: MIB,
            record_bytes_max: 64 << 10,
            batch_bytes_max: 256 << 10,
            // What memory still holds hides what the disk has become.
            recent_bytes_max: if faults.rot.is_some() { 64 << 10 } else { 1 << 20 },
            read_cache_bytes_max: 1 << 20,
            memory_bytes_max: 4 << 20,
            log_bytes_max: if faults.small_storage { 12 * MIB } else { 1 << 40 },
            retention_ns: 72 * 3_600_000_000_000,
            prepared_segments: 2,
            snapshot_log_bytes: 256 << 10,
            snapshot_interval_ns: 200_000_000,
            seed: 0,
        };
        Self {
            seats: Vec::new(),
            disks: (0..faults.shard_count).map(|_| SimDisk::new()).collect(),
            effects: Effects::new(faults.shard_count),
            incarnation: 0,
            crash_in: None,
            store,
        }
    }

    /// Whether the process is up.
    pub fn is_up(&self) -> bool {
        !self.seats.is_empty()
    }

    /// Recovers every shard and starts the brokers.
    ///
    /// # Errors
    /// Recovery refused: a violation, unless the disk was damaged on purpose.
    pub fn start(&mut self, random: &mut Random, wall_ns: u64) -> Result<(), Refused> {
        self.incarnation += 1;
        let shard_count = u16::try_from(self.disks.len()).expect("few shards");
        let mut settings = Settings::new(ShardId(0), shard_count);
        settings.node_id = 77;
        settings.record_bytes_max = self.store.record_bytes_max;
        let mut stores = Vec::new();
        for (number, disk) in (0..shard_count).zip(&mut self.disks) {
            let config =
                StoreConfig { shard: ShardId(number), seed: random.next(), ..self.store.clone() };
            let opened = Store::open(&config, disk, wall_ns, false).map_err(|error| Refused {
                is_damage: matches!(error, OpenError::Damaged { .. }),
                words: format!("shard {number} refuses to open: {error:?}"),
            })?;
            stores.push(opened);
        }
        let catalogue = Catalogue::rebuild(&stores[0].catalog)
            .map_err(|error| format!("the catalog cannot be rebuilt: {error:?}"))
            .map_err(|words| Refused { is_damage: false, words })?;
        for (number, opened) in (0..shard_count).zip(stores) {
            let settings =
                Settings { shard: ShardId(number), seed: random.next(), ..settings.clone() };
            self.seats.push(Seat {
                broker: Broker::new(settings, opened.store, catalogue.clone()),
                links: Vec::new(),
                generations: Vec::new(),
                mails: vec![0; usize::from(shard_count)],
                file_tasks: BTreeMap::new(),
                stopped: false,
            });
        }
        Ok(())
    }

    /// Damages the log of some shard; where, or `None` where nothing was written.
    pub fn damage(&mut self, rot: Rot, random: &mut Random) -> Option<(usize, FileName, u64)> {
        let shard = random.index(self.disks.len());
        let disk = &mut self.disks[shard];
        let (file, position) = match rot {
            Rot::WhileUp | Rot::WhileDown => disk.rot(random)?,
            Rot::Misdirected => disk.misdirect(random)?,
        };
        Some((shard, file, position))
    }

    /// The process is gone. `power`: the drive's cache is lost, too, by chance.
    pub fn die(&mut self, random: &mut Random, power: bool) {
        for seat in &mut self.seats {
            for plan in std::mem::take(&mut seat.file_tasks).into_values() {
                let disk = &mut self.disks[usize::from(seat.broker.shard().0)];
                interrupt(disk, &plan, random);
            }
        }
        self.seats.clear();
        self.crash_in = None;
        for disk in &mut self.disks {
            if power {
                disk.crash(random);
            } else {
                disk.process_crash();
            }
        }
    }

    /// One turn of a shard: the input's event, then the turn's end.
    pub fn turn(&mut self, shard: ShardId, input: Input, world: &mut Schedule) -> Fate {
        if self.seats[index(shard)].stopped {
            return Fate::Runs;
        }
        let fate = self.take(shard, input, world);
        if fate != Fate::Runs {
            return fate;
        }
        match self.step(shard, Event::TurnEnd, world) {
            Fate::Runs if self.seats.iter().all(|seat| seat.stopped) => Fate::Stopped,
            fate @ (Fate::Runs | Fate::Died | Fate::Stopped) => fate,
        }
    }

    fn take(&mut self, shard: ShardId, input: Input, world: &mut Schedule) -> Fate {
        match input {
            Input::Started => self.step(shard, Event::Started, world),
            Input::Connected(link) => {
                let connection = self.open_link(shard, link);
                self.step(shard, Event::Connected { connection }, world)
            }
            Input::Bytes(link, bytes) => self.take_bytes(shard, link, bytes, world),
            Input::Closed(link) => match self.close_link(shard, link) {
                Some(connection) => {
                    let cause = CloseCause::Peer;
                    self.step(shard, Event::Closed { connection, cause }, world)
                }
                None => Fate::Runs,
            },
            Input::Mail(from, mail) => {
                self.seats[index(from)].mails[index(shard)] -= 1;
                self.step(shard, Event::Mail { from, mail: *mail }, world)
            }
            Input::Timer(token) => self.step(shard, Event::Timer { token }, world),
            Input::Flushed(operation, file) => self.end_flush(shard, operation, file, world),
            Input::Read(operation, file, position, bytes) => {
                let mut into = vec![0; bytes as usize];
                let read = self.disks[index(shard)].read_running(file, position, &mut into);
                let result = read.map(|()| Bytes::from(into)).map_err(|_| IoFault::Errno(5));
                self.step(shard, Event::ReadDone { operation, result }, world)
            }
            Input::File(operation, plan) => {
                self.seats[index(shard)].file_tasks.remove(&operation);
                let result = self.disks[index(shard)].apply(&plan).map_err(fault_in_machine_words);
                self.step(shard, Event::FileDone { operation, result }, world)
            }
            Input::Shutdown => self.step(shard, Event::Shutdown, world),
        }
    }

    fn end_flush(
        &mut self,
        shard: ShardId,
        operation: OperationId,
        file: FileName,
        world: &mut Schedule,
    ) -> Fate {
        let fails = world.faults.flush_errors > 0 && world.random.chance(world.faults.flush_errors);
        let result = if fails {
            world.fired.flush_errors += 1;
            Err(IoFault::Errno(5))
        } else {
            self.disks[index(shard)].sync(file);
            Ok(())
        };
        self.step(shard, Event::Flushed { operation, result }, world)
    }

    fn take_bytes(
        &mut self,
        shard: ShardId,
        link: LinkId,
        bytes: Vec<u8>,
        world: &mut Schedule,
    ) -> Fate {
        let seat = &mut self.seats[index(shard)];
        let Some(slot) = slot_of(&seat.links, link) else { return Fate::Runs };
        if !bytes.is_empty() {
            seat.links[slot].as_mut().expect("found above").input.push_back(bytes);
        }
        self.read_link(shard, slot, world)
    }

    /// Hands in the frames of a connection until it is held or has no more.
    fn read_link(&mut self, shard: ShardId, slot: usize, world: &mut Schedule) -> Fate {
        loop {
            let Some(link) = self.seats[index(shard)].links[slot].as_mut() else {
                return Fate::Runs;
            };
            if link.held {
                return Fate::Runs;
            }
            let Some(bytes) = link.input.pop_front() else { return Fate::Runs };
            let generation = link.generation;
            let connection = connection_id(slot, generation);
            let Ok(Decoded::Frame { frame, bytes_taken }) = Frame::decode(&bytes) else {
                unreachable!("actors send whole frames");
            };
            let fate = self.step(shard, Event::Frame { connection, frame }, world);
            if fate != Fate::Runs {
                return fate;
            }
            let Some(link) = self.seats[index(shard)].links[slot].as_mut() else {
                return Fate::Runs;
            };
            if link.held {
                link.input.push_front(bytes);
            } else if bytes_taken < bytes.len() {
                link.input.push_front(bytes[bytes_taken..].to_vec());
            }
        }
    }

    fn step(&mut self, shard: ShardId, event: Event<'_, Mail>, world: &mut Schedule) -> Fate {
        let mut effects = std::mem::replace(&mut self.effects, Effects::new(0));
        effects.clear();
        effects.rooms = self.rooms_of(shard, world.faults.mail_slots);
        let now = Now { mono_ns: world.now_ns, wall_ns: world.wall_ns };
        world.trace.event(shard, &event);
        self.seats[index(shard)].broker.step(now, event, &mut effects);
        let mut fate = Fate::Runs;
        let bytes = std::mem::take(&mut effects.bytes);
        for effect in effects.list.drain(..) {
            if let Some(left) = &mut self.crash_in {
                if *left == 0 {
                    fate = Fate::Died;
                    break;
                }
                *left -= 1;
            }
            world.trace.effect(shard, &effect, &bytes);
            fate = self.carry_out(shard, effect, &bytes, world);
            if fate != Fate::Runs {
                break;
            }
        }
        effects.bytes = bytes;
        self.effects = effects;
        fate
    }

    fn carry_out(
        &mut self,
        shard: ShardId,
        effect: Effect<Mail>,
        bytes: &[u8],
        world: &mut Schedule,
    ) -> Fate {
        match effect {
            Effect::Send { connection, range } => {
                self.send(shard, connection, &bytes[range], world);
            }
            Effect::Close { connection } => self.close(shard, connection, world),
            Effect::Hold { connection } => self.hold(shard, connection, true),
            Effect::Resume { connection } => {
                self.hold(shard, connection, false);
                let slot = connection.slot as usize;
                // The machine goes on with a resumed connection after this step.
                world.soon(shard, Input::Bytes(self.link_at(shard, slot), Vec::new()));
            }
            Effect::Mail { to, mail } => {
                self.seats[index(shard)].mails[index(to)] += 1;
                world.mail(shard, to, mail);
            }
            Effect::Arm { token, at_ns } => world.timer(shard, token, at_ns),
            Effect::Flush { operation, file, head, position, batch } => {
                let file = name_of(file);
                let disk = &mut self.disks[index(shard)];
                if let Some(head) = head {
                    disk.write_unsynced(file, 0, &head);
                }
                disk.write_unsynced(file, position, &batch);
                world.disk(shard, Input::Flushed(operation, file));
            }
            Effect::Read { operation, file, position, bytes } => {
                world.disk(shard, Input::Read(operation, name_of(file), position, bytes));
            }
            Effect::File { operation, task } => {
                let plan = plan_of(operation, task);
                self.seats[index(shard)].file_tasks.insert(operation, plan.clone());
                world.disk(shard, Input::File(operation, Box::new(plan)));
            }
            Effect::Halt { code, reason } => {
                world.trace.note(&format!("halt {code}: {reason}"));
                return Fate::Died;
            }
            Effect::Stop => self.stop(shard, world),
        }
        Fate::Runs
    }

    fn rooms_of(&self, shard: ShardId, slots: usize) -> Vec<usize> {
        self.seats[index(shard)].mails.iter().map(|mails| slots.saturating_sub(*mails)).collect()
    }

    fn open_link(&mut self, shard: ShardId, link: LinkId) -> ConnectionId {
        let seat = &mut self.seats[index(shard)];
        let slot = seat.links.iter().position(Option::is_none).unwrap_or_else(|| {
            seat.links.push(None);
            seat.generations.push(0);
            seat.links.len() - 1
        });
        seat.generations[slot] += 1;
        let generation = seat.generations[slot];
        seat.links[slot] = Some(Link { id: link, generation, held: false, input: VecDeque::new() });
        connection_id(slot, generation)
    }

    fn close_link(&mut self, shard: ShardId, link: LinkId) -> Option<ConnectionId> {
        let seat = &mut self.seats[index(shard)];
        let slot = slot_of(&seat.links, link)?;
        let closed = seat.links[slot].take()?;
        Some(connection_id(slot, closed.generation))
    }

    fn link_at(&self, shard: ShardId, slot: usize) -> LinkId {
        self.seats[index(shard)].links[slot].as_ref().map_or(LinkId(0), |link| link.id)
    }

    fn find(&mut self, shard: ShardId, connection: ConnectionId) -> Option<&mut Link> {
        let link = self.seats[index(shard)].links.get_mut(connection.slot as usize)?.as_mut()?;
        (link.generation == connection.generation).then_some(link)
    }

    fn send(
        &mut self,
        shard: ShardId,
        connection: ConnectionId,
        bytes: &[u8],
        world: &mut Schedule,
    ) {
        if let Some(link) = self.find(shard, connection) {
            world.to_actor(link.id, bytes.to_vec());
        }
    }

    fn close(&mut self, shard: ShardId, connection: ConnectionId, world: &mut Schedule) {
        if let Some(link) = self.find(shard, connection) {
            world.broker_closes(shard, link.id);
        }
    }

    /// A shard that stopped has no connections any more.
    fn stop(&mut self, shard: ShardId, world: &mut Schedule) {
        let seat = &mut self.seats[index(shard)];
        seat.stopped = true;
        for link in seat.links.iter_mut().filter_map(Option::take) {
            world.broker_closes(shard, link.id);
        }
    }

    fn hold(&mut self, shard: ShardId, connection: ConnectionId, held: bool) {
        if let Some(link) = self.find(shard, connection) {
            link.held = held;
        }
    }
}

fn index(shard: ShardId) -> usize {
    usize::from(shard.0)
}

fn slot_of(links: &[Option<Link>], link: LinkId) -> Option<usize> {
    links.iter().position(|known| known.as_ref().is_some_and(|known| known.id == link))
}

fn connection_id(slot: usize, generation: u32) -> ConnectionId {
    ConnectionId { slot: u32::try_from(slot).expect("few connections"), generation }
}

/// What a crash leaves of a file task under way: nothing, all, or a superblock with some copies written and one half written.
fn interrupt(disk: &mut SimDisk, plan: &Plan, random: &mut Random) {
    match plan {
        Plan::WriteSuperblock { copy, .. } => {
            let whole = random.below(5);
            for number in 0..whole {
                disk.write_superblock_copy(number, copy);
            }
            if whole < 4 {
                disk.shear_superblock_copy(whole, copy, random);
            }
        }
        Plan::WriteAt { file, position, bytes, .. } => {
            disk.write_unsynced(*file, *position, bytes);
        }
        Plan::Prepare { .. } | Plan::Replace { .. } | Plan::Remove { .. } => {
            if random.chance(500) {
                // A full disk refuses; then nothing is left of it.
                let _ = disk.apply(plan);
            }
        }
        Plan::Flush { .. } | Plan::Read { .. } => unreachable!("not file tasks"),
    }
}

fn plan_of(operation: OperationId, task: FileTask) -> Plan {
    let op = OpId(operation.0);
    match task {
        FileTask::Prepare { segment, bytes, zeroed } => {
            Plan::Prepare { op, segment, bytes, zeroed }
        }
        FileTask::WriteAt { file, position, bytes } => {
            Plan::WriteAt { op, file: name_of(file), position, bytes }
        }
        FileTask::WriteSuperblock { copy } => Plan::WriteSuperblock { op, copy },
        FileTask::Replace { file, bytes } => Plan::Replace { op, file: name_of(file), bytes },
        FileTask::Remove { file } => Plan::Remove { op, file: name_of(file) },
    }
}

fn fault_in_machine_words(fault: storage::plan::DiskFault) -> IoFault {
    use storage::plan::DiskFault;
    match fault {
        DiskFault::NoSpace => IoFault::NoSpace,
        DiskFault::Short => IoFault::Short,
        DiskFault::Missing => IoFault::Errno(2),
        DiskFault::Errno(errno) => IoFault::Errno(errno),
    }
}
