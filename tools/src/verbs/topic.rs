//! topic: create, list, describe, alter and delete topics.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::globals::Globals;
use crate::output::{Printer, Report, Row, fields, table};
use crate::quantity::duration;
use clap::{Args, Subcommand, ValueEnum};
use client::{
    Admin, Level, QueueDetail, TopicChange, TopicDetail, TopicKind, TopicSettings, TopicSummary,
};
use serde::Serialize;
use std::time::Duration;

/// What can be done with topics.
#[derive(Clone, Debug, Subcommand)]
pub enum TopicVerb {
    /// Create a topic; one that exists with the same settings is fine
    Create(Create),
    /// List all topics
    List,
    /// Show a topic and its queues
    Describe {
        /// The topic
        name: String,
    },
    /// Change a topic: more queues, another depth or retention
    Alter(Alter),
    /// Delete a topic and its records
    Delete {
        /// The topic
        name: String,
    },
}

/// Options of `topic create`.
#[derive(Clone, Debug, Args)]
pub struct Create {
    /// Its name, for example A10-20190001
    pub name: String,
    /// What it is for
    #[arg(long, value_enum, default_value_t = Kind::Event)]
    pub kind: Kind,
    /// How many queues: the units of order, spread over the shards
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub queues: u16,
    /// What `accepted` means; events: durable, services: memory, unless said
    #[arg(long, value_enum)]
    pub level: Option<LevelName>,
    /// Records a group may be behind before publishes are refused; 0: no limit
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub depth: u64,
    /// Age after which records go, for example 24h; as the node is configured unless said
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub retention: Option<Duration>,
}

/// Options of `topic alter`.
#[derive(Clone, Debug, Args)]
#[command(group = clap::ArgGroup::new("change").required(true).multiple(true))]
pub struct Alter {
    /// The topic
    pub name: String,
    /// More queues; never fewer
    #[arg(long, value_name = "N", group = "change")]
    pub queues: Option<u16>,
    /// Another depth limit; 0: none
    #[arg(long, value_name = "N", group = "change")]
    pub depth: Option<u64>,
    /// Another retention; 0s: as the node is configured
    #[arg(long, value_name = "DURATION", value_parser = duration, group = "change")]
    pub retention: Option<Duration>,
}

/// What a topic is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Published and subscribed.
    Event,
    /// Requested and replied.
    Service,
}

/// What `accepted` means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LevelName {
    /// In the memory of the queue's shard.
    Memory,
    /// On this node's disk, synced.
    Durable,
    /// Synced on a majority; not on a single node.
    Quorum,
}

/// A topic as it is printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TopicRow {
    name: String,
    kind: &'static str,
    level: &'static str,
    queues: u16,
    depth: u64,
    retention_ms: u64,
    id: u32,
    version: u64,
}

/// A queue as it is printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QueueRow {
    queue: u16,
    shard: u16,
    start: u64,
    end: u64,
    records: u64,
}

/// A topic with its queues as it is printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TopicReport {
    #[serde(flatten)]
    topic: TopicRow,
    queue_list: Vec<QueueRow>,
}

/// What `topic delete` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Deleted {
    deleted: String,
}

impl TopicVerb {
    /// Does it.
    ///
    /// # Errors
    /// There is no node, or it refuses.
    pub fn run(&self, globals: &Globals, printer: &mut Printer<'_>) -> Result<Exit, Failure> {
        let client = globals.connect()?;
        let admin = client.admin();
        match self {
            Self::Create(create) => printer.report(&create.done(&admin)?)?,
            Self::List => {
                let rows: Vec<TopicRow> = admin.topics()?.iter().map(TopicRow::from).collect();
                printer.list(&rows)?;
            }
            Self::Describe { name } => {
                printer.report(&TopicReport::from(&admin.topic_describe(name)?))?;
            }
            Self::Alter(alter) => printer.report(&alter.done(&admin)?)?,
            Self::Delete { name } => {
                admin.topic_delete(name)?;
                printer.report(&Deleted { deleted: name.clone() })?;
            }
        }
        globals.close(client);
        Ok(Exit::Done)
    }
}

