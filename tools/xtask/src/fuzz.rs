//! Fuzz: runs the targets of `tests/fuzz` under libFuzzer, or merges what they found into the corpora.
//!
//! The toolchain is the pinned stable one: `RUSTC_BOOTSTRAP` lets it take the
//! coverage flags of cargo-fuzz. New inputs gather in `target/fuzz`; only a merge
//! brings the few that reach something new into `tests/fuzz/corpus`.

use crate::process::{cargo, output, passes, say};
use std::path::{Path, PathBuf};

/// Where the targets are.
const FOLDER: &str = "tests/fuzz";
/// How long each target runs unless it is said.
const MINUTES: u64 = 5;
/// The longest input a target makes up, in bytes; the replay takes no longer ones.
const INPUT_BYTES_MAX: u64 = 4096;

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Order<'a> {
    /// `None`: every target.
    target: Option<&'a str>,
    minutes: u64,
    merge: bool,
}

/// Runs `[TARGET] [--minutes N] [--merge]`; whether no target found anything.
pub fn run(root: &Path, arguments: &[&str]) -> bool {
    let known = targets(root);
    let Some(order) = order(arguments) else {
        say(&format!("usage: fuzz [TARGET] [--minutes N] [--merge]; targets: {}", known.join(" ")));
        return false;
    };
    if let Err(reason) = output(&mut cargo(root, &["fuzz", "--version"])) {
        say(&format!("fuzz skipped: {reason}; cargo install cargo-fuzz --version 0.13.2"));
        return true;
    }
    let wanted: Vec<&String> =
        known.iter().filter(|name| order.target.is_none_or(|target| target == *name)).collect();
    if wanted.is_empty() {
        say(&format!("no such target; there are: {}", known.join(" ")));
        return false;
    }
    let ended = wanted.iter().map(|target| run_one(root, target, &order));
    ended.fold(true, |all_well, well| all_well & well)
}

fn run_one(root: &Path, target: &str, order: &Order<'_>) -> bool {
    say(&format!("== {target}"));
    let found: PathBuf = root.join("target/fuzz").join(target);
    if let Err(error) = std::fs::create_dir_all(&found) {
        say(&format!("{}: {error}", found.display()));
        return false;
    }
    let found = found.display().to_string();
    let committed = format!("{FOLDER}/corpus/{target}");
    let corpora = if order.merge { [&committed, &found] } else { [&found, &committed] };
    let time = format!("-max_total_time={}", order.minutes * 60);
    let length = format!("-max_len={INPUT_BYTES_MAX}");
    let mut command = cargo(root, &["fuzz", "run", "--fuzz-dir", FOLDER, target]);
    command.args(corpora).args(["--", "-rss_limit_mb=2048", &length]);
    command.arg(if order.merge { "-merge=1" } else { &time });
    passes(command.env("RUSTC_BOOTSTRAP", "1"))
}

/// Every target, as `tests/fuzz/Cargo.toml` names them.
fn targets(root: &Path) -> Vec<String> {
    let manifest =
        std::fs::read_to_string(root.join(FOLDER).join("Cargo.toml")).unwrap_or_default();
    let paths = manifest.lines().filter_map(|line| line.strip_prefix("path = \"fuzz_targets/"));
    paths.filter_map(|path| Some(path.strip_suffix(".rs\"")?.to_owned())).collect()
}

fn order<'a>(arguments: &[&'a str]) -> Option<Order<'a>> {
    let mut order = Order { target: None, minutes: MINUTES, merge: false };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match *argument {
            "--minutes" => order.minutes = rest.next()?.parse().ok()?,
            "--merge" => order.merge = true,
            target if order.target.is_none() && !target.starts_with('-') => {
                order.target = Some(target);
            }
            _ => return None,
        }
    }
    Some(order)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::root;

    #[test]
    fn orders_are_understood() {
        let of = |target, minutes, merge| Some(Order { target, minutes, merge });
        assert_eq!(order(&[]), of(None, MINUTES, false));
        assert_eq!(order(&["frame", "--minutes", "20"]), of(Some("frame"), 20, false));
        assert_eq!(order(&["--merge", "frame"]), of(Some("frame"), MINUTES, true));
        assert_eq!(order(&["frame", "body"]), None);
        assert_eq!(order(&["--minutes", "many"]), None);
        assert_eq!(order(&["--hours", "1"]), None);
    }

    #[test]
    fn every_target_has_a_corpus() {
        let targets = targets(&root());
        assert!(targets.len() >= 9, "{targets:?}");
        for target in targets {
            assert!(root().join(FOLDER).join("corpus").join(&target).is_dir(), "{target}");
        }
    }
}
