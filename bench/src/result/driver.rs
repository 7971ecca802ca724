//! Driver: which bus a figure is of: its version, its configuration, and what its acknowledgement means.

use serde::{Deserialize, Serialize};

/// The bus that was driven.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Driver {
    /// `defibus`, or a peer: `nats-jetstream`, `redis-streams`.
    pub name: String,
    /// As it tells itself.
    pub version: String,
    /// What was set and matters for the figures, word by word: `shards=1`, `idle=spin`.
    pub configuration: Vec<String>,
    /// What its acknowledgement means.
    pub level: Level,
}

impl Driver {
    /// `name version (configuration)`.
    pub fn title(&self) -> String {
        let words = self.configuration.join(", ");
        let rest = if words.is_empty() { String::new() } else { format!(" ({words})") };
        format!("{} {}{rest}", self.name, self.version)
    }
}

/// What an acknowledged message survives. Figures of two levels are never compared.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// There is no acknowledgement, or it promises nothing: who is not connected misses the message.
    None,
    /// Acknowledged from the memory of one process: lost with it.
    Memory,
    /// Acknowledged after write(), synced later: lost with the machine's power.
    Written,
    /// Acknowledged after fdatasync on one node.
    Durable,
    /// Acknowledged after fdatasync on a majority.
    Quorum,
}

impl Level {
    /// As it is stored.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Memory => "memory",
            Self::Written => "written",
            Self::Durable => "durable",
            Self::Quorum => "quorum",
        }
    }

    /// What it means, for people.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::None => "not acknowledged, or not kept",
            Self::Memory => "acknowledged from memory",
            Self::Written => "acknowledged after write(), synced later",
            Self::Durable => "acknowledged after fdatasync",
            Self::Quorum => "acknowledged after fdatasync on a majority",
        }
    }
}

impl From<client::Level> for Level {
    fn from(level: client::Level) -> Self {
        match level {
            client::Level::Memory => Self::Memory,
            client::Level::Durable => Self::Durable,
            client::Level::Quorum => Self::Quorum,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_names_what_matters() {
        let configuration = vec!["shards=1".to_owned(), "idle=spin".to_owned()];
        let (name, version) = ("defibus".to_owned(), "0.1.0".to_owned());
        let driver = Driver { name, version, configuration, level: Level::Durable };
        assert_eq!(driver.title(), "defibus 0.1.0 (shards=1, idle=spin)");
    }

    #[test]
    fn levels_are_stored_by_name() {
        use Level::{Durable, Memory, None, Quorum, Written};
        for level in [None, Memory, Written, Durable, Quorum] {
            assert_eq!(serde_json::to_value(level).expect("JSON"), level.name());
        }
    }
}
