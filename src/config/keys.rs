//! Keys: every key of the configuration with its kind and its meaning: for `config show`, the docs and nearest names.

/// What a key takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    Text,
    /// A whole number.
    Number,
    /// true or false.
    Switch,
    /// A list of whole numbers.
    Numbers,
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its dotted name.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// What it is, in one sentence.
    pub what: &'static str,
}

const fn key(name: &'static str, kind: Kind, what: &'static str) -> Key {
    Key { name, kind, what }
}

use Kind::{Number, Numbers, Switch, Text};

/// Every key, in the order they are shown.
pub const KEYS: &[Key] = &[
    key("name", Text, "the node's name for people"),
    key("data", Text, "the data directory; made if it is not there"),
    key("listen", Text, "the node's address, shared by all shards; port 0: any free one"),
    key("advertise", Text, "the host clients are told to connect to; unset: the host of listen"),
    key("shard_port", Number, "port of shard 0's own address, shard n takes n more; 0: any"),
    key(
        "shards",
        Number,
        "how many shards; fixed when the data directory is made; 0: as it has, or 1",
    ),
    key("idle", Text, "what a shard does when there is nothing to do: spin, adaptive or block"),
    key("cores", Numbers, "core of each shard, by shard number; empty: not pinned"),
    key("housekeeping_core", Number, "a core without a shard, for fsync and helper threads"),
    key("insecure", Switch, "allows listen beyond loopback though nothing is encrypted"),
    key("admin.enabled", Switch, "whether metrics and health are served"),
    key("admin.listen", Text, "where; unset: the host of listen, 80 ports above it"),
    key("limits.connections", Number, "connections open at once, per shard"),
    key("limits.record_bytes", Number, "the largest record, everything included; at most 4 MiB"),
    key(
        "limits.output_bytes",
        Number,
        "bytes queued to one connection before it is a slow consumer; the kernel has at most 128 KiB more than the peer's window",
    ),
    key(
        "limits.output_total_bytes",
        Number,
        "the same to all connections of a shard; beyond it the longest queue goes",
    ),
    key("limits.assembly_bytes", Number, "frames being assembled, per shard"),
    key(
        "limits.receive_buffers",
        Number,
        "receive buffers of a shard; a power of two, at most 32768",
    ),
    key("limits.receive_buffer_bytes", Number, "length of one receive buffer"),
    key("limits.pending_requests", Number, "requests outstanding at the requesters of a shard"),
    key("limits.waiting_requests", Number, "requests waiting for a responder, per service"),
    key(
        "limits.waiting_bytes",
        Number,
        "bytes of requests waiting for a responder, for room in the log, or for the way to another shard, per shard",
    ),
    key("limits.in_flight", Number, "records delivered and not acknowledged, per lease"),
    key("limits.topics", Number, "topics of the node"),
    key("limits.queues", Number, "queues of the node"),
    key("limits.groups", Number, "groups of the node, broadcast instances counted"),
    key("limits.producers", Number, "producers of the node; at most 65536"),
    key("limits.members", Number, "members and responders of the node"),
    key("limits.heartbeat_ms", Number, "silence after which a peer is taken for dead"),
    key("limits.frame_deadline_ms", Number, "time to complete a frame that was begun"),
    key("limits.drain_ms", Number, "time a revoked owner has to finish"),
    key("storage.segment_bytes", Number, "length of a segment; a multiple of 4096"),
    key("storage.prepared_segments", Number, "segments made ready ahead, per shard"),
    key("storage.batch_bytes", Number, "a flush starts at the latest with so much gathered"),
    key(
        "storage.limit_bytes",
        Number,
        "all segments of the node together, shared equally by its shards",
    ),
    key("storage.retention_hours", Number, "segments older than this go"),
    key(
        "storage.recent_bytes",
        Number,
        "newest batches kept in memory at most, per shard; as many as readers reach back",
    ),
    key("storage.read_cache_bytes", Number, "blocks read back from the disk, per shard"),
    key(
        "storage.memory_bytes",
        Number,
        "all records of memory topics, per shard; a queue that no group ever read keeps a sixteenth",
    ),
    key("storage.snapshot_bytes", Number, "a snapshot after so many bytes of log"),
    key("storage.snapshot_interval_ms", Number, "but not before so much time"),
    key("storage.scrub_days", Number, "everything sealed is read once in so many days; 0: never"),
    key("storage.scrub_bytes_per_second", Number, "but never so many bytes in a second, per shard"),
];

/// The key of this name.
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// The key whose name is nearest to `name`, if any is near: at most a third of its letters differ.
pub fn nearest(name: &str) -> Option<&'static str> {
    let last = |name: &'static str| name.rsplit('.').next().unwrap_or(name);
    let near = |key: &'static Key| {
        let whole = distance(name, key.name);
        // A key in the wrong table, or written without its table.
        let alone =
            name.rsplit('.').next().map_or(whole, |word| distance(word, last(key.name)) + 1);
        (whole.min(alone), key.name)
    };
    KEYS.iter()
        .map(near)
        .min()
        .filter(|(far, found)| far * 3 <= found.len() + 2)
        .map(|(_, name)| name)
}

/// Insertions, deletions and changes from one word to the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (line, letter) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, other) in to.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_counted() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", "abc"), 0);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn the_nearest_name_is_offered_only_if_it_is_near() {
        let check =
            |name: &str, expected: Option<&str>| assert_eq!(nearest(name), expected, "{name}");
        check("lisen", Some("listen"));
        check("limits.conections", Some("limits.connections"));
        check("connections", Some("limits.connections"));
        check("storage.conections", Some("limits.connections"));
        check("storage.retention_days", Some("storage.retention_hours"));
        check("colour", None);
    }
}
