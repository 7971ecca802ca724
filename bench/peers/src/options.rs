//! Options: what the command line asks for: which workloads, on which buses.

use crate::hold::HoldOptions;
use crate::peer::{Binary, Peer, Syncing};
use crate::server::Place;
use crate::stand::PeerStand;
use bench::suite::options::{LoadOptions, RunOptions};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// The workloads of the bus on the systems a user would pick instead
#[derive(Debug, Parser)]
#[command(version, about)]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What is done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run workloads on every bus whose program is named, one after another, each case on a fresh server
    Run(Box<PeerOptions>),
    /// Become a peer's server, as this program does by itself
    #[command(hide = true)]
    Hold(HoldOptions),
}

/// `run`.
#[derive(Clone, Debug, Args)]
pub(crate) struct PeerOptions {
    #[command(flatten)]
    pub(crate) run: RunOptions,
    /// Run the bus itself beside them: the `defibus` program, built as this one is
    #[arg(long, value_name = "PATH")]
    pub(crate) defibus: Option<PathBuf>,
    /// NATS: the server's program
    #[arg(long, value_name = "PATH")]
    nats_server: Option<PathBuf>,
    /// Redis 7 or newer: the server's program
    #[arg(long, value_name = "PATH")]
    redis_server: Option<PathBuf>,
    /// RabbitMQ: the server's own script, as /usr/lib/rabbitmq/bin/rabbitmq-server
    #[arg(long, value_name = "PATH")]
    rabbitmq_server: Option<PathBuf>,
    /// Only these of the peers whose program is named
    #[arg(long, value_name = "PEER", value_enum, value_delimiter = ',')]
    peers: Vec<Peer>,
    /// When peers sync what they keep on disk
    #[arg(long, value_enum, default_value_t = Syncing::Always)]
    sync: Syncing,
    /// Only cases whose name holds this
    #[arg(long, value_name = "WORD")]
    pub(crate) case: Option<String>,
}

impl PeerOptions {
    /// A stand for each peer that is to be run.
    ///
    /// # Errors
    /// A peer is named whose program is not; nothing is to be run; a program is not there.
    pub(crate) fn stands(&self) -> Result<Vec<PeerStand>, String> {
        let mut stands = Vec::new();
        let peers = if self.peers.is_empty() { Peer::ALL.to_vec() } else { self.peers.clone() };
        for peer in peers {
            let (option, program) = match peer.binary() {
                Binary::Nats => ("--nats-server", &self.nats_server),
                Binary::Redis => ("--redis-server", &self.redis_server),
                Binary::Rabbitmq => ("--rabbitmq-server", &self.rabbitmq_server),
            };
            match program {
                Some(program) => stands.push(self.stand(peer, program.clone())),
                None if self.peers.is_empty() => {}
                None => return Err(format!("{} is run by {option} PATH", peer.name())),
            }
        }
        if stands.is_empty() && self.defibus.is_none() {
            return Err("nothing to run: name a program, as --nats-server PATH".to_owned());
        }
        Ok(stands)
    }

    fn stand(&self, peer: Peer, program: PathBuf) -> PeerStand {
        let is_pinned = !self.load().runner_plan().cores.is_empty();
        let place = Place { folder: self.load().dir.clone(), core: is_pinned.then_some(0) };
        PeerStand::new(peer, program, self.sync, place)
    }

    /// How load is put on every bus.
    pub(crate) const fn load(&self) -> &LoadOptions {
        &self.run.load
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stands(arguments: &[&str]) -> Result<usize, String> {
        let words = ["defibus-peers", "run", "smoke"].iter().chain(arguments);
        let parsed = CommandLine::try_parse_from(words).map_err(|error| error.to_string())?;
        let Command::Run(options) = parsed.command else { return Err("no run".to_owned()) };
        options.stands().map(|stands| stands.len())
    }

    #[test]
    fn a_peer_is_run_only_if_its_program_is_named() {
        assert_eq!(stands(&["--nats-server", "n"]), Ok(2));
        assert_eq!(stands(&["--nats-server", "n", "--redis-server", "r"]), Ok(5));
        assert_eq!(stands(&["--redis-server", "r", "--peers", "redis,redis-pubsub"]), Ok(2));
        assert_eq!(stands(&["--defibus", "d"]), Ok(0));
        assert!(stands(&["--redis-server", "r", "--peers", "nats"]).is_err());
        assert!(stands(&[]).is_err_and(|words| words.contains("nothing to run")));
    }

    #[test]
    fn the_server_has_the_core_beside_the_load_s() {
        let words = ["defibus-peers", "run", "smoke", "--unpinned", "--redis-server", "r"];
        let Command::Run(options) = CommandLine::parse_from(words).command else { panic!("a run") };
        assert!(options.load().runner_plan().cores.is_empty());
    }
}
