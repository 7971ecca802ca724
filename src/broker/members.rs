//! Members: who consumes what. Shard 0 decides, the shards of the queues grant.
//!
//! ```text
//!   home shard                shard 0                             shard of a queue
//!   Subscribe --checked--> Join --group in the catalog--> split --Assign / Revoke--> lease
//!                          Subscribed <--'
//! ```
//!
//! One subscription is one member: of one group, on one topic, at one connection.
//! It ends with Unsubscribe, with its connection or with its topic, which it is told,
//! and its queues go to those who stay. Nothing here survives a restart: members subscribe again.

use super::lease::{Credit, Start, Tenant};
use super::leases::LeaseMail;
use super::mail::{Mail, Origin, Peer};
use super::outgoing::Turn;
use super::post::MailClass;
use super::refusal::Refusal;
use super::settings::Settings;
use super::step::Broker;
use routing::assignment::{Seat, Site};
use routing::groups::{Groups, Move, Rule, Share};
use routing::placement::shard_of;
use std::collections::{BTreeMap, BTreeSet};
use wire::table::{self, RevokeReason, Sharing, StartAt, TopicKind};
use wire::{ErrorCode, GroupId, Kind, MemberId, Offset, ShardId, TopicId};

/// A subscription on its way: checked by the shard it arrived on, and kept while its group is made.
#[derive(Clone, Debug)]
pub struct Joining {
    /// Whom to answer; its peer is the member's home.
    pub(super) origin: Origin,
    /// The group's name in the catalog; `group/instance` for broadcast.
    pub(super) group: String,
    pub(super) topic: TopicId,
    pub(super) sharing: Sharing,
    pub(super) start: Start,
    pub(super) credit: Credit,
    pub(super) observe: bool,
    pub(super) client: String,
    pub(super) area: String,
}

/// One who consumes.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) share: Share,
    pub(super) peer: Peer,
    pub(super) sharing: Sharing,
    start: Start,
    credit: Credit,
    observe: bool,
    pub(super) client: String,
    pub(super) area: String,
}

/// Everyone who consumes on this node; filled on shard 0 only.
#[derive(Debug)]
pub(super) struct Members {
    pub(super) groups: Groups,
    by_id: BTreeMap<MemberId, Member>,
    of_peer: BTreeMap<Peer, BTreeSet<MemberId>>,
    /// Those whose group is not on every shard yet, by ticket.
    joining: BTreeMap<u64, Joining>,
    /// Tickets of those for whose group the log had no room: tried again at each turn's end.
    unnoted: Vec<u64>,
    next_ticket: u64,
    next_member: u64,
}

impl Members {
    /// Ids begin somewhere else at each start, so that one from before a restart names nobody.
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            groups: Groups::default(),
            by_id: BTreeMap::new(),
            of_peer: BTreeMap::new(),
            joining: BTreeMap::new(),
            unnoted: Vec::new(),
            next_ticket: 0,
            next_member: first_member(settings.seed),
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn get(&self, member: MemberId) -> Option<&Member> {
        self.by_id.get(&member)
    }

    fn enter(&mut self, member: Member) -> MemberId {
        let id = MemberId(self.next_member);
        self.next_member += 1;
        self.of_peer.entry(member.peer).or_default().insert(id);
        self.by_id.insert(id, member);
        id
    }

    fn remove(&mut self, id: MemberId) -> Option<Member> {
        let member = self.by_id.remove(&id)?;
        if let Some(of_peer) = self.of_peer.get_mut(&member.peer) {
            of_peer.remove(&id);
            if of_peer.is_empty() {
                self.of_peer.remove(&member.peer);
            }
        }
        Some(member)
    }
}

/// Bit 62 tells members from responders, 30 bits the start, the rest counts.
fn first_member(seed: u64) -> u64 {
    let mixed = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    1 << 62 | mixed >> 34 << 32 | 1
}

impl Broker {
    /// On the member's home shard: checks what the frame says, and adds what only this shard knows.
    pub(super) fn on_subscribe(
        &mut self,
        turn: &mut Turn<'_>,
        origin: Origin,
        subscribe: table::Subscribe<'_>,
    ) -> Result<(), Refusal> {
        let joining = self.check_subscribe(origin, subscribe)?;
        let first = ShardId(0);
        if !self.out.post.has_room(turn.effects, first, MailClass::Ask) {
            return Err(Refusal::Busy);
        }
        self.connections.mark_known_elsewhere(origin.peer.connection);
        let mail = Mail::Lease(LeaseMail::Join(Box::new(joining)));
        self.out.post.send(turn.effects, first, mail);
        Ok(())
    }

