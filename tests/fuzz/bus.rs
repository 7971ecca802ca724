//! Bus: a node of two shards for the target `dispatch`: real brokers, disks that do as they are told.
//!
//! It does what `shard::drive` does and checks what every step says: effects are
//! few, frames are whole and sound, mail has room, nobody halts. A frame that is
//! held is handed in again and no other before; a connection that is closed ends.

use bytes::Bytes;
use defibus::broker::Broker;
use defibus::broker::catalog::Catalogue;
use defibus::broker::disk::name_of;
use defibus::broker::mail::Mail;
use defibus::broker::post::MAILBOX_SLOTS;
use defibus::broker::settings::Settings;
use shard::{
    CloseCause, ConnectionId, Core, Effect, Effects, Event, FileTask, Now, OperationId, Parcel,
    Room,
};
use sim::disk::SimDisk;
use sim::node::plan_of;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use storage::Store;
use storage::plan::{Disk, FileName};
use storage::store::{Opened, StoreConfig};
use wire::body::visit_body;
use wire::frame::Decoded;
use wire::{Frame, ShardId};

/// Shards of the node.
pub(crate) const SHARDS: u16 = 2;
/// What one step may ask for: far more than any needs here.
const EFFECTS_MAX: usize = 8192;
/// What one step may say, in bytes.
const EFFECT_BYTES_MAX: usize = 16 << 20;
/// Turns in which nothing but consequences happen.
const TURNS_MAX: usize = 100_000;
const RECORD_BYTES_MAX: usize = 64 << 10;

/// A connection of the node, wherever it is.
pub(crate) type Place = (usize, ConnectionId);

/// What a disk was asked.
#[derive(Debug)]
enum Work {
    Flush(OperationId, FileName),
    Read(OperationId, FileName, u64, u32),
    File(OperationId, FileTask),
}

#[derive(Debug, Default)]
struct Link {
    /// Frames not yet handed in.
    input: VecDeque<Vec<u8>>,
    is_held: bool,
}

struct Seat {
    broker: Broker,
    mails: VecDeque<(ShardId, Mail)>,
    /// What it has taken of each other's mail and is not done with.
    kept_bytes: Vec<usize>,
    work: VecDeque<Work>,
    timers: BTreeSet<(u64, u64)>,
    links: BTreeMap<ConnectionId, Link>,
    generation: u32,
    /// Connections the broker closes.
    ending: Vec<ConnectionId>,
    /// Connections whose held frame is to be handed in again.
    resumed: VecDeque<ConnectionId>,
}

/// The node.
pub(crate) struct Bus {
    seats: Vec<Seat>,
    disks: Vec<SimDisk>,
    effects: Effects<Mail>,
    now: Now,
    /// Frames to clients, not yet read.
    pub(crate) told: Vec<(Place, Vec<u8>)>,
}

impl Bus {
    /// A new node, started.
    pub(crate) fn new() -> Self {
        let mut bus = Self {
            seats: Vec::new(),
            disks: (0..SHARDS).map(|_| SimDisk::new()).collect(),
            effects: Effects::new(SHARDS),
            now: Now { mono_ns: 1_000_000_000, wall_ns: 1_800_000_000_000_000_000 },
            told: Vec::new(),
        };
        bus.start();
        bus
    }

    /// The process dies; another one starts from what the disks took.
    pub(crate) fn restart(&mut self) {
        self.seats.clear();
        self.told.clear();
        self.disks.iter_mut().for_each(SimDisk::process_crash);
        self.start();
    }

