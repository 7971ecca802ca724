//! Driver: Redis servers of our own: one that keeps nothing on disk, one that appends to a file.
//!
//! How Redis syncs is one setting of a server, so a case that asks for both has both.

use super::port::{RedisPort, connect};
use crate::bridge::{Bridge, failed};
use crate::peer::{Peer, Syncing, level_of};
use crate::server::{Order, Place, Server};
use bench::load::driver::{DriveError, Driver, Port, Shape, TopicPlan};
use bench::load::plan::shape_of;
use bench::result;
use bench::suite::StandError;
use bench::workload::{Case, Level};
use std::net::SocketAddr;
use std::path::Path;

/// Bytes of messages that all streams of one topic hold at most; what is older goes, read or not.
pub(super) const STREAM_BYTES_MAX: usize = 4 << 30;

/// Servers that were started for a case.
#[derive(Debug)]
pub(crate) struct Redis {
    /// Keeps everything in memory only.
    memory: Option<Server>,
    /// Appends to a file.
    log: Option<Server>,
    peer: Peer,
    syncing: Syncing,
    version: String,
}

/// Addresses by what an acknowledgement means there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Addresses {
    memory: Option<SocketAddr>,
    log: Option<SocketAddr>,
}

impl Addresses {
    /// Where topics of this level and shape are.
    pub(super) fn of(self, level: Level, shape: Shape) -> Result<SocketAddr, DriveError> {
        let address = if is_on_disk(level, shape) { self.log } else { self.memory };
        address.ok_or_else(|| failed("redis", "no server was started for this level"))
    }

    /// One that is there.
    pub(super) fn any(self) -> Result<SocketAddr, DriveError> {
        let address = self.memory.or(self.log);
        address.ok_or_else(|| failed("redis", "the case asks for nothing"))
    }
}

const fn is_on_disk(level: Level, shape: Shape) -> bool {
    match (level, shape) {
        (Level::Memory, _) | (Level::Default, Shape::Service) => false,
        (Level::Durable | Level::Quorum, _) | (Level::Default, Shape::Events) => true,
    }
}

impl Redis {
    /// Starts `program` once for each kind of level that `case` asks for.
    ///
    /// # Errors
    /// One does not start, or answers nonsense.
    pub(crate) fn start(
        program: &Path,
        place: &Place,
        name: &str,
        (peer, syncing): (Peer, Syncing),
        case: &Case,
    ) -> Result<Self, StandError> {
        let asks = |on_disk: bool| {
            let is = |part: &bench::workload::Part| is_on_disk(part.level, shape_of(part.kind));
            case.parts.iter().any(|part| is(part) == on_disk)
        };
        let start = |word: &str, sync: Option<Syncing>| {
            Server::start(place, &format!("{name}-{word}"), |folder, address| {
                let config = folder.join("redis.conf");
                std::fs::write(&config, configuration(folder, address, sync))?;
                Ok(Order {
                    program: program.to_owned(),
                    arguments: vec![config.into()],
                    environment: Vec::new(),
                    ready: "Ready to accept connections",
                })
            })
        };
        let memory = asks(false).then(|| start("memory", None)).transpose()?;
        let log = asks(true).then(|| start("log", Some(syncing))).transpose()?;
        let mut redis = Self { memory, log, peer, syncing, version: String::new() };
        redis.version = redis.ask_version().map_err(|error| StandError::Peer(error.to_string()))?;
        Ok(redis)
    }

    fn addresses(&self) -> Addresses {
        let address = |server: &Option<Server>| server.as_ref().map(Server::address);
        Addresses { memory: address(&self.memory), log: address(&self.log) }
    }

    fn ask_version(&self) -> Result<String, DriveError> {
        let address = self.addresses().any()?;
        let bridge = Bridge::new()?;
        let mut connection = bridge.wait("redis-server", connect(address))?;
        let ask = async { redis::cmd("INFO").arg("server").query_async(&mut connection).await };
        let told: String = bridge.wait::<_, redis::RedisError>("INFO", ask)?;
        let version = told.lines().find_map(|line| line.strip_prefix("redis_version:"));
        version
            .map(|version| version.trim().to_owned())
            .ok_or_else(|| failed("INFO", "no redis_version"))
    }
}

/// Without snapshots, and without rewrites of the file: neither belongs to the work.
fn configuration(folder: &Path, address: SocketAddr, sync: Option<Syncing>) -> String {
    let (append, sync) = match sync {
        None => ("no", "no"),
        Some(Syncing::Always) => ("yes", "always"),
        Some(Syncing::Periodic) => ("yes", "everysec"),
    };
    format!(
        "bind {}\nport {}\ndir \"{}\"\nsave \"\"\nappendonly {append}\nappendfsync {sync}\n\
         auto-aof-rewrite-percentage 0\n",
        address.ip(),
        address.port(),
        folder.display()
    )
}

impl Driver for Redis {
    fn describe(&self, level: Level, shape: Shape) -> Result<result::Driver, DriveError> {
        let kept = level_of(self.peer, self.syncing, level, shape);
        let kept = kept.ok_or_else(|| failed("redis", "no such level is offered"))?;
        let name = match (self.peer, shape) {
            (Peer::RedisPubsub, _) => "redis-pubsub",
            (Peer::Redis, Shape::Events) => "redis-streams",
            (Peer::Redis | Peer::RedisLists | Peer::Nats | Peer::NatsCore | Peer::Rabbitmq, _) => {
                "redis-lists"
            }
        };
        let words = match (is_on_disk(level, shape), self.syncing) {
            (false, _) => vec!["appendonly=no"],
            (true, Syncing::Always) => vec!["appendonly=yes", "appendfsync=always"],
            (true, Syncing::Periodic) => vec!["appendonly=yes", "appendfsync=everysec"],
        };
        Ok(result::Driver {
            name: name.to_owned(),
            version: self.version.clone(),
            configuration: words.into_iter().map(str::to_owned).collect(),
            level: kept,
        })
    }

    /// Streams, lists and channels are there when they are used.
    fn make(&self, _topics: &[TopicPlan]) -> Result<(), DriveError> {
        Ok(())
    }

    fn port(&self) -> Result<Box<dyn Port>, DriveError> {
        Ok(Box::new(RedisPort::new(self.addresses(), self.peer)?))
    }

    fn processes(&self) -> Vec<u32> {
        self.memory.iter().chain(&self.log).map(Server::process).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_says_how_it_syncs() {
        let address = "127.0.0.1:7".parse().expect("an address");
        let check = |sync, append: &str, fsync: &str| {
            let text = configuration(Path::new("/d"), address, sync);
            assert!(text.contains(&format!("appendonly {append}\nappendfsync {fsync}\n")));
            assert!(text.starts_with("bind 127.0.0.1\nport 7\n"), "{text}");
        };
        check(None, "no", "no");
        check(Some(Syncing::Always), "yes", "always");
        check(Some(Syncing::Periodic), "yes", "everysec");
    }

    #[test]
    fn a_topic_is_on_the_server_of_its_level() {
        let (memory, log) = ("127.0.0.1:1".parse().ok(), "127.0.0.1:2".parse().ok());
        let of = |level, shape| Addresses { memory, log }.of(level, shape).ok();
        assert_eq!(of(Level::Default, Shape::Service), memory);
        assert_eq!(of(Level::Default, Shape::Events), log);
        assert_eq!(of(Level::Memory, Shape::Events), memory);
        let none = Addresses { memory, log: None };
        assert!(none.of(Level::Durable, Shape::Events).is_err());
    }
}
