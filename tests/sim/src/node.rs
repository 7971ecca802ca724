//! Node: real brokers over simulated disks, mailboxes, timers and connections.
//!
//! It does what `shard::drive` does, with the world's clock instead of the
//! kernel: one event, one step, its effects in order, then `TurnEnd`. A crash may
//! come between any two effects.
//!
//! | file | holds |
//! |---|---|
//! | `links` | connections: bytes until they are frames, output until it is read |
//! | `drive` | flushes, reads, file tasks |
//! | `report` | what the oracle is told from the inside |
//! | `hearing` | what the node said of its disks |

mod drive;
mod hearing;
mod links;
mod report;

pub use drive::plan_of;

use crate::disk::{Harm, SimDisk, Taken};
use crate::faults::{Damage, Faults, Fired, FlushFault};
use crate::network::LinkId;
use crate::random::Random;
use crate::schedule::Schedule;
use defibus::broker::Broker;
use defibus::broker::catalog::Catalogue;
use defibus::broker::mail::Mail;
use defibus::broker::post::MAILBOX_SLOTS;
use defibus::broker::settings::Settings;
use links::Links;
use shard::{CloseCause, Core, Effect, Effects, Event, Now, OperationId, Parcel, Room};
use std::collections::BTreeMap;
use storage::Store;
use storage::plan::{FileName, Plan};
use storage::store::{OpenError, StoreConfig};
use wire::ShardId;

const MIB: u64 = 1 << 20;

/// What arrives at a shard.
#[derive(Debug)]
pub enum Input {
    /// The shard begins.
    Started,
    /// A client connected.
    Connected(LinkId),
    /// Bytes of a client, cut anywhere.
    Bytes(LinkId, Vec<u8>),
    /// A frame of a client may not be whole in time.
    Deadline(LinkId),
    /// A connection is gone.
    Closed(LinkId),
    /// Another shard's mail.
    Mail(ShardId, Box<Mail>),
    /// A timer fell due.
    Timer(u64),
    /// The drive is done with a flush into this segment.
    Flushed(OperationId, u64),
    /// The drive has read.
    Read(OperationId, FileName, u64, u32),
    /// The helper thread is done.
    File(OperationId, Box<Plan>),
    /// The process is asked to end.
    Shutdown,
}

struct Seat {
    broker: Broker,
    links: Links,
    /// Mails on their way to each other shard, and their bytes.
    mails: Vec<(usize, usize)>,
    /// Bytes of mails of each other shard that the broker has not done with.
    kept_bytes: Vec<usize>,
    file_tasks: BTreeMap<OperationId, Plan>,
    /// What this shard last took the wall clock for.
    wall_ns: u64,
    stopped: bool,
}

/// What a turn did to the node as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It runs.
    Runs,
    /// The planned crash came.
    Crashed,
    /// A shard asked for the end of the process.
    Halted,
    /// All shards ended in order.
    Stopped,
}

/// A node that would not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// It names damage.
    pub is_damage: bool,
    /// This damage cannot be repaired, and may be what is named.
    pub may_be: bool,
    /// The process was to end within this start, and did.
    pub is_crash: bool,
    /// Which shard, and why.
    pub words: String,
}

/// A crash that is to come.
#[derive(Clone, Copy, Debug)]
pub struct Crash {
    /// Effects still to be carried out before.
    pub effects_left: u64,
    /// The drive's cache is lost, too.
    pub is_power: bool,
}

/// A node: one process with its disks.
pub struct Node {
    seats: Vec<Seat>,
    disks: Vec<SimDisk>,
    effects: Effects<Mail>,
    /// Grows with each start: what was scheduled for an older life is void.
    pub incarnation: u64,
    /// The crash that is to come, if one is.
    pub crash: Option<Crash>,
    /// How the next flush fails.
    pub flush_fault: Option<FlushFault>,
    /// The next file task fails.
    pub task_fails: bool,
    /// What damage may have taken, until it is told.
    pub taken: Taken,
    /// Shards that may refuse to start, for what was done to their disks.
    harmed: Vec<bool>,
    /// What the oracle is told of each shard.
    reports: Vec<report::Report>,
    /// What the node named on its disks, through all its lives.
    named: Vec<hearing::Named>,
    store: StoreConfig,
    /// Bytes of requests that may wait on a shard.
    waiting_bytes_max: usize,
    /// Bytes of each mailbox.
    mail_bytes: usize,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Node {{ incarnation: {} }}", self.incarnation)
    }
}

