//! Admin: makes the topics, then changes them while they are used.
//!
//! Its acts are drawn in advance. One whose answer was lost is asked again: each can
//! be said twice. It waits a little before that, so that what is still under way
//! inside the node cannot strike a topic that was made since.

use super::board::{EVENTS, NARROW, PASSING, PASSING_SERVICE, TOPICS};
use super::caller::{Caller, News, decode};
use super::{Actor, ActorEvent, Context, TopicFacts};
use crate::observation::Observation;
use std::collections::VecDeque;
use wire::table::{self, StartAt};
use wire::{ErrorCode, Frame, Kind, QueueId, TopicId};

const GROWN_QUEUES: u16 = 5;
/// Nothing of a lost connection is under way inside the node after this.
const CALM_NS: u64 = 100_000_000;
/// Between two acts, at most.
const PAUSE_NS_MAX: u64 = 500_000_000;

/// One act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Create(usize),
    Grow,
    /// The narrow topic's depth limit is moved.
    Deepen(u64),
    Delete(usize),
    /// This group's position on the topic at this slot goes back to the start.
    Reset(&'static str, usize),
}

/// The admin of a run.
#[derive(Debug)]
pub struct Admin {
    caller: Caller,
    acts: VecDeque<Act>,
    is_drawn: bool,
    /// The request that is not answered.
    asked: Option<u64>,
    wait_until_ns: u64,
}

impl Default for Admin {
    fn default() -> Self {
        let acts = (0..TOPICS.len()).map(Act::Create).collect();
        Self { caller: Caller::default(), acts, is_drawn: false, asked: None, wait_until_ns: 0 }
    }
}

impl Admin {
    /// All topics are there: what becomes of them is drawn.
    fn draw(&mut self, context: &mut Context<'_>) {
        self.is_drawn = true;
        context.board.is_open = true;
        let random = &mut context.schedule.random;
        let mut acts = vec![vec![Act::Grow]];
        for _ in 0..random.below(3) {
            acts.push(vec![Act::Delete(PASSING), Act::Create(PASSING)]);
        }
        if random.chance(300) {
            acts.push(vec![Act::Delete(PASSING_SERVICE), Act::Create(PASSING_SERVICE)]);
        }
        if random.chance(300) {
            acts.push(vec![Act::Reset("replay", super::board::BARE)]);
        }
        if random.chance(300) {
            acts.push(vec![Act::Deepen(8), Act::Deepen(24)]);
        }
        while !acts.is_empty() {
            let next = random.index(acts.len());
            self.acts.extend(acts.swap_remove(next));
        }
    }

    fn ask_next(&mut self, context: &mut Context<'_>) {
        let now_ns = context.schedule.now_ns;
        if self.asked.is_some() || !self.caller.is_ready() || now_ns < self.wait_until_ns {
            return;
        }
        let Some(act) = self.acts.front().copied() else { return };
        self.asked = Some(match act {
            Act::Create(slot) => self.create(context, slot),
            Act::Grow => self.alter(context, EVENTS, (Some(GROWN_QUEUES), None)),
            Act::Deepen(depth_max) => self.alter(context, NARROW, (None, Some(depth_max))),
            Act::Delete(slot) => self.delete(context, slot),
            Act::Reset(group, slot) => self.reset(context, group, slot),
        });
    }

    fn create(&mut self, context: &mut Context<'_>, slot: usize) -> u64 {
        let plan = TOPICS[slot];
        self.caller.ask(context, Kind::TopicCreate, &[], |builder| {
            let name = Some(builder.create_string(plan.name));
            let (kind, level, depth_max) = (plan.kind, plan.level, plan.depth_max);
            let queue_count = plan.queue_count;
            let args = table::TopicCreateArgs {
                name,
                kind,
                level,
                queue_count,
                depth_max,
                retention_ms: 0,
            };
            table::TopicCreate::create(builder, &args)
        })
    }

    fn alter(
        &mut self,
        context: &mut Context<'_>,
        slot: usize,
        (queue_count, depth_max): (Option<u16>, Option<u64>),
    ) -> u64 {
        self.caller.ask(context, Kind::TopicAlter, &[], |builder| {
            let name = Some(builder.create_string(TOPICS[slot].name));
            let args = table::TopicAlterArgs { name, queue_count, depth_max, retention_ms: None };
            table::TopicAlter::create(builder, &args)
        })
    }

    fn delete(&mut self, context: &mut Context<'_>, slot: usize) -> u64 {
        if let Some(facts) = &context.board.topics[slot] {
            context.oracle.saw(&Observation::DeletionAsked { topic: facts.id });
        }
        self.caller.ask(context, Kind::TopicDelete, &[], |builder| {
            let name = Some(builder.create_string(TOPICS[slot].name));
            table::TopicDelete::create(builder, &table::TopicDeleteArgs { name })
        })
    }

