//! Catalogue: this shard's replica of the catalog, and on shard 0 the changes on their way.
//!
//! ```text
//!   plan --> noted in shard 0's log --durable--> applied here --mail--> applied there --mail--> answered
//!            `ahead` has it                      `replica` has it                     by all shards
//! ```
//!
//! Invariants:
//!   1. A number is told to nobody before the change that gives it is durable.
//!   2. A change is answered when every shard has applied it, in the order of versions.
//!   3. Plans see every change on its way, so two wishes for one name make one thing.
//!   4. Nobody is refused for a change that is not durable.

use super::disk::Waiter;
use super::mail::{Mail, Origin, Peer};
use super::outgoing::Turn;
use super::refusal::Refusal;
use super::settings::Settings;
use super::step::Broker;
use bytes::Bytes;
use routing::catalog::{
    Catalog, CatalogError, Change, ChangeRefused, Limits, Planned, Subject, Topic,
};
use routing::placement::shard_of;
use std::collections::BTreeMap;
use std::collections::VecDeque;
use storage::Store;
use storage::store::QueueLevel;
use wire::table::{self, Level};
use wire::{Epoch, GroupId, Kind, ProducerId, QueueId, ShardId, TopicId};

/// Changes that may be on their way; one more is held until the next flush.
const CHANGES_MAX: usize = 1024;
/// Clients that may wait for a change that others began.
const WAITING_MAX: usize = 4096;

/// Bytes of changes the log's snapshots may hold above twice what they need.
const HISTORY_SLACK_BYTES: usize = 64 << 10;

/// Catalog changes and their acknowledgement.
#[derive(Debug)]
pub enum CatalogMail {
    /// From shard 0: this change is durable, make it true.
    Apply(Change),
    /// To shard 0: done.
    Applied {
        /// By whom.
        shard: ShardId,
        /// Up to which version.
        version: u64,
    },
}

/// What follows once a change is true on every shard.
#[derive(Clone, Debug)]
pub(super) enum Then {
    /// The topic is described to who asked for it.
    TopicInfo {
        /// Who.
        origin: Origin,
        /// Which.
        topic: TopicId,
    },
    /// Just done.
    Done(Origin),
    /// A producer may publish.
    ProducerOpened {
        /// Who.
        origin: Origin,
        /// Its id.
        producer: ProducerId,
        /// Its epoch.
        epoch: Epoch,
    },
    /// A subscription goes on: its group exists.
    GroupReady {
        /// As given to `ensure_group`.
        ticket: u64,
        /// The group.
        group: GroupId,
    },
}

impl Then {
    fn is_for(&self, peer: Peer) -> bool {
        match self {
            Self::TopicInfo { origin, .. }
            | Self::Done(origin)
            | Self::ProducerOpened { origin, .. } => origin.peer == peer,
            // `members` knows whose it is, and forgets the ticket.
            Self::GroupReady { .. } => false,
        }
    }
}

/// A change that is not yet true everywhere.
#[derive(Clone, Debug)]
struct OnItsWay {
    change: Change,
    thens: Vec<Then>,
}

/// What shard 0 keeps beside its replica.
#[derive(Clone, Debug, Default)]
struct Authority {
    /// The catalog with every change on its way; made with the first change.
    ahead: Option<Catalog>,
    /// In the order of their versions, without a hole.
    changes: VecDeque<OnItsWay>,
    /// How many changes at the front are durable and mailed.
    mailed_count: usize,
    /// The newest version each shard applied.
    applied: Vec<u64>,
    waiting_count: usize,
    /// When to say the history shorter.
    history_bytes_max: usize,
    /// Reused for encoding.
    bytes: Vec<u8>,
}

/// The catalog as one shard keeps it.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    replica: Catalog,
    authority: Authority,
}

/// The names of topics by these changes; none where they cannot be read.
pub fn topic_names(changes: &[Bytes]) -> BTreeMap<TopicId, String> {
    let catalog = Catalog::rebuild(changes).unwrap_or_default();
    catalog.topics().map(|topic| (topic.id, topic.name.clone())).collect()
}

impl Catalogue {
    /// What shard 0's log says, oldest change first.
    pub fn rebuild(changes: &[Bytes]) -> Result<Self, CatalogError> {
        let replica = Catalog::rebuild(changes)?;
        Ok(Self { replica, authority: Authority::default() })
    }

    /// Makes this shard's queues and every producer known to its store.
    pub(super) fn prepare(&self, settings: &Settings, store: &mut Store) {
        for topic in self.replica.topics() {
            create_queues(settings, store, topic);
        }
        for (producer, epoch) in self.replica.producers() {
            store.open_producer(producer, epoch);
        }
    }

    /// What is true on this shard.
    pub(super) fn replica(&self) -> &Catalog {
        &self.replica
    }

    /// A topic by name.
    pub(super) fn topic_by_name(&self, name: &str) -> Option<&Topic> {
        self.replica.topic_by_name(name)
    }

