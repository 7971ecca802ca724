//! Metrics: the counters of all shards as Prometheus text.
//!
//! A label arrives as `name=value`. Stages become histograms whose buckets end
//! at powers of two of nanoseconds, told in seconds.

use client::ShardStats;
use client::catalog::{Stage, Stat};
use std::collections::BTreeMap;
use std::fmt::Write;

/// The content type of the text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// The shortest bucket told apart: 2^10 ns, about a microsecond.
const BUCKET_FIRST: usize = 10;
/// The longest bucket told apart: 2^34 ns, about 17 s.
const BUCKET_LAST: usize = 34;
/// What is put before names that storage gives.
const PREFIX: &str = "defibus_";

/// The families of one scrape, by name: each has one type and many samples.
#[derive(Debug, Default)]
struct Families(BTreeMap<String, Family>);

#[derive(Debug)]
struct Family {
    kind: &'static str,
    samples: String,
}

/// All shards' counters as Prometheus text.
pub fn text(shards: &[ShardStats]) -> String {
    let mut families = Families::default();
    let version = format!("version=\"{}\"", env!("CARGO_PKG_VERSION"));
    families.sample("defibus_build_info", "gauge", &version, 1);
    for shard in shards {
        let uptime = format!("shard=\"{}\"", shard.shard.0);
        families.sample("defibus_uptime_seconds", "gauge", &uptime, shard.uptime_ms / 1000);
        for stat in &shard.stats {
            families.stat(shard.shard.0, stat);
        }
        for stage in &shard.stages {
            families.stage(shard.shard.0, stage);
        }
    }
    families.text()
}

impl Families {
    fn stat(&mut self, shard: u16, stat: &Stat) {
        let name = full_name(&stat.name);
        let kind = if stat.gauge { "gauge" } else { "counter" };
        self.sample(&name, kind, &labels(shard, &stat.label), stat.value);
    }

    fn sample(&mut self, name: &str, kind: &'static str, labels: &str, value: u64) {
        let family = self.family(name, kind);
        let _ = writeln!(family.samples, "{name}{{{labels}}} {value}");
    }

    fn stage(&mut self, shard: u16, stage: &Stage) {
        let name = full_name(&stage.name);
        let labels = labels(shard, &stage.label);
        let family = self.family(&name, "histogram");
        let mut below: u64 = stage.buckets.iter().take(BUCKET_FIRST).sum();
        for power in BUCKET_FIRST..=BUCKET_LAST {
            below += stage.buckets.get(power).copied().unwrap_or(0);
            let end = seconds(1_u64 << (power + 1));
            let _ = writeln!(family.samples, "{name}_bucket{{{labels},le=\"{end}\"}} {below}");
        }
        let (count, sum) = (stage.count, seconds(stage.sum_ns));
        let _ = writeln!(family.samples, "{name}_bucket{{{labels},le=\"+Inf\"}} {count}");
        let _ = writeln!(family.samples, "{name}_sum{{{labels}}} {sum}");
        let _ = writeln!(family.samples, "{name}_count{{{labels}}} {count}");
    }

    fn family(&mut self, name: &str, kind: &'static str) -> &mut Family {
        self.0.entry(name.to_owned()).or_insert_with(|| Family { kind, samples: String::new() })
    }

    fn text(self) -> String {
        let mut text = String::new();
        for (name, family) in self.0 {
            let help = help(&name);
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {}", family.kind);
            text.push_str(&family.samples);
        }
        text
    }
}

fn full_name(name: &str) -> String {
    if name.starts_with(PREFIX) { name.to_owned() } else { format!("{PREFIX}{name}") }
}

/// What a family counts: its own name in words.
fn help(name: &str) -> String {
    let words = name.trim_start_matches(PREFIX).trim_end_matches("_total").replace('_', " ");
    let unit = if name.ends_with("_total") { ", counted since the start" } else { "" };
    format!("The node's {words}{unit}.")
}

fn labels(shard: u16, label: &str) -> String {
    match label.split_once('=') {
        Some((name, value)) => {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            format!("shard=\"{shard}\",{name}=\"{value}\"")
        }
        None => format!("shard=\"{shard}\""),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a metric needs no more than 53 bits")]
fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::ShardId;

    fn stats() -> ShardStats {
        let mut buckets = vec![0; 20];
        (buckets[3], buckets[11]) = (1, 2);
        ShardStats {
            shard: ShardId(1),
            uptime_ms: 5000,
            stats: vec![
                Stat {
                    name: "defibus_rpc_total".to_owned(),
                    label: "outcome=Reply".to_owned(),
                    gauge: false,
                    value: 7,
                },
                Stat { name: "log_bytes".to_owned(), gauge: true, value: 9, ..Stat::default() },
            ],
            stages: vec![Stage {
                name: "defibus_fsync_seconds".to_owned(),
                label: String::new(),
                count: 3,
                sum_ns: 6_000_000_000,
                max_ns: 4000,
                buckets,
            }],
        }
    }

    #[test]
    fn each_family_has_its_type_once_and_a_sample_per_shard() {
        let text = text(&[stats(), ShardStats { shard: ShardId(2), ..stats() }]);
        let has = |line: &str| assert_eq!(text.lines().filter(|l| *l == line).count(), 1, "{line}");
        has("# TYPE defibus_rpc_total counter");
        has("defibus_rpc_total{shard=\"1\",outcome=\"Reply\"} 7");
        has("defibus_rpc_total{shard=\"2\",outcome=\"Reply\"} 7");
        has("# TYPE defibus_log_bytes gauge");
        has("defibus_log_bytes{shard=\"1\"} 9");
        has("defibus_uptime_seconds{shard=\"1\"} 5");
    }

    #[test]
    fn buckets_are_cumulative() {
        let text = text(&[stats()]);
        let bucket = |le: &str| {
            let start = format!("defibus_fsync_seconds_bucket{{shard=\"1\",le=\"{le}\"}} ");
            text.lines().find_map(|line| line.strip_prefix(&start)).map(str::to_owned)
        };
        assert_eq!(bucket("0.000002048").as_deref(), Some("1"));
        assert_eq!(bucket("0.000004096").as_deref(), Some("3"));
        assert_eq!(bucket("+Inf").as_deref(), Some("3"));
        assert!(text.contains("defibus_fsync_seconds_sum{shard=\"1\"} 6\n"));
    }
}
