//! Ci: the steps of CI, in their order, on any machine.
//!
//! A step passes, fails or is skipped because the machine lacks a tool; skipped
//! steps are counted and named, so that a green line never hides one.

use crate::process::{cargo, output, passes, say};
use crate::{codegen, instructions, tidy};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// All is well.
    Passed,
    /// It is not; its output said why.
    Failed,
    /// The machine lacks what it needs.
    Skipped(String),
}

impl End {
    const fn of(passed: bool) -> Self {
        if passed { Self::Passed } else { Self::Failed }
    }
}

/// A step of CI: its name, and what it does at the root.
type Step = (&'static str, fn(&Path) -> End);

/// The drivers of peers, a workspace of their own.
const PEERS: &str = "bench/peers/Cargo.toml";
/// Seeds the simulator runs in CI.
const SIM_SEEDS: &str = "1000";

const STEPS: &[Step] = &[
    ("fmt", fmt),
    ("clippy", clippy),
    ("test", test),
    ("tidy", |root| End::of(tidy::run(root))),
    ("deny", deny),
    ("doc", doc),
    ("client", client),
    ("peers", peers),
    ("sim", sim),
    ("instructions", |root| instructions::run(root, &[])),
    ("codegen", codegen_drift),
];

/// Runs every step but those named after `--except`; whether none failed.
pub fn run(root: &Path, arguments: &[&str]) -> bool {
    let Some(steps) = chosen(arguments) else {
        let names: Vec<&str> = STEPS.iter().map(|(name, _)| *name).collect();
        say(&format!("steps: {}", names.join(" ")));
        return arguments == ["--list"];
    };
    let mut ends = Vec::new();
    for (name, step) in steps {
        say(&format!("\n== {name}"));
        let begun = clock();
        let end = step(root);
        ends.push((name, end, clock().duration_since(begun)));
    }
    say(&summary(&ends));
    ends.iter().all(|(_, end, _)| *end != End::Failed)
}

/// Runs the simulator with `arguments`; without any, as CI does.
pub fn simulate(root: &Path, arguments: &[&str]) -> bool {
    let run = ["run", "--quiet", "--profile", "sim", "--package", "defibus-sim", "--"];
    let arguments = if arguments.is_empty() { &["--seeds", SIM_SEEDS] } else { arguments };
    passes(&mut cargo(root, &[&run, arguments].concat()))
}

fn chosen(arguments: &[&str]) -> Option<Vec<Step>> {
    let mut steps = STEPS.to_vec();
    for pair in arguments.chunks(2) {
        let ["--except", name] = pair else { return None };
        let before = steps.len();
        steps.retain(|(step, _)| step != name);
        if steps.len() == before {
            return None;
        }
    }
    Some(steps)
}

/// A line for each step, and the counts.
fn summary(ends: &[(&str, End, Duration)]) -> String {
    let line = |(name, end, took): &(&str, End, Duration)| {
        let seconds = took.as_secs();
        match end {
            End::Passed => format!("{name:12} passed   {seconds:4} s\n"),
            End::Failed => format!("{name:12} FAILED   {seconds:4} s\n"),
            End::Skipped(reason) => format!("{name:12} skipped  {seconds:4} s  {reason}\n"),
        }
    };
    let lines: Vec<String> = ends.iter().map(line).collect();
    let count = |wanted: fn(&End) -> bool| ends.iter().filter(|(_, end, _)| wanted(end)).count();
    let failed = count(|end| *end == End::Failed);
    let skipped = count(|end| matches!(end, End::Skipped(_)));
    let passed = count(|end| *end == End::Passed);
    let counts = format!("ci: {passed} passed, {failed} failed, {skipped} skipped");
    format!("\n== summary\n{}{counts}", lines.concat())
}

fn fmt(root: &Path) -> End {
    End::of(passes(&mut cargo(root, &["fmt", "--all", "--check"])))
}

fn clippy(root: &Path) -> End {
    let arguments =
        ["clippy", "--quiet", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
    End::of(passes(&mut cargo(root, &arguments)))
}

fn test(root: &Path) -> End {
    End::of(passes(&mut cargo(root, &["test", "--workspace", "--locked"])))
}

fn deny(root: &Path) -> End {
    if output(&mut cargo(root, &["deny", "--version"])).is_err() {
        return End::Skipped("cargo-deny is not installed: cargo install cargo-deny".to_owned());
    }
    let check = ["--locked", "check", "licenses", "bans", "sources"];
    let ours = [&["deny"], check.as_slice()].concat();
    // The peers' SDKs have a lock file, and a list, of their own.
    let peers = ["deny", "--manifest-path", PEERS, "--config", "bench/peers/deny.toml"];
    let peers = [peers.as_slice(), check.as_slice()].concat();
    End::of([ours, peers].iter().all(|arguments| passes(&mut cargo(root, arguments))))
}

fn doc(root: &Path) -> End {
    let mut command = cargo(root, &["doc", "--quiet", "--workspace", "--no-deps", "--locked"]);
    End::of(passes(command.env("RUSTDOCFLAGS", "-D warnings")))
}

/// The SDK alone, with nothing of the broker in its tree; then with every driver, which the workspace leaves out.
fn client(root: &Path) -> End {
    let sdk = ["--quiet", "--package", "defibus-client", "--locked"];
    let drivers = [sdk.as_slice(), &["--all-features", "--all-targets"]].concat();
    let build = [&["build"], sdk.as_slice()].concat();
    let clippy = [&["clippy"], drivers.as_slice(), &["--", "-D", "warnings"]].concat();
    let test = [&["test"], drivers.as_slice()].concat();
    End::of([build, clippy, test].iter().all(|arguments| passes(&mut cargo(root, arguments))))
}

/// The drivers of peers, on the servers that are on this machine; beside them the bus, as it was built before.
fn peers(root: &Path) -> End {
    if std::env::var_os("CI").is_some() {
        // What cannot be fetched is skipped by the tests, each with its reason.
        let fetch = "apt-get update && apt-get install --yes nats-server redis-server";
        let _refused = output(Command::new("sh").args(["-c", fetch]));
    }
    let of = |verb: &'static str, rest: &[&'static str]| {
        let mut command = cargo(root, &[verb, "--manifest-path", PEERS, "--locked"]);
        command.args(rest).env("CARGO_TARGET_DIR", root.join("bench/peers/target"));
        command
    };
    let node = root.join("target/debug/defibus");
    let mut test = of("test", &[]);
    if node.is_file() {
        test.env("DEFIBUS", node);
    }
    let fmt = || cargo(root, &["fmt", "--manifest-path", PEERS, "--check"]);
    let clippy = || of("clippy", &["--quiet", "--all-targets", "--", "-D", "warnings"]);
    End::of(passes(&mut fmt()) && passes(&mut clippy()) && passes(&mut test))
}

fn sim(root: &Path) -> End {
    if !root.join("tests/sim/Cargo.toml").exists() {
        return End::Skipped("there is no simulator".to_owned());
    }
    End::of(simulate(root, &[]))
}

fn codegen_drift(root: &Path) -> End {
    let tables = match codegen::generate(root) {
        Ok(tables) => tables,
        Err(reason) => return End::Skipped(reason),
    };
    let current = codegen::is_current(root, &tables);
    if current != Ok(true) {
        say("the committed tables are not what the schema generates: cargo xtask codegen");
    }
    End::of(current == Ok(true))
}

#[expect(clippy::disallowed_methods, reason = "a report of how long each step took")]
fn clock() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_can_be_left_out_by_name() {
        let all = chosen(&[]).expect("all");
        let names = |steps: &[Step]| steps.iter().map(|(name, _)| *name).collect::<Vec<_>>();
        assert_eq!(all.len(), STEPS.len());
        let some = chosen(&["--except", "test", "--except", "doc"]).expect("known names");
        assert_eq!(
            names(&some),
            ["fmt", "clippy", "tidy", "deny", "client", "peers", "sim", "instructions", "codegen"]
        );
        assert!(chosen(&["--except", "nothing"]).is_none());
        assert!(chosen(&["test"]).is_none());
    }

    #[test]
    fn a_skipped_step_is_told_and_counted() {
        let skipped = End::Skipped("no tool".to_owned());
        let ends = [("a", End::Passed), ("b", skipped), ("c", End::Failed)];
        let text = summary(&ends.map(|(name, end)| (name, end, Duration::ZERO)));
        assert!(text.contains("no tool"), "{text}");
        assert!(text.ends_with("ci: 1 passed, 1 failed, 1 skipped"), "{text}");
    }
}
