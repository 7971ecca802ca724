//! Plan: the configuration in the words of the pillars: what `node::start` takes.

use super::settings::NodeConfig;
use crate::broker::settings::Settings;
use crate::node::NodePlan;
use shard::NodeMachine;
use storage::store::StoreConfig;
use wire::ShardId;

const MS_NS: u64 = 1_000_000;
const HOUR_NS: u64 = 3_600_000 * MS_NS;

impl NodeConfig {
    /// What a node is started with. Check the configuration first.
    pub fn plan(&self) -> NodePlan {
        NodePlan {
            data: self.data.clone(),
            shard_count: self.shards,
            machine: self.machine(),
            settings: self.settings(),
            store: self.store(),
            advertised_host: self.advertise.clone().unwrap_or_default(),
            accept_loss: self.accept_loss,
            end_on_signals: false,
        }
    }

    fn machine(&self) -> NodeMachine {
        let limits = &self.limits;
        NodeMachine {
            listen: self.listen,
            shard_port_first: self.shard_port,
            cores: self.cores.clone(),
            housekeeping_core: self.housekeeping_core,
            idle: self.idle,
            connections_max: limits.connections,
            output_bytes_max: bytes(limits.output_bytes),
            output_total_bytes_max: bytes(limits.output_total_bytes),
            receive_buffer_count: limits.receive_buffers,
            receive_buffer_bytes: bytes(limits.receive_buffer_bytes),
            assembly_bytes_max: bytes(limits.assembly_bytes),
            frame_deadline_ns: limits.frame_deadline_ms.saturating_mul(MS_NS),
            ..NodeMachine::default()
        }
    }

    fn settings(&self) -> Settings {
        let limits = &self.limits;
        Settings {
            node_name: self.name.clone(),
            record_bytes_max: bytes(limits.record_bytes),
            silence_ns: limits.heartbeat_ms.saturating_mul(MS_NS),
            pending_requests_max: limits.pending_requests as usize,
            waiting_requests_max: limits.waiting_requests as usize,
            waiting_bytes_max: bytes(limits.waiting_bytes),
            topics_max: limits.topics as usize,
            queues_max: limits.queues as usize,
            groups_max: limits.groups as usize,
            producers_max: limits.producers as usize,
            members_max: limits.members as usize,
            in_flight_max: limits.in_flight as usize,
            drain_ns: limits.drain_ms.saturating_mul(MS_NS),
            ..Settings::new(ShardId(0), self.shards.max(1))
        }
    }

    fn store(&self) -> StoreConfig {
        let storage = &self.storage;
        StoreConfig {
            shard: ShardId(0),
            node_id: 0,
            cluster_id: 0,
            seed: 0,
            segment_bytes: storage.segment_bytes,
            record_bytes_max: bytes(self.limits.record_bytes),
            batch_bytes_max: bytes(storage.batch_bytes),
            recent_bytes_max: bytes(storage.recent_bytes),
            read_cache_bytes_max: bytes(storage.read_cache_bytes),
            memory_bytes_max: bytes(storage.memory_bytes),
            log_bytes_max: storage.limit_bytes,
            retention_ns: u64::from(storage.retention_hours).saturating_mul(HOUR_NS),
            prepared_segments: usize::from(storage.prepared_segments),
            snapshot_log_bytes: storage.snapshot_bytes,
            snapshot_interval_ns: storage.snapshot_interval_ms.saturating_mul(MS_NS),
            scrub_period_ns: u64::from(storage.scrub_days).saturating_mul(24 * HOUR_NS),
            scrub_bytes_per_second_max: storage.scrub_bytes_per_second,
        }
    }
}

fn bytes(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
