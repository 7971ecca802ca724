//! demo: a throw-away node in this process, real traffic over TCP, and a table of what was measured.
//!
//! ```text
//!   producer --TCP--> node: log, fdatasync --TCP--> group risk
//!                                          --TCP--> group audit
//!   requester <-----> node <-----> responder
//! ```
//!
//! Every client has a thread and connections of its own, as separate programs
//! would. What is counted is also checked: a record that is lost, doubled or out
//! of order makes the command fail.

use super::demo_clients::{Consumed, consume, respond};
use super::hosting::Hosted;
use crate::config::NodeConfig;
use clap::Args;
use client::{
    Client, ClientConfig, EnqueueError, NewRecord, Outcome, ProducerConfig, RequesterConfig,
    TopicKind, TopicSettings,
};
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::Duration;
use tools::clock::Moment;
use tools::latency::{Latencies, LatencySummary};
use tools::output::grid;
use tools::{Exit, Failure, Format, Globals, Printer, Report, Row};
use wire::ErrorCode;

/// The topic of events.
pub const EVENTS: &str = "A10-20190001";
/// The service that is asked.
pub const SERVICE: &str = "A10-20190002";
/// Queues of the topic of events.
pub const QUEUES: u16 = 4;
/// The groups that consume the events, each all of them.
const GROUPS: [&str; 2] = ["risk", "audit"];
/// Body of an event, in bytes.
const EVENT_BYTES: usize = 256;
/// Events that wait for their receipts.
const IN_FLIGHT: usize = 512;
/// The longest any part may take.
pub const PATIENCE: Duration = Duration::from_mins(1);
/// How long one wait lasts before the loop looks around.
const WAIT: Duration = Duration::from_millis(100);

/// Options of `demo`.
#[derive(Clone, Debug, Args)]
pub struct Demo {
    /// Events to publish
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub events: u64,
    /// Requests to make
    #[arg(long, value_name = "N", default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub requests: u64,
    /// How many shards
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..))]
    pub shards: u16,
    /// Where the node's directory is made, and removed at the end; the temporary one unless said
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// One kind of traffic, measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Traffic {
    what: String,
    level: &'static str,
    count: u64,
    seconds: f64,
    per_second: f64,
    latency: LatencySummary,
}

/// What the demonstration came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct DemoReport {
    data: String,
    lost: u64,
    duplicated: u64,
    disordered: u64,
    traffic: Vec<Traffic>,
}

impl Demo {
    /// Starts, drives, measures, stops, removes.
    ///
    /// # Errors
    /// The node does not start, or a promise was not kept.
    pub fn run(&self, globals: &Globals, printer: &mut Printer<'_>) -> Result<Exit, Failure> {
        let parent = self.data.clone().unwrap_or_else(std::env::temp_dir);
        let scratch = Scratch::make(&parent)?;
        let hosted = Hosted::start(&self.config(&scratch.path), false)?;
        let listen = hosted.node.addresses().common;
        globals.talk().detail(format_args!("a node listens on {listen}"));
        let report = self.drive(globals, listen, &scratch.path);
        let stopped = hosted.stop();
        let report = report?;
        stopped?;
        printer.report(&report)?;
        if printer.format() == Format::Table {
            globals
                .talk()
                .say("\nnow yours: defibus dev, and in another terminal: defibus pub TOPIC hello");
        }
        report.kept()
    }

