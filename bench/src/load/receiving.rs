//! Receiving: one part's consumers on one load thread: what comes is timed, and held against what was sent.
//!
//! All members of a group are on one thread, so that a group's account needs no other.

use super::driver::{DriveError, ReceiverEnd};
use super::ledger::Ledger;
use super::row::Row;
use super::seen::Seen;
use super::stamp::Stamp;

/// Messages one consumer takes before the loop looks around again.
const RECEIVES_PER_TURN: usize = 256;
/// Pairs of queue and sender whose order is watched, by group.
const ORDERS_MAX: usize = 1 << 20;

/// One group of one topic.
#[derive(Debug)]
pub struct Group {
    /// Its number within the part.
    pub number: usize,
    /// The first sender of its topic, within the part.
    pub first_sender: u32,
    /// What came of each sender of the topic.
    pub seen: Vec<Seen>,
    /// By queue and sender: the sequence that must not come again or be undercut; empty: not watched.
    next: Vec<u64>,
    queues: usize,
}

impl Group {
    /// A group of a topic with `senders`, the first of them `first_sender`, and `queues`.
    pub fn new(number: usize, first_sender: u32, senders: usize, queues: usize) -> Self {
        let orders = senders.saturating_mul(queues);
        let next = vec![0; if orders <= ORDERS_MAX { orders } else { 0 }];
        Self { number, first_sender, seen: vec![Seen::default(); senders], next, queues }
    }

    /// Whether the order of its messages is watched.
    pub const fn watches_order(&self) -> bool {
        !self.next.is_empty()
    }

    /// Takes one: whether it came for the first time, and whether in order.
    fn take(&mut self, sender: usize, sequence: u64, queue: usize) -> (bool, bool) {
        let is_new = self.seen[sender].mark(sequence);
        let place = sender * self.queues + queue;
        let Some(next) = self.next.get_mut(place).filter(|_| queue < self.queues) else {
            return (is_new, true);
        };
        let in_order = sequence >= *next;
        if in_order {
            *next = sequence + 1;
        }
        (is_new, in_order)
    }
}

/// One consumer.
struct Receiver {
    end: Box<dyn ReceiverEnd>,
    /// Its group's place among those here.
    group: usize,
    taken: u64,
}

/// All consumers of a part on one thread.
pub struct Receiving {
    run: u32,
    receivers: Vec<Receiver>,
    groups: Vec<Group>,
    /// Messages a second one consumer takes at most.
    rate: Option<f64>,
    /// When they begin to take.
    begin_ns: u64,
    /// What was counted.
    pub ledger: Ledger,
    /// Messages that came for the first time, measured or not, all groups together.
    pub received_count: u64,
    doubled_count: u64,
    disordered_count: u64,
    foreign_count: u64,
}

/// What all consumers of a part leave on one thread.
#[derive(Debug)]
pub struct ReceivingLeft {
    /// What was counted and timed.
    pub ledger: Ledger,
    /// What came, by group.
    pub groups: Vec<Group>,
    /// Messages that came again.
    pub doubled: u64,
    /// Messages that came for the first time, and before an earlier one of their queue and sender.
    pub disordered: u64,
    /// Messages of another run.
    pub foreign: u64,
}

impl Receiving {
    /// Consumers, each with the place of its group in `groups`.
    pub fn new(
        run: u32,
        ends: Vec<(usize, Box<dyn ReceiverEnd>)>,
        groups: Vec<Group>,
        rate: Option<f64>,
        ledger: Ledger,
    ) -> Self {
        let receiver = |(group, end)| Receiver { end, group, taken: 0 };
        Self {
            run,
            receivers: ends.into_iter().map(receiver).collect(),
            groups,
            rate,
            begin_ns: u64::MAX,
            ledger,
            received_count: 0,
            doubled_count: 0,
            disordered_count: 0,
            foreign_count: 0,
        }
    }

    /// Consumers begin to take at `begin_ns`.
    pub fn begin(&mut self, begin_ns: u64) {
        self.begin_ns = begin_ns;
    }

