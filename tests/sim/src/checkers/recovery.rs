//! Recovery: a node starts again after every crash.

use super::{Checker, Verdict};
use crate::ledger::Ledger;
use crate::observation::Observation;

/// Judges starts.
#[derive(Debug)]
pub(super) struct Recovery;

impl Checker for Recovery {
    fn name(&self) -> &'static str {
        "recovery"
    }

    fn observe(&mut self, _known: &Ledger, seen: &Observation<'_>) -> Verdict {
        let Observation::StartRefused { words } = seen else { return Ok(()) };
        Err((*words).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::super::planted::Story;
    use crate::observation::Observation;

    #[test]
    fn it_speaks_of_a_node_that_does_not_start() {
        let mut story = Story::new();
        story.oracle.saw(&Observation::StartRefused { words: "shard 0 refuses to open" });
        story.speaks("recovery");
    }
}
