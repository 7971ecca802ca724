//! inspect: read a data directory offline: segments, batches, queues, damage by position.

use crate::audit::{self, AuditRow, Damage, LostOffsets};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::offline::{OfflineShard, shards_of};
use crate::output::{Printer, Report, Row, fields, table};
use crate::quantity::bytes_text;
use clap::Args;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use storage::inspect::{self, BatchReport, Depth, QueueRange, SegmentReport, SegmentState};
use storage::store::{DamagedRange, OpenError};
use wire::{ErrorCode, TopicId};

/// Topics by number.
type Names = BTreeMap<TopicId, String>;
/// What reads topics' names from shard 0's catalog: its words are routing's, which tools do not know.
pub type TopicNames = fn(&inspect::Report) -> BTreeMap<TopicId, String>;

/// Options of `inspect`.
#[derive(Clone, Debug, Args)]
pub struct Inspect {
    /// The data directory of a node that does not run
    pub dir: PathBuf,
    /// Read every byte and check every checksum
    #[arg(long)]
    pub verify: bool,
    /// Also print every batch that was read
    #[arg(long)]
    pub batches: bool,
}

/// A segment as it is printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct SegmentRow {
    shard: u16,
    segment: u64,
    state: &'static str,
    bytes: u64,
    first_batch: u64,
    end_batch: u64,
    sections: u64,
    records: u64,
}

/// A batch as it is printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct BatchRow {
    shard: u16,
    batch: u64,
    segment: u64,
    position: u32,
    bytes: u32,
    sections: u32,
    records: u64,
}

/// A queue as it is printed; the topic is empty where the catalog does not know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct QueueRow {
    shard: u16,
    topic: String,
    topic_id: u32,
    queue: u16,
    first: u64,
    end: u64,
}

/// Damage as it is printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct DamageRow {
    shard: u16,
    file: String,
    position: u64,
    bytes: u64,
    what: String,
    /// Offsets that cannot be served for it, as far as they are known.
    lost: Vec<LostOffsets>,
    /// Never acknowledged: the next start cuts it off.
    torn: bool,
}

/// One shard's head.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct ShardRow {
    shard: u16,
    node_id: Option<String>,
    incarnation: u64,
    term: u64,
    synced_end: u64,
    snapshot_from: u64,
    snapshots: usize,
    superblock_copies: usize,
}

/// What a directory holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct DirectoryReport {
    path: String,
    verified: bool,
    damaged: usize,
    shards: Vec<ShardRow>,
    segments: Vec<SegmentRow>,
    queues: Vec<QueueRow>,
    damage: Vec<DamageRow>,
    audit: Vec<AuditRow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    batches: Option<Vec<BatchRow>>,
}

impl Inspect {
    /// Reads it. Ends with 1 if anything is damaged.
    ///
    /// # Errors
    /// A node runs there, or it is no data directory of this release.
    pub fn run(&self, printer: &mut Printer<'_>, names: TopicNames) -> Result<Exit, Failure> {
        let _held = hold(&self.dir)?;
        let shards =
            shards_of(&self.dir).map_err(|error| Failure::file(self.dir.display(), &error))?;
        if shards.is_empty() {
            let cause = format!("{}: there is no shard in it", self.dir.display());
            return Err(Failure::new(ErrorCode::FileUnreadable, cause)
                .with_fix("name the data directory of a node"));
        }
        let mut report = DirectoryReport {
            path: self.dir.display().to_string(),
            verified: self.verify,
            batches: self.batches.then(Vec::new),
            ..DirectoryReport::default()
        };
        let depth = if self.verify { Depth::Verify } else { Depth::Overview };
        let mut known = BTreeMap::new();
        for (shard, path) in shards {
            let found = inspect::inspect(&mut OfflineShard::new(&path), depth)
                .map_err(|error| failure_of(&path, &error))?;
            // Shard 0 keeps the catalog, and comes first.
            if shard == 0 {
                known = names(&found);
            }
            report.add(shard, &found, &known);
        }
        report.audit = audit::rows(&std::fs::read(self.dir.join(audit::FILE)).unwrap_or_default());
        printer.report(&report)?;
        let is_sound = report.damaged == 0 && !audit::is_damaged(&report.audit);
        Ok(if is_sound { Exit::Done } else { Exit::Failed })
    }
}

