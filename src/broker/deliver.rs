//! Deliver: records to the members who own their queues, as far as their credit goes.
//!
//! At the end of a turn every lease that may have something is served one frame at
//! a time, in turn, until all have what they may get or the turn has sent enough. A
//! lease is left alone, not waited for, while its credit is spent, too much of it is
//! unacknowledged, its bytes are still on the disk, or the way to its member is full:
//! credit, acks, the read's end, a Pong and a timer each bring it back.
//!
//! What was never delivered to a group before goes out a section at a time; below
//! that each record is looked at: it may be consumed, or carry failed attempts.
//! Nothing is allocated per record or frame on the way to a connection of this shard.

use super::gather::{Gathered, Nothing, Want, reason_on_wire};
use super::lease::{Lease, Reign};
use super::leases::LeaseKey;
use super::mail::Origin;
use super::outgoing::Turn;
use super::post::MailClass;
use super::step::Broker;
use storage::Store;
use storage::store::GapReason;
use wire::{Kind, Offset, table};

/// Records in one frame.
const FRAME_RECORDS_MAX: u32 = 256;
/// Bytes of records in one frame; a single larger record has one of its own.
const FRAME_BYTES_MAX: usize = 64 * 1024;
/// Bytes of records sent in one turn: what arrived meanwhile is not to wait longer. With 1 MiB a
/// live tail beside a reader that catches up waited five times as long, and nothing was faster.
const TURN_BYTES_MAX: usize = FRAME_BYTES_MAX;
/// What a frame costs beside its records: bounds the frames of a turn.
const FRAME_COST_BYTES: usize = 512;
/// When a full mailbox is looked at again, in nanoseconds.
const MAILBOX_RETRY_NS: u64 = 200_000;

/// What became of one lease's chance.
enum Chance {
    /// A frame was sent; there may be more.
    Sent { bytes: usize },
    /// The mailbox to its member's shard is full.
    MailboxFull,
    /// It has to wait for something, and will be marked then.
    Rests,
}

/// The next records for a lease.
struct Next {
    want: Want,
    attempt: u32,
    /// A nacked record whose time has come; else the cursor moves.
    is_retry: bool,
}

impl Broker {
    /// At the end of a turn: what waited for room in the log, then deliveries.
    pub(super) fn deliver_to_dirty(&mut self, turn: &mut Turn<'_>) {
        self.join_again(turn);
        self.note_again(turn);
        self.reset_again(turn);
        let mut bytes_left = TURN_BYTES_MAX;
        let mut without_way = Vec::new();
        while bytes_left > 0
            && let Some(key) = self.leases.next_dirty()
        {
            match self.deliver(turn, key) {
                Chance::Sent { bytes } => {
                    self.leases.mark(key);
                    bytes_left = bytes_left.saturating_sub(bytes + FRAME_COST_BYTES);
                }
                Chance::MailboxFull => without_way.push(key),
                Chance::Rests => {}
            }
        }
        let wait_ns = match (bytes_left, without_way.is_empty()) {
            (0, _) => 0,
            (_, false) => MAILBOX_RETRY_NS,
            (_, true) => return,
        };
        for key in without_way {
            self.leases.mark(key);
        }
        let at_ns = turn.now.mono_ns + wait_ns;
        self.look_again_at(turn, at_ns);
    }

