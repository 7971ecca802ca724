//! Identity: who a data directory belongs to, fixed when it is made.
//!
//! The file `node` of a data directory, TOML:
//!
//! ```text
//! format = 1
//! node_id = "0f3c…"      128 bits, hexadecimal, drawn once
//! cluster_id = "…"       the same for all nodes of a cluster
//! shard_count = 2        never changes: queues are placed by it
//! ```

use serde::{Deserialize, Serialize};
use shard::data::{DataDir, DataDirError};
use wire::ErrorCode;

/// The file's name in a data directory.
const FILE: &str = "node";
/// The format of data directories this release writes.
const FORMAT: u32 = 1;

/// Who a data directory belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Drawn when the directory was made.
    pub node_id: u128,
    /// The same for all nodes of a cluster.
    pub cluster_id: u128,
    /// How many shards its queues are placed on.
    pub shard_count: u16,
}

/// Why a directory is not this node's.
#[derive(Debug)]
pub enum IdentityError {
    /// It cannot be read or written.
    Directory(DataDirError),
    /// The file is damaged.
    Unreadable {
        /// What the reader says.
        reason: String,
    },
    /// Made by a newer release.
    UnknownFormat {
        /// As found.
        format: u32,
    },
    /// Made with another number of shards.
    OtherShardCount {
        /// As found.
        found: u16,
        /// As configured.
        configured: u16,
    },
    /// Shard directories without the file: not to be adopted in silence.
    Missing {
        /// How many shard directories there are.
        shard_count: u16,
    },
}

impl IdentityError {
    /// Its stable number.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Directory(error) => error.code(),
            Self::Unreadable { .. } | Self::Missing { .. } => ErrorCode::DataDirDamaged,
            Self::UnknownFormat { .. } => ErrorCode::FormatUnknown,
            Self::OtherShardCount { .. } => ErrorCode::DataDirForeign,
        }
    }
}

impl std::fmt::Display for IdentityError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Directory(error) => error.fmt(formatter),
            Self::Unreadable { reason } => write!(formatter, "its file `node`: {reason}"),
            Self::UnknownFormat { format } => {
                write!(formatter, "it has format {format}; this release knows {FORMAT}")
            }
            Self::OtherShardCount { found, configured } => {
                write!(formatter, "it was made with {found} shards; {configured} are configured")
            }
            Self::Missing { shard_count } => {
                write!(formatter, "it has {shard_count} shards and no file `node`")
            }
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: u32,
    node_id: String,
    cluster_id: String,
    shard_count: u16,
}

impl Identity {
    /// Reads a directory's identity; draws one for a new directory. `shard_count` 0 takes what is there.
    pub fn load_or_make(directory: &DataDir, shard_count: u16) -> Result<Self, IdentityError> {
        match directory.load(FILE).map_err(IdentityError::Directory)? {
            Some(bytes) => Self::read(&bytes, shard_count),
            None => Self::make(directory, shard_count),
        }
    }

    /// Reads what the file says. `configured` 0 takes any number of shards.
    ///
    /// # Errors
    /// It is damaged, of a newer release, or made with another number of shards.
    pub fn read(bytes: &[u8], configured: u16) -> Result<Self, IdentityError> {
        let unreadable = |reason: String| IdentityError::Unreadable { reason };
        let text = std::str::from_utf8(bytes).map_err(|error| unreadable(error.to_string()))?;
        let file: File = toml::from_str(text).map_err(|error| unreadable(error.to_string()))?;
        if file.format != FORMAT {
            return Err(IdentityError::UnknownFormat { format: file.format });
        }
        if configured != 0 && configured != file.shard_count {
            return Err(IdentityError::OtherShardCount { found: file.shard_count, configured });
        }
        if file.shard_count == 0 {
            return Err(unreadable("shard_count is 0; a node has at least one".to_owned()));
        }
        let id = |text: &str| {
            u128::from_str_radix(text, 16).map_err(|error| unreadable(error.to_string()))
        };
        Ok(Self {
            node_id: id(&file.node_id)?,
            cluster_id: id(&file.cluster_id)?,
            shard_count: file.shard_count,
        })
    }

    fn make(directory: &DataDir, shard_count: u16) -> Result<Self, IdentityError> {
        let found = directory.shard_count().map_err(IdentityError::Directory)?;
        if found > 0 {
            return Err(IdentityError::Missing { shard_count: found });
        }
        let identity = Self {
            node_id: shard::process::random_u128(),
            cluster_id: shard::process::random_u128(),
            shard_count: shard_count.max(1),
        };
        directory.save(FILE, identity.to_text().as_bytes()).map_err(IdentityError::Directory)?;
        Ok(identity)
    }

    fn to_text(self) -> String {
        let file = File {
            format: FORMAT,
            node_id: format!("{:032x}", self.node_id),
            cluster_id: format!("{:032x}", self.cluster_id),
            shard_count: self.shard_count,
        };
        toml::to_string(&file).expect("four plain fields are always TOML")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDENTITY: Identity = Identity { node_id: 7, cluster_id: 9, shard_count: 2 };

    #[test]
    fn an_identity_reads_back() {
        let read = Identity::read(IDENTITY.to_text().as_bytes(), 2).expect("just written");
        assert_eq!(read, IDENTITY);
    }

    #[test]
    fn another_shard_count_is_refused() {
        let read = Identity::read(IDENTITY.to_text().as_bytes(), 3);
        assert!(matches!(read, Err(IdentityError::OtherShardCount { found: 2, configured: 3 })));
    }

    #[test]
    fn no_count_given_takes_what_is_there() {
        let read = Identity::read(IDENTITY.to_text().as_bytes(), 0).expect("just written");
        assert_eq!(read.shard_count, 2);
    }

    #[test]
    fn a_newer_format_is_refused_by_name() {
        let text = IDENTITY.to_text().replace("format = 1", "format = 2");
        let read = Identity::read(text.as_bytes(), 2);
        assert!(matches!(read, Err(IdentityError::UnknownFormat { format: 2 })));
    }
}
