//! Slots: a small table whose keys are given out again only after removal.

/// Values by key. As large as the most that ever lived at once.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    values: Vec<Option<T>>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { values: Vec::new() }
    }
}

impl<T> Slots<T> {
    /// Puts a value into the first free slot.
    pub(crate) fn insert(&mut self, value: T) -> usize {
        let key = self.values.iter().position(Option::is_none).unwrap_or(self.values.len());
        if key == self.values.len() {
            self.values.push(None);
        }
        self.values[key] = Some(value);
        key
    }

    /// The value of `key`.
    pub(crate) fn get(&self, key: usize) -> Option<&T> {
        self.values.get(key)?.as_ref()
    }

    /// The value of `key`, to be changed.
    pub(crate) fn get_mut(&mut self, key: usize) -> Option<&mut T> {
        self.values.get_mut(key)?.as_mut()
    }

    /// Takes the value of `key` away.
    pub(crate) fn remove(&mut self, key: usize) -> Option<T> {
        self.values.get_mut(key)?.take()
    }

    /// The keys are below this.
    pub(crate) fn key_end(&self) -> usize {
        self.values.len()
    }

    /// All values with their keys.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (usize, &mut T)> {
        self.values.iter_mut().enumerate().filter_map(|(key, value)| Some((key, value.as_mut()?)))
    }
}
