//! Survey: what the headers and footers of all segments say.

use super::Window;
use crate::chunk::BLOCK_BYTES;
use crate::plan::{Disk, DiskFault, FileName};
use crate::segment::{Footer, HeadFault, Owner, SegmentHeader, bytes_fit};
use crate::store::OpenError;
use wire::LogIndex;

/// One segment's file, before its batches are read.
#[derive(Clone, Debug)]
pub(crate) struct Surveyed {
    pub(crate) number: u64,
    pub(crate) file_bytes: u64,
    /// From either copy, or the footer's. `Zero`: nothing was written yet.
    pub(crate) header: Result<SegmentHeader, HeadFault>,
    /// Only of a sealed segment.
    pub(crate) footer: Option<Footer>,
}

impl Surveyed {
    /// Every batch below was synced, by what this segment says.
    pub(crate) fn synced_end(&self) -> LogIndex {
        let base = self.header.map_or(LogIndex(0), |header| header.base);
        self.footer.as_ref().map_or(base, |footer| footer.end.max(base))
    }
}

/// Reads all headers and footers, ascending by number. Files of another owner or version are refused.
pub(crate) fn survey(
    disk: &mut dyn Disk,
    numbers: &[u64],
    owner: Option<&Owner>,
) -> Result<Vec<Surveyed>, OpenError> {
    let mut all = Vec::with_capacity(numbers.len());
    for number in numbers {
        let surveyed = read(disk, *number).map_err(OpenError::Disk)?;
        match (&surveyed.header, owner) {
            (Err(HeadFault::Version(version)), _) => {
                return Err(OpenError::UnknownFormat { version: *version });
            }
            (Ok(header), Some(owner)) if header.owner != *owner => {
                return Err(OpenError::Foreign { found: describe(&header.owner) });
            }
            (Ok(_) | Err(HeadFault::Zero | HeadFault::Damaged), _) => all.push(surveyed),
        }
    }
    Ok(all)
}

/// Whose files these are, for the operator.
pub(crate) fn describe(owner: &Owner) -> String {
    let Owner { cluster_id, node_id, shard } = owner;
    format!("cluster {cluster_id:032x}, node {node_id:032x}, shard {shard}")
}

fn read(disk: &mut dyn Disk, number: u64) -> Result<Surveyed, DiskFault> {
    let file = FileName::Segment(number);
    let file_bytes = disk.length(file)?;
    if !bytes_fit(file_bytes) {
        let header = Err(HeadFault::Zero);
        return Ok(Surveyed { number, file_bytes, header, footer: None });
    }
    let mut window = Window::new(disk, file, 0);
    let copies = window.get(0, 2 * BLOCK_BYTES);
    let footer = window.get(file_bytes - BLOCK_BYTES as u64, BLOCK_BYTES);
    let here = |header: &SegmentHeader| header.number == number && header.bytes == file_bytes;
    let footer = Footer::decode(&footer).ok().filter(|footer| here(&footer.header));
    let (first, second) = copies.split_at(BLOCK_BYTES);
    let decoded = [first, second].map(SegmentHeader::decode);
    let header = match (decoded, &footer) {
        ([Ok(header), _] | [_, Ok(header)], _) if here(&header) => Ok(header),
        (_, Some(footer)) => Ok(footer.header),
        ([Err(HeadFault::Version(version)), _] | [_, Err(HeadFault::Version(version))], _) => {
            Err(HeadFault::Version(version))
        }
        ([Err(HeadFault::Zero), Err(HeadFault::Zero)], _) => Err(HeadFault::Zero),
        _ => Err(HeadFault::Damaged),
    };
    Ok(Surveyed { number, file_bytes, header, footer })
}
