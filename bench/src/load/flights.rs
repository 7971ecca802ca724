//! Flights: messages that were sent and not answered: when each was due, by the ticket of its end.
//!
//! ```text
//!   recent:  41 | 42 | gone | 44 | 45      tickets that count up: a place each
//!   others:  7, 2^20 + 3                   stragglers, and tickets that do not count up: hashed
//! ```

#[expect(clippy::disallowed_types, reason = "hashed by a fixed multiplication")]
use std::collections::HashMap;
use std::collections::VecDeque;
use std::hash::{BuildHasherDefault, Hasher};

/// Places kept: with more, the oldest message is a straggler, which would keep all that follow.
const RECENT_MAX: usize = 1 << 17;

/// One message under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flight {
    /// Its number among its sender's.
    pub sequence: u64,
    /// When it was due; 0: not measured.
    pub due_ns: u64,
}

/// Messages under way, by ticket. It grows with what is in flight, which its owner bounds, and then
/// allocates no more.
#[derive(Clone, Debug, Default)]
pub struct Flights {
    /// The ticket of the first place.
    base: u64,
    recent: VecDeque<Option<Flight>>,
    #[expect(clippy::disallowed_types, reason = "as above")]
    others: HashMap<u64, Flight, BuildHasherDefault<TicketHasher>>,
    count: usize,
}

impl Flights {
    /// How many.
    pub const fn count(&self) -> usize {
        self.count
    }

    /// One leaves under a ticket that no other has.
    pub fn insert(&mut self, ticket: u64, flight: Flight) {
        self.count += 1;
        if self.recent.is_empty() {
            self.base = ticket;
        }
        if ticket != self.base.wrapping_add(self.recent.len() as u64) {
            self.others.insert(ticket, flight);
            return;
        }
        self.recent.push_back(Some(flight));
        if self.recent.len() > RECENT_MAX
            && let Some(Some(straggler)) = self.recent.pop_front()
        {
            self.others.insert(self.base, straggler);
            self.base += 1;
            self.slide();
        }
    }

    /// One was answered.
    pub fn remove(&mut self, ticket: u64) -> Option<Flight> {
        let place = usize::try_from(ticket.wrapping_sub(self.base)).unwrap_or(usize::MAX);
        let flight = match self.recent.get_mut(place) {
            Some(flight) => flight.take(),
            None => self.others.remove(&ticket),
        }?;
        self.count -= 1;
        self.slide();
        Some(flight)
    }

    /// Hands over those of `count` tickets from `first` on that are under way: they were answered.
    pub fn remove_run(&mut self, first: u64, count: u64, mut take: impl FnMut(Flight)) {
        let run = usize::try_from(count).unwrap_or(usize::MAX);
        if first != self.base || run > self.recent.len() {
            (first..first.saturating_add(count)).filter_map(|of| self.remove(of)).for_each(take);
            return;
        }
        for flight in self.recent.drain(..run).flatten() {
            self.count -= 1;
            take(flight);
        }
        self.base += count;
        self.slide();
    }

    /// All that were never answered.
    pub fn left(&self) -> impl Iterator<Item = Flight> + '_ {
        self.recent.iter().flatten().chain(self.others.values()).copied()
    }

    /// The first place is one that is still under way.
    fn slide(&mut self) {
        while let Some(None) = self.recent.front() {
            self.recent.pop_front();
            self.base += 1;
        }
    }
}

/// One multiplication (Fibonacci hashing, Knuth, volume 3, 6.4): tickets are counters, and nobody
/// chooses them to collide.
#[derive(Clone, Copy, Debug, Default)]
struct TicketHasher(u64);

impl Hasher for TicketHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, ticket: u64) {
        // Its upper bits depend on all of the ticket's, and its lower ones on the lower: a map takes both.
        self.0 = (self.0 ^ ticket).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const fn flight(nth: u64) -> Flight {
        Flight { sequence: nth, due_ns: nth + 1 }
    }

    /// Answers come in the order of the sends, a window behind: the common case, at the largest window.
    fn a_window_behind(step: u64) {
        let mut flights = Flights::default();
        for nth in 0..200_000_u64 {
            flights.insert(7 + nth * step, flight(nth));
            if let Some(answered) = nth.checked_sub(65_536) {
                assert_eq!(flights.remove(7 + answered * step), Some(flight(answered)));
                assert_eq!(flights.remove(7 + answered * step), None, "answered once");
            }
        }
        assert_eq!(flights.count(), 65_536);
        assert_eq!(flights.left().count(), 65_536);
        assert_eq!(flights.others.is_empty(), step == 1);
    }

    #[test]
    fn what_left_first_is_found_first_whatever_the_window() {
        a_window_behind(1);
        a_window_behind(64);
    }

    #[test]
    fn a_straggler_keeps_no_place_of_those_that_follow() {
        let mut flights = Flights::default();
        flights.insert(0, flight(0));
        for nth in 1..1_000_000 {
            flights.insert(nth, flight(nth));
            assert_eq!(flights.remove(nth), Some(flight(nth)));
        }
        assert_eq!((flights.count(), flights.recent.len()), (1, 0));
        assert_eq!(flights.remove(0), Some(flight(0)));
    }

    #[test]
    fn a_run_is_what_each_of_its_tickets_is() {
        for (first, count) in [(0, 4), (0, 10), (0, 12), (3, 4), (8, 9), (20, 5), (0, 0)] {
            let mut flights = Flights::default();
            for nth in (0..10).chain(20..22) {
                flights.insert(nth, flight(nth));
            }
            assert_eq!(flights.remove(2), Some(flight(2)));
            let mut one_by_one = flights.clone();
            let expected: Vec<Flight> =
                (first..first + count).filter_map(|of| one_by_one.remove(of)).collect();
            let mut taken = Vec::new();
            flights.remove_run(first, count, |flight| taken.push(flight));
            assert_eq!(taken, expected, "{first} {count}");
            assert_eq!(flights.count(), one_by_one.count());
            assert!(flights.left().eq(one_by_one.left()));
            flights.insert(30, flight(30));
            assert_eq!(flights.remove(9), one_by_one.remove(9));
            assert_eq!(flights.remove(30), Some(flight(30)));
        }
    }

    #[test]
    fn in_any_order_it_is_a_map() {
        let (mut flights, mut map) = (Flights::default(), BTreeMap::new());
        for nth in 0..10_000_u64 {
            let ticket = if nth % 10 == 3 { nth << 20 } else { nth };
            flights.insert(ticket, flight(nth));
            map.insert(ticket, flight(nth));
            for asked in [nth * 7919 % 10_000, nth / 3, ticket / 2, (nth / 2 * 10 + 3) << 20] {
                assert_eq!(flights.remove(asked), map.remove(&asked), "{asked}");
            }
            assert_eq!(flights.count(), map.len());
        }
        let mut left: Vec<u64> = flights.left().map(|flight| flight.sequence).collect();
        left.sort_unstable();
        let mut expected: Vec<u64> = map.values().map(|flight| flight.sequence).collect();
        expected.sort_unstable();
        assert_eq!(left, expected);
    }
}