    fn check_subscribe(
        &mut self,
        origin: Origin,
        subscribe: table::Subscribe<'_>,
    ) -> Result<Joining, Refusal> {
        let name = subscribe.topic().unwrap_or_default();
        let topic = self
            .catalogue
            .topic_by_name(name)
            .ok_or_else(|| Refusal::UnknownTopic { name: name.to_owned() })?;
        if topic.kind != TopicKind::Event {
            return Err(Refusal::TopicKindMismatch { wanted: "event" });
        }
        let topic = topic.id;
        let (client, area) = self.connections.names(origin.peer.connection);
        let group = subscribe.group().unwrap_or_default();
        if group.is_empty() {
            return Err(Refusal::InvalidName { field: "group", bytes: 0 });
        }
        let sharing = subscribe.sharing();
        let group = match sharing {
            Sharing::Shared => group.to_owned(),
            Sharing::Broadcast => instance_group(group, subscribe.instance(), &client)?,
            Sharing(other) => {
                let (value, value_max) = (u64::from(other), u64::from(Sharing::ENUM_MAX));
                return Err(Refusal::InvalidArgument { field: "sharing", value, value_max });
            }
        };
        let start = start_from_wire(subscribe.start(), subscribe.offset(), subscribe.time_ns())?;
        let credit = Credit::from_wire(subscribe.credit_records(), subscribe.credit_bytes());
        let observe = subscribe.observe();
        Ok(Joining { origin, group, topic, sharing, start, credit, observe, client, area })
    }

    /// On shard 0: makes sure of the group first.
    pub(super) fn on_join(&mut self, turn: &mut Turn<'_>, joining: Joining) {
        let members_max = self.settings.members_max;
        if self.members.by_id.len() + self.members.joining.len() >= members_max {
            let code = ErrorCode::TooManyMembers;
            let refusal = Refusal::TableFull { code, count_max: members_max };
            return self.refuse(turn, joining.origin, &refusal);
        }
        self.members.next_ticket += 1;
        let ticket = self.members.next_ticket;
        self.members.joining.insert(ticket, joining);
        self.join(turn, ticket);
    }

    fn join(&mut self, turn: &mut Turn<'_>, ticket: u64) {
        let Some(joining) = self.members.joining.get(&ticket) else { return };
        let group = joining.group.clone();
        match self.ensure_group(turn, &group, ticket) {
            Ok(()) => {}
            Err(Refusal::Busy) => self.members.unnoted.push(ticket),
            Err(refusal) => self.on_group_ready(turn, ticket, Err(refusal)),
        }
    }

    /// At a turn's end: subscriptions for whose group the log had no room.
    pub(super) fn join_again(&mut self, turn: &mut Turn<'_>) {
        for ticket in std::mem::take(&mut self.members.unnoted) {
            self.join(turn, ticket);
        }
    }

    /// On shard 0: the group of a subscription is on every shard, or cannot be made.
    pub(super) fn on_group_ready(
        &mut self,
        turn: &mut Turn<'_>,
        ticket: u64,
        made: Result<GroupId, Refusal>,
    ) {
        let Some(joining) = self.members.joining.remove(&ticket) else { return };
        match made {
            Ok(group) => self.enter(turn, group, joining),
            Err(refusal) => self.refuse(turn, joining.origin, &refusal),
        }
    }

    fn enter(&mut self, turn: &mut Turn<'_>, group: GroupId, joining: Joining) {
        let Joining { origin, topic, sharing, start, credit, observe, client, area, .. } = joining;
        let Some(sites) = self.sites_of(topic) else {
            let refusal = Refusal::UnknownTopic { name: topic.to_string() };
            return self.refuse(turn, origin, &refusal);
        };
        let share = Share { group, topic };
        let peer = origin.peer;
        let seat_area = area.clone();
        let member = self.members.enter(Member {
            share,
            peer,
            sharing,
            start,
            credit,
            observe,
            client,
            area,
        });
        self.out.send(turn, origin, (Kind::Subscribed, &[]), |builder| {
            let args = table::SubscribedArgs { member: member.0, group: group.0, topic: topic.0 };
            table::Subscribed::create(builder, &args)
        });
        let rule = if sharing == Sharing::Broadcast { Rule::Newest } else { Rule::Even };
        let moves = self.members.groups.join(share, rule, Seat { member, area: seat_area }, &sites);
        self.mail_moves(turn, share, &moves);
    }

    pub(super) fn on_unsubscribe(
        &mut self,
        turn: &mut Turn<'_>,
        origin: Origin,
        unsubscribe: table::Unsubscribe<'_>,
    ) -> Result<(), Refusal> {
        let member = MemberId(unsubscribe.member());
        if self.members.get(member).is_none_or(|known| known.peer != origin.peer) {
            return Err(Refusal::UnknownMember { member: member.0 });
        }
        self.leave(turn, member, Some(RevokeReason::Unsubscribed));
        self.out.done(turn, origin);
        Ok(())
    }

