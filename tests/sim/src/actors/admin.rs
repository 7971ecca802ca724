//! Admin: makes the topics, and lets one grow while it is used.

use super::caller::{Caller, News, decode};
use super::{Actor, ActorEvent, Context, TopicFacts};
use crate::observation::Observation;
use wire::table::{self, Level, TopicKind};
use wire::{Kind, QueueId, TopicId};

/// Names, kinds, levels and queue counts of every run.
const TOPICS: [(&str, TopicKind, Level, u16); 5] = [
    ("A10-00000001", TopicKind::Event, Level::Durable, 3),
    ("A10-00000002", TopicKind::Event, Level::Durable, 1),
    ("A10-00000003", TopicKind::Event, Level::Memory, 2),
    ("A10-10000004", TopicKind::Service, Level::Memory, 2),
    ("A10-10000005", TopicKind::Service, Level::Durable, 1),
];
const GROWN_QUEUES: u16 = 5;

/// The admin of a run.
#[derive(Debug, Default)]
pub struct Admin {
    caller: Caller,
    made: Vec<TopicFacts>,
    is_asked: bool,
    has_grown: bool,
}

impl Admin {
    fn ask_next(&mut self, context: &mut Context<'_>) {
        if self.is_asked || !self.caller.is_ready() || self.has_grown {
            return;
        }
        self.is_asked = true;
        if let Some((name, kind, level, queue_count)) = TOPICS.get(self.made.len()).copied() {
            self.caller.ask(context, Kind::TopicCreate, &[], |builder| {
                let name = Some(builder.create_string(name));
                let args =
                    table::TopicCreateArgs { name, kind, level, queue_count, ..Default::default() };
                table::TopicCreate::create(builder, &args)
            });
        } else {
            self.caller.ask(context, Kind::TopicAlter, &[], |builder| {
                let name = Some(builder.create_string(TOPICS[0].0));
                let queue_count = Some(GROWN_QUEUES);
                let args = table::TopicAlterArgs { name, queue_count, ..Default::default() };
                table::TopicAlter::create(builder, &args)
            });
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
        if self.made.len() < TOPICS.len() {
            self.made.push(facts);
        } else {
            self.made[0] = facts;
            self.has_grown = true;
        }
        if self.made.len() == TOPICS.len() {
            context.board.topics.clone_from(&self.made);
            context.board.is_open = true;
        }
    }
}

impl Actor for Admin {
    fn name(&self) -> String {
        format!("admin ({} topics made)", self.made.len())
    }

    fn on(&mut self, context: &mut Context<'_>, event: ActorEvent) {
        for news in self.caller.take(context, event) {
            match news {
                News::Ready | News::Woken => {}
                News::Lost => self.is_asked = false,
                News::Frame(bytes) => {
                    self.is_asked = false;
                    let (kind, frame) = decode(&bytes);
                    if kind == Kind::TopicInfo {
                        self.on_topic(context, frame.read().expect("a TopicInfo"));
                    }
                }
            }
        }
        self.ask_next(context);
    }

    fn is_done(&self) -> bool {
        self.has_grown
    }
}
