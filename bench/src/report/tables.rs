//! Tables: the figures of a group, each beside its floor and its spread; and the facts of the machines.

use super::group::{Group, Series};
use super::html::{Cell, Html};
use super::number;
use crate::figure::{Figure, Quantile};
use crate::host::Host;
use crate::result::{Journey, RunResult};

/// Latencies of one journey, a line for each driver, and the floors below.
pub fn latencies(html: &mut Html, group: &Group<'_>, journey: Journey) {
    let figures: Vec<Figure> = Quantile::ALL
        .into_iter()
        .map(|quantile| Figure::Quantile(journey, quantile))
        .chain([Figure::Longest(journey)])
        .collect();
    let mut titles = vec![journey.title().to_owned(), "runs".to_owned()];
    titles.extend(Quantile::ALL.map(|quantile| quantile.name().to_owned()));
    titles.push("max".to_owned());
    let measured = |series: &&Series<'_>| {
        series.runs.iter().any(|run| run.latencies.get(&journey).is_some_and(|all| all.count() > 0))
    };
    let mut rows: Vec<Vec<Cell>> =
        group.series.iter().filter(measured).map(|series| series_row(series, &figures)).collect();
    rows.extend(floor_rows(group, journey));
    html.table(&titles, &rows);
}

/// Throughput and what a message costs, a line for each driver.
pub fn costs(html: &mut Html, group: &Group<'_>) {
    let figures = [
        ("throughput", Figure::Rate),
        ("bus CPU / message", Figure::ServerCpu),
        ("load CPU / message", Figure::ClientCpu),
        ("publishes / fdatasync", Figure::PublishesPerFdatasync),
        ("messages / fdatasync", Figure::MessagesPerFdatasync),
    ];
    let told: Vec<(&str, Figure)> = figures
        .into_iter()
        .filter(|(_, figure)| {
            group.series.iter().any(|series| series.middle(|run| figure.of(run)).is_some())
        })
        .collect();
    let mut titles = vec!["throughput and cost".to_owned(), "runs".to_owned()];
    titles.extend(told.iter().map(|(title, _)| (*title).to_owned()));
    titles.push("failed".to_owned());
    titles.push("lost, doubled, disordered".to_owned());
    let figures: Vec<Figure> = told.iter().map(|(_, figure)| *figure).collect();
    let mut rows = Vec::new();
    for series in &group.series {
        let mut row = series_row(series, &figures);
        let sum = |of: fn(&RunResult) -> u64| series.runs.iter().map(|run| of(run)).sum::<u64>();
        let failed = sum(|run| run.counts.failed);
        row.push(Cell::number(number::count(failed), ""));
        let [lost, doubled, disordered] = [
            sum(|run| run.counts.lost),
            sum(|run| run.counts.doubled),
            sum(|run| run.counts.disordered),
        ];
        let clean = lost == 0 && doubled == 0 && disordered == 0;
        let cell = Cell::number(format!("{lost}, {doubled}, {disordered}"), "");
        row.push(if clean { cell } else { cell.class("number bad") });
        rows.push(row);
    }
    rows.extend(rate_floor_rows(group, titles.len()));
    html.table(&titles, &rows);
}

/// Label, runs, then each figure: the median of the runs, its ratio to the floor, and its spread.
fn series_row(series: &Series<'_>, figures: &[Figure]) -> Vec<Cell> {
    let (valid, all) = (series.valid().count(), series.runs.len());
    let runs = if valid == all { all.to_string() } else { format!("{valid} valid of {all}") };
    let bad = series.is_invalid();
    let label = if bad { format!("INVALID: {}", series.label) } else { series.label.clone() };
    let label = Cell { beside: series.configuration.clone(), ..Cell::of(label) };
    let mut row = vec![label.class(if bad { "bad" } else { "" }), Cell::number(runs, "")];
    row.extend(figures.iter().map(|figure| {
        let cell = figure_cell(series, *figure);
        if bad { cell.class("number bad") } else { cell }
    }));
    row
}