impl Node {
    /// A node with empty disks, not started.
    pub fn new(faults: &Faults, random: &Random) -> Self {
        let store = StoreConfig {
            shard: ShardId(0),
            node_id: 77,
            cluster_id: 78,
            segment_bytes: MIB,
            record_bytes_max: 64 << 10,
            batch_bytes_max: 256 << 10,
            // What memory still holds hides what the disk has become.
            recent_bytes_max: if faults.has_damage() { 64 << 10 } else { 1 << 20 },
            read_cache_bytes_max: 1 << 20,
            // A sixteenth for a queue whose groups have not come yet: all of what a run publishes.
            memory_bytes_max: 64 << 20,
            log_bytes_max: faults.log_bytes_max,
            retention_ns: 72 * 3_600_000_000_000,
            prepared_segments: 2,
            snapshot_log_bytes: 256 << 10,
            snapshot_interval_ns: 200_000_000,
            scrub_period_ns: 500_000_000,
            scrub_bytes_per_second_max: 64 << 20,
            seed: 0,
        };
        let disk = |number: u16| {
            SimDisk::of_sectors(faults.sector_bytes, random.fork(&format!("disk {number}")))
        };
        Self {
            seats: Vec::new(),
            disks: (0..faults.shard_count).map(disk).collect(),
            effects: Effects::new(faults.shard_count),
            incarnation: 0,
            crash: None,
            flush_fault: None,
            task_fails: false,
            taken: Taken::default(),
            harmed: vec![false; usize::from(faults.shard_count)],
            reports: vec![report::Report::default(); usize::from(faults.shard_count)],
            named: Vec::new(),
            store,
            waiting_bytes_max: Settings::new(ShardId(0), faults.shard_count).waiting_bytes_max,
            mail_bytes: faults.mail_bytes,
        }
    }

    /// Whether the process is up.
    pub fn is_up(&self) -> bool {
        !self.seats.is_empty()
    }

    /// Whether damage was done that no start repairs.
    pub fn is_harmed(&self) -> bool {
        self.harmed.iter().any(|harmed| *harmed)
    }

    /// What struck the disks.
    pub fn fired(&self) -> Fired {
        let mut fired = Fired::default();
        self.disks.iter().for_each(|disk| fired.add(&disk.fired));
        fired
    }

    /// Recovers every shard and starts the brokers.
    ///
    /// # Errors
    /// Recovery refused.
    pub fn start(
        &mut self,
        random: &mut Random,
        wall_ns: u64,
        accept_loss: bool,
    ) -> Result<(), Refused> {
        self.incarnation += 1;
        let shard_count = u16::try_from(self.disks.len()).expect("few shards");
        let mut settings = Settings::new(ShardId(0), shard_count);
        settings.node_id = 77;
        settings.mailbox_bytes = self.mail_bytes;
        settings.record_bytes_max = self.store.record_bytes_max;
        let mut stores = Vec::new();
        for (number, disk) in (0..shard_count).zip(&mut self.disks) {
            let config =
                StoreConfig { shard: ShardId(number), seed: random.next(), ..self.store.clone() };
            let opened = Store::open(&config, disk, wall_ns, accept_loss);
            let is_crash = disk.has_ended_start();
            stores.push(opened.map_err(|error| Refused {
                is_damage: matches!(error, OpenError::Damaged { .. }),
                may_be: self.harmed[usize::from(number)],
                is_crash,
                words: format!("shard {number} refuses to open: {error:?}"),
            })?);
        }
        let catalogue = Catalogue::rebuild(&stores[0].catalog).map_err(|error| Refused {
            is_damage: false,
            may_be: false,
            is_crash: false,
            words: format!("the catalog cannot be rebuilt: {error:?}"),
        })?;
        for (number, opened) in (0..shard_count).zip(stores) {
            self.reports[usize::from(number)].opened(&opened.store, &opened.report);
            self.hear_of(ShardId(number), &opened.report.damaged);
            let settings =
                Settings { shard: ShardId(number), seed: random.next(), ..settings.clone() };
            self.seats.push(Seat {
                broker: Broker::new(settings, opened.store, catalogue.clone()),
                links: Links::default(),
                mails: vec![(0, 0); usize::from(shard_count)],
                kept_bytes: vec![0; usize::from(shard_count)],
                file_tasks: BTreeMap::new(),
                wall_ns,
                stopped: false,
            });
        }
        Ok(())
    }

