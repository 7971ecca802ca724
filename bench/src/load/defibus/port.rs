//! Port: the connections of one load thread. Those that expect something are polled each turn,
//! the others one after another, often enough for their heartbeats.

use super::super::driver::{
    DriveError, EndPlan, HostileCount, HostilePlan, Port, ReceiverEnd, ResponderEnd, SenderEnd,
};
use super::hostile::Hostile;
use super::publishing::{Consuming, Publishing};
use super::requesting::{Asking, Requesting, Responding};
use client::{
    Client, ClientConfig, ConsumerConfig, ProducerConfig, RequesterConfig, ResponderConfig, Waiting,
};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// Each quiet connection is polled so often, in nanoseconds: well within the node's patience. Each
/// poll reads memory that is in no cache by then, and delays what is due meanwhile.
const QUIET_ROUND_NS: u64 = 4_000_000_000;
/// But no two of them closer to each other than this, in nanoseconds.
const QUIET_EVERY_NS_MIN: u64 = 100_000;
/// Room of a producer's window besides bodies, in bytes a message: header and key.
const WINDOW_OVERHEAD_BYTES: usize = 256;
/// Bytes of a producer's window at least and at most.
const WINDOW_BYTES: (usize, usize) = (16 << 20, 256 << 20);

/// Which connections expect something; shared with the ends, which know.
#[derive(Clone, Debug, Default)]
pub(super) struct Expecting(Rc<RefCell<Counts>>);

/// What all connections expect.
#[derive(Debug, Default)]
struct Counts {
    /// By connection.
    of: Vec<Count>,
    /// Those that expect something, and perhaps some that did: a turn looks at no other.
    listed: Vec<usize>,
}

/// What one connection expects.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    /// Answers or deliveries.
    expected: usize,
    is_listed: bool,
}

impl Counts {
    /// Calls `poll` with each connection that expects something.
    fn each(&mut self, mut poll: impl FnMut(usize)) {
        let mut place = 0;
        while let Some(index) = self.listed.get(place).copied() {
            if self.of[index].expected > 0 {
                poll(index);
                place += 1;
            } else {
                self.of[index].is_listed = false;
                self.listed.swap_remove(place);
            }
        }
    }
}

/// What one end has to tell its connection.
#[derive(Clone, Debug)]
pub(super) struct Expects {
    all: Expecting,
    index: usize,
}

impl Expects {
    /// So many more are expected.
    pub(super) fn more(&self, count: usize) {
        let Counts { of, listed } = &mut *self.all.0.borrow_mut();
        of[self.index].expected += count;
        if !std::mem::replace(&mut of[self.index].is_listed, true) {
            listed.push(self.index);
        }
    }

    /// So many came.
    pub(super) fn fewer(&self, count: usize) {
        self.all.0.borrow_mut().of[self.index].expected -= count;
    }
}

/// The connections of one load thread.
#[derive(Debug)]
pub(super) struct DefibusPort {
    server: String,
    clients: Vec<Client>,
    expecting: Expecting,
    /// By the number of a shared connection: its index.
    shared: Vec<(usize, usize)>,
    /// The quiet connection whose turn it is.
    quiet: usize,
    /// When its turn comes.
    quiet_due_ns: u64,
    hostile: Vec<Hostile>,
}

impl DefibusPort {
    /// One without connections, to the node at `server`.
    pub(super) fn new(server: String) -> Self {
        Self {
            server,
            clients: Vec::new(),
            expecting: Expecting::default(),
            shared: Vec::new(),
            quiet: 0,
            quiet_due_ns: 0,
            hostile: Vec::new(),
        }
    }

    fn connect(&mut self) -> Result<usize, DriveError> {
        let mut config = ClientConfig::new(&self.server);
        "defibus-bench-load".clone_into(&mut config.name);
        config.waiting = Waiting::Spin;
        config.connect_timeout = Duration::from_secs(10);
        config.call_timeout = Duration::from_secs(30);
        self.clients.push(Client::connect(config)?);
        self.expecting.0.borrow_mut().of.push(Count::default());
        Ok(self.clients.len() - 1)
    }

    /// The connection of an end, shared if the plan says so.
    fn connection(&mut self, plan: &EndPlan<'_>) -> Result<(Client, Expects), DriveError> {
        let known = plan.connection.and_then(|number| {
            self.shared.iter().find(|(of, _)| *of == number).map(|(_, index)| *index)
        });
        let index = match (known, plan.connection) {
            (Some(index), _) => index,
            (None, None) => self.connect()?,
            (None, Some(number)) => {
                let index = self.connect()?;
                self.shared.push((number, index));
                index
            }
        };
        Ok((self.clients[index].clone(), Expects { all: self.expecting.clone(), index }))
    }
}

