//! Network: connections between actors and shards, and how they fail.
//!
//! ```text
//!   actor --write--> pieces, in order, each after a while --> shard
//!   shard --send---> waits here while the actor does not read --> pieces --> actor
//! ```
//!
//! A cut loses what is under way in both directions, in the middle of a frame as
//! likely as not. A half-open connection loses everything and tells nobody.

use crate::actors::ActorEvent;
use crate::faults::{Deaf, MILLISECOND_NS};
use crate::node::Input;
use crate::random::Random;
use crate::schedule::{Happening, Relief, SLOWEST_NS, Schedule};
use defibus::broker::post::MAILBOX_SLOTS;
use std::collections::BTreeMap;
use wire::ShardId;

/// A broker closes a silent connection after this long: its allowance, two looks, and what was under way.
const FOUND_BY_NS: u64 = 13_000 * MILLISECOND_NS;

/// A connection between an actor and a shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinkId(pub u64);

#[derive(Clone, Debug)]
struct Ends {
    actor: usize,
    shard: ShardId,
    incarnation: u64,
    /// Nothing arrives before this: bytes keep their order.
    to_shard_ns: u64,
    to_actor_ns: u64,
    /// Who hears nothing any more.
    deaf: Option<Deaf>,
    /// What waits for an actor that does not read.
    stalled: Option<Vec<u8>>,
    /// Time that counts for nothing: what had been by the time it became half open, and what was allowed since.
    excused_ns: u64,
}

/// All connections, and the network's chance.
#[derive(Debug)]
pub struct Network {
    links: BTreeMap<LinkId, Ends>,
    link_count: u64,
    random: Random,
    /// Actors that hear nothing on some connection, and until when.
    hindered: BTreeMap<usize, u64>,
    /// The next bytes to a shard break off somewhere.
    pub(crate) cuts_next: bool,
}

impl Network {
    /// No connections.
    pub fn new(random: Random) -> Self {
        Self {
            links: BTreeMap::new(),
            link_count: 0,
            random,
            hindered: BTreeMap::new(),
            cuts_next: false,
        }
    }

    fn some_link(&mut self, is_one: impl Fn(&Ends) -> bool) -> Option<LinkId> {
        let links: Vec<LinkId> =
            self.links.iter().filter(|(_, ends)| is_one(ends)).map(|(link, _)| *link).collect();
        (!links.is_empty()).then(|| self.random.one_of(&links))
    }

    /// Cuts bytes somewhere, or not at all.
    fn pieces(&mut self, bytes: Vec<u8>, parts: u64) -> Vec<Vec<u8>> {
        let mut pieces = vec![bytes];
        while parts > 0 && pieces.len() < 4 && self.random.chance(parts) {
            let last = pieces.last_mut().expect("never empty");
            if last.len() < 2 {
                break;
            }
            let rest = last.split_off(1 + self.random.index(last.len() - 1));
            pieces.push(rest);
        }
        pieces
    }

    /// Before this an actor hears nothing on some connection.
    pub fn heard_ns(&self, actor: usize) -> u64 {
        self.hindered.get(&actor).copied().unwrap_or(0)
    }

    /// Whether every connection is one that both sides hear.
    pub fn is_whole(&self) -> bool {
        self.links.values().all(|ends| ends.deaf.is_none())
    }
}

impl Schedule {
    /// An actor connects to a shard; it hears `Connected` or `Closed`.
    pub fn connect(&mut self, actor: usize, shard: ShardId) -> LinkId {
        self.network.link_count += 1;
        let link = LinkId(self.network.link_count);
        let delay_ns = self.network_delay_ns();
        let at_ns = self.now_ns + delay_ns;
        if self.incarnation == 0 {
            self.at(at_ns, Happening::Actor(actor, ActorEvent::Closed(link)));
            return link;
        }
        let incarnation = self.incarnation;
        let ends = Ends {
            actor,
            shard,
            incarnation,
            to_shard_ns: at_ns,
            to_actor_ns: at_ns,
            deaf: None,
            stalled: None,
            excused_ns: 0,
        };
        self.network.links.insert(link, ends);
        self.at(at_ns, Happening::Shard(incarnation, shard, Input::Connected(link)));
        self.at(at_ns, Happening::Actor(actor, ActorEvent::Connected(link)));
        link
    }

