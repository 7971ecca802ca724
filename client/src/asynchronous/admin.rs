//! Admin: the calls about topics, groups, offsets and the node itself. Each has the client's `call_timeout`.

use super::{Net, Shared, answer, call_deadline_ns};
use crate::catalog::{
    Fetched, GroupDetail, GroupSummary, Page, QueueOffsets, ShardStats, Start, TopicChange,
    TopicDetail, TopicSettings, TopicSummary,
};
use crate::error::CallError;
use crate::session::admin::{self, Ask};
use crate::session::calls::Taken;
use wire::limits::LISTING_COUNT_MAX;
use wire::{DecodeError, Offset, QueueId, ShardId};

/// The administrator's calls of a client; as `client::Admin`, awaited.
#[derive(Debug)]
pub struct Admin<N: Net> {
    driver: Shared<N>,
}

impl<N: Net> Admin<N> {
    pub(super) fn new(driver: Shared<N>) -> Self {
        Self { driver }
    }

    /// Creates a topic. One that exists with the same settings is fine.
    pub async fn topic_create(
        &self,
        name: &str,
        settings: TopicSettings,
    ) -> Result<TopicDetail, CallError> {
        self.call(Ask::TopicCreate(name, settings), admin::topic).await
    }

    /// Changes a topic.
    pub async fn topic_alter(
        &self,
        name: &str,
        change: TopicChange,
    ) -> Result<TopicDetail, CallError> {
        self.call(Ask::TopicAlter(name, change), admin::topic).await
    }

    /// Deletes a topic and its records.
    pub async fn topic_delete(&self, name: &str) -> Result<(), CallError> {
        self.call(Ask::TopicDelete(name), admin::done).await
    }

    /// A topic and its queues.
    pub async fn topic_describe(&self, name: &str) -> Result<TopicDetail, CallError> {
        self.call(Ask::TopicDescribe(name), admin::topic).await
    }

    /// One page of topics: at most `count_max` (and 1000), with names after `after`.
    pub async fn topics_page(
        &self,
        after: &str,
        count_max: u32,
    ) -> Result<Page<TopicSummary>, CallError> {
        self.call(Ask::TopicList(after, count_max), admin::topics).await
    }

    /// All topics, page by page.
    pub async fn topics(&self) -> Result<Vec<TopicSummary>, CallError> {
        let mut all: Vec<TopicSummary> = Vec::new();
        loop {
            let after = all.last().map(|topic| topic.name.clone()).unwrap_or_default();
            let page = self.topics_page(&after, LISTING_COUNT_MAX).await?;
            let more = page.more && !page.items.is_empty();
            all.extend(page.items);
            if !more {
                return Ok(all);
            }
        }
    }

    /// One page of groups: at most `count_max` (and 1000), with names after `after`.
    pub async fn groups_page(
        &self,
        after: &str,
        count_max: u32,
    ) -> Result<Page<GroupSummary>, CallError> {
        self.call(Ask::GroupList(after, count_max), admin::groups).await
    }

    /// All groups, page by page.
    pub async fn groups(&self) -> Result<Vec<GroupSummary>, CallError> {
        let mut all: Vec<GroupSummary> = Vec::new();
        loop {
            let after = all.last().map(|group| group.name.clone()).unwrap_or_default();
            let page = self.groups_page(&after, LISTING_COUNT_MAX).await?;
            let more = page.more && !page.items.is_empty();
            all.extend(page.items);
            if !more {
                return Ok(all);
            }
        }
    }

    /// A group with its members and positions.
    pub async fn group_describe(&self, name: &str) -> Result<GroupDetail, CallError> {
        self.call(Ask::GroupDescribe(name), admin::group).await
    }

    /// Where the queues of a topic stand, and the group on them. An empty group asks for the queues only.
    pub async fn offsets(&self, group: &str, topic: &str) -> Result<Vec<QueueOffsets>, CallError> {
        self.call(Ask::Offsets(group, topic), admin::offsets).await
    }

    /// Moves a group without members on this topic.
    pub async fn offsets_reset(
        &self,
        group: &str,
        topic: &str,
        start: Start,
    ) -> Result<Vec<QueueOffsets>, CallError> {
        self.call(Ask::OffsetsReset(group, topic, start), admin::offsets).await
    }

    /// Reads records of a queue from `offset` on, without any group: at most `records_max` and about `bytes_max`.
    pub async fn fetch(
        &self,
        queue: QueueId,
        offset: Offset,
        records_max: u32,
        bytes_max: u32,
    ) -> Result<Fetched, CallError> {
        self.call(Ask::Fetch { queue, offset, records_max, bytes_max }, admin::fetched).await
    }

    /// The counters of one shard.
    pub async fn stats(&self, shard: ShardId) -> Result<ShardStats, CallError> {
        self.call(Ask::Stats(shard), admin::stats).await
    }

    async fn call<T>(
        &self,
        ask: Ask<'_>,
        read: impl FnOnce(&Taken) -> Result<T, DecodeError>,
    ) -> Result<T, CallError> {
        let deadline_ns = call_deadline_ns(&self.driver);
        let call = self.driver.borrow_mut().session.ask(ask, deadline_ns);
        admin::read(&answer(&self.driver, call).await?, read)
    }
}
