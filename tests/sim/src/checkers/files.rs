//! Files: nothing is deleted but what retention may take, or what holds nothing.

use super::{Checker, Verdict};
use crate::disk::Removal;
use crate::ledger::Ledger;
use crate::observation::Observation;
use storage::plan::FileName;

/// Judges removals by what the disk held at that moment.
#[derive(Debug)]
pub(super) struct Files;

/// Why a file may not go, if it may not. No run is as long as the retention by age.
fn objection(removal: &Removal, log_bytes_max: u64) -> Option<&'static str> {
    match removal.file {
        FileName::Superblock => Some("it is the superblock"),
        // Made again from its segment when somebody asks.
        FileName::Index(_) => None,
        FileName::Snapshot(_) => (!removal.has_newer_snapshot).then_some("it is the newest"),
        FileName::Segment(_) if removal.synced_batches == 0 => None,
        FileName::Segment(_) if !removal.is_oldest => Some("an older one stays"),
        FileName::Segment(_) => {
            (!removal.fills_up(log_bytes_max)).then_some("the log had room, and it was not old")
        }
    }
}

impl Checker for Files {
    fn name(&self) -> &'static str {
        "files"
    }

    fn observe(&mut self, _known: &Ledger, seen: &Observation<'_>) -> Verdict {
        let Observation::Removed { shard, removal, log_bytes_max } = *seen else { return Ok(()) };
        match objection(removal, log_bytes_max) {
            Some(why) => Err(format!("shard {shard} deleted a file, and {why}: {removal:?}")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::planted::Story;
    use crate::disk::Removal;
    use crate::observation::Observation;
    use storage::plan::FileName;
    use wire::ShardId;

    const OLDEST: Removal = Removal {
        file: FileName::Segment(4),
        synced_batches: 3,
        is_oldest: true,
        segments_bytes: 10,
        segment_bytes: 2,
        has_newer_snapshot: false,
    };

    /// Says that a file was removed from a log that may have so many bytes.
    fn removed(removal: Removal, log_bytes_max: u64) -> Story {
        let mut story = Story::new();
        let (shard, removal) = (ShardId(1), &removal);
        story.oracle.saw(&Observation::Removed { shard, removal, log_bytes_max });
        story
    }

    #[test]
    fn retention_takes_the_oldest_segment_of_a_full_log() {
        removed(OLDEST, 11).is_silent();
        removed(OLDEST, 12).speaks("files");
        removed(Removal { is_oldest: false, ..OLDEST }, 11).speaks("files");
    }

    #[test]
    fn what_holds_nothing_goes_at_any_time() {
        removed(Removal { synced_batches: 0, ..OLDEST }, 100).is_silent();
        removed(Removal { file: FileName::Index(4), ..OLDEST }, 100).is_silent();
    }

    #[test]
    fn the_newest_snapshot_and_the_superblock_stay() {
        let snapshot = Removal { file: FileName::Snapshot(7), ..OLDEST };
        removed(Removal { has_newer_snapshot: true, ..snapshot }, 100).is_silent();
        removed(snapshot, 11).speaks("files");
        removed(Removal { file: FileName::Superblock, ..OLDEST }, 11).speaks("files");
    }
}