    fn start(&mut self) {
        let wall_ns = self.now.wall_ns;
        let open = |(shard, disk): (u16, &mut SimDisk)| {
            Store::open(&store_config(ShardId(shard)), disk, wall_ns, false)
        };
        let opened: Vec<Opened> = (0..)
            .zip(&mut self.disks)
            .map(open)
            .collect::<Result<_, _>>()
            .expect("a sound directory");
        let catalogue = Catalogue::rebuild(&opened[0].catalog).expect("a sound catalog");
        for (shard, opened) in (0..).map(ShardId).zip(opened) {
            self.seats.push(Seat {
                broker: Broker::new(settings(shard), opened.store, catalogue.clone()),
                mails: VecDeque::new(),
                kept_bytes: Vec::new(),
                work: VecDeque::new(),
                timers: BTreeSet::new(),
                links: BTreeMap::new(),
                generation: 0,
                ending: Vec::new(),
                resumed: VecDeque::new(),
            });
        }
        for seat in 0..self.seats.len() {
            self.turn(seat, Event::Started);
        }
        self.settle();
    }

    // ---- clients ----

    /// A client connects; slots are used again.
    pub(crate) fn connect(&mut self, seat: usize) -> Place {
        let links = &self.seats[seat].links;
        let is_free = |slot: &u32| links.keys().all(|id| id.slot != *slot);
        let slot = (0..u32::MAX).find(is_free).expect("few connections");
        self.seats[seat].generation += 1;
        let connection = ConnectionId { slot, generation: self.seats[seat].generation };
        self.seats[seat].links.insert(connection, Link::default());
        self.turn(seat, Event::Connected { connection });
        (seat, connection)
    }

    /// A client goes.
    pub(crate) fn disconnect(&mut self, (seat, connection): Place) {
        if self.seats[seat].links.remove(&connection).is_some() {
            self.turn(seat, Event::Closed { connection, cause: CloseCause::Peer });
        }
    }

    /// Whether a connection is still there.
    pub(crate) fn is_open(&self, (seat, connection): Place) -> bool {
        self.seats.get(seat).is_some_and(|seat| seat.links.contains_key(&connection))
    }

    /// A client sends a frame.
    pub(crate) fn send(&mut self, (seat, connection): Place, bytes: Vec<u8>) {
        if let Some(link) = self.seats[seat].links.get_mut(&connection) {
            link.input.push_back(bytes);
            self.hand_in(seat, connection);
        }
    }

    /// Hands in what a connection sent until it is held; whether a frame was taken.
    fn hand_in(&mut self, seat: usize, connection: ConnectionId) -> bool {
        let mut was_taken = false;
        while let Some(bytes) = self.next_input(seat, connection) {
            let Ok(Decoded::Frame { frame, .. }) = Frame::decode(&bytes) else {
                unreachable!("the machine hands in whole frames alone");
            };
            self.turn(seat, Event::Frame { connection, frame });
            let seat = &mut self.seats[seat];
            let is_due = seat.resumed.contains(&connection);
            match seat.links.get_mut(&connection) {
                Some(link) if link.is_held || is_due => {
                    link.input.push_front(bytes);
                    return was_taken;
                }
                Some(_) | None => was_taken = true,
            }
        }
        was_taken
    }

    fn next_input(&mut self, seat: usize, connection: ConnectionId) -> Option<Vec<u8>> {
        let seat = &mut self.seats[seat];
        let link = seat.links.get_mut(&connection)?;
        if link.is_held || seat.resumed.contains(&connection) {
            return None;
        }
        link.input.pop_front()
    }

    /// Frames that were held are handed in again; whether one was taken.
    fn hand_in_again(&mut self, seat: usize) -> bool {
        let resumed = std::mem::take(&mut self.seats[seat].resumed);
        resumed.into_iter().fold(false, |was_taken, id| was_taken | self.hand_in(seat, id))
    }

    // ---- what happens in between ----