    fn deliver(&mut self, turn: &mut Turn<'_>, key: LeaseKey) -> Chance {
        self.close_gap(key);
        let on_way_max = self.on_way_max();
        let Some(peer) = self.leases.get(key).and_then(Lease::owner).map(|reign| reign.tenant.peer)
        else {
            return Chance::Rests;
        };
        if !self.out.post.has_room(turn.effects, peer.shard, MailClass::Bulk) {
            return Chance::MailboxFull;
        }
        if !self.leases.may_send(peer, on_way_max) {
            return Chance::Rests;
        }
        let Some(reign) = self.leases.get_mut(key).and_then(Lease::live_mut) else {
            return Chance::Rests;
        };
        let in_flight_max = self.settings.in_flight_max;
        let Some(next) = next_of(reign, &self.store, key, (turn.now.mono_ns, in_flight_max)) else {
            return Chance::Rests;
        };
        let chance = match self.leases.gather.read(&mut self.store, next.want) {
            Ok(got) => self.send_records(turn, key, &next, got),
            Err(Nothing::Gap { to, reason }) => self.pass_gap(turn, key, &next, (to, reason)),
            Err(Nothing::End) => Chance::Rests,
            Err(Nothing::Wait(op)) => {
                if let Some(reign) = self.leases.get_mut(key).and_then(Lease::live_mut) {
                    reign.waits_for = Some(op);
                }
                self.leases.wait_for_read(op, key);
                Chance::Rests
            }
        };
        if next.is_retry && matches!(chance, Chance::Sent { .. }) {
            // For the record to be delivered again after this one.
            self.arm_lease(turn, key);
        }
        chance
    }

    fn send_records(
        &mut self,
        turn: &mut Turn<'_>,
        key: LeaseKey,
        next: &Next,
        got: Gathered,
    ) -> Chance {
        let Self { leases, out, .. } = self;
        let (lease, gather) = leases.with_gather(key);
        let Some(reign) = lease.and_then(Lease::live_mut) else { return Chance::Rests };
        reign.credit.spend(u64::from(got.count), got.bytes as u64);
        if next.is_retry {
            reign.retries.remove(got.first_offset);
        } else {
            reign.cursor = got.first_offset.plus(u64::from(got.count));
        }
        if !reign.tenant.observe {
            reign.in_flight += got.count;
        }
        let args = table::DeliverArgs {
            member: reign.tenant.member.0,
            queue: key.0.0,
            lease_epoch: reign.epoch.0,
            first_offset: got.first_offset.0,
            count: got.count,
            attempt: next.attempt,
            accepted_ns: got.accepted_ns,
            gap_from: 0,
            gap_to: 0,
            gap_reason: table::GapReason::None,
        };
        let to = Origin { peer: reign.tenant.peer, request_id: 0 };
        gather.with_slices(|slices| {
            out.send(turn, to, (Kind::Deliver, slices), |builder| {
                table::Deliver::create(builder, &args)
            });
        });
        if self.leases.count_sent(to.peer, got.bytes, self.on_way_max()) {
            self.ask_whether_read(turn, to.peer);
        }
        let age_ns = turn.now.wall_ns.saturating_sub(got.accepted_ns);
        self.stats.count_delivery(got.count, got.bytes, age_ns);
        Chance::Sent { bytes: got.bytes }
    }

    /// Tells of offsets that never come, and goes on behind them.
    fn pass_gap(
        &mut self,
        turn: &mut Turn<'_>,
        key: LeaseKey,
        next: &Next,
        gap: (Offset, GapReason),
    ) -> Chance {
        let from = next.want.from;
        let (to, reason) = gap;
        let to = if next.is_retry { from.plus(1) } else { to.max(from.plus(1)) };
        let Some(reign) = self.leases.get_mut(key).and_then(Lease::live_mut) else {
            return Chance::Rests;
        };
        if next.is_retry {
            // Counted as consumed: it cannot be delivered any more, and holds up the floor.
            if self.store.ack(key.0, key.1, reign.epoch, &[from]).is_err() {
                self.leases.note_later(key);
                return Chance::Rests;
            }
            reign.retries.remove(from);
        } else if reign.gap.as_ref().is_some_and(|gap| gap.end != from.0) {
            // One gap at a time above the floor: acks, or the answer to a Ping, bring the lease back here.
            reign.window_full = true;
            return Chance::Rests;
        } else {
            let start = reign.gap.as_ref().map_or(from.0, |gap| gap.start);
            reign.cursor = to;
            reign.gap = (!reign.tenant.observe).then_some(start..to.0);
        }
        let args = table::DeliverArgs {
            member: reign.tenant.member.0,
            queue: key.0.0,
            lease_epoch: reign.epoch.0,
            first_offset: to.0,
            count: 0,
            attempt: 0,
            accepted_ns: 0,
            gap_from: from.0,
            gap_to: to.0,
            gap_reason: reason_on_wire(reason),
        };
        let peer = reign.tenant.peer;
        self.out.send(turn, Origin { peer, request_id: 0 }, (Kind::Deliver, &[]), |builder| {
            table::Deliver::create(builder, &args)
        });
        let (told, is_due) = self.leases.count_told(peer);
        if is_due {
            self.ask_whether_read(turn, peer);
        }
        if let Some(reign) = self.leases.get_mut(key).and_then(Lease::live_mut) {
            reign.gap_told = told;
        }
        Chance::Sent { bytes: 0 }
    }

