//! Recovery: a node starts again after every crash, and finds all that was synced.
//!
//! What the drive had synced is never cut, and on a sound drive nothing is damaged.

use super::{Checker, Verdict};
use crate::ledger::Ledger;
use crate::observation::Observation;

/// Compares what recovery found with what the drive had synced.
#[derive(Debug)]
pub(super) struct Recovery;

impl Checker for Recovery {
    fn name(&self) -> &'static str {
        "recovery"
    }

    fn observe(&mut self, known: &Ledger, seen: &Observation<'_>) -> Verdict {
        match *seen {
            Observation::StartRefused { words } => Err(words.to_owned()),
            Observation::Recovered { shard, synced_end, found_end, damaged } => {
                // Also on a damaged drive: what cannot be read may have been there, and is passed over.
                if found_end < synced_end {
                    return Err(format!(
                        "shard {shard}: batches up to {synced_end} were synced, and recovery ends at {found_end}"
                    ));
                }
                if damaged > 0 && !known.has_wounds() {
                    return Err(format!(
                        "shard {shard}: {damaged} damaged ranges on a sound drive"
                    ));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::planted::Story;
    use crate::observation::Observation;
    use wire::ShardId;

    const fn recovered(found_end: u64, damaged: usize) -> Observation<'static> {
        Observation::Recovered { shard: ShardId(0), synced_end: 5, found_end, damaged }
    }

    #[test]
    fn it_speaks_of_a_node_that_does_not_start() {
        let mut story = Story::new();
        story.oracle.saw(&Observation::StartRefused { words: "shard 0 refuses to open" });
        story.speaks("recovery");
    }

    #[test]
    fn it_speaks_of_a_cut_into_what_was_synced() {
        let mut story = Story::new();
        story.oracle.saw(&recovered(5, 0));
        story.oracle.saw(&recovered(6, 0));
        story.is_silent();
        story.oracle.saw(&recovered(4, 0));
        story.speaks("recovery");
    }

    #[test]
    fn it_speaks_of_damage_on_a_sound_drive() {
        let mut story = Story::new();
        story.oracle.saw(&recovered(5, 1));
        story.speaks("recovery");
    }
}
