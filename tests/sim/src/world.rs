//! World: the clock, what is scheduled, the node and the actors around it.
//!
//! ```text
//!   0 ............ faults strike ............ heal ........ actors finish ... end checks
//! ```

use crate::actors::{Actor, ActorEvent, Board, Context};
use crate::faults::{Faults, Fired};
use crate::node::{Fate, Input, Node, Refused};
use crate::observation::Observation;
use crate::oracle::{Oracle, Violation};
use crate::random::Random;
use crate::trace::Trace;
use defibus::broker::mail::Mail;
use std::collections::BTreeMap;
use wire::ShardId;

const MILLISECOND_NS: u64 = 1_000_000;
/// A run has some tens of thousands; more is a shard that keeps itself busy.
const HAPPENINGS_MAX: u64 = 200_000;
/// A node is started again this long after it died.
const RESTART_NS: u64 = 30 * MILLISECOND_NS;

/// A connection between an actor and a shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinkId(pub u64);

#[derive(Clone, Copy, Debug)]
struct Ends {
    actor: usize,
    shard: ShardId,
    incarnation: u64,
    /// Nothing arrives before this: bytes keep their order.
    to_shard_ns: u64,
    to_actor_ns: u64,
}

/// What is scheduled.
#[derive(Debug)]
pub enum Happening {
    /// For a shard of one life of the node.
    Shard(u64, ShardId, Input),
    /// For an actor.
    Actor(usize, ActorEvent),
    /// A misfortune.
    Fault(Misfortune),
    /// The node is started.
    Start,
}

/// What may strike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfortune {
    /// Everything un-synced may be lost, at the next effects.
    PowerLoss,
    /// The process dies; the drive keeps what it took.
    ProcessDeath,
    /// A connection is cut.
    Cut,
    /// The wall clock jumps.
    ClockJump,
    /// The process is asked to end.
    Shutdown,
}

/// Time, chance and the calendar: everything but the node and the actors.
#[derive(Debug)]
pub struct Schedule {
    /// Monotonic clock.
    pub now_ns: u64,
    /// Wall clock, never going back.
    pub wall_ns: u64,
    /// The run's chance.
    pub random: Random,
    /// The run's weather.
    pub faults: Faults,
    /// What really struck.
    pub fired: Fired,
    /// The run's memory.
    pub trace: Trace,
    calendar: BTreeMap<(u64, u64), Happening>,
    count: u64,
    incarnation: u64,
    links: BTreeMap<LinkId, Ends>,
    link_count: u64,
    mail_ns: BTreeMap<(ShardId, ShardId), u64>,
}

impl Schedule {
    fn new(random: Random, faults: Faults) -> Self {
        Self {
            now_ns: MILLISECOND_NS,
            wall_ns: 1_700_000_000_000_000_000,
            random,
            faults,
            fired: Fired::default(),
            trace: Trace::default(),
            calendar: BTreeMap::new(),
            count: 0,
            incarnation: 0,
            links: BTreeMap::new(),
            link_count: 0,
            mail_ns: BTreeMap::new(),
        }
    }

