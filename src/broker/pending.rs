//! Pending: the requests outstanding at requesters of a shard, each in a slot of its own.
//!
//! A slot is used again under another generation, and each request draws a nonce:
//! an address leads to the request it was given out for, or nowhere.

use super::calls::Address;
use super::deadlines::Deadlines;
use super::refusal::Refusal;
use super::settings::Settings;
use super::trace::{Arrival, Way};
use shard::ConnectionId;
use std::hash::{DefaultHasher, Hash, Hasher};
use wire::{QueueId, ShardId};

/// A request that has no outcome yet.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    /// Who asked.
    pub connection: ConnectionId,
    /// Under which number.
    pub request_id: u64,
    /// Set by the table.
    pub nonce: u64,
    /// The queue it was sent to.
    pub offer_queue: QueueId,
    /// When it is too late, monotonic.
    pub deadline_ns: u64,
    /// When it came.
    pub arrival: Arrival,
    /// Its way to a responder; nothing before one has it.
    pub way: Way,
    /// The requester's connection closed: nobody is to be told.
    pub gone: bool,
}

impl Pending {
    /// When a responder got it, monotonic; `None`: none has it yet.
    pub(super) fn dispatched_ns(&self) -> Option<u64> {
        (self.way.handed_out_ns > 0).then_some(self.way.handed_out_ns)
    }
}

#[derive(Clone, Debug, Default)]
struct Slot {
    generation: u32,
    pending: Option<Pending>,
}

/// The requests outstanding at requesters of this shard.
#[derive(Debug)]
pub(super) struct Requests {
    shard: ShardId,
    /// What this node puts into the addresses it gives out.
    pub(super) node: u64,
    seed: u64,
    drawn: u64,
    slots: Vec<Slot>,
    free: Vec<u32>,
    deadlines: Deadlines<(u32, u32)>,
    pending_max: usize,
}