    /// A connection anywhere in the node is gone: its memberships and leases end.
    pub(super) fn end_membership_of(&mut self, turn: &mut Turn<'_>, peer: Peer) {
        self.end_leases_of(turn, peer);
        self.members.joining.retain(|_, joining| joining.origin.peer != peer);
        for member in self.members.of_peer.remove(&peer).unwrap_or_default() {
            self.leave(turn, member, None);
        }
    }

    /// `reason`: what the member is told; `None` if its connection is gone.
    fn leave(&mut self, turn: &mut Turn<'_>, id: MemberId, reason: Option<RevokeReason>) {
        let Some(member) = self.members.remove(id) else { return };
        let share = member.share;
        let sites = self.sites_of(share.topic).unwrap_or_default();
        let moves = self.members.groups.leave(id, &sites);
        for step in moves.iter().filter(|step| step.from == Some(id)) {
            let (queue, group) = (step.queue, share.group);
            let revoke = LeaseMail::Revoke { queue, group, member: id, reason };
            self.mail_lease(turn, revoke, step);
        }
        self.mail_moves(turn, share, &moves);
    }

    /// On shard 0: a topic has more queues than before.
    pub(super) fn on_topic_grown(&mut self, turn: &mut Turn<'_>, topic: TopicId) {
        let Some(sites) = self.sites_of(topic) else { return };
        for (share, moves) in self.members.groups.split_again(topic, &sites) {
            for step in &moves {
                // A new queue is read from its first record, wherever its members began on the others.
                let start = step.from.is_none().then_some(Start::First);
                self.mail_assign(turn, share, step, start);
            }
        }
    }

    /// On shard 0: the topic is deleted; its members are none any more, and each is told, also who had no lease.
    pub(super) fn end_members_of(&mut self, turn: &mut Turn<'_>, topic: TopicId) {
        for id in self.members.groups.end_topic(topic) {
            let Some(member) = self.members.remove(id) else { continue };
            let to = Origin { peer: member.peer, request_id: 0 };
            self.out.send(turn, to, (Kind::Revoked, &[]), |builder| {
                let reason = RevokeReason::TopicDeleted;
                let args = table::RevokedArgs { member: id.0, reason, ..Default::default() };
                table::Revoked::create(builder, &args)
            });
        }
    }

    fn mail_moves(&mut self, turn: &mut Turn<'_>, share: Share, moves: &[Move]) {
        for step in moves {
            self.mail_assign(turn, share, step, None);
        }
    }

    fn mail_assign(
        &mut self,
        turn: &mut Turn<'_>,
        share: Share,
        step: &Move,
        start: Option<Start>,
    ) {
        let Some(id) = step.to else { return };
        let Some(member) = self.members.get(id) else { return };
        let tenant = Tenant {
            member: id,
            peer: member.peer,
            start: start.unwrap_or(member.start),
            credit: member.credit,
            observe: member.observe,
        };
        let assign = LeaseMail::Assign { queue: step.queue, group: share.group, tenant };
        self.mail_lease(turn, assign, step);
    }

    fn mail_lease(&mut self, turn: &mut Turn<'_>, mail: LeaseMail, step: &Move) {
        let owner = shard_of(step.queue, self.settings.shard_count);
        self.out.post.send(turn.effects, owner, Mail::Lease(mail));
    }

    /// The queues of a topic and where they are: on a node alone they are in no area.
    fn sites_of(&self, topic: TopicId) -> Option<Vec<Site>> {
        let topic = self.catalogue.replica().topic(topic)?;
        Some(topic.queues().map(|queue| Site { queue, area: String::new() }).collect())
    }
}

/// The group that keeps the position of one broadcast instance.
fn instance_group(group: &str, instance: Option<&str>, client: &str) -> Result<String, Refusal> {
    let instance = instance.filter(|name| !name.is_empty()).unwrap_or(client);
    if instance.is_empty() {
        return Err(Refusal::InvalidName { field: "instance", bytes: 0 });
    }
    Ok(format!("{group}/{instance}"))
}

/// Where to begin, as a frame says it.
pub(super) fn start_from_wire(start: StartAt, offset: u64, time_ns: u64) -> Result<Start, Refusal> {
    match start {
        StartAt::First => Ok(Start::First),
        StartAt::Last => Ok(Start::Last),
        StartAt::Offset => Ok(Start::Offset(Offset(offset))),
        StartAt::Time => Ok(Start::Time { time_ns }),
        StartAt(other) => {
            let (value, value_max) = (u64::from(other), u64::from(StartAt::ENUM_MAX));
            Err(Refusal::InvalidArgument { field: "start", value, value_max })
        }
    }
}