    /// The topic of a queue, if it has such a queue.
    pub(super) fn topic_of_queue(&self, queue: QueueId) -> Option<&Topic> {
        self.replica.topic_of_queue(queue)
    }

    /// Drops what a connection waits for: it is gone. What it began goes on.
    pub(super) fn forget(&mut self, peer: Peer) {
        for entry in &mut self.authority.changes {
            let before = entry.thens.len();
            entry.thens.retain(|then| !then.is_for(peer));
            self.authority.waiting_count -= before - entry.thens.len();
        }
    }

    /// The catalog as it will be, to plan on.
    pub(super) fn ahead(&self) -> &Catalog {
        self.authority.ahead.as_ref().unwrap_or(&self.replica)
    }

    fn take_completed(&mut self, shard_count: u16) -> Option<OnItsWay> {
        let authority = &mut self.authority;
        let everywhere = (0..usize::from(shard_count))
            .map(|shard| authority.applied.get(shard).copied().unwrap_or(0))
            .min()?;
        if authority.changes.front()?.change.version > everywhere {
            return None;
        }
        authority.mailed_count -= 1;
        let completed = authority.changes.pop_front()?;
        authority.waiting_count -= completed.thens.len();
        Some(completed)
    }
}

impl Authority {
    fn is_full(&self) -> bool {
        self.changes.len() >= CHANGES_MAX || self.waiting_count >= WAITING_MAX
    }

    /// Whether a crash could still undo a change that plans see.
    fn has_undurable(&self) -> bool {
        self.mailed_count < self.changes.len()
    }

    /// Waits for the change that makes `version`; gives `then` back if it is true everywhere.
    fn wait_for(&mut self, version: u64, then: Then) -> Option<Then> {
        let found = self.changes.iter_mut().find(|entry| entry.change.version == version);
        let Some(entry) = found else { return Some(then) };
        entry.thens.push(then);
        self.waiting_count += 1;
        None
    }

    fn note_applied(&mut self, shard: ShardId, version: u64) {
        let index = usize::from(shard.0);
        if index >= self.applied.len() {
            self.applied.resize(index + 1, 0);
        }
        self.applied[index] = version;
    }
}

impl Broker {
    /// How much the catalog may hold.
    pub(super) fn catalog_limits(&self) -> Limits {
        Limits {
            topics_max: self.settings.topics_max,
            queues_max: self.settings.queues_max,
            groups_max: self.settings.groups_max,
            producers_max: self.settings.producers_max,
        }
    }

