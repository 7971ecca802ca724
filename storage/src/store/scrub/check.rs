//! Check: what each piece of a directory must look like, and what is said of one that does not.

use super::Target;
use crate::chunk::BLOCK_BYTES;
use crate::log::SegmentInfo;
use crate::plan::FileName;
use crate::segment::{Footer, HeadFault, SegmentHeader};
use crate::snapshot::SnapshotCheck;
use crate::store::walk::{Stretch, Walk};
use crate::store::{DamagedRange, Store};
use crate::superblock::{COPIES, Superblock};
use bytes::Bytes;
use std::ops::Range;
use wire::LogIndex;

pub(super) const BLOCK: u32 = 4096;
const _: () = assert!(BLOCK as usize == BLOCK_BYTES);
pub(super) const SUPERBLOCK_BYTES: u32 = 16 << 10;
const _: () = assert!(SUPERBLOCK_BYTES as usize == COPIES * BLOCK_BYTES);

/// Something wrong.
#[derive(Debug)]
pub(super) enum Finding {
    /// It does not check, and neither do these batches.
    Damage(DamagedRange, Range<LogIndex>),
    /// It cannot be read.
    Unread(DamagedRange),
}

/// What a piece showed.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// More of the same; `None`: that was all of it.
    pub(super) next: Option<Target>,
    pub(super) wrong: Vec<Finding>,
}

impl Seen {
    pub(super) fn unread((file, position, bytes): (FileName, u64, u32)) -> Self {
        let range = DamagedRange::new(file, position, bytes.into(), "it cannot be read".to_owned());
        Self { next: None, wrong: vec![Finding::Unread(range)] }
    }

    /// A file that ends before this piece, by its own account or by what is known of it: all of it is damaged.
    pub(super) fn short((file, position, _): (FileName, u64, u32)) -> Self {
        let what = "it ends before the length it is said to have".to_owned();
        let range = DamagedRange::new(file, 0, position.max(BLOCK.into()), what);
        Self::of(vec![Finding::Damage(range, no_batches())])
    }

    fn of(wrong: Vec<Finding>) -> Self {
        Self { next: None, wrong }
    }
}

impl Store {
    /// Looks at a piece that is none of a segment's batches.
    pub(super) fn check(&self, target: &Target, bytes: &Bytes) -> Seen {
        match target {
            // While it is written its copies differ.
            Target::Superblock if self.log.writes_superblock() => Seen::default(),
            Target::Superblock => Seen::of(check_superblock(bytes)),
            Target::Snapshot { number, check } => check_snapshot(*number, check.clone(), bytes),
            Target::Head(info) => Seen::of(check_head(info, bytes)),
            // It may be on its way.
            Target::Footer(_) if self.log.writes_footer() => Seen::default(),
            Target::Footer(info) => Seen::of(check_footer(info, bytes)),
            Target::Index { segment, check } => {
                let mut check = check.clone();
                match check.take(bytes) {
                    Ok(false) => {
                        let next = Some(Target::Index { segment: *segment, check });
                        Seen { next, wrong: Vec::new() }
                    }
                    Ok(true) => Seen::default(),
                    Err(_) => {
                        Seen::of(vec![whole(FileName::Index(*segment), check.bytes().into())])
                    }
                }
            }
            Target::Batches { .. } => unreachable!("they are walked over"),
        }
    }

    /// Looks at the batches of a piece; `None`: it could not be read.
    pub(super) fn check_batches(
        &mut self,
        walk: Walk,
        previous: Option<(LogIndex, u32)>,
        bytes: Option<&Bytes>,
    ) -> Seen {
        let (mut walk, mut previous, mut wrong) = (walk, previous, Vec::new());
        let segment = walk.segment();
        walk.take(bytes, &self.log, &mut |stretch| {
            judge(&stretch, segment, &mut previous, &mut wrong);
        });
        self.scrub.pause_ns = walk.pause_ns();
        let next = (!walk.is_complete()).then_some(Target::Batches { walk, previous });
        Seen { next, wrong }
    }
}

