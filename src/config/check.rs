//! Check: what a configuration may not say, and the memory it may take.

use super::settings::NodeConfig;
use crate::broker::post::MAIL_BYTES_MAX;
use std::fmt;
use storage::store::Held;

/// A key whose value cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// Which key.
    pub key: &'static str,
    /// What is wrong, with the number that matters.
    pub cause: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.key, self.cause)
    }
}

/// Everything the parts of a budget come to.
pub fn memory_bytes_max(budget: &[Share]) -> u64 {
    budget.iter().fold(0, |sum, share| sum.saturating_add(share.bytes))
}

/// One part of the memory a node may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// What it is for.
    pub what: &'static str,
    /// How much at most, all shards together, in bytes.
    pub bytes: u64,
}

/// The most shards of a node: what a process may have of cores, and more.
const SHARDS_MAX: u16 = 512;
/// Smallest segment, in bytes.
const SEGMENT_BYTES_MIN: u64 = 1 << 20;
/// Largest segment: positions in it are 32 bits wide.
const SEGMENT_BYTES_MAX: u64 = 1 << 31;
/// Largest batch: gathering takes a few times as much at once, in bytes.
const BATCH_BYTES_MAX: u64 = 64 << 20;
/// All receive buffers of a shard, allocated at its start, in bytes.
const RECEIVE_BYTES_MAX: u64 = 4 << 30;
/// Blocks of the disk, in bytes.
const BLOCK_BYTES: u64 = 4096;

/// Everything that cannot be used; empty: fine. Insecure listening is judged apart.
pub fn complaints(config: &NodeConfig) -> Vec<Complaint> {
    let mut found = Vec::new();
    let mut complain = |fine: bool, key: &'static str, cause: String| {
        if !fine {
            found.push(Complaint { key, cause });
        }
    };
    node_rules(config, &mut complain);
    limit_rules(config, &mut complain);
    storage_rules(config, &mut complain);
    found
}

