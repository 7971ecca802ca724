//! Config: what a client and each of its parts is made with. Every buffer and every wait has a bound here.

use crate::catalog::Start;
use std::time::Duration;

/// How a blocking client waits for the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Waiting {
    /// Sleep in the kernel until something comes: the least work for the machine.
    #[default]
    Sleep,
    /// Never sleep: read again and again. The least latency, a whole core.
    Spin,
    /// Spin so long, then sleep.
    SpinThenSleep(Duration),
}

/// What a client is made with.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// The node: `host:port`.
    pub server: String,
    /// A name for this client in the node's listings; at most 255 bytes.
    pub name: String,
    /// The area this client lives in, for placement; may be empty.
    pub area: String,
    /// How to wait for the network (blocking driver only).
    pub waiting: Waiting,
    /// The longest one attempt to connect and shake hands may take.
    pub connect_timeout: Duration,
    /// The absolute deadline of calls that have none of their own: topics, groups, subscribing.
    pub call_timeout: Duration,
    /// Silence after which the node is taken for dead. Pings leave every third of it, or as often as the node asks.
    pub heartbeat: Duration,
    /// First pause before connecting again; doubles up to `reconnect_pause_max`.
    pub reconnect_pause_min: Duration,
    /// Longest pause before connecting again.
    pub reconnect_pause_max: Duration,
    /// Whether to connect to the shards that own queues, instead of letting the node forward.
    pub direct: bool,
}

impl ClientConfig {
    /// The defaults, for the node at `server` (`host:port`).
    pub fn new(server: impl Into<String>) -> Self {
        Self {
            server: server.into(),
            name: "defibus-client".to_owned(),
            area: String::new(),
            waiting: Waiting::Sleep,
            connect_timeout: Duration::from_secs(2),
            call_timeout: Duration::from_secs(5),
            heartbeat: Duration::from_secs(10),
            reconnect_pause_min: Duration::from_millis(5),
            reconnect_pause_max: Duration::from_secs(1),
            direct: true,
        }
    }
}

/// What a producer is made with. One producer publishes to one topic.
#[derive(Clone, Debug)]
pub struct ProducerConfig {
    /// The topic.
    pub topic: String,
    /// Whether a resend after a broken connection is recognised by the node. On by default.
    pub idempotent: bool,
    /// The absolute deadline of a record, over all attempts, counted from `send` or `enqueue`.
    pub timeout: Duration,
    /// Records that may be enqueued and whose receipts were not taken yet.
    pub window_records: usize,
    /// Bytes of encoded records that may wait for their receipts.
    pub window_bytes: usize,
    /// The most records of one section (one publish); at most `wire::limits::SECTION_RECORDS_MAX`.
    pub batch_records: usize,
    /// The most bytes of one section; a single larger record still goes alone.
    pub batch_bytes: usize,
}

impl ProducerConfig {
    /// The defaults, for `topic`.
    pub fn new(topic: impl Into<String>) -> Self {
        Self {
            topic: topic.into(),
            idempotent: true,
            timeout: Duration::from_secs(5),
            window_records: 4096,
            window_bytes: 16 * 1024 * 1024,
            batch_records: 1024,
            batch_bytes: 256 * 1024,
        }
    }
}

/// What a consumer is made with: one member of one group on one topic.
#[derive(Clone, Debug)]
pub struct ConsumerConfig {
    /// The topic.
    pub topic: String,
    /// The group that shares the topic's queues.
    pub group: String,
    /// Broadcast: every member gets everything; the name under which this instance's position is kept.
    pub broadcast_instance: Option<String>,
    /// Where a group without a position starts.
    pub start: Start,
    /// Only look: the group's position is read but never moved.
    pub observe: bool,
    /// Records the node may send ahead, per queue.
    pub credit_records: u32,
    /// Bytes the node may send ahead, per queue.
    pub credit_bytes: u32,
}

impl ConsumerConfig {
    /// The defaults, for a shared subscription of `group` to `topic`, from the first record.
    pub fn new(topic: impl Into<String>, group: impl Into<String>) -> Self {
        Self {
            topic: topic.into(),
            group: group.into(),
            broadcast_instance: None,
            start: Start::First,
            observe: false,
            credit_records: 1024,
            credit_bytes: 4 * 1024 * 1024,
        }
    }
}

/// What a requester is made with.
#[derive(Clone, Debug)]
pub struct RequesterConfig {
    /// Requests that may be outstanding at once, their outcomes not taken yet included.
    pub outstanding_max: usize,
    /// How long after a deadline the node's own word is waited for before the timeout is decided here.
    pub grace: Duration,
}

impl Default for RequesterConfig {
    fn default() -> Self {
        Self { outstanding_max: 4096, grace: Duration::from_millis(5) }
    }
}

/// What a responder is made with.
#[derive(Clone, Debug)]
pub struct ResponderConfig {
    /// The service: a topic of kind service.
    pub service: String,
    /// Requests that may be outstanding here, per shard of the node.
    pub concurrency: u32,
}

impl ResponderConfig {
    /// The defaults, for `service`.
    pub fn new(service: impl Into<String>) -> Self {
        Self { service: service.into(), concurrency: 256 }
    }
}
