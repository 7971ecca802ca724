//! Row: equal values that come one after another, counted together.
//!
//! Messages that leave in one turn were mostly due at one time, and so were those that one
//! frame answers: a histogram then takes a row of them for what it would take one for.

/// A row that goes on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Row<T> {
    value: T,
    count: u64,
}

impl<T: Copy + Default + PartialEq> Row<T> {
    /// One more; if it differs from those before, these are given back with their count.
    pub fn add(&mut self, value: T) -> Option<(T, u64)> {
        if value == self.value {
            self.count += 1;
            return None;
        }
        let ended = std::mem::replace(self, Self { value, count: 1 });
        (ended.count > 0).then_some((ended.value, ended.count))
    }

    /// Ends it: what it holds, if anything.
    pub fn end(&mut self) -> Option<(T, u64)> {
        let ended = std::mem::take(self);
        (ended.count > 0).then_some((ended.value, ended.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_given_back_with_its_count() {
        let mut row = Row::default();
        let mut rows: Vec<_> =
            [0, 0, 7, 7, 7, 0, 9].into_iter().filter_map(|v| row.add(v)).collect();
        rows.extend(row.end());
        assert_eq!(rows, [(0, 2), (7, 3), (0, 1), (9, 1)]);
        assert_eq!(row.end(), None, "nothing is given back twice");
    }
}
