//! defibus-sim: runs seeds, and tells the story of one that fails.

use clap::Parser;
use std::io::Write;
use std::process::ExitCode;

/// Runs the real broker, storage and routing from seeds on a simulated machine.
#[derive(Debug, Parser)]
struct Arguments {
    /// Run this many seeds, from `--first` on.
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    first: u64,
    /// Run this one seed, twice, and compare.
    #[arg(long)]
    seed: Option<u64>,
    /// With `--seed`: print the last lines of the trace.
    #[arg(long)]
    trace: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let failed = match arguments.seed {
        Some(seed) => run_one(seed, arguments.trace),
        None => run_many(arguments.first, arguments.seeds),
    };
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn say(line: &str) {
    // A closed pipe is no reason to fail a run.
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn run_one(seed: u64, is_traced: bool) -> u64 {
    let first = sim::run(seed, is_traced);
    for line in &first.lines {
        say(line);
    }
    let second = sim::run(seed, false);
    say(&format!("seed {seed}: {:?}", first.verdict));
    say(&format!("  {} operations, {:?}", first.operations, first.fired));
    say(&format!("  {}", first.faults));
    say(&format!("  trace {:016x}, again {:016x}", first.trace_hash, second.trace_hash));
    u64::from(first.verdict.is_err() || first.trace_hash != second.trace_hash)
}

fn run_many(first: u64, count: u64) -> u64 {
    let mut failed = 0;
    let mut operations = 0;
    let mut crashes = 0;
    let mut totals = [0_u64; 7];
    for seed in first..first + count {
        let outcome = sim::run(seed, false);
        operations += outcome.operations;
        let fired = outcome.fired;
        crashes += fired.power_losses + fired.process_deaths + fired.flush_errors;
        let counts = [
            fired.power_losses,
            fired.process_deaths,
            fired.cuts,
            fired.flush_errors,
            fired.clock_jumps,
            fired.shutdowns,
            fired.refusals,
        ];
        for (total, count) in totals.iter_mut().zip(counts) {
            *total += count;
        }
        if let Err(violation) = outcome.verdict {
            failed += 1;
            say(&format!("seed {seed} FAILED: {violation}\n  {}", outcome.faults));
        }
    }
    let [power, process, cuts, flush, clock, shutdowns, refusals] = totals;
    say(&format!(
        "{} seeds, {failed} failed; {} operations and {}.{:02} crashes a seed",
        count,
        operations / count.max(1),
        crashes / count.max(1),
        crashes * 100 / count.max(1) % 100,
    ));
    say(&format!(
        "fired: {power} power losses, {process} process deaths, {cuts} cuts, {flush} flush errors, \
         {clock} clock jumps, {shutdowns} shutdowns, {refusals} refusals"
    ));
    say(&format!("{} passed, {failed} failed", count - failed));
    failed
}