    /// Why a wish is not granted. What is refused for a change that is not durable waits for it:
    /// a crash may yet undo that change, and the answer would not be true (invariant 4).
    pub(super) fn refuse_change(
        &self,
        refused: ChangeRefused,
        (field, name): (&'static str, &str),
    ) -> Refusal {
        if self.catalogue.authority.has_undurable() {
            return Refusal::Busy;
        }
        Refusal::of_change(refused, field, name)
    }

    /// On shard 0: grants what was planned on `Catalogue::ahead`, then does `then`. `Busy` has changed nothing.
    pub(super) fn change_catalog<T>(
        &mut self,
        turn: &mut Turn<'_>,
        planned: Planned<T>,
        then: Then,
    ) -> Result<(), Refusal> {
        debug_assert!(self.is_first_shard(), "only shard 0 changes the catalog");
        if self.catalogue.authority.is_full() {
            return Err(Refusal::Busy);
        }
        if let Some(change) = planned.change {
            self.note_change(change)?;
        }
        if let Some(then) = self.catalogue.authority.wait_for(planned.version, then) {
            self.go_on(turn, &then);
        }
        Ok(())
    }

    fn note_change(&mut self, change: Change) -> Result<(), Refusal> {
        let Catalogue { replica, authority } = &mut self.catalogue;
        authority.bytes.clear();
        change.encode(&mut authority.bytes);
        // A client that is refused opens its producer again: it must not eat what acks need.
        let serves_publishing = matches!(change.subject, Subject::Producer { .. });
        let index = self.store.note_catalog(&authority.bytes, serves_publishing)?;
        authority.ahead.get_or_insert_with(|| replica.clone()).apply(&change);
        self.disk.wait(index, Waiter::Catalog { version: change.version });
        authority.changes.push_back(OnItsWay { change, thens: Vec::new() });
        self.shorten_history();
        Ok(())
    }

    /// Keeps what snapshots hold of the catalog in proportion to the catalog. A few milliseconds
    /// per 100 000 topics, once in as many changes.
    fn shorten_history(&mut self) {
        let Catalogue { replica, authority } = &mut self.catalogue;
        let history_bytes_max = authority.history_bytes_max.max(HISTORY_SLACK_BYTES);
        if self.store.catalog_bytes() <= history_bytes_max {
            return;
        }
        let encoded = |change: &Change| {
            let mut bytes = Vec::new();
            change.encode(&mut bytes);
            Bytes::from(bytes)
        };
        let changes = authority.ahead.as_ref().unwrap_or(replica).snapshot_changes();
        let changes: Vec<Bytes> = changes.iter().map(encoded).collect();
        if self.store.replace_catalog(&changes) {
            authority.history_bytes_max = 2 * self.store.catalog_bytes() + HISTORY_SLACK_BYTES;
        }
    }

    /// On shard 0: makes sure a group exists on every shard, then says `on_group_ready` with `ticket`; before
    /// it returns, if the group exists. `Busy` has changed nothing: ask again at a later turn's end.
    pub(super) fn ensure_group(
        &mut self,
        turn: &mut Turn<'_>,
        name: &str,
        ticket: u64,
    ) -> Result<(), Refusal> {
        let planned = self.catalogue.ahead().plan_group(name, &self.catalog_limits());
        let planned = planned.map_err(|refused| self.refuse_change(refused, ("group", name)))?;
        let then = Then::GroupReady { ticket, group: planned.subject };
        self.change_catalog(turn, planned, then)
    }

    /// A change is in shard 0's log: it becomes true here and is mailed to the others.
    pub(super) fn on_catalog_durable(&mut self, turn: &mut Turn<'_>, version: u64) {
        let authority = &mut self.catalogue.authority;
        let Some(entry) = authority.changes.get(authority.mailed_count) else { return };
        debug_assert_eq!(entry.change.version, version, "changes become durable in order");
        let change = entry.change.clone();
        authority.mailed_count += 1;
        let mail = || Mail::Catalog(CatalogMail::Apply(change.clone()));
        self.out.post.send_to_others(turn.effects, mail);
        self.apply_change(turn, &change);
        self.on_applied(turn, self.settings.shard, version);
    }

    pub(super) fn on_catalog_mail(&mut self, turn: &mut Turn<'_>, mail: CatalogMail) {
        match mail {
            CatalogMail::Apply(change) => {
                self.apply_change(turn, &change);
                let (shard, version) = (self.settings.shard, change.version);
                let mail = Mail::Catalog(CatalogMail::Applied { shard, version });
                self.out.post.send(turn.effects, ShardId(0), mail);
            }
            CatalogMail::Applied { shard, version } => self.on_applied(turn, shard, version),
        }
    }

    fn on_applied(&mut self, turn: &mut Turn<'_>, shard: ShardId, version: u64) {
        self.catalogue.authority.note_applied(shard, version);
        while let Some(completed) = self.catalogue.take_completed(self.settings.shard_count) {
            for then in &completed.thens {
                self.go_on(turn, then);
            }
        }
    }

    /// Makes a change true on this shard.
    fn apply_change(&mut self, turn: &mut Turn<'_>, change: &Change) {
        let queues_before = match &change.subject {
            Subject::Topic(Topic { id, .. }) | Subject::TopicDeleted(id) => {
                self.catalogue.replica.topic(*id).map_or(0, |topic| topic.queue_count)
            }
            Subject::Group(_) | Subject::Producer { .. } | Subject::Numbers(_) => 0,
        };
        if !self.catalogue.replica.apply(change) {
            return;
        }
        match &change.subject {
            Subject::Topic(topic) => {
                create_queues(&self.settings, &mut self.store, topic);
                if self.is_first_shard() && queues_before > 0 && topic.queue_count > queues_before {
                    self.on_topic_grown(turn, topic.id);
                }
            }
            Subject::TopicDeleted(id) => self.end_queues(turn, *id, queues_before),
            Subject::Producer { id, epoch, .. } => self.store.open_producer(*id, *epoch),
            Subject::Group(_) | Subject::Numbers(_) => {}
        }
    }

    fn end_queues(&mut self, turn: &mut Turn<'_>, topic: TopicId, queue_count: u16) {
        self.end_topic(turn, topic);
        self.end_service(turn, topic);
        for number in 0..queue_count {
            let queue = QueueId::new(topic, number);
            if shard_of(queue, self.settings.shard_count) == self.settings.shard {
                self.store.remove_queue(queue);
            }
        }
    }

    /// A wish is true on every shard.
    fn go_on(&mut self, turn: &mut Turn<'_>, then: &Then) {
        match *then {
            Then::TopicInfo { origin, topic } => self.describe_topic(turn, origin, topic),
            Then::Done(origin) => self.out.done(turn, origin),
            Then::ProducerOpened { origin, producer, epoch } => {
                self.out.send(turn, origin, (Kind::ProducerOpened, &[]), |builder| {
                    let args = table::ProducerOpenedArgs { producer: producer.0, epoch: epoch.0 };
                    table::ProducerOpened::create(builder, &args)
                });
            }
            Then::GroupReady { ticket, group } => self.on_group_ready(turn, ticket, Ok(group)),
        }
    }
}

/// Makes the queues of a topic that this shard owns known to its store.
fn create_queues(settings: &Settings, store: &mut Store, topic: &Topic) {
    let level = if topic.level == Level::Memory { QueueLevel::Memory } else { QueueLevel::Durable };
    let retention_ns = topic.retention_ms.saturating_mul(1_000_000);
    for queue in topic.queues() {
        if shard_of(queue, settings.shard_count) == settings.shard {
            store.create_queue(queue, level, retention_ns);
        }
    }
}
