//! Charts: which pictures a group of runs has.

use super::axis::{Axis, plain};
use super::bars::{Bars, Row};
use super::group::{Group, Series};
use super::number;
use super::plot::{Curve, Plot, Stroke};
use super::svg::Drawing;
use crate::figure::Figure;
use crate::result::{Journey, Stage};

/// A picture and the word for it in names of files.
#[derive(Clone, Debug)]
pub struct Chart {
    /// `publish-to-ack-percentiles`.
    pub word: String,
    /// The picture.
    pub drawing: Drawing,
}

/// Where every curve ends, as 1 / (1 - quantile): 99.9999 %.
const INVERSE_MAX: f64 = 1e6;
/// Points of a curve in each tenfold of what is left to 100 %.
const POINTS_PER_TENFOLD: f64 = 24.0;

/// All pictures of a group; those that would be empty are left out.
pub fn charts(group: &Group<'_>) -> Vec<Chart> {
    let journeys = group.journeys();
    let mut charts = Vec::new();
    for journey in journeys.iter().copied().filter(|journey| *journey != Journey::SendDelay) {
        add(&mut charts, &format!("{}-percentiles", journey.name()), percentiles(group, journey));
        for series in &group.series {
            let word = format!("{}-over-time-{}", journey.name(), series.colour);
            add(&mut charts, &word, super::timeline::latency(group, series, journey));
        }
    }
    add(&mut charts, "throughput-over-time", super::timeline::throughput(group));
    add(&mut charts, "backlog-over-time", super::timeline::backlog(group));
    add(&mut charts, "cpu", cpu(group));
    add(&mut charts, "fdatasync", fdatasync(group));
    for series in &group.series {
        add(&mut charts, &format!("stages-{}", series.colour), stages(group, series));
    }
    charts
}

fn add(charts: &mut Vec<Chart>, word: &str, drawing: Option<Drawing>) {
    charts.extend(drawing.map(|drawing| Chart { word: word.to_owned(), drawing }));
}

/// Latency over quantiles: the run that stands for each series, its repetitions behind it, and its floor.
pub fn percentiles(group: &Group<'_>, journey: Journey) -> Option<Drawing> {
    let mut curves = Vec::new();
    for series in &group.series {
        let middle = series.middle_run(journey);
        for run in &series.runs {
            let told = std::ptr::eq(*run, middle);
            let stroke = match (run.validity.is_valid(), told) {
                (false, _) => Stroke::Invalid,
                (true, true) => Stroke::Solid,
                (true, false) => Stroke::Thin,
            };
            let label = match (told, stroke) {
                (true, Stroke::Invalid) => format!("INVALID: {}", series.label),
                (true, _) => series.label.clone(),
                (false, _) => String::new(),
            };
            let spans = run.latencies.get(&journey);
            let points = quantile_points(|share| spans?.quantile_us(share));
            curves.push(Curve { label, colour: series.colour, stroke, points });
        }
    }
    curves.extend(floor_curve(group, journey));
    curves.retain(|curve| curve.points.len() > 1);
    let values = || curves.iter().flat_map(|curve| &curve.points);
    let latencies: Vec<f64> = values().map(|(_, us)| *us).collect();
    let farthest = values().map(|(inverse, _)| *inverse).fold(0.0, f64::max);
    if latencies.is_empty() {
        return None;
    }
    let title = format!("{}, by quantile", journey.title());
    let x = Axis::quantiles("share of messages at most so late", 1.0 - 1.0 / farthest.max(2.0));
    let y = Axis::logarithmic("latency", &latencies, number::short_span);
    curves.sort_by_key(|curve| curve.stroke == Stroke::Solid);
    let subtitle = String::new();
    Some(Plot { title, subtitle, x, y, curves }.draw())
}

