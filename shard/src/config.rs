//! `NodeMachine`: every bound and choice of the machine under a node, with defaults that fit a small host.

use crate::probe::StartError;
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
    /// Connections open at once; fewer where `RLIMIT_NOFILE` is small.
    pub connections_max: u32,
    /// Log files kept open at once; fewer where `RLIMIT_NOFILE` is small.
    pub open_files_max: usize,
    /// Bytes queued to one connection before it counts as `SlowConsumer`.
    pub output_bytes_max: usize,
    /// Bytes queued to all connections together; beyond, the longest queue is a `SlowConsumer`'s.
    pub output_total_bytes_max: usize,
    /// Receive buffers; a power of two, at most 32,768.
    pub receive_buffer_count: u16,
    /// Length of a receive buffer, in bytes.
    pub receive_buffer_bytes: usize,
    /// Receive buffers one connection may hold while its bytes wait; then it is not read, and more are copied out.
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
            open_files_max: 64,
            output_bytes_max: 16 << 20,
            output_total_bytes_max: 256 << 20,
            receive_buffer_count: 256,
            receive_buffer_bytes: 64 << 10,
            receive_buffers_held_max: 4,
            assembly_bytes_max: 64 << 20,
            frame_bytes_max: wire::limits::FRAME_BYTES_MAX,
            mail_slots: 1024,
            completions_per_turn_max: 256,
            frame_deadline_ns: 5_000_000_000,
            ring_entries: 1024,
        }
    }
}

/// The most sockets a shard keeps for peers it is about to turn away.
const REFUSALS_MAX: u32 = 64;
/// The least.
const REFUSALS_MIN: u32 = 8;

impl NodeMachine {
    /// Sockets a shard's ring has room for.
    pub(crate) fn sockets(&self) -> u32 {
        let refusals = (self.connections_max / 8).clamp(REFUSALS_MIN, REFUSALS_MAX);
        self.connections_max.saturating_add(refusals)
    }

    /// Refuses bounds that make no sense.
    pub(crate) fn check(&self) -> Result<(), StartError> {
        let pinned = self.cores.is_empty() || self.cores.len() == usize::from(self.shard_count);
        let buffer_fits = (4096..=1 << 30).contains(&self.receive_buffer_bytes);
        let rules = [
            (self.shard_count > 0, "a node has at least one shard"),
            (pinned, "cores are named for every shard or for none"),
            (self.connections_max > 0, "connections_max is at least 1"),
            (self.open_files_max > 0, "open_files_max is at least 1"),
            (self.receive_buffer_count.is_power_of_two(), "receive_buffer_count is a power of two"),
            (self.receive_buffer_count <= 1 << 15, "receive_buffer_count is at most 32768"),
            (buffer_fits, "receive_buffer_bytes is 4 KiB to 1 GiB"),
            (self.receive_buffers_held_max > 0, "receive_buffers_held_max is at least 1"),
            (
                self.assembly_bytes_max >= self.frame_bytes_max,
                "assembly_bytes_max holds at least one frame",
            ),
            (
                self.frame_bytes_max <= wire::limits::FRAME_BYTES_MAX,
                "frame_bytes_max is above the wire's limit",
            ),
            (self.mail_slots > 0, "mail_slots is at least 1"),
            (self.completions_per_turn_max > 0, "completions_per_turn_max is at least 1"),
            (
                self.ring_entries.is_power_of_two() && self.ring_entries >= 8,
                "ring_entries is a power of two, at least 8",
            ),
            (self.ring_entries <= 1 << 14, "ring_entries is at most 16384"),
        ];
        match rules.iter().find(|(holds, _)| !holds) {
            Some((_, what)) => Err(StartError::Config { what }),
            None => Ok(()),
        }
    }

    /// What connections that are not read any more may have left in receive buffers, copied out; in bytes.
    /// Beyond it a connection is closed as `Overloaded`.
    pub(crate) fn spill_bytes_max(&self) -> usize {
        4 * usize::from(self.receive_buffer_count) * self.receive_buffer_bytes
    }

    /// The most memory one shard's machine uses at these bounds, mailboxes apart; in bytes.
    pub fn memory_bytes(&self) -> usize {
        let ring = self.ring_entries as usize * (64 + 4 * 16);
        let receive = usize::from(self.receive_buffer_count) * (self.receive_buffer_bytes + 16);
        let output = self.output_total_bytes_max;
        ring + receive + self.assembly_bytes_max + self.spill_bytes_max() + output
    }
}
