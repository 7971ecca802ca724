//! Opening: every shard's store from its directory, side by side.

use super::disk::ShardDisk;
use super::identity::Identity;
use super::start_error::StartNodeError;
use super::{BrokerSeat, NodePlan};
use crate::broker::catalog::topic_names;
use storage::Store;
use storage::store::{Opened, StoreConfig};
use tools::audit::LostOffsets;
use wire::ShardId;

/// Recovers all shards at the same time: what one waits for the disk another computes.
pub(super) fn open_stores(
    plan: &NodePlan,
    identity: Identity,
    seats: &mut [BrokerSeat],
    accept_loss: bool,
) -> Result<Vec<Opened>, StartNodeError> {
    let wall_ns = shard::process::wall_ns();
    let opened = shard::process::side_by_side(seats, |seat| {
        let shard = seat.shard();
        let config = store_config(plan, identity, shard);
        let mut disk = ShardDisk(seat.directory().expect("prepared with a data directory"));
        Store::open(&config, &mut disk, wall_ns, accept_loss)
            .map_err(|error| StartNodeError::Store { shard, error })
    })?;
    opened.into_iter().collect()
}

pub(super) fn store_config(plan: &NodePlan, identity: Identity, shard: ShardId) -> StoreConfig {
    StoreConfig {
        shard,
        node_id: identity.node_id,
        cluster_id: identity.cluster_id,
        record_bytes_max: plan.settings.record_bytes_max,
        log_bytes_max: plan.store.log_bytes_max / u64::from(identity.shard_count.max(1)),
        seed: shard::process::random_u64(),
        ..plan.store.clone()
    }
}

/// What recovery knows it cannot serve, by topic.
pub(super) fn lost_of(opened: &[Opened]) -> Vec<LostOffsets> {
    let names = opened.first().map(|first| topic_names(&first.catalog)).unwrap_or_default();
    let of_shard = |(shard, opened): (u16, &Opened)| {
        opened.report.lost.iter().map(|range| LostOffsets::of(shard, range, &names)).collect()
    };
    (0..).zip(opened).flat_map(|numbered| -> Vec<_> { of_shard(numbered) }).collect()
}
