//! Liveness: when the faults are over, everything converges in bounded time.

use super::{Checker, Verdict};
use crate::ledger::Ledger;
use crate::observation::Observation;

/// Says what the world saw: it has the clock and the calendar.
#[derive(Debug)]
pub(super) struct Liveness;

impl Checker for Liveness {
    fn name(&self) -> &'static str {
        "liveness"
    }

    fn observe(&mut self, _known: &Ledger, seen: &Observation<'_>) -> Verdict {
        let Observation::Unfinished { words } = seen else { return Ok(()) };
        Err((*words).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::super::planted::Story;
    use crate::observation::Observation;

    #[test]
    fn it_speaks_of_a_run_without_an_end() {
        let mut story = Story::new();
        story.oracle.saw(&Observation::Unfinished { words: "not finished: producer 1" });
        story.speaks("liveness");
    }
}
