//! Counts: how many crates of others each product pulls in, against what we allow ourselves.

use super::Finding;
use crate::process::{cargo, output, say};
use std::collections::BTreeSet;
use std::path::Path;

/// A product, how to list its tree, and how many crates it may have.
struct Budget {
    name: &'static str,
    arguments: &'static [&'static str],
    crates_max: usize,
}

const TREE: &[&str] =
    &["tree", "--locked", "--prefix", "none", "--format", "{p}", "--edges", "normal,build"];

const BUDGETS: &[Budget] = &[
    Budget { name: "the SDK", arguments: &["--package", "defibus-client"], crates_max: 15 },
    Budget {
        name: "the plain broker (without its command line)",
        arguments: &["--package", "defibus", "--prune", "defibus-tools", "--prune", "clap"],
        crates_max: 60,
    },
    Budget { name: "the whole binary", arguments: &["--package", "defibus"], crates_max: 120 },
];

/// Crates in the lock file, tests and tools included.
const LOCKED_CRATES_MAX: usize = 250;

/// Prints the counts; finds those above their budget.
///
/// # Errors
/// In words, when cargo cannot list a tree.
pub fn check(root: &Path) -> Result<Vec<Finding>, String> {
    let mut findings = Vec::new();
    for budget in BUDGETS {
        let listing = output(&mut cargo(root, &[TREE, budget.arguments].concat()))?;
        let crates = distinct(&listing);
        say(&format!("crates of others in {}: {crates} of {}", budget.name, budget.crates_max));
        findings.extend(compare(budget.name, crates, budget.crates_max));
    }
    let lock = std::fs::read_to_string(root.join("Cargo.lock"))
        .map_err(|error| format!("Cargo.lock: {error}"))?;
    let locked = lock.lines().filter(|line| *line == "[[package]]").count();
    say(&format!("crates in the lock file: {locked} of {LOCKED_CRATES_MAX}"));
    findings.extend(compare("the lock file", locked, LOCKED_CRATES_MAX));
    Ok(findings)
}

fn compare(name: &str, crates: usize, crates_max: usize) -> Option<Finding> {
    (crates > crates_max)
        .then(|| Finding::of(name, format!("{crates} crates, {crates_max} are allowed")))
}

/// Crates of others. `cargo tree` marks what it printed before with `(*)`, and ours with their path.
fn distinct(listing: &str) -> usize {
    let names = listing.lines().map(|line| line.trim_end_matches(" (*)").trim());
    names.filter(|line| !line.is_empty() && !line.contains(" (/")).collect::<BTreeSet<_>>().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_counts_once() {
        assert_eq!(distinct("ours v1 (/src)\na v1\nb v1\na v1 (*)\n\nb v2\n"), 3);
    }

    #[test]
    fn a_budget_is_an_inclusive_bound() {
        assert_eq!(compare("x", 15, 15), None);
        assert!(compare("x", 16, 15).is_some());
    }
}
