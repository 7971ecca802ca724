//! Store: one shard's storage as the broker uses it.
//!
//! ```text
//!   publish, note --> Log (gathering batch) --turn--> Plan::Flush --> flushed --> visible
//!        |                                                              |
//!     QueueIndex, Dedup, Positions (at once)              durable_end, receipts, deliveries
//! ```
//!
//! **One truth.** Everything that must survive is a section or a note in the
//! log: records, positions, leases, catalog changes, reserved offsets. What is
//! held in memory is what replaying the log gives; a snapshot
//! only shortens the replay, index files only the scan. So recovery is: read
//! the newest snapshot, replay from where it says, go on.
//!
//! **One step.** A publish is judged by dedup and appended in one call: nothing
//! happens between. State changes at once; what others may *see* of it waits:
//! `visible_end` for the flush of its batch, receipts and leases for
//! `durable_end` to pass the index they were given.
//!
//! **The life of a record** of a durable queue: in the gathering batch; in
//! flight; in a recent batch in memory, from where it is served without a copy;
//! in its segment, found by an entry in memory; in a sealed segment whose
//! entries lie in an index file; gone with its segment, when age or size says so.
//! A record of a memory queue is in its ring until its groups consumed it.
//!
//! | file | holds |
//! |---|---|
//! | `contract` | the values the broker gives and gets |
//! | `held` | what is kept in memory, and the most that may be |
//! | `start` | opening: snapshot, replay, what damage means for queues |
//! | `damage` | what damage met by a start means for queues and leases |
//! | `queues` | making and removing queues, their ends |
//! | `publish` | appending sections, to the log and to rings |
//! | `notes` | appending notes |
//! | `consume` | grants, acks, commits, nacks, resets |
//! | `reading` | records by offset: from memory, or by a planned read |
//! | `reader` | reads under way, and what earlier ones brought |
//! | `patience` | how long what cannot be read is tried again |
//! | `walk` | the batches of a sealed segment, in pieces |
//! | `rebuild` | an index file made again from its segment |
//! | `segments` | which segments have their entries in memory, which beside them |
//! | `cooling` | writing the index file of a sealed segment, in chunks |
//! | `snapshots` | taking a snapshot, in chunks |
//! | `retention` | what goes by age and by size |
//! | `scrub` | everything sealed is read once in a period |
//! | `findings` | damage met while the store runs: quarantined, named, told once |
//! | `turns` | the turn's end: flush, prepare, chunks of background work |
//!
//! Invariants:
//!   1. What a crash may take away is not visible, not acknowledged and in no snapshot.
//!   2. An offset is never given out twice, nor an epoch granted twice.
//!   3. A segment goes only when the newest durable snapshot covers it.
//!   4. No turn does more than a bounded piece of background work.
//!
//! Lives on its shard; called by its broker alone. No IO, no clock. A publish,
//! an ack, a read from memory allocate nothing once buffers are warm.

mod ahead;
mod consume;
mod contract;
mod cooling;
mod damage;
mod findings;
mod held;
mod notes;
mod patience;
mod publish;
mod queues;
mod reader;
mod reading;
mod rebuild;
mod retention;
mod scrub;
mod segments;
mod snapshots;
mod start;
mod turns;
mod walk;

#[cfg(test)]
mod tests;

pub use crate::positions::Position;
pub use contract::{
    DamagedRange, GapReason, NoteRefused, OpenError, Opened, Publish, PublishRefused, Published,
    QueueEnds, QueueLevel, Read, RecoveryReport, StoreConfig,
};
pub use held::Held;

pub(crate) use start::read_file;

use crate::dedup::Dedup;
use crate::log::Log;
use crate::memory::Pool;
use crate::plan::OpIds;
use crate::positions::Positions;
use crate::queue::Queue;
use bytes::Bytes;
use std::collections::BTreeMap;
use wire::{LogIndex, QueueId, Term};

