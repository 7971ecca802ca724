//! run: workloads, shipped or written, on throw-away nodes or on the one that was named.

use super::lines::{Line, Shipped, lines};
use ::bench::load::driver::DriveError;
use ::bench::load::run::LoadError;
use ::bench::result::{self, RunResult};
use ::bench::suite::live::{Live, Show};
use ::bench::suite::options::raise_open_files;
use ::bench::suite::{Attached, RunOptions, Runner, Stand, SuiteError, ThrowAway};
use ::bench::workload::{Workload, shipped};
use tools::{Exit, Failure, Globals, Printer};
use wire::ErrorCode;

/// Tells the shipped workloads.
///
/// # Errors
/// The output cannot be written.
pub(super) fn list(printer: &mut Printer<'_>) -> Result<Exit, Failure> {
    let named = shipped::names().map(Workload::named).collect::<Result<Vec<_>, _>>();
    let workloads = named.map_err(|error| Failure::usage(error.to_string()))?;
    let rows: Vec<Shipped> = workloads.iter().map(Shipped::of).collect();
    printer.list(&rows).map_err(|error| Failure::file("the output", &error))?;
    Ok(Exit::Done)
}

/// Runs workloads on the node that was named, or on throw-away ones; prints all figures at once.
///
/// # Errors
/// A workload is none, there is no node, or it refuses: nothing that was measured is told then.
pub(super) fn workloads(
    options: &RunOptions,
    globals: &Globals,
    printer: &mut Printer<'_>,
) -> Result<Exit, Failure> {
    let workloads = options.workloads().map_err(|error| Failure::usage(error.to_string()))?;
    let mut stand = stand(options, globals)?;
    raise_open_files();
    let status = globals.talk().status();
    let shown = status.clone();
    let show = move |line: &str| shown.set_message(line.to_owned());
    let mut live = Live::new((!status.is_hidden()).then(|| Box::new(show) as Show));
    let mut runner = Runner::new(options.load.runner_plan());
    let mut kept = Ok(());
    let mut all: Vec<Line> = Vec::new();
    for workload in &workloads {
        for case in &workload.cases {
            let mut take = |result: RunResult| {
                all.extend(lines(&result));
                if kept.is_ok() {
                    kept = keep(options, &result);
                }
            };
            let ran = runner.case((workload, case), &mut *stand, &mut live, &mut take);
            ran.map_err(|error| suite_failure(error).at(&workload.name, &case.name))?;
        }
    }
    status.finish_and_clear();
    kept?;
    printer.list(&all).map_err(|error| Failure::file("the output", &error))?;
    Ok(Exit::Done)
}

fn stand(options: &RunOptions, globals: &Globals) -> Result<Box<dyn Stand>, Failure> {
    if let Some(server) = &globals.server {
        return Ok(Box::new(Attached::to(server)));
    }
    let program = std::env::current_exe();
    let program = program.map_err(|error| Failure::file("this program", &error))?;
    Ok(Box::new(ThrowAway::new(options.load.node_plan(program))))
}

fn keep(options: &RunOptions, result: &RunResult) -> Result<(), Failure> {
    let Some(folder) = &options.keep else { return Ok(()) };
    result::write(folder, result)
        .map(|_| ())
        .map_err(|error| Failure::file(folder.display(), &error))
}

/// Names the case in a failure.
trait At {
    fn at(self, workload: &str, case: &str) -> Failure;
}

impl At for Failure {
    fn at(mut self, workload: &str, case: &str) -> Failure {
        let case = format!("{workload} {case}");
        self.cause = format!("{}: {}", case.trim(), self.cause);
        self
    }
}

fn suite_failure(error: SuiteError) -> Failure {
    let words = error.to_string();
    match error {
        SuiteError::Load(LoadError::Drive(error)) => match error {
            DriveError::Connect(error) => error.into(),
            DriveError::Call(error) => error.into(),
            DriveError::Begin(error) => error.into(),
            DriveError::Consume(error) => error.into(),
            DriveError::Enqueue(error) => Failure::new(error.code(), words),
            DriveError::Level { .. } => Failure::new(ErrorCode::LevelUnavailable, words),
            DriveError::NotReady { .. } | DriveError::Bus(_) => {
                Failure::new(ErrorCode::Internal, words)
            }
        },
        SuiteError::Load(LoadError::Bodies(_)) => Failure::usage(words),
        SuiteError::Stand(_) | SuiteError::Load(LoadError::Thread(_)) => {
            Failure::new(ErrorCode::Internal, words)
        }
        SuiteError::Floor(error) => super::floor_failure(&error),
    }
}
