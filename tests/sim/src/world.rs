//! World: the node and the actors around it, and the run from its start to its end.
//!
//! ```text
//!   0 ............ faults strike ............ heal ........ actors finish ... end checks
//! ```

mod strikes;

use crate::actors::{Actor, ActorEvent, Board, Context};
use crate::faults::{Faults, Fired, MILLISECOND_NS};
pub use crate::network::LinkId;
use crate::node::{Fate, Input, Node, Refused};
use crate::observation::Observation;
use crate::oracle::{Oracle, Violation};
use crate::random::Random;
use crate::schedule::Happening;
pub use crate::schedule::Schedule;
use wire::ShardId;

/// A run has some tens of thousands; with mailboxes that refuse deliveries through the longest pauses, which are
/// looked at again each 200 us, half a million. More is a shard that keeps itself busy.
const HAPPENINGS_MAX: u64 = 2_000_000;
/// A node is started again this long after it died.
const RESTART_NS: u64 = 30 * MILLISECOND_NS;
/// Everything has converged so long after the faults.
const CONVERGED_NS: u64 = 120_000 * MILLISECOND_NS;
/// A scrub has named whatever rots in so much peace; a pass takes about a second, and what cannot be read is tried for a while.
const SCRUBBED_NS: u64 = 30_000 * MILLISECOND_NS;

/// A whole run.
pub struct World {
    pub(crate) schedule: Schedule,
    pub(crate) node: Node,
    pub(crate) actors: Vec<Box<dyn Actor>>,
    board: Board,
    pub(crate) oracle: Oracle,
    heal_ns: u64,
    is_healed: bool,
    /// All was done once, then something was done to the disks, and all is read again.
    pub(crate) is_read_again: bool,
    /// Since when only the scrub is waited for.
    peace_ns: Option<u64>,
    /// A node refused to start on damage, and said so: that is the end.
    is_refused: bool,
}

impl std::fmt::Debug for World {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "World at {} ns", self.schedule.now_ns)
    }
}

impl World {
    /// A world of this seed and weather, before anything happened.
    pub fn new(seed: u64, faults: Faults, is_traced: bool) -> Self {
        let random = Random::new(seed);
        let heal_ns = faults.heal_ns;
        let node = Node::new(&faults, &random);
        let mut schedule = Schedule::new(&random, faults);
        schedule.trace.is_printed = is_traced;
        schedule.fired.clock_drifts = u64::from(schedule.faults.drift_ppm != 0);
        let actors = crate::actors::cast(&schedule);
        for strike in schedule.faults.strikes.clone() {
            schedule.at(strike.at_ns, Happening::Fault(strike));
        }
        schedule.at(0, Happening::Start);
        for number in 0..actors.len() {
            schedule.wake(number, MILLISECOND_NS);
        }
        Self {
            schedule,
            node,
            actors,
            board: Board::default(),
            oracle: Oracle::default(),
            heal_ns,
            is_healed: false,
            is_read_again: false,
            peace_ns: None,
            is_refused: false,
        }
    }

    /// Runs to the end.
    ///
    /// # Errors
    /// The first violation, in the words of the checker that spoke.
    pub fn run(&mut self) -> Result<(), Violation> {
        let end_ns = self.heal_ns + CONVERGED_NS;
        let mut happenings = 0_u64;
        while let Some((at_ns, happening)) = self.schedule.take_next() {
            self.schedule.advance(at_ns);
            self.oracle.advance(self.schedule.now_ns);
            happenings += 1;
            if happenings > HAPPENINGS_MAX {
                return self.give_up("a loop without end");
            }
            if at_ns > end_ns + self.schedule.paused_ns {
                return self.give_up("not finished in time");
            }
            if !self.is_healed && at_ns > self.heal_ns {
                self.heal();
            }
            self.happen(happening);
            self.oracle.verdict()?;
            if self.is_refused {
                return self.oracle.verdict();
            }
            if self.is_quiet() && !self.waits_for_scrub() {
                self.oracle.end()?;
                if !self.begin_aftermath() {
                    return Ok(());
                }
            }
        }
        self.give_up("nothing happens any more")
    }

    fn give_up(&mut self, why: &str) -> Result<(), Violation> {
        let words = format!("{why}: {}", self.unfinished());
        self.oracle.saw(&Observation::Unfinished { words: &words });
        self.oracle.verdict()
    }

    fn is_quiet(&self) -> bool {
        self.is_healed
            && self.schedule.network.is_whole()
            && self.actors.iter().all(|actor| actor.is_done())
    }

    /// Something sealed rots and was not named yet: a pass of the scrub takes a while.
    fn waits_for_scrub(&mut self) -> bool {
        let Some(words) = self.node.unnamed_rot() else {
            self.peace_ns = None;
            return false;
        };
        let now_ns = self.schedule.now_ns;
        let for_ns = now_ns - *self.peace_ns.get_or_insert(now_ns);
        if for_ns > SCRUBBED_NS {
            self.oracle.saw(&Observation::RotUnnamed { words: &words, for_ns });
        }
        true
    }