    /// Bytes of an actor; they keep their order.
    pub fn to_shard(&mut self, link: LinkId, mut bytes: Vec<u8>) {
        if bytes.len() > 1 && std::mem::take(&mut self.network.cuts_next) {
            bytes.truncate(1 + self.network.random.index(bytes.len() - 1));
            self.send_pieces(link, bytes);
            let Some(ends) = self.network.links.get(&link) else { return };
            let at_ns = ends.to_shard_ns + 1;
            self.fired.cuts += 1;
            self.at(at_ns, Happening::Relief(Relief::Cut(link)));
        } else {
            self.send_pieces(link, bytes);
        }
    }

    fn send_pieces(&mut self, link: LinkId, bytes: Vec<u8>) {
        let pieces = self.network.pieces(bytes, self.faults.pieces);
        self.fired.pieces += pieces.len() as u64 - 1;
        for piece in pieces {
            let delay_ns = self.network_delay_ns();
            let Some(ends) = self.network.links.get_mut(&link) else { return };
            if matches!(ends.deaf, Some(Deaf::Node | Deaf::Both)) {
                return;
            }
            let at_ns = (self.now_ns + delay_ns).max(ends.to_shard_ns + 1);
            ends.to_shard_ns = at_ns;
            let (incarnation, shard) = (ends.incarnation, ends.shard);
            self.at(at_ns, Happening::Shard(incarnation, shard, Input::Bytes(link, piece)));
        }
    }

    /// Bytes to an actor; they keep their order. `false`: it does not read, and no more of them can wait.
    #[must_use]
    pub fn to_actor(&mut self, link: LinkId, bytes: &[u8]) -> bool {
        let Some(ends) = self.network.links.get_mut(&link) else { return true };
        match &mut ends.stalled {
            Some(waiting) if waiting.len() + bytes.len() > self.faults.output_bytes_max => {
                return false;
            }
            Some(waiting) => waiting.extend_from_slice(bytes),
            None => self.deliver(link, bytes.to_vec()),
        }
        true
    }

    fn deliver(&mut self, link: LinkId, bytes: Vec<u8>) {
        for piece in self.network.pieces(bytes, self.faults.pieces) {
            let delay_ns = self.network_delay_ns();
            let Some(ends) = self.network.links.get_mut(&link) else { return };
            if matches!(ends.deaf, Some(Deaf::Client | Deaf::Both)) {
                return;
            }
            let at_ns = (self.now_ns + delay_ns).max(ends.to_actor_ns + 1);
            ends.to_actor_ns = at_ns;
            let actor = ends.actor;
            self.at(at_ns, Happening::Actor(actor, ActorEvent::Bytes(link, piece)));
        }
    }

    /// The broker closed: the actor gets what was sent before, then the end.
    pub fn broker_closes(&mut self, link: LinkId) {
        if let Some(Some(waiting)) =
            self.network.links.get_mut(&link).map(|ends| ends.stalled.take())
        {
            self.deliver(link, waiting);
        }
        self.end_at_actor(link);
    }

    /// The broker dropped a connection: what waited is lost, and the actor sees its end.
    pub fn broker_drops(&mut self, link: LinkId) {
        self.end_at_actor(link);
    }

    fn end_at_actor(&mut self, link: LinkId) {
        let Some(ends) = self.network.links.remove(&link) else { return };
        match ends.deaf {
            // Nobody hears of the end either: the client finds out by its own clock.
            Some(Deaf::Client | Deaf::Both) => {}
            Some(Deaf::Node) | None => {
                let at_ns = ends.to_actor_ns.max(self.now_ns) + 1;
                self.at(at_ns, Happening::Actor(ends.actor, ActorEvent::Closed(link)));
            }
        }
        self.fired.half_opens_found += u64::from(ends.deaf.is_some());
    }

    /// A connection breaks in the middle: bytes under way are lost on both sides.
    pub fn cut(&mut self, link: LinkId) {
        let Some(ends) = self.network.links.remove(&link) else { return };
        self.at(self.now_ns, Happening::Actor(ends.actor, ActorEvent::Closed(link)));
        self.at(self.now_ns, Happening::Shard(ends.incarnation, ends.shard, Input::Closed(link)));
    }

