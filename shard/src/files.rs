//! Files: how many descriptors this process may have, and what is given up where they are few.
//!
//! ```text
//!   RLIMIT_NOFILE   | node | shard 0: its own, log files kept open | shard 1: ... |
//!                   | a ring's table of sockets: may not be longer, takes none of them |
//! ```
//!
//! Accepted sockets live in their ring's table, not among the descriptors, so connections can never
//! take those of the log away. Where the limit is small the tables get shorter and fewer log files
//! stay open; who comes when a table is full is refused, in words, until others leave.

use crate::config::NodeMachine;
use crate::probe::StartError;
use crate::sys::host;

/// Descriptors of a node: standard streams, lock, signals, the admin address with its connections.
const NODE_FILES: u64 = 24;
/// Descriptors of a shard: ring, listeners, bell, what its helper has open.
const SHARD_FILES: u64 = 8;
/// Fewer open log files than this, and reading old records would be opening files.
const OPEN_FILES_MIN: u64 = 8;

/// Raises the limit as far as needed; makes the bounds of `config` smaller, with a line that says so, where it cannot be.
///
/// # Errors
/// `FileLimitTooSmall`: not even a handful of log files would fit.
pub(crate) fn fit(config: &mut NodeMachine) -> Result<(), StartError> {
    let shards = u64::from(config.shard_count);
    let open_files = config.open_files_max as u64;
    let needed = u64::from(config.sockets()).max(NODE_FILES + shards * (SHARD_FILES + open_files));
    let (now, hard) = host::file_limit();
    if now >= needed {
        return Ok(());
    }
    let wanted = needed.min(hard);
    let limit = host::raise_file_limit(wanted).map_or(now, |()| wanted);
    let connections = config.connections_max;
    shrink(config, limit)?;
    if config.connections_max < connections {
        let fewer = config.connections_max;
        eprintln!(
            "warning: {fewer} connections per shard instead of {connections}: RLIMIT_NOFILE is {limit}; fix: ulimit -n 65536, or LimitNOFILE=65536"
        );
    }
    Ok(())
}

/// Fits the bounds of `config` into `limit` descriptors.
fn shrink(config: &mut NodeMachine, limit: u64) -> Result<(), StartError> {
    let shards = u64::from(config.shard_count);
    let needed = NODE_FILES + shards * (SHARD_FILES + OPEN_FILES_MIN);
    let each = limit.saturating_sub(NODE_FILES) / shards;
    let open_files = each.saturating_sub(SHARD_FILES);
    if open_files < OPEN_FILES_MIN {
        return Err(StartError::FileLimitTooSmall { limit, needed });
    }
    let open_files = usize::try_from(open_files).unwrap_or(usize::MAX);
    config.open_files_max = config.open_files_max.min(open_files);
    while u64::from(config.sockets()) > limit {
        let over = u64::from(config.sockets()) - limit;
        let fewer = u32::try_from(over.div_ceil(2)).unwrap_or(u32::MAX);
        config.connections_max = config.connections_max.saturating_sub(fewer).max(1);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shrunk(shard_count: u16, limit: u64) -> Result<(u32, usize), StartError> {
        let mut config = NodeMachine { shard_count, ..NodeMachine::default() };
        shrink(&mut config, limit)?;
        assert!(u64::from(config.sockets()) <= limit, "a table fits");
        Ok((config.connections_max, config.open_files_max))
    }

    #[test]
    fn few_descriptors_make_few_connections_and_open_files() {
        assert_eq!(shrunk(1, 64), Ok((56, 32)));
        assert_eq!(shrunk(2, 64), Ok((56, 12)));
        assert_eq!(shrunk(1, 1024), Ok((960, 64)));
        assert_eq!(shrunk(1, 1 << 20), Ok((4096, 64)));
    }

    #[test]
    fn below_a_handful_of_log_files_a_node_does_not_start() {
        let refused = |limit, needed| Err(StartError::FileLimitTooSmall { limit, needed });
        assert_eq!(shrunk(1, 40).map(|(_, open_files)| open_files), Ok(8));
        assert_eq!(shrunk(1, 39), refused(39, 40));
        assert_eq!(shrunk(4, 64), refused(64, 88));
        assert_eq!(shrunk(1, 0), refused(0, 40));
    }
}