impl Requests {
    /// None outstanding.
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            shard: settings.shard,
            #[expect(
                clippy::cast_possible_truncation,
                reason = "half of the id tells nodes apart"
            )]
            node: settings.node_id as u64,
            seed: settings.seed,
            drawn: 0,
            slots: Vec::new(),
            free: Vec::new(),
            deadlines: Deadlines::default(),
            pending_max: settings.pending_requests_max,
        }
    }

    /// How many are outstanding.
    pub(super) fn pending_count(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// A number nobody can guess from earlier ones: SipHash of a secret and a counter.
    fn draw_nonce(&mut self) -> u64 {
        self.drawn += 1;
        let mut hasher = DefaultHasher::new();
        (self.seed, self.drawn, self.node, self.shard.0, self.seed).hash(&mut hasher);
        hasher.finish()
    }

    /// Takes a request in. Returns its address, and when to arm the machine's timer if it must be armed anew.
    ///
    /// # Errors
    /// `TooManyPending`: the table is full.
    pub(super) fn insert(
        &mut self,
        mut pending: Pending,
        owner: ShardId,
    ) -> Result<(Address, Option<u64>), Refusal> {
        if self.free.is_empty() && self.slots.len() >= self.pending_max {
            return Err(Refusal::TooManyPending { count_max: self.pending_max });
        }
        let nonce = self.draw_nonce();
        pending.nonce = nonce;
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            u32::try_from(self.slots.len() - 1).expect("bounded by pending_requests_max")
        });
        let entry = &mut self.slots[slot as usize];
        let generation = entry.generation;
        let due = self.deadlines.push(pending.deadline_ns, (slot, generation));
        entry.pending = Some(pending);
        Ok((Address { shard: self.shard, owner, slot, generation, nonce }, due))
    }

    /// The request at this address, if it is still pending.
    pub(super) fn get_mut(&mut self, address: Address) -> Option<&mut Pending> {
        let slot = self.slots.get_mut(address.slot as usize)?;
        let pending = slot.pending.as_mut()?;
        let is_it = slot.generation == address.generation && pending.nonce == address.nonce;
        is_it.then_some(pending)
    }

    /// Whether a request of this shard is still wanted by somebody.
    pub(super) fn is_wanted(&mut self, address: Address) -> bool {
        self.get_mut(address).is_some_and(|pending| !pending.gone)
    }

    /// Takes a request out: whoever gets it sends its outcome.
    pub(super) fn take(&mut self, address: Address) -> Option<Pending> {
        self.get_mut(address)?;
        self.take_slot(address.slot)
    }

    fn take_slot(&mut self, slot: u32) -> Option<Pending> {
        let entry = &mut self.slots[slot as usize];
        let pending = entry.pending.take()?;
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(slot);
        Some(pending)
    }

    /// Takes out the request a connection sent under this number, with the address it had.
    pub(super) fn take_asked(
        &mut self,
        connection: ConnectionId,
        request_id: u64,
        owner_of: impl Fn(QueueId) -> ShardId,
    ) -> Option<(Address, Pending)> {
        let slot = self.slots.iter().position(|slot| {
            slot.pending.as_ref().is_some_and(|pending| {
                pending.connection == connection
                    && pending.request_id == request_id
                    && !pending.gone
            })
        })?;
        let generation = self.slots[slot].generation;
        let slot = u32::try_from(slot).ok()?;
        let pending = self.take_slot(slot)?;
        let (shard, owner) = (self.shard, owner_of(pending.offer_queue));
        let address = Address { shard, owner, slot, generation, nonce: pending.nonce };
        Some((address, pending))
    }

    /// A connection is gone: its requests end silently, at their deadlines.
    pub(super) fn forget(&mut self, connection: ConnectionId) {
        let pending = self.slots.iter_mut().filter_map(|slot| slot.pending.as_mut());
        for pending in pending.filter(|pending| pending.connection == connection) {
            pending.gone = true;
        }
    }

    /// Takes out the next request whose deadline has come.
    pub(super) fn take_due(&mut self, now_ns: u64) -> Option<Pending> {
        while let Some((slot, generation)) = self.deadlines.pop_due(now_ns) {
            if self.slots[slot as usize].generation == generation
                && let Some(pending) = self.take_slot(slot)
            {
                return Some(pending);
            }
        }
        None
    }

    /// After the last `take_due`: when to arm the machine's timer next.
    pub(super) fn rearm(&mut self) -> Option<u64> {
        let Self { slots, free, deadlines, .. } = self;
        deadlines.sweep(slots.len() - free.len(), |(slot, generation)| {
            let entry = &slots[slot as usize];
            entry.generation == generation && entry.pending.is_some()
        });
        deadlines.rearm()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: ShardId = ShardId(0);
    const CONNECTION: ConnectionId = ConnectionId { slot: 1, generation: 1 };

    fn requests(pending_max: usize) -> Requests {
        let mut settings = Settings::new(HERE, 1);
        settings.pending_requests_max = pending_max;
        Requests::new(&settings)
    }

    fn pending(request_id: u64, deadline_ns: u64) -> Pending {
        Pending {
            connection: CONNECTION,
            request_id,
            nonce: 0,
            offer_queue: QueueId(0),
            deadline_ns,
            arrival: Arrival::default(),
            way: Way::default(),
            gone: false,
        }
    }

    #[test]
    fn a_request_is_taken_out_once() {
        let mut requests = requests(4);
        let (address, due) = requests.insert(pending(1, 50), HERE).expect("room");
        assert_eq!(due, Some(50));
        assert!(requests.take(address).is_some());
        assert!(requests.take(address).is_none());
        assert!(requests.take_due(100).is_none());
    }

    #[test]
    fn a_slot_used_again_and_a_wrong_nonce_lead_nowhere() {
        let mut requests = requests(1);
        let (old, _) = requests.insert(pending(1, 50), HERE).expect("room");
        requests.take(old).expect("pending");
        let (new, _) = requests.insert(pending(2, 60), HERE).expect("room");
        assert_eq!(new.slot, old.slot);
        assert!(requests.take(old).is_none());
        assert!(requests.take(Address { nonce: new.nonce ^ 1, ..new }).is_none());
        assert!(requests.take(new).is_some());
    }

    #[test]
    fn a_full_table_refuses_with_its_size() {
        let mut requests = requests(1);
        requests.insert(pending(1, 50), HERE).expect("room");
        let refused = requests.insert(pending(2, 50), HERE).err();
        assert_eq!(refused, Some(Refusal::TooManyPending { count_max: 1 }));
    }

    #[test]
    fn deadlines_come_in_their_order_and_the_rest_is_armed() {
        let mut requests = requests(8);
        for (request_id, deadline_ns) in [(1, 30), (2, 10), (3, 20)] {
            requests.insert(pending(request_id, deadline_ns), HERE).expect("room");
        }
        let due = |requests: &mut Requests| requests.take_due(20).map(|due| due.request_id);
        assert_eq!(due(&mut requests), Some(2));
        assert_eq!(due(&mut requests), Some(3));
        assert_eq!(due(&mut requests), None);
        assert_eq!(requests.rearm(), Some(30));
    }

    #[test]
    fn what_a_lost_connection_asked_stays_silent_until_its_deadline() {
        let mut requests = requests(2);
        let (address, _) = requests.insert(pending(1, 50), HERE).expect("room");
        requests.forget(CONNECTION);
        assert!(!requests.is_wanted(address));
        assert!(requests.take_asked(CONNECTION, 1, |_| HERE).is_none());
        assert!(requests.take(address).is_some_and(|pending| pending.gone));
    }
}
