//! Dispatch: which handler a client's frame goes to, and on which shard.
//!
//! A frame about a queue belongs to the queue's shard, a frame about topics,
//! groups and members to shard 0, the rest to the shard it arrived on. On the
//! wrong shard it is forwarded, never refused. A frame that cannot be taken now
//! is held: a connection of ours is not read further, a forwarded frame waits in
//! a list whose bytes its sender is told of, and sends no more.

use super::disk::TIMER_MAILBOX;
use super::mail::{Forwarded, Mail, Origin, Peer};
use super::outgoing::Turn;
use super::post::MailClass;
use super::refusal::Refusal;
use super::step::Broker;
use super::trace::Arrival;
use bytes::Bytes;
use flatbuffers::{Follow, Verifiable};
use routing::placement::shard_of;
use shard::{ConnectionId, Effect, Effects};
use std::collections::VecDeque;
use wire::frame::Decoded;
use wire::{Frame, Kind, QueueId, ShardId, table};

/// Frames that could not be taken yet.
#[derive(Debug)]
pub(super) struct Held {
    /// Connections of this shard whose frame is to be handed in again.
    connections: Vec<ConnectionId>,
    /// Frames forwarded to this shard.
    forwarded: VecDeque<Forwarded>,
    /// Their bytes, by the shard they came from.
    kept_bytes: Vec<usize>,
    /// Whether what was held may be taken now: a flush ended, or time went by in which a mailbox was read.
    ready: bool,
    /// When `TIMER_MAILBOX` is due, if it is under way.
    armed_ns: Option<u64>,
}

/// Room in a mailbox makes no event of its own: what waits for it looks again this often, in nanoseconds.
const LOOK_AGAIN_NS: u64 = 1_000_000;

impl Held {
    /// Nothing held, on a node of so many shards.
    pub(super) fn new(shard_count: u16) -> Self {
        Self {
            connections: Vec::new(),
            forwarded: VecDeque::new(),
            kept_bytes: vec![0; usize::from(shard_count)],
            ready: false,
            armed_ns: None,
        }
    }

    /// Says that a flush ended or memory became free.
    pub(super) fn retry(&mut self) {
        self.ready = true;
    }

    /// Drops what a connection sent and nobody took yet: it is gone, and whoever had it may have asked
    /// for the contrary since.
    pub(super) fn forget(&mut self, peer: Peer) {
        let kept_bytes = &mut self.kept_bytes;
        self.forwarded.retain(|forwarded| {
            let stays = forwarded.origin.peer != peer;
            if !stays {
                kept_bytes[usize::from(peer.shard.0)] -= forwarded.mail_bytes();
            }
            stays
        });
    }

    fn keep(&mut self, forwarded: Forwarded) {
        self.kept_bytes[usize::from(forwarded.origin.peer.shard.0)] += forwarded.mail_bytes();
        self.forwarded.push_back(forwarded);
    }

    fn next_kept(&mut self) -> Option<Forwarded> {
        let forwarded = self.forwarded.pop_front()?;
        self.kept_bytes[usize::from(forwarded.origin.peer.shard.0)] -= forwarded.mail_bytes();
        Some(forwarded)
    }

    /// It could not be taken after all.
    fn keep_first(&mut self, forwarded: Forwarded) {
        self.keep(forwarded);
        self.forwarded.rotate_right(1);
    }

    /// Says how much of whose mail waits here.
    pub(super) fn tell_kept(&self, effects: &mut Effects<Mail>) {
        effects.kept_bytes.copy_from_slice(&self.kept_bytes);
    }

    fn is_empty(&self) -> bool {
        self.connections.is_empty() && self.forwarded.is_empty()
    }
}

/// Where a frame is to be handled.
enum Place {
    Here,
    At(ShardId),
}