    /// The disk of a shard does the oldest thing it was asked; whether there was one.
    pub(crate) fn work(&mut self, seat: usize) -> bool {
        let Some(work) = self.seats[seat].work.pop_front() else { return false };
        let disk = &mut self.disks[seat];
        match work {
            Work::Flush(operation, file) => {
                disk.sync(file);
                self.turn(seat, Event::Flushed { operation, result: Ok(()) });
            }
            Work::Read(operation, file, position, bytes) => {
                let mut into = vec![0; bytes as usize];
                disk.read_running(file, position, &mut into).expect("what was written is there");
                self.turn(seat, Event::ReadDone { operation, result: Ok(Bytes::from(into)) });
            }
            Work::File(operation, task) => {
                disk.apply(&plan_of(operation, task)).expect("room enough");
                self.turn(seat, Event::FileDone { operation, result: Ok(()) });
            }
        }
        true
    }

    /// A shard reads the oldest of its mails; whether there was one.
    pub(crate) fn read_mail(&mut self, seat: usize) -> bool {
        let Some((from, mail)) = self.seats[seat].mails.pop_front() else { return false };
        self.turn(seat, Event::Mail { from, mail });
        true
    }

    /// A turn in which nothing came but what was held.
    pub(crate) fn idle(&mut self, seat: usize) {
        self.hand_in_again(seat);
        self.step(seat, Event::TurnEnd);
    }

    /// All that waits for no clock happens.
    pub(crate) fn settle(&mut self) {
        for _ in 0..TURNS_MAX {
            let mut was_busy = false;
            for seat in 0..self.seats.len() {
                was_busy |= self.work(seat) | self.read_mail(seat) | self.hand_in_again(seat);
            }
            if !was_busy {
                return;
            }
        }
        panic!("the node never comes to rest");
    }

    /// Time passes, timers fall due on the way.
    pub(crate) fn pass(&mut self, span_ns: u64) {
        let end_ns = self.now.mono_ns + span_ns;
        for _ in 0..TURNS_MAX {
            let due = (0..).zip(&self.seats);
            let due = due.filter_map(|(number, seat)| Some((*seat.timers.first()?, number)));
            let Some(((at_ns, token), seat)) = due.min().filter(|((at_ns, _), _)| *at_ns <= end_ns)
            else {
                return self.set_clock(end_ns);
            };
            self.set_clock(at_ns);
            self.seats[seat].timers.remove(&(at_ns, token));
            self.turn(seat, Event::Timer { token });
        }
        panic!("timers arm one another without end");
    }

    fn set_clock(&mut self, mono_ns: u64) {
        let passed_ns = mono_ns.saturating_sub(self.now.mono_ns);
        self.now.mono_ns += passed_ns;
        self.now.wall_ns += passed_ns;
    }

    // ---- the machine ----

    /// An event and the end of its turn; then connections that were closed are gone.
    fn turn(&mut self, seat: usize, event: Event<'_, Mail>) {
        self.step(seat, event);
        self.step(seat, Event::TurnEnd);
        while let Some(connection) = self.seats[seat].ending.pop() {
            if self.seats[seat].links.remove(&connection).is_some() {
                let cause = CloseCause::Asked;
                self.step(seat, Event::Closed { connection, cause });
                self.step(seat, Event::TurnEnd);
            }
        }
    }

    fn step(&mut self, seat: usize, event: Event<'_, Mail>) {
        let from = ShardId(u16::try_from(seat).expect("two shards"));
        self.effects.clear();
        for (room, other) in self.effects.rooms.iter_mut().zip(&self.seats) {
            let waiting = other.mails.iter().filter(|(sender, _)| *sender == from);
            let (count, on_way_bytes) =
                waiting.fold((0, 0), |(count, bytes), (_, mail)| (count + 1, bytes + mail.bytes()));
            let kept_bytes = other.kept_bytes.get(seat).copied().unwrap_or(0);
            let mails = MAILBOX_SLOTS.saturating_sub(count);
            *room = Room { mails, on_way_bytes, kept_bytes };
        }
        self.seats[seat].broker.step(self.now, event, &mut self.effects);
        self.seats[seat].kept_bytes.clone_from(&self.effects.kept_bytes);
        let list = std::mem::take(&mut self.effects.list);
        assert!(list.len() <= EFFECTS_MAX, "{} effects of one step", list.len());
        let bytes = self.effects.bytes.len();
        assert!(bytes <= EFFECT_BYTES_MAX, "{bytes} bytes of one step");
        for effect in list {
            self.carry_out(seat, effect);
        }
    }

