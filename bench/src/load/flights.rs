//! Flights: messages that were sent and not answered: when each was due, by the ticket of its end.

#[expect(clippy::disallowed_types, reason = "hashed by a fixed multiplication")]
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

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
#[expect(clippy::disallowed_types, reason = "as above")]
pub struct Flights(HashMap<u64, Flight, BuildHasherDefault<TicketHasher>>);

impl Flights {
    /// How many.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// One leaves under a ticket that no other has.
    pub fn insert(&mut self, ticket: u64, flight: Flight) {
        self.0.insert(ticket, flight);
    }

    /// One was answered.
    pub fn remove(&mut self, ticket: u64) -> Option<Flight> {
        self.0.remove(&ticket)
    }

    /// All that were never answered.
    pub fn left(&self) -> impl Iterator<Item = Flight> + '_ {
        self.0.values().copied()
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

    /// Answers come in the order of the sends, a window behind: the common case, at the largest window.
    #[test]
    fn what_left_first_is_found_first_whatever_the_window() {
        let mut flights = Flights::default();
        let flight = |nth: u64| Flight { sequence: nth, due_ns: nth + 1 };
        for nth in 0..200_000_u64 {
            flights.insert(nth * 64, flight(nth));
            if let Some(answered) = nth.checked_sub(65_536) {
                assert_eq!(flights.remove(answered * 64), Some(flight(answered)));
                assert_eq!(flights.remove(answered * 64), None, "answered once");
            }
        }
        assert_eq!(flights.count(), 65_536);
        assert_eq!(flights.left().count(), 65_536);
    }
}
