//! Cache: what was read back from the disk for those who are behind, within a budget.
//!
//! One for the bodies of batches, one for index files. When the budget is
//! spent the oldest goes, unless it was used since it was last considered
//! (second chance). The newest always stays, whatever its size, so that
//! whoever waited for it finds it. A hit allocates nothing.

use std::collections::{BTreeMap, VecDeque};

/// Values of known size, by key.
#[derive(Debug)]
pub(crate) struct Cache<K, V> {
    bytes_max: usize,
    bytes: usize,
    slots: BTreeMap<K, Slot<V>>,
    /// Keys in the order in which they are considered.
    order: VecDeque<K>,
}

#[derive(Debug)]
struct Slot<V> {
    value: V,
    bytes: usize,
    used: bool,
}

impl<K: Ord + Copy, V> Cache<K, V> {
    pub(crate) const fn new(bytes_max: usize) -> Self {
        Self { bytes_max, bytes: 0, slots: BTreeMap::new(), order: VecDeque::new() }
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn get(&mut self, key: K) -> Option<&V> {
        let slot = self.slots.get_mut(&key)?;
        slot.used = true;
        Some(&slot.value)
    }

    /// Whether it is there; it is not used by that.
    pub(crate) fn has(&self, key: K) -> bool {
        self.slots.contains_key(&key)
    }

    pub(crate) fn insert(&mut self, key: K, value: V, bytes: usize) {
        if let Some(slot) = self.slots.get_mut(&key) {
            self.bytes = self.bytes - slot.bytes + bytes;
            *slot = Slot { value, bytes, used: true };
            return;
        }
        while self.bytes + bytes > self.bytes_max && self.evict() {}
        self.bytes += bytes;
        self.slots.insert(key, Slot { value, bytes, used: false });
        self.order.push_back(key);
    }

    fn evict(&mut self) -> bool {
        while let Some(key) = self.order.pop_front() {
            let Some(slot) = self.slots.get_mut(&key) else { continue };
            if slot.used {
                slot.used = false;
                self.order.push_back(key);
                continue;
            }
            self.bytes -= slot.bytes;
            self.slots.remove(&key);
            return true;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_unused_goes_first_and_the_newest_stays() {
        let mut cache = Cache::new(10);
        cache.insert(1, "one", 4);
        cache.insert(2, "two", 4);
        assert_eq!(cache.get(1), Some(&"one"));
        cache.insert(3, "three", 4);
        assert!(cache.get(1).is_some() && cache.get(2).is_none() && cache.get(3).is_some());
        cache.insert(4, "huge", 100);
        assert_eq!(cache.get(4), Some(&"huge"));
        assert_eq!(cache.bytes(), 100);
        cache.insert(5, "five", 1);
        cache.insert(6, "six", 1);
        assert!(cache.bytes() <= 10, "it goes with the next ones");
    }
}