    fn carry_out(&mut self, number: usize, effect: Effect<Mail>) {
        let from = ShardId(u16::try_from(number).expect("two shards"));
        let seat = &mut self.seats[number];
        match effect {
            Effect::Send { connection, range } => {
                hear(&self.effects.bytes[range], |frame| {
                    self.told.push(((number, connection), frame.to_vec()));
                });
            }
            Effect::Close { connection } => seat.ending.push(connection),
            Effect::Hold { connection } => {
                if let Some(link) = seat.links.get_mut(&connection) {
                    link.is_held = true;
                }
            }
            Effect::Mail { to, mail } => {
                self.seats[usize::from(to.0)].mails.push_back((from, mail));
            }
            Effect::Arm { token, at_ns } => {
                seat.timers.insert((at_ns, token));
            }
            Effect::Flush { operation, file, head, position, batch } => {
                let file = name_of(file);
                if let Some(head) = head {
                    self.disks[number].write_unsynced(file, 0, &head);
                }
                self.disks[number].write_unsynced(file, position, &batch);
                seat.work.push_back(Work::Flush(operation, file));
            }
            Effect::Read { operation, file, position, bytes } => {
                seat.work.push_back(Work::Read(operation, name_of(file), position, bytes));
            }
            Effect::File { operation, task } => seat.work.push_back(Work::File(operation, task)),
            Effect::Say { line } => panic!("a sound disk is called damaged: {line}"),
            Effect::Halt { code, reason } => panic!("a client made the node halt: {code} {reason}"),
            Effect::Resume { connection } => {
                if let Some(link) = seat.links.get_mut(&connection) {
                    link.is_held = false;
                    seat.resumed.push_back(connection);
                }
            }
            Effect::Stop => panic!("a client made the node stop"),
        }
    }
}

/// Takes what is sent apart: whole frames, each a sound one of its kind.
fn hear(mut sent: &[u8], mut each: impl FnMut(&[u8])) {
    while !sent.is_empty() {
        let Ok(Decoded::Frame { frame, bytes_taken }) = Frame::decode(sent) else {
            panic!("a broker sends whole frames");
        };
        visit_body(&frame, &mut |_| {}).expect("a broker sends sound bodies");
        each(&sent[..bytes_taken]);
        sent = &sent[bytes_taken..];
    }
}

/// Small enough that a short script meets every bound.
fn settings(shard: ShardId) -> Settings {
    Settings {
        record_bytes_max: RECORD_BYTES_MAX,
        pending_requests_max: 16,
        waiting_requests_max: 8,
        waiting_bytes_max: 64 << 10,
        topics_max: 12,
        queues_max: 64,
        groups_max: 8,
        producers_max: 8,
        members_max: 12,
        in_flight_max: 16,
        ..Settings::new(shard, SHARDS)
    }
}

fn store_config(shard: ShardId) -> StoreConfig {
    StoreConfig {
        shard,
        node_id: 1,
        cluster_id: 2,
        segment_bytes: 1 << 20,
        record_bytes_max: RECORD_BYTES_MAX,
        batch_bytes_max: 128 << 10,
        recent_bytes_max: 16 << 10,
        read_cache_bytes_max: 64 << 10,
        memory_bytes_max: 64 << 10,
        log_bytes_max: 16 << 20,
        retention_ns: 72 * 3_600_000_000_000,
        prepared_segments: 1,
        snapshot_log_bytes: 64 << 10,
        snapshot_interval_ns: 1_000_000_000,
        scrub_period_ns: 0,
        scrub_bytes_per_second_max: 1,
        seed: 7,
    }
}