    /// Damages some shard's disk; `None` where there is nothing that it could strike.
    pub fn damage(&mut self, damage: Damage, random: &mut Random) -> Option<String> {
        let shard = random.index(self.disks.len());
        let Harm { words, taken, may_refuse } = self.disks[shard].damage(damage, random)?;
        self.taken.extend(taken);
        self.harmed[shard] |= may_refuse;
        Some(format!("shard {shard}, {words}"))
    }

    /// All index files are gone.
    pub fn lose_indexes(&mut self) {
        self.disks.iter_mut().for_each(SimDisk::remove_indexes);
    }

    /// No disk takes more than so many bytes from now on; `None`: there is room again.
    pub fn set_room(&mut self, bytes_left: Option<u64>) {
        for disk in &mut self.disks {
            match bytes_left {
                Some(bytes) => disk.fill_up(bytes),
                None => disk.free_up(),
            }
        }
    }

    /// The next start ends early on some shard.
    pub fn end_start_after(&mut self, writes: u64, random: &mut Random) {
        let shard = random.index(self.disks.len());
        self.disks[shard].end_start_after(writes);
    }

    /// Reads of the next start fail by chance, on some shard.
    pub fn shake_start(&mut self, span_ns: u64, random: &mut Random) {
        let shard = random.index(self.disks.len());
        self.disks[shard].shake_start(span_ns);
    }