    fn reset(&mut self, context: &mut Context<'_>, group: &'static str, slot: usize) -> u64 {
        context.board.resetting = Some(group);
        if let Some(facts) = &context.board.topics[slot] {
            context.oracle.saw(&Observation::ResetAsked { group, topic: facts.id });
        }
        self.caller.ask(context, Kind::OffsetsReset, &[], |builder| {
            let group = Some(builder.create_string(group));
            let topic = Some(builder.create_string(TOPICS[slot].name));
            let start = StartAt::First;
            let args = table::OffsetsResetArgs { group, topic, start, offset: 0, time_ns: 0 };
            table::OffsetsReset::create(builder, &args)
        })
    }

    /// The act in hand is done.
    fn done(&mut self, context: &mut Context<'_>) {
        let Some(act) = self.acts.pop_front() else { return };
        match act {
            Act::Delete(slot) => {
                if let Some(facts) = context.board.topics[slot].take() {
                    context.oracle.saw(&Observation::Deleted { topic: facts.id });
                }
            }
            Act::Reset(group, slot) => {
                context.board.resetting = None;
                if let Some(facts) = &context.board.topics[slot] {
                    context.oracle.saw(&Observation::Reset { group, topic: facts.id });
                }
            }
            Act::Create(_) | Act::Grow | Act::Deepen(_) => {}
        }
        if self.acts.is_empty() && !self.is_drawn {
            self.draw(context);
        }
        if self.is_drawn {
            let pause_ns = context.schedule.random.below(PAUSE_NS_MAX);
            self.wait_until_ns = context.schedule.now_ns + pause_ns;
            context.board.is_settled = self.acts.is_empty();
        }
    }

    fn on_topic(&mut self, context: &mut Context<'_>, info: table::TopicInfo<'_>) {
        let topic = info.topic().expect("TopicInfo names the topic");
        let queues = info.queues().expect("TopicInfo names the queues");
        let facts = TopicFacts {
            id: TopicId(topic.id()),
            name: topic.name().expect("a topic has a name").to_owned(),
            kind: topic.kind(),
            level: topic.level(),
            queues: queues.iter().map(|queue| QueueId(queue.id())).collect(),
        };
        context.oracle.saw(&Observation::TopicMade(&facts));
        if let Some(slot) = TOPICS.iter().position(|plan| plan.name == facts.name) {
            context.board.topics[slot] = Some(facts);
        }
        self.done(context);
    }

    fn on_error(&mut self, context: &mut Context<'_>, error: table::Error<'_>) {
        let code = ErrorCode::from_number(error.code());
        let is_gone = matches!(self.acts.front(), Some(Act::Delete(_)))
            && code == Some(ErrorCode::UnknownTopic);
        // A group that nobody joined yet has nothing to reset.
        let is_unknown = matches!(self.acts.front(), Some(Act::Reset(..)))
            && code == Some(ErrorCode::UnknownGroup);
        if is_gone || is_unknown {
            self.done(context);
        } else {
            self.wait_until_ns = context.schedule.now_ns + CALM_NS;
        }
    }

    fn on_frame(&mut self, context: &mut Context<'_>, kind: Kind, frame: &Frame<'_>) {
        // A goodbye is no answer.
        if self.asked != Some(frame.header.request_id) {
            return;
        }
        self.asked = None;
        #[expect(clippy::wildcard_enum_match_arm, reason = "other frames are not for the admin")]
        match kind {
            Kind::TopicInfo => self.on_topic(context, frame.read().expect("valid")),
            Kind::Done | Kind::OffsetsInfo => self.done(context),
            Kind::Error => self.on_error(context, frame.read().expect("valid")),
            _ => {}
        }
    }
}

impl Actor for Admin {
    fn name(&self) -> String {
        format!("admin ({:?} to do)", self.acts)
    }

    fn on(&mut self, context: &mut Context<'_>, event: ActorEvent) {
        for news in self.caller.take(context, event) {
            match news {
                News::Ready | News::Woken => {}
                News::Lost => {
                    self.asked = None;
                    self.wait_until_ns = context.schedule.now_ns + CALM_NS;
                }
                News::Frame(bytes) => {
                    let (kind, frame) = decode(&bytes);
                    self.on_frame(context, kind, &frame);
                }
            }
        }
        self.ask_next(context);
    }

    fn is_done(&self) -> bool {
        self.is_drawn && self.acts.is_empty()
    }
}
