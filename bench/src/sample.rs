//! Sample: runs that never were, always the same, for the tests of whatever reads results.

use crate::host::{Build, Disk, Host};
use crate::result::{
    Asked, Counts, CpuUse, Driver, FORMAT, Floors, FlushUse, Interval, Journey, Kind, LatencyFloor,
    Level, Load, LoopModel, RateFloor, RunResult, Stage, Validity,
};
use crate::spans::Spans;
use std::collections::BTreeMap;
use std::time::Duration;

/// Seconds and messages a second of a sample.
const SECONDS: u32 = 12;
const PER_SECOND: u64 = 2000;

/// `count` spans around `middle_us`, with a tail.
pub(crate) fn spread(middle_us: u64, count: u64) -> Spans {
    let mut spans = Spans::default();
    for percent in 0..100 {
        let tail = if percent > 97 { (percent - 97) * (percent - 97) } else { 0 };
        let us = middle_us * (80 + percent / 2) / 100 + middle_us * tail;
        spans.add_many(Duration::from_micros(us), count / 100);
    }
    spans
}

/// A run of `workload` at `level` with latencies around `middle_us`.
pub(crate) fn run(workload: &str, level: Level, middle_us: u64) -> RunResult {
    let messages = PER_SECOND * u64::from(SECONDS);
    let latency = |factor: u64| spread(middle_us * factor / 10, messages);
    RunResult {
        format: FORMAT,
        begun: "2026-11-27T08:00:00Z".to_owned(),
        repetition: 1,
        workload: work(workload),
        load: load(),
        driver: driver("defibus", level),
        validity: Validity::default(),
        counts: Counts {
            sent: messages,
            completed: messages,
            delivered: messages,
            ..Counts::default()
        },
        latencies: BTreeMap::from([
            (Journey::PublishToAck, latency(10)),
            (Journey::PublishToDelivery, latency(12)),
            (Journey::SendDelay, latency(1)),
        ]),
        intervals: (0..SECONDS).map(|second| interval(second, middle_us)).collect(),
        cpu: CpuUse { server_s: Some(1.2), client_s: Some(2.4), server_spins: false },
        flushes: Some(FlushUse {
            fdatasyncs: 6000,
            publishes: messages,
            messages,
            bytes: messages * 320,
        }),
        floors: floors(middle_us),
        stages: stages(middle_us),
        observed: BTreeMap::new(),
        host: host(),
        build: Build {
            version: "0.1.0".to_owned(),
            commit: "0123456789ab".to_owned(),
            profile: "release".to_owned(),
        },
    }
}

/// A driver of that name.
pub(crate) fn driver(name: &str, level: Level) -> Driver {
    let configuration = vec!["shards=1".to_owned(), "idle=adaptive".to_owned()];
    Driver { name: name.to_owned(), version: "0.1.0".to_owned(), configuration, level }
}

fn work(name: &str) -> Asked {
    Asked {
        name: name.to_owned(),
        kind: Kind::PublishSubscribe,
        message_bytes: 256,
        topics: 1,
        queues_per_topic: 4,
        producers_per_topic: 1,
        groups_per_topic: 1,
        consumers_per_group: 1,
        batch: 1,
        parameters: BTreeMap::from([("payload".to_owned(), "random".to_owned())]),
    }
}

fn load() -> Load {
    Load {
        model: LoopModel::Open,
        arrival: Some("poisson".to_owned()),
        rate_asked: Some(2000.0),
        in_flight: None,
        warm_up_s: 2.0,
        lasted_s: f64::from(SECONDS),
    }
}

fn interval(second: u32, middle_us: u64) -> Interval {
    let mut ack = Spans::coarse();
    // A stall in the middle of the run, as a disk has one.
    let factor = if second == SECONDS / 2 { 4 } else { 1 };
    ack.merge(&spread(middle_us * factor, PER_SECOND));
    let mut delivery = Spans::coarse();
    delivery.merge(&spread(middle_us * factor * 12 / 10, PER_SECOND));
    Interval {
        begin_s: f64::from(second),
        length_s: 1.0,
        sent: PER_SECOND,
        completed: PER_SECOND,
        delivered: PER_SECOND - u64::from(second),
        failed: 0,
        backlog: u64::from(second),
        latencies: BTreeMap::from([
            (Journey::PublishToAck, ack.pack()),
            (Journey::PublishToDelivery, delivery.pack()),
        ]),
    }
}

fn floors(middle_us: u64) -> Floors {
    let floor = |name: &str, tenths: u64| LatencyFloor {
        name: name.to_owned(),
        setting: "256 B".to_owned(),
        bounds: Journey::PublishToAck,
        spans: spread((middle_us * tenths / 10).max(1), 24_000),
    };
    let (name, setting) = ("fresh segments".to_owned(), "1 MiB writes".to_owned());
    Floors {
        latencies: vec![floor("tcp echo", 1), floor("write + fdatasync", 6)],
        rates: vec![RateFloor { name, setting, per_second: 2_500_000.0 }],
    }
}

fn stages(middle_us: u64) -> Vec<Stage> {
    let stage = |name: &str, tenths: u64| Stage {
        name: name.to_owned(),
        spans: spread((middle_us * tenths / 10).max(1), 24_000),
    };
    vec![stage("ingress", 1), stage("queue", 1), stage("flush", 6), stage("deliver", 1)]
}

fn host() -> Host {
    Host {
        cpu_model: "AMD EPYC 9005".to_owned(),
        cores: 2,
        shares_cores: Some(false),
        kernel: "6.18.0".to_owned(),
        system: Some("Debian GNU/Linux 12 (bookworm)".to_owned()),
        virtualisation: Some("kvm".to_owned()),
        clocksource: Some("kvm-clock".to_owned()),
        memory_bytes: Some(8 << 30),
        disk: Disk {
            device: Some("vda".to_owned()),
            filesystem: Some("ext4".to_owned()),
            mount_options: Some("rw,relatime".to_owned()),
            write_cache: Some("write back".to_owned()),
        },
        steal_percent: Some(0.25),
        load_average_before: Some(0.4),
        load_average_after: Some(1.9),
        ..Host::default()
    }
}
