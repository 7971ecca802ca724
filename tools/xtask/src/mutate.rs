//! Mutate: takes a guarantee away on purpose, and looks whether the simulator notices.
//!
//! Each `tests/sim/mutations/NAME.patch` removes one; some from the product, some
//! from the simulated machine, which then lies. A patch is applied to a scratch copy
//! of the last commit, never to the checkout. What no patch was applied to must pass
//! the same seeds, else the table says nothing. Those that touch the simulator alone
//! come first, those that touch storage last: each build makes as little as it can.

use crate::process::{cargo, output, passes, say};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where the patches are.
const PATCHES: &str = "tests/sim/mutations";
/// The scratch copy, and what is built of it.
const TREE: &str = "target/mutate/tree";
const BUILT: &str = "target/mutate/built";
/// Seeds each mutation is given, unless told otherwise.
const SEEDS: u64 = 2000;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wish {
    /// Mutations by name; none = all.
    names: Vec<String>,
    /// A mutation that so many seeds do not notice is not caught.
    seeds: u64,
}

/// What a run of seeds said.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Run {
    /// The first seed that failed, and the words of the checker that spoke.
    Caught { seed: u64, words: String },
    /// No seed failed.
    Passed,
    /// It did not run to its end, and said nothing.
    Broken,
}

/// Applies the mutations named, or all; whether each was caught.
pub fn run(root: &Path, arguments: &[&str]) -> bool {
    let done = read_wish(arguments).and_then(|wish| {
        let patches = patches(root, &wish.names)?;
        copy(root)?;
        table(root, &patches, wish.seeds)
    });
    done.unwrap_or_else(|reason| {
        say(&format!("mutate: {reason}"));
        false
    })
}

fn read_wish(arguments: &[&str]) -> Result<Wish, String> {
    let mut wish = Wish { names: Vec::new(), seeds: SEEDS };
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        if *word == "--seeds" {
            let count = words.next().and_then(|count| count.parse().ok());
            wish.seeds = count.ok_or("--seeds wants a number")?;
        } else {
            wish.names.push((*word).to_owned());
        }
    }
    Ok(wish)
}

/// Names and files of the patches: what is cheap to build first, then by name.
fn patches(root: &Path, names: &[String]) -> Result<Vec<(String, PathBuf)>, String> {
    let folder = root.join(PATCHES);
    let entries = std::fs::read_dir(&folder).map_err(|error| format!("{PATCHES}: {error}"))?;
    let mut all: Vec<(String, PathBuf)> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "patch"))
        .filter_map(|path| Some((path.file_stem()?.to_str()?.to_owned(), path)))
        .collect();
    all.sort_by_cached_key(|(name, path)| {
        let patch = std::fs::read_to_string(path).unwrap_or_default();
        (crates_built(&patch), name.clone())
    });
    if let Some(unknown) = names.iter().find(|name| !all.iter().any(|(known, _)| known == *name)) {
        return Err(format!("there is no {PATCHES}/{unknown}.patch"));
    }
    all.retain(|(name, _)| names.is_empty() || names.contains(name));
    Ok(all)
}

/// How many crates are built again for a patch: the simulator's, and those it stands on.
fn crates_built(patch: &str) -> usize {
    let touches = |folder: &str| patch.lines().any(|line| line.starts_with(folder));
    match () {
        () if touches("+++ b/storage/") || touches("+++ b/routing/") => 3,
        () if touches("+++ b/src/") => 2,
        () => 1,
    }
}

/// Copies the last commit. Everything in it is new, so that nothing built before passes for current.
fn copy(root: &Path) -> Result<(), String> {
    let tree = root.join(TREE);
    if tree.exists() {
        std::fs::remove_dir_all(&tree).map_err(|error| format!("{TREE}: {error}"))?;
    }
    std::fs::create_dir_all(&tree).map_err(|error| format!("{TREE}: {error}"))?;
    let archive = root.join("target/mutate/commit.tar");
    let file = format!("--output={}", archive.display());
    output(Command::new("git").current_dir(root).args(["archive", &file, "HEAD"]))?;
    output(Command::new("tar").current_dir(&tree).args(["-x", "-m", "-f"]).arg(&archive))?;
    Ok(())
}

