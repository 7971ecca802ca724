//! Actors: the clients of a run, written against the wire alone.
//!
//! | actor | does |
//! |---|---|
//! | `admin` | makes the topics, and lets one grow while it is used |
//! | `producer` | publishes, idempotent or not, and says what was accepted |
//! | `consumer` | a member of a group: acks, commits, nacks |
//! | `requester`, `responder` | request-reply |
//! | `reader` | reads every durable queue at the end |
//!
//! `caller` is the connection all of them share.

pub mod admin;
pub mod caller;
pub mod consumer;
pub mod producer;
pub mod reader;
pub mod requester;
pub mod responder;

use crate::oracle::Oracle;
use crate::world::{LinkId, Schedule};
use wire::table::{Level, TopicKind};
use wire::{QueueId, TopicId};

/// What an actor meets.
#[derive(Debug)]
pub enum ActorEvent {
    /// It was woken, as it asked.
    Timer,
    /// A connection is there.
    Connected(LinkId),
    /// Bytes came.
    Bytes(LinkId, Vec<u8>),
    /// A connection is gone.
    Closed(LinkId),
}

/// A client of a run.
pub trait Actor {
    /// For reports.
    fn name(&self) -> String;
    /// Takes what it meets.
    fn on(&mut self, context: &mut Context<'_>, event: ActorEvent);
    /// Whether it has nothing left to do once the world is healed.
    fn is_done(&self) -> bool;
}

/// A topic of a run.
#[derive(Clone, Debug)]
pub struct TopicFacts {
    /// Its id.
    pub id: TopicId,
    /// Its name.
    pub name: String,
    /// Events or a service.
    pub kind: TopicKind,
    /// How its records are kept.
    pub level: Level,
    /// Its queues.
    pub queues: Vec<QueueId>,
}

/// What the actors tell each other.
#[derive(Debug, Default)]
pub struct Board {
    /// The topics, once they are all made.
    pub topics: Vec<TopicFacts>,
    /// Producers that have not yet finished.
    pub producers_at_work: usize,
    /// Whether the topics are made.
    pub is_open: bool,
}

/// What an actor may use.
#[derive(Debug)]
pub struct Context<'a> {
    /// Its number.
    pub actor: usize,
    /// Whether the faults are over.
    pub is_healed: bool,
    /// Clock, chance, network.
    pub schedule: &'a mut Schedule,
    /// What the others told.
    pub board: &'a mut Board,
    /// Who watches.
    pub oracle: &'a mut Oracle,
}

/// The actors of a run.
pub fn cast(schedule: &mut Schedule) -> Vec<Box<dyn Actor>> {
    let mut actors: Vec<Box<dyn Actor>> = vec![Box::new(admin::Admin::default())];
    for number in 0..4 {
        actors.push(Box::new(producer::Producer::new(number, number != 3, &schedule.faults)));
    }
    let nacks = schedule.faults.nacks;
    for (group, topic) in [("desk", 0), ("desk", 0), ("audit", 0), ("desk", 1), ("ticker", 2)] {
        actors.push(Box::new(consumer::Consumer::new(group, topic, nacks)));
    }
    for topic in [3, 4] {
        actors.push(Box::new(responder::Responder::new(topic)));
        actors.push(Box::new(requester::Requester::new(topic, &schedule.faults)));
    }
    actors.push(Box::new(reader::Reader::default()));
    actors
}
