//! Queues: which offsets are there, and which damage hides the others.
//!
//! Offsets of a queue are given out one after another. So where its sections do
//! not meet, what lies between was in the damage met since the last of them.

use crate::plan::FileName;
use crate::queue::Queue;
use crate::recovery::OFFSETS_SKIPPED;
use crate::segment::QueueRange;
use crate::store::DamagedRange;
use std::collections::BTreeMap;
use wire::{LogIndex, Offset, QueueId};

/// What is known of one queue so far.
#[derive(Clone, Copy, Debug)]
struct Seen {
    /// Its first offset that was read, once one was.
    first: Option<Offset>,
    /// Where its next section is expected.
    end: Offset,
    /// Damages that were met before its last section.
    damages: usize,
}

/// The queues of a shard, as its log is read from front to back.
#[derive(Debug)]
pub(super) struct Queues {
    seen: BTreeMap<QueueId, Seen>,
    /// Their ends by the snapshot.
    ends: BTreeMap<QueueId, Offset>,
    /// From here on a queue that nobody knew began with offset 0.
    all_known_from: LogIndex,
    /// The newest damage that a start has to pass over.
    newest_live: Option<usize>,
}

impl Queues {
    /// As a snapshot knows them that ends at `from`; the log begins with this segment and batch.
    pub(super) fn new(
        known: &[(QueueId, Queue)],
        from: LogIndex,
        (segment, base): (u64, LogIndex),
    ) -> Self {
        let durable = || known.iter().filter(|(_, queue)| queue.memory.is_none());
        let expected = |(id, queue): &(QueueId, Queue)| {
            let start = queue.expected_start(segment)?;
            Some((*id, Seen { first: None, end: start, damages: 0 }))
        };
        Self {
            seen: durable().filter_map(expected).collect(),
            ends: durable().map(|(id, queue)| (*id, queue.end)).collect(),
            all_known_from: if base == LogIndex(0) { base } else { from },
            newest_live: None,
        }
    }

    /// The last of these damages has to be passed over by a start.
    pub(super) fn met_live(&mut self, damage: &[DamagedRange]) {
        self.newest_live = damage.len().checked_sub(1);
    }

    /// Sections of a queue stand in this batch or segment, one after another.
    pub(super) fn extend(
        &mut self,
        range: QueueRange,
        (file, index): (FileName, LogIndex),
        damage: &mut Vec<DamagedRange>,
    ) {
        let QueueRange { queue, first, end } = range;
        let is_known = index >= self.all_known_from;
        let start = if is_known { Offset(0) } else { first };
        let unseen = Seen { first: None, end: start, damages: 0 };
        let seen = self.seen.entry(queue).or_insert(unseen);
        if first > seen.end {
            let lost = QueueRange { queue, first: seen.end, end: first };
            name(damage, seen.damages, lost, file);
        }
        seen.first.get_or_insert(first);
        seen.end = seen.end.max(end);
        seen.damages = damage.len();
    }

    /// A footer knows that a queue went on to `range.end`, though its sections cannot be read.
    pub(super) fn ended(
        &mut self,
        range: QueueRange,
        file: FileName,
        damage: &mut Vec<DamagedRange>,
    ) {
        let QueueRange { queue, first, end } = range;
        let unseen = Seen { first: None, end: first, damages: 0 };
        let seen = self.seen.entry(queue).or_insert(unseen);
        if seen.end < end && damage.len() > seen.damages {
            name(damage, seen.damages, QueueRange { queue, first: seen.end, end }, file);
            seen.end = end;
        }
    }

    /// What each queue has; names what was lost behind its last section.
    pub(super) fn finish(mut self, damage: &mut Vec<DamagedRange>) -> Vec<QueueRange> {
        for (queue, end) in std::mem::take(&mut self.ends) {
            self.seen.entry(queue).or_insert(Seen { first: None, end, damages: 0 });
            self.name_tail(queue, end, damage);
        }
        for queue in self.seen.keys().copied().collect::<Vec<_>>() {
            self.name_tail(queue, Offset(0), damage);
        }
        let ranges = self.seen.into_iter().filter_map(|(queue, seen)| {
            let first = seen.first?;
            Some(QueueRange { queue, first, end: seen.end })
        });
        ranges.collect()
    }

    /// A start goes on far behind what damage may have taken: so far it is lost.
    fn name_tail(&mut self, queue: QueueId, known_end: Offset, damage: &mut Vec<DamagedRange>) {
        let Some(seen) = self.seen.get_mut(&queue) else { return };
        let is_skipped = self.newest_live.is_some_and(|newest| newest >= seen.damages);
        let known_end = known_end.max(seen.end);
        let end = if is_skipped { known_end.plus(OFFSETS_SKIPPED) } else { known_end };
        if end > seen.end && damage.len() > seen.damages {
            name(
                damage,
                seen.damages,
                QueueRange { queue, first: seen.end, end },
                FileName::Superblock,
            );
            seen.damages = damage.len();
        }
    }
}

/// Adds lost offsets to every damage from `from` on; makes one where nothing else was found.
fn name(damage: &mut Vec<DamagedRange>, from: usize, lost: QueueRange, file: FileName) {
    if damage.len() == from {
        let what = "offsets are missing here".to_owned();
        damage.push(DamagedRange::new(file, 0, 0, what));
    }
    for range in &mut damage[from..] {
        range.lost.push(lost);
    }
}

impl Queue {
    /// The first offset a log should have that begins with `segment`; `None`: the snapshot cannot tell.
    fn expected_start(&self, segment: u64) -> Option<Offset> {
        let alive = self.index.runs.iter().find(|run| run.segment >= segment);
        match (alive, self.index.runs.is_empty()) {
            (Some(run), _) => Some(run.first_offset),
            (None, true) => Some(self.start),
            (None, false) => None,
        }
    }
}
