//! Node: topics, facts and counters of a node, through a client that sleeps.

use super::super::driver::{Counters, DriveError, Driver, Port, Shape, TopicPlan};
use super::port;
use crate::result;
use crate::workload::Level;
use client::{Client, ClientConfig, ShardId, ShardStats, TopicKind, TopicSettings};
use std::time::Duration;

/// How long making many topics may take.
const CALL_TIMEOUT: Duration = Duration::from_mins(1);

/// A node of this bus.
#[derive(Clone, Debug)]
pub struct Defibus {
    server: String,
    /// The node's processes, if they are here.
    processes: Vec<u32>,
    spins: bool,
}

impl Defibus {
    /// The node at `server` (`host:port`); nothing is known of its process.
    pub fn at(server: impl Into<String>) -> Self {
        Self { server: server.into(), processes: Vec::new(), spins: false }
    }

    /// The same, knowing its process, and whether it spins while it has nothing to do.
    #[must_use]
    pub fn with_process(mut self, process: u32, spins: bool) -> Self {
        self.processes = vec![process];
        self.spins = spins;
        self
    }

    /// A client that sleeps, for everything that is not measured.
    fn client(&self) -> Result<Client, DriveError> {
        let mut config = ClientConfig::new(&self.server);
        "defibus-bench".clone_into(&mut config.name);
        config.call_timeout = CALL_TIMEOUT;
        Ok(Client::connect(config)?)
    }

    fn stats(&self) -> Result<Vec<ShardStats>, DriveError> {
        let client = self.client()?;
        let admin = client.admin();
        let shards = (0..client.node().shard_count).map(|shard| admin.stats(ShardId(shard)));
        Ok(shards.collect::<Result<_, _>>()?)
    }
}

impl Driver for Defibus {
    fn describe(&self, level: Level, shape: Shape) -> Result<result::Driver, DriveError> {
        let node = self.client()?.node();
        let mut configuration = vec![format!("shards={}", node.shard_count)];
        if self.spins {
            configuration.push("idle=spin".to_owned());
        }
        Ok(result::Driver {
            name: "defibus".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            configuration,
            level: level_of(level, shape).into(),
        })
    }

    fn make(&self, topics: &[TopicPlan]) -> Result<(), DriveError> {
        let client = self.client()?;
        let admin = client.admin();
        for topic in topics {
            let kind = match topic.shape {
                Shape::Events => TopicKind::Event,
                Shape::Service => TopicKind::Service,
            };
            let settings = TopicSettings {
                kind,
                level: Some(level_of(topic.level, topic.shape)),
                queue_count: topic.queues,
                ..TopicSettings::default()
            };
            admin.topic_create(&topic.name, settings)?;
        }
        Ok(())
    }

    fn port(&self) -> Result<Box<dyn Port>, DriveError> {
        Ok(Box::new(port::DefibusPort::new(self.server.clone())))
    }

    fn counters(&self) -> Result<Option<Counters>, DriveError> {
        Ok(Some(counters_of(&self.stats()?)))
    }

    fn processes(&self) -> Vec<u32> {
        self.processes.clone()
    }

    fn cores(&self) -> usize {
        self.client().map_or(1, |client| usize::from(client.node().shard_count))
    }

    fn spins(&self) -> bool {
        self.spins
    }
}

/// The level as the node has it; without a word of the workload what topics of this shape get.
fn level_of(level: Level, shape: Shape) -> client::Level {
    match (level, shape) {
        (Level::Memory, _) | (Level::Default, Shape::Service) => client::Level::Memory,
        (Level::Durable, _) | (Level::Default, Shape::Events) => client::Level::Durable,
        (Level::Quorum, _) => client::Level::Quorum,
    }
}

/// The counters of all shards together.
fn counters_of(shards: &[ShardStats]) -> Counters {
    let mut all = Counters::default();
    for shard in shards {
        for stat in &shard.stats {
            match stat.name.as_str() {
                "defibus_publish_total" => all.publishes += stat.value,
                "defibus_publish_records_total" => all.messages += stat.value,
                "defibus_publish_bytes_total" => all.bytes += stat.value,
                _ => {}
            }
        }
        for stage in &shard.stages {
            if stage.name == "defibus_fsync_seconds" {
                all.fdatasyncs += stage.count;
            }
            let name = match stage.label.split_once('=') {
                Some((_, word)) => format!("{} {word}", stage.name),
                None => stage.name.clone(),
            };
            let known = all.stages.iter().position(|(of, _)| *of == name);
            let place = known.unwrap_or_else(|| {
                all.stages.push((name, Vec::new()));
                all.stages.len() - 1
            });
            let buckets = &mut all.stages[place].1;
            buckets.resize(buckets.len().max(stage.buckets.len()), 0);
            for (bucket, count) in buckets.iter_mut().zip(&stage.buckets) {
                *bucket += count;
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use client::catalog::{Stage, Stat};

    #[test]
    fn the_counters_of_shards_add_up() {
        let stage = |count, buckets: &[u64]| Stage {
            name: "defibus_fsync_seconds".to_owned(),
            count,
            buckets: buckets.to_vec(),
            ..Stage::default()
        };
        let stat = |name: &str, value| Stat { name: name.to_owned(), value, ..Stat::default() };
        let shard = |value, stage| ShardStats {
            stats: vec![stat("defibus_publish_total", value), stat("defibus_topics", 9)],
            stages: vec![stage],
            ..ShardStats::default()
        };
        let all = counters_of(&[shard(5, stage(2, &[0, 2])), shard(6, stage(3, &[1, 1, 1]))]);
        assert_eq!((all.publishes, all.fdatasyncs), (11, 5));
        assert_eq!(all.stages, [("defibus_fsync_seconds".to_owned(), vec![1, 3, 1])]);
    }
}
