//! Flights: messages that were sent and not answered: when each was due, by the ticket of its end.
//!
//! A small hash table with linear probing: tickets of one end mostly follow one
//! another, so a look costs one line of memory. It grows with what is in flight,
//! which its owner bounds, and then allocates no more.

/// The fewest places.
const PLACES_MIN: usize = 16;

/// One message under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flight {
    /// Its number among its sender's.
    pub sequence: u64,
    /// When it was due; 0: not measured.
    pub due_ns: u64,
}

/// Messages under way, by ticket.
#[derive(Clone, Debug)]
pub struct Flights {
    /// As many as a power of two; at most half are taken.
    places: Vec<Option<(u64, Flight)>>,
    count: usize,
}

impl Default for Flights {
    fn default() -> Self {
        Self { places: vec![None; PLACES_MIN], count: 0 }
    }
}

impl Flights {
    /// How many.
    pub const fn count(&self) -> usize {
        self.count
    }

    /// One leaves under a ticket that no other has.
    pub fn insert(&mut self, ticket: u64, flight: Flight) {
        if self.count * 2 >= self.places.len() {
            let larger = vec![None; self.places.len() * 2];
            for (ticket, flight) in
                std::mem::replace(&mut self.places, larger).into_iter().flatten()
            {
                self.put(ticket, flight);
            }
        }
        self.put(ticket, flight);
        self.count += 1;
    }

    /// One was answered.
    pub fn remove(&mut self, ticket: u64) -> Option<Flight> {
        let mut place = self.home(ticket);
        loop {
            match self.places[place] {
                Some((of, flight)) if of == ticket => {
                    self.count -= 1;
                    self.close_up(place);
                    return Some(flight);
                }
                Some(_) => place = self.after(place),
                None => return None,
            }
        }
    }

    /// All that were never answered.
    pub fn left(&self) -> impl Iterator<Item = Flight> + '_ {
        self.places.iter().flatten().map(|(_, flight)| *flight)
    }

    fn put(&mut self, ticket: u64, flight: Flight) {
        let mut place = self.home(ticket);
        while self.places[place].is_some() {
            place = self.after(place);
        }
        self.places[place] = Some((ticket, flight));
    }

    /// Moves what stood behind a freed place forward, so that no search ends too early.
    fn close_up(&mut self, mut free: usize) {
        self.places[free] = None;
        let mut place = self.after(free);
        while let Some((ticket, flight)) = self.places[place] {
            let home = self.home(ticket);
            let mask = self.places.len() - 1;
            let from_home = place.wrapping_sub(home) & mask;
            let from_free = place.wrapping_sub(free) & mask;
            if from_home >= from_free {
                self.places[free] = Some((ticket, flight));
                self.places[place] = None;
                free = place;
            }
            place = self.after(place);
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "masked")]
    const fn home(&self, ticket: u64) -> usize {
        ticket as usize & (self.places.len() - 1)
    }

    const fn after(&self, place: usize) -> usize {
        (place + 1) & (self.places.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::chance::Chance;
    use std::collections::BTreeMap;

    /// Against a map, under tickets that collide on purpose.
    #[test]
    fn it_holds_what_a_map_holds() {
        let (mut flights, mut map) = (Flights::default(), BTreeMap::new());
        let mut chance = Chance::new(5, 0);
        for step in 0..20_000_u64 {
            let ticket = chance.below(8) + chance.below(40) * 1024;
            let flight = Flight { sequence: step, due_ns: step };
            if chance.below(2) == 0 && !map.contains_key(&ticket) {
                flights.insert(ticket, flight);
                map.insert(ticket, flight);
            } else {
                assert_eq!(flights.remove(ticket), map.remove(&ticket));
            }
            assert_eq!(flights.count(), map.len());
        }
        assert_eq!(flights.left().count(), map.len());
    }
}
