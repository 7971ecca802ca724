//! Step: the one match over events, and the parts a broker is made of.
//!
//! Order within a step: the event's handler, then mails of this shard to
//! itself. At `TurnEnd`: mails that waited for room, deliveries, then storage's
//! plans, so one flush takes everything that arrived in the turn.

use super::catalog::Catalogue;
use super::connection::Connections;
use super::disk::Disk;
use super::dispatch::Held;
use super::leases::Leases;
use super::mail::{Mail, Origin, Peer};
use super::members::Members;
use super::offsets::Queries;
use super::outgoing::{Outgoing, Turn};
use super::pending::Requests;
use super::responders::Desks;
use super::settings::Settings;
use super::stats::Stats;
use super::trace::Arrival;
use shard::{Core, Effect, Effects, Event, Now};
use storage::Store;

/// The broker of one shard.
#[derive(Debug)]
pub struct Broker {
    pub(super) settings: Settings,
    pub(super) store: Store,
    pub(super) out: Outgoing,
    pub(super) connections: Connections,
    pub(super) held: Held,
    pub(super) disk: Disk,
    pub(super) catalogue: Catalogue,
    pub(super) members: Members,
    pub(super) leases: Leases,
    pub(super) queries: Queries,
    pub(super) requests: Requests,
    pub(super) desks: Desks,
    pub(super) stats: Stats,
}

impl Broker {
    /// A broker over a recovered store. `catalogue` is what shard 0 recovered, the same on every shard.
    pub fn new(settings: Settings, mut store: Store, catalogue: Catalogue) -> Self {
        catalogue.prepare(&settings, &mut store);
        Self {
            out: Outgoing::new(settings.shard, settings.shard_count, settings.mailbox_bytes),
            connections: Connections::default(),
            held: Held::new(settings.shard_count),
            disk: Disk::default(),
            members: Members::new(&settings),
            leases: Leases::default(),
            queries: Queries::default(),
            requests: Requests::new(&settings),
            desks: Desks::default(),
            stats: Stats::default(),
            settings,
            store,
            catalogue,
        }
    }

    /// Which shard this is.
    pub fn shard(&self) -> wire::ShardId {
        self.settings.shard
    }

    /// Its storage, to look at.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Bytes of requests that wait for a responder, for room in the log, or for the way to another shard.
    pub fn waiting_bytes(&self) -> usize {
        self.desks.waiting_bytes
    }

    /// This connection of this shard, as others see it.
    pub(super) fn home(&self, connection: shard::ConnectionId) -> Peer {
        Peer { shard: self.settings.shard, connection }
    }

    /// Whether this shard keeps the catalog and decides who consumes what.
    pub(super) fn is_first_shard(&self) -> bool {
        self.settings.shard.0 == 0
    }

    fn on_event(&mut self, turn: &mut Turn<'_>, event: Event<'_, Mail>) {
        match event {
            Event::Started => self.on_started(turn),
            Event::Connected { connection } => self.on_connected(turn, connection),
            Event::Frame { connection, frame } => self.on_frame(turn, connection, frame),
            Event::Closed { connection, cause: _ } => self.on_closed(turn, connection),
            Event::Mail { from: _, mail } => self.on_mail(turn, mail),
            Event::Timer { token } => self.on_timer(turn, token),
            Event::Flushed { operation, result } => self.on_flushed(turn, operation, result),
            Event::ReadDone { operation, result } => self.on_read_done(turn, operation, result),
            Event::FileDone { operation, result } => self.on_file_done(turn, operation, result),
            Event::Shutdown => self.on_shutdown(turn),
            Event::TurnEnd => self.on_turn_end(turn),
        }
    }

    fn on_mail(&mut self, turn: &mut Turn<'_>, mail: Mail) {
        match mail {
            Mail::Frame(forwarded) => self.on_forwarded(turn, forwarded),
            Mail::Send { connection, bytes } => {
                turn.effects.send(connection, |out| out.extend_from_slice(&bytes));
            }
            Mail::PeerClosed { peer } => self.on_peer_closed(turn, peer),
            Mail::Catalog(mail) => self.on_catalog_mail(turn, mail),
            Mail::Lease(mail) => self.on_lease_mail(turn, mail),
            Mail::Call(mail) => self.on_call_mail(turn, mail),
            Mail::Query { ticket, query } => self.on_query(turn, ticket, &query),
            Mail::Answer { ticket, answer } => self.on_answer(turn, ticket, answer),
        }
    }

    /// What every shard forgets when a connection anywhere in the node is gone.
    pub(super) fn on_peer_closed(&mut self, turn: &mut Turn<'_>, peer: Peer) {
        self.end_membership_of(turn, peer);
        self.end_responders_of(turn, peer);
        self.queries.forget(peer);
        self.catalogue.forget(peer);
        self.held.forget(peer);
    }

    fn on_turn_end(&mut self, turn: &mut Turn<'_>) {
        let some_wait = self.out.post.move_waiting(turn.effects);
        self.resume_held(turn, some_wait);
        self.deliver_to_dirty(turn);
        self.plan_storage(turn);
        if self.store_waiting_requests(turn) {
            self.plan_storage(turn);
        }
        self.held.tell_kept(turn.effects);
    }

    /// Ends a step: mails of this shard to itself are handled before anything else happens.
    fn handle_mail_to_self(&mut self, turn: &mut Turn<'_>) {
        while let Some(mail) = self.out.post.next_to_self() {
            self.on_mail(turn, mail);
        }
    }

    fn on_shutdown(&mut self, turn: &mut Turn<'_>) {
        self.say_goodbye_to_all(turn);
        self.disk.stop_when_flushed();
    }

    /// Answers a refusal, or holds the frame's connection if the shard is only busy.
    pub(super) fn refuse(
        &mut self,
        turn: &mut Turn<'_>,
        origin: Origin,
        refusal: &super::refusal::Refusal,
    ) {
        self.stats.count_refusal(refusal);
        self.out.refuse(turn, origin, refusal);
    }

    /// Stops the process: the disk or this code cannot be trusted any more.
    pub(super) fn halt(turn: &mut Turn<'_>, code: u8, reason: String) {
        turn.effects.list.push(Effect::Halt { code, reason });
    }
}

impl Core for Broker {
    type Mail = Mail;

    fn step(&mut self, now: Now, event: Event<'_, Mail>, effects: &mut Effects<Mail>) {
        let mut turn = Turn { now, arrival: Arrival::default(), effects };
        self.on_event(&mut turn, event);
        self.handle_mail_to_self(&mut turn);
    }
}