    /// Moves the floor over a gap once its notice is read and all before it is consumed: a notice that is lost with
    /// its connection is told again.
    pub(super) fn close_gap(&mut self, key: LeaseKey) {
        let Some(reign) = self.leases.get(key).and_then(Lease::owner) else { return };
        if reign.gap.is_none() || !self.leases.is_read(reign.tenant.peer, reign.gap_told) {
            return;
        }
        let Some(reign) = self.leases.get_mut(key).and_then(Lease::owner_mut) else { return };
        let Some(gap) = &reign.gap else { return };
        let floor = self.store.position(key.0, key.1).map_or(Offset(0), |position| position.floor);
        if floor.0 < gap.start {
            return;
        }
        match self.store.commit(key.0, key.1, reign.epoch, Offset(gap.end)) {
            Ok(_) => reign.gap = None,
            Err(_) => self.leases.note_later(key),
        }
    }
}

/// What to deliver next under this reign, if it may be sent anything now.
fn next_of(reign: &mut Reign, store: &Store, key: LeaseKey, bounds: (u64, usize)) -> Option<Next> {
    let (queue, group) = key;
    let (now_ns, in_flight_max) = bounds;
    if reign.waits_for.is_some() || reign.credit.is_spent() {
        return None;
    }
    let bytes_max = usize::try_from(reign.credit.bytes).unwrap_or(usize::MAX).min(FRAME_BYTES_MAX);
    let want = |from, records_max| Want { queue, from, records_max, bytes_max };
    let attempt =
        |reign: &Reign, offset: Offset| reign.attempt(offset, store.attempts(queue, group, offset));
    if let Some(offset) = reign.retries.first_due(now_ns) {
        let attempt = attempt(reign, offset);
        return Some(Next { want: want(offset, 1), attempt, is_retry: true });
    }
    while reign.cursor < reign.fresh_from && store.is_consumed(queue, group, reign.cursor) {
        reign.cursor = reign.cursor.plus(1);
    }
    let floor = store.position(queue, group)?.floor;
    let room = reign.room(floor, in_flight_max).min(reign.credit.records);
    let records_max = u32::try_from(room).unwrap_or(u32::MAX).min(FRAME_RECORDS_MAX);
    if records_max == 0 {
        reign.window_full = true;
        return None;
    }
    let cursor = reign.cursor;
    if cursor >= reign.fresh_from {
        return Some(Next { want: want(cursor, records_max), attempt: 1, is_retry: false });
    }
    // One frame tells one attempt, and skips nothing.
    let first_attempt = attempt(reign, cursor);
    let fits = |offset: &Offset| {
        *offset < reign.fresh_from
            && !store.is_consumed(queue, group, *offset)
            && attempt(reign, *offset) == first_attempt
    };
    let alike = (1..records_max).take_while(|count| fits(&cursor.plus(u64::from(*count)))).count();
    let records_max = u32::try_from(1 + alike).unwrap_or(records_max);
    Some(Next { want: want(cursor, records_max), attempt: first_attempt, is_retry: false })
}
