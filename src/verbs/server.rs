//! server: a node for production, from a configuration file.

use super::hosting::{EndsWith, config_failure, host};
use crate::config::{ConfigError, Loaded, NodeConfig};
use clap::Args;
use std::path::PathBuf;
use tools::{Exit, Failure, Globals, Printer};

/// Options of `server`.
#[derive(Clone, Debug, Args)]
pub struct Server {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Open a damaged data directory though something may be lost; it is kept on record
    #[arg(long)]
    pub accept_loss: bool,
}

impl Server {
    /// Starts the node and stays with it.
    ///
    /// # Errors
    /// The node does not start, or does not end cleanly.
    pub fn run(&self, globals: &Globals, printer: &mut Printer<'_>) -> Result<Exit, Failure> {
        let config = self.config().map_err(|error| config_failure(&error))?;
        host(&config, EndsWith::Signals, globals, printer)
    }

    fn config(&self) -> Result<NodeConfig, ConfigError> {
        let mut loaded = Loaded::default();
        loaded.file(&self.config)?;
        loaded.env(std::env::vars())?;
        loaded.config.accept_loss = self.accept_loss;
        Ok(loaded.config)
    }
}