impl Port for DefibusPort {
    fn producer(&mut self, plan: &EndPlan<'_>) -> Result<Box<dyn SenderEnd>, DriveError> {
        let (client, expects) = self.connection(plan)?;
        let wanted = plan.in_flight.saturating_mul(plan.body_bytes + WINDOW_OVERHEAD_BYTES);
        let config = ProducerConfig {
            timeout: plan.deadline,
            window_records: plan.in_flight,
            window_bytes: wanted.clamp(WINDOW_BYTES.0, WINDOW_BYTES.1),
            batch_records: plan.batch,
            batch_bytes: client.node().record_bytes_max,
            ..ProducerConfig::new(plan.topic)
        };
        Ok(Box::new(Publishing::new(client.producer(config)?, expects, plan.level)))
    }

    fn requester(&mut self, plan: &EndPlan<'_>) -> Result<Box<dyn SenderEnd>, DriveError> {
        let (client, expects) = self.connection(plan)?;
        let config =
            RequesterConfig { outstanding_max: plan.in_flight, ..RequesterConfig::default() };
        let requester = client.requester(config);
        Ok(Box::new(Requesting::new(requester, expects, (plan.topic, plan.deadline))))
    }

    fn administrator(&mut self) -> Result<Box<dyn SenderEnd>, DriveError> {
        let index = self.connect()?;
        let expects = Expects { all: self.expecting.clone(), index };
        Ok(Box::new(Asking::new(self.clients[index].admin(), expects)))
    }

    fn consumer(
        &mut self,
        plan: &EndPlan<'_>,
        group: &str,
    ) -> Result<Box<dyn ReceiverEnd>, DriveError> {
        let (client, expects) = self.connection(plan)?;
        let consumer = client.consumer(ConsumerConfig::new(plan.topic, group))?;
        expects.more(1); // at any time
        Ok(Box::new(Consuming::new(consumer)))
    }

    fn responder(&mut self, plan: &EndPlan<'_>) -> Result<Box<dyn ResponderEnd>, DriveError> {
        let (client, expects) = self.connection(plan)?;
        let mut config = ResponderConfig::new(plan.topic);
        config.concurrency = u32::try_from(plan.in_flight).unwrap_or(u32::MAX).max(256);
        let responder = client.responder(config)?;
        expects.more(1); // at any time
        Ok(Box::new(Responding::new(responder)))
    }

    fn idle_connection(&mut self) -> Result<(), DriveError> {
        self.connect().map(|_| ())
    }

    fn hostile(&mut self, plan: &HostilePlan<'_>) -> Result<(), DriveError> {
        self.hostile.push(Hostile::of_node(&self.server, plan)?);
        Ok(())
    }

    fn hostile_count(&self) -> HostileCount {
        let mut all = HostileCount::default();
        for hostile in &self.hostile {
            all += hostile.count();
        }
        all
    }

    fn turn(&mut self, now_ns: u64) -> Result<(), DriveError> {
        for hostile in &mut self.hostile {
            hostile.turn(now_ns);
        }
        self.expecting.0.borrow_mut().each(|index| {
            self.clients[index].poll(Duration::ZERO);
        });
        if now_ns >= self.quiet_due_ns
            && let Some(client) = self.clients.get(self.quiet)
        {
            client.poll(Duration::ZERO);
            self.quiet = if self.quiet + 1 == self.clients.len() { 0 } else { self.quiet + 1 };
            let share_ns = QUIET_ROUND_NS / self.clients.len() as u64;
            self.quiet_due_ns = now_ns + share_ns.max(QUIET_EVERY_NS_MIN);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_polls_those_that_expect_something_each_once() {
        let expecting = Expecting::default();
        expecting.0.borrow_mut().of = vec![Count::default(); 4];
        let ends: Vec<Expects> =
            (0..4).map(|index| Expects { all: expecting.clone(), index }).collect();
        let polled = || {
            let mut polled: Vec<usize> = Vec::new();
            expecting.0.borrow_mut().each(|index| polled.push(index));
            polled.sort_unstable();
            polled
        };
        assert!(polled().is_empty());
        ends[3].more(2);
        ends[1].more(1);
        ends[1].more(1);
        assert_eq!(polled(), [1, 3]);
        ends[1].fewer(2);
        ends[1].more(1);
        assert_eq!(polled(), [1, 3], "listed once, though it was quiet in between");
        ends[1].fewer(1);
        ends[3].fewer(1);
        assert_eq!(polled(), [3]);
        ends[1].more(1);
        assert_eq!(polled(), [1, 3]);
    }
}