    fn at(&mut self, at_ns: u64, happening: Happening) {
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

    /// The drive or the helper thread, after a while.
    pub fn disk(&mut self, shard: ShardId, input: Input) {
        let delay_ns = self.random.between(10_000, self.faults.disk_delay_ns_max);
        self.for_shard(self.now_ns + delay_ns, shard, input);
    }

    /// A mail on its way; mails between two shards keep their order.
    pub fn mail(&mut self, from: ShardId, to: ShardId, mail: Mail) {
        let delay_ns = self.random.between(100, self.faults.mail_delay_ns_max);
        let last_ns = self.mail_ns.entry((from, to)).or_default();
        let at_ns = (self.now_ns + delay_ns).max(*last_ns + 1);
        *last_ns = at_ns;
        self.for_shard(at_ns, to, Input::Mail(from, Box::new(mail)));
    }

    /// Bytes to an actor; they keep their order.
    pub fn to_actor(&mut self, link: LinkId, bytes: Vec<u8>) {
        let delay_ns = self.network_delay_ns();
        let Some(ends) = self.links.get_mut(&link) else { return };
        let at_ns = (self.now_ns + delay_ns).max(ends.to_actor_ns + 1);
        ends.to_actor_ns = at_ns;
        let actor = ends.actor;
        self.at(at_ns, Happening::Actor(actor, ActorEvent::Bytes(link, bytes)));
    }

    /// The broker closed: the actor gets what was sent before, then the end.
    pub fn broker_closes(&mut self, shard: ShardId, link: LinkId) {
        let Some(ends) = self.links.remove(&link) else { return };
        let at_ns = ends.to_actor_ns.max(self.now_ns) + 1;
        self.at(at_ns, Happening::Actor(ends.actor, ActorEvent::Closed(link)));
        self.soon(shard, Input::Closed(link));
    }

    /// An actor connects to a shard; it hears `Connected` or `Closed`.
    pub fn connect(&mut self, actor: usize, shard: ShardId) -> LinkId {
        self.link_count += 1;
        let link = LinkId(self.link_count);
        let delay_ns = self.network_delay_ns();
        let at_ns = self.now_ns + delay_ns;
        if self.incarnation == 0 {
            self.at(at_ns, Happening::Actor(actor, ActorEvent::Closed(link)));
            return link;
        }
        let incarnation = self.incarnation;
        let ends = Ends { actor, shard, incarnation, to_shard_ns: at_ns, to_actor_ns: at_ns };
        self.links.insert(link, ends);
        self.for_shard(at_ns, shard, Input::Connected(link));
        self.at(at_ns, Happening::Actor(actor, ActorEvent::Connected(link)));
        link
    }

    /// Bytes of an actor; they keep their order.
    pub fn to_shard(&mut self, link: LinkId, bytes: Vec<u8>) {
        let delay_ns = self.network_delay_ns();
        let Some(ends) = self.links.get_mut(&link) else { return };
        let at_ns = (self.now_ns + delay_ns).max(ends.to_shard_ns + 1);
        ends.to_shard_ns = at_ns;
        let (incarnation, shard) = (ends.incarnation, ends.shard);
        self.at(at_ns, Happening::Shard(incarnation, shard, Input::Bytes(link, bytes)));
    }

    /// A connection breaks in the middle: bytes under way are lost on both sides.
    pub fn cut(&mut self, link: LinkId) {
        let Some(ends) = self.links.remove(&link) else { return };
        self.at(self.now_ns, Happening::Actor(ends.actor, ActorEvent::Closed(link)));
        self.at(self.now_ns, Happening::Shard(ends.incarnation, ends.shard, Input::Closed(link)));
    }

    /// A timer of an actor.
    pub fn wake(&mut self, actor: usize, at_ns: u64) {
        self.at(at_ns, Happening::Actor(actor, ActorEvent::Timer));
    }

    fn network_delay_ns(&mut self) -> u64 {
        self.random.between(5_000, self.faults.network_delay_ns_max)
    }

    fn close_all(&mut self) {
        for (link, ends) in std::mem::take(&mut self.links) {
            self.at(self.now_ns, Happening::Actor(ends.actor, ActorEvent::Closed(link)));
        }
        self.incarnation = 0;
        self.mail_ns.clear();
    }
}

/// A whole run.
pub struct World {
    pub(crate) schedule: Schedule,
    pub(crate) node: Node,
    pub(crate) actors: Vec<Box<dyn Actor>>,
    board: Board,
    pub(crate) oracle: Oracle,
    pub(crate) crash_is_power: bool,
    heal_ns: u64,
    /// The log was damaged on purpose: a node may refuse to start, if it says so.
    pub(crate) is_damaged: bool,
    /// It did.
    is_refused: bool,
}

impl std::fmt::Debug for World {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "World at {} ns", self.schedule.now_ns)
    }
}

