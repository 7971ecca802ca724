//! Held: what a store keeps in memory, part by part, and the most it may keep.
//!
//! What grows with the number of queues, groups and producers is not counted here:
//! their own limits bound it.

use super::reader::Reader;
use super::{Store, StoreConfig};
use crate::log::{Log, LogConfig};

/// No batch is longer: positions in a segment are 32 bits wide.
const BATCH_BYTES_MAX: usize = 1 << 31;

/// Bytes in memory, part by part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Batches that gather, are in flight, or are recent: in whole chunks.
    pub batches: usize,
    /// Batches and index files read back from the disk.
    pub read_back: usize,
    /// Records of memory topics.
    pub memory_topics: usize,
}

impl Held {
    /// The most a store of this configuration keeps. Any numbers: they may not be checked yet.
    pub fn most(config: &StoreConfig) -> Self {
        let mut log = LogConfig::of(config);
        log.batch_bytes_max = log.batch_bytes_max.min(BATCH_BYTES_MAX);
        log.record_bytes_max = log.record_bytes_max.min(BATCH_BYTES_MAX);
        Self {
            batches: Log::chunk_bytes_max(&log),
            read_back: Reader::bytes_max(config.read_cache_bytes_max),
            memory_topics: config.memory_bytes_max,
        }
    }
}

impl Store {
    /// What it keeps now.
    pub fn held(&self) -> Held {
        Held {
            batches: self.log.chunk_bytes(),
            read_back: self.reader.bytes(),
            memory_topics: self.pool.used_bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::config;
    use crate::testing::FakeDisk;

    #[test]
    fn a_new_store_keeps_less_than_it_may() {
        let opened = Store::open(&config(), &mut FakeDisk::new(), 1, false).expect("it opens");
        let (held, most) = (opened.store.held(), Held::most(&config()));
        assert!(held.batches > 0 && held.batches <= most.batches, "{held:?} {most:?}");
        assert_eq!((held.read_back, held.memory_topics), (0, 0));
    }

    #[test]
    fn the_most_can_be_told_of_any_numbers() {
        let any = usize::MAX;
        let config = StoreConfig {
            batch_bytes_max: any,
            record_bytes_max: any,
            recent_bytes_max: any,
            read_cache_bytes_max: any,
            ..config()
        };
        assert_eq!(Held::most(&config).read_back, any);
    }
}
