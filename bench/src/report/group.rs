//! Group: what may stand in one column: runs of the same work, driven the same way, at the same level.

use crate::figure::{Figure, Quantile, median};
use crate::result::{Journey, Level, Load, RunResult};

/// The name of our own driver.
const OURS: &str = "defibus";

/// Runs that may be compared.
#[derive(Clone, Debug)]
pub struct Group<'a> {
    /// The first of them; work, load and level are those of all.
    pub first: &'a RunResult,
    /// One for each driver, ours first.
    pub series: Vec<Series<'a>>,
}

/// The repetitions of one driver's runs.
#[derive(Clone, Debug)]
pub struct Series<'a> {
    /// What tells it from the others of its report: `defibus 0.1.0`.
    pub label: String,
    /// How it was configured.
    pub configuration: String,
    /// Which colour it has, from 0, the same everywhere in a report.
    pub colour: usize,
    /// At least one.
    pub runs: Vec<&'a RunResult>,
}

/// Why runs may not stand in one column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotOneGroup {
    /// There are none.
    Nothing,
    /// An acknowledgement means different things.
    Levels {
        /// What it means for the first.
        first: Level,
        /// And for another.
        other: Level,
    },
    /// Different things were asked, or in a different way.
    Works {
        /// What the first was asked.
        first: String,
        /// And another.
        other: String,
    },
}

impl std::fmt::Display for NotOneGroup {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nothing => write!(formatter, "there is no run"),
            Self::Levels { first, other } => write!(
                formatter,
                "level {} ({}) and level {} ({}) are not compared: what is fast at one may be lost \
                 at the other",
                first.name(),
                first.meaning(),
                other.name(),
                other.meaning()
            ),
            Self::Works { first, other } => {
                write!(formatter, "different work is not compared: '{first}' and '{other}'")
            }
        }
    }
}

impl std::error::Error for NotOneGroup {}

impl<'a> Group<'a> {
    /// The group of all of `series`.
    ///
    /// # Errors
    /// Their levels differ, or what was asked.
    pub fn new(series: Vec<Series<'a>>) -> Result<Self, NotOneGroup> {
        let mut runs = series.iter().flat_map(|series| &series.runs);
        let first = *runs.next().ok_or(NotOneGroup::Nothing)?;
        for run in runs {
            same_work(first, run)?;
        }
        Ok(Self { first, series })
    }

    /// For names of files: `latency-20k-durable`.
    pub fn word(&self) -> String {
        let name = format!("{}-{}", self.first.workload.name, self.first.driver.level.name());
        crate::result::file::word(&name)
    }

    /// The journeys that any of them measured.
    pub fn journeys(&self) -> Vec<Journey> {
        let measured = |journey: &Journey| {
            let mut runs = self.series.iter().flat_map(|series| &series.runs);
            runs.any(|run| run.latencies.get(journey).is_some_and(|spans| spans.count() > 0))
        };
        Journey::ALL.into_iter().filter(measured).collect()
    }
}

/// Whether two runs may stand in one column.
///
/// # Errors
/// Their levels differ, or what was asked.
pub fn same_work(first: &RunResult, other: &RunResult) -> Result<(), NotOneGroup> {
    let (one, two) = (first.driver.level, other.driver.level);
    if one != two {
        return Err(NotOneGroup::Levels { first: one, other: two });
    }
    if first.workload != other.workload || !same_load(&first.load, &other.load) {
        let told = |run: &RunResult| {
            format!("{}: {}; {}", run.workload.name, run.workload.describe(), run.load.describe())
        };
        return Err(NotOneGroup::Works { first: told(first), other: told(other) });
    }
    Ok(())
}

/// How long it was driven may differ, how it was driven may not.
fn same_load(one: &Load, two: &Load) -> bool {
    one.model == two.model
        && one.arrival == two.arrival
        && one.rate_asked == two.rate_asked
        && one.in_flight == two.in_flight
}

