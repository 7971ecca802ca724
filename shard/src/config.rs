//! NodeMachine: every bound and choice of the machine under a node, with defaults that fit a small host.

use std::net::{Ipv4Addr, SocketAddr};

/// What a shard does when there is nothing to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Idle {
    /// Polls without end: isolated cores only. Sleeps while a flush is pending unless a housekeeping core exists.
    Spin,
    /// Polls for 50 us, then sleeps; sleeps at once while a flush is pending.
    #[default]
    Adaptive,
    /// Sleeps at once: shared machines.
    Block,
}

/// How the shards of one node are set up. Counts and bytes are per shard unless said otherwise.
#[derive(Clone, Debug)]
pub struct NodeMachine {
    /// How many shards the node has.
    pub shard_count: u16,
    /// The node's common address, shared by all shards. Port 0: the kernel chooses.
    pub listen: SocketAddr,
    /// Port of shard 0's own address on the same host; shard n takes n more. 0: the kernel chooses for each.
    pub shard_port_first: u16,
    /// Core of each shard, by shard number; empty: not pinned.
    pub cores: Vec<usize>,
    /// A core that runs no shard: the kernel's fsync threads and the helper threads go there.
    pub housekeeping_core: Option<usize>,
    /// What a shard does when there is nothing to do.
    pub idle: Idle,
    /// Connections open at once.
    pub connections_max: u32,
    /// Bytes queued to one connection before it counts as `SlowConsumer`.
    pub output_bytes_max: usize,
    /// Receive buffers; a power of two, at most 32,768.
    pub receive_buffer_count: u16,
    /// Length of a receive buffer, in bytes.
    pub receive_buffer_bytes: usize,
    /// Receive buffers one connection may hold before it is not read.
    pub receive_buffers_held_max: usize,
    /// All frames being assembled from several receive buffers, in bytes.
    pub assembly_bytes_max: usize,
    /// The longest frame a connection may send after its first one, in bytes.
    pub frame_bytes_max: usize,
    /// Mails on their way from one shard to another; also the bound of `Effects::room`.
    pub mail_slots: usize,
    /// Completions taken in one turn.
    pub completions_per_turn_max: usize,
    /// The first frame, and every frame begun, must be whole after this time; nanoseconds.
    pub frame_deadline_ns: u64,
    /// Entries of the submission queue; the completion queue has four times as many.
    pub ring_entries: u32,
}

impl Default for NodeMachine {
    fn default() -> Self {
        Self {
            shard_count: 1,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7400)),
            shard_port_first: 0,
            cores: Vec::new(),
            housekeeping_core: None,
            idle: Idle::default(),
            connections_max: 4096,
            output_bytes_max: 16 << 20,
            receive_buffer_count: 512,
            receive_buffer_bytes: 32 << 10,
            receive_buffers_held_max: 16,
            assembly_bytes_max: 64 << 20,
            frame_bytes_max: wire::limits::FRAME_BYTES_MAX,
            mail_slots: 1024,
            completions_per_turn_max: 256,
            frame_deadline_ns: 5_000_000_000,
            ring_entries: 1024,
        }
    }
}

impl NodeMachine {
    /// The most memory one shard's machine uses at these bounds, mailboxes and a full output of every connection apart; in bytes.
    pub fn memory_bytes(&self) -> usize {
        let ring = self.ring_entries as usize * (64 + 4 * 16);
        let receive = usize::from(self.receive_buffer_count) * (self.receive_buffer_bytes + 16);
        ring + receive + self.assembly_bytes_max
    }
}
