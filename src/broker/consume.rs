//! Consume: what a member says about what it was sent: credit, ack, nack, commit.
//!
//! Everything names the member and the lease epoch it was delivered under; another
//! epoch is refused and changes nothing. Only what was delivered under this lease can
//! be acknowledged. Acks ride in the next flush; one who asks (request id not 0) is
//! told when they are on the disk.

use super::disk::Waiter;
use super::lease::{Credit, Lease, Reign};
use super::leases::LeaseKey;
use super::mail::Origin;
use super::outgoing::Turn;
use super::refusal::Refusal;
use super::retries::back_off_ns;
use super::step::Broker;
use storage::Store;
use storage::store::NoteRefused;
use wire::{LogIndex, Offset, QueueId, limits, table};

impl Broker {
    #[expect(clippy::unnecessary_wraps, reason = "the shape of every frame's handler")]
    pub(super) fn on_credit(
        &mut self,
        _turn: &mut Turn<'_>,
        _origin: Origin,
        credit: table::Credit<'_>,
    ) -> Result<(), Refusal> {
        let queue = QueueId(credit.queue());
        // Credit for a lease that has just ended is no mistake of the member.
        let Ok(key) = self.leases.find(queue, credit.member(), credit.lease_epoch()) else {
            return Ok(());
        };
        if let Some(reign) = self.leases.get_mut(key).and_then(Lease::owner_mut) {
            reign.credit.add(Credit::from_wire(credit.records(), credit.bytes()));
        }
        self.leases.mark(key);
        Ok(())
    }

    pub(super) fn on_ack(
        &mut self,
        turn: &mut Turn<'_>,
        origin: Origin,
        ack: table::Ack<'_>,
    ) -> Result<(), Refusal> {
        let key = self.leases.find(QueueId(ack.queue()), ack.member(), ack.lease_epoch())?;
        let given = ack.offsets().unwrap_or_default();
        if given.is_empty() || given.len() > limits::ACK_OFFSETS_MAX {
            let (value, value_max) = (given.len() as u64, limits::ACK_OFFSETS_MAX as u64);
            return Err(Refusal::InvalidArgument { field: "number of offsets", value, value_max });
        }
        let mut offsets = std::mem::take(&mut self.leases.offsets);
        offsets.clear();
        offsets.extend(given.iter().map(Offset));
        offsets.sort_unstable();
        offsets.dedup();
        let noted = self.note_acks(key, &offsets);
        self.leases.offsets = offsets;
        self.consumed(turn, key, (origin, noted?));
        Ok(())
    }

    fn note_acks(&mut self, key: LeaseKey, offsets: &[Offset]) -> Result<LogIndex, Refusal> {
        let (reign, store) = self.reign_and_store(key)?;
        let mut count = 0;
        for offset in offsets {
            // Said twice is no harm.
            if !store.is_consumed(key.0, key.1, *offset) {
                check_in_flight(reign, store, key, *offset)?;
                count += 1;
            }
        }
        let index = store.ack(key.0, key.1, reign.epoch, offsets)?;
        reign.in_flight -= count;
        Ok(index)
    }

    pub(super) fn on_nack(
        &mut self,
        turn: &mut Turn<'_>,
        origin: Origin,
        nack: table::Nack<'_>,
    ) -> Result<(), Refusal> {
        let key = self.leases.find(QueueId(nack.queue()), nack.member(), nack.lease_epoch())?;
        let offset = Offset(nack.offset());
        let (first_ns, max_ns) = (self.settings.retry_ns, self.settings.retry_ns_max);
        let (reign, store) = self.reign_and_store(key)?;
        if store.is_consumed(key.0, key.1, offset) {
            return Err(Refusal::Note(NoteRefused::OutOfRange));
        }
        check_in_flight(reign, store, key, offset)?;
        let failed = store.attempts(key.0, key.1, offset);
        let index = store.nack(key.0, key.1, reign.epoch, offset)?;
        reign.in_flight -= 1;
        let wait_ns = back_off_ns(failed, first_ns, max_ns);
        reign.retries.insert(offset, turn.now.mono_ns.saturating_add(wait_ns));
        self.arm_lease(turn, key);
        self.consumed(turn, key, (origin, index));
        Ok(())
    }

    pub(super) fn on_commit(
        &mut self,
        turn: &mut Turn<'_>,
        origin: Origin,
        commit: table::Commit<'_>,
    ) -> Result<(), Refusal> {
        let key =
            self.leases.find(QueueId(commit.queue()), commit.member(), commit.lease_epoch())?;
        let floor = Offset(commit.offset());
        let (reign, store) = self.reign_and_store(key)?;
        if floor > reign.cursor || reign.tenant.observe {
            return Err(Refusal::Note(NoteRefused::OutOfRange));
        }
        let count = in_flight_below(reign, store, key, floor);
        let index = store.commit(key.0, key.1, reign.epoch, floor)?;
        reign.in_flight -= count;
        reign.retries.forget_below(floor);
        self.consumed(turn, key, (origin, index));
        Ok(())
    }

    /// After the position moved: the answer, and what was held up by it.
    fn consumed(&mut self, turn: &mut Turn<'_>, key: LeaseKey, noted: (Origin, LogIndex)) {
        let (origin, index) = noted;
        if index < self.store.durable_end() {
            self.out.done(turn, origin);
        } else if origin.request_id != 0 {
            self.disk.wait(index, Waiter::Done(origin));
        }
        self.close_gap(key);
        if let Some(reign) = self.leases.get_mut(key).and_then(Lease::live_mut)
            && std::mem::take(&mut reign.window_full)
        {
            self.leases.mark(key);
        }
        self.settle(turn, key);
    }

    fn reign_and_store(&mut self, key: LeaseKey) -> Result<(&mut Reign, &mut Store), Refusal> {
        let Self { leases, store, .. } = self;
        let reign = leases.get_mut(key).and_then(Lease::owner_mut);
        let reign = reign.ok_or(Refusal::LeaseFenced { given: 0, current: 0 })?;
        Ok((reign, store))
    }
}

fn check_in_flight(
    reign: &Reign,
    store: &Store,
    key: LeaseKey,
    offset: Offset,
) -> Result<(), Refusal> {
    let floor = store.position(key.0, key.1).map_or(Offset(0), |position| position.floor);
    if reign.has_delivered(offset, floor) {
        return Ok(());
    }
    Err(Refusal::Note(NoteRefused::OutOfRange))
}

/// What a commit takes out of flight. Each offset is looked at once in the life of a position.
fn in_flight_below(reign: &Reign, store: &Store, key: LeaseKey, floor: Offset) -> u32 {
    let Some(position) = store.position(key.0, key.1) else { return 0 };
    let mut count = 0;
    let mut offset = position.floor;
    while offset < floor {
        if let Some(gap) = reign.gap.as_ref().filter(|gap| gap.contains(&offset.0)) {
            offset = Offset(gap.end);
            continue;
        }
        let is_in_flight =
            !store.is_consumed(key.0, key.1, offset) && reign.has_delivered(offset, position.floor);
        count += u32::from(is_in_flight);
        offset = offset.plus(1);
    }
    count
}
