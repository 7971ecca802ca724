//! Hearing: what a node said of its disks, in lines for the operator and at its starts.

use super::{Node, index};
use std::ops::Range;
use storage::store::DamagedRange;
use wire::ShardId;

/// A range of a shard's file that was named.
#[derive(Clone, Debug)]
pub(super) struct Named {
    shard: ShardId,
    /// As it is called in its directory.
    file: String,
    bytes: Range<u64>,
}

impl Named {
    fn holds(&self, shard: ShardId, file: &str, block: u64) -> bool {
        self.shard == shard && self.file == file && self.bytes.contains(&block)
    }
}

impl Node {
    /// A line for the operator: it may name something on a disk.
    pub(super) fn hear(&mut self, line: &str) {
        self.named.extend(named_in(line));
    }

    /// A start named these.
    pub(super) fn hear_of(&mut self, shard: ShardId, ranges: &[DamagedRange]) {
        self.named.extend(ranges.iter().map(|range| Named {
            shard,
            file: range.file.to_string(),
            bytes: range.position..range.position + range.bytes.max(1),
        }));
    }

    /// Something sealed that rots, and was never named.
    pub fn unnamed_rot(&self) -> Option<String> {
        let shards = (0..).map(ShardId).take(self.disks.len());
        let mut rot = shards.flat_map(|shard| {
            self.disks[index(shard)].sealed_rot().map(move |(file, block)| (shard, file, block))
        });
        let found = rot.find(|(shard, file, block)| {
            let file = file.to_string();
            !self.named.iter().any(|named| named.holds(*shard, &file, *block))
        });
        found.map(|(shard, file, block)| format!("shard {shard}: {file} at byte {block} rots"))
    }
}

/// The range in `warning: shard 1: log/0000000000000001.seg at byte 4096, 4096 bytes: ...`.
fn named_in(line: &str) -> Option<Named> {
    let (shard, rest) = line.strip_prefix("warning: shard ")?.split_once(": ")?;
    let (file, rest) = rest.split_once(" at byte ")?;
    let (position, rest) = rest.split_once(", ")?;
    let (bytes, _) = rest.split_once(" bytes: ")?;
    let position: u64 = position.parse().ok()?;
    let bytes: u64 = bytes.parse().ok()?;
    let shard = ShardId(shard.parse().ok()?);
    // A file whose length nobody knows any more has none.
    let bytes = if bytes == 0 { u64::MAX } else { bytes };
    Some(Named { shard, file: file.to_owned(), bytes: position..position.saturating_add(bytes) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_a_range() {
        let line =
            "warning: shard 1: log/0000000000000001.seg at byte 4096, 8192 bytes: rot; a queue";
        let named = named_in(line).expect("it names one");
        for (block, is_named) in [(0, false), (4096, true), (8192, true), (12288, false)] {
            assert_eq!(named.holds(ShardId(1), "log/0000000000000001.seg", block), is_named);
        }
        assert!(!named.holds(ShardId(0), "log/0000000000000001.seg", 4096));
        assert!(named_in("shard 1 has room again").is_none());
    }
}
