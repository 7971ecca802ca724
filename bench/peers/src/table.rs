//! Table: the figures of a run, a block for each work at each level: levels never share a column.

use bench::RunResult;
use bench::figure::{Figure, Quantile};
use bench::report::{Group, groups};
use bench::result::Journey;

/// The columns after bus and journey.
const HEAD: [&str; 7] = ["bus", "from-to", "p50", "p99", "per s", "CPU/msg", "valid"];

/// Everything that was measured, as text.
pub(crate) fn text(results: &[RunResult]) -> String {
    groups(results).iter().map(block).collect()
}

fn block(group: &Group<'_>) -> String {
    let first = group.first;
    let title = format!(
        "\n{}, level {} ({}), {}\n",
        first.workload.name,
        first.driver.level.name(),
        first.driver.level.meaning(),
        first.load.describe()
    );
    let mut rows = vec![HEAD.map(str::to_owned)];
    let journeys = group.journeys();
    let told = journeys.iter().filter(|journey| **journey != Journey::SendDelay);
    for journey in told {
        rows.extend(group.series.iter().map(|series| {
            let show = |figure: Figure| {
                let middle = series.middle(|run| figure.of(run));
                middle.map_or_else(|| "-".to_owned(), |middle| figure.show(middle.median))
            };
            let valid = format!("{} of {}", series.valid().count(), series.runs.len());
            [
                series.label.clone(),
                journey.name().to_owned(),
                show(Figure::Quantile(*journey, Quantile::P50)),
                show(Figure::Quantile(*journey, Quantile::P99)),
                show(Figure::Rate),
                show(Figure::ServerCpu),
                valid,
            ]
        }));
    }
    title + &aligned(&rows) + &doubts(group)
}

fn aligned(rows: &[[String; HEAD.len()]]) -> String {
    let width = |column: usize| {
        rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()
    };
    let line = |row: &[String; HEAD.len()]| {
        let cells = row.iter().enumerate();
        let cells = cells.map(|(column, cell)| format!("{cell:width$}", width = width(column)));
        format!("  {}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

/// Why runs are not valid, once each.
fn doubts(group: &Group<'_>) -> String {
    let mut lines: Vec<String> = Vec::new();
    for series in &group.series {
        for reason in series.runs.iter().flat_map(|run| run.validity.reasons()) {
            let line = format!("  INVALID {}: {reason}\n", series.label);
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
    }
    lines.concat()
}