    /// The process is gone. `is_power`: the drive's cache is lost, too, by chance.
    pub fn die(&mut self, random: &mut Random, is_power: bool) {
        for seat in &mut self.seats {
            for plan in std::mem::take(&mut seat.file_tasks).into_values() {
                self.disks[index(seat.broker.shard())].interrupt(&plan, random);
            }
        }
        self.seats.clear();
        self.crash = None;
        self.flush_fault = None;
        self.task_fails = false;
        for disk in &mut self.disks {
            if is_power {
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
        let fate = self.take_turn(shard, input, world);
        let broker = &self.seats[index(shard)].broker;
        let mail_bytes = self.mail_bytes_of(shard);
        self.reports[index(shard)].turned(broker.store(), broker.waiting_bytes(), mail_bytes);
        fate
    }

    fn take_turn(&mut self, shard: ShardId, input: Input, world: &mut Schedule) -> Fate {
        let fate = self.take(shard, input, world);
        if fate != Fate::Runs {
            return fate;
        }
        match self.step(shard, Event::TurnEnd, world) {
            Fate::Runs if self.seats.iter().all(|seat| seat.stopped) => Fate::Stopped,
            fate @ (Fate::Runs | Fate::Crashed | Fate::Halted | Fate::Stopped) => fate,
        }
    }

    fn take(&mut self, shard: ShardId, input: Input, world: &mut Schedule) -> Fate {
        match input {
            Input::Started => self.step(shard, Event::Started, world),
            Input::Connected(link) => self.take_connected(shard, link, world),
            Input::Bytes(link, bytes) => self.take_bytes(shard, link, &bytes, world),
            Input::Deadline(link) => self.take_deadline(shard, link, world),
            Input::Closed(link) => self.take_closed(shard, link, world),
            Input::Mail(from, mail) => {
                let (count, bytes) = &mut self.seats[index(from)].mails[index(shard)];
                *count -= 1;
                *bytes -= mail.bytes();
                self.step(shard, Event::Mail { from, mail: *mail }, world)
            }
            Input::Timer(token) => self.step(shard, Event::Timer { token }, world),
            Input::Flushed(operation, segment) => self.end_flush(shard, operation, segment, world),
            Input::Read(operation, file, position, bytes) => {
                self.end_read(shard, operation, (file, position, bytes), world)
            }
            Input::File(operation, plan) => self.end_task(shard, operation, &plan, world),
            Input::Shutdown => self.step(shard, Event::Shutdown, world),
        }
    }

    fn step(&mut self, shard: ShardId, event: Event<'_, Mail>, world: &mut Schedule) -> Fate {
        let mut effects = std::mem::replace(&mut self.effects, Effects::new(0));
        effects.clear();
        effects.rooms = self.rooms_of(shard, world);
        world.trace.event(shard, &event);
        let seat = &mut self.seats[index(shard)];
        // Within a life the machine never shows a wall clock that goes back.
        seat.wall_ns = seat.wall_ns.max(world.wall_ns);
        let now = Now { mono_ns: world.now_ns, wall_ns: seat.wall_ns };
        seat.broker.step(now, event, &mut effects);
        seat.kept_bytes.clone_from(&effects.kept_bytes);
        let mut fate = Fate::Runs;
        let bytes = std::mem::take(&mut effects.bytes);
        for effect in effects.list.drain(..) {
            if let Some(crash) = &mut self.crash {
                if crash.effects_left == 0 {
                    fate = Fate::Crashed;
                    break;
                }
                crash.effects_left -= 1;
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
            Effect::Close { connection } => {
                self.end_link(shard, connection, (CloseCause::Asked, None), world);
            }
            Effect::Hold { connection } => self.hold(shard, connection),
            Effect::Resume { connection } => self.resume(shard, connection, world),
            Effect::Mail { to, mail } => {
                let (count, bytes) = &mut self.seats[index(shard)].mails[index(to)];
                *count += 1;
                *bytes += mail.bytes();
                self.reports[index(shard)].mailed(mail.bytes());
                world.mail(shard, to, mail);
            }
            Effect::Arm { token, at_ns } => world.timer(shard, token, at_ns),
            effect @ (Effect::Flush { .. } | Effect::Read { .. } | Effect::File { .. }) => {
                self.start_disk_work(shard, effect, world);
            }
            Effect::Say { line } => {
                self.hear(&line);
                world.trace.note(&line);
            }
            Effect::Halt { code, reason } => {
                world.trace.note(&format!("halt {code}: {reason}"));
                return Fate::Halted;
            }
            Effect::Stop => self.stop(shard, world),
        }
        Fate::Runs
    }

    fn rooms_of(&self, shard: ShardId, world: &mut Schedule) -> Vec<Room> {
        let (slots, bytes_max) = (world.faults.mail_slots, self.mail_bytes);
        let room = |((count, bytes), other): (&(usize, usize), &Seat)| Room {
            mails: slots.saturating_sub(*count),
            on_way_bytes: *bytes,
            kept_bytes: other.kept_bytes[index(shard)],
        };
        let mails = &self.seats[index(shard)].mails;
        let rooms = mails.iter().zip(&self.seats).map(room).collect::<Vec<_>>();
        let is_full = |room: &Room| room.mails <= MAILBOX_SLOTS / 2;
        let is_laden = |room: &Room| room.on_way_bytes + room.kept_bytes >= bytes_max / 2;
        world.fired.full_mailboxes += u64::from(rooms.iter().any(is_full));
        world.fired.laden_mailboxes += u64::from(rooms.iter().any(is_laden));
        rooms
    }

    /// The most bytes of mail from this shard to another, on their way and kept there.
    fn mail_bytes_of(&self, shard: ShardId) -> usize {
        let mails = self.seats[index(shard)].mails.iter().zip(&self.seats);
        mails.map(|((_, bytes), other)| bytes + other.kept_bytes[index(shard)]).max().unwrap_or(0)
    }

    /// A shard that stopped has no connections any more.
    fn stop(&mut self, shard: ShardId, world: &mut Schedule) {
        let seat = &mut self.seats[index(shard)];
        seat.stopped = true;
        for link in seat.links.drain() {
            world.broker_closes(link);
        }
    }
}

fn index(shard: ShardId) -> usize {
    usize::from(shard.0)
}
