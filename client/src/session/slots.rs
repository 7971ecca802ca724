//! Slots: values by key. A key is never given twice, so an answer to a value that is gone meets no other.

use std::collections::BTreeMap;

/// Values by key.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    values: BTreeMap<usize, T>,
    next_key: usize,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { values: BTreeMap::new(), next_key: 0 }
    }
}

impl<T> Slots<T> {
    /// Keeps a value; returns its key.
    pub(crate) fn insert(&mut self, value: T) -> usize {
        let key = self.next_key;
        self.next_key += 1;
        self.values.insert(key, value);
        key
    }

    /// The value of `key`.
    pub(crate) fn get(&self, key: usize) -> Option<&T> {
        self.values.get(&key)
    }

    /// The value of `key`, to be changed.
    pub(crate) fn get_mut(&mut self, key: usize) -> Option<&mut T> {
        self.values.get_mut(&key)
    }

    /// Takes the value of `key` away.
    pub(crate) fn remove(&mut self, key: usize) -> Option<T> {
        self.values.remove(&key)
    }

    /// The first key that is not below `from`: to walk over values that change meanwhile.
    pub(crate) fn key_from(&self, from: usize) -> Option<usize> {
        self.values.range(from..).next().map(|(key, _)| *key)
    }

    /// All values with their keys.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (usize, &mut T)> {
        self.values.iter_mut().map(|(key, value)| (*key, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_never_given_twice() {
        let mut slots = Slots::default();
        let first = slots.insert('a');
        assert_eq!(slots.remove(first), Some('a'));
        let second = slots.insert('b');
        assert_ne!(first, second);
        assert_eq!(slots.get(first), None);
        assert_eq!(slots.key_from(0), Some(second));
        assert_eq!(slots.key_from(second + 1), None);
    }
}
