//! Ahead: the next piece of the log is on its way while this one is delivered.
//!
//! ```text
//!   a piece: one merged read | 17 | 18 | 19 | 20 |  the next one: from 21 on
//!                                  ^ served: whoever is behind reads on, so 21 is read
//! ```
//!
//! Without it a reader that catches up and the disk wait for each other in turns. Only so many
//! pieces are remembered as the cache holds twice: more readers than that would push out each
//! other's, and read everything twice.

use crate::log::BatchPlace;
use std::collections::BTreeMap;
use wire::LogIndex;

/// Pieces that were read, and not yet read on from.
#[derive(Debug)]
pub(super) struct Ahead {
    /// By the batch that tells that its reader goes on: what comes after the piece.
    pieces: BTreeMap<LogIndex, LogIndex>,
    pieces_max: usize,
}

impl Ahead {
    /// For a cache of `cache_bytes_max`, filled by pieces of at most `piece_bytes_max`.
    pub(super) fn new(cache_bytes_max: usize, piece_bytes_max: u32) -> Self {
        let both_bytes = 2 * (piece_bytes_max as usize).max(1);
        Self { pieces: BTreeMap::new(), pieces_max: cache_bytes_max / both_bytes }
    }

    /// A piece came.
    pub(super) fn came(&mut self, places: &[BatchPlace]) {
        if let (Some(second), Some(last)) = (places.get(1).or(places.first()), places.last()) {
            self.pieces.insert(second.index, last.index.next());
        }
        while self.pieces.len() > self.pieces_max {
            self.pieces.pop_first();
        }
    }

    /// A batch is served: what is to be read now, before anybody asks for it.
    pub(super) fn served(&mut self, index: LogIndex) -> Option<LogIndex> {
        self.pieces.remove(&index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(indexes: std::ops::Range<u64>) -> Vec<BatchPlace> {
        let place =
            |index| BatchPlace { index: LogIndex(index), segment: 1, position: 0, bytes: 0 };
        indexes.map(place).collect()
    }

    #[test]
    fn the_second_batch_of_a_piece_asks_for_the_next_piece_once() {
        let mut ahead = Ahead::new(100, 25);
        ahead.came(&piece(17..21));
        ahead.came(&piece(30..31));
        assert_eq!(ahead.served(LogIndex(17)), None);
        assert_eq!(ahead.served(LogIndex(18)), Some(LogIndex(21)));
        assert_eq!(ahead.served(LogIndex(18)), None);
        assert_eq!(ahead.served(LogIndex(30)), Some(LogIndex(31)));
    }

    #[test]
    fn no_more_pieces_are_remembered_than_the_cache_holds_twice() {
        let mut ahead = Ahead::new(100, 25);
        for first in [10, 20, 30] {
            ahead.came(&piece(first..first + 5));
        }
        assert_eq!(ahead.served(LogIndex(11)), None);
        assert!(ahead.served(LogIndex(21)).is_some() && ahead.served(LogIndex(31)).is_some());
        let mut none = Ahead::new(10, 25);
        none.came(&piece(1..5));
        assert_eq!(none.served(LogIndex(2)), None);
    }
}
