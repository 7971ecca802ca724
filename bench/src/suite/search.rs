//! Search: the highest rate that can be sustained, by trying few.
//!
//! A rate is sustained if everything due was sent, answered and delivered while it
//! lasted: no backlog grew. The first guess comes from a closed loop, which cannot
//! build one; then the bounds close in until they are as near as is asked for.

/// Rates tried at most.
pub const TRIES_MAX: usize = 10;
/// The bounds are near enough when the upper is so much of the lower.
const NEAR: f64 = 1.06;
/// What is tried of a first guess: a closed loop's rate is seldom quite sustained.
const FIRST: f64 = 0.9;

/// The highest sustained rate that was found from `guess` on; `None`: none was sustained.
///
/// # Errors
/// What `sustains` failed with.
pub fn highest<E>(
    guess: f64,
    mut sustains: impl FnMut(f64) -> Result<bool, E>,
) -> Result<Option<f64>, E> {
    let (mut sustained, mut refused): (Option<f64>, Option<f64>) = (None, None);
    let mut rate = guess * FIRST;
    for _ in 0..TRIES_MAX {
        if sustains(rate)? {
            sustained = Some(rate);
        } else {
            refused = Some(rate);
        }
        rate = match (sustained, refused) {
            (Some(low), Some(high)) if high / low <= NEAR => break,
            (Some(low), Some(high)) => f64::midpoint(low, high),
            (Some(low), None) => low * 1.2,
            (None, Some(high)) => high * 0.6,
            (None, None) => break,
        };
    }
    Ok(sustained)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Searches a bus that sustains up to `capacity`; returns what was found and how many tries it took.
    fn search(guess: f64, capacity: f64) -> (Option<f64>, usize) {
        let mut tries = 0;
        let found = highest(guess, |rate| {
            tries += 1;
            Ok::<bool, ()>(rate <= capacity)
        });
        (found.expect("never fails"), tries)
    }

    #[test]
    fn what_is_found_is_sustained_and_near_the_highest() {
        for guess in [1000.0, 800.0, 1500.0, 3000.0, 400.0] {
            let (found, tries) = search(guess, 1000.0);
            let found = found.expect("there is one");
            assert!((1000.0 / NEAR..=1000.0).contains(&found), "{found} from {guess}");
            assert!(tries <= TRIES_MAX);
        }
    }

    #[test]
    fn a_bus_that_sustains_nothing_is_told_and_the_tries_are_bounded() {
        assert_eq!(search(1000.0, 0.0), (None, TRIES_MAX));
        let (found, tries) = search(1.0, f64::INFINITY);
        assert!(found.is_some() && tries == TRIES_MAX);
    }

    #[test]
    fn a_failure_ends_the_search() {
        assert_eq!(highest(5.0, |_| Err("gone")), Err("gone"));
    }
}