/// Keeps a node from starting while its directory is read; refuses where one runs.
fn hold(dir: &Path) -> Result<Option<File>, Failure> {
    let Ok(lock) = File::open(dir.join("lock")) else { return Ok(None) };
    match lock.try_lock_shared() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => {
            let cause = format!("a node runs on {}", dir.display());
            Err(Failure::new(ErrorCode::DataDirLocked, cause)
                .with_fix("stop it, or inspect a copy"))
        }
        Err(TryLockError::Error(error)) => Err(Failure::file(dir.display(), &error)),
    }
}

fn failure_of(path: &Path, error: &OpenError) -> Failure {
    let place = path.display();
    match error {
        OpenError::Disk(fault) => {
            Failure::new(ErrorCode::FileUnreadable, format!("{place}: {fault:?}"))
        }
        OpenError::UnknownFormat { version } => {
            Failure::new(ErrorCode::FormatUnknown, format!("{place}: format {version}"))
        }
        OpenError::Foreign { found } => {
            Failure::new(ErrorCode::DataDirForeign, format!("{place}: of {found}"))
        }
        OpenError::Damaged { range } => Failure::new(
            ErrorCode::DataDirDamaged,
            format!("{place}: {} at byte {}: {}", range.file, range.position, range.what),
        ),
    }
}

impl DirectoryReport {
    fn add(&mut self, shard: u16, found: &inspect::Report, names: &Names) {
        self.shards.push(ShardRow::of(shard, found));
        self.queues.extend(found.queues.iter().map(|queue| QueueRow::of(shard, queue, names)));
        let damage = found.damage.iter().map(|range| DamageRow::of(shard, range, names));
        self.damage.extend(damage);
        let torn = found.torn.iter().map(|range| DamageRow::of(shard, range, names));
        self.damage.extend(torn.map(|row| DamageRow { torn: true, ..row }));
        self.damaged += found.damage.len();
        for segment in &found.segments {
            self.segments.push(SegmentRow::of(shard, segment));
            if let Some(batches) = &mut self.batches {
                batches.extend(segment.batches.iter().map(|batch| BatchRow::of(shard, batch)));
            }
        }
    }
}

impl ShardRow {
    fn of(shard: u16, found: &inspect::Report) -> Self {
        let head = Self {
            shard,
            snapshots: found.snapshots.len(),
            superblock_copies: found.superblock_copies,
            ..Self::default()
        };
        match &found.superblock {
            None => head,
            Some(superblock) => Self {
                node_id: Some(format!("{:032x}", superblock.node_id)),
                incarnation: superblock.incarnation,
                term: superblock.term.0,
                synced_end: superblock.synced_end.0,
                snapshot_from: superblock.snapshot_from.0,
                ..head
            },
        }
    }
}

impl SegmentRow {
    fn of(shard: u16, segment: &SegmentReport) -> Self {
        Self {
            shard,
            segment: segment.number,
            state: match segment.state {
                SegmentState::Empty => "empty",
                SegmentState::Open => "open",
                SegmentState::Sealed => "sealed",
                SegmentState::Unreadable => "unreadable",
            },
            bytes: segment.bytes,
            first_batch: segment.base.0,
            end_batch: segment.end.0,
            sections: segment.section_count,
            records: segment.record_count,
        }
    }
}

impl BatchRow {
    fn of(shard: u16, batch: &BatchReport) -> Self {
        Self {
            shard,
            batch: batch.place.index.0,
            segment: batch.place.segment,
            position: batch.place.position,
            bytes: batch.place.bytes,
            sections: batch.section_count,
            records: batch.record_count,
        }
    }
}

impl QueueRow {
    fn of(shard: u16, range: &QueueRange, names: &Names) -> Self {
        let LostOffsets { shard, topic, topic_id, queue, first, end } =
            LostOffsets::of(shard, range, names);
        Self { shard, topic, topic_id, queue, first, end }
    }
}

