//! Run: one case against one bus: threads are started, timed by one clock, drained and asked what came.

use super::account::{Account, outcomes};
use super::cpu;
use super::driver::{Counters, DriveError, Driver};
use super::messages::Messages;
use super::plan::Plan;
use super::shared::{Progress, Shared};
use super::thread::{Left, LoadThread};
use crate::result::series;
use crate::workload::{Case, Part, Rate};
use std::fmt;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{Builder, Scope, ScopedJoinHandle};
use std::time::Duration;

/// Between "everybody is ready" and the first message.
const BEGIN_AFTER_NS: u64 = 100_000_000;
/// How often the main thread looks.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long what is on its way may take after the measured part, in nanoseconds.
const DRAIN_NS_MAX: u64 = 300_000_000_000;

/// Told while a run goes on.
pub trait Watcher {
    /// How far each part is; about twenty times a second.
    fn look(&mut self, stage: Stage, seconds: f64, progress: &[Progress]);
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Topics are made, ends opened, backlogs published.
    Preparing,
    /// Messages flow and are not measured.
    WarmingUp,
    /// Messages are measured.
    Measuring,
    /// What is on its way arrives.
    Draining,
}

/// How a run is to be made.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// Load threads.
    pub threads: usize,
    /// Core of each; empty: not pinned.
    pub cores: &'a [usize],
    /// Where files of bodies are looked for.
    pub folder: &'a Path,
    /// What has not come after so long without anything coming is lost.
    pub patience: Duration,
}

/// Why a run has no outcome.
#[derive(Debug)]
pub enum LoadError {
    /// The bus could not be driven.
    Drive(DriveError),
    /// The bodies could not be made; in words.
    Bodies(String),
    /// A thread could not be started, or panicked.
    Thread(String),
}

impl fmt::Display for LoadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Drive(error) => error.fmt(formatter),
            Self::Bodies(words) | Self::Thread(words) => formatter.write_str(words),
        }
    }
}

impl std::error::Error for LoadError {}

impl From<DriveError> for LoadError {
    fn from(error: DriveError) -> Self {
        Self::Drive(error)
    }
}

/// Runs a case whose rates are all fixed; `run` tells it from every other against the same bus.
///
/// # Errors
/// The bus refuses something or is gone; then nothing that was measured means anything.
pub fn run(
    (case, run): (&Case, u32),
    driver: &dyn Driver,
    setting: Setting<'_>,
    watcher: &mut dyn Watcher,
) -> Result<Account, LoadError> {
    let (threads, cores) = (setting.threads, setting.cores.to_vec());
    let plan = Plan { case: case.clone(), run, threads, cores };
    let messages = (0..threads).map(|thread| messages(&plan, thread, setting.folder));
    let messages = messages.collect::<Result<Vec<_>, _>>().map_err(LoadError::Bodies)?;
    watcher.look(Stage::Preparing, 0.0, &[]);
    driver.make(&plan.topics())?;
    let shared = shared(case, threads);
    std::thread::scope(|scope| {
        let (tell, told) = channel();
        let mut handles = Vec::new();
        for (thread, messages) in messages.into_iter().enumerate() {
            let started = start(scope, (&plan, thread, messages), (driver, &shared), tell.clone());
            handles.push(started.inspect_err(|_| shared.stop())?);
        }
        drop(tell);
        let conducted = Conductor {
            plan: &plan,
            driver,
            shared: &shared,
            told,
            watcher,
            patience: setting.patience,
        };
        let conducted = conducted.conduct();
        shared.stop();
        let mut left = Vec::new();
        for handle in handles {
            left.extend(ended(handle)?);
        }
        let mut account = conducted?;
        account.busy_share = left.iter().map(|left| left.busy_share).fold(0.0, f64::max);
        for left in &left {
            account.hostile += left.hostile;
        }
        account.outcomes = outcomes(&plan.case.parts, &mut left);
        Ok(account)
    })
}

fn messages(plan: &Plan, thread: usize, folder: &Path) -> Result<Vec<Messages>, String> {
    let of = |(index, part): (usize, &Part)| {
        let stream = (index * plan.threads + thread) as u64;
        Messages::new(&part.bodies, part.keys, folder, (plan.case.seed, stream))
    };
    plan.case.parts.iter().enumerate().map(of).collect()
}

fn shared(case: &Case, threads: usize) -> Shared {
    let ns = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX / 4);
    let interval = Duration::from_secs_f64(series::interval_s(case.test.as_secs_f64()));
    Shared::new((case.parts.len(), threads), (ns(case.warm_up), ns(case.test), ns(interval)))
}

/// A thread opens its ends, says so, and is driven until it is stopped. What failed is said at once.
fn start<'scope>(
    scope: &'scope Scope<'scope, '_>,
    (plan, thread, messages): (&'scope Plan, usize, Vec<Messages>),
    (driver, shared): (&'scope dyn Driver, &'scope Shared),
    tell: Sender<Result<(), DriveError>>,
) -> Result<ScopedJoinHandle<'scope, Option<Left>>, LoadError> {
    let drive = move || {
        let opened = LoadThread::open((plan, thread), driver, shared, messages);
        let ended = opened.and_then(|opened| {
            // Nobody listens any more only when the run is over already.
            let _ = tell.send(Ok(()));
            opened.run()
        });
        ended.map_err(|error| drop(tell.send(Err(error)))).ok()
    };
    let named = Builder::new().name(format!("load-{thread}"));
    named.spawn_scoped(scope, drive).map_err(|error| LoadError::Thread(error.to_string()))
}

