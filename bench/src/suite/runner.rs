//! Runner: one workload, case by case: its bus, its floors, its rates, the run, the verdict.

use super::floors::{FloorPlan, Measured};
use super::highest;
use super::live::Live;
use super::results::{Circumstances, Judged, results};
use super::source;
use super::stand::{Stand, StandError};
use super::verdict::{CoreNeed, judge};
use crate::floor::FloorError;
use crate::host::Watch;
use crate::load::account::Account;
use crate::load::driver::{DriveError, Driver, HostileCount};
use crate::load::plan::shape_of;
use crate::load::run::{LoadError, Setting, is_open_ended, run};
use crate::result::{Floors, RunResult};
use crate::workload::{Case, Workload};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Of a quick run: what goes before the measured part, and its length.
const QUICK: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(2));

/// What has not come after so long without anything coming is lost.
const PATIENCE: Duration = Duration::from_secs(5);

/// How workloads are run.
#[derive(Clone, Debug)]
pub struct RunnerPlan {
    /// Load threads.
    pub threads: usize,
    /// Core of each; empty: not pinned.
    pub cores: Vec<usize>,
    /// Whether cases are shortened.
    pub quick: bool,
    /// How often each case is run.
    pub repetitions: u32,
    /// Where files of bodies are looked for.
    pub bodies: PathBuf,
    /// How floors are measured.
    pub floors: FloorPlan,
}

/// Why a case has no result.
#[derive(Debug)]
pub enum SuiteError {
    /// There is no bus.
    Stand(StandError),
    /// The machine cannot be measured.
    Floor(FloorError),
    /// The bus could not be driven.
    Load(LoadError),
}

impl fmt::Display for SuiteError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stand(error) => error.fmt(formatter),
            Self::Floor(error) => error.fmt(formatter),
            Self::Load(error) => error.fmt(formatter),
        }
    }
}

impl std::error::Error for SuiteError {}

impl From<StandError> for SuiteError {
    fn from(error: StandError) -> Self {
        Self::Stand(error)
    }
}

impl From<FloorError> for SuiteError {
    fn from(error: FloorError) -> Self {
        Self::Floor(error)
    }
}

impl From<LoadError> for SuiteError {
    fn from(error: LoadError) -> Self {
        Self::Load(error)
    }
}

impl From<DriveError> for SuiteError {
    fn from(error: DriveError) -> Self {
        Self::Load(LoadError::Drive(error))
    }
}

/// Runs workloads.
#[derive(Debug)]
pub struct Runner {
    plan: RunnerPlan,
    floors: Measured,
    /// Of the last run; in every stamp and topic name. Begins by chance, as a bus may have seen others.
    number: u32,
}

impl Runner {
    /// One that has measured nothing yet.
    pub fn new(plan: RunnerPlan) -> Self {
        let floors = Measured::new(plan.floors.clone());
        let number = shard::process::random_u64().to_le_bytes();
        let number = u32::from_le_bytes([number[0], number[1], number[2], 0]);
        Self { plan, floors, number }
    }

    /// Runs a case as often as planned, and gives every result to `take`.
    ///
    /// # Errors
    /// There is no bus, it refuses, or the machine cannot be measured.
    pub fn case(
        &mut self,
        (workload, case): (&Workload, &Case),
        stand: &mut dyn Stand,
        live: &mut Live,
        take: &mut dyn FnMut(RunResult),
    ) -> Result<(), SuiteError> {
        for repetition in 1..=self.plan.repetitions {
            for result in self.repetition((workload, repetition), case, stand, live)? {
                take(result);
            }
        }
        Ok(())
    }

    /// Runs a case once; `repetition` is told in its results. For whoever lets several buses take turns.
    ///
    /// # Errors
    /// As `case`.
    pub fn repetition(
        &mut self,
        (workload, repetition): (&Workload, u32),
        case: &Case,
        stand: &mut dyn Stand,
        live: &mut Live,
    ) -> Result<Vec<RunResult>, SuiteError> {
        let case = if self.plan.quick { shortened(case) } else { case.clone() };
        live.begin(&workload.name, &case.name);
        self.once((&workload.name, repetition), &case, stand, live)
    }

