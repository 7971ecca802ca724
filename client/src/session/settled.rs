//! Settled: records whose end is known and not handed out yet, section by section.
//!
//! ```text
//!   tickets   17 18 19 | 20 21 | 22 23 24 25      one per record
//!   ends      3 x ok@80| 2 x no| 4 x ok@83        one per section: what all of them share
//! ```
//!
//! A receipt is thus kept once a section, not once a record.

use crate::error::SendError;
use crate::receipt::{Receipt, Ticket};
use std::collections::VecDeque;
use std::ops::Range;
use wire::Offset;

/// How a record ended.
pub(crate) type Ending = Result<Receipt, SendError>;

/// Records that ended together.
#[derive(Debug)]
struct Run {
    /// The records that are left of it, counted from its first one; never empty.
    left: Range<u64>,
    /// That of its first record; the offsets of the others follow.
    end: Ending,
}

impl Run {
    fn of(count: usize, end: Ending) -> Self {
        Self { left: 0..count as u64, end }
    }

    /// The ending of its record number `nth`, counted from its first one.
    fn nth(&self, nth: u64) -> Ending {
        match &self.end {
            Ok(receipt) => {
                let offset = Offset(receipt.offset.0.saturating_add(nth));
                Ok(Receipt { offset, ..*receipt })
            }
            Err(error) => Err(error.clone()),
        }
    }
}

/// Records in the order in which they were settled.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    tickets: VecDeque<Ticket>,
    runs: VecDeque<Run>,
}

impl Settled {
    /// Records that ended alike; of receipts, the offset is the first record's.
    pub(crate) fn extend(&mut self, tickets: &[Ticket], end: Ending) {
        if !tickets.is_empty() {
            self.tickets.extend(tickets);
            self.runs.push_back(Run::of(tickets.len(), end));
        }
    }

    /// How many records.
    pub(crate) fn len(&self) -> usize {
        self.tickets.len()
    }

    /// Whether a record is among those from `place` on.
    pub(crate) fn has_from(&self, place: usize, ticket: Ticket) -> bool {
        self.tickets.range(place..).any(|of| *of == ticket)
    }

    /// The record that was settled first.
    pub(crate) fn pop_front(&mut self) -> Option<(Ticket, Ending)> {
        let ticket = self.tickets.pop_front()?;
        let run = self.runs.front_mut()?;
        let nth = run.left.next()?;
        let end = run.nth(nth);
        if run.left.is_empty() {
            self.runs.pop_front();
        }
        Some((ticket, end))
    }

    /// The record of this ticket.
    pub(crate) fn remove(&mut self, ticket: Ticket) -> Option<Ending> {
        let place = self.tickets.iter().position(|of| *of == ticket)?;
        self.tickets.remove(place);
        let (at, nth) = self.run_of(place)?;
        let run = &mut self.runs[at];
        let end = run.nth(nth);
        let behind = nth + 1..run.left.end;
        run.left.end = nth;
        let is_over = run.left.is_empty();
        if !behind.is_empty() {
            let rest = Run { left: behind, end: run.end.clone() };
            self.runs.insert(at + 1, rest);
        }
        if is_over {
            self.runs.remove(at);
        }
        Some(end)
    }

    /// The run that a place is in, and the number of the record there.
    fn run_of(&self, place: usize) -> Option<(usize, u64)> {
        let mut before = place as u64;
        self.runs.iter().enumerate().find_map(|(at, run)| {
            let nth = run.left.start + before;
            before = before.saturating_sub(run.left.end - run.left.start);
            (nth < run.left.end).then_some((at, nth))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Level;
    use wire::{QueueId, Term};

    fn receipt(offset: u64) -> Receipt {
        let queue = QueueId(1 << 16);
        let (level, term) = (Level::Durable, Term(1));
        Receipt { queue, offset: Offset(offset), level, term, duplicate: false }
    }

    fn tickets(of: std::ops::Range<u64>) -> Vec<Ticket> {
        of.map(Ticket).collect()
    }

    /// Two sections of three that were accepted, and two records between them that never left.
    fn settled() -> Settled {
        let mut settled = Settled::default();
        settled.extend(&tickets(0..3), Ok(receipt(80)));
        settled.extend(&[], Ok(receipt(0)));
        settled.extend(&tickets(3..5), Err(SendError::NotSent));
        settled.extend(&tickets(5..8), Ok(receipt(90)));
        settled
    }

    fn expected(ticket: u64) -> Ending {
        match ticket {
            0..3 => Ok(receipt(80 + ticket)),
            3..5 => Err(SendError::NotSent),
            _ => Ok(receipt(85 + ticket)),
        }
    }

    #[test]
    fn records_come_in_order_each_with_its_offset() {
        let mut settled = settled();
        assert!(settled.has_from(3, Ticket(3)) && !settled.has_from(4, Ticket(3)));
        for ticket in 0..8 {
            assert_eq!(settled.len() as u64, 8 - ticket);
            assert_eq!(settled.pop_front(), Some((Ticket(ticket), expected(ticket))));
        }
        assert_eq!(settled.pop_front(), None);
        assert!(settled.runs.is_empty());
    }

    #[test]
    fn a_record_that_is_taken_out_of_turn_moves_no_other() {
        for first in 0..8 {
            for second in (0..8).filter(|second| *second != first) {
                let mut settled = settled();
                assert_eq!(settled.remove(Ticket(first)), Some(expected(first)));
                assert_eq!(settled.remove(Ticket(first)), None, "taken once");
                assert_eq!(settled.remove(Ticket(second)), Some(expected(second)));
                let rest = (0..8).filter(|of| *of != first && *of != second);
                for ticket in rest {
                    assert_eq!(settled.pop_front(), Some((Ticket(ticket), expected(ticket))));
                }
                assert!(settled.runs.is_empty() && settled.tickets.is_empty());
            }
        }
    }
}
