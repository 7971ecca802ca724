//! Random: the one source of chance of a run, drawn from its seed.

/// SplitMix64 (Steele, Lea, Flood 2014): small, fast, good enough to choose faults.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The same seed, the same numbers.
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// A source of its own for one concern: what others draw does not change it.
    #[must_use]
    pub fn fork(&self, concern: &str) -> Self {
        let mut fork = Self::new(self.state ^ u64::from(crc32fast::hash(concern.as_bytes())) << 16);
        fork.next();
        fork
    }

    /// 64 random bits.
    pub const fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not 0.
    pub const fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// A number from `min` to `max`, both included.
    pub const fn between(&mut self, min: u64, max: u64) -> u64 {
        min + self.below(max - min + 1)
    }

    /// An index into something of `count` members, which is not empty.
    pub fn index(&mut self, count: usize) -> usize {
        let count = u64::try_from(count).expect("a length fits 64 bits");
        usize::try_from(self.below(count)).expect("below a length")
    }

    /// One of these, which are not empty.
    pub fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.index(choices.len())]
    }

    /// True in `parts` of a thousand cases.
    pub const fn chance(&mut self, parts: u64) -> bool {
        self.below(1000) < parts
    }
}
