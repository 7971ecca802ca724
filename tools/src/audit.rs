//! Audit: what a data directory keeps of losses that an operator accepted.
//!
//! The file `audit` of the directory: a line of JSON for each start with
//! `--accept-loss` that gave something up (`storage::audit` has its checksums).
//! The node writes it before it changes anything; `inspect` prints it.

use crate::output::Row;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use storage::audit::Trail;
use storage::inspect::QueueRange;
use storage::store::DamagedRange;
use wire::TopicId;

/// The file's name in a data directory.
pub const FILE: &str = "audit";

const SECOND_NS: u64 = 1_000_000_000;
const DAY_SECONDS: u64 = 86_400;

/// A loss that was accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedLoss {
    /// When, wall nanoseconds.
    pub at_ns: u64,
    /// The same for people, UTC.
    pub at: String,
    /// The user the node ran as.
    pub uid: u32,
    /// That user's name, where the system knows one.
    pub user: Option<String>,
    /// The release that did it.
    pub release: String,
    /// What could not be read.
    pub damage: Vec<Damage>,
    /// Offsets that are told as damage since, as far as they are known.
    pub lost: Vec<LostOffsets>,
}

/// A damaged range of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damage {
    /// Whose file.
    pub shard: u16,
    /// Its path in the shard's directory.
    pub file: String,
    /// First byte.
    pub position: u64,
    /// Length in bytes; 0: not known.
    pub bytes: u64,
    /// What is wrong, with the batches it is about.
    pub what: String,
}

/// Offsets of a queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostOffsets {
    /// The queue's shard.
    pub shard: u16,
    /// Its topic; empty where the catalog does not know it.
    pub topic: String,
    /// Its topic's number.
    pub topic_id: u32,
    /// Its number in the topic.
    pub queue: u16,
    /// First offset.
    pub first: u64,
    /// Exclusive end.
    pub end: u64,
}

/// A line of the file as `inspect` prints it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditRow {
    /// Whether it checks.
    is_whole: bool,
    /// What it says, if it can be read.
    #[serde(flatten)]
    loss: Option<AcceptedLoss>,
}

impl Damage {
    /// Of a shard.
    pub fn of(shard: u16, range: &DamagedRange) -> Self {
        let DamagedRange { file, position, bytes, what, lost: _ } = range.clone();
        Self { shard, file: file.to_string(), position, bytes, what }
    }
}

impl LostOffsets {
    /// A range of a queue of this shard, under its topic's name.
    pub fn of(shard: u16, range: &QueueRange, names: &BTreeMap<TopicId, String>) -> Self {
        let topic = range.queue.topic();
        Self {
            shard,
            topic: names.get(&topic).cloned().unwrap_or_default(),
            topic_id: topic.0,
            queue: range.queue.number(),
            first: range.first.0,
            end: range.end.0,
        }
    }
}

impl std::fmt::Display for LostOffsets {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { topic, topic_id, queue, first, end, .. } = self;
        match topic.as_str() {
            "" => write!(formatter, "topic {topic_id}")?,
            name => formatter.write_str(name)?,
        }
        write!(formatter, " queue {queue} offsets {first}..{end}")
    }
}

impl AcceptedLoss {
    /// The same at this moment, wall nanoseconds.
    #[must_use]
    pub fn stamped(self, at_ns: u64) -> Self {
        Self { at_ns, at: utc(at_ns), ..self }
    }
}

/// The lines of an audit file.
pub fn rows(bytes: &[u8]) -> Vec<AuditRow> {
    let trail = Trail::read(bytes);
    let row = |line: storage::audit::Line| AuditRow {
        is_whole: line.is_whole,
        loss: serde_json::from_str(&line.text).ok(),
    };
    trail.lines.into_iter().map(row).collect()
}

/// Whether some line is not as it was written.
pub fn is_damaged(rows: &[AuditRow]) -> bool {
    rows.iter().any(|row| !row.is_whole || row.loss.is_none())
}

impl Row for AuditRow {
    const COLUMNS: &'static [&'static str] = &["ACCEPTED AT", "BY", "RELEASE", "CHECKS", "WHAT"];

    fn cells(&self) -> Vec<String> {
        let checks = if self.is_whole { "yes" } else { "no" }.to_owned();
        let Some(loss) = &self.loss else {
            let unknown = || "?".to_owned();
            return vec![unknown(), unknown(), unknown(), checks, "it cannot be read".to_owned()];
        };
        let by = loss.user.clone().unwrap_or_else(|| loss.uid.to_string());
        let damage = loss.damage.iter();
        let what =
            damage.map(|range| format!("shard {} {}: {}", range.shard, range.file, range.what));
        let offsets = loss.lost.iter().map(ToString::to_string);
        let what = what.chain(offsets).collect::<Vec<_>>().join("; ");
        vec![loss.at.clone(), by, loss.release.clone(), checks, what]
    }
}

/// A wall clock's time in the form of RFC 3339.
fn utc(at_ns: u64) -> String {
    let seconds = at_ns / SECOND_NS;
    let (days, second) = (seconds / DAY_SECONDS, seconds % DAY_SECONDS);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Year, month and day so many days after 1970-01-01, after Howard Hinnant's `civil_from_days`.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_people_write_them() {
        let check = |seconds: u64, text: &str| assert_eq!(utc(seconds * SECOND_NS), text);
        check(0, "1970-01-01T00:00:00Z");
        check(951_782_399, "2000-02-28T23:59:59Z");
        check(951_782_400, "2000-02-29T00:00:00Z");
        check(1_795_768_265, "2026-11-27T08:31:05Z");
    }

    #[test]
    fn a_line_reads_back_and_a_changed_one_is_told() {
        let loss = AcceptedLoss { release: "1".to_owned(), ..AcceptedLoss::default() }.stamped(5);
        let text = serde_json::to_string(&loss).expect("plain fields");
        let mut bytes = Trail::default().next_line(&text).into_bytes();
        let read = rows(&bytes);
        assert_eq!(read, [AuditRow { is_whole: true, loss: Some(loss) }]);
        assert!(!is_damaged(&read));
        bytes[20] ^= 1;
        assert!(is_damaged(&rows(&bytes)));
    }
}
