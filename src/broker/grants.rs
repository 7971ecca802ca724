//! Grants: a lease begins: noted in the log, durable, told to the member.
//!
//! Nothing is delivered before the note is on the disk: after a crash the epoch it
//! gave is known, and no other member ever gets the same one.

use super::disk::Waiter;
use super::lease::{Reign, Start, Tenant};
use super::leases::LeaseKey;
use super::mail::Origin;
use super::outgoing::Turn;
use super::retries::Retries;
use super::step::Broker;
use storage::store::QueueEnds;
use wire::{Epoch, GroupId, Kind, Offset, QueueId, table};

impl Broker {
    /// Ends a drain that is over, and notes a grant for whoever waits.
    pub(super) fn settle(&mut self, turn: &mut Turn<'_>, key: LeaseKey) {
        let Some(lease) = self.leases.get_mut(key) else { return };
        lease.end_drain(turn.now.mono_ns);
        if let Some(tenant) = lease.to_grant() {
            self.note_grant(key, tenant);
        }
    }

    fn note_grant(&mut self, key: LeaseKey, tenant: Tenant) {
        let (queue, group) = key;
        let Some(ends) = self.store.ends(queue) else {
            return self.leases.forget(key);
        };
        let start = self.first_floor(queue, &ends, tenant.start);
        let seen_end = self.store.position(queue, group).map_or(start, |position| {
            // What earlier processes may have delivered and not seen consumed ends here.
            let in_flight_max = u64::try_from(self.settings.in_flight_max).unwrap_or(u64::MAX);
            position.floor.plus(in_flight_max).min(ends.visible_end)
        });
        match self.store.grant(queue, group, start) {
            Ok((epoch, index)) => {
                if let Some(lease) = self.leases.get_mut(key) {
                    lease.seen_end.get_or_insert(seen_end);
                    lease.noted(epoch);
                }
                self.disk.wait(index, Waiter::Grant { queue, group });
            }
            Err(_) => self.leases.note_later(key),
        }
    }

    /// Where a group without a position begins on this queue.
    pub(super) fn first_floor(&self, queue: QueueId, ends: &QueueEnds, start: Start) -> Offset {
        let wished = match start {
            Start::First => ends.told_start,
            Start::Last => ends.visible_end,
            Start::Offset(offset) => offset,
            Start::Time { time_ns } => {
                self.store.offset_at(queue, time_ns).unwrap_or(ends.visible_end)
            }
        };
        wished.max(ends.told_start).min(ends.visible_end)
    }

    /// A grant is on the disk: the lease begins.
    pub(super) fn on_grant_durable(&mut self, turn: &mut Turn<'_>, queue: QueueId, group: GroupId) {
        let key = (queue, group);
        let Some(lease) = self.leases.get_mut(key) else { return };
        if let Some((tenant, epoch)) = lease.durable()
            && let Some(position) = self.store.position(queue, group)
        {
            let floor = position.floor;
            lease.begin(Reign {
                tenant,
                epoch,
                credit: tenant.credit,
                cursor: floor,
                fresh_from: lease.seen_end.unwrap_or(floor),
                attempts_before: position.grants.saturating_sub(1).max(1),
                in_flight: 0,
                retries: Retries::default(),
                gap: None,
                gap_told: 0,
                waits_for: None,
                window_full: false,
            });
            self.tell_assigned(turn, queue, (tenant, epoch), floor);
            self.leases.mark(key);
        }
        self.settle(turn, key);
    }

    fn tell_assigned(
        &mut self,
        turn: &mut Turn<'_>,
        queue: QueueId,
        owner: (Tenant, Epoch),
        floor: Offset,
    ) {
        let (Tenant { member, peer, .. }, epoch) = owner;
        let to = Origin { peer, request_id: 0 };
        self.out.send(turn, to, (Kind::Assigned, &[]), |builder| {
            let args = table::AssignedArgs {
                member: member.0,
                queue: queue.0,
                lease_epoch: epoch.0,
                floor: floor.0,
            };
            table::Assigned::create(builder, &args)
        });
    }

    /// Notes that the log had no room for are tried again; that of a gap when the lease has its chance.
    pub(super) fn note_again(&mut self, turn: &mut Turn<'_>) {
        for key in self.leases.take_unnoted() {
            self.close_gap(key);
            self.settle(turn, key);
            self.leases.mark(key);
        }
    }
}