impl Broker {
    pub(super) fn on_frame(
        &mut self,
        turn: &mut Turn<'_>,
        connection: ConnectionId,
        frame: Frame<'_>,
    ) {
        let origin = Origin { peer: self.home(connection), request_id: frame.header.request_id };
        self.connections.heard(connection, turn.now.mono_ns);
        turn.arrival = Arrival {
            at_ns: turn.now.mono_ns,
            waited_ns: turn.effects.waited_ns,
            traced: frame.header.is_traced(),
        };
        let handled = self
            .check_greeted(connection, &frame)
            .and_then(|()| self.place_of(&frame))
            .and_then(|place| match place {
                Place::Here => self.handle(turn, origin, frame),
                Place::At(shard) => self.forward(turn, shard, origin, &frame),
            });
        match handled {
            Ok(()) => {}
            Err(Refusal::Busy) => {
                self.held.connections.push(connection);
                turn.effects.list.push(Effect::Hold { connection });
            }
            Err(refusal) => self.refuse_or_close(turn, origin, &refusal),
        }
    }

    /// A frame another shard sent on. Handled here, whatever a fresher placement says.
    pub(super) fn on_forwarded(&mut self, turn: &mut Turn<'_>, forwarded: Forwarded) {
        if self.held.forwarded.is_empty() {
            self.handle_forwarded(turn, forwarded);
        } else {
            self.held.keep(forwarded);
        }
        if !self.held.forwarded.is_empty() {
            self.held.tell_kept(turn.effects);
        }
    }

    /// Returns false if the frame went to the held ones.
    fn handle_forwarded(&mut self, turn: &mut Turn<'_>, forwarded: Forwarded) -> bool {
        let Forwarded { origin, arrival, ref bytes } = forwarded;
        let Ok(Decoded::Frame { frame, .. }) = Frame::decode(bytes) else {
            unreachable!("the forwarding shard decoded this frame");
        };
        turn.arrival = arrival;
        match self.handle(turn, origin, frame) {
            Ok(()) => true,
            Err(Refusal::Busy) => {
                self.held.keep_first(forwarded);
                false
            }
            Err(refusal) => {
                self.refuse(turn, origin, &refusal);
                true
            }
        }
    }

    /// At the end of a turn: lets held frames try again, if anything changed that they may wait for.
    pub(super) fn resume_held(&mut self, turn: &mut Turn<'_>, mails_wait: bool) {
        if std::mem::take(&mut self.held.ready) {
            self.handle_held_forwards(turn);
            self.fetch_with_way(turn);
            self.hand_out_with_way(turn);
            self.send_unsent(turn);
            for connection in std::mem::take(&mut self.held.connections) {
                turn.effects.list.push(Effect::Resume { connection });
            }
        }
        let some_lack_way = self.queries.fetches.lack_way() || self.desks.lack_way();
        if mails_wait || some_lack_way || !self.held.is_empty() {
            self.look_again_at(turn, turn.now.mono_ns + LOOK_AGAIN_NS);
        }
    }

    /// Arms `TIMER_MAILBOX`, unless it is due before: each turn asks, one timer answers.
    pub(super) fn look_again_at(&mut self, turn: &mut Turn<'_>, at_ns: u64) {
        if self.held.armed_ns.is_none_or(|armed_ns| at_ns < armed_ns) {
            self.held.armed_ns = Some(at_ns);
            turn.effects.list.push(Effect::Arm { token: TIMER_MAILBOX, at_ns });
        }
    }

    /// `TIMER_MAILBOX`: the end of this turn looks again.
    pub(super) fn look_again(&mut self, now_ns: u64) {
        if self.held.armed_ns.take_if(|armed_ns| *armed_ns <= now_ns).is_some() {
            self.held.retry();
        }
    }

    fn handle_held_forwards(&mut self, turn: &mut Turn<'_>) {
        while let Some(forwarded) = self.held.next_kept() {
            if !self.handle_forwarded(turn, forwarded) {
                return;
            }
        }
    }

    fn forward(
        &mut self,
        turn: &mut Turn<'_>,
        to: ShardId,
        origin: Origin,
        frame: &Frame<'_>,
    ) -> Result<(), Refusal> {
        if !self.out.post.has_room(turn.effects, to, MailClass::Frame) {
            return Err(Refusal::Busy);
        }
        self.connections.mark_known_elsewhere(origin.peer.connection);
        let mut bytes =
            Vec::with_capacity(wire::HEADER_BYTES + frame.body.len() + frame.section.len());
        bytes.extend_from_slice(&frame.header.encode());
        bytes.extend_from_slice(frame.body);
        bytes.extend_from_slice(frame.section);
        let forwarded = Forwarded { origin, arrival: turn.arrival, bytes: Bytes::from(bytes) };
        self.out.post.send(turn.effects, to, Mail::Frame(forwarded));
        Ok(())
    }

