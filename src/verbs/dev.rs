//! dev: a node for trying things out, from flags alone (and `DEFIBUS__...`).

use super::hosting::{EndsWith, config_failure, host};
use crate::config::{ConfigError, Loaded, NodeConfig};
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;
use tools::{Exit, Failure, Globals, Printer};

/// Options of `dev`; each is a key of the configuration.
#[derive(Clone, Debug, Args)]
pub struct Dev {
    /// Data directory; made if it is not there
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// How many shards; fixed when the data directory is made
    #[arg(long, value_name = "N")]
    pub shards: Option<u16>,
    /// Address to listen on; port 0: any free one
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// What a shard does when there is nothing to do
    #[arg(long, value_parser = ["spin", "adaptive", "block"])]
    pub idle: Option<String>,
    /// Address of /metrics, /livez and /readyz; 80 ports above --listen unless said
    #[arg(long, value_name = "ADDRESS")]
    pub admin: Option<SocketAddr>,
    /// Allow --listen beyond loopback though nothing is encrypted or authenticated
    #[arg(long)]
    pub insecure: bool,
    /// End when the standard input ends: so a node ends with the program that started it
    #[arg(long, hide = true)]
    pub end_with_input: bool,
}

impl Dev {
    /// Starts the node and stays with it.
    ///
    /// # Errors
    /// The node does not start, or does not end cleanly.
    pub fn run(&self, globals: &Globals, printer: &mut Printer<'_>) -> Result<Exit, Failure> {
        let config = self.config().map_err(|error| config_failure(&error))?;
        let ends = if self.end_with_input { EndsWith::Input } else { EndsWith::Signals };
        host(&config, ends, globals, printer)
    }

    fn config(&self) -> Result<NodeConfig, ConfigError> {
        let mut loaded = Loaded::default();
        loaded.env(std::env::vars())?;
        if let Some(data) = &self.data {
            loaded.flag("data", data.display().to_string())?;
        }
        if let Some(shards) = self.shards {
            loaded.flag("shards", i64::from(shards))?;
        }
        if let Some(listen) = self.listen {
            loaded.flag("listen", listen.to_string())?;
        }
        if let Some(idle) = &self.idle {
            loaded.flag("idle", idle.as_str())?;
        }
        if let Some(admin) = self.admin {
            loaded.flag("admin.listen", admin.to_string())?;
        }
        if self.insecure {
            loaded.flag("insecure", true)?;
        }
        Ok(loaded.config)
    }
}