impl World {
    /// A world of this seed, before anything happened.
    pub fn new(seed: u64, is_traced: bool) -> Self {
        let mut random = Random::new(seed);
        let faults = Faults::draw(&mut random);
        let heal_ns = random.between(1500, 4000) * MILLISECOND_NS;
        let node = Node::new(&faults);
        let mut schedule = Schedule::new(random, faults);
        schedule.trace.is_printed = is_traced;
        let actors = crate::actors::cast(&mut schedule);
        let board = Board::default();
        let oracle = Oracle::default();
        let mut world = Self {
            schedule,
            node,
            actors,
            board,
            oracle,
            crash_is_power: true,
            heal_ns,
            is_damaged: false,
            is_refused: false,
        };
        world.plan_misfortunes();
        world.schedule.at(0, Happening::Start);
        for number in 0..world.actors.len() {
            world.schedule.wake(number, MILLISECOND_NS);
        }
        world
    }

    fn plan_misfortunes(&mut self) {
        let faults = self.schedule.faults.clone();
        let mut plan = Vec::new();
        for (misfortune, count) in [
            (Misfortune::PowerLoss, faults.power_losses),
            (Misfortune::ProcessDeath, faults.process_deaths),
            (Misfortune::Cut, faults.cuts),
            (Misfortune::ClockJump, faults.clock_jumps),
            (Misfortune::Shutdown, faults.shutdowns),
        ] {
            plan.extend((0..count).map(|_| misfortune));
        }
        for misfortune in plan {
            let at_ns = self.schedule.random.between(20 * MILLISECOND_NS, self.heal_ns);
            self.schedule.at(at_ns, Happening::Fault(misfortune));
        }
    }

    /// Runs to the end.
    ///
    /// # Errors
    /// The first violation, in the words of the checker that spoke.
    pub fn run(&mut self) -> Result<(), Violation> {
        let end_ns = self.heal_ns + 120_000 * MILLISECOND_NS;
        let mut is_healed = false;
        let mut happenings = 0_u64;
        while let Some((key, happening)) = self.schedule.calendar.pop_first() {
            self.advance(key.0);
            happenings += 1;
            if happenings > HAPPENINGS_MAX {
                return self.give_up("a loop without end");
            }
            if key.0 > end_ns {
                return self.give_up("not finished in time");
            }
            if !is_healed && key.0 > self.heal_ns {
                is_healed = true;
                self.heal();
            }
            self.happen(happening);
            self.oracle.verdict()?;
            if is_healed && self.actors.iter().all(|actor| actor.is_done()) {
                self.oracle.end()?;
                if !self.begin_aftermath() {
                    return Ok(());
                }
            }
            if self.is_refused {
                return Ok(());
            }
        }
        self.give_up("nothing happens any more")
    }

    fn give_up(&mut self, why: &str) -> Result<(), Violation> {
        let words = format!("{why}: {}", self.unfinished());
        self.oracle.saw(&Observation::Unfinished { words: &words });
        self.oracle.verdict()
    }

    /// What the run was, in one number.
    pub fn trace_hash(&self) -> u64 {
        self.schedule.trace.hash()
    }

    /// The last lines of the trace.
    pub fn trace_lines(&self) -> impl Iterator<Item = &str> {
        self.schedule.trace.lines()
    }

    /// The weather, what struck, and how much was done.
    pub fn summary(&self) -> (String, Fired, u64) {
        let faults = self.schedule.faults.describe();
        (faults, self.schedule.fired, self.oracle.ledger().operations)
    }

    fn unfinished(&self) -> String {
        let names: Vec<String> =
            self.actors.iter().filter(|actor| !actor.is_done()).map(|actor| actor.name()).collect();
        names.join(", ")
    }

    fn advance(&mut self, to_ns: u64) {
        let schedule = &mut self.schedule;
        schedule.wall_ns += to_ns.saturating_sub(schedule.now_ns);
        schedule.now_ns = to_ns.max(schedule.now_ns);
        self.oracle.advance(schedule.now_ns);
    }

