//! Figures: the block of figures in a page of the project, made from committed results and never typed.
//!
//! ```text
//!   <!-- figures: begin WORK | WORK -->    names of works; none: all of them
//!   ... a table and pictures ...
//!   <!-- figures: end -->
//! ```
//!
//! Of all results those of the newest run's commit and machine are told.

use crate::figure::{Figure, Quantile};
use crate::report::page::main_journey;
use crate::report::{Group, charts, groups, number};
use crate::result::{Journey, RunResult};
use std::fmt::Write;
use std::path::Path;

const BEGIN: &str = "<!-- figures: begin";
const BEGIN_END: &str = "-->\n";
const END: &str = "<!-- figures: end -->";

/// A page with its block filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filled {
    /// The page.
    pub text: String,
    /// Pictures it shows: where, from the page's folder, and what they are.
    pub pictures: Vec<(String, String)>,
}

/// Why a page cannot be filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotFilled {
    /// It has no block.
    NoBlock,
    /// Its block does not end.
    Open,
    /// It asks for a work that has no results.
    NoSuchWork(String),
}

impl std::fmt::Display for NotFilled {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoBlock => write!(formatter, "no block of figures: a line '{BEGIN} -->'"),
            Self::Open => write!(formatter, "the block of figures has no line '{END}'"),
            Self::NoSuchWork(name) => write!(formatter, "there are no results of work '{name}'"),
        }
    }
}

impl std::error::Error for NotFilled {}

/// Where the pictures of a page lie, from its folder: all pages share those of `docs`.
pub fn pictures_of(page: &Path) -> &'static str {
    let in_docs = page.parent().is_some_and(|folder| folder.ends_with("docs"));
    if in_docs { "figures" } else { "docs/figures" }
}

/// `page` with its block filled from the newest of `runs`; its pictures lie in `folder`, from the page's.
///
/// # Errors
/// It has no whole block, or asks for what there is not.
pub fn fill(page: &str, runs: &[RunResult], folder: &str) -> Result<Filled, NotFilled> {
    let begin = page.find(BEGIN).ok_or(NotFilled::NoBlock)?;
    let line = begin + BEGIN.len();
    let inside = line + page[line..].find(BEGIN_END).ok_or(NotFilled::Open)? + BEGIN_END.len();
    let end = inside + page[inside..].find(END).ok_or(NotFilled::Open)?;
    let asked = page[line..inside].trim_end_matches('\n').trim_end_matches("-->");
    let asked: Vec<&str> =
        asked.split('|').map(str::trim).filter(|name| !name.is_empty()).collect();
    let newest = newest(runs);
    let all = groups(&newest);
    let told = chosen(&all, &asked)?;
    let mut block = machine(&newest);
    block.push_str(&table(&told));
    let mut pictures = Vec::new();
    if !asked.is_empty() {
        for group in &told {
            let (words, picture) = picture(group, folder);
            block.push_str(&words);
            pictures.extend(picture);
        }
    }
    Ok(Filled { text: format!("{}{block}{}", &page[..inside], &page[end..]), pictures })
}

/// The groups of the works that were asked for; all, if none was.
fn chosen<'a>(all: &'a [Group<'a>], asked: &[&str]) -> Result<Vec<&'a Group<'a>>, NotFilled> {
    if asked.is_empty() {
        return Ok(all.iter().collect());
    }
    let mut told = Vec::new();
    for name in asked {
        let named = |group: &&Group<'_>| group.first.workload.name == *name;
        let before = told.len();
        told.extend(all.iter().filter(named));
        if told.len() == before {
            return Err(NotFilled::NoSuchWork((*name).to_owned()));
        }
    }
    Ok(told)
}

/// The runs of the commit and machine of the one that began last.
pub fn newest(runs: &[RunResult]) -> Vec<RunResult> {
    let Some(last) = runs.iter().max_by(|one, two| one.begun.cmp(&two.begun)) else {
        return Vec::new();
    };
    let same = |run: &&RunResult| {
        run.build.commit == last.build.commit && run.host.word() == last.host.word()
    };
    runs.iter().filter(same).cloned().collect()
}

/// One sentence: the machine, the commit, how many runs.
fn machine(runs: &[RunResult]) -> String {
    let Some(run) = runs.first() else { return String::new() };
    let host = &run.host;
    let guest = host
        .virtualisation
        .as_ref()
        .map_or_else(|| "bare metal".to_owned(), |kind| format!("a virtual machine ({kind})"));
    let disk = host.disk.filesystem.as_deref().unwrap_or("an unknown filesystem");
    let stolen = |run: &RunResult| run.host.steal_percent.unwrap_or(0.0);
    let steal = runs.iter().map(stolen).fold(0.0, f64::max);
    format!(
        "{} cores of {}, {guest}, Linux {}, {disk}; commit {}, profile {}; steal at most {steal:.1} % of a \
         run. Medians of the valid runs.\n\n",
        host.cores, host.cpu_model, host.kernel, run.build.commit, run.build.profile
    )
}

