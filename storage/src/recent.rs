//! Recent: the newest batches of a log, kept in memory so that consumers at the tail never touch the disk.

use bytes::Bytes;
use std::collections::VecDeque;
use wire::LogIndex;

/// Bodies of consecutive batches, newest last, as many as fit the bound; at least one.
#[derive(Debug)]
pub(crate) struct Recent {
    first: LogIndex,
    /// Each with the bytes it keeps in memory.
    batches: VecDeque<(Bytes, usize)>,
    bytes: usize,
    bytes_max: usize,
}

impl Recent {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { first: LogIndex(0), batches: VecDeque::with_capacity(1024), bytes: 0, bytes_max }
    }

    /// Takes the newest batch; forgets the oldest ones above the bound.
    pub(crate) fn push(&mut self, index: LogIndex, body: Bytes, batch_bytes: usize) {
        if self.batches.is_empty() {
            self.first = index;
        }
        assert_eq!(self.end(), index, "batches come in order");
        self.batches.push_back((body, batch_bytes));
        self.bytes += batch_bytes;
        while self.bytes > self.bytes_max && self.batches.len() > 1 {
            self.forget_oldest();
        }
    }

    /// The body of this batch, if it is still here.
    pub(crate) fn get(&self, index: LogIndex) -> Option<&Bytes> {
        let nth = usize::try_from(index.0.checked_sub(self.first.0)?).ok()?;
        self.batches.get(nth).map(|(body, _)| body)
    }

    /// Forgets the oldest batch, except the newest of all; false when there is none to forget.
    pub(crate) fn make_less(&mut self) -> bool {
        let some = self.batches.len() > 1;
        if some {
            self.forget_oldest();
        }
        some
    }

    fn forget_oldest(&mut self) {
        if let Some((_, batch_bytes)) = self.batches.pop_front() {
            self.bytes -= batch_bytes;
            self.first = self.first.next();
        }
    }

    fn end(&self) -> LogIndex {
        LogIndex(self.first.0 + self.batches.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_stay_within_the_bound() {
        let mut recent = Recent::new(10);
        for index in 5..9 {
            recent.push(LogIndex(index), Bytes::from(vec![0; 3]), 4);
        }
        assert!(recent.get(LogIndex(6)).is_none());
        assert!(recent.get(LogIndex(7)).is_some() && recent.get(LogIndex(8)).is_some());
        assert!(recent.get(LogIndex(9)).is_none());
        recent.push(LogIndex(9), Bytes::from(vec![0; 99]), 100);
        assert!(recent.get(LogIndex(9)).is_some(), "the newest always");
        assert!(!recent.make_less());
    }
}