    fn heal(&mut self) {
        let faults = &mut self.schedule.faults;
        faults.flush_errors = 0;
        faults.disk_delay_ns_max = faults.disk_delay_ns_max.min(1_000_000);
        self.node.crash_in = None;
        self.schedule.trace.note("heal");
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Shard(incarnation, shard, input) => {
                if incarnation == self.schedule.incarnation && self.node.is_up() {
                    let fate = self.node.turn(shard, input, &mut self.schedule);
                    self.meet(fate);
                }
            }
            Happening::Actor(number, event) => self.act(number, event),
            Happening::Fault(misfortune) => self.strike(misfortune),
            Happening::Start => self.start(),
        }
    }

    fn start(&mut self) {
        let (random, wall_ns) = (&mut self.schedule.random, self.schedule.wall_ns);
        match self.node.start(random, wall_ns) {
            Err(refused) if refused.is_damage && self.is_damaged => {
                self.schedule.trace.note(&refused.words);
                self.schedule.fired.refused_starts += 1;
                self.is_refused = true;
                return;
            }
            Err(Refused { words, .. }) => {
                return self.oracle.saw(&Observation::StartRefused { words: &words });
            }
            Ok(()) => {}
        }
        self.schedule.incarnation = self.node.incarnation;
        self.schedule.trace.note(&format!("node started, life {}", self.node.incarnation));
        for shard in 0..self.schedule.faults.shard_count {
            self.schedule.soon(ShardId(shard), Input::Started);
        }
    }

    fn meet(&mut self, fate: Fate) {
        match fate {
            Fate::Runs => {}
            Fate::Died => self.node_dies(),
            Fate::Stopped => {
                self.crash_is_power = false;
                self.node_dies();
            }
        }
    }

    pub(crate) fn node_dies(&mut self) {
        let power = std::mem::replace(&mut self.crash_is_power, true);
        self.schedule.trace.note(if power { "power is lost" } else { "the process ended" });
        self.node.die(&mut self.schedule.random, power);
        self.schedule.close_all();
        let at_ns = self.schedule.now_ns + RESTART_NS;
        self.schedule.at(at_ns, Happening::Start);
    }

    fn strike(&mut self, misfortune: Misfortune) {
        let schedule = &mut self.schedule;
        match misfortune {
            Misfortune::PowerLoss | Misfortune::ProcessDeath => {
                if self.node.is_up() {
                    self.crash_is_power = misfortune == Misfortune::PowerLoss;
                    self.node.crash_in = Some(schedule.random.below(20));
                    schedule.fired.power_losses += u64::from(self.crash_is_power);
                    schedule.fired.process_deaths += u64::from(!self.crash_is_power);
                }
            }
            Misfortune::Cut => {
                let links: Vec<LinkId> = schedule.links.keys().copied().collect();
                if !links.is_empty() {
                    let link = links[schedule.random.index(links.len())];
                    schedule.cut(link);
                    schedule.fired.cuts += 1;
                }
            }
            Misfortune::ClockJump => {
                // The machine clamps a wall clock that goes back, so only leaps ahead reach a core.
                schedule.wall_ns += schedule.random.below(3_600_000) * MILLISECOND_NS;
                schedule.fired.clock_jumps += 1;
            }
            Misfortune::Shutdown => {
                if self.node.is_up() {
                    schedule.fired.shutdowns += 1;
                    for shard in 0..schedule.faults.shard_count {
                        schedule.soon(ShardId(shard), Input::Shutdown);
                    }
                }
            }
        }
    }

    fn act(&mut self, number: usize, event: ActorEvent) {
        let healed = self.schedule.now_ns > self.heal_ns;
        let mut context = Context {
            actor: number,
            is_healed: healed,
            schedule: &mut self.schedule,
            board: &mut self.board,
            oracle: &mut self.oracle,
        };
        self.actors[number].on(&mut context, event);
    }
}