fn table(groups: &[&Group<'_>]) -> String {
    let mut text = String::from(
        "| work | level | load | bus | runs | throughput | latency | p50 | its spread | to the floor | p99 | to the floor |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for group in groups {
        for journey in shown_journeys(group) {
            for series in &group.series {
                let p50 = Figure::Quantile(journey, Quantile::P50);
                let p99 = Figure::Quantile(journey, Quantile::P99);
                let value = |figure: Figure| series.middle(|run| figure.of(run));
                let shown = |figure: Figure| {
                    value(figure)
                        .map_or_else(|| "-".to_owned(), |middle| figure.show(middle.median))
                };
                let spread = value(p50).map_or_else(
                    || "-".to_owned(),
                    |middle| format!("{} - {}", p50.show(middle.least), p50.show(middle.greatest)),
                );
                let to_floor = |figure: Figure| {
                    let ratio = series.middle(|run| figure.to_floor(run));
                    ratio.map_or_else(|| "-".to_owned(), |middle| number::ratio(middle.median))
                };
                let bad = if series.is_invalid() { "**INVALID** " } else { "" };
                let _ = writeln!(
                    text,
                    "| {bad}{} | `{}` | {} | {} | {} | {} | {} | {} | {spread} | {} | {} | {} |",
                    cell(&group.first.workload.name),
                    group.first.driver.level.name(),
                    cell(&group.first.load.describe()),
                    cell(&series.label),
                    series.valid().count(),
                    shown(Figure::Rate),
                    journey.title(),
                    shown(p50),
                    to_floor(p50),
                    shown(p99),
                    to_floor(p99),
                );
            }
        }
    }
    text
}

/// What a table of a page tells: everything but the load's own delay.
fn shown_journeys(group: &Group<'_>) -> Vec<Journey> {
    group.journeys().into_iter().filter(|journey| *journey != Journey::SendDelay).collect()
}

/// The curve of a group's main latency: its line in the page, and where and what it is.
fn picture(group: &Group<'_>, folder: &str) -> (String, Option<(String, String)>) {
    let journey = main_journey(group);
    let Some(drawing) = charts::percentiles(group, journey) else { return (String::new(), None) };
    let place = format!("{folder}/{}-{}.svg", group.word(), journey.name());
    let title = format!("{}: {}, by quantile", group.first.workload.name, journey.title());
    (format!("\n![{title}]({place})\n"), Some((place, drawing.standalone())))
}

/// Words that a table of Markdown does not break at.
fn cell(words: &str) -> String {
    words.replace('|', "\\|").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::Level;
    use crate::sample;

    const PAGE: &str = "# A\n<!-- figures: begin a -->\nold\n<!-- figures: end -->\nrest\n";

    #[test]
    fn a_block_is_filled_and_the_rest_is_left() {
        let runs = [sample::run("a", Level::Durable, 150), sample::run("b", Level::Memory, 10)];
        let filled = fill(PAGE, &runs, "figures").expect("filled");
        assert!(
            filled.text.starts_with("# A\n<!-- figures: begin a -->\n2 cores of AMD EPYC 9005")
        );
        assert!(filled.text.ends_with("<!-- figures: end -->\nrest\n"));
        assert!(
            filled.text.contains(
                "| a | `durable` | open loop, 2000/s asked, poisson | defibus 0.1.0 | 1 | 2000/s |"
            ),
            "{}",
            filled.text
        );
        assert!(!filled.text.contains("old") && !filled.text.contains("| b |"));
        let places: Vec<&str> = filled.pictures.iter().map(|(place, _)| place.as_str()).collect();
        assert_eq!(places, ["figures/a-durable-publish-to-ack.svg"]);
        let again = fill(&filled.text, &runs, "figures").expect("filled");
        assert_eq!(again, filled, "the same results fill the same block");
    }

    #[test]
    fn every_page_has_its_pictures_in_docs() {
        assert_eq!(pictures_of(Path::new("README.md")), "docs/figures");
        assert_eq!(pictures_of(Path::new("/house/docs/performance.md")), "figures");
    }

    #[test]
    fn other_results_fill_another_block() {
        let runs = [sample::run("a", Level::Durable, 150)];
        let others = [sample::run("a", Level::Durable, 170)];
        assert_ne!(fill(PAGE, &runs, "figures"), fill(PAGE, &others, "figures"));
    }

    #[test]
    fn only_the_newest_commit_is_told() {
        let old = sample::run("a", Level::Durable, 150);
        let mut new = sample::run("a", Level::Durable, 120);
        new.begun = "2026-12-01T00:00:00Z".to_owned();
        new.build.commit = "fedcba987654".to_owned();
        let filled = fill(PAGE, &[old, new.clone()], "figures").expect("filled");
        assert_eq!(filled, fill(PAGE, &[new], "figures").expect("filled"));
    }

    #[test]
    fn what_cannot_be_filled_is_told() {
        let runs = [sample::run("b", Level::Durable, 150)];
        assert_eq!(fill("# A\n", &runs, "figures"), Err(NotFilled::NoBlock));
        assert_eq!(fill("<!-- figures: begin -->\n", &runs, "figures"), Err(NotFilled::Open));
        assert_eq!(fill(PAGE, &runs, "figures"), Err(NotFilled::NoSuchWork("a".to_owned())));
        assert!(NotFilled::NoBlock.to_string().contains("figures: begin"));
    }
}
