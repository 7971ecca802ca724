//! Random lives of a group: members come, go and break, records come, are acknowledged or not.
//!
//! A watcher sees every frame and knows what may never happen:
//!
//! 1. Two members own a queue at once: the next is assigned only after the one
//!    before was revoked and finished or ran out of time, or is gone.
//! 2. A record is delivered by anybody but the owner, under an older epoch, or out of order.
//! 3. What was acknowledged is delivered again.
//! 4. A second delivery looks like a first.
//! 5. A record is never delivered at all.

use super::consumer::{Got, Wish, shared};
use super::harness::House;
use crate::broker::mail::Peer;
use std::collections::{BTreeMap, BTreeSet};
use wire::QueueId;
use wire::table::{Level, RevokeReason};

const MS: u64 = 1_000_000;
const DRAIN_NS: u64 = 1000 * MS;
const QUEUES: u16 = 3;

/// Who owns a queue, as the frames tell.
#[derive(Clone, Debug)]
struct Owner {
    client: usize,
    epoch: u32,
    /// The next offset of the first deliveries under this lease.
    next: u64,
    in_flight: BTreeSet<u64>,
    /// When its end was said, at the earliest.
    revoked_ns: Option<u64>,
}

#[derive(Debug, Default)]
struct Watch {
    owners: BTreeMap<u64, Owner>,
    newest_epoch: BTreeMap<u64, u32>,
    delivered: BTreeSet<(u64, u64)>,
    acked: BTreeSet<(u64, u64)>,
    /// Acknowledged and not answered: a crash may forget it.
    unanswered: BTreeSet<(u64, u64)>,
    /// Unanswered when a crash came: delivered again or not, both are right.
    doubtful: BTreeSet<(u64, u64)>,
}

impl Watch {
    /// `began_ns` and `now_ns`: when the step began that brought this frame, and now.
    fn saw(&mut self, client: usize, got: &Got, times: (u64, u64)) -> Result<(), String> {
        match got {
            Got::Assigned { queue, epoch, floor } => {
                self.assigned(client, (*queue, *epoch, *floor), times.1)
            }
            Got::Revoked { queue, epoch, .. } => {
                let owner = self.owners.get_mut(queue);
                if let Some(owner) =
                    owner.filter(|owner| (owner.client, owner.epoch) == (client, *epoch))
                {
                    owner.revoked_ns.get_or_insert(times.0);
                }
                Ok(())
            }
            Got::Records { queue, epoch, first, bodies, attempt } => {
                let offsets = *first..*first + bodies.len() as u64;
                offsets
                    .clone()
                    .try_for_each(|offset| self.record(client, (*queue, *epoch, offset), *attempt))
            }
            Got::Gap { .. } | Got::Error(_) | Got::Other(_) => Err(format!("{got:?}")),
            Got::Subscribed { .. } | Got::Done => Ok(()),
        }
    }

    fn assigned(
        &mut self,
        client: usize,
        lease: (u64, u32, u64),
        now_ns: u64,
    ) -> Result<(), String> {
        let (queue, epoch, floor) = lease;
        let newest = self.newest_epoch.insert(queue, epoch).unwrap_or(0);
        if epoch <= newest {
            return Err(format!("queue {queue}: epoch {epoch} after {newest}"));
        }
        if let Some(owner) = self.owners.get(&queue) {
            let in_time =
                owner.revoked_ns.is_some_and(|revoked_ns| revoked_ns + DRAIN_NS <= now_ns);
            let finished = owner.revoked_ns.is_some() && owner.in_flight.is_empty();
            if !in_time && !finished {
                return Err(format!("queue {queue}: {client} beside {owner:?}"));
            }
        }
        let (in_flight, revoked_ns) = (BTreeSet::new(), None);
        self.owners.insert(queue, Owner { client, epoch, next: floor, in_flight, revoked_ns });
        Ok(())
    }

    fn record(
        &mut self,
        client: usize,
        record: (u64, u32, u64),
        attempt: u32,
    ) -> Result<(), String> {
        let (queue, epoch, offset) = record;
        let refused = |why: &str| Err(format!("queue {queue}, offset {offset} to {client}: {why}"));
        let Some(owner) = self.owners.get_mut(&queue) else { return refused("nobody owns it") };
        if (owner.client, owner.epoch) != (client, epoch) || owner.revoked_ns.is_some() {
            return refused("not the owner");
        }
        if self.acked.contains(&(queue, offset)) {
            return refused("acknowledged before");
        }
        let skipped_is_acked = |skipped| {
            let record = (queue, skipped);
            self.acked.contains(&record) || self.doubtful.contains(&record)
        };
        if offset >= owner.next {
            if !(owner.next..offset).all(skipped_is_acked) {
                return refused("one before it was not delivered");
            }
            owner.next = offset + 1;
        } else if attempt == 1 {
            return refused("out of order");
        }
        owner.in_flight.insert(offset);
        if self.delivered.insert((queue, offset)) || attempt > 1 {
            return Ok(());
        }
        refused("a second delivery that looks like the first")
    }

