//! stats: counters and stage latencies of the node, shard by shard.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::globals::Globals;
use crate::output::{Printer, Report, Row, fields, table};
use clap::Args;
use client::ShardStats;
use client::catalog::{Stage, Stat};
use serde::Serialize;
use wire::ShardId;

/// Options of `stats`.
#[derive(Clone, Debug, Args)]
pub struct Stats {
    /// Only this shard
    #[arg(long, value_name = "N")]
    pub shard: Option<u16>,
}

/// One number as it is printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct StatRow {
    shard: u16,
    name: String,
    label: String,
    kind: &'static str,
    value: u64,
}

/// One latency as it is printed; quantiles are the upper ends of buckets in powers of two.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct StageRow {
    shard: u16,
    name: String,
    label: String,
    count: u64,
    mean_us: f64,
    p50_us: Option<f64>,
    p99_us: Option<f64>,
    max_us: f64,
}

/// What the node says of itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct NodeReport {
    node: String,
    id: String,
    shards: u16,
    uptime_ms: u64,
    counters: Vec<StatRow>,
    stages: Vec<StageRow>,
}

impl Stats {
    /// Does it.
    ///
    /// # Errors
    /// There is no node, or it refuses.
    pub fn run(&self, globals: &Globals, printer: &mut Printer<'_>) -> Result<Exit, Failure> {
        let client = globals.connect()?;
        let node = client.node();
        let mut report = NodeReport {
            node: node.name.clone(),
            id: format!("{:032x}", node.id),
            shards: node.shard_count,
            uptime_ms: 0,
            counters: Vec::new(),
            stages: Vec::new(),
        };
        let asked = self.shard.map_or(0..node.shard_count, |shard| shard..shard.saturating_add(1));
        for shard in asked {
            report.add(&client.admin().stats(ShardId(shard))?);
        }
        printer.report(&report)?;
        globals.close(client);
        Ok(Exit::Done)
    }
}

impl NodeReport {
    fn add(&mut self, stats: &ShardStats) {
        let shard = stats.shard.0;
        self.uptime_ms = self.uptime_ms.max(stats.uptime_ms);
        self.counters.extend(stats.stats.iter().map(|stat| StatRow::of(shard, stat)));
        self.stages.extend(stats.stages.iter().map(|stage| StageRow::of(shard, stage)));
    }
}

impl StatRow {
    fn of(shard: u16, stat: &Stat) -> Self {
        Self {
            shard,
            name: stat.name.clone(),
            label: stat.label.clone(),
            kind: if stat.gauge { "gauge" } else { "counter" },
            value: stat.value,
        }
    }
}

impl StageRow {
    fn of(shard: u16, stage: &Stage) -> Self {
        let mean_ns = stage.sum_ns.checked_div(stage.count).unwrap_or(0);
        Self {
            shard,
            name: stage.name.clone(),
            label: stage.label.clone(),
            count: stage.count,
            mean_us: micros_of(mean_ns),
            p50_us: quantile_us(stage, 50),
            p99_us: quantile_us(stage, 99),
            max_us: micros_of(stage.max_ns),
        }
    }
}

/// The upper end of the bucket in which `percent` of the spans are reached.
pub(super) fn quantile_us(stage: &Stage, percent: u64) -> Option<f64> {
    let total: u64 = stage.buckets.iter().sum();
    let wanted = u128::from(total) * u128::from(percent);
    let mut seen: u64 = 0;
    for (power, count) in stage.buckets.iter().enumerate() {
        seen += count;
        if seen > 0 && u128::from(seen) * 100 >= wanted {
            let end_ns = 1_u64.checked_shl(u32::try_from(power).ok()? + 1).unwrap_or(u64::MAX);
            return Some(micros_of(end_ns.min(stage.max_ns)));
        }
    }
    None
}

#[expect(clippy::cast_precision_loss, reason = "spans are shorter than 2^53 ns")]
fn micros_of(ns: u64) -> f64 {
    (ns as f64 / 100.0).round() / 10.0
}

impl Row for StatRow {
    const COLUMNS: &'static [&'static str] = &["SHARD", "NAME", "LABEL", "VALUE"];

    fn cells(&self) -> Vec<String> {
        let Self { shard, name, label, value, .. } = self;
        vec![shard.to_string(), name.clone(), label.clone(), value.to_string()]
    }
}

impl Row for StageRow {
    const COLUMNS: &'static [&'static str] =
        &["SHARD", "STAGE", "LABEL", "COUNT", "MEAN us", "P50 us <", "P99 us <", "MAX us"];

    fn cells(&self) -> Vec<String> {
        let or_dash = |us: Option<f64>| us.map_or("-".to_owned(), |us| format!("{us:.1}"));
        vec![
            self.shard.to_string(),
            self.name.clone(),
            self.label.clone(),
            self.count.to_string(),
            format!("{:.1}", self.mean_us),
            or_dash(self.p50_us),
            or_dash(self.p99_us),
            format!("{:.1}", self.max_us),
        ]
    }
}

impl Report for NodeReport {
    fn describe(&self) -> String {
        let head = fields(&[
            ("node", self.node.clone()),
            ("id", self.id.clone()),
            ("shards", self.shards.to_string()),
            ("uptime", format!("{} s", self.uptime_ms / 1000)),
        ]);
        format!("{head}\n\n{}\n\n{}", table(&self.counters), table(&self.stages))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_upper_ends_of_buckets() {
        let mut buckets = vec![0; 20];
        buckets[10] = 98; // 1024 to 2048 ns
        buckets[16] = 2; // 65 to 131 us
        let stage = Stage { count: 100, max_ns: 100_000, buckets, ..Stage::default() };
        assert_eq!(quantile_us(&stage, 50), Some(2.0));
        assert_eq!(quantile_us(&stage, 99), Some(100.0));
        assert_eq!(quantile_us(&Stage::default(), 50), None);
    }
}
