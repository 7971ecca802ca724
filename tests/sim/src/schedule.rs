//! Schedule: time, chance and the calendar: everything but the node and the actors.

use crate::actors::ActorEvent;
use crate::faults::{Faults, Fired, MILLISECOND_NS, Strike};
use crate::network::{LinkId, Network};
use crate::node::Input;
use crate::random::Random;
use crate::trace::Trace;
use defibus::broker::mail::Mail;
use std::collections::BTreeMap;
use wire::ShardId;

/// What a run's wall clock shows at its start.
const WALL_START_NS: u64 = 1_700_000_000_000_000_000;
/// What counts as a slow flush.
const SLOW_NS: u64 = 100 * MILLISECOND_NS;
/// The slowest flush there is.
pub(crate) const SLOWEST_NS: u64 = 10_000 * MILLISECOND_NS;

/// What is scheduled.
#[derive(Debug)]
pub enum Happening {
    /// For a shard of one life of the node.
    Shard(u64, ShardId, Input),
    /// For an actor.
    Actor(usize, ActorEvent),
    /// A misfortune.
    Fault(Strike),
    /// The end of one that lasts.
    Relief(Relief),
    /// The node is started.
    Start,
}

/// What ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relief {
    /// There is space again.
    DiskFull,
    /// A connection that nobody ended must be gone by now.
    HalfOpen(LinkId),
    /// A connection breaks after the bytes that were under way.
    Cut(LinkId),
    /// A client reads again.
    Stall(LinkId),
}

/// Time, chance and the calendar.
#[derive(Debug)]
pub struct Schedule {
    /// Monotonic clock.
    pub now_ns: u64,
    /// Wall clock of the machine; the node never sees it go back within a life.
    pub wall_ns: u64,
    /// The actors' chance.
    pub random: Random,
    /// The run's weather.
    pub faults: Faults,
    /// What really struck.
    pub fired: Fired,
    /// The run's memory.
    pub trace: Trace,
    /// Connections.
    pub network: Network,
    /// Which life of the node runs; 0: none.
    pub incarnation: u64,
    /// Nothing of the node runs before this.
    pub paused_until_ns: u64,
    /// How long the node has been paused in all, a pause under way counted whole.
    pub paused_ns: u64,
    /// Who does not hear of anything before when, not told to the oracle yet; `None`: nobody does.
    pub hindered: Vec<(Option<usize>, u64)>,
    /// Flushes are slow until then.
    pub slow_until_ns: u64,
    /// Reads fail until then.
    pub unreadable_until_ns: u64,
    /// The machine's chance, apart from the actors'.
    pub drive: Random,
    calendar: BTreeMap<(u64, u64), Happening>,
    count: u64,
    mail_ns: BTreeMap<(ShardId, ShardId), u64>,
    /// When a shard's last file task is done.
    task_ns: BTreeMap<ShardId, u64>,
}

impl Schedule {
    /// Before anything happened.
    pub fn new(random: &Random, faults: Faults) -> Self {
        Self {
            now_ns: MILLISECOND_NS,
            wall_ns: WALL_START_NS,
            random: random.fork("actors"),
            faults,
            fired: Fired::default(),
            trace: Trace::default(),
            network: Network::new(random.fork("network")),
            incarnation: 0,
            paused_until_ns: 0,
            paused_ns: 0,
            hindered: Vec::new(),
            slow_until_ns: 0,
            unreadable_until_ns: 0,
            drive: random.fork("drive"),
            calendar: BTreeMap::new(),
            count: 0,
            mail_ns: BTreeMap::new(),
            task_ns: BTreeMap::new(),
        }
    }

    /// What comes next.
    pub fn take_next(&mut self) -> Option<(u64, Happening)> {
        self.calendar.pop_first().map(|((at_ns, _), happening)| (at_ns, happening))
    }

    /// Both clocks go on.
    pub fn advance(&mut self, to_ns: u64) {
        let passed_ns = to_ns.saturating_sub(self.now_ns);
        let drift_ns = i128::from(passed_ns) * i128::from(self.faults.drift_ppm) / 1_000_000;
        self.move_wall(i64::try_from(i128::from(passed_ns) + drift_ns).expect("a short while"));
        self.now_ns = to_ns.max(self.now_ns);
    }

    /// The wall clock is set.
    pub fn move_wall(&mut self, by_ns: i64) {
        self.wall_ns = self.wall_ns.saturating_add_signed(by_ns);
    }

    /// Something will happen.
    pub fn at(&mut self, at_ns: u64, happening: Happening) {
        self.count += 1;
        self.calendar.insert((at_ns.max(self.now_ns), self.count), happening);
    }

    fn for_shard(&mut self, at_ns: u64, shard: ShardId, input: Input) {
        self.at(at_ns, Happening::Shard(self.incarnation, shard, input));
    }

    /// In this instant, after what is under way.
    pub fn soon(&mut self, shard: ShardId, input: Input) {
        self.for_shard(self.now_ns, shard, input);
    }

    /// A timer of a shard.
    pub fn timer(&mut self, shard: ShardId, token: u64, at_ns: u64) {
        self.for_shard(at_ns, shard, Input::Timer(token));
    }

    /// When a frame begun must be whole.
    pub fn frame_deadline(&mut self, shard: ShardId, link: LinkId, at_ns: u64) {
        self.for_shard(at_ns, shard, Input::Deadline(link));
    }

    /// The drive or the helper thread, after a while; the thread does a shard's tasks in their order.
    pub fn disk(&mut self, shard: ShardId, input: Input) {
        let is_slow = self.now_ns < self.slow_until_ns && matches!(input, Input::Flushed(..));
        let delay_ns = if is_slow {
            self.fired.slow_flushes += 1;
            let most_ns = self.drive.between(SLOW_NS, SLOWEST_NS);
            self.drive.between(SLOW_NS, most_ns)
        } else {
            self.drive.between(10_000, self.faults.disk_delay_ns_max)
        };
        let mut at_ns = self.now_ns + delay_ns;
        if matches!(input, Input::File(..)) {
            let last_ns = self.task_ns.entry(shard).or_default();
            at_ns = at_ns.max(*last_ns + 1);
            *last_ns = at_ns;
        }
        self.for_shard(at_ns, shard, input);
    }

    /// Whether a read fails that began now.
    pub fn is_unreadable(&mut self) -> bool {
        self.now_ns < self.unreadable_until_ns && self.drive.chance(700)
    }

    /// When an actor hears of what is sent to it in this instant: now, or once a hindrance is over.
    pub fn heard_ns(&self, actor: usize) -> u64 {
        self.network.heard_ns(actor).max(self.paused_until_ns).max(self.now_ns)
    }

    /// A mail on its way; mails between two shards keep their order.
    pub fn mail(&mut self, from: ShardId, to: ShardId, mail: Mail) {
        let delay_ns = self.drive.between(100, self.faults.mail_delay_ns_max);
        let last_ns = self.mail_ns.entry((from, to)).or_default();
        let at_ns = (self.now_ns + delay_ns).max(*last_ns + 1);
        *last_ns = at_ns;
        self.for_shard(at_ns, to, Input::Mail(from, Box::new(mail)));
    }

    /// A timer of an actor.
    pub fn wake(&mut self, actor: usize, at_ns: u64) {
        self.at(at_ns, Happening::Actor(actor, ActorEvent::Timer));
    }

    /// The node is gone: so are its connections and mails.
    pub fn end_life(&mut self) {
        self.close_all();
        self.incarnation = 0;
        self.paused_until_ns = 0;
        self.mail_ns.clear();
        self.task_ns.clear();
    }
}
