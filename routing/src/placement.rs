//! Placement: which shard owns a queue.

use wire::{QueueId, ShardId};

/// The shard of a queue: the queues of a topic go round all shards, each topic beginning at another one.
///
/// Fixed for ever for a given shard count, which a data directory never changes.
#[expect(clippy::cast_possible_truncation, reason = "the remainder is below a u16")]
pub fn shard_of(queue: QueueId, shard_count: u16) -> ShardId {
    let turn = u64::from(queue.topic().0) + u64::from(queue.number());
    ShardId((turn % u64::from(shard_count.max(1))) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::TopicId;

    #[test]
    fn the_queues_of_a_topic_go_round_all_shards() {
        let shards: Vec<u16> =
            (0..4).map(|number| shard_of(QueueId::new(TopicId(5), number), 3).0).collect();
        assert_eq!(shards, [2, 0, 1, 2]);
    }
}
