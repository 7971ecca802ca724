//! Driver: a NATS server of our own: its configuration, its streams, what its acknowledgements mean.

use super::port::{NatsPort, connect};
use crate::bridge::{Bridge, failed};
use crate::peer::{Peer, Syncing, level_of};
use crate::server::{Order, Place, Server};
use async_nats::jetstream::context::CreateStreamError;
use async_nats::jetstream::stream::{Config, StorageType};
use bench::load::driver::{DriveError, Driver, Port, Shape, TopicPlan};
use bench::result;
use bench::suite::StandError;
use bench::workload::Level;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

/// The first version that can sync before it acknowledges.
const SYNCS_SINCE: (u32, u32) = (2, 10);
/// Bytes a stream holds in memory at most; what is older goes, read or not.
const MEMORY_BYTES_MAX: i64 = 4 << 30;

/// A server that was started for a case.
#[derive(Debug)]
pub(crate) struct Nats {
    server: Server,
    peer: Peer,
    syncing: Syncing,
    version: String,
}

impl Nats {
    /// Starts `program`.
    ///
    /// # Errors
    /// It does not start, or is too old for what it is to do.
    pub(crate) fn start(
        program: &Path,
        place: &Place,
        name: &str,
        (peer, syncing): (Peer, Syncing),
    ) -> Result<Self, StandError> {
        let server = Server::start(place, name, |folder, address| {
            let config = folder.join("nats.conf");
            let sync = sync_interval(program, syncing);
            std::fs::write(&config, configuration(folder, address, sync))?;
            Ok(Order {
                program: program.to_owned(),
                arguments: vec!["--config".into(), config.into()],
                environment: Vec::new(),
                ready: "Server is ready",
            })
        })?;
        let asked = Bridge::new().and_then(|bridge| {
            let client = bridge.wait("nats-server", connect(server.address()))?;
            Ok(client.server_info().version)
        });
        let version = asked.map_err(|error| StandError::Peer(error.to_string()))?;
        Ok(Self { server, peer, syncing, version })
    }
}

/// Whether `program` can sync before it acknowledges.
pub(crate) fn syncs_before_acknowledging(program: &Path) -> bool {
    let told = Command::new(program).arg("--version").output();
    let told = told.map(|told| String::from_utf8_lossy(&told.stdout).into_owned());
    told.ok().and_then(|told| version_of(&told)).is_some_and(|version| version >= SYNCS_SINCE)
}

/// `nats-server: v2.10.4`.
fn version_of(told: &str) -> Option<(u32, u32)> {
    let (_, version) = told.trim().rsplit_once('v')?;
    let mut numbers = version.split('.').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

/// What is written for `sync_interval`, if anything: an older server refuses a word it does not know.
fn sync_interval(program: &Path, syncing: Syncing) -> Option<&'static str> {
    (syncing == Syncing::Always && syncs_before_acknowledging(program)).then_some("always")
}

fn configuration(folder: &Path, address: SocketAddr, sync_interval: Option<&str>) -> String {
    let sync = sync_interval.map_or_else(String::new, |word| format!(", sync_interval: {word}"));
    format!(
        "listen: \"{address}\"\njetstream: {{ store_dir: \"{}\"{sync} }}\n",
        folder.join("jetstream").display()
    )
}

impl Driver for Nats {
    fn describe(&self, level: Level, shape: Shape) -> Result<result::Driver, DriveError> {
        let kept = level_of(self.peer, self.syncing, level, shape);
        let kept = kept.ok_or_else(|| failed("nats", "no such level is offered"))?;
        let is_stream = shape == Shape::Events && self.peer == Peer::Nats;
        let mut configuration = Vec::new();
        if is_stream {
            let (storage, sync) = match (kept, self.syncing) {
                (result::Level::Memory, _) => ("memory", None),
                (_, Syncing::Always) => ("file", Some("sync_interval=always")),
                (_, Syncing::Periodic) => ("file", Some("sync_interval=2m, its default")),
            };
            configuration.push(format!("storage={storage}"));
            configuration.extend(sync.map(str::to_owned));
            configuration.push("push consumers, ack=all".to_owned());
        }
        Ok(result::Driver {
            name: if is_stream { "nats-jetstream" } else { "nats-core" }.to_owned(),
            version: self.version.clone(),
            configuration,
            level: kept,
        })
    }

    fn make(&self, topics: &[TopicPlan]) -> Result<(), DriveError> {
        let streams = topics.iter().filter(|topic| topic.shape == Shape::Events);
        if self.peer == Peer::NatsCore {
            return Ok(()); // subjects are there when they are used
        }
        let bridge = Bridge::new()?;
        let client = bridge.wait("nats-server", connect(self.server.address()))?;
        let make = async {
            let jetstream = async_nats::jetstream::new(client);
            for topic in streams {
                jetstream.create_stream(stream(topic)).await?;
            }
            Ok::<(), CreateStreamError>(())
        };
        bridge.wait("a stream", make)
    }

    fn port(&self) -> Result<Box<dyn Port>, DriveError> {
        Ok(Box::new(NatsPort::new(self.server.address(), self.peer == Peer::Nats)?))
    }

    fn processes(&self) -> Vec<u32> {
        vec![self.server.process()]
    }
}

/// The stream of a topic: a subject for each queue.
fn stream(topic: &TopicPlan) -> Config {
    let (storage, max_bytes) = match topic.level {
        Level::Memory => (StorageType::Memory, MEMORY_BYTES_MAX),
        Level::Default | Level::Durable | Level::Quorum => (StorageType::File, -1),
    };
    Config {
        name: topic.name.clone(),
        subjects: vec![format!("{}.*", topic.name)],
        storage,
        max_bytes,
        num_replicas: 1,
        ..Config::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_the_server_tells_them() {
        assert_eq!(version_of("nats-server: v2.9.10\n"), Some((2, 9)));
        assert_eq!(version_of("nats-server: v2.15.1"), Some((2, 15)));
        assert_eq!(version_of("something else"), None);
        assert!(!syncs_before_acknowledging(Path::new("/no/such/program")));
    }

    #[test]
    fn a_server_that_syncs_always_is_told_so() {
        let address = "127.0.0.1:7".parse().expect("an address");
        let text = |sync| configuration(Path::new("/d"), address, sync);
        assert!(text(Some("always")).contains("sync_interval: always"));
        assert!(!text(None).contains("sync_interval"));
        assert!(text(None).starts_with("listen: \"127.0.0.1:7\"\n"));
    }
}
