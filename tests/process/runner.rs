//! Runner: runs the cases, two at a time, and counts in one line what this machine cannot do.
//!
//! The harness of `cargo test` has no last word, and a case that probes the
//! machine must be able to say that it did not run.

use std::io::Write;
use std::panic::catch_unwind;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::scope;
use tools::clock::Moment;

/// Cases under way at once: most of their time they wait.
const AT_ONCE: usize = 2;

/// What the machine lacks for a case.
#[derive(Debug)]
pub(crate) struct Lacking(pub(crate) String);

/// Looks whether the machine has what a case needs.
type Probe = fn() -> Result<(), Lacking>;

/// A fault, and what must hold under it. A panic is a failure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    /// `file: what must hold`.
    name: &'static str,
    run: fn() -> String,
    needs: Option<Probe>,
}

impl Case {
    /// A case by name; what `run` returns is told when it went well.
    pub(crate) const fn new(name: &'static str, run: fn() -> String) -> Self {
        Self { name, run, needs: None }
    }

    /// Skipped, and counted, where `probe` finds something lacking.
    pub(crate) const fn needs(mut self, probe: Probe) -> Self {
        self.needs = Some(probe);
        self
    }
}

#[derive(Debug)]
enum End {
    Passed,
    Failed(&'static str),
    Skipped(String),
}

/// Runs the cases whose names contain a word of the command line; all without one.
pub(crate) fn run(cases: &'static [Case]) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        for case in cases {
            say(&format!("{}: test", case.name));
        }
        return ExitCode::SUCCESS;
    }
    let words: Vec<&String> = arguments.iter().filter(|word| !word.starts_with('-')).collect();
    let is_chosen =
        |case: &&Case| words.is_empty() || words.iter().any(|word| case.name.contains(*word));
    let chosen: Vec<&'static Case> = cases.iter().filter(is_chosen).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let take = || chosen.get(next.fetch_add(1, Ordering::Relaxed)).copied();
        std::iter::from_fn(take).map(run_one).collect::<Vec<End>>()
    };
    let ends: Vec<End> = scope(|threads| {
        let workers: Vec<_> = (0..AT_ONCE).map(|_| threads.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("cases are caught")).collect()
    });
    summary(&ends)
}

fn run_one(case: &'static Case) -> End {
    let begun = Moment::now();
    if let Some(Err(Lacking(reason))) = case.needs.map(|probe| probe()) {
        say(&format!("test {} ... skipped: {reason}", case.name));
        return End::Skipped(reason);
    }
    let ended = catch_unwind(case.run);
    let seconds = begun.elapsed().as_secs_f64();
    let Ok(told) = ended else {
        say(&format!("test {} ... FAILED ({seconds:.1} s)", case.name));
        return End::Failed(case.name);
    };
    say(&format!("test {} ... ok ({seconds:.1} s) {told}", case.name));
    End::Passed
}

fn summary(ends: &[End]) -> ExitCode {
    let of = |pick: fn(&End) -> Option<&str>| ends.iter().filter_map(pick).collect::<Vec<_>>();
    let failed = of(|end| if let End::Failed(name) = end { Some(name) } else { None });
    let mut reasons = of(|end| if let End::Skipped(reason) = end { Some(reason) } else { None });
    let (skipped, passed) = (reasons.len(), ends.len() - reasons.len() - failed.len());
    reasons.sort_unstable();
    reasons.dedup();
    say(&format!("\n{passed} passed, {} failed: {}", failed.len(), failed.join("; ")));
    let reasons = if reasons.is_empty() { "none".to_owned() } else { reasons.join("; ") };
    say(&format!("skipped: {skipped} ({reasons})"));
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A line on the standard output.
fn say(line: &str) {
    // Who does not listen misses a line.
    let _ = writeln!(std::io::stdout(), "{line}");
}
