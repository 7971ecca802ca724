//! Globals: the options every verb has, and the client made from them.

use crate::failure::Failure;
use crate::notice::Talk;
use crate::output::Format;
use clap::Args;
use client::{Client, ClientConfig};
use std::time::Duration;

/// Where a node listens unless it is told otherwise.
const SERVER_DEFAULT: &str = "127.0.0.1:7400";
/// How long a command says its goodbyes.
const CLOSE_WAIT: Duration = Duration::from_millis(500);

/// The options every verb has.
#[derive(Clone, Debug, Args)]
pub struct Globals {
    /// The node to talk to; 127.0.0.1:7400 unless said
    #[arg(long, global = true, value_name = "HOST:PORT", env = "DEFIBUS_SERVER")]
    pub server: Option<String>,
    /// How results are written
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Table)]
    pub output: Format,
    /// Say nothing but results and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say how it is done, too
    #[arg(short, long, global = true)]
    pub verbose: bool,
}

impl Globals {
    /// How much is said beside the results.
    pub const fn talk(&self) -> Talk {
        match (self.quiet, self.verbose) {
            (true, _) => Talk::Quiet,
            (false, true) => Talk::Verbose,
            (false, false) => Talk::Normal,
        }
    }

    /// The node to talk to: the one that was named, or the one on this host.
    pub fn server(&self) -> &str {
        self.server.as_deref().unwrap_or(SERVER_DEFAULT)
    }

    /// Connects to the node.
    ///
    /// # Errors
    /// There is no node there, it refuses, or it is something else.
    pub fn connect(&self) -> Result<Client, Failure> {
        let mut config = ClientConfig::new(self.server());
        config.name = format!("defibus-cli-{}", std::process::id());
        let client = Client::connect(config)?;
        let node = client.node();
        self.talk().detail(format_args!(
            "connected to {} ({} shards), landed on shard {}",
            node.name, node.shard_count, node.shard.0
        ));
        Ok(client)
    }

    /// Says goodbye.
    pub fn close(&self, client: Client) {
        client.close(CLOSE_WAIT);
    }
}
