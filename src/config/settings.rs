//! NodeConfig: everything a node is told at start, with defaults that fit a small host.
//!
//! The unit is in the name of each key (`_bytes`, `_hours`, `_ms`); counts have none.
//! The same names are the keys of the TOML file, of `DEFIBUS__A__B` and of `config show`;
//! `keys.rs` explains each of them to the user.

use serde::{Deserialize, Serialize};
use shard::Idle;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// How far the admin port lies above the node's port, unless it is configured.
const ADMIN_PORT_DISTANCE: u16 = 80;

/// A node's configuration: plain values, checked by `config::check`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NodeConfig {
    /// The node's name for people; 1 to 255 bytes.
    pub name: String,
    /// The data directory; made if it is not there.
    pub data: PathBuf,
    /// The node's common address, shared by all shards. Port 0: the kernel chooses.
    pub listen: SocketAddr,
    /// The host that clients are told to connect to; `None`: the host of `listen`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advertise: Option<String>,
    /// Port of shard 0's own address, shard n takes n more; 0: the kernel chooses.
    pub shard_port: u16,
    /// How many shards; fixed when the data directory is made. 0: as it has, 1 in a new one.
    pub shards: u16,
    /// What a shard does when there is nothing to do.
    #[serde(with = "IdleText")]
    pub idle: Idle,
    /// Core of each shard, by shard number; empty: not pinned.
    pub cores: Vec<usize>,
    /// A core that runs no shard: fsync and helper threads go there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub housekeeping_core: Option<usize>,
    /// Allows `listen` beyond loopback though nothing is encrypted or authenticated.
    pub insecure: bool,
    /// The operator's word: open a damaged data directory though something may be lost.
    /// Only a flag sets it; it stands in no file.
    #[serde(skip)]
    pub accept_loss: bool,
    /// Metrics and health.
    pub admin: AdminConfig,
    /// The maxima of this node.
    pub limits: LimitsConfig,
    /// The log and what is kept of it.
    pub storage: StorageConfig,
}

/// Metrics and health over HTTP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdminConfig {
    /// Whether there is an admin address at all.
    pub enabled: bool,
    /// Where; `None`: the host of `listen`, 80 ports above it (any port if that is any).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
}

/// The maxima. Counts and bytes are per shard unless said otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// Connections open at once.
    pub connections: u32,
    /// The largest record taken, everything included; at most 4 MiB.
    pub record_bytes: u64,
    /// Bytes queued to one connection before it counts as a slow consumer.
    pub output_bytes: u64,
    /// Bytes queued to all connections together; beyond, the longest queue is a slow consumer's.
    pub output_total_bytes: u64,
    /// All frames being assembled from several receive buffers.
    pub assembly_bytes: u64,
    /// Receive buffers; a power of two, at most 32768.
    pub receive_buffers: u16,
    /// Length of one receive buffer.
    pub receive_buffer_bytes: u64,
    /// Requests outstanding at the requesters of one shard.
    pub pending_requests: u32,
    /// Requests waiting for a responder, per service.
    pub waiting_requests: u32,
    /// Bytes of requests waiting for a responder, all services.
    pub waiting_bytes: u64,
    /// Records delivered and not yet acknowledged, per lease.
    pub in_flight: u32,
    /// Topics of the node.
    pub topics: u32,
    /// Queues of the node.
    pub queues: u32,
    /// Groups of the node, broadcast instances counted.
    pub groups: u32,
    /// Producers of the node; at most 65536.
    pub producers: u32,
    /// Members and responders of the node.
    pub members: u32,
    /// Silence after which a peer is taken for dead.
    pub heartbeat_ms: u64,
    /// Time to complete the first frame, and every frame begun.
    pub frame_deadline_ms: u64,
    /// Time a revoked owner has to finish what is in flight.
    pub drain_ms: u64,
}

