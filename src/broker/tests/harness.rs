//! House: real brokers and stores of one node, with mailboxes and disks that do what they are told.
//!
//! Nothing fails here but by a test's wish; failing is the simulator's business.
//! `run` goes on until nothing happens any more, except what timers would do:
//! time stands still until `advance`.

use crate::broker::Broker;
use crate::broker::catalog::Catalogue;
use crate::broker::disk::name_of;
use crate::broker::mail::{Mail, Peer};
use crate::broker::post::MAILBOX_SLOTS;
use crate::broker::settings::Settings;
use bytes::Bytes;
use flatbuffers::{FlatBufferBuilder, WIPOffset};
use shard::{ConnectionId, Core, Effect, Effects, Event, IoFault, Now, OperationId, Parcel, Room};
use sim::disk::SimDisk;
use sim::node::plan_of;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use storage::Store;
use storage::plan::Disk;
use storage::store::{Opened, StoreConfig};
use wire::frame::Decoded;
use wire::record::{Properties, Record, write_record};
use wire::{Frame, FrameWriter, Kind, ShardId, table};

/// The largest record the node takes, in bytes.
const RECORD_BYTES_MAX: usize = 64 << 10;

/// A frame as a peer received it.
#[derive(Clone, Debug)]
pub(crate) struct Received(Vec<u8>);

impl Received {
    /// The frame.
    pub(crate) fn frame(&self) -> Frame<'_> {
        let Ok(Decoded::Frame { frame, .. }) = Frame::decode(&self.0) else {
            panic!("a broker sends whole frames");
        };
        frame
    }

    /// Its kind.
    pub(crate) fn kind(&self) -> Kind {
        self.frame().kind().expect("a broker sends known kinds")
    }
}

/// What a disk has done and not yet said.
#[derive(Debug)]
enum Ended {
    Flush(OperationId),
    Read(OperationId, Bytes),
    File(OperationId),
}

#[derive(Debug)]
struct Seat {
    broker: Broker,
    mails: VecDeque<(ShardId, Mail)>,
    /// What it has taken of each other's mail and is not done with.
    kept_bytes: Vec<usize>,
    ended: VecDeque<Ended>,
    timers: BTreeSet<(u64, u64)>,
    connections: u32,
    /// Frames of peers, not yet handed in.
    input: BTreeMap<ConnectionId, VecDeque<Vec<u8>>>,
    held: BTreeSet<ConnectionId>,
    received: BTreeMap<ConnectionId, VecDeque<Received>>,
    closed: BTreeSet<ConnectionId>,
    stopped: bool,
}

/// One node.
#[derive(Debug)]
pub(crate) struct House {
    seats: Vec<Seat>,
    disks: Vec<SimDisk>,
    effects: Effects<Mail>,
    now: Now,
    settings: Settings,
    traces_next: bool,
    /// While set, disks do their work but do not say so: nothing becomes durable.
    pub(crate) disks_are_silent: bool,
    /// While set, mail between shards stays in its mailbox.
    pub(crate) mail_is_stuck: bool,
    /// Lines for the operator.
    pub(crate) said: Vec<String>,
}

impl House {
    /// A new node.
    pub(crate) fn new(shard_count: u16) -> Self {
        Self::with(Settings::new(ShardId(0), shard_count))
    }

    /// A new node with these settings; each shard gets them under its own number.
    pub(crate) fn with(mut settings: Settings) -> Self {
        settings.record_bytes_max = RECORD_BYTES_MAX;
        let shard_count = settings.shard_count;
        let mut house = Self {
            seats: Vec::new(),
            disks: (0..shard_count).map(|_| SimDisk::new()).collect(),
            effects: Effects::new(shard_count),
            now: Now { mono_ns: 1_000_000_000, wall_ns: 1_800_000_000_000_000_000 },
            settings,
            traces_next: false,
            disks_are_silent: false,
            mail_is_stuck: false,
            said: Vec::new(),
        };
        house.start();
        house
    }

    /// Ends all brokers at once, as a crash of the process does, and starts them from their disks.
    pub(crate) fn restart(&mut self) {
        self.seats.clear();
        self.disks_are_silent = false;
        self.mail_is_stuck = false;
        self.start();
    }