    /// Ends: what is left of it may go to another thread.
    pub fn close(self) -> ReceivingLeft {
        ReceivingLeft {
            ledger: self.ledger,
            groups: self.groups,
            doubled: self.doubled_count,
            disordered: self.disordered_count,
            foreign: self.foreign_count,
        }
    }

    /// Queues they were given; `None`: this bus does not tell.
    pub fn held(&self) -> Option<usize> {
        self.receivers.iter().map(|receiver| receiver.end.held()).sum()
    }

    /// Takes what there is; true: something came.
    ///
    /// # Errors
    /// A consumer gets nothing more.
    pub fn receive(&mut self, now_ns: u64) -> Result<bool, DriveError> {
        let Some(since_ns) = now_ns.checked_sub(self.begin_ns) else { return Ok(false) };
        let before = self.received_count;
        for index in 0..self.receivers.len() {
            let count_max = self.allowed(index, since_ns);
            if count_max > 0 {
                self.receive_of(index, count_max, now_ns)?;
            }
        }
        Ok(self.received_count > before)
    }

    /// How many messages a consumer may take now.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not below zero")]
    #[expect(clippy::cast_precision_loss, reason = "below 2^53 ns")]
    fn allowed(&self, index: usize, since_ns: u64) -> usize {
        let Some(rate) = self.rate else { return RECEIVES_PER_TURN };
        let so_far = (since_ns as f64 * 1e-9 * rate) as u64;
        let left = so_far.saturating_sub(self.receivers[index].taken);
        usize::try_from(left).unwrap_or(usize::MAX).min(RECEIVES_PER_TURN)
    }

    fn receive_of(
        &mut self,
        index: usize,
        count_max: usize,
        now_ns: u64,
    ) -> Result<(), DriveError> {
        let Self { receivers, groups, ledger, run, .. } = self;
        let Receiver { end, group, taken } = &mut receivers[index];
        let group = &mut groups[*group];
        let (mut received, mut doubled, mut disordered, mut foreign) = (0, 0, 0, 0);
        let mut due = Row::default();
        end.receive(count_max, &mut |incoming| {
            *taken += 1;
            let stamp = Stamp::read(incoming.body).filter(|stamp| stamp.run == *run);
            let sender = stamp.and_then(|stamp| stamp.sender.checked_sub(group.first_sender));
            let sender = sender.map_or(usize::MAX, |sender| sender as usize);
            let Some(stamp) = stamp.filter(|_| sender < group.seen.len()) else {
                foreign += 1;
                return;
            };
            let (is_new, in_order) = group.take(sender, stamp.sequence, incoming.queue);
            if !is_new {
                doubled += 1;
                return;
            }
            received += 1;
            disordered += u64::from(!in_order && !incoming.again);
            if stamp.due_ns > 0
                && let Some((due_ns, count)) = due.add(stamp.due_ns)
            {
                ledger.ended(due_ns, now_ns, count);
            }
        })?;
        if let Some((due_ns, count)) = due.end() {
            ledger.ended(due_ns, now_ns, count);
        }
        self.received_count += received;
        self.doubled_count += doubled;
        self.disordered_count += disordered;
        self.foreign_count += foreign;
        Ok(())
    }
}

impl std::fmt::Debug for Receiving {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Receiving")
            .field("receivers", &self.receivers.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_by_queue_and_sender() {
        let mut group = Group::new(0, 0, 2, 2);
        assert_eq!(group.take(0, 0, 0), (true, true));
        assert_eq!(group.take(0, 3, 0), (true, true), "others of it are in other queues");
        assert_eq!(group.take(1, 0, 0), (true, true));
        assert_eq!(group.take(0, 1, 1), (true, true));
        assert_eq!(group.take(0, 2, 0), (true, false), "after 3 of the same queue");
        assert_eq!(group.take(0, 2, 0), (false, false));
        assert_eq!(group.take(0, 9, 7), (true, true), "no such queue: not watched");
        assert!(!Group::new(0, 0, 5000, 1024).watches_order());
    }
}