fn check_superblock(bytes: &Bytes) -> Vec<Finding> {
    let copies = bytes.chunks(BLOCK_BYTES).map(Superblock::decode).enumerate();
    let bad = copies.filter(|(_, copy)| copy.is_err());
    let what = |nth| format!("copy {nth} of 4 does not check");
    bad.map(|(nth, _)| block(FileName::Superblock, nth, what(nth + 1))).collect()
}

fn check_snapshot(number: u64, check: SnapshotCheck, bytes: &Bytes) -> Seen {
    let mut check = check;
    match check.take(bytes) {
        Ok(false) => Seen { next: Some(Target::Snapshot { number, check }), wrong: Vec::new() },
        Ok(true) => Seen::default(),
        Err(_) => Seen::of(vec![whole(FileName::Snapshot(number), check.bytes())]),
    }
}

fn check_head(info: &SegmentInfo, bytes: &Bytes) -> Vec<Finding> {
    let copies = bytes.chunks(BLOCK_BYTES).take(2).map(SegmentHeader::decode).enumerate();
    let bad = copies.filter(|(_, copy)| copy.is_err());
    let what = |nth| format!("copy {nth} of the header does not check");
    bad.map(|(nth, _)| block(FileName::Segment(info.number), nth, what(nth + 1))).collect()
}

/// One that was never written is none: the power failed after the next segment had begun.
fn check_footer(info: &SegmentInfo, bytes: &Bytes) -> Vec<Finding> {
    let is_its = |footer: &Footer| {
        (footer.header.number, footer.header.salt, footer.end) == (info.number, info.salt, info.end)
    };
    let what = match Footer::decode(bytes) {
        Ok(footer) if is_its(&footer) => return Vec::new(),
        Err(HeadFault::Zero) => return Vec::new(),
        Ok(_) => "the footer is another segment's",
        Err(HeadFault::Damaged | HeadFault::Version(_)) => "the footer does not check",
    };
    let nth = usize::try_from(info.bytes / u64::from(BLOCK) - 1).unwrap_or(0);
    vec![block(FileName::Segment(info.number), nth, what.to_owned())]
}

/// The `nth` block of a file; no batch is lost for it.
fn block(file: FileName, nth: usize, what: String) -> Finding {
    let position = (nth * BLOCK_BYTES) as u64;
    Finding::Damage(DamagedRange::new(file, position, BLOCK.into(), what), no_batches())
}

/// A whole file; no batch is lost for it.
fn whole(file: FileName, bytes: u64) -> Finding {
    let what = "it does not match its checksum".to_owned();
    Finding::Damage(DamagedRange::new(file, 0, bytes, what), no_batches())
}

/// What a stretch of a segment shows to be wrong.
fn judge(
    stretch: &Stretch<'_>,
    segment: u64,
    previous: &mut Option<(LogIndex, u32)>,
    wrong: &mut Vec<Finding>,
) {
    let file = FileName::Segment(segment);
    match stretch {
        Stretch::Bad(bad) => {
            let batches = bad.batches.clone();
            let are = if bad.is_unread { "cannot be read" } else { "are damaged" };
            let what = format!("batches {} to {} {are}", batches.start, batches.end);
            let range = DamagedRange::new(file, bad.position, bad.bytes, what);
            wrong.push(if bad.is_unread {
                Finding::Unread(range)
            } else {
                Finding::Damage(range, batches)
            });
            *previous = None;
        }
        Stretch::Batch { place, header, bytes, .. } => {
            let mut tell = |what: String| {
                let (position, length) = (u64::from(place.position), u64::from(place.bytes));
                let range = DamagedRange::new(file, position, length, what);
                wrong.push(Finding::Damage(range, no_batches()));
            };
            if !header.padding_is_zero(bytes) {
                tell(format!("batch {}: its padding is not zero", place.index));
            }
            let before = previous.replace((place.index.next(), header.identity_checksum));
            if before
                .is_some_and(|(next, identity)| next == place.index && identity != header.previous)
            {
                tell(format!("the chain breaks at batch {}", place.index));
            }
        }
    }
}

const fn no_batches() -> Range<LogIndex> {
    LogIndex(0)..LogIndex(0)
}