/// One shard's storage: log, queues, positions, dedup.
#[derive(Debug)]
pub struct Store {
    config: StoreConfig,
    log: Log,
    ops: OpIds,
    queues: BTreeMap<QueueId, Queue>,
    positions: Positions,
    dedup: Dedup,
    /// The bytes of all memory queues.
    pool: Pool,
    catalog: Catalog,
    segments: segments::Segments,
    reader: reader::Reader,
    notes: notes::Notes,
    flush: turns::FlushWish,
    cooling: cooling::Cooling,
    snapshots: snapshots::Snapshots,
    sweep: retention::Sweep,
    scrub: scrub::Scrub,
    findings: findings::Findings,
    counts: Counts,
    /// Damage was met at the start: a queue nobody knows may have had records in it.
    log_damaged: bool,
    /// Newest acceptance stamp: stamps never go back within a log.
    accepted_ns: u64,
    /// Of the last turn, monotonic.
    now_ns: u64,
}

/// Every change of the catalog, oldest first.
#[derive(Debug, Default)]
struct Catalog {
    changes: Vec<Bytes>,
    bytes: usize,
}

/// What happened, for `stats`.
#[derive(Debug, Default)]
struct Counts {
    sections: u64,
    duplicates: u64,
    notes: u64,
    reads_from_recent: u64,
    reads_ahead: u64,
    reads_from_cache: u64,
    reads_from_disk: u64,
    reads_failed: u64,
    damaged_batches: u64,
    indexes_rebuilt: u64,
    snapshots: u64,
    segments_aged_out: u64,
    segments_sized_out: u64,
    memory_dropped: u64,
    recovery_batches: u64,
    recovery_cut_bytes: u64,
    recovery_damaged: u64,
}

impl Catalog {
    fn push(&mut self, change: &[u8]) {
        self.bytes += change.len();
        self.changes.push(Bytes::copy_from_slice(change));
    }
}

impl Store {
    /// Exclusive end of the synced log.
    pub fn durable_end(&self) -> LogIndex {
        self.log.durable_end()
    }

    /// The log's term.
    pub fn term(&self) -> Term {
        self.log.term()
    }

    /// What the scrub did, by the full names of its metrics.
    pub fn scrub_counters(&self) -> [(&'static str, u64); 5] {
        [
            ("defibus_scrub_bytes_total", self.scrub.bytes),
            ("defibus_scrub_passes_total", self.scrub.passes),
            ("defibus_scrub_damaged_blocks_total", self.findings.blocks),
            ("defibus_scrub_unread_blocks_total", self.findings.unread_blocks),
            ("defibus_scrub_last_pass_seconds", self.scrub.last_pass_seconds),
        ]
    }

    /// Counters for `stats`, by name.
    pub fn counters(&self) -> Vec<(&'static str, u64)> {
        let usage = self.log.usage();
        let count = |count: usize| count as u64;
        vec![
            ("log_bytes", usage.bytes),
            ("log_bytes_max", usage.bytes_max),
            ("log_segments", count(usage.segments)),
            ("log_segments_prepared", count(usage.prepared)),
            ("log_full", u64::from(usage.full)),
            ("log_durable_end", self.log.durable_end().0),
            ("log_appended_end", self.log.appended_end().0),
            ("queues", count(self.queues.len())),
            ("positions", count(self.positions.count())),
            ("dedup_windows", count(self.dedup.count())),
            ("memory_bytes", count(self.pool.used_bytes())),
            ("memory_bytes_max", count(self.pool.bytes_max())),
            ("memory_records_dropped", self.counts.memory_dropped),
            ("read_cache_bytes", count(self.reader.bytes())),
            ("sections", self.counts.sections),
            ("duplicates", self.counts.duplicates),
            ("notes", self.counts.notes),
            ("reads_from_recent", self.counts.reads_from_recent),
            ("reads_ahead", self.counts.reads_ahead),
            ("reads_from_cache", self.counts.reads_from_cache),
            ("reads_from_disk", self.counts.reads_from_disk),
            ("reads_failed", self.counts.reads_failed),
            ("damaged_batches", self.counts.damaged_batches),
            ("indexes_rebuilt", self.counts.indexes_rebuilt),
            ("snapshots", self.counts.snapshots),
            ("segments_aged_out", self.counts.segments_aged_out),
            ("segments_sized_out", self.counts.segments_sized_out),
            ("recovery_batches", self.counts.recovery_batches),
            ("recovery_cut_bytes", self.counts.recovery_cut_bytes),
            ("recovery_damaged_ranges", self.counts.recovery_damaged),
        ]
    }
}