fn node_rules(config: &NodeConfig, complain: &mut impl FnMut(bool, &'static str, String)) {
    let name_bytes = config.name.len();
    let name_max = wire::limits::NAME_BYTES_MAX;
    complain(
        (1..=name_max).contains(&name_bytes),
        "name",
        format!("{name_bytes} bytes; 1 to {name_max} are allowed"),
    );
    let shards = config.shards;
    complain(shards <= SHARDS_MAX, "shards", format!("{shards}; at most {SHARDS_MAX} are allowed"));
    let cores = config.cores.len();
    complain(
        cores == 0 || cores == usize::from(shards.max(1)),
        "cores",
        format!("{cores} cores for {} shards; name one for each, or none", shards.max(1)),
    );
    let housekeeping = config.housekeeping_core;
    complain(
        housekeeping.is_none_or(|core| !config.cores.contains(&core)),
        "housekeeping_core",
        "it also runs a shard".to_owned(),
    );
}

fn limit_rules(config: &NodeConfig, complain: &mut impl FnMut(bool, &'static str, String)) {
    let limits = &config.limits;
    let record_max = wire::limits::RECORD_BYTES_MAX as u64;
    complain(
        (1024..=record_max).contains(&limits.record_bytes),
        "limits.record_bytes",
        format!("{}; 1024 to {record_max} are allowed", limits.record_bytes),
    );
    let buffers = limits.receive_buffers;
    complain(
        buffers.is_power_of_two() && buffers <= 1 << 15,
        "limits.receive_buffers",
        format!("{buffers}; a power of two, at most 32768"),
    );
    let buffer_bytes = limits.receive_buffer_bytes;
    complain(
        (BLOCK_BYTES..=1 << 30).contains(&buffer_bytes),
        "limits.receive_buffer_bytes",
        format!("{buffer_bytes}; 4 KiB to 1 GiB"),
    );
    let receive_bytes = u64::from(buffers).saturating_mul(buffer_bytes);
    complain(
        receive_bytes <= RECEIVE_BYTES_MAX,
        "limits.receive_buffer_bytes",
        format!("{buffers} buffers take {receive_bytes}; at most {RECEIVE_BYTES_MAX} a shard"),
    );
    let frame_max = wire::limits::FRAME_BYTES_MAX as u64;
    complain(
        limits.output_bytes >= frame_max,
        "limits.output_bytes",
        format!("{}; at least one frame, {frame_max}", limits.output_bytes),
    );
    complain(
        limits.output_total_bytes >= limits.output_bytes,
        "limits.output_total_bytes",
        format!("{}; at least limits.output_bytes", limits.output_total_bytes),
    );
    complain(
        limits.assembly_bytes >= frame_max,
        "limits.assembly_bytes",
        format!("{}; at least one frame, {frame_max}", limits.assembly_bytes),
    );
    complain(
        limits.producers <= 65_536,
        "limits.producers",
        format!("{}; at most 65536", limits.producers),
    );
    let counts = [
        ("limits.connections", u64::from(limits.connections)),
        ("limits.in_flight", u64::from(limits.in_flight)),
        ("limits.topics", u64::from(limits.topics)),
        ("limits.queues", u64::from(limits.queues)),
        ("limits.groups", u64::from(limits.groups)),
        ("limits.members", u64::from(limits.members)),
        ("limits.heartbeat_ms", limits.heartbeat_ms),
        ("limits.frame_deadline_ms", limits.frame_deadline_ms),
    ];
    for (key, count) in counts {
        complain(count > 0, key, "0; at least 1".to_owned());
    }
}

fn storage_rules(config: &NodeConfig, complain: &mut impl FnMut(bool, &'static str, String)) {
    let storage = &config.storage;
    let segment = storage.segment_bytes;
    complain(
        segment.is_multiple_of(BLOCK_BYTES)
            && (SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&segment),
        "storage.segment_bytes",
        format!("{segment}; a multiple of 4096 from 1 MiB to 2 GiB"),
    );
    let batch = storage.batch_bytes.max(config.limits.record_bytes);
    complain(
        batch.saturating_mul(2) <= segment,
        "storage.batch_bytes",
        format!("a batch of {batch} does not fit twice into a segment of {segment}"),
    );
    complain(
        storage.batch_bytes <= BATCH_BYTES_MAX,
        "storage.batch_bytes",
        format!("{}; at most {BATCH_BYTES_MAX}", storage.batch_bytes),
    );
    let least = segment.saturating_mul(4).saturating_mul(u64::from(config.shards.max(1)));
    complain(
        storage.limit_bytes >= least,
        "storage.limit_bytes",
        format!("{}; at least four segments a shard, {least}", storage.limit_bytes),
    );
    complain(storage.retention_hours > 0, "storage.retention_hours", "0; at least 1".to_owned());
    complain(
        storage.prepared_segments <= 64,
        "storage.prepared_segments",
        format!("{}; at most 64", storage.prepared_segments),
    );
}

/// The memory a node may take, part by part.
pub fn memory_budget(config: &NodeConfig) -> Vec<Share> {
    let shards = u64::from(config.shards.max(1));
    let limits = &config.limits;
    let store = Held::most(&config.plan().store);
    let receive = u64::from(limits.receive_buffers).saturating_mul(limits.receive_buffer_bytes);
    let parts = [
        ("receive buffers", receive),
        ("bytes of peers that are not read", receive.saturating_mul(4)),
        ("frames being assembled", limits.assembly_bytes),
        ("bytes for peers that do not read", limits.output_total_bytes),
        ("requests waiting for a responder", limits.waiting_bytes),
        ("batches gathering, in flight and recent", store.batches as u64),
        ("batches and indexes read back", store.read_back as u64),
        ("records of memory topics", store.memory_topics as u64),
    ];
    let mail = MAIL_BYTES_MAX as u64;
    let mut budget =
        parts.map(|(what, bytes)| Share { what, bytes: bytes.saturating_mul(shards) }).to_vec();
    let pairs = shards.saturating_mul(shards - 1);
    budget.push(Share { what: "mail between shards", bytes: mail.saturating_mul(pairs) });
    budget
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl FnOnce(&mut NodeConfig), keys: &[&str]) {
        let mut config = NodeConfig::default();
        change(&mut config);
        let found: Vec<&str> = complaints(&config).iter().map(|complaint| complaint.key).collect();
        assert_eq!(found, keys);
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        check(|_| (), &[]);
        check(|config| config.name.clear(), &["name"]);
        check(|config| config.shards = 600, &["shards", "storage.limit_bytes"]);
        check(|config| config.cores = vec![1, 2], &["cores"]);
        check(
            |config| (config.cores, config.housekeeping_core) = (vec![1], Some(1)),
            &["housekeeping_core"],
        );
        check(|config| config.limits.record_bytes = 8 << 20, &["limits.record_bytes"]);
        check(|config| config.limits.receive_buffers = 3, &["limits.receive_buffers"]);
        check(
            |config| config.limits.receive_buffer_bytes = 1 << 30,
            &["limits.receive_buffer_bytes"],
        );
        check(
            |config| {
                config.storage.segment_bytes = 1 << 28;
                config.storage.batch_bytes = 1 << 27;
            },
            &["storage.batch_bytes"],
        );
        check(|config| config.limits.connections = 0, &["limits.connections"]);
        check(|config| config.limits.output_total_bytes = 1, &["limits.output_total_bytes"]);
        check(
            |config| config.storage.segment_bytes = 5000,
            &["storage.segment_bytes", "storage.batch_bytes"],
        );
        check(|config| config.storage.limit_bytes = 1, &["storage.limit_bytes"]);
    }

    #[test]
    fn the_budget_grows_with_the_shards_and_never_beyond_what_can_be_counted() {
        let mut config = NodeConfig::default();
        let total = |config: &NodeConfig| memory_bytes_max(&memory_budget(config));
        let mail = |config: &NodeConfig| memory_budget(config).last().map_or(0, |mail| mail.bytes);
        let one = total(&config);
        assert_eq!(mail(&config), 0, "a lone shard has nobody to write to");
        config.shards = 2;
        assert_eq!(total(&config), 2 * one + mail(&config));
        let two_ways = mail(&config);
        config.shards = 3;
        assert_eq!((mail(&config), total(&config)), (3 * two_ways, 3 * one + mail(&config)));
        (config.limits.assembly_bytes, config.limits.waiting_bytes) = (u64::MAX, u64::MAX);
        assert_eq!(total(&config), u64::MAX);
    }
}
