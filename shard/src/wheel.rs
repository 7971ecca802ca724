//! Wheel: the timers of a shard.
//!
//! ```text
//!   level 0: 256 slots of 2^17 ns (131 us)     33 ms round
//!   level 1: 256 slots of 33 ms                8.6 s
//!   level 2: 256 slots of 8.6 s                36 min
//!   level 3: 256 slots of 36 min               6.5 days, and all beyond
//! ```
//!
//! A timer waits in the coarsest level that tells it from now, and moves down when its slot comes.
//! It is never early, and late by at most one slot of level 0. Arming costs O(1), and allocates
//! nothing once the slots have grown. There is no cancelling: whoever armed it ignores it.

/// Length of a slot of level 0 is 2 to this power, in nanoseconds.
const TICK_BITS: u32 = 17;
const SLOT_BITS: u32 = 8;
const SLOTS: usize = 1 << SLOT_BITS;
const LEVELS: usize = 4;
/// Ticks beyond this are kept in the last level and sorted in again.
const TICKS_MAX: u64 = (1 << (SLOT_BITS * 4)) - 1;

/// Timers that carry a `T`.
#[derive(Debug)]
pub(crate) struct Wheel<T> {
    levels: Vec<Level<T>>,
    /// All ticks before this one were taken.
    tick: u64,
    count: usize,
    /// Timers on their way down; kept for its memory.
    moving: Vec<(u64, T)>,
}

#[derive(Debug)]
struct Level<T> {
    slots: Vec<Vec<(u64, T)>>,
    /// Which slots hold something, a bit each.
    filled: [u64; SLOTS / 64],
}

impl<T> Level<T> {
    fn new() -> Self {
        Self { slots: (0..SLOTS).map(|_| Vec::new()).collect(), filled: [0; SLOTS / 64] }
    }

    fn mark(&mut self, slot: usize, filled: bool) {
        let bit = 1 << (slot % 64);
        if filled {
            self.filled[slot / 64] |= bit;
        } else {
            self.filled[slot / 64] &= !bit;
        }
    }

    /// How many slots after `from` (itself included, then round) the first filled one is.
    fn distance(&self, from: usize) -> Option<usize> {
        (0..=SLOTS / 64).find_map(|step| {
            let word = (from / 64 + step) % (SLOTS / 64);
            let mut bits = self.filled[word];
            if step == 0 {
                bits &= u64::MAX << (from % 64);
            } else if step == SLOTS / 64 {
                bits &= !(u64::MAX << (from % 64));
            }
            let slot = word * 64 + bits.trailing_zeros() as usize;
            (bits != 0).then(|| (slot + SLOTS - from) % SLOTS)
        })
    }
}

impl<T> Wheel<T> {
    /// No timers; time begins at `now_ns`.
    pub(crate) fn new(now_ns: u64) -> Self {
        Self {
            levels: (0..LEVELS).map(|_| Level::new()).collect(),
            tick: now_ns >> TICK_BITS,
            count: 0,
            moving: Vec::new(),
        }
    }

    /// Has `item` taken at `at_ns` or soon after; a time past counts as now.
    pub(crate) fn arm(&mut self, at_ns: u64, item: T) {
        // The first tick that begins at or after it: never early.
        let tick = at_ns.div_ceil(1 << TICK_BITS);
        self.count += 1;
        self.insert(tick, item);
    }

    fn insert(&mut self, tick: u64, item: T) {
        let tick = tick.max(self.tick);
        let place = tick.min(self.tick + TICKS_MAX);
        let level = level_of(self.tick, place);
        let slot = slot_of(place, level);
        self.levels[level].slots[slot].push((tick, item));
        self.levels[level].mark(slot, true);
    }

    /// Moves all that is due at `now_ns` to `due`.
    pub(crate) fn take_due(&mut self, now_ns: u64, due: &mut Vec<T>) {
        let now_tick = now_ns >> TICK_BITS;
        while self.tick <= now_tick {
            if self.count == 0 {
                self.tick = now_tick + 1;
                return;
            }
            let next_tick = self.next_tick().unwrap_or(u64::MAX);
            if next_tick > now_tick {
                // Nothing happens in between, neither a timer nor a move.
                self.tick = now_tick + 1;
                self.move_down();
                return;
            }
            self.tick = next_tick;
            self.move_down();
            self.take_slot(due);
            self.tick += 1;
        }
    }

    fn take_slot(&mut self, due: &mut Vec<T>) {
        let slot = slot_of(self.tick, 0);
        let items = &mut self.levels[0].slots[slot];
        self.count -= items.len();
        due.extend(items.drain(..).map(|(_, item)| item));
        self.levels[0].mark(slot, false);
    }

