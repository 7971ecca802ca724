//! Tickets: the records of a section, in order: as ranges, since most follow one another.

use crate::receipt::Ticket;
use std::ops::Range;

/// The tickets of a section.
#[derive(Debug, Default)]
pub(crate) struct Tickets {
    /// None is empty; each begins behind the end of the one before.
    ranges: Vec<Range<u64>>,
    count: usize,
}

impl Tickets {
    /// One more, later than all others.
    pub(crate) fn push(&mut self, ticket: Ticket) {
        self.count += 1;
        match self.ranges.last_mut() {
            Some(last) if last.end == ticket.0 => last.end += 1,
            Some(_) | None => self.ranges.push(ticket.0..ticket.0 + 1),
        }
    }

    /// How many.
    pub(crate) const fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub(crate) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether this one is among them.
    pub(crate) fn contains(&self, ticket: Ticket) -> bool {
        self.ranges.iter().any(|range| range.contains(&ticket.0))
    }

    /// Those that follow one another, in order.
    pub(crate) fn ranges(&self) -> &[Range<u64>] {
        &self.ranges
    }

    /// Forgets all; its memory is kept.
    pub(crate) fn clear(&mut self) {
        self.ranges.clear();
        self.count = 0;
    }

    /// Memory it holds, in bytes, whether used or not.
    pub(crate) const fn kept_bytes(&self) -> usize {
        self.ranges.capacity() * size_of::<Range<u64>>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_is_one_range_and_what_does_not_is_another() {
        let mut tickets = Tickets::default();
        assert!(tickets.is_empty());
        for ticket in [4, 5, 6, 8, 11, 12] {
            tickets.push(Ticket(ticket));
        }
        assert_eq!(tickets.ranges(), [4..7, 8..9, 11..13]);
        assert_eq!(tickets.len(), 6);
        assert!(tickets.contains(Ticket(12)) && !tickets.contains(Ticket(7)));
        tickets.clear();
        assert!(tickets.is_empty() && !tickets.contains(Ticket(4)));
    }
}
