//! bench: what the bus costs, beside what the machine under it costs in the same run.

mod compare;
mod lines;
mod report;
mod run;

use ::bench::floor::FloorError;
use ::bench::result::ReadError;
use ::bench::suite::{RunOptions, SuiteOptions};
use ::bench::{BenchError, Measured, Work};
use clap::Subcommand;
use serde::Serialize;
use tools::{Exit, Failure, Globals, Printer, Row};
use wire::ErrorCode;

/// What is done with the bus, or with results.
#[derive(Clone, Debug, Subcommand)]
pub enum BenchVerb {
    #[command(flatten)]
    #[expect(missing_docs, reason = "the works have words of their own")]
    Work(Work),
    /// Run workloads: shipped ones, or files in OpenMessaging Benchmark's YAML
    Run(RunOptions),
    /// Run all shipped workloads, keep the results and make the report
    Suite(SuiteOptions),
    /// The shipped workloads
    List,
    /// Tell whether the second set of results is better or worse; ends with 1 if a figure is worse
    Compare(compare::Compare),
    /// Make the report of results again: a page that needs nothing else, and pictures
    Report(report::Report),
}

impl BenchVerb {
    /// Does it.
    ///
    /// # Errors
    /// Whatever kept it from being done.
    pub fn run(&self, globals: &Globals, printer: &mut Printer<'_>) -> Result<Exit, Failure> {
        match self {
            Self::Work(work) => measure(work, globals, printer),
            Self::Run(options) => run::workloads(options, globals, printer),
            Self::Suite(options) => suite(options, globals, printer),
            Self::List => run::list(printer),
            Self::Compare(compare) => compare.run(globals, printer),
            Self::Report(report) => report.run(globals, printer),
        }
    }
}

/// Runs everything, then draws what was kept.
fn suite(
    options: &SuiteOptions,
    globals: &Globals,
    printer: &mut Printer<'_>,
) -> Result<Exit, Failure> {
    run::workloads(&options.run_options(), globals, printer)?;
    let page = report::Report::of(&options.keep).write()?;
    globals.talk().say(format!("report: {}", page.display()));
    Ok(Exit::Done)
}

/// A result that cannot be read.
fn results_failure(error: &ReadError) -> Failure {
    Failure::new(ErrorCode::FileUnreadable, error.to_string())
        .with_fix("name a file or folder that `defibus bench run` or `bench suite` wrote")
}

/// A figure as a row of a table, or as an object of JSON.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
struct Figure(Measured);

impl Row for Figure {
    const COLUMNS: &'static [&'static str] = Measured::COLUMNS;

    fn cells(&self) -> Vec<String> {
        self.0.cells()
    }
}

/// Measures, then prints all figures at once: nothing is written while something is timed.
///
/// # Errors
/// There is no node, it refuses, or the machine cannot be measured.
fn measure(work: &Work, globals: &Globals, printer: &mut Printer<'_>) -> Result<Exit, Failure> {
    let figures = ::bench::run(work, globals.server()).map_err(failure)?;
    let figures: Vec<Figure> = figures.into_iter().map(Figure).collect();
    printer.list(&figures).map_err(|error| Failure::file("the output", &error))?;
    Ok(Exit::Done)
}

fn failure(error: BenchError) -> Failure {
    match error {
        BenchError::Connect(error) => error.into(),
        BenchError::Call(error) => error.into(),
        BenchError::Begin(error) => error.into(),
        BenchError::Consume(error) => error.into(),
        BenchError::Send(error) => error.into(),
        BenchError::TooFewCores { .. } => Failure::usage(error.to_string()),
        BenchError::Floor(error) => floor_failure(&error),
        BenchError::Outcome(_) => Failure::new(ErrorCode::Internal, error.to_string()),
    }
}

fn floor_failure(error: &FloorError) -> Failure {
    let code = match error {
        FloorError::Machine(_) => ErrorCode::IoUringIncomplete,
        FloorError::Network(_) => ErrorCode::ConnectionLost,
        FloorError::Disk(_) => ErrorCode::FileUnreadable,
        FloorError::Thread => ErrorCode::Internal,
    };
    Failure::new(code, error.to_string())
}