/// Sorts runs into groups, by the order of their first ones.
pub fn groups(runs: &[RunResult]) -> Vec<Group<'_>> {
    let labels = labels(runs);
    let mut groups: Vec<Group<'_>> = Vec::new();
    for run in runs {
        let label = label(run, runs);
        let colour = labels.iter().position(|known| *known == label).unwrap_or(0);
        let fitting = groups.iter().position(|group| same_work(group.first, run).is_ok());
        let at = fitting.unwrap_or(groups.len());
        if fitting.is_none() {
            groups.push(Group { first: run, series: Vec::new() });
        }
        let group = &mut groups[at];
        if let Some(series) = group.series.iter_mut().find(|series| series.label == label) {
            series.runs.push(run);
        } else {
            let configuration = run.driver.configuration.join(", ");
            group.series.push(Series { label, configuration, colour, runs: vec![run] });
        }
    }
    for group in &mut groups {
        group.series.sort_by_key(|series| series.colour);
    }
    groups
}

/// Every label, ours first: the order of colours.
fn labels(runs: &[RunResult]) -> Vec<String> {
    let is_ours = |run: &&RunResult| run.driver.name == OURS;
    let (ours, peers): (Vec<&RunResult>, Vec<&RunResult>) = runs.iter().partition(is_ours);
    let mut labels: Vec<String> = Vec::new();
    for run in ours.into_iter().chain(peers) {
        let label = label(run, runs);
        if !labels.contains(&label) {
            labels.push(label);
        }
    }
    labels
}

/// Name and version; of ours the commit, and of all the configuration, where only these tell two of `runs` apart.
fn label(run: &RunResult, runs: &[RunResult]) -> String {
    let driver = &run.driver;
    let like = |other: &&RunResult| {
        other.driver.name == driver.name && other.driver.version == driver.version
    };
    let mut label = format!("{} {}", driver.name, driver.version);
    let mut alike = runs.iter().filter(like);
    if driver.name == OURS && alike.clone().any(|other| other.build.commit != run.build.commit) {
        label = format!("{label} at {}", run.build.commit);
    }
    if alike.any(|other| other.driver.configuration != driver.configuration) {
        label = format!("{label} ({})", driver.configuration.join(", "));
    }
    label
}

/// A figure over the valid repetitions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Middle {
    /// The median of the runs.
    pub median: f64,
    /// The least of them.
    pub least: f64,
    /// The greatest of them.
    pub greatest: f64,
}