impl Create {
    fn done(&self, admin: &Admin) -> Result<TopicReport, Failure> {
        let settings = TopicSettings {
            kind: self.kind.into(),
            level: self.level.map(Level::from),
            queue_count: self.queues,
            depth_max: self.depth,
            retention_ms: self.retention.map_or(0, millis),
        };
        Ok(TopicReport::from(&admin.topic_create(&self.name, settings)?))
    }
}

impl Alter {
    fn done(&self, admin: &Admin) -> Result<TopicReport, Failure> {
        let change = TopicChange {
            queue_count: self.queues,
            depth_max: self.depth,
            retention_ms: self.retention.map(millis),
        };
        Ok(TopicReport::from(&admin.topic_alter(&self.name, change)?))
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

impl From<Kind> for TopicKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Event => Self::Event,
            Kind::Service => Self::Service,
        }
    }
}

impl From<LevelName> for Level {
    fn from(level: LevelName) -> Self {
        match level {
            LevelName::Memory => Self::Memory,
            LevelName::Durable => Self::Durable,
            LevelName::Quorum => Self::Quorum,
        }
    }
}

impl From<&TopicSummary> for TopicRow {
    fn from(topic: &TopicSummary) -> Self {
        Self {
            name: topic.name.clone(),
            kind: match topic.kind {
                TopicKind::Event => "event",
                TopicKind::Service => "service",
            },
            level: topic.level.name(),
            queues: topic.queue_count,
            depth: topic.depth_max,
            retention_ms: topic.retention_ms,
            id: topic.id.0,
            version: topic.version,
        }
    }
}

impl From<&QueueDetail> for QueueRow {
    fn from(queue: &QueueDetail) -> Self {
        let (start, end) = (queue.start.0, queue.end.0);
        let records = end.saturating_sub(start);
        Self { queue: queue.number, shard: queue.shard.0, start, end, records }
    }
}

impl From<&TopicDetail> for TopicReport {
    fn from(detail: &TopicDetail) -> Self {
        Self {
            topic: TopicRow::from(&detail.topic),
            queue_list: detail.queues.iter().map(QueueRow::from).collect(),
        }
    }
}

fn unless_zero(number: u64, unit: &str, zero: &str) -> String {
    if number == 0 { zero.to_owned() } else { format!("{number}{unit}") }
}

impl Row for TopicRow {
    const COLUMNS: &'static [&'static str] =
        &["NAME", "KIND", "LEVEL", "QUEUES", "DEPTH", "RETENTION"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            self.kind.to_owned(),
            self.level.to_owned(),
            self.queues.to_string(),
            unless_zero(self.depth, "", "no limit"),
            unless_zero(self.retention_ms, " ms", "the node's"),
        ]
    }
}

impl Row for QueueRow {
    const COLUMNS: &'static [&'static str] = &["QUEUE", "SHARD", "START", "END", "RECORDS"];

    fn cells(&self) -> Vec<String> {
        let numbers = [u64::from(self.queue), u64::from(self.shard), self.start, self.end];
        numbers.iter().chain([&self.records]).map(u64::to_string).collect()
    }
}

impl Report for TopicReport {
    fn describe(&self) -> String {
        let topic = &self.topic;
        let head = fields(&[
            ("name", topic.name.clone()),
            ("kind", topic.kind.to_owned()),
            ("level", topic.level.to_owned()),
            ("depth", unless_zero(topic.depth, "", "no limit")),
            ("retention", unless_zero(topic.retention_ms, " ms", "the node's")),
        ]);
        format!("{head}\n\n{}", table(&self.queue_list))
    }
}

impl Report for Deleted {
    fn describe(&self) -> String {
        format!("deleted {}", self.deleted)
    }
}