    fn once(
        &mut self,
        (workload, repetition): (&str, u32),
        case: &Case,
        stand: &mut dyn Stand,
        live: &mut Live,
    ) -> Result<Vec<RunResult>, SuiteError> {
        // Floors before the bus is there: one that spins would be felt.
        let expected = case.parts.iter().map(|part| self.floors.of(part, stand.level(part)));
        let floors: Vec<Floors> = expected.collect::<Result<_, _>>()?;
        let driver = stand.driver(case)?;
        let mut observed = BTreeMap::new();
        let found = self.with_rates(case, driver, live, &mut observed)?;
        self.number = self.number.wrapping_add(1);
        let watch = Watch::begin(&self.plan.floors.folder);
        let account = run((&found, self.number), driver, self.setting(), live)?;
        let host = watch.end();
        observed.insert("loadBusy".to_owned(), format!("{:.0} %", account.busy_share * 100.0));
        observed.insert("loadThreads".to_owned(), self.plan.threads.to_string());
        if let Some(waited_s) = account.server_waited_s {
            let share = waited_s / found.test.as_secs_f64().max(1e-3);
            observed.insert("busWaitedForACore".to_owned(), format!("{:.2} %", share * 100.0));
        }
        observed.extend(told_of_hostile(account.hostile));
        let judged = self.judged(&found, &account, driver, floors)?;
        let circumstances = Circumstances {
            workload: workload.to_owned(),
            repetition,
            host,
            build: source::build(),
            server_spins: driver.spins(),
            observed,
        };
        Ok(results(case, &account, &judged, &circumstances))
    }

    /// The case with every rate fixed: those that are open are searched for.
    fn with_rates(
        &mut self,
        case: &Case,
        driver: &dyn Driver,
        live: &mut Live,
        observed: &mut BTreeMap<String, String>,
    ) -> Result<Case, SuiteError> {
        if !is_open_ended(case) {
            return Ok(case.clone());
        }
        let mut number = self.number;
        let found = highest::find(case, &mut number, driver, self.setting(), live)?;
        self.number = number;
        let word = if found.is_sustained { "sustained" } else { "none was sustained" };
        observed.insert("rateSearch".to_owned(), word.to_owned());
        observed.insert("rateFound".to_owned(), format!("{:.0}", found.rate));
        observed.insert("closedLoopRate".to_owned(), format!("{:.0}", found.closed_rate));
        Ok(found.case)
    }

    fn setting(&self) -> Setting<'_> {
        Setting {
            threads: self.plan.threads,
            cores: &self.plan.cores,
            folder: &self.plan.bodies,
            patience: PATIENCE,
        }
    }

    fn judged(
        &self,
        case: &Case,
        account: &Account,
        driver: &dyn Driver,
        floors: Vec<Floors>,
    ) -> Result<Vec<Judged>, SuiteError> {
        let available = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let cores = CoreNeed { available, needed: self.plan.threads + driver.cores() };
        let mut all = Vec::new();
        for ((part, outcome), floors) in case.parts.iter().zip(&account.outcomes).zip(floors) {
            let driver = driver.describe(part.level, shape_of(part.kind))?;
            all.push(Judged { driver, floors, validity: judge(part, outcome, cores) });
        }
        Ok(all)
    }
}

/// What became of hostile peers, if there were any.
fn told_of_hostile(hostile: HostileCount) -> impl Iterator<Item = (String, String)> {
    let HostileCount { wanted, open, reopened } = hostile;
    let told = [("hostileOpen", open as u64), ("hostileReopened", reopened)];
    let told = told.map(|(name, count)| (name.to_owned(), count.to_string()));
    told.into_iter().filter(move |_| wanted > 0)
}

fn shortened(case: &Case) -> Case {
    let (warm_up, test) = QUICK;
    Case { warm_up: case.warm_up.min(warm_up), test: case.test.min(test), ..case.clone() }
}
