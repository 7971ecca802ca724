//! Thread: one load thread: its port, the flows of all parts it has, and its loop.
//!
//! ```text
//!   opening -> filling -> ready ... begin -> warming up -> measuring -> draining -> stopped
//! ```
//!
//! A turn: what is due is sent, the port moves bytes, answers and deliveries are
//! taken. It never sleeps and, once warm, allocates nothing of its own.

use super::driver::{DriveError, Driver, HostileCount, Port, ResponderEnd};
use super::ledger::{Ledger, Window};
use super::messages::Messages;
use super::open;
use super::pacer::Pacer;
use super::plan::Plan;
use super::receiving::{Receiving, ReceivingLeft};
use super::sending::{Sending, SendingLeft};
use super::shared::{Progress, Shared};
use crate::clock::{Clock, pin};
use crate::workload::Part;

/// How long consumers may take to be given their queues, in nanoseconds.
const READY_NS_MAX: u64 = 30_000_000_000;
/// How long messages that are due may still leave after the measured part, in nanoseconds.
const GRACE_NS: u64 = 1_000_000_000;

/// Everything of one part on one thread.
#[derive(Default)]
pub struct Flow {
    /// Its producers or requesters.
    pub sending: Option<Sending>,
    /// Its consumers.
    pub receiving: Option<Receiving>,
    /// Its responders.
    pub responders: Vec<Box<dyn ResponderEnd>>,
    /// Requests they answered.
    pub served_count: u64,
}

/// One load thread.
pub struct LoadThread<'a> {
    /// What all threads know.
    pub plan: &'a Plan,
    /// Which one it is.
    pub thread: usize,
    /// Its own way to the bus.
    pub port: Box<dyn Port>,
    /// By part.
    pub flows: Vec<Flow>,
    clock: Clock,
    shared: &'a Shared,
    /// Time in turns in which something moved, while measuring.
    busy_ns: u64,
    has_given_up: bool,
}

/// What one part leaves on one thread.
#[derive(Debug, Default)]
pub struct FlowLeft {
    /// Of its producers or requesters.
    pub sending: Option<SendingLeft>,
    /// Of its consumers.
    pub receiving: Option<ReceivingLeft>,
    /// Requests its responders answered.
    pub served: u64,
}

/// What a thread leaves.
#[derive(Debug)]
pub struct Left {
    /// By part.
    pub flows: Vec<FlowLeft>,
    /// Share of the measured part in which it was busy, from 0 to 1.
    pub busy_share: f64,
    /// How its hostile peers stand.
    pub hostile: HostileCount,
}

