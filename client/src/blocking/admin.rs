//! Admin: the calls about topics, groups, offsets and the node itself. Each has the client's `call_timeout`.

use crate::catalog::{
    Fetched, GroupDetail, GroupSummary, Page, QueueOffsets, ShardStats, Start, TopicChange,
    TopicDetail, TopicSettings, TopicSummary,
};
use crate::error::CallError;
use wire::{Offset, QueueId, ShardId};

/// The administrator's calls of a client.
#[derive(Clone, Debug)]
pub struct Admin {}

impl Admin {
    /// Creates a topic. One that exists with the same settings is fine.
    pub fn topic_create(
        &self,
        name: &str,
        settings: TopicSettings,
    ) -> Result<TopicDetail, CallError> {
        let _ = (name, settings);
        unimplemented!()
    }

    /// Changes a topic.
    pub fn topic_alter(&self, name: &str, change: TopicChange) -> Result<TopicDetail, CallError> {
        let _ = (name, change);
        unimplemented!()
    }

    /// Deletes a topic and its records.
    pub fn topic_delete(&self, name: &str) -> Result<(), CallError> {
        let _ = name;
        unimplemented!()
    }

    /// A topic and its queues.
    pub fn topic_describe(&self, name: &str) -> Result<TopicDetail, CallError> {
        let _ = name;
        unimplemented!()
    }

    /// One page of topics: at most `count_max` (and 1000), with names after `after`.
    pub fn topics_page(
        &self,
        after: &str,
        count_max: u32,
    ) -> Result<Page<TopicSummary>, CallError> {
        let _ = (after, count_max);
        unimplemented!()
    }

    /// All topics, page by page.
    pub fn topics(&self) -> Result<Vec<TopicSummary>, CallError> {
        unimplemented!()
    }

    /// One page of groups: at most `count_max` (and 1000), with names after `after`.
    pub fn groups_page(
        &self,
        after: &str,
        count_max: u32,
    ) -> Result<Page<GroupSummary>, CallError> {
        let _ = (after, count_max);
        unimplemented!()
    }

    /// All groups, page by page.
    pub fn groups(&self) -> Result<Vec<GroupSummary>, CallError> {
        unimplemented!()
    }

    /// A group with its members and positions.
    pub fn group_describe(&self, name: &str) -> Result<GroupDetail, CallError> {
        let _ = name;
        unimplemented!()
    }

    /// Where the queues of a topic stand, and the group on them. An empty group asks for the queues only.
    pub fn offsets(&self, group: &str, topic: &str) -> Result<Vec<QueueOffsets>, CallError> {
        let _ = (group, topic);
        unimplemented!()
    }

    /// Moves a group without members on this topic.
    pub fn offsets_reset(
        &self,
        group: &str,
        topic: &str,
        start: Start,
    ) -> Result<Vec<QueueOffsets>, CallError> {
        let _ = (group, topic, start);
        unimplemented!()
    }

    /// Reads records of a queue from `offset` on, without any group: at most `records_max` and about `bytes_max`.
    pub fn fetch(
        &self,
        queue: QueueId,
        offset: Offset,
        records_max: u32,
        bytes_max: u32,
    ) -> Result<Fetched, CallError> {
        let _ = (queue, offset, records_max, bytes_max);
        unimplemented!()
    }

    /// The counters of one shard.
    pub fn stats(&self, shard: ShardId) -> Result<ShardStats, CallError> {
        let _ = shard;
        unimplemented!()
    }
}