    fn gone(&mut self, client: usize) {
        self.owners.retain(|_, owner| owner.client != client);
    }
}

/// Draws from a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).expect("below a usize")
    }
}

struct Walk {
    house: House,
    queues: Vec<QueueId>,
    published: BTreeMap<u64, u64>,
    /// Peer and member of each client; `None`: gone.
    clients: Vec<Option<(Peer, u64)>>,
    /// Unsubscribed; their connections stay.
    left: BTreeSet<usize>,
    /// Received and not yet shown to the watcher.
    seen: Vec<(usize, Got)>,
    watch: Watch,
    random: Random,
    began_ns: u64,
}

impl Walk {
    fn new(seed: u64) -> Self {
        let mut house = House::new(2);
        let topic = house.with_topic(QUEUES, Level::Durable);
        Self {
            began_ns: house.now_ns(),
            house,
            queues: (0..QUEUES).map(|number| QueueId::new(topic, number)).collect(),
            published: BTreeMap::new(),
            clients: Vec::new(),
            left: BTreeSet::new(),
            seen: Vec::new(),
            watch: Watch::default(),
            random: Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1),
        }
    }

    fn step(&mut self) {
        self.began_ns = self.house.now_ns();
        match self.random.below(40) {
            0..=2 => self.come(),
            3 => self.leave(),
            4 => self.break_off(),
            5..=15 => self.publish(),
            16..=27 => self.consume(),
            28..=31 => self.refuse(),
            32..=38 => {
                let span_ns = self.random.below(700) as u64 * MS;
                self.house.advance(span_ns);
            }
            _ => self.restart(),
        }
        self.look();
    }

    fn come(&mut self) {
        if self.clients.iter().flatten().count() >= 4 {
            return;
        }
        let peer = self.house.connect(u16::from(self.random.below(2) == 1));
        let credit = (1 + u32::try_from(self.random.below(60)).expect("small"), 1 << 20);
        self.clients.push(None);
        let client = self.clients.len() - 1;
        self.house.subscribe(peer, Wish { credit, ..shared("g") });
        let mut got = self.house.got(peer).into_iter();
        let Some(Got::Subscribed { member }) = got.next() else { panic!("not subscribed") };
        self.clients[client] = Some((peer, member));
        self.seen.extend(got.map(|got| (client, got)));
    }

    fn some_client(&mut self) -> Option<(usize, Peer, u64)> {
        let all: Vec<_> = self.clients.iter().enumerate().collect();
        let here = all
            .into_iter()
            .filter_map(|(client, known)| known.map(|(peer, member)| (client, peer, member)));
        let here: Vec<_> = here.collect();
        if here.is_empty() { None } else { Some(here[self.random.below(here.len())]) }
    }

    fn leave(&mut self) {
        if let Some((client, peer, member)) = self.some_client()
            && self.left.insert(client)
        {
            self.house.unsubscribe(peer, member);
        }
    }

    fn break_off(&mut self) {
        if let Some((client, peer, _)) = self.some_client() {
            self.look();
            self.watch.gone(client);
            self.clients[client] = None;
            self.house.close(peer);
        }
    }

    fn publish(&mut self) {
        let queue = self.queues[self.random.below(self.queues.len())];
        let count = 1 + self.random.below(5);
        self.house.publish(queue, &["x"; 5][..count]);
        *self.published.entry(queue.0).or_default() += count as u64;
    }

    /// Some lease with something in flight: client, peer, member, queue, epoch.
    fn some_lease(&mut self) -> Option<(Peer, (u64, QueueId, u32))> {
        self.look();
        let now_ns = self.house.now_ns();
        let in_time = |ns: u64| now_ns < ns + DRAIN_NS;
        let busy = self.watch.owners.iter().filter(|(_, owner)| {
            !owner.in_flight.is_empty() && owner.revoked_ns.is_none_or(in_time)
        });
        let busy: Vec<_> = busy.map(|(queue, owner)| (*queue, owner.client, owner.epoch)).collect();
        if busy.is_empty() {
            return None;
        }
        let (queue, client, epoch) = busy[self.random.below(busy.len())];
        let (peer, member) = self.clients[client]?;
        Some((peer, (member, QueueId(queue), epoch)))
    }

    fn consume(&mut self) {
        let Some((peer, lease)) = self.some_lease() else { return };
        let queue = lease.1.0;
        let in_flight: Vec<u64> = self.watch.owners[&queue].in_flight.iter().copied().collect();
        let mut offsets = vec![in_flight[self.random.below(in_flight.len())]];
        if self.random.below(3) == 0 {
            // Only what is in flight without a nacked one between may be committed over.
            let run = (in_flight[0]..).zip(&in_flight).take_while(|(want, have)| want == *have);
            offsets = run.map(|(offset, _)| offset).collect();
        }
        for offset in &offsets {
            if let Some(owner) = self.watch.owners.get_mut(&queue) {
                owner.in_flight.remove(offset);
            }
            self.watch.acked.insert((queue, *offset));
            self.watch.unanswered.insert((queue, *offset));
        }
        self.house.ack(peer, lease, &offsets);
        self.house.credit(peer, lease, (u32::try_from(offsets.len()).expect("few"), 1 << 20));
        if self.random.below(2) == 0 {
            self.house.advance(20 * MS);
            self.watch.unanswered.clear();
        }
    }

    fn refuse(&mut self) {
        let Some((peer, lease)) = self.some_lease() else { return };
        let queue = lease.1.0;
        let in_flight: Vec<u64> = self.watch.owners[&queue].in_flight.iter().copied().collect();
        let offset = in_flight[self.random.below(in_flight.len())];
        if let Some(owner) = self.watch.owners.get_mut(&queue) {
            owner.in_flight.remove(&offset);
        }
        self.house.nack(peer, lease, offset);
        self.house.credit(peer, lease, (1, 1 << 20));
    }

    fn restart(&mut self) {
        self.look();
        self.house.restart();
        self.clients.fill(None);
        self.watch.owners.clear();
        for record in std::mem::take(&mut self.watch.unanswered) {
            self.watch.acked.remove(&record);
            self.watch.doubtful.insert(record);
        }
    }

    /// Shows the watcher what came. Revocations first: clients are read one after another.
    fn look(&mut self) {
        let mut all = std::mem::take(&mut self.seen);
        for client in 0..self.clients.len() {
            let Some((peer, _)) = self.clients[client] else { continue };
            // A ping now and then, or the node takes it for dead.
            all.extend(self.house.got(peer).into_iter().map(|got| (client, got)));
            self.house.ping(peer);
        }
        all.sort_by_key(|(_, got)| matches!(got, Got::Assigned { .. } | Got::Records { .. }));
        for (client, got) in &all {
            self.check(*client, got);
        }
    }

    fn check(&mut self, client: usize, got: &Got) {
        let times = (self.began_ns, self.house.now_ns());
        if let Err(why) = self.watch.saw(client, got, times) {
            panic!("{why}");
        }
    }

    /// One member takes everything that is left.
    fn finish(&mut self) {
        while let Some((client, peer, _)) = self.some_client() {
            self.look();
            self.watch.gone(client);
            self.clients[client] = None;
            self.house.close(peer);
        }
        self.come();
        let mut rounds_left = 400;
        while let Some(record) = self.not_consumed() {
            assert!(rounds_left > 0, "{record:?} is not consumed");
            rounds_left -= 1;
            self.began_ns = self.house.now_ns();
            self.consume();
            self.house.advance(300 * MS);
            self.look();
        }
    }

    fn not_consumed(&self) -> Option<(u64, u64)> {
        let Watch { acked, doubtful, .. } = &self.watch;
        let all = self.published.iter();
        let mut all = all.flat_map(|(queue, count)| (0..*count).map(|offset| (*queue, offset)));
        all.find(|record| !acked.contains(record) && !doubtful.contains(record))
    }
}

