//! Memory: no part of what a shard holds is larger than the budget that the configuration prints.

use super::{Checker, Verdict};
use crate::ledger::Ledger;
use crate::observation::Observation;

/// Compares what a shard holds with its budget.
#[derive(Debug)]
pub(super) struct Memory;

impl Checker for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn observe(&mut self, _known: &Ledger, seen: &Observation<'_>) -> Verdict {
        let Observation::Holds { shard, parts } = *seen else { return Ok(()) };
        match parts.iter().find(|part| part.bytes > part.bytes_max) {
            Some(part) => {
                let (what, bytes, bytes_max) = (part.what, part.bytes, part.bytes_max);
                Err(format!("shard {shard}: {what} take {bytes} bytes; the budget is {bytes_max}"))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::planted::Story;
    use crate::observation::{Holding, Observation};
    use wire::ShardId;

    #[test]
    fn it_speaks_of_a_part_above_its_budget() {
        let mut story = Story::new();
        for bytes in [9, 10] {
            let parts = &[Holding { what: "batches", bytes, bytes_max: 10 }];
            story.oracle.saw(&Observation::Holds { shard: ShardId(0), parts });
        }
        story.is_silent();
        let parts = &[Holding { what: "batches", bytes: 11, bytes_max: 10 }];
        story.oracle.saw(&Observation::Holds { shard: ShardId(0), parts });
        story.speaks("memory");
    }
}