fn table(root: &Path, patches: &[(String, PathBuf)], seeds: u64) -> Result<bool, String> {
    build(root)?;
    let control = simulate(root, seeds)?;
    if control != Run::Passed {
        return Err(format!("what nobody changed does not pass: {control:?}"));
    }
    say("| mutation | caught by | seeds |\n|---|---|---|");
    say(&row("(none)", &control, seeds));
    let mut all_caught = true;
    for (name, patch) in patches {
        apply(root, patch, &[])?;
        let run = build(root).and_then(|()| simulate(root, seeds));
        apply(root, patch, &["--reverse"])?;
        let run = run.map_err(|reason| format!("{name}: {reason}"))?;
        all_caught &= matches!(run, Run::Caught { .. });
        say(&row(name, &run, seeds));
    }
    Ok(all_caught)
}

fn row(name: &str, run: &Run, seeds: u64) -> String {
    match run {
        Run::Caught { seed, words } => format!("| {name} | {words} | {seed} |"),
        Run::Passed => format!("| {name} | not caught | {seeds} |"),
        Run::Broken => format!("| {name} | NOT RUN: the simulator ended without a word | |"),
    }
}

fn apply(root: &Path, patch: &Path, more: &[&str]) -> Result<(), String> {
    let directory = format!("--directory={TREE}");
    let mut command = Command::new("git");
    command.current_dir(root).args(["apply", &directory]).args(more).arg(patch);
    output(&mut command).map(|_| ()).map_err(|reason| format!("{}: {reason}", patch.display()))
}

fn build(root: &Path) -> Result<(), String> {
    let arguments = ["build", "--quiet", "--profile", "sim", "--package", "defibus-sim"];
    let mut command = cargo(&root.join(TREE), &arguments);
    command.env("CARGO_TARGET_DIR", root.join(BUILT)).env("RUSTFLAGS", "-Awarnings");
    if passes(&mut command) { Ok(()) } else { Err("it does not build".to_owned()) }
}

fn simulate(root: &Path, seeds: u64) -> Result<Run, String> {
    let program = root.join(BUILT).join("sim/defibus-sim");
    let output = Command::new(program)
        .args(["--until-failed", "--seeds", &seeds.to_string()])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("the simulator does not run: {error}"))?;
    Ok(verdict(&String::from_utf8_lossy(&output.stdout), output.status.success()))
}

/// What a run of seeds printed, in a word.
fn verdict(printed: &str, succeeded: bool) -> Run {
    let failed = printed.lines().find_map(|line| {
        let (seed, words) = line.strip_prefix("seed ")?.split_once(" FAILED: ")?;
        Some(Run::Caught { seed: seed.parse().ok()?, words: words.to_owned() })
    });
    match failed {
        Some(caught) => caught,
        None if succeeded => Run::Passed,
        None => Run::Broken,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failing_seed_is_the_one_that_caught_it() {
        let printed = "seed 7 FAILED: record 3 is lost\n  Faults\nseed 9 FAILED: more\n";
        let words = "record 3 is lost".to_owned();
        assert_eq!(verdict(printed, false), Run::Caught { seed: 7, words });
    }

    #[test]
    fn a_silent_end_is_never_a_pass() {
        assert_eq!(verdict("", false), Run::Broken);
        assert_eq!(verdict("10 passed, 0 failed\n", true), Run::Passed);
    }

    #[test]
    fn every_patch_applies_and_is_in_the_table() {
        let root = crate::process::root();
        let page = std::fs::read_to_string(root.join("docs/reliability.md")).expect("the page");
        let section = page.split("## Mutations").nth(1).expect("the section");
        let table = section.split("\n## ").next().expect("its end");
        let patches = patches(&root, &[]).expect("patches");
        assert!(patches.len() >= 12, "the issue names twelve");
        for (name, patch) in &patches {
            assert!(table.contains(&format!("| `{name}` |")), "docs/reliability.md lacks {name}");
            let mut check = Command::new("git");
            check.current_dir(&root).args(["apply", "--check"]).arg(patch);
            assert_eq!(output(&mut check), Ok(String::new()), "{name} does not apply any more");
        }
        let rows = table.lines().filter(|line| line.starts_with("| `")).count();
        assert_eq!(rows, patches.len(), "a row of the table has no patch");
    }

    #[test]
    fn what_is_cheap_to_build_comes_first() {
        assert_eq!(crates_built("+++ b/tests/sim/src/disk.rs\n"), 1);
        assert_eq!(crates_built("+++ b/src/broker/disk.rs\n"), 2);
        assert_eq!(crates_built("+++ b/src/a.rs\n+++ b/storage/src/log.rs\n"), 3);
    }

    #[test]
    fn names_and_seeds_are_read() {
        let wish = read_wish(&["late-reply", "--seeds", "5"]).expect("both are known");
        assert_eq!(wish, Wish { names: vec!["late-reply".to_owned()], seeds: 5 });
        assert!(read_wish(&["--seeds"]).is_err());
    }
}