#[test]
fn a_group_lives_through_everything() {
    for seed in 1..=16 {
        let mut walk = Walk::new(seed);
        for _ in 0..200 {
            walk.step();
        }
        walk.finish();
    }
}

#[test]
fn the_watcher_sees_what_may_not_happen() {
    let owned = || {
        let mut watch = Watch::default();
        let assigned = Got::Assigned { queue: 1, epoch: 1, floor: 0 };
        watch.saw(0, &assigned, (0, 0)).expect("the first owner");
        let records = |first, attempt| {
            let bodies = vec!["x".to_owned()];
            Got::Records { queue: 1, epoch: 1, first, bodies, attempt }
        };
        watch.saw(0, &records(0, 1), (0, 0)).expect("the first record");
        (watch, records)
    };
    let next = Got::Assigned { queue: 1, epoch: 2, floor: 0 };
    let reason = RevokeReason::Rebalanced;
    let revoked = Got::Revoked { queue: 1, epoch: 1, drain_ms: 1000, reason };
    owned().0.saw(1, &next, (0, 0)).expect_err("two owners");
    let (mut watch, records) = owned();
    watch.saw(0, &revoked, (0, 0)).expect("a revocation");
    watch.saw(1, &next, (0, DRAIN_NS - 1)).expect_err("two owners, one draining");
    watch.saw(0, &records(1, 1), (0, 0)).expect_err("delivery while draining");
    let (mut watch, records) = owned();
    watch.saw(1, &records(1, 1), (0, 0)).expect_err("not the owner");
    watch.saw(0, &records(2, 1), (0, 0)).expect_err("one left out");
    watch.saw(0, &records(0, 1), (0, 0)).expect_err("twice the first time");
    watch.acked.insert((1, 1));
    watch.saw(0, &records(1, 1), (0, 0)).expect_err("acknowledged before");
}
