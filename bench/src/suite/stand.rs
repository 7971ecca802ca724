//! Stand: where a case runs: a bus that is there already, or one that is started for it.

use super::node::{NodeError, NodePlan, ThrowAwayNode};
use crate::load::defibus::Defibus;
use crate::load::driver::Driver;
use crate::result::Level;
use crate::workload::{self, Case, Kind, Part};
use std::fmt;

/// Connections of a case beside those of its ends: the administrator's, and some.
const CONNECTIONS_BESIDE: usize = 64;

/// Gives each case its bus. A peer's server is another implementation.
pub trait Stand {
    /// A bus ready for `case`; the one of the case before may be gone then.
    ///
    /// # Errors
    /// There is none; in words for people.
    fn driver(&mut self, case: &Case) -> Result<&dyn Driver, StandError>;

    /// The level at which messages of `part` are acknowledged: its floor is told before the bus is
    /// there, since one that spins would be felt.
    fn level(&self, part: &Part) -> Level {
        asked_level(part)
    }
}

/// Why there is no bus.
#[derive(Debug)]
pub enum StandError {
    /// A throw-away node did not start.
    Node(NodeError),
    /// Anything a peer says.
    Peer(String),
}

impl fmt::Display for StandError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(error) => error.fmt(formatter),
            Self::Peer(words) => formatter.write_str(words),
        }
    }
}

impl std::error::Error for StandError {}

/// The level that a part asks for; without a word of it, what topics of its kind get from this bus.
pub const fn asked_level(part: &Part) -> Level {
    match (part.level, part.kind) {
        (workload::Level::Memory, _)
        | (workload::Level::Default, Kind::RequestReply | Kind::Admin) => Level::Memory,
        (workload::Level::Durable, _) | (workload::Level::Default, Kind::Publish) => Level::Durable,
        (workload::Level::Quorum, _) => Level::Quorum,
    }
}

/// A node that is there already.
#[derive(Debug)]
pub struct Attached(Defibus);

impl Attached {
    /// The node at `server` (`host:port`).
    pub fn to(server: &str) -> Self {
        Self(Defibus::at(server))
    }
}

impl Stand for Attached {
    fn driver(&mut self, _case: &Case) -> Result<&dyn Driver, StandError> {
        Ok(&self.0)
    }
}

/// A fresh node for each case: no case pays for what another left behind.
#[derive(Debug)]
pub struct ThrowAway {
    plan: NodePlan,
    started: u32,
    running: Option<(Defibus, ThrowAwayNode)>,
}

impl ThrowAway {
    /// Nodes as planned.
    pub const fn new(plan: NodePlan) -> Self {
        Self { plan, started: 0, running: None }
    }

    /// Ends the node that runs: another bus is to be measured.
    pub fn end(&mut self) {
        self.running = None;
    }
}

impl Stand for ThrowAway {
    fn driver(&mut self, case: &Case) -> Result<&dyn Driver, StandError> {
        self.end();
        self.started += 1;
        let plan = NodePlan { connections: connections(case), ..self.plan.clone() };
        let node = ThrowAwayNode::start(&plan, self.started).map_err(StandError::Node)?;
        let spins = plan.idle == "spin";
        let driver = Defibus::at(node.listen()).with_process(node.process(), spins);
        let (driver, _) = &*self.running.insert((driver, node));
        Ok(driver)
    }
}

/// Connections that a case opens at most.
fn connections(case: &Case) -> usize {
    let of_part = |part: &Part| {
        let consumers = part.topics * part.groups.max(1) * part.consumers;
        let used_by_nobody = part.idle_connections + part.slow_readers + part.dripping_connections;
        part.producer_count() + consumers as usize + used_by_nobody as usize
    };
    // Each may have one to a shard's own address beside the one to the node.
    2 * (case.parts.iter().map(of_part).sum::<usize>() + CONNECTIONS_BESIDE)
}