    /// What the run was, in one number.
    pub fn trace_hash(&self) -> u64 {
        self.schedule.trace.hash()
    }

    /// The last lines of the trace.
    pub fn trace_lines(&self) -> impl Iterator<Item = &str> {
        self.schedule.trace.lines()
    }

    /// What struck.
    pub fn fired(&self) -> Fired {
        let mut fired = self.schedule.fired;
        fired.add(&self.node.fired());
        fired
    }

    fn unfinished(&self) -> String {
        let names: Vec<String> =
            self.actors.iter().filter(|actor| !actor.is_done()).map(|actor| actor.name()).collect();
        names.join(", ")
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Shard(incarnation, shard, input) => {
                if incarnation == self.schedule.incarnation && self.node.is_up() {
                    self.turn(shard, input);
                }
            }
            Happening::Actor(number, event) => self.act(number, event),
            Happening::Fault(strike) => {
                self.strike(strike.what);
                self.tell_hindered();
            }
            Happening::Relief(relief) => self.relieve(relief),
            Happening::Start => self.start(),
        }
    }

    fn turn(&mut self, shard: ShardId, input: Input) {
        let schedule = &mut self.schedule;
        if schedule.now_ns < schedule.paused_until_ns {
            // It waits in the kernel: later, and in its order.
            let at_ns = schedule.paused_until_ns;
            return schedule.at(at_ns, Happening::Shard(schedule.incarnation, shard, input));
        }
        let fate = self.node.turn(shard, input, schedule);
        self.tell_node();
        match fate {
            Fate::Runs => {}
            Fate::Crashed => {
                let is_power = self.node.crash.is_some_and(|crash| crash.is_power);
                self.node_dies(is_power);
            }
            Fate::Halted | Fate::Stopped => self.node_dies(false),
        }
    }

    fn start(&mut self) {
        let schedule = &mut self.schedule;
        if let Err(refused) = self.node.start(&mut schedule.drive, schedule.wall_ns, false) {
            return self.not_started(&refused);
        }
        if self.node.is_harmed() {
            self.oracle.saw(&Observation::StartedOnDamage);
        }
        self.node.tell(&mut self.oracle);
        schedule.incarnation = self.node.incarnation;
        schedule.trace.note(&format!("node started, life {}", self.node.incarnation));
        self.oracle.saw(&Observation::NodeStarted { life: self.node.incarnation });
        for shard in 0..schedule.faults.shard_count {
            schedule.soon(ShardId(shard), Input::Started);
        }
    }

    fn not_started(&mut self, refused: &Refused) {
        let schedule = &mut self.schedule;
        schedule.trace.note(&refused.words);
        if refused.is_crash {
            schedule.fired.recovery_crashes += 1;
            self.node_dies(true);
        } else if refused.is_damage && refused.may_be {
            schedule.fired.refused_starts += 1;
            self.is_refused = true;
            self.accept_loss();
        } else {
            self.oracle.saw(&Observation::StartRefused { words: &refused.words });
        }
    }

    /// The operator's word opens whatever was refused; what is served then is no longer judged.
    fn accept_loss(&mut self) {
        let schedule = &mut self.schedule;
        let accepted = self.node.start(&mut schedule.drive, schedule.wall_ns, true);
        if let Err(refused) = accepted
            && !refused.is_crash
        {
            let words = format!("the loss was accepted, and still {}", refused.words);
            self.oracle.saw(&Observation::StartRefused { words: &words });
        }
    }

    pub(crate) fn node_dies(&mut self, is_power: bool) {
        let schedule = &mut self.schedule;
        schedule.trace.note(if is_power { "power is lost" } else { "the process ended" });
        self.node.die(&mut schedule.drive, is_power);
        schedule.end_life();
        schedule.at(schedule.now_ns + RESTART_NS, Happening::Start);
    }

    /// What is seen of the node from the inside is told to the oracle.
    pub(crate) fn tell_node(&mut self) {
        self.node.tell(&mut self.oracle);
    }

    /// Who cannot hear of an outcome in time is told to the oracle.
    fn tell_hindered(&mut self) {
        for (actor, until_ns) in std::mem::take(&mut self.schedule.hindered) {
            self.oracle.saw(&Observation::Hindered { actor, until_ns });
        }
    }

    fn act(&mut self, number: usize, event: ActorEvent) {
        let mut context = Context {
            actor: number,
            is_healed: self.schedule.now_ns > self.heal_ns,
            schedule: &mut self.schedule,
            board: &mut self.board,
            oracle: &mut self.oracle,
        };
        self.actors[number].on(&mut context, event);
    }
}