impl<'a> Series<'a> {
    /// Repetitions whose figures may be believed.
    pub fn valid(&self) -> impl Iterator<Item = &'a RunResult> {
        self.runs.iter().copied().filter(|run| run.validity.is_valid())
    }

    /// Those to show: the valid ones, or all if there is none.
    pub fn shown(&self) -> Vec<&'a RunResult> {
        let valid: Vec<&RunResult> = self.valid().collect();
        if valid.is_empty() { self.runs.clone() } else { valid }
    }

    /// Whether nothing in it may be believed.
    pub fn is_invalid(&self) -> bool {
        self.valid().next().is_none()
    }

    /// A figure over the runs that are shown.
    pub fn middle(&self, of: impl Fn(&RunResult) -> Option<f64>) -> Option<Middle> {
        let values: Vec<f64> = self.shown().into_iter().filter_map(of).collect();
        let (least, greatest) = (
            values.iter().copied().fold(f64::INFINITY, f64::min),
            values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        );
        median(&values).map(|median| Middle { median, least, greatest })
    }

    /// The run that stands for all: the one with the median of `journey`'s medians.
    pub fn middle_run(&self, journey: Journey) -> &'a RunResult {
        let figure = Figure::Quantile(journey, Quantile::P50);
        let mut runs = self.shown();
        let us = |run: &RunResult| figure.of(run).unwrap_or(0.0);
        runs.sort_by(|one, two| us(one).total_cmp(&us(two)));
        runs[(runs.len() - 1) / 2]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn one(runs: Vec<&RunResult>) -> Series<'_> {
        Series { label: "one".to_owned(), configuration: String::new(), colour: 0, runs }
    }

    fn series(run: &RunResult) -> Series<'_> {
        one(vec![run])
    }

    #[test]
    fn different_levels_are_refused_in_a_sentence() {
        let durable = sample::run("a", Level::Durable, 150);
        let memory = sample::run("a", Level::Memory, 20);
        let refused = Group::new(vec![series(&durable), series(&memory)]).expect_err("levels");
        let told = refused.to_string();
        assert!(told.contains("level durable (acknowledged after fdatasync)"), "{told}");
        assert!(told.contains("level memory"), "{told}");
        assert!(Group::new(vec![series(&durable), series(&durable)]).is_ok());
        assert_eq!(Group::new(Vec::new()).expect_err("none"), NotOneGroup::Nothing);
    }

    #[test]
    fn different_work_is_refused() {
        let run = sample::run("a", Level::Durable, 150);
        let mut larger = run.clone();
        larger.workload.message_bytes = 1024;
        let told = Group::new(vec![series(&run), series(&larger)]).expect_err("work").to_string();
        assert!(told.contains("256 B") && told.contains("1024 B"), "{told}");
        let mut faster = run.clone();
        faster.load.rate_asked = Some(1.0);
        assert!(Group::new(vec![series(&run), series(&faster)]).is_err());
        let mut longer = run.clone();
        longer.load.lasted_s = 600.0;
        assert!(Group::new(vec![series(&run), series(&longer)]).is_ok(), "only longer");
    }

    #[test]
    fn runs_are_sorted_by_work_level_and_driver_ours_first() {
        let mut peer = sample::run("a", Level::Durable, 300);
        peer.driver = sample::driver("nats-jetstream", Level::Durable);
        let ours = sample::run("a", Level::Durable, 150);
        let runs = [peer, ours.clone(), ours, sample::run("a", Level::Memory, 20)];
        let groups = groups(&runs);
        assert_eq!(groups.len(), 2);
        let told: Vec<(usize, usize)> =
            groups[0].series.iter().map(|series| (series.colour, series.runs.len())).collect();
        assert_eq!(told, [(0, 2), (1, 1)]);
        assert!(groups[0].series[0].label.starts_with("defibus"));
    }

    #[test]
    fn two_builds_of_ours_are_told_apart() {
        let old = sample::run("a", Level::Durable, 150);
        let mut new = old.clone();
        new.build.commit = "fedcba987654".to_owned();
        let runs = [old, new];
        let groups = groups(&runs);
        let labels: Vec<&str> =
            groups[0].series.iter().map(|series| series.label.as_str()).collect();
        assert_eq!(labels.len(), 2);
        assert_eq!(labels[1], "defibus 0.1.0 at fedcba987654");
    }

    #[test]
    fn two_configurations_are_told_apart() {
        let (one, mut other) =
            (sample::run("a", Level::Durable, 150), sample::run("a", Level::Durable, 100));
        other.driver.configuration = vec!["shards=2".to_owned()];
        let runs = [one, other];
        assert_eq!(labels(&runs)[1], "defibus 0.1.0 (shards=2)");
        assert_eq!(labels(&runs[..1]), ["defibus 0.1.0"]);
    }

    #[test]
    fn invalid_runs_count_only_if_there_is_nothing_else() {
        let good = sample::run("a", Level::Durable, 150);
        let mut bad = sample::run("a", Level::Durable, 900);
        bad.validity.doubt("the load fell behind");
        let both = one(vec![&bad, &good]);
        let p50 = |run: &RunResult| Figure::Quantile(Journey::PublishToAck, Quantile::P50).of(run);
        assert_eq!(both.middle(p50).map(|middle| middle.median), p50(&good));
        let alone = one(vec![&bad]);
        assert!(alone.is_invalid());
        assert_eq!(alone.middle(p50).map(|middle| middle.median), p50(&bad));
    }
}
