//! Pair: which runs of two sides belong together: the same work at the same level; and which are refused.

use crate::report::group::{NotOneGroup, same_work};
use crate::result::{Level, RunResult};

/// Runs that belong together: valid ones only.
#[derive(Clone, Debug)]
pub struct Pair<'a> {
    /// Their work.
    pub workload: String,
    /// Their level.
    pub level: Level,
    /// The bus of the second side.
    pub driver: String,
    /// Of the first side.
    pub first: Vec<&'a RunResult>,
    /// Of the second.
    pub second: Vec<&'a RunResult>,
}

/// Why two sides cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotComparable {
    /// They have no work in common.
    NothingInCommon {
        /// What the first has.
        first: Vec<String>,
        /// What the second has.
        second: Vec<String>,
    },
    /// The same name stands for different work or levels.
    Differs {
        /// The name of the work.
        workload: String,
        /// What differs.
        cause: NotOneGroup,
    },
    /// It is not clear which bus to compare with which.
    Drivers {
        /// The name of the work.
        workload: String,
        /// What the first side has.
        first: Vec<String>,
        /// What the second side has.
        second: Vec<String>,
    },
}

impl std::fmt::Display for NotComparable {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NothingInCommon { first, second } => write!(
                formatter,
                "different workloads are not compared: the first side has {}, the second {}",
                first.join(", "),
                second.join(", ")
            ),
            Self::Differs { workload, cause } => write!(formatter, "workload {workload}: {cause}"),
            Self::Drivers { workload, first, second } => write!(
                formatter,
                "workload {workload}: which bus to compare with which? The first side has {}, the \
                 second {}: give each side the results of one",
                first.join(", "),
                second.join(", ")
            ),
        }
    }
}

impl std::error::Error for NotComparable {}

/// Everything that belongs together, and what is to be known about it.
///
/// # Errors
/// Nothing does, or what has the same name does not.
pub fn pairs<'a>(
    first: &'a [RunResult],
    second: &'a [RunResult],
) -> Result<(Vec<Pair<'a>>, Vec<String>), NotComparable> {
    let (names, others) = (names(first), names(second));
    let (mut found, mut notices) = (Vec::new(), Vec::new());
    for name in &names {
        let (one, two) = (named(first, name), named(second, name));
        if two.is_empty() {
            notices.push(format!("workload {name} is only on the first side"));
            continue;
        }
        found.extend(pairs_of(name, &one, &two)?);
    }
    let alone = others.iter().filter(|name| !names.contains(name));
    notices.extend(alone.map(|name| format!("workload {name} is only on the second side")));
    if found.is_empty() {
        return Err(NotComparable::NothingInCommon { first: names, second: others });
    }
    notices.extend(hosts(first, second));
    notices.extend(invalid("first", first));
    notices.extend(invalid("second", second));
    Ok((found, notices))
}

/// The pairs of one work: level by level, bus by bus.
fn pairs_of<'a>(
    name: &str,
    first: &[&'a RunResult],
    second: &[&'a RunResult],
) -> Result<Vec<Pair<'a>>, NotComparable> {
    let differs = |cause| NotComparable::Differs { workload: name.to_owned(), cause };
    let mut found = Vec::new();
    for level in [Level::None, Level::Memory, Level::Written, Level::Durable, Level::Quorum] {
        let at = |runs: &[&'a RunResult]| -> Vec<&'a RunResult> {
            runs.iter().copied().filter(|run| run.driver.level == level).collect()
        };
        let (first, second) = (at(first), at(second));
        let (Some(one), false) = (first.first(), second.is_empty()) else { continue };
        for other in first.iter().chain(&second) {
            same_work(one, other).map_err(differs)?;
        }
        for (ours, theirs) in matching_drivers(name, &first, &second)? {
            let of = |runs: &[&'a RunResult], driver: &str| -> Vec<&'a RunResult> {
                let valid = |run: &&RunResult| run.validity.is_valid() && run.driver.name == driver;
                runs.iter().copied().filter(valid).collect()
            };
            found.push(Pair {
                workload: name.to_owned(),
                level,
                first: of(&first, &ours),
                second: of(&second, &theirs),
                driver: theirs,
            });
        }
    }
    if let (true, Some(one), Some(two)) = (found.is_empty(), first.first(), second.first()) {
        same_work(one, two).map_err(differs)?;
    }
    Ok(found)
}

/// Buses of the same name; or the only one of each side.
fn matching_drivers(
    name: &str,
    first: &[&RunResult],
    second: &[&RunResult],
) -> Result<Vec<(String, String)>, NotComparable> {
    let (ours, theirs) = (drivers(first), drivers(second));
    let common: Vec<(String, String)> = ours
        .iter()
        .filter(|name| theirs.contains(name))
        .map(|name| (name.clone(), name.clone()))
        .collect();
    match (common.is_empty(), ours.as_slice(), theirs.as_slice()) {
        (false, ..) => Ok(common),
        (true, [one], [two]) => Ok(vec![(one.clone(), two.clone())]),
        (true, ..) => {
            Err(NotComparable::Drivers { workload: name.to_owned(), first: ours, second: theirs })
        }
    }
}

fn drivers(runs: &[&RunResult]) -> Vec<String> {
    distinct(runs.iter().map(|run| run.driver.name.clone()))
}

fn names(runs: &[RunResult]) -> Vec<String> {
    distinct(runs.iter().map(|run| run.workload.name.clone()))
}

fn distinct(all: impl Iterator<Item = String>) -> Vec<String> {
    let mut distinct = Vec::new();
    for one in all {
        if !distinct.contains(&one) {
            distinct.push(one);
        }
    }
    distinct
}

fn named<'a>(runs: &'a [RunResult], name: &str) -> Vec<&'a RunResult> {
    runs.iter().filter(|run| run.workload.name == name).collect()
}

/// A warning if not all runs are of one machine, or of one way to build.
fn hosts(first: &[RunResult], second: &[RunResult]) -> Vec<String> {
    let all = || first.iter().chain(second);
    let Some(one) = all().next() else { return Vec::new() };
    let mut notices = Vec::new();
    if let Some(other) = all().find(|run| !run.host.is_like(&one.host)) {
        notices.push(format!(
            "the runs are of different machines ({}, kernel {}; {}, kernel {}): a difference may be theirs",
            one.host.word(),
            one.host.kernel,
            other.host.word(),
            other.host.kernel
        ));
    }
    if let Some(other) = all().find(|run| run.build.profile != one.build.profile) {
        let (one, other) = (&one.build.profile, &other.build.profile);
        notices.push(format!("the runs are of different build profiles: {one} and {other}"));
    }
    notices
}

fn invalid(side: &str, runs: &[RunResult]) -> Option<String> {
    let count = runs.iter().filter(|run| !run.validity.is_valid()).count();
    (count > 0).then(|| format!("{count} invalid runs of the {side} side are left out"))
}
