//! Settled: records whose end is known and not handed out yet, run by run.
//!
//! ```text
//!   17..20 ok@80 | 20..22 no | 22..24 ok@83 | 31..33 ok@85
//! ```
//!
//! A run is what of one section has tickets that follow one another: all of it, unless a
//! producer's records go to several queues in turns. Nothing is kept or done once a record.

use super::tickets::Tickets;
use crate::error::SendError;
use crate::receipt::{Receipt, ReceiptRun, Ticket};
use std::collections::VecDeque;
use std::ops::Range;
use wire::Offset;

/// How a record ended.
pub(crate) type Ending = Result<Receipt, SendError>;

/// Records that ended together.
#[derive(Debug)]
struct Run {
    /// Never empty.
    tickets: Range<u64>,
    /// That of its first record; the offsets of the others follow.
    end: Ending,
}

/// The ending of a record that comes so many after the one with this.
fn shifted(end: &Ending, by: u64) -> Ending {
    let receipt = end.clone()?;
    Ok(Receipt { offset: Offset(receipt.offset.0.saturating_add(by)), ..receipt })
}

/// Records in the order in which they were settled.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    runs: VecDeque<Run>,
    count: usize,
}

impl Settled {
    /// Records that ended alike; of receipts, the offset is the first record's.
    pub(crate) fn extend(&mut self, tickets: &Tickets, end: &Ending) {
        let mut before = 0;
        for range in tickets.ranges() {
            self.runs.push_back(Run { tickets: range.clone(), end: shifted(end, before) });
            before += range.end - range.start;
        }
        self.count += tickets.len();
    }

    /// How many records.
    pub(crate) const fn len(&self) -> usize {
        self.count
    }

    /// The records that were settled first: at most `count_max` of a run.
    pub(crate) fn pop_front(&mut self, count_max: u64) -> Option<ReceiptRun> {
        let run = self.runs.front_mut()?;
        let count = (run.tickets.end - run.tickets.start).min(count_max);
        let first = Ticket(run.tickets.start);
        run.tickets.start += count;
        let result = if run.tickets.is_empty() {
            self.runs.pop_front()?.end
        } else {
            let rest = shifted(&run.end, count);
            std::mem::replace(&mut run.end, rest)
        };
        self.count -= usize::try_from(count).unwrap_or(self.count);
        Some(ReceiptRun { first, count, result })
    }

    /// The record of this ticket.
    pub(crate) fn remove(&mut self, ticket: Ticket) -> Option<Ending> {
        let at = self.runs.iter().position(|run| run.tickets.contains(&ticket.0))?;
        let run = &mut self.runs[at];
        let nth = ticket.0 - run.tickets.start;
        let end = shifted(&run.end, nth);
        let behind =
            Run { tickets: ticket.0 + 1..run.tickets.end, end: shifted(&run.end, nth + 1) };
        run.tickets.end = ticket.0;
        let is_over = run.tickets.is_empty();
        if !behind.tickets.is_empty() {
            self.runs.insert(at + 1, behind);
        }
        if is_over {
            self.runs.remove(at);
        }
        self.count -= 1;
        Some(end)
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

    fn tickets(of: &[u64]) -> Tickets {
        let mut tickets = Tickets::default();
        for ticket in of {
            tickets.push(Ticket(*ticket));
        }
        tickets
    }

    /// Two sections of three that were accepted, one of them among those of other queues, and
    /// between them two records that never left.
    fn settled() -> Settled {
        let mut settled = Settled::default();
        settled.extend(&tickets(&[0, 1, 2]), &Ok(receipt(80)));
        settled.extend(&tickets(&[]), &Ok(receipt(0)));
        settled.extend(&tickets(&[3, 4]), &Err(SendError::NotSent));
        settled.extend(&tickets(&[5, 7, 8]), &Ok(receipt(90)));
        settled
    }

    const ALL: [u64; 8] = [0, 1, 2, 3, 4, 5, 7, 8];

    fn expected(ticket: u64) -> Ending {
        match ticket {
            0..3 => Ok(receipt(80 + ticket)),
            3..5 => Err(SendError::NotSent),
            5 => Ok(receipt(90)),
            _ => Ok(receipt(84 + ticket)),
        }
    }

    fn run(first: u64, count: u64) -> ReceiptRun {
        ReceiptRun { first: Ticket(first), count, result: expected(first) }
    }

    #[test]
    fn records_come_in_order_each_with_its_offset() {
        let mut settled = settled();
        for (nth, ticket) in ALL.into_iter().enumerate() {
            assert_eq!(settled.len(), ALL.len() - nth);
            assert_eq!(settled.pop_front(1), Some(run(ticket, 1)));
        }
        assert_eq!((settled.pop_front(1), settled.len()), (None, 0));
        assert!(settled.runs.is_empty());
    }

    #[test]
    fn records_that_follow_one_another_come_together() {
        let mut all = settled();
        let runs: Vec<_> = std::iter::from_fn(|| all.pop_front(u64::MAX)).collect();
        assert_eq!(runs, [run(0, 3), run(3, 2), run(5, 1), run(7, 2)]);
        let mut by_two = settled();
        let runs: Vec<_> = std::iter::from_fn(|| by_two.pop_front(2)).collect();
        assert_eq!(runs, [run(0, 2), run(2, 1), run(3, 2), run(5, 1), run(7, 2)]);
        assert_eq!((all.len(), by_two.len()), (0, 0));
    }

    #[test]
    fn a_record_that_is_taken_out_of_turn_moves_no_other() {
        for first in ALL {
            for second in ALL.into_iter().filter(|second| *second != first) {
                let mut settled = settled();
                assert_eq!(settled.remove(Ticket(first)), Some(expected(first)));
                assert_eq!(settled.remove(Ticket(first)), None, "taken once");
                assert_eq!(settled.remove(Ticket(second)), Some(expected(second)));
                let rest = ALL.into_iter().filter(|of| *of != first && *of != second);
                for ticket in rest {
                    assert_eq!(settled.pop_front(1), Some(run(ticket, 1)));
                }
                assert!(settled.runs.is_empty() && settled.len() == 0);
            }
        }
    }
}