    fn start(&mut self) {
        let wall_ns = self.now.wall_ns;
        let opened: Vec<Opened> = (0..)
            .map(ShardId)
            .zip(&mut self.disks)
            .map(|(shard, disk)| Store::open(&store_config(shard), disk, wall_ns, false))
            .collect::<Result<_, _>>()
            .expect("a sound directory opens");
        let catalogue = Catalogue::rebuild(&opened[0].catalog).expect("a sound catalog");
        for (shard, opened) in (0..).map(ShardId).zip(opened) {
            let settings = Settings { shard, ..self.settings.clone() };
            self.seats.push(Seat {
                broker: Broker::new(settings, opened.store, catalogue.clone()),
                mails: VecDeque::new(),
                kept_bytes: Vec::new(),
                ended: VecDeque::new(),
                timers: BTreeSet::new(),
                connections: 0,
                input: BTreeMap::new(),
                held: BTreeSet::new(),
                received: BTreeMap::new(),
                closed: BTreeSet::new(),
                stopped: false,
            });
        }
        for seat in 0..self.seats.len() {
            self.step(seat, Event::Started);
        }
        self.run();
    }

    // ---- peers ----

    /// A peer that connected to `shard` and was welcomed.
    pub(crate) fn connect(&mut self, shard: u16) -> Peer {
        let peer = self.connect_silently(shard);
        self.ask(peer, Kind::Hello, |builder| {
            let client = Some(builder.create_string("test"));
            let args =
                table::HelloArgs { version_min: 1, version_max: 1, client, ..Default::default() };
            table::Hello::create(builder, &args)
        });
        assert_eq!(self.next(peer).kind(), Kind::Welcome);
        peer
    }

    /// A peer that connected to `shard` and said nothing yet.
    pub(crate) fn connect_silently(&mut self, shard: u16) -> Peer {
        let seat = usize::from(shard);
        let slot = self.seats[seat].connections;
        self.seats[seat].connections += 1;
        let connection = ConnectionId { slot, generation: 1 };
        self.step(seat, Event::Connected { connection });
        Peer { shard: ShardId(shard), connection }
    }

    /// A peer's connection breaks.
    pub(crate) fn close(&mut self, peer: Peer) {
        let cause = shard::CloseCause::Peer;
        self.step(usize::from(peer.shard.0), Event::Closed { connection: peer.connection, cause });
        self.run();
    }

    /// Whether the broker closed the peer's connection.
    pub(crate) fn is_closed(&self, peer: Peer) -> bool {
        self.seats[usize::from(peer.shard.0)].closed.contains(&peer.connection)
    }

    /// Whether what the peer sends is not taken now.
    pub(crate) fn is_held(&self, peer: Peer) -> bool {
        self.seats[usize::from(peer.shard.0)].held.contains(&peer.connection)
    }

    /// Bytes of mail from one shard to another, on their way and kept there.
    pub(crate) fn mail_bytes(&self, from: u16, to: u16) -> usize {
        let reader = &self.seats[usize::from(to)];
        let on_way = reader.mails.iter().filter(|(sender, _)| sender.0 == from);
        let bytes = on_way.map(|(_, mail)| mail.bytes()).sum::<usize>();
        bytes + reader.kept_bytes[usize::from(from)]
    }

