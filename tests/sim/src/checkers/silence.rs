//! Silence: a connection that lost a direction is found out by whoever hears nothing.

use super::{Checker, Verdict};
use crate::ledger::Ledger;
use crate::observation::Observation;

/// Judges half-open connections.
#[derive(Debug)]
pub(super) struct Silence;

impl Checker for Silence {
    fn name(&self) -> &'static str {
        "silence"
    }

    fn observe(&mut self, _known: &Ledger, seen: &Observation<'_>) -> Verdict {
        let Observation::StillOpen { words } = seen else { return Ok(()) };
        Err((*words).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::super::planted::Story;
    use crate::observation::Observation;

    #[test]
    fn it_speaks_of_a_connection_that_nobody_found() {
        let mut story = Story::new();
        story.oracle.saw(&Observation::StillOpen { words: "half open" });
        story.speaks("silence");
    }
}