/// `(1 / (1 - quantile), microseconds)` as far as `us` tells.
fn quantile_points(us: impl Fn(f64) -> Option<f64>) -> Vec<(f64, f64)> {
    let factor = 10_f64.powf(1.0 / POINTS_PER_TENFOLD);
    let inverses = std::iter::successors(Some(1.0), |inverse| Some(inverse * factor));
    inverses
        .take_while(|inverse| *inverse <= INVERSE_MAX)
        .map_while(|inverse| Some((inverse, us(1.0 - 1.0 / inverse)?)))
        .filter(|(_, us)| *us > 0.0)
        .collect()
}

/// The floor of the run that stands for the first series.
fn floor_curve(group: &Group<'_>, journey: Journey) -> Option<Curve> {
    let run = group.series.first()?.middle_run(journey);
    let name = run.floors.name(journey)?;
    let points = quantile_points(|share| run.floors.quantile_us(journey, share));
    Some(Curve { label: format!("floor: {name}"), colour: 0, stroke: Stroke::Floor, points })
}

/// CPU time a message, of the bus and of the load.
fn cpu(group: &Group<'_>) -> Option<Drawing> {
    let mut rows = Vec::new();
    for series in &group.series {
        let of = |figure: Figure| series.middle(|run| figure.of(run)).map(|middle| middle.median);
        let (server, client) = (of(Figure::ServerCpu), of(Figure::ClientCpu));
        let part = |who: &str, us: f64| (us, format!("{who}: {}", number::span(us)));
        let mut parts = Vec::new();
        parts.extend(server.map(|us| part("bus", us)));
        parts.extend(client.map(|us| part("load", us)));
        let told: Vec<String> = parts.iter().map(|(us, _)| number::span(*us)).collect();
        let spins = series.shown().iter().any(|run| run.cpu.server_spins);
        let note = if spins { " (spins: its time is the time that passed)" } else { "" };
        let label = format!("{}{note}", series.label);
        rows.push(Row { label, colour: series.colour, parts, told: told.join(" + ") });
    }
    bars("CPU a message: bus (dark) and load (light)", "CPU time (µs a message)", rows)
}

/// Messages that shared one fdatasync.
fn fdatasync(group: &Group<'_>) -> Option<Drawing> {
    let mut rows = Vec::new();
    for series in &group.series {
        let figure = Figure::PublishesPerFdatasync;
        let Some(middle) = series.middle(|run| figure.of(run)) else { continue };
        let told = figure.show(middle.median);
        let parts = vec![(middle.median, told.clone())];
        rows.push(Row { label: series.label.clone(), colour: series.colour, parts, told });
    }
    bars("Batches that shared one fdatasync", "publishes per fdatasync, mean", rows)
}

/// Where the time went inside the node: half of the messages, and all but one in a hundred.
fn stages(_: &Group<'_>, series: &Series<'_>) -> Option<Drawing> {
    let run = series.shown().into_iter().find(|run| !run.stages.is_empty())?;
    let row = |stage: &Stage| {
        let p50 = stage.spans.quantile_us(0.5)?;
        let p99 = stage.spans.quantile_us(0.99);
        let mut parts = vec![(p50, format!("p50 {}", number::span(p50)))];
        parts.extend(p99.map(|p99| (p99 - p50, format!("p99 {}", number::span(p99)))));
        let told = p99.map_or_else(String::new, |p99| format!(" / {}", number::span(p99)));
        let told = format!("{}{told}", number::span(p50));
        Some(Row { label: stage.name.clone(), colour: series.colour, parts, told })
    };
    let rows = run.stages.iter().filter_map(row).collect();
    let title = format!("Where the time went in {}: p50 (dark) to p99", series.label);
    bars(&title, "time in the stage (µs)", rows)
}

/// Bars of rows, if any has a length.
fn bars(title: &str, label: &str, rows: Vec<Row>) -> Option<Drawing> {
    let length = |row: &Row| row.parts.iter().map(|(part, _)| part).sum::<f64>();
    let longest = rows.iter().map(length).fold(0.0, f64::max);
    let x = Axis::linear(label, longest, plain);
    (longest > 0.0).then(|| Bars { title: title.to_owned(), x, rows }.draw())
}
