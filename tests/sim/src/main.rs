//! defibus-sim: runs seeds, and tells the story of one that fails.

use clap::Parser;
use sim::report::{Totals, story};
use sim::shrink::shrink;
use std::io::Write;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

/// Failing seeds that are shrunk; of further ones only the number is told.
const SHRUNK_MAX: u64 = 3;

/// Runs the real broker, storage and routing from seeds on a simulated machine.
#[derive(Debug, Parser)]
struct Arguments {
    /// Run this many seeds, from `--first` on.
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    first: u64,
    /// Seeds run at once.
    #[arg(long, default_value_t = 1)]
    jobs: u64,
    /// End with the first seed that fails, and do not shrink it.
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
    let has_passed = match arguments.seed {
        Some(seed) => run_one(seed, arguments.trace),
        None => Run::new(&arguments).run(),
    };
    if has_passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn say(line: &str) {
    // A closed pipe is no reason to fail a run.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

fn run_one(seed: u64, is_traced: bool) -> bool {
    let first = sim::run(seed, is_traced);
    for line in &first.lines {
        say(line);
    }
    let second = sim::run(seed, false);
    let mut totals = Totals::default();
    totals.count(&first);
    say(&format!("seed {seed} in {}", first.faults));
    say(&format!("trace {:016x}, again {:016x}", first.trace_hash, second.trace_hash));
    if let Err(violation) = &first.verdict {
        say(&format!("seed {seed} FAILED: {violation}"));
        say(&story(&shrink(seed, violation), &commit()));
    }
    first.verdict.is_ok() && first.trace_hash == second.trace_hash
}

/// A run of many seeds, by several threads.
struct Run<'a> {
    arguments: &'a Arguments,
    next: AtomicU64,
    shrunk: AtomicU64,
    is_over: AtomicBool,
}

impl<'a> Run<'a> {
    fn new(arguments: &'a Arguments) -> Self {
        let next = AtomicU64::new(arguments.first);
        Self { arguments, next, shrunk: AtomicU64::new(0), is_over: AtomicBool::new(false) }
    }

    fn run(&self) -> bool {
        let begun = clock();
        let mut totals = Totals::default();
        std::thread::scope(|scope| {
            let jobs: Vec<_> =
                (0..self.arguments.jobs.max(1)).map(|_| scope.spawn(|| self.work())).collect();
            for job in jobs {
                totals.add(&job.join().expect("a panic of a seed is caught"));
            }
        });
        say(&totals.tell(begun.elapsed().as_secs_f64()));
        totals.failed == 0
    }

    fn work(&self) -> Totals {
        let mut totals = Totals::default();
        while let Some(seed) = self.next_seed() {
            let outcome = sim::run(seed, false);
            totals.count(&outcome);
            if let Err(violation) = outcome.verdict {
                say(&format!("seed {seed} FAILED: {violation}\n  in {}", outcome.faults));
                if self.arguments.until_failed {
                    self.is_over.store(true, Ordering::Relaxed);
                } else if self.shrunk.fetch_add(1, Ordering::Relaxed) < SHRUNK_MAX {
                    say(&story(&shrink(seed, &violation), &commit()));
                }
            }
        }
        totals
    }

    fn next_seed(&self) -> Option<u64> {
        let seed = self.next.fetch_add(1, Ordering::Relaxed);
        let is_one = seed - self.arguments.first < self.arguments.seeds;
        (is_one && !self.is_over.load(Ordering::Relaxed)).then_some(seed)
    }
}

/// The commit of the checkout, for a report.
fn commit() -> String {
    let git = Command::new("git").args(["describe", "--always", "--dirty"]).output();
    let name = git.ok().and_then(|output| String::from_utf8(output.stdout).ok());
    name.map_or_else(|| "unknown".to_owned(), |name| name.trim().to_owned())
}

#[expect(clippy::disallowed_methods, reason = "how many seeds a minute, for people")]
fn clock() -> Instant {
    Instant::now()
}
