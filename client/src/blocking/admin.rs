//! Admin: the calls about topics, groups, offsets and the node itself. Each has the client's `call_timeout`.

use super::Shared;
use crate::catalog::{
    Fetched, GroupDetail, GroupSummary, Page, QueueOffsets, ShardStats, Start, TopicChange,
    TopicDetail, TopicSettings, TopicSummary,
};
use crate::error::CallError;
use crate::session::admin::{self, Ask};
use crate::session::calls::Taken;
use std::rc::Rc;
use wire::limits::LISTING_COUNT_MAX;
use wire::{DecodeError, Offset, QueueId, ShardId};

/// The administrator's calls of a client.
#[derive(Clone, Debug)]
pub struct Admin {
    driver: Shared,
}

/// A question whose answer is asked for instead of waited for. Dropping it gives the answer up.
#[derive(Debug)]
pub struct Asked<T> {
    driver: Shared,
    /// Until it is answered.
    call: Option<usize>,
    read: fn(&Taken) -> Result<T, DecodeError>,
}

impl<T> Asked<T> {
    /// The answer, if it is there already; once. Moves no bytes and reads no clock.
    pub fn try_answer(&mut self) -> Option<Result<T, CallError>> {
        let taken = self.driver.borrow_mut().session.take_call(self.call?)?;
        self.call = None;
        Some(taken.and_then(|taken| admin::read(&taken, self.read)))
    }
}

impl<T> Drop for Asked<T> {
    fn drop(&mut self) {
        if let Some(call) = self.call
            && let Ok(mut driver) = self.driver.try_borrow_mut()
        {
            driver.session.drop_call(call);
        }
    }
}

impl Admin {
    pub(super) fn new(driver: Shared) -> Self {
        Self { driver }
    }

    /// Creates a topic. One that exists with the same settings is fine.
    pub fn topic_create(
        &self,
        name: &str,
        settings: TopicSettings,
    ) -> Result<TopicDetail, CallError> {
        self.call(Ask::TopicCreate(name, settings), admin::topic)
    }

    /// Changes a topic.
    pub fn topic_alter(&self, name: &str, change: TopicChange) -> Result<TopicDetail, CallError> {
        self.call(Ask::TopicAlter(name, change), admin::topic)
    }

    /// Deletes a topic and its records.
    pub fn topic_delete(&self, name: &str) -> Result<(), CallError> {
        self.call(Ask::TopicDelete(name), admin::done)
    }

    /// A topic and its queues.
    pub fn topic_describe(&self, name: &str) -> Result<TopicDetail, CallError> {
        self.call(Ask::TopicDescribe(name), admin::topic)
    }

    /// One page of topics: at most `count_max` (and 1000), with names after `after`.
    pub fn topics_page(
        &self,
        after: &str,
        count_max: u32,
    ) -> Result<Page<TopicSummary>, CallError> {
        self.call(Ask::TopicList(after, count_max), admin::topics)
    }

    /// As `topics_page`, without waiting: it leaves with `Client::poll`, and its answer is asked for.
    pub fn ask_topics(&self, after: &str, count_max: u32) -> Asked<Page<TopicSummary>> {
        self.ask(Ask::TopicList(after, count_max), admin::topics)
    }

    /// All topics, page by page.
    pub fn topics(&self) -> Result<Vec<TopicSummary>, CallError> {
        let mut all: Vec<TopicSummary> = Vec::new();
        loop {
            let after = all.last().map(|topic| topic.name.clone()).unwrap_or_default();
            let page = self.topics_page(&after, LISTING_COUNT_MAX)?;
            let more = page.more && !page.items.is_empty();
            all.extend(page.items);
            if !more {
                return Ok(all);
            }
        }
    }

    /// One page of groups: at most `count_max` (and 1000), with names after `after`.
    pub fn groups_page(
        &self,
        after: &str,
        count_max: u32,
    ) -> Result<Page<GroupSummary>, CallError> {
        self.call(Ask::GroupList(after, count_max), admin::groups)
    }

    /// All groups, page by page.
    pub fn groups(&self) -> Result<Vec<GroupSummary>, CallError> {
        let mut all: Vec<GroupSummary> = Vec::new();
        loop {
            let after = all.last().map(|group| group.name.clone()).unwrap_or_default();
            let page = self.groups_page(&after, LISTING_COUNT_MAX)?;
            let more = page.more && !page.items.is_empty();
            all.extend(page.items);
            if !more {
                return Ok(all);
            }
        }
    }

    /// A group with its members and positions.
    pub fn group_describe(&self, name: &str) -> Result<GroupDetail, CallError> {
        self.call(Ask::GroupDescribe(name), admin::group)
    }

    /// Where the queues of a topic stand, and the group on them. An empty group asks for the queues only.
    pub fn offsets(&self, group: &str, topic: &str) -> Result<Vec<QueueOffsets>, CallError> {
        self.call(Ask::Offsets(group, topic), admin::offsets)
    }

    /// Moves a group without members on this topic.
    pub fn offsets_reset(
        &self,
        group: &str,
        topic: &str,
        start: Start,
    ) -> Result<Vec<QueueOffsets>, CallError> {
        self.call(Ask::OffsetsReset(group, topic, start), admin::offsets)
    }

    /// Reads records of a queue from `offset` on, without any group: at most `records_max` and about `bytes_max`.
    pub fn fetch(
        &self,
        queue: QueueId,
        offset: Offset,
        records_max: u32,
        bytes_max: u32,
    ) -> Result<Fetched, CallError> {
        self.call(Ask::Fetch { queue, offset, records_max, bytes_max }, admin::fetched)
    }

    /// The counters of one shard.
    pub fn stats(&self, shard: ShardId) -> Result<ShardStats, CallError> {
        self.call(Ask::Stats(shard), admin::stats)
    }

    fn ask<T>(&self, ask: Ask<'_>, read: fn(&Taken) -> Result<T, DecodeError>) -> Asked<T> {
        let mut driver = self.driver.borrow_mut();
        let deadline_ns = driver.call_deadline_ns();
        let call = driver.session.ask(ask, deadline_ns);
        drop(driver);
        Asked { driver: Rc::clone(&self.driver), call: Some(call), read }
    }

    fn call<T>(
        &self,
        ask: Ask<'_>,
        read: impl FnOnce(&Taken) -> Result<T, DecodeError>,
    ) -> Result<T, CallError> {
        let mut driver = self.driver.borrow_mut();
        let deadline_ns = driver.call_deadline_ns();
        let call = driver.session.ask(ask, deadline_ns);
        admin::read(&driver.answer(call)?, read)
    }
}