/// The log and what is kept of it. Bytes are per shard unless said otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StorageConfig {
    /// Length of a segment; a multiple of 4096.
    pub segment_bytes: u64,
    /// Segments made ready ahead.
    pub prepared_segments: u16,
    /// A flush starts at the latest with so much gathered.
    pub batch_bytes: u64,
    /// All segments of the node together: shared equally by its shards.
    pub limit_bytes: u64,
    /// Segments older than this go.
    pub retention_hours: u32,
    /// Newest batches kept in memory for consumers at the tail.
    pub recent_bytes: u64,
    /// Cache of blocks read back from the disk.
    pub read_cache_bytes: u64,
    /// All records of `memory` topics.
    pub memory_bytes: u64,
    /// A snapshot after so many bytes of log...
    pub snapshot_bytes: u64,
    /// ... but not before so much time.
    pub snapshot_interval_ms: u64,
    /// Everything sealed is read once in so many days; 0: never.
    pub scrub_days: u32,
    /// But never so many bytes in a second.
    pub scrub_bytes_per_second: u64,
}

/// How `idle` is spelled.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Idle", rename_all = "lowercase")]
enum IdleText {
    Spin,
    Adaptive,
    Block,
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            name: "defibus".to_owned(),
            data: PathBuf::from("defibus-data"),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7400)),
            advertise: None,
            shard_port: 0,
            shards: 0,
            idle: Idle::Adaptive,
            cores: Vec::new(),
            housekeeping_core: None,
            insecure: false,
            accept_loss: false,
            admin: AdminConfig::default(),
            limits: LimitsConfig::default(),
            storage: StorageConfig::default(),
        }
    }
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self { enabled: true, listen: None }
    }
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            connections: 4096,
            record_bytes: wire::limits::RECORD_BYTES_DEFAULT as u64,
            output_bytes: 16 * MIB,
            output_total_bytes: 256 * MIB,
            assembly_bytes: 64 * MIB,
            receive_buffers: 256,
            receive_buffer_bytes: 64 << 10,
            pending_requests: 65_536,
            waiting_requests: 16_384,
            waiting_bytes: 64 * MIB,
            in_flight: 10_000,
            topics: 100_000,
            queues: 1_000_000,
            groups: 65_536,
            producers: 65_536,
            members: 65_536,
            heartbeat_ms: 10_000,
            frame_deadline_ms: 5_000,
            drain_ms: 1_000,
        }
    }
}

impl Default for StorageConfig {
    fn default() -> Self {
        Self {
            segment_bytes: 64 * MIB,
            prepared_segments: 2,
            batch_bytes: MIB,
            limit_bytes: 16 * GIB,
            retention_hours: 72,
            recent_bytes: 64 * MIB,
            read_cache_bytes: 32 * MIB,
            memory_bytes: 256 * MIB,
            snapshot_bytes: 64 * MIB,
            snapshot_interval_ms: 2_000,
            scrub_days: 7,
            scrub_bytes_per_second: 16 * MIB,
        }
    }
}

impl NodeConfig {
    /// Where metrics and health are served, if anywhere.
    pub fn admin_listen(&self) -> Option<SocketAddr> {
        if !self.admin.enabled {
            return None;
        }
        let port = match self.listen.port() {
            0 => 0,
            port => port.wrapping_add(ADMIN_PORT_DISTANCE),
        };
        Some(self.admin.listen.unwrap_or_else(|| SocketAddr::new(self.listen.ip(), port)))
    }

    /// The host that clients are told to connect to.
    pub fn advertised_host(&self) -> String {
        self.advertise.clone().unwrap_or_else(|| self.listen.ip().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_admin_address_follows_listen_unless_set() {
        let mut config = NodeConfig::default();
        assert_eq!(config.admin_listen().map(|address| address.port()), Some(7480));
        config.listen.set_port(0);
        assert_eq!(config.admin_listen().map(|address| address.port()), Some(0));
        config.admin.listen = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 9)));
        assert_eq!(config.admin_listen(), config.admin.listen);
        config.admin.enabled = false;
        assert_eq!(config.admin_listen(), None);
    }
}