    fn config(&self, data: &Path) -> NodeConfig {
        let mut config = NodeConfig {
            name: "demo".to_owned(),
            data: data.to_path_buf(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            shards: self.shards,
            ..NodeConfig::default()
        };
        config.admin.enabled = false;
        config.storage.segment_bytes = 16 << 20;
        config
    }

    fn drive(
        &self,
        globals: &Globals,
        listen: SocketAddr,
        data: &Path,
    ) -> Result<DemoReport, Failure> {
        let client = connect(listen, "demo-producer")?;
        make_topics(&client)?;
        let (assigned, all_assigned) = sync_channel(GROUPS.len());
        let mut consumers = Vec::new();
        for group in GROUPS {
            let (assigned, events) = (assigned.clone(), self.events);
            let run = move || consume(listen, group, events, &assigned);
            consumers.push(shard::process::spawn(group, run)?);
        }
        drop(assigned);
        // One that ended early left its reason in its result.
        let ready_count = all_assigned.iter().take(GROUPS.len()).count();
        globals.talk().detail(format_args!("{ready_count} groups have their queues"));
        let mut traffic = vec![self.publish(&client, globals)?];
        let mut consumed = Vec::new();
        for (group, thread) in GROUPS.iter().zip(consumers) {
            let result = thread.join().map_err(|_| defect("a consumer panicked"))??;
            traffic.push(Traffic::of(
                format!("consumed by {group}"),
                "durable",
                result.seconds,
                &result.latencies,
            ));
            consumed.push(result);
        }
        traffic.push(self.request(&client, listen, globals)?);
        client.close(WAIT);
        Ok(DemoReport::of(data, self.events, &consumed, traffic))
    }

    /// Publishes all events, pipelined; latency is from enqueuing to the receipt.
    fn publish(&self, client: &Client, globals: &Globals) -> Result<Traffic, Failure> {
        let mut config = ProducerConfig::new(EVENTS);
        config.window_records = IN_FLIGHT;
        let mut producer = client.producer(config)?;
        let bar = globals.talk().progress(Some(self.events), "events");
        let body = [b'e'; EVENT_BYTES];
        let begun = Moment::now();
        let mut latencies = Latencies::default();
        let mut sent_at = BTreeMap::new();
        let mut sent_count = 0;
        while latencies.count() < self.events {
            while sent_count < self.events {
                match producer.enqueue(&NewRecord::new(&body)) {
                    Ok(ticket) => sent_at.insert(ticket, Moment::now()),
                    Err(EnqueueError::WindowFull) => break,
                    Err(error) => return Err(error.into()),
                };
                sent_count += 1;
            }
            let mut taken = producer.next_receipt(WAIT);
            while let Some((ticket, result)) = taken {
                result?;
                latencies.add(sent_at.remove(&ticket).map_or(Duration::ZERO, Moment::elapsed));
                taken = producer.next_receipt(Duration::ZERO);
            }
            bar.set_position(latencies.count());
        }
        bar.finish_and_clear();
        let seconds = begun.elapsed().as_secs_f64();
        let what = format!("events of {EVENT_BYTES} B accepted");
        Ok(Traffic::of(what, "durable", seconds, &latencies))
    }

    /// Makes all requests, one after another; latency is from asking to the reply.
    fn request(
        &self,
        client: &Client,
        listen: SocketAddr,
        globals: &Globals,
    ) -> Result<Traffic, Failure> {
        let ended = Arc::new(AtomicBool::new(false));
        let (serving, is_serving) = sync_channel(1);
        let ending = Arc::clone(&ended);
        let responder =
            shard::process::spawn("responder", move || respond(listen, &serving, &ending))?;
        // One that ended early left its reason in its result.
        let _ = is_serving.recv();
        let asked = self.ask(client, globals);
        ended.store(true, Ordering::Relaxed);
        responder.join().map_err(|_| defect("the responder panicked"))??;
        asked
    }

    fn ask(&self, client: &Client, globals: &Globals) -> Result<Traffic, Failure> {
        let mut requester = client.requester(RequesterConfig::default());
        let bar = globals.talk().progress(Some(self.requests), "requests");
        let mut latencies = Latencies::default();
        let begun = Moment::now();
        for number in 0..self.requests {
            let body = number.to_le_bytes();
            let asked = Moment::now();
            let outcome = requester.request(SERVICE, &NewRecord::new(&body), PATIENCE)?;
            latencies.add(asked.elapsed());
            let echoed = matches!(&outcome, Outcome::Reply(reply) if reply.body() == body);
            if !echoed {
                return Err(defect(format!("request {number} ended with {}", outcome.name())));
            }
            bar.set_position(number + 1);
        }
        bar.finish_and_clear();
        let seconds = begun.elapsed().as_secs_f64();
        Ok(Traffic::of("requests answered".to_owned(), "memory", seconds, &latencies))
    }
}

/// Connects to the node of this process.
///
/// # Errors
/// It does not answer.
pub fn connect(listen: SocketAddr, name: &str) -> Result<Client, Failure> {
    let mut config = ClientConfig::new(listen.to_string());
    name.clone_into(&mut config.name);
    Ok(Client::connect(config)?)
}

fn make_topics(client: &Client) -> Result<(), Failure> {
    let events = TopicSettings { queue_count: QUEUES, ..TopicSettings::default() };
    client.admin().topic_create(EVENTS, events)?;
    let service = TopicSettings { kind: TopicKind::Service, ..TopicSettings::default() };
    client.admin().topic_create(SERVICE, service)?;
    Ok(())
}

/// What only a defect of ours explains.
pub fn defect(cause: impl Into<String>) -> Failure {
    Failure::new(ErrorCode::Internal, cause)
}

/// A directory that is removed with all that is in it.
#[derive(Debug)]
struct Scratch {
    path: PathBuf,
}

impl Scratch {
    fn make(parent: &Path) -> Result<Self, Failure> {
        let name = format!("defibus-demo-{:016x}", shard::process::random_u64());
        let path = parent.join(name);
        std::fs::create_dir_all(&path).map_err(|error| Failure::file(path.display(), &error))?;
        Ok(Self { path })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is in a temporary directory.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

impl Traffic {
    fn of(what: String, level: &'static str, seconds: f64, latencies: &Latencies) -> Self {
        let latency = latencies.summary();
        #[expect(clippy::cast_precision_loss, reason = "fewer than 2^53 messages")]
        let per_second = (latency.count as f64 / seconds.max(1e-9)).round();
        Self { what, level, count: latency.count, seconds, per_second, latency }
    }
}

impl DemoReport {
    fn of(data: &Path, events: u64, consumed: &[Consumed], traffic: Vec<Traffic>) -> Self {
        let missing = |one: &Consumed| events.saturating_sub(one.distinct_count);
        Self {
            data: data.display().to_string(),
            lost: consumed.iter().map(missing).sum(),
            duplicated: consumed.iter().map(|one| one.duplicate_count).sum(),
            disordered: consumed.iter().map(|one| one.disordered_count).sum(),
            traffic,
        }
    }

    /// Whether every promise was kept.
    fn kept(&self) -> Result<Exit, Failure> {
        if self.lost + self.duplicated + self.disordered == 0 {
            return Ok(Exit::Done);
        }
        let Self { lost, duplicated, disordered, .. } = self;
        let cause = format!("{lost} records lost, {duplicated} doubled, {disordered} out of order");
        Err(defect(cause))
    }
}

impl Row for Traffic {
    const COLUMNS: &'static [&'static str] =
        &["TRAFFIC", "LEVEL", "COUNT", "SECONDS", "PER SECOND", "P50 us", "P99 us", "MAX us"];

    fn cells(&self) -> Vec<String> {
        let quantile = |us: Option<f64>| us.map_or("-".to_owned(), |us| format!("{us:.1}"));
        vec![
            self.what.clone(),
            self.level.to_owned(),
            self.count.to_string(),
            format!("{:.3}", self.seconds),
            format!("{:.0}", self.per_second),
            quantile(self.latency.p50_us),
            quantile(self.latency.p99_us),
            format!("{:.1}", self.latency.max_us),
        ]
    }
}

impl Report for DemoReport {
    fn describe(&self) -> String {
        let Self { lost, duplicated, disordered, .. } = self;
        let table = grid(Traffic::COLUMNS, self.traffic.iter().map(Row::cells));
        format!("{table}\n\n{lost} lost, {duplicated} doubled, {disordered} out of order")
    }
}