impl<'a> LoadThread<'a> {
    /// Opens all ends of this thread, waits until they are ready, and builds backlogs.
    ///
    /// # Errors
    /// The bus refuses something, or consumers are not given their queues.
    pub fn open(
        (plan, thread): (&'a Plan, usize),
        driver: &dyn Driver,
        shared: &'a Shared,
        messages: Vec<Messages>,
    ) -> Result<Self, DriveError> {
        pin(plan.cores.get(thread).copied());
        let clock = shared.clock;
        let port = driver.port()?;
        let (flows, has_given_up) = (Vec::new(), false);
        let mut this = Self { plan, thread, port, flows, clock, shared, busy_ns: 0, has_given_up };
        for (part, messages) in messages.into_iter().enumerate() {
            let flow = open::flow(&mut this, part, messages)?;
            this.flows.push(flow);
        }
        this.wait_for_queues()?;
        this.fill()?;
        Ok(this)
    }

    /// An empty ledger for the window that is to come.
    pub fn ledger(&self) -> Ledger {
        Ledger::new(Window::to_come(self.shared.test_ns, self.shared.interval_ns))
    }

    /// Drives everything until it is told to stop.
    ///
    /// # Errors
    /// The bus is gone.
    pub fn run(mut self) -> Result<Left, DriveError> {
        let begin_ns = loop {
            if let Some(begin_ns) = self.shared.begin_ns() {
                break begin_ns;
            }
            if self.shared.is_stopped() {
                return Ok(self.close(0.0));
            }
            self.turn(0)?;
        };
        let window = self.shared.window(begin_ns);
        self.begin(begin_ns, window);
        let mut last_ns = self.clock.now_ns();
        while !self.shared.is_stopped() {
            let moved = self.turn(window.end_ns)?;
            let now_ns = self.clock.now_ns();
            if moved && window.contains(now_ns) {
                self.busy_ns += now_ns - last_ns;
            }
            last_ns = now_ns;
            if !self.has_given_up && self.is_over(now_ns, window.end_ns) {
                self.has_given_up = true;
                self.give_up(now_ns);
            }
            if moved || self.has_given_up {
                self.tell();
            }
        }
        let busy_share = share(self.busy_ns, window.end_ns - window.begin_ns);
        Ok(self.close(busy_share))
    }

    fn close(self, busy_share: f64) -> Left {
        let close = |flow: Flow| FlowLeft {
            sending: flow.sending.map(Sending::close),
            receiving: flow.receiving.map(Receiving::close),
            served: flow.served_count,
        };
        let hostile = self.port.hostile_count();
        Left { flows: self.flows.into_iter().map(close).collect(), busy_share, hostile }
    }

    /// One turn; true: something moved.
    fn turn(&mut self, send_until_ns: u64) -> Result<bool, DriveError> {
        let mut moved = false;
        for (part, flow) in self.flows.iter_mut().enumerate() {
            let Some(sending) = flow.sending.as_mut().filter(|_| !self.has_given_up) else {
                continue;
            };
            let of = &self.plan.case.parts[part];
            if of.undelivered_max > 0 && is_behind(of, &self.shared.progress(part)) {
                sending.hold_back();
            } else {
                moved |= sending.send_due(self.clock, send_until_ns)?;
            }
        }
        self.port.turn(self.clock.now_ns())?;
        let now_ns = self.clock.now_ns();
        for flow in &mut self.flows {
            for responder in &mut flow.responders {
                let served = responder.serve()?;
                flow.served_count += served as u64;
                moved |= served > 0;
            }
            if let Some(sending) = &mut flow.sending {
                moved |= sending.take_answers(now_ns)?;
            }
            if let Some(receiving) = &mut flow.receiving {
                moved |= receiving.receive(now_ns)?;
            }
        }
        Ok(moved)
    }

    /// Consumers that were given their queues miss nothing and are timed from their first message on.
    fn wait_for_queues(&mut self) -> Result<(), DriveError> {
        let until_ns = self.clock.now_ns() + READY_NS_MAX;
        let wanted: usize = (0..self.flows.len())
            .map(|part| {
                let queues = usize::from(self.plan.case.parts[part].queues);
                self.plan.groups(part, self.thread).count() * queues
            })
            .sum();
        loop {
            let flows = self.flows.iter().filter_map(|flow| flow.receiving.as_ref());
            let held: Option<usize> = flows.map(Receiving::held).sum();
            match held {
                Some(held) if held < wanted => {
                    if self.clock.now_ns() > until_ns {
                        return Err(DriveError::NotReady { wanted, held });
                    }
                }
                Some(_) | None => return Ok(()),
            }
            self.turn(0)?;
        }
    }

    /// Publishes the backlogs; consumers stand still meanwhile.
    fn fill(&mut self) -> Result<(), DriveError> {
        for part in 0..self.flows.len() {
            let of = &self.plan.case.parts[part];
            let all = of.backlog_bytes / of.bodies.bytes as u64;
            let count = scaled(all, self.plan.share(part, self.thread));
            while let Some(sending) = &self.flows[part].sending
                && sending.accepted_count < count
            {
                // What is in flight goes beyond the count by a window at most.
                self.turn(u64::MAX)?;
                self.tell();
            }
            let open = self.open_pacer(part, u64::MAX);
            if let Some(sending) = &mut self.flows[part].sending {
                sending.set_pace(open);
            }
        }
        Ok(())
    }

    fn begin(&mut self, begin_ns: u64, window: Window) {
        for part in 0..self.flows.len() {
            let pacer = self.open_pacer(part, begin_ns);
            let is_backlog = self.plan.case.parts[part].backlog_bytes > 0;
            let flow = &mut self.flows[part];
            if let Some(sending) = &mut flow.sending {
                sending.set_pace(pacer);
                sending.ledger.set_window(window);
            }
            if let Some(receiving) = &mut flow.receiving {
                receiving.begin(if is_backlog { window.begin_ns } else { begin_ns });
                receiving.ledger.set_window(window);
            }
        }
    }

    fn open_pacer(&self, part: usize, begin_ns: u64) -> Pacer {
        let senders = self.plan.senders(part, self.thread).count();
        open::pacer(self.plan, (part, self.thread), senders, begin_ns)
    }

    /// Whether nothing is to be sent any more: all that was due left, or had its time.
    fn is_over(&self, now_ns: u64, end_ns: u64) -> bool {
        let mut sendings = self.flows.iter().filter_map(|flow| flow.sending.as_ref());
        let mut all_left = || sendings.all(|sending| !sending.is_due_before(end_ns));
        now_ns >= end_ns && (now_ns > end_ns + GRACE_NS || all_left())
    }

    fn give_up(&mut self, now_ns: u64) {
        for sending in self.flows.iter_mut().filter_map(|flow| flow.sending.as_mut()) {
            sending.give_up(now_ns);
        }
    }

    /// Tells the main thread how far it is.
    fn tell(&self) {
        for (part, flow) in self.flows.iter().enumerate() {
            let sending = flow.sending.as_ref();
            self.shared.tell(
                self.thread,
                part,
                Progress {
                    sent: sending.map_or(0, |sending| sending.sent_count),
                    accepted: sending.map_or(0, |sending| sending.accepted_count),
                    failed: sending.map_or(0, |sending| sending.failed_count),
                    received: flow.receiving.as_ref().map_or(0, |of| of.received_count),
                    is_quiet: self.has_given_up
                        && sending.is_none_or(|sending| sending.in_flight() == 0),
                },
            );
        }
    }
}

/// Whether the groups of a part have, taken together, more to come than they may be behind.
fn is_behind(part: &Part, progress: &Progress) -> bool {
    let groups = u64::from(part.groups);
    let owed = (progress.sent - progress.failed.min(progress.sent)) * groups;
    owed.saturating_sub(progress.received) >= part.undelivered_max.saturating_mul(groups)
}

#[expect(clippy::cast_precision_loss, reason = "nanoseconds of a run")]
fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a count")]
#[expect(clippy::cast_precision_loss, reason = "a count of messages")]
fn scaled(count: u64, share: f64) -> u64 {
    (count as f64 * share).ceil() as u64
}

impl std::fmt::Debug for LoadThread<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("LoadThread").field("thread", &self.thread).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Flow {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Flow")
            .field("responders", &self.responders.len())
            .finish_non_exhaustive()
    }
}