fn ended(handle: ScopedJoinHandle<'_, Option<Left>>) -> Result<Option<Left>, LoadError> {
    handle.join().map_err(|_| LoadError::Thread("a load thread panicked".to_owned()))
}

/// The main thread's side of a run.
struct Conductor<'a> {
    plan: &'a Plan,
    driver: &'a dyn Driver,
    shared: &'a Shared,
    told: Receiver<Result<(), DriveError>>,
    watcher: &'a mut dyn Watcher,
    patience: Duration,
}

impl Conductor<'_> {
    fn conduct(mut self) -> Result<Account, LoadError> {
        self.wait_until_ready()?;
        let begin_ns = self.shared.clock.now_ns() + BEGIN_AFTER_NS;
        self.shared.begin_at(begin_ns);
        let window = self.shared.window(begin_ns);
        self.wait(Stage::WarmingUp, window.begin_ns)?;
        let begun = jiff::Timestamp::now().to_string();
        let before = self.costs()?;
        self.wait(Stage::Measuring, window.end_ns)?;
        let after = self.costs()?;
        self.drain(window.end_ns)?;
        Ok(Account {
            server_cpu_s: difference(after.server_s, before.server_s),
            server_waited_s: difference(after.server_waited_s, before.server_waited_s),
            client_cpu_s: difference(after.client_s, before.client_s),
            counters: after
                .counters
                .zip(before.counters)
                .map(|(after, before)| after.since(&before)),
            begun,
            ..Account::default()
        })
    }

    fn wait_until_ready(&mut self) -> Result<(), LoadError> {
        let mut ready = 0;
        while ready < self.plan.threads {
            match self.told.recv_timeout(LOOK_EVERY) {
                Ok(Ok(())) => ready += 1,
                Ok(Err(error)) => return Err(error.into()),
                Err(RecvTimeoutError::Timeout) => self.look(Stage::Preparing),
                Err(RecvTimeoutError::Disconnected) => return Err(gone()),
            }
        }
        Ok(())
    }

    fn wait(&mut self, stage: Stage, until_ns: u64) -> Result<(), LoadError> {
        loop {
            let now_ns = self.shared.clock.now_ns();
            if now_ns >= until_ns {
                return Ok(());
            }
            self.pause(Duration::from_nanos(until_ns - now_ns))?;
            self.look(stage);
        }
    }

    /// Waits until everything that was accepted was answered and delivered, or nothing more comes.
    fn drain(&mut self, end_ns: u64) -> Result<(), LoadError> {
        let patience_ns = u64::try_from(self.patience.as_nanos()).unwrap_or(u64::MAX);
        let (mut last, mut moved_ns) = (self.progress(), end_ns);
        loop {
            let parts = 0..self.plan.case.parts.len();
            if parts.into_iter().all(|part| self.is_drained(part)) {
                return Ok(());
            }
            self.pause(LOOK_EVERY)?;
            self.look(Stage::Draining);
            let (progress, now_ns) = (self.progress(), self.shared.clock.now_ns());
            if progress != last {
                (last, moved_ns) = (progress, now_ns);
            }
            if now_ns - moved_ns > patience_ns || now_ns - end_ns > DRAIN_NS_MAX {
                return Ok(());
            }
        }
    }

    fn progress(&self) -> Vec<Progress> {
        (0..self.plan.case.parts.len()).map(|part| self.shared.progress(part)).collect()
    }

    fn is_drained(&self, part: usize) -> bool {
        let of = &self.plan.case.parts[part];
        let progress = self.shared.progress(part);
        let wanted = progress.accepted * u64::from(of.groups);
        let takes_all = of.kind == crate::workload::Kind::Publish && of.consumer_rate.is_none();
        progress.is_quiet && (!takes_all || progress.received >= wanted)
    }

    /// Sleeps at most so long; what a thread tells meanwhile is the end of the run.
    fn pause(&self, longest: Duration) -> Result<(), LoadError> {
        match self.told.recv_timeout(longest.min(LOOK_EVERY)) {
            Ok(Ok(())) | Err(RecvTimeoutError::Timeout) => Ok(()),
            Ok(Err(error)) => Err(error.into()),
            Err(RecvTimeoutError::Disconnected) => Err(gone()),
        }
    }

    fn look(&mut self, stage: Stage) {
        let progress = self.progress();
        let now_ns = self.shared.clock.now_ns();
        let begin_ns = self.shared.begin_ns().map(|begin_ns| self.shared.window(begin_ns).begin_ns);
        let since_ns = now_ns.saturating_sub(begin_ns.unwrap_or(now_ns));
        self.watcher.look(stage, Duration::from_nanos(since_ns).as_secs_f64(), &progress);
    }

    fn costs(&self) -> Result<Costs, LoadError> {
        Ok(Costs {
            server_s: cpu::seconds_of(&self.driver.processes()),
            server_waited_s: cpu::waited_seconds_of(&self.driver.processes()),
            client_s: cpu::own_seconds(),
            counters: self.driver.counters()?,
        })
    }
}

/// What was spent so far.
struct Costs {
    server_s: Option<f64>,
    server_waited_s: Option<f64>,
    client_s: Option<f64>,
    counters: Option<Counters>,
}

fn difference(after: Option<f64>, before: Option<f64>) -> Option<f64> {
    after.zip(before).map(|(after, before)| (after - before).max(0.0))
}

fn gone() -> LoadError {
    LoadError::Thread("the load threads ended before the run".to_owned())
}

/// Whether some part's rate is still to be found.
pub fn is_open_ended(case: &Case) -> bool {
    case.parts.iter().any(|part| part.rate == Rate::Highest && !part.is_closed())
}