    /// Sends a frame without records, and runs. The request id is the kind's number.
    pub(crate) fn ask<T>(
        &mut self,
        peer: Peer,
        kind: Kind,
        build: impl FnOnce(&mut FlatBufferBuilder<'static>) -> WIPOffset<T>,
    ) {
        self.send(peer, (kind, kind as u64), &[], build);
        self.run();
    }

    /// Hands in a frame with its request id and section; does not run.
    pub(crate) fn send<T>(
        &mut self,
        peer: Peer,
        (kind, request_id): (Kind, u64),
        section: &[u8],
        build: impl FnOnce(&mut FlatBufferBuilder<'static>) -> WIPOffset<T>,
    ) {
        let mut bytes = Vec::new();
        FrameWriter::default().write(&mut bytes, kind, request_id, &[section], build);
        if std::mem::take(&mut self.traces_next) {
            FrameWriter::mark_traced(&mut bytes);
        }
        let seat = usize::from(peer.shard.0);
        self.seats[seat].input.entry(peer.connection).or_default().push_back(bytes);
        self.hand_in(seat);
    }

    /// The next frame the peer received.
    pub(crate) fn next(&mut self, peer: Peer) -> Received {
        self.try_next(peer).expect("the peer received a frame")
    }

    /// The next frame the peer received, if there is one.
    pub(crate) fn try_next(&mut self, peer: Peer) -> Option<Received> {
        let seat = &mut self.seats[usize::from(peer.shard.0)];
        seat.received.get_mut(&peer.connection)?.pop_front()
    }

    /// A shard's broker.
    pub(crate) fn broker(&self, shard: u16) -> &Broker {
        &self.seats[usize::from(shard)].broker
    }

    // ---- the machine ----

    /// Lets everything happen that does not wait for time.
    pub(crate) fn run(&mut self) {
        loop {
            let mut some_work = false;
            for seat in 0..self.seats.len() {
                some_work |= self.run_turn(seat);
            }
            if !some_work {
                return;
            }
        }
    }

    /// Lets time pass, timers included.
    pub(crate) fn advance(&mut self, span_ns: u64) {
        let end_ns = self.now.mono_ns + span_ns;
        loop {
            let timers = self.seats.iter().enumerate();
            let next = timers.filter_map(|(seat, s)| Some((*s.timers.first()?, seat))).min();
            let Some(((at_ns, token), seat)) = next.filter(|((at_ns, _), _)| *at_ns <= end_ns)
            else {
                break;
            };
            self.pass_to(at_ns);
            self.seats[seat].timers.remove(&(at_ns, token));
            self.step(seat, Event::Timer { token });
            self.step(seat, Event::TurnEnd);
            self.run();
        }
        self.pass_to(end_ns);
        self.run();
    }

    /// The whole node is stopped for a while: time passes, and its timers are late.
    pub(crate) fn pause(&mut self, span_ns: u64) {
        self.pass_to(self.now.mono_ns + span_ns);
        self.advance(0);
    }

    /// What is sent next is to be traced, or not.
    pub(crate) fn trace_next(&mut self, traced: bool) {
        self.traces_next = traced;
    }

    /// From now on what a turn takes may have waited so long for it.
    pub(crate) fn take_after(&mut self, waited_ns: u64) {
        self.effects.waited_ns = waited_ns;
    }

    /// Monotonic now, in nanoseconds.
    pub(crate) fn now_ns(&self) -> u64 {
        self.now.mono_ns
    }

    fn pass_to(&mut self, mono_ns: u64) {
        let passed_ns = mono_ns.saturating_sub(self.now.mono_ns);
        self.now.mono_ns += passed_ns;
        self.now.wall_ns += passed_ns;
    }

    /// One turn of one shard: a bounded piece of what waits for it, then the turn's end.
    fn run_turn(&mut self, seat: usize) -> bool {
        let mut some_work = self.hand_in(seat);
        if !self.mail_is_stuck
            && let Some((from, mail)) = self.seats[seat].mails.pop_front()
        {
            self.step(seat, Event::Mail { from, mail });
            some_work = true;
        }
        if !self.disks_are_silent
            && let Some(ended) = self.seats[seat].ended.pop_front()
        {
            self.tell_ended(seat, ended);
            some_work = true;
        }
        let before = self.seats[seat].ended.len();
        self.step(seat, Event::TurnEnd);
        some_work || (!self.disks_are_silent && self.seats[seat].ended.len() > before)
    }

    fn tell_ended(&mut self, seat: usize, ended: Ended) {
        let event = match ended {
            Ended::Flush(operation) => Event::Flushed { operation, result: Ok(()) },
            Ended::Read(operation, bytes) => Event::ReadDone { operation, result: Ok(bytes) },
            Ended::File(operation) => Event::FileDone { operation, result: Ok(()) },
        };
        self.step(seat, event);
    }

    /// Hands in what peers sent, as far as their connections are not held.
    fn hand_in(&mut self, seat: usize) -> bool {
        let mut some_work = false;
        let connections: Vec<ConnectionId> = self.seats[seat].input.keys().copied().collect();
        for connection in connections {
            while let Some(bytes) = self.next_input(seat, connection) {
                some_work = true;
                let Ok(Decoded::Frame { frame, .. }) = Frame::decode(&bytes) else {
                    panic!("a test sends whole frames");
                };
                self.step(seat, Event::Frame { connection, frame });
                let seat = &mut self.seats[seat];
                if seat.held.contains(&connection) {
                    seat.input.entry(connection).or_default().push_front(bytes);
                }
            }
        }
        some_work
    }

    fn next_input(&mut self, seat: usize, connection: ConnectionId) -> Option<Vec<u8>> {
        let seat = &mut self.seats[seat];
        if seat.held.contains(&connection) {
            return None;
        }
        seat.input.get_mut(&connection)?.pop_front()
    }

    fn step(&mut self, seat: usize, event: Event<'_, Mail>) {
        let from = ShardId(u16::try_from(seat).expect("few shards"));
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
        for effect in list {
            self.carry_out(seat, effect);
        }
        self.effects.clear();
    }

    fn carry_out(&mut self, number: usize, effect: Effect<Mail>) {
        let from = ShardId(u16::try_from(number).expect("few shards"));
        let seat = &mut self.seats[number];
        let disk = &mut self.disks[number];
        match effect {
            Effect::Send { connection, range } => {
                let mut rest = &self.effects.bytes[range];
                let received = seat.received.entry(connection).or_default();
                while let Ok(Decoded::Frame { bytes_taken, .. }) = Frame::decode(rest) {
                    received.push_back(Received(rest[..bytes_taken].to_vec()));
                    rest = &rest[bytes_taken..];
                }
                assert!(rest.is_empty(), "a broker sends whole frames");
            }
            Effect::Close { connection } => {
                seat.closed.insert(connection);
            }
            Effect::Hold { connection } => {
                seat.held.insert(connection);
            }
            Effect::Resume { connection } => {
                seat.held.remove(&connection);
            }
            Effect::Mail { to, mail } => {
                self.seats[usize::from(to.0)].mails.push_back((from, mail));
            }
            Effect::Arm { token, at_ns } => {
                seat.timers.insert((at_ns, token));
            }
            Effect::Flush { operation, file, head, position, batch } => {
                if let Some(head) = head {
                    disk.write_unsynced(name_of(file), 0, &head);
                }
                disk.write_unsynced(name_of(file), position, &batch);
                disk.sync(name_of(file));
                seat.ended.push_back(Ended::Flush(operation));
            }
            Effect::Read { operation, file, position, bytes } => {
                let mut into = vec![0; bytes as usize];
                disk.read_running(name_of(file), position, &mut into).expect("written before");
                seat.ended.push_back(Ended::Read(operation, Bytes::from(into)));
            }
            Effect::File { operation, task } => {
                disk.apply(&plan_of(operation, task)).expect("room enough");
                seat.ended.push_back(Ended::File(operation));
            }
            Effect::Say { line } => self.said.push(line),
            Effect::Halt { code, reason } => panic!("the broker halts with {code}: {reason}"),
            Effect::Stop => seat.stopped = true,
        }
    }

    /// Asks the node to end; true if every shard did.
    pub(crate) fn shut_down(&mut self) -> bool {
        for seat in 0..self.seats.len() {
            self.step(seat, Event::Shutdown);
        }
        self.run();
        self.seats.iter().all(|seat| seat.stopped)
    }

    /// The first flush in flight of a shard fails; returns what the broker ends the process with.
    pub(crate) fn fail_flush(&mut self, shard: u16) -> u8 {
        let seat = &mut self.seats[usize::from(shard)];
        let in_flight = seat.ended.iter().find_map(|ended| match ended {
            Ended::Flush(operation) => Some(*operation),
            Ended::Read(..) | Ended::File(_) => None,
        });
        let operation = in_flight.expect("a flush is in flight");
        let result = Err(IoFault::Errno(5));
        let event = Event::Flushed { operation, result };
        seat.broker.step(self.now, event, &mut self.effects);
        let effects = std::mem::take(&mut self.effects.list);
        let [Effect::Halt { code, .. }] = effects.as_slice() else {
            panic!("nothing but the end follows a failed flush: {effects:?}");
        };
        *code
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
        recent_bytes_max: 1 << 20,
        read_cache_bytes_max: 1 << 20,
        memory_bytes_max: 1 << 20,
        log_bytes_max: 64 << 20,
        retention_ns: 72 * 3_600_000_000_000,
        prepared_segments: 1,
        snapshot_log_bytes: 4 << 20,
        snapshot_interval_ns: 60_000_000_000,
        scrub_period_ns: 0,
        scrub_bytes_per_second_max: 64 << 20,
        seed: 7,
    }
}

/// A section of records with these bodies.
pub(crate) fn section(bodies: &[&[u8]]) -> Vec<u8> {
    let mut section = Vec::new();
    for body in bodies {
        let properties = Properties::default();
        let record = Record { born_ns: 1, key: b"", tag: b"", properties, body };
        write_record(&mut section, &record, RECORD_BYTES_MAX).expect("a small record");
    }
    section
}
