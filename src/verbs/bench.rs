//! bench: what the bus costs, beside what the machine under it costs in the same run.

use ::bench::{BenchError, Measured, Work};
use serde::Serialize;
use tools::{Exit, Failure, Globals, Printer, Row};
use wire::ErrorCode;

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
pub fn run(work: &Work, globals: &Globals, printer: &mut Printer<'_>) -> Result<Exit, Failure> {
    let figures = ::bench::run(work, &globals.server).map_err(failure)?;
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
        BenchError::Disk(_) => Failure::new(ErrorCode::FileUnreadable, error.to_string()),
        BenchError::Machine(_) => Failure::new(ErrorCode::IoUringIncomplete, error.to_string()),
        BenchError::Network(_) => Failure::new(ErrorCode::ConnectionLost, error.to_string()),
        BenchError::Outcome(_) => Failure::new(ErrorCode::Internal, error.to_string()),
    }
}