impl DamageRow {
    fn of(shard: u16, range: &DamagedRange, names: &Names) -> Self {
        let lost = range.lost.iter().map(|lost| LostOffsets::of(shard, lost, names)).collect();
        let Damage { shard, file, position, bytes, what } = Damage::of(shard, range);
        Self { shard, file, position, bytes, what, lost, torn: false }
    }
}

fn numbers(numbers: &[u64]) -> Vec<String> {
    numbers.iter().map(u64::to_string).collect()
}

impl Row for ShardRow {
    const COLUMNS: &'static [&'static str] =
        &["SHARD", "INCARNATION", "TERM", "SYNCED END", "SNAPSHOT FROM", "SNAPSHOTS", "COPIES"];

    fn cells(&self) -> Vec<String> {
        let mut cells = numbers(&[
            u64::from(self.shard),
            self.incarnation,
            self.term,
            self.synced_end,
            self.snapshot_from,
        ]);
        cells.extend([self.snapshots.to_string(), format!("{} of 4", self.superblock_copies)]);
        cells
    }
}

impl Row for SegmentRow {
    const COLUMNS: &'static [&'static str] =
        &["SHARD", "SEGMENT", "STATE", "SIZE", "FIRST BATCH", "END BATCH", "SECTIONS", "RECORDS"];

    fn cells(&self) -> Vec<String> {
        let mut cells = vec![self.shard.to_string(), self.segment.to_string()];
        cells.extend([self.state.to_owned(), bytes_text(self.bytes)]);
        cells.extend(numbers(&[self.first_batch, self.end_batch, self.sections, self.records]));
        cells
    }
}

impl Row for BatchRow {
    const COLUMNS: &'static [&'static str] =
        &["SHARD", "BATCH", "SEGMENT", "POSITION", "BYTES", "SECTIONS", "RECORDS"];

    fn cells(&self) -> Vec<String> {
        let Self { shard, batch, segment, position, bytes, sections, records } = self;
        numbers(&[
            u64::from(*shard),
            *batch,
            *segment,
            u64::from(*position),
            u64::from(*bytes),
            u64::from(*sections),
            *records,
        ])
    }
}

impl Row for QueueRow {
    const COLUMNS: &'static [&'static str] =
        &["SHARD", "TOPIC", "TOPIC ID", "QUEUE", "FIRST", "END"];

    fn cells(&self) -> Vec<String> {
        let Self { shard, topic, topic_id, queue, first, end } = self;
        let mut cells = vec![shard.to_string(), topic.clone()];
        cells.extend(numbers(&[u64::from(*topic_id), u64::from(*queue), *first, *end]));
        cells
    }
}

impl Row for DamageRow {
    const COLUMNS: &'static [&'static str] =
        &["SHARD", "FILE", "POSITION", "BYTES", "KIND", "WHAT", "LOST"];

    fn cells(&self) -> Vec<String> {
        let mut cells = vec![self.shard.to_string(), self.file.clone()];
        cells.extend(numbers(&[self.position, self.bytes]));
        let kind = if self.torn { "torn" } else { "damage" };
        let lost: Vec<String> = self.lost.iter().map(ToString::to_string).collect();
        cells.extend([kind.to_owned(), self.what.clone(), lost.join("; ")]);
        cells
    }
}

impl Report for DirectoryReport {
    fn describe(&self) -> String {
        let depth = if self.verified { "every byte" } else { "headers, footers and open segments" };
        let head = fields(&[
            ("path", self.path.clone()),
            ("read", depth.to_owned()),
            ("damaged", self.damaged.to_string()),
        ]);
        let mut parts = vec![head, table(&self.shards), table(&self.segments), table(&self.queues)];
        if !self.damage.is_empty() {
            parts.push(table(&self.damage));
        }
        if !self.audit.is_empty() {
            parts.push(table(&self.audit));
        }
        parts.extend(self.batches.iter().map(|batches| table(batches)));
        parts.join("\n\n")
    }
}