    /// Sorts the slots of the coarser levels that begin with this tick into the finer ones.
    fn move_down(&mut self) {
        for level in (1..LEVELS).rev() {
            let slot = slot_of(self.tick, level);
            if self.levels[level].slots[slot].is_empty() {
                continue;
            }
            let mut moving = std::mem::take(&mut self.moving);
            std::mem::swap(&mut moving, &mut self.levels[level].slots[slot]);
            self.levels[level].mark(slot, false);
            for (tick, item) in moving.drain(..) {
                self.insert(tick, item);
            }
            self.moving = moving;
        }
    }

    /// The next tick at which a slot falls due or moves down.
    fn next_tick(&self) -> Option<u64> {
        (0..LEVELS).filter_map(|level| self.next_tick_of(level)).min()
    }

    fn next_tick_of(&self, level: usize) -> Option<u64> {
        let bits = SLOT_BITS * u32::try_from(level).expect("four levels");
        let distance = self.levels[level].distance(slot_of(self.tick, level))? as u64;
        let begin = ((self.tick >> bits) + distance) << bits;
        Some(begin.max(self.tick))
    }

    /// When to come back at the latest: monotonic nanoseconds; `None`: no timer is armed.
    pub(crate) fn next_ns(&self) -> Option<u64> {
        if self.count == 0 { None } else { self.next_tick().map(|tick| tick << TICK_BITS) }
    }
}

/// The coarsest level whose slots still tell the two ticks apart.
fn level_of(now_tick: u64, tick: u64) -> usize {
    let differing = now_tick ^ tick;
    let level = (u64::BITS - differing.leading_zeros()).saturating_sub(1) / SLOT_BITS;
    (level as usize).min(LEVELS - 1)
}

fn slot_of(tick: u64, level: usize) -> usize {
    let bits = SLOT_BITS * u32::try_from(level).expect("four levels");
    usize::try_from((tick >> bits) % SLOTS as u64).expect("below SLOTS")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK_NS: u64 = 1 << TICK_BITS;

    /// Arms timers at random times, walks in random steps, and compares with a plain list.
    fn check(seed: u64, span_ns: u64, step_ns: u64) {
        let mut state = seed;
        let mut random = move |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % below.max(1)
        };
        let mut now_ns = 5_000_000_000_000 + seed;
        let mut wheel = Wheel::new(now_ns);
        let mut armed: Vec<u64> = Vec::new();
        let mut due = Vec::new();
        for _ in 0..2_000 {
            let at_ns = now_ns + random(span_ns);
            wheel.arm(at_ns, at_ns);
            armed.push(at_ns);
            now_ns += random(step_ns);
            wheel.take_due(now_ns, &mut due);
            for at_ns in due.drain(..) {
                assert!(at_ns <= now_ns, "early by {}", at_ns - now_ns);
                let place = armed.iter().position(|armed| *armed == at_ns).expect("taken once");
                armed.swap_remove(place);
            }
            for at_ns in &armed {
                assert!(at_ns + TICK_NS > now_ns, "late by {}", now_ns - at_ns);
            }
            let earliest = armed.iter().min().copied().unwrap_or(u64::MAX);
            assert!(wheel.next_ns().unwrap_or(u64::MAX) <= earliest.saturating_add(TICK_NS));
        }
    }

    #[test]
    fn timers_fire_once_in_time() {
        for seed in 0..4 {
            check(seed, 1_000_000, 300_000);
            check(seed, 100_000_000, 10_000_000);
            check(seed, 20_000_000_000, 1_000_000_000);
            check(seed, 3_600_000_000_000, 60_000_000_000);
            check(seed, 2_000_000_000_000_000, 5_000_000_000_000);
        }
    }

    #[test]
    fn sleeping_until_next_ns_always_ends_at_the_timer() {
        let mut wheel = Wheel::new(123_456_789);
        wheel.arm(7_200_000_000_000, ());
        let (mut due, mut wakes) = (Vec::new(), 0);
        while let Some(next_ns) = wheel.next_ns() {
            wheel.take_due(next_ns, &mut due);
            wakes += 1;
        }
        assert_eq!(due.len(), 1);
        assert!(wakes <= LEVELS, "{wakes} wakes for one timer");
    }

    #[test]
    fn a_past_time_is_due_at_once() {
        let mut wheel = Wheel::new(9 * TICK_NS);
        let mut due = Vec::new();
        wheel.take_due(20 * TICK_NS, &mut due);
        wheel.arm(3, 'x');
        wheel.take_due(21 * TICK_NS, &mut due);
        assert_eq!(due, ['x']);
    }
}
