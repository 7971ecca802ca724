//! defibus-sim: runs seeds, and tells the story of one that fails.

use clap::Parser;
use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

/// Runs the real broker, storage and routing from seeds on a simulated machine.
#[derive(Debug, Parser)]
struct Arguments {
    /// Run this many seeds, from `--first` on.
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    first: u64,
    /// End with the first seed that fails.
    #[arg(long)]
    until_failed: bool,
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
        None => run_many(&arguments),
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

/// The seed at work, for the report of a panic.
static SEED: AtomicU64 = AtomicU64::new(0);

/// A panic ends the process: its seed must be named before.
fn name_the_seed_of_a_panic() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        default(panic);
        let seed = SEED.load(Ordering::Relaxed);
        let place = panic.location().map_or("an unknown place", |place| place.file());
        let words = panic.payload_as_str().unwrap_or("no words").replace('\n', " ");
        say(&format!("seed {seed} FAILED: panic in {place}: {words}"));
    }));
}

fn run_many(arguments: &Arguments) -> u64 {
    name_the_seed_of_a_panic();
    let (first, count) = (arguments.first, arguments.seeds);
    let mut failed = 0;
    let mut operations = 0;
    let mut crashes = 0;
    let mut totals = [0_u64; 9];
    for seed in first..first + count {
        SEED.store(seed, Ordering::Relaxed);
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
            fired.rots,
            fired.refused_starts,
        ];
        for (total, count) in totals.iter_mut().zip(counts) {
            *total += count;
        }
        if let Err(violation) = outcome.verdict {
            failed += 1;
            say(&format!("seed {seed} FAILED: {violation}\n  {}", outcome.faults));
            if arguments.until_failed {
                break;
            }
        }
    }
    let [power, process, cuts, flush, clock, shutdowns, refusals, rots, refused] = totals;
    say(&format!(
        "{} seeds, {failed} failed; {} operations and {}.{:02} crashes a seed",
        count,
        operations / count.max(1),
        crashes / count.max(1),
        crashes * 100 / count.max(1) % 100,
    ));
    say(&format!(
        "fired: {power} power losses, {process} process deaths, {cuts} cuts, {flush} flush errors, \
         {clock} clock jumps, {shutdowns} shutdowns, {refusals} refusals, \
         {rots} logs damaged, {refused} starts refused for it"
    ));
    say(&format!("{} passed, {failed} failed", count - failed));
    failed
}
