//! Scrub: what rots in a file that is sealed is named to the operator, within a bounded time, though nobody reads it.

use super::{Checker, Verdict};
use crate::ledger::Ledger;
use crate::observation::Observation;

/// Judges what a node says of its disks.
#[derive(Debug)]
pub(super) struct Scrub;

impl Checker for Scrub {
    fn name(&self) -> &'static str {
        "scrub"
    }

    fn observe(&mut self, _known: &Ledger, seen: &Observation<'_>) -> Verdict {
        let Observation::RotUnnamed { words, for_ns } = *seen else { return Ok(()) };
        Err(format!("{words}, and was not named in {} s of peace", for_ns / 1_000_000_000))
    }
}

#[cfg(test)]
mod tests {
    use super::super::planted::Story;
    use crate::observation::Observation;

    #[test]
    fn it_speaks_of_rot_that_nobody_named() {
        let mut story = Story::new();
        story
            .oracle
            .saw(&Observation::RotUnnamed { words: "shard 1 rots", for_ns: 30_000_000_000 });
        story.speaks("scrub");
    }
}
