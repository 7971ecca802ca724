//! Settings: what a broker is told at start, beside its storage.

use wire::ShardId;

/// One broker's settings. Bounds are maxima for this shard alone.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which shard this is.
    pub shard: ShardId,
    /// Shards of the node; fixed when the data directory is made.
    pub shard_count: u16,
    /// The node's name for people.
    pub node_name: String,
    /// The node's id for machines.
    pub node_id: u128,
    /// `host:port` of every shard's own listener, told to clients.
    pub addresses: Vec<String>,
    /// The largest record taken, in bytes.
    pub record_bytes_max: usize,
    /// Silence after which a peer is taken for dead, in nanoseconds.
    pub silence_ns: u64,
    /// Requests outstanding at requesters of this shard.
    pub pending_requests_max: usize,
    /// Requests waiting for a responder, per service.
    pub waiting_requests_max: usize,
    /// Bytes of requests waiting for a responder, all services.
    pub waiting_bytes_max: usize,
    /// Topics of the node.
    pub topics_max: usize,
    /// Queues of the node.
    pub queues_max: usize,
    /// Groups of the node, broadcast instances counted.
    pub groups_max: usize,
    /// Producers of the node.
    pub producers_max: usize,
    /// Members and responders of the node.
    pub members_max: usize,
    /// Bytes of mail to each other shard, see `post`.
    pub mailbox_bytes: usize,
    /// Records delivered and not yet acknowledged, per lease.
    pub in_flight_max: usize,
    /// Time a revoked owner has to finish, in nanoseconds.
    pub drain_ns: u64,
    /// First back-off of a nacked record, in nanoseconds; doubles with each attempt.
    pub retry_ns: u64,
    /// Longest back-off of a nacked record, in nanoseconds.
    pub retry_ns_max: u64,
    /// Draws nonces; from the machine's randomness, or the simulator's seed.
    pub seed: u64,
}

impl Settings {
    /// The defaults, for one shard of a node.
    pub fn new(shard: ShardId, shard_count: u16) -> Self {
        const SECOND_NS: u64 = 1_000_000_000;
        Self {
            shard,
            shard_count,
            node_name: String::from("defibus"),
            node_id: 0,
            addresses: Vec::new(),
            record_bytes_max: wire::limits::RECORD_BYTES_DEFAULT,
            silence_ns: 10 * SECOND_NS,
            pending_requests_max: 65_536,
            waiting_requests_max: 16_384,
            waiting_bytes_max: 64 << 20,
            topics_max: 100_000,
            queues_max: 1_000_000,
            groups_max: 65_536,
            producers_max: 65_536,
            members_max: 65_536,
            mailbox_bytes: super::post::MAILBOX_BYTES,
            in_flight_max: 10_000,
            drain_ns: SECOND_NS,
            retry_ns: SECOND_NS,
            retry_ns_max: 60 * SECOND_NS,
            seed: 0,
        }
    }
}
