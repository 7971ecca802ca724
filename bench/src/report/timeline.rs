//! Timeline: what a run did second by second: latencies, throughput, backlog.

use super::axis::{Axis, plain};
use super::group::{Group, Series};
use super::number;
use super::plot::{Curve, Plot, Stroke};
use super::svg::{Drawing, Point};
use crate::result::series::joined;
use crate::result::{Interval, Journey, RunResult};

/// Lengths a point of a latency curve may stand for, in seconds.
const WINDOWS_S: [f64; 6] = [1.0, 2.0, 5.0, 10.0, 30.0, 60.0];
/// Points a curve should have at least.
const POINTS_MIN: usize = 6;
/// Room above the highest point.
const HEADROOM: f64 = 1.05;
/// Samples that let a p99 be told.
const SAMPLES_FOR_P99: u64 = 10_000;

/// Latencies of the run that stands for `series`, over time.
pub fn latency(_: &Group<'_>, series: &Series<'_>, journey: Journey) -> Option<Drawing> {
    let run = series.middle_run(journey);
    let (windows, length_s) = windows(run, journey);
    let curve = |label: &str, number: usize, us: &dyn Fn(&crate::Spans) -> Option<f64>| {
        let point = |window: &Interval| {
            let spans = window.spans(journey)?;
            Some((middle_s(window), us(&spans)?))
        };
        let points: Vec<Point> = windows.iter().filter_map(point).collect();
        // Several curves of one run: the subtitle says that it is invalid, colours tell them apart.
        let stroke = if run.validity.is_valid() { Stroke::Solid } else { Stroke::Dashed };
        Curve { label: label.to_owned(), colour: number, stroke, points }
    };
    let mut curves = vec![
        curve("max", 1, &|spans| (spans.count() > 0).then(|| spans.max_us())),
        curve("p99.9", 4, &|spans| spans.quantile_us(0.999)),
        curve("p99", 3, &|spans| spans.quantile_us(0.99)),
        curve("p90", 2, &|spans| spans.quantile_us(0.9)),
        curve("p50", 0, &|spans| spans.quantile_us(0.5)),
    ];
    curves.retain(|curve| curve.points.len() > 1);
    let values: Vec<f64> =
        curves.iter().flat_map(|curve| curve.points.iter().map(|(_, us)| *us)).collect();
    if values.is_empty() {
        return None;
    }
    let title = format!("{}, over time", journey.title());
    let subtitle = if run.validity.is_valid() {
        series.label.clone()
    } else {
        format!("INVALID: {}", series.label)
    };
    let label = format!("time since the begin (s), a point for {length_s:.0} s");
    let x = Axis::until(&label, end_s(&windows), plain);
    let y = Axis::logarithmic("latency", &values, number::short_span);
    Some(Plot { title, subtitle, x, y, curves }.draw())
}

/// The intervals, joined until a p99 can be told of each; but never to fewer than a few.
fn windows(run: &RunResult, journey: Journey) -> (Vec<Interval>, f64) {
    let shortest = run.intervals.first().map_or(1.0, |interval| interval.length_s);
    for length_s in WINDOWS_S.into_iter().filter(|length_s| *length_s >= shortest) {
        let windows = joined(&run.intervals, length_s);
        if windows.len() < POINTS_MIN {
            break;
        }
        let count = |window: &Interval| window.spans(journey).map_or(0, |spans| spans.count());
        if windows.iter().map(count).max().unwrap_or(0) >= SAMPLES_FOR_P99 {
            return (windows, length_s);
        }
    }
    (run.intervals.clone(), shortest)
}

/// Messages a second, over time; of each series the run that stands for it.
pub fn throughput(group: &Group<'_>) -> Option<Drawing> {
    let mut curves = Vec::new();
    for series in &group.series {
        let run = middle_run(group, series);
        let of = |label: String, stroke: Stroke, count: fn(&Interval) -> u64| {
            let point = |interval: &Interval| (middle_s(interval), interval.rate(count(interval)));
            let points: Vec<Point> = run.intervals.iter().map(point).collect();
            Curve { label, colour: series.colour, stroke, points }
        };
        let valid = run.validity.is_valid();
        let solid = if valid { Stroke::Solid } else { Stroke::Invalid };
        curves.push(of(format!("{}: completed", series.label), solid, |at| at.completed));
        if run.counts.delivered > 0 {
            let label = format!("{}: delivered", series.label);
            curves.push(of(label, Stroke::Dashed, |at| at.delivered));
        }
    }
    over_time("Throughput over time", "messages/s", curves)
}

/// What was accepted and not yet delivered, over time, if it ever was much.
pub fn backlog(group: &Group<'_>) -> Option<Drawing> {
    let curve = |series: &Series<'_>| {
        let run = middle_run(group, series);
        let point = |at: &Interval| (at.begin_s + at.length_s, crate::spans::as_f64(at.backlog));
        let points: Vec<Point> = run.intervals.iter().map(point).collect();
        Curve { label: series.label.clone(), colour: series.colour, stroke: Stroke::Solid, points }
    };
    let curves: Vec<Curve> = group.series.iter().map(curve).collect();
    let much = curves.iter().any(|curve| curve.points.iter().any(|(_, count)| *count > 0.0));
    much.then(|| over_time("Backlog over time", "messages accepted, not delivered", curves))?
}

fn over_time(title: &str, label: &str, mut curves: Vec<Curve>) -> Option<Drawing> {
    curves.retain(|curve| curve.points.len() > 1);
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let top = points().map(|(_, value)| *value).fold(0.0, f64::max);
    let end = points().map(|(time_s, _)| *time_s).fold(0.0, f64::max);
    if top <= 0.0 {
        return None;
    }
    let x = Axis::until("time since the begin (s)", end, plain);
    let y = Axis::linear(label, top * HEADROOM, plain);
    let (title, subtitle) = (title.to_owned(), String::new());
    Some(Plot { title, subtitle, x, y, curves }.draw())
}

fn middle_run<'a>(group: &Group<'_>, series: &Series<'a>) -> &'a RunResult {
    series.middle_run(group.journeys().first().copied().unwrap_or(Journey::PublishToAck))
}

fn middle_s(interval: &Interval) -> f64 {
    interval.begin_s + interval.length_s / 2.0
}

fn end_s(windows: &[Interval]) -> f64 {
    windows.last().map_or(1.0, |last| last.begin_s + last.length_s)
}