    fn place_of(&self, frame: &Frame<'_>) -> Result<Place, Refusal> {
        let kind = frame.kind().ok_or(Refusal::UnknownKind(frame.header.kind))?;
        let place = match kind {
            Kind::TopicCreate => self.first_shard::<table::TopicCreate<'_>>(frame)?,
            Kind::TopicAlter => self.first_shard::<table::TopicAlter<'_>>(frame)?,
            Kind::TopicDelete => self.first_shard::<table::TopicDelete<'_>>(frame)?,
            Kind::ProducerOpen => self.first_shard::<table::ProducerOpen<'_>>(frame)?,
            Kind::Unsubscribe => self.first_shard::<table::Unsubscribe<'_>>(frame)?,
            Kind::GroupList => self.first_shard::<table::GroupList<'_>>(frame)?,
            Kind::GroupDescribe => self.first_shard::<table::GroupDescribe<'_>>(frame)?,
            Kind::OffsetsReset => self.first_shard::<table::OffsetsReset<'_>>(frame)?,
            Kind::Stats => self.place_of_stats(frame)?,
            Kind::Hello
            | Kind::Ping
            | Kind::Pong
            | Kind::Goodbye
            | Kind::TopicDescribe
            | Kind::TopicList
            | Kind::Route
            | Kind::Offsets
            | Kind::Subscribe
            | Kind::Serve
            | Kind::Unserve
            | Kind::Request
            | Kind::Reply
            | Kind::Cancel => Place::Here,
            // Once its table is verified: `handle_of_queue`.
            Kind::Publish | Kind::Credit | Kind::Ack | Kind::Nack | Kind::Commit | Kind::Fetch => {
                Place::Here
            }
            Kind::Welcome
            | Kind::Error
            | Kind::Done
            | Kind::TopicInfo
            | Kind::TopicListing
            | Kind::RouteInfo
            | Kind::ProducerOpened
            | Kind::Receipt
            | Kind::Subscribed
            | Kind::Assigned
            | Kind::Revoked
            | Kind::Deliver
            | Kind::Fetched
            | Kind::OffsetsInfo
            | Kind::GroupListing
            | Kind::GroupInfo
            | Kind::Served
            | Kind::Call
            | Kind::Outcome
            | Kind::ReplyResult
            | Kind::StatsInfo
            | Kind::Trace => return Err(Refusal::UnknownKind(frame.header.kind)),
        };
        Ok(place)
    }

    fn place(&self, shard: ShardId) -> Place {
        if shard == self.settings.shard { Place::Here } else { Place::At(shard) }
    }