fn figure_cell(series: &Series<'_>, figure: Figure) -> Cell {
    let Some(middle) = series.middle(|run| figure.of(run)) else { return Cell::number("–", "") };
    let mut beside = Vec::new();
    if let Some(ratio) = series.middle(|run| figure.to_floor(run)) {
        beside.push(figure.show_to_floor(ratio.median));
    }
    if series.shown().len() > 1 {
        let (least, greatest) = (figure.show(middle.least), figure.show(middle.greatest));
        if least != greatest {
            beside.push(format!("{least} – {greatest}"));
        }
    }
    Cell::number(figure.show(middle.median), beside.join("\n"))
}

/// What the machine itself took in the run that stands for the first series.
fn floor_rows(group: &Group<'_>, journey: Journey) -> Vec<Vec<Cell>> {
    let Some(series) = group.series.first() else { return Vec::new() };
    let floors = &series.middle_run(journey).floors;
    let parts = floors.latencies.iter().filter(|floor| floor.bounds == journey);
    let row = |floor: &crate::result::LatencyFloor| {
        let mut row = vec![
            Cell::of(format!("floor: {} ({})", floor.name, floor.setting)).class("floor"),
            Cell::number("", ""),
        ];
        for quantile in Quantile::ALL {
            let us = floor.spans.quantile_us(quantile.share());
            let told = us.map_or_else(|| "–".to_owned(), number::span);
            row.push(Cell::number(told, "").class("number floor"));
        }
        row.push(Cell::number(number::span(floor.spans.max_us()), "").class("number floor"));
        row
    };
    parts.map(row).collect()
}

fn rate_floor_rows(group: &Group<'_>, columns: usize) -> Vec<Vec<Cell>> {
    let floors = &group.first.floors.rates;
    let row = |floor: &crate::result::RateFloor| {
        let label = format!("floor: {} ({})", floor.name, floor.setting);
        let rate = number::rate(floor.per_second);
        let mut row = vec![
            Cell::of(label).class("floor"),
            Cell::number("", ""),
            Cell::number(rate, "").class("number floor"),
        ];
        row.resize(columns, Cell::default());
        row
    };
    floors.iter().map(row).collect()
}

/// The facts of one machine, name by name; what is not known is left out. What happened beside the runs
/// is told of the worst of them.
pub fn host_facts(hosts: &[&Host]) -> Vec<(&'static str, String)> {
    let Some(host) = hosts.first() else { return Vec::new() };
    let most = |of: fn(&Host) -> Option<f64>| {
        hosts.iter().filter_map(|host| of(host)).max_by(f64::total_cmp)
    };
    let disk = &host.disk;
    let words = [&disk.device, &disk.filesystem, &disk.mount_options];
    let disk_told: Vec<&str> = words.into_iter().flatten().map(String::as_str).collect();
    let cache = disk.write_cache.as_ref().map(|kind| format!("{kind} cache"));
    let memory = host.memory_bytes.map(|bytes| format!("{} GiB", bytes >> 30));
    let steal = most(|host| host.steal_percent).map(|percent| format!("{percent:.2} % of a run"));
    let load = most(|host| host.load_average_before).map(|load| format!("{load:.2} before a run"));
    let isolated = host
        .isolated_cores
        .clone()
        .map(|cores| if cores.is_empty() { "none".to_owned() } else { cores });
    let smt = host.shares_cores.map(|yes| if yes { "on" } else { "off" }.to_owned());
    let virtualisation = host.virtualisation.clone().unwrap_or_else(|| "none seen".to_owned());
    let facts = [
        ("processor", Some(host.cpu_model.clone())),
        ("cores", Some(host.cores.to_string())),
        ("SMT", smt),
        ("governor", host.governor.clone()),
        ("isolated cores", isolated),
        ("virtualisation", Some(virtualisation)),
        ("steal, at most", steal),
        ("load, at most", load),
        ("memory", memory),
        ("kernel", Some(host.kernel.clone())),
        ("system", host.system.clone()),
        ("clock", host.clocksource.clone()),
        ("disk", (!disk_told.is_empty()).then(|| disk_told.join(", "))),
        ("write cache", cache),
    ];
    facts.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}