    /// An actor gives a connection up; a node that is deaf does not hear it.
    pub fn abandon(&mut self, actor: usize, link: LinkId) {
        self.network.hindered.remove(&actor);
        let Some(ends) = self.network.links.get(&link) else { return };
        if matches!(ends.deaf, Some(Deaf::Node | Deaf::Both)) {
            return;
        }
        let (incarnation, shard) = (ends.incarnation, ends.shard);
        self.fired.half_opens_found += u64::from(ends.deaf.is_some());
        self.network.links.remove(&link);
        self.at(self.now_ns, Happening::Shard(incarnation, shard, Input::Closed(link)));
    }

    /// Cuts some connection.
    pub(crate) fn cut_some(&mut self) {
        if let Some(link) = self.network.some_link(|_| true) {
            self.fired.cuts += 1;
            self.cut(link);
        }
    }

    /// Some connection loses a direction; later it must be gone, whoever finds out.
    pub(crate) fn half_open_some(&mut self, deaf: Deaf) {
        let Some(link) = self.network.some_link(|ends| ends.deaf.is_none()) else { return };
        self.fired.half_opens += 1;
        let paused_ns = self.paused_ns;
        let heard_ns = self.now_ns.max(self.paused_until_ns).max(self.held_until_ns());
        let until_ns = heard_ns + FOUND_BY_NS;
        if let Some(ends) = self.network.links.get_mut(&link) {
            ends.deaf = Some(deaf);
            ends.excused_ns = paused_ns;
        }
        self.hinder(link, until_ns);
        self.at(until_ns, Happening::Relief(Relief::HalfOpen(link)));
    }

    /// Until when frames may be held: mailboxes with no slot for deliveries keep what asks for some, and what
    /// comes behind it, until the world heals. It is heard when it is taken.
    fn held_until_ns(&self) -> u64 {
        let has_no_way = self.faults.mail_slots <= MAILBOX_SLOTS / 4 * 3;
        if has_no_way { self.faults.heal_ns } else { 0 }
    }

    /// Whether a half-open connection is still there though its time is over; looks again later if the node was paused,
    /// or the disk slow: a frame that a flush held is heard when it is taken.
    pub(crate) fn is_forgotten(&mut self, link: LinkId) -> bool {
        let held_ns = if self.fired.slow_flushes > 0 { SLOWEST_NS } else { 0 };
        let excused_ns = self.paused_ns + held_ns;
        let Some(ends) = self.network.links.get_mut(&link) else { return false };
        let more_ns = excused_ns - std::mem::replace(&mut ends.excused_ns, excused_ns);
        if more_ns > 0 {
            self.hinder(link, self.now_ns + more_ns);
            self.at(self.now_ns + more_ns, Happening::Relief(Relief::HalfOpen(link)));
        }
        more_ns == 0
    }

    /// Some actor stops reading for a while.
    pub(crate) fn stall_some(&mut self, span_ns: u64) {
        let Some(link) = self.network.some_link(|ends| ends.stalled.is_none()) else { return };
        self.fired.stalls += 1;
        if let Some(ends) = self.network.links.get_mut(&link) {
            ends.stalled = Some(Vec::new());
        }
        self.hinder(link, self.now_ns + span_ns);
        self.at(self.now_ns + span_ns, Happening::Relief(Relief::Stall(link)));
    }

    fn hinder(&mut self, link: LinkId, until_ns: u64) {
        if let Some(ends) = self.network.links.get(&link) {
            let hindered_ns = self.network.hindered.entry(ends.actor).or_default();
            *hindered_ns = until_ns.max(*hindered_ns);
            self.hindered.push((Some(ends.actor), until_ns));
        }
    }

    /// It reads again.
    pub(crate) fn end_stall(&mut self, link: LinkId) {
        if let Some(Some(waiting)) =
            self.network.links.get_mut(&link).map(|ends| ends.stalled.take())
        {
            self.deliver(link, waiting);
        }
    }

    fn network_delay_ns(&mut self) -> u64 {
        self.network.random.between(5_000, self.faults.network_delay_ns_max)
    }

    /// The node is gone: every actor sees the end of its connections, deaf ones do not.
    pub(crate) fn close_all(&mut self) {
        for (link, ends) in std::mem::take(&mut self.network.links) {
            if !matches!(ends.deaf, Some(Deaf::Client | Deaf::Both)) {
                self.at(self.now_ns, Happening::Actor(ends.actor, ActorEvent::Closed(link)));
            }
        }
    }
}
