//! Actors: the clients of a run, written against the wire alone.
//!
//! | actor | does |
//! |---|---|
//! | `admin` | makes the topics, lets one grow, deletes and makes others again while they are used, resets a group |
//! | `producer` | publishes, idempotent or not, on two connections, and says what was accepted |
//! | `consumer` | a member of a group, or a broadcast instance: acks, commits, nacks, late or never; comes and goes |
//! | `requester`, `responder` | request-reply: cancels, late replies, responders that vanish |
//! | `follower` | a batch reader that follows the queues while everything happens |
//! | `reader` | reads every durable queue at the end |
//!
//! `caller` is the connection all of them share, `board` what they tell each other.

pub mod admin;
pub mod board;
pub mod caller;
pub mod consumer;
pub mod follower;
pub mod producer;
pub mod reader;
pub mod requester;
pub mod responder;

use crate::oracle::Oracle;
use crate::schedule::Schedule;
use crate::world::LinkId;
use board::{BARE, DEEP, EVENTS, MEMORY, NARROW, PASSING, SERVICE, STORED_SERVICE};
pub use board::{Board, TopicFacts};

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

impl Context<'_> {
    /// Whether nothing is published any more.
    pub fn is_quiet(&self) -> bool {
        self.is_healed && self.board.is_settled && self.board.producers_at_work == 0
    }
}

/// Sections a producer has in all, and requests a requester.
const SECTIONS: u64 = 60;
const REQUESTS: u64 = 50;

/// The actors of a run.
pub fn cast(schedule: &Schedule) -> Vec<Box<dyn Actor>> {
    let faults = &schedule.faults;
    let mut actors: Vec<Box<dyn Actor>> = vec![Box::new(admin::Admin::default())];
    for number in 0..4 {
        actors.push(Box::new(producer::Producer::new(number, number != 3, faults.share(SECTIONS))));
    }
    let nacks = faults.nacks;
    for (group, slot) in [
        ("desk", EVENTS),
        ("desk", EVENTS),
        ("audit", EVENTS),
        ("desk", BARE),
        ("replay", BARE),
        ("ticker", MEMORY),
        ("narrow", NARROW),
        ("passing", PASSING),
    ] {
        actors.push(Box::new(consumer::Consumer::member(group, slot, nacks)));
    }
    for (instance, audience) in [("left", "wall/left"), ("right", "wall/right")] {
        actors.push(Box::new(consumer::Consumer::instance(instance, audience, DEEP, nacks)));
    }
    for slot in [SERVICE, STORED_SERVICE, board::PASSING_SERVICE] {
        actors.push(Box::new(responder::Responder::new(slot)));
        actors.push(Box::new(requester::Requester::new(slot, faults.share(REQUESTS))));
    }
    actors.push(Box::new(responder::Responder::new(SERVICE)));
    actors.push(Box::new(follower::Follower::default()));
    actors.push(Box::new(reader::Reader::default()));
    actors
}