    /// Shard 0, for a body that is the table `T`: where a frame arrives its sender can be closed.
    fn first_shard<'a, T>(&self, frame: &Frame<'a>) -> Result<Place, Refusal>
    where
        T: Follow<'a, Inner = T> + Verifiable + 'a,
    {
        frame.read::<T>()?;
        Ok(self.place(ShardId(0)))
    }

    fn place_of_queue(&self, queue: u64) -> Place {
        self.place(shard_of(QueueId(queue), self.settings.shard_count))
    }

    fn place_of_stats(&self, frame: &Frame<'_>) -> Result<Place, Refusal> {
        let asked = frame.read::<table::Stats<'_>>()?.shard();
        if asked < self.settings.shard_count {
            return Ok(self.place(ShardId(asked)));
        }
        let value_max = u64::from(self.settings.shard_count - 1);
        Err(Refusal::InvalidArgument { field: "shard", value: u64::from(asked), value_max })
    }

    /// The one match over frame kinds; each arm is a use case in a file of its own.
    fn handle(
        &mut self,
        turn: &mut Turn<'_>,
        origin: Origin,
        frame: Frame<'_>,
    ) -> Result<(), Refusal> {
        let kind = frame.kind().ok_or(Refusal::UnknownKind(frame.header.kind))?;
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "`place_of` is the exhaustive match and refused the rest"
        )]
        match kind {
            Kind::Hello => self.on_hello(turn, origin, frame.read()?),
            Kind::Ping => {
                self.on_ping(turn, origin);
                Ok(())
            }
            Kind::Pong => self.on_pong(turn, origin),
            Kind::Goodbye => {
                turn.effects.list.push(Effect::Close { connection: origin.peer.connection });
                Ok(())
            }
            Kind::TopicCreate => self.on_topic_create(turn, origin, frame.read()?),
            Kind::TopicAlter => self.on_topic_alter(turn, origin, frame.read()?),
            Kind::TopicDelete => self.on_topic_delete(turn, origin, frame.read()?),
            Kind::TopicDescribe => self.on_topic_describe(turn, origin, frame.read()?),
            Kind::TopicList => self.on_topic_list(turn, origin, frame.read()?),
            Kind::Route => self.on_route(turn, origin, frame.read()?),
            Kind::ProducerOpen => self.on_producer_open(turn, origin, frame.read()?),
            Kind::Publish | Kind::Credit | Kind::Ack | Kind::Nack | Kind::Commit | Kind::Fetch => {
                self.handle_of_queue(turn, origin, &frame, kind)
            }
            Kind::Subscribe => self.on_subscribe(turn, origin, frame.read()?),
            Kind::Unsubscribe => self.on_unsubscribe(turn, origin, frame.read()?),
            Kind::Offsets => self.on_offsets(turn, origin, frame.read()?),
            Kind::OffsetsReset => self.on_offsets_reset(turn, origin, frame.read()?),
            Kind::GroupList => self.on_group_list(turn, origin, frame.read()?),
            Kind::GroupDescribe => self.on_group_describe(turn, origin, frame.read()?),
            Kind::Serve => self.on_serve(turn, origin, frame.read()?),
            Kind::Unserve => self.on_unserve(turn, origin, frame.read()?),
            Kind::Request => self.on_request(turn, origin, frame.read()?, frame.section),
            Kind::Reply => self.on_reply(turn, origin, frame.read()?, frame.section),
            Kind::Cancel => {
                self.on_cancel(turn, origin, frame.read()?);
                Ok(())
            }
            Kind::Stats => self.on_stats(turn, origin, frame.read()?),
            other => Err(Refusal::UnknownKind(other as u8)),
        }
    }

    /// Frames about one queue: on its shard, or sent on to it. Their table says which, and is verified once.
    fn handle_of_queue(
        &mut self,
        turn: &mut Turn<'_>,
        origin: Origin,
        frame: &Frame<'_>,
        kind: Kind,
    ) -> Result<(), Refusal> {
        /// One kind's table, where it is to be handled, and its handler.
        macro_rules! on_its_shard {
            ($table:ident, |$read:ident| $handled:expr) => {{
                let $read = frame.read::<table::$table<'_>>()?;
                match self.place_of_queue($read.queue()) {
                    Place::Here => $handled,
                    Place::At(shard) => self.forward(turn, shard, origin, frame),
                }
            }};
        }
        #[expect(clippy::wildcard_enum_match_arm, reason = "`handle` gives these alone")]
        match kind {
            Kind::Publish => on_its_shard!(Publish, |publish| {
                self.on_publish(turn, origin, publish, frame.section)
            }),
            Kind::Credit => on_its_shard!(Credit, |credit| self.on_credit(turn, origin, credit)),
            Kind::Ack => on_its_shard!(Ack, |ack| self.on_ack(turn, origin, ack)),
            Kind::Nack => on_its_shard!(Nack, |nack| self.on_nack(turn, origin, nack)),
            Kind::Commit => on_its_shard!(Commit, |commit| self.on_commit(turn, origin, commit)),
            Kind::Fetch => on_its_shard!(Fetch, |fetch| self.on_fetch(turn, origin, fetch)),
            other => Err(Refusal::UnknownKind(other as u8)),
        }
    }
}
