//! Page: the whole report as one HTML file that needs nothing else: no script, no font, no address.

use super::charts::charts;
use super::group::{Group, Series, groups};
use super::html::{Cell, Html};
use super::svg::{self, escape};
use super::tables;
use crate::figure::{Figure, Quantile};
use crate::host::{Build, Host};
use crate::result::{Journey, RunResult};

const STYLE: &str = include_str!("page.css");

/// The report of `runs`.
pub fn page(runs: &[RunResult]) -> String {
    let groups = groups(runs);
    let mut body = Html::default();
    body.element("header", "", |html| head(html, runs));
    body.element("main", "", |html| {
        invalid_banner(html, runs);
        html.element("section", "", |html| {
            html.words("h2", "", "Summary");
            summary(html, &groups);
        });
        html.element("section", "", |html| machines(html, runs));
        for (number, group) in groups.iter().enumerate() {
            html.raw(&format!("<section id=\"g{number}\">\n"));
            section(html, group);
            html.raw("</section>\n");
        }
        html.element("section", "", how_to_read);
    });
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <meta name=\"color-scheme\" content=\"light dark\"/>\n\
         <title>DeFiBus benchmark</title>\n<style>\n{}{STYLE}</style>\n</head>\n<body>\n{}</body>\n</html>\n",
        svg::STYLE,
        body.into_text()
    )
}

fn head(html: &mut Html, runs: &[RunResult]) {
    html.words("h1", "", "DeFiBus benchmark");
    let distinct = |of: &dyn Fn(&RunResult) -> String| {
        let mut all: Vec<String> = runs.iter().map(of).collect();
        all.sort();
        all.dedup();
        all
    };
    let begun = distinct(&|run| to_the_second(&run.begun));
    let span = match (begun.first(), begun.last()) {
        (Some(first), Some(last)) if first != last => format!("{first} to {last}"),
        (first, _) => first.cloned().unwrap_or_default(),
    };
    let commits = distinct(&|run| build_words(&run.build));
    let invalid = runs.iter().filter(|run| !run.validity.is_valid()).count();
    let invalid = if invalid == 0 { String::new() } else { format!(", {invalid} INVALID") };
    html.words("p", "lead", &format!("{} runs{invalid} · {span}", runs.len()));
    html.words("p", "lead", &commits.join(" · "));
}

/// A stamp without its fraction of a second.
fn to_the_second(stamp: &str) -> String {
    match stamp.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => stamp.to_owned(),
    }
}

fn build_words(build: &Build) -> String {
    format!("defibus {} at {}, profile {}", build.version, build.commit, build.profile)
}

fn invalid_banner(html: &mut Html, runs: &[RunResult]) {
    let invalid: Vec<&RunResult> = runs.iter().filter(|run| !run.validity.is_valid()).collect();
    if invalid.is_empty() {
        return;
    }
    html.element("div", "alarm", |html| {
        let told = format!("{} of {} runs are INVALID", invalid.len(), runs.len());
        html.words("strong", "", &told);
        html.words("p", "", "Their figures are not in any median, and nothing follows from them.");
        html.element("ul", "", |html| {
            for run in invalid {
                let reasons = run.validity.reasons().join("; ");
                html.words("li", "", &format!("{}: {reasons}", run.file_stem()));
            }
        });
    });
}

