//! Routes: where the queues of each topic live, asked once and kept until they prove wrong.

use super::links::Target;
use super::pending::{Owner, Question};
use super::{HOME, Session};
use crate::error::Refusal;
use crate::outcome::Outcome;
use crate::session::inbox::Taken;
use std::collections::BTreeMap;
use wire::table::{Route, RouteArgs, RouteInfo};
use wire::{DecodeError, Kind, QueueId, ShardId};

/// Topics whose routes are kept at most; beyond, all are asked again.
const ROUTES_MAX: usize = 4096;

/// The queues of one topic, by number.
pub(crate) type Queues = Vec<(QueueId, ShardId)>;

/// What is known of a topic.
#[derive(Debug)]
enum Known {
    /// To be asked.
    No,
    /// Asked under this request id.
    Asked(u64),
    /// Answered.
    Yes(Queues),
}

/// The routes of all topics in use.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    topics: BTreeMap<String, Known>,
    has_questions: bool,
}

impl Routes {
    /// The queues of `topic`, or a note to ask for them.
    pub(crate) fn queues(&mut self, topic: &str) -> Option<&Queues> {
        if !self.topics.contains_key(topic) {
            if self.topics.len() >= ROUTES_MAX {
                self.topics.retain(|_, known| !matches!(known, Known::Yes(_)));
            }
            self.topics.insert(topic.to_owned(), Known::No);
            self.has_questions = true;
        }
        match self.topics.get(topic) {
            Some(Known::Yes(queues)) => Some(queues),
            Some(Known::No | Known::Asked(_)) | None => None,
        }
    }

    /// A route proved wrong: it is asked for again on next use.
    pub(crate) fn forget(&mut self, topic: &str) {
        self.topics.remove(topic);
    }

    /// As `forget`, for all topics that were told.
    pub(crate) fn forget_all(&mut self) {
        self.topics.retain(|_, known| !matches!(known, Known::Yes(_)));
    }

    /// As `forget`, unless an answer is on its way.
    pub(crate) fn forget_unless_asked(&mut self, topic: &str) {
        if matches!(self.topics.get(topic), Some(Known::Yes(_))) {
            self.forget(topic);
        }
    }

    /// Where a queue lives, if a route told.
    pub(crate) fn shard_of(&self, queue: QueueId) -> Option<ShardId> {
        let known = self.topics.values().filter_map(|known| match known {
            Known::Yes(queues) => Some(queues),
            Known::No | Known::Asked(_) => None,
        });
        known.flatten().find(|(id, _)| *id == queue).map(|(_, shard)| *shard)
    }

    /// The connection was lost before the answer: ask again.
    pub(crate) fn unanswered(&mut self, request_id: u64) {
        for known in self.topics.values_mut() {
            if matches!(known, Known::Asked(of) if *of == request_id) {
                *known = Known::No;
                self.has_questions = true;
            }
        }
    }

    fn asked(&self, request_id: u64) -> Option<&str> {
        let mut topics = self.topics.iter();
        let (topic, _) =
            topics.find(|(_, known)| matches!(known, Known::Asked(of) if *of == request_id))?;
        Some(topic)
    }
}

impl Session {
    /// Asks for the routes that are wanted and not known.
    pub(super) fn ask_routes(&mut self) {
        if !self.routes.has_questions || self.open_place(Target::Home).is_none() {
            return;
        }
        self.routes.has_questions = false;
        for (topic, known) in &mut self.routes.topics {
            if !matches!(known, Known::No) {
                continue;
            }
            let question =
                Question { owner: Owner::Route, connection: Some(HOME), deadline_ns: u64::MAX };
            let Some(request_id) = self.pending.insert(question) else {
                self.routes.has_questions = true;
                return;
            };
            *known = Known::Asked(request_id);
            let outbox = self.connections[HOME].outbox();
            self.writer.write(outbox, Kind::Route, request_id, &[], |builder| {
                let topic = Some(builder.create_string(topic));
                Route::create(builder, &RouteArgs { topic })
            });
        }
    }

    /// The node told a route.
    pub(super) fn routed(&mut self, request_id: u64, taken: &Taken) -> Result<(), DecodeError> {
        let frame = taken.frame();
        let info = frame.read::<RouteInfo<'_>>()?;
        let mut queues: Vec<_> = info.queues().into_iter().flatten().collect();
        queues.sort_unstable_by_key(wire::table::QueueInfo::number);
        let queues: Queues =
            queues.iter().map(|queue| (QueueId(queue.id()), ShardId(queue.shard()))).collect();
        let Some(topic) = self.routes.asked(request_id).map(str::to_owned) else { return Ok(()) };
        self.producers_routed(&topic, &queues);
        self.routes.topics.insert(topic, Known::Yes(queues));
        Ok(())
    }

    /// The node has no route: everything that waits for it ends.
    pub(super) fn not_routed(&mut self, request_id: u64, refusal: &Refusal) {
        let Some(topic) = self.routes.asked(request_id).map(str::to_owned) else { return };
        self.routes.forget(&topic);
        self.producers_not_routed(&topic, refusal);
        let mut from = 0;
        while let Some(key) = self.requesters.key_from(from) {
            from = key + 1;
            let Some(requester) = self.requesters.get(key) else { continue };
            let waiting = requester.unsent.iter().filter(|unsent| unsent.service == topic);
            let ids: Vec<u64> = waiting.map(|unsent| unsent.request_id).collect();
            for id in ids {
                self.pending.remove(id);
                self.request_ended(key, id, Outcome::Refused(refusal.clone()));
            }
        }
    }
}