/// One line for each driver of each group.
fn summary(html: &mut Html, groups: &[Group<'_>]) {
    let titles = ["work", "level", "bus", "throughput", "latency of", "p50", "p99", "p99.9"];
    let titles = titles.map(str::to_owned);
    let mut rows = Vec::new();
    for (number, group) in groups.iter().enumerate() {
        let journey = main_journey(group);
        for series in &group.series {
            let bad = if series.is_invalid() { "bad" } else { "" };
            let of = |figure: Figure| {
                let told = series.middle(|run| figure.of(run));
                let ratio = series.middle(|run| figure.to_floor(run));
                let ratio = ratio.filter(|_| figure != Figure::Rate);
                let beside =
                    ratio.map_or_else(String::new, |ratio| figure.show_to_floor(ratio.median));
                let told = told.map_or_else(|| "–".to_owned(), |told| figure.show(told.median));
                let class = if bad.is_empty() { "number" } else { "number bad" };
                Cell::number(told, beside).class(class)
            };
            let label = if bad.is_empty() {
                series.label.clone()
            } else {
                format!("INVALID: {}", series.label)
            };
            let mut row = vec![
                Cell::link(group.first.workload.name.clone(), format!("g{number}")),
                Cell::of(group.first.driver.level.name()),
                Cell::of(label).class(bad),
                of(Figure::Rate),
                Cell::of(journey.title()),
            ];
            let quantiles = [Quantile::P50, Quantile::P99, Quantile::P999];
            row.extend(quantiles.map(|quantile| of(Figure::Quantile(journey, quantile))));
            rows.push(row);
        }
    }
    html.table(&titles, &rows);
}

/// The first journey that was measured.
pub fn main_journey(group: &Group<'_>) -> Journey {
    group.journeys().first().copied().unwrap_or(Journey::PublishToAck)
}

fn machines(html: &mut Html, runs: &[RunResult]) {
    let mut hosts: Vec<Vec<&Host>> = Vec::new();
    for run in runs {
        match hosts.iter_mut().find(|like| like[0].is_like(&run.host)) {
            Some(like) => like.push(&run.host),
            None => hosts.push(vec![&run.host]),
        }
    }
    html.words("h2", "", if hosts.len() == 1 { "Machine" } else { "Machines" });
    if hosts.len() > 1 {
        let told = "These runs are of different machines: their figures are not compared.";
        html.words("p", "bad", told);
    }
    for like in hosts {
        if let Some(kind) = &like[0].virtualisation {
            let told = format!(
                "A virtual machine ({kind}): its neighbours and its hypervisor are in every figure. \
                 Take ratios to the floor from here, not absolute times."
            );
            html.words("p", "note", &told);
        }
        html.element("dl", "facts", |html| {
            for (name, value) in tables::host_facts(&like) {
                html.words("dt", "", name);
                html.words("dd", "", &value);
            }
            html.words("dt", "", "runs");
            html.words("dd", "", &like.len().to_string());
        });
    }
}

fn section(html: &mut Html, group: &Group<'_>) {
    let run = group.first;
    html.element("h2", "", |html| {
        html.raw(&escape(&run.workload.name));
        html.words("span", "level", &format!("level {}", run.driver.level.name()));
    });
    let level = run.driver.level.meaning();
    html.words("p", "note", &format!("{}; {level}", run.load.describe()));
    html.words("p", "note", &run.workload.describe());
    for series in &group.series {
        observed(html, series);
        for run in series.runs.iter().filter(|run| !run.validity.is_valid()) {
            let reasons = run.validity.reasons().join("; ");
            let told = format!("INVALID: run {} of {}: {reasons}", run.repetition, series.label);
            html.words("p", "bad", &told);
        }
    }
    for journey in group.journeys() {
        tables::latencies(html, group, journey);
    }
    tables::costs(html, group);
    html.element("div", "charts", |html| {
        for chart in charts(group) {
            html.element("figure", "", |html| html.raw(&chart.drawing.inline()));
        }
    });
}

/// What was seen of each run alone.
fn observed(html: &mut Html, series: &Series<'_>) {
    let words = |run: &&RunResult| {
        let seen = run.observed.iter().map(|(name, value)| format!("{name} {value}"));
        (!run.observed.is_empty()).then(|| seen.collect::<Vec<_>>().join(", "))
    };
    let runs: Vec<String> = series.runs.iter().filter_map(words).collect();
    if !runs.is_empty() {
        html.words("p", "note", &format!("{}, run by run: {}", series.label, runs.join("; ")));
    }
}

fn how_to_read(html: &mut Html) {
    html.words("h2", "", "How to read this");
    html.element("ul", "", |html| {
        for line in [
            "Latencies count from the moment the load intended to send, not from when it got to: a bus \
             that stalls cannot make its own stall invisible. What the load itself was late by is the \
             scheduling delay, and a run whose load fell behind is called invalid. In a closed loop, \
             which says so, the next send waits for an answer.",
            "A quantile is told only with at least 100 samples beyond it; a dash means too few. A figure \
             is the median of its valid runs; below it stand its ratio to the floor of the same run and \
             the least and greatest of the runs.",
            "A floor is what the same machine took in the same run with nothing of a bus: one message \
             over loopback and back, one block written and synced. Floors of one journey add up. Ratios \
             travel to other machines, absolute times do not.",
            "A level says what an acknowledged message survives. Figures of different levels never stand \
             in one table.",
        ] {
            html.words("li", "", line);
        }
    });
}
