//! Space: where the next batch goes, and who is refused when there is little left.

use super::{AppendRefused, Gathering, Log, LogConfig, Purpose, Segment, Usage};
use crate::batch::{self, SECTION_HEADER_BYTES, padded_bytes};
use crate::chunk::round_up;
use crate::pool::Ready;
use crate::segment::{HEAD_BYTES, SegmentHeader, batches_end};

/// Publishes leave a quarter of a segment to notes once no more can be made ready, and a quarter of this before.
const MAKING_RESERVE_BYTES: u64 = 8 << 20;

impl Log {
    /// How full it is.
    pub fn usage(&self) -> Usage {
        let used = self.segments.len();
        Usage {
            bytes: self.pool.file_count(used) as u64 * self.config.segment_bytes,
            bytes_max: self.pool.bytes_max(),
            segments: used,
            prepared: self.pool.ready_count(),
            making: self.pool.is_making(),
            ahead: self.pool.is_ahead(),
            full: self.pool.blocked(used) && !self.pool.is_ahead(),
        }
    }

    /// Whether a section finds its place: in the gathering batch, or in a new one.
    pub(super) fn admit(
        &mut self,
        section_bytes: usize,
        purpose: Purpose,
    ) -> Result<(), AppendRefused> {
        let usable_bytes = u64::from(batches_end(self.config.segment_bytes) - HEAD_BYTES);
        let alone_bytes = padded_bytes(section_bytes) as u64;
        if section_bytes > section_bytes_max(&self.config) || alone_bytes > usable_bytes {
            return Err(AppendRefused::TooLarge);
        }
        let (ready_bytes, next_bytes) = self.pool.ready_bytes();
        let free_bytes = match &self.gathering {
            Some(gathering) => {
                let body_bytes = gathering.body_bytes + section_bytes;
                let fits = body_bytes <= gathering.body_bytes_max;
                let left = self.left_after(gathering.position, padded_bytes(body_bytes));
                left.filter(|_| fits).ok_or(AppendRefused::Busy)? + ready_bytes
            }
            None => match self.left_in_active(section_bytes) {
                Some(left) => left + ready_bytes,
                None if alone_bytes > next_bytes => return Err(self.nothing_ready()),
                None => ready_bytes - alone_bytes,
            },
        };
        match purpose {
            Purpose::Data if free_bytes < self.reserve_bytes(usable_bytes) => {
                Err(self.nothing_ready())
            }
            Purpose::Data | Purpose::Note => Ok(()),
        }
    }

    fn reserve_bytes(&self, usable_bytes: u64) -> u64 {
        let full = self.pool.blocked(self.segments.len());
        let of = if full { usable_bytes } else { usable_bytes.min(MAKING_RESERVE_BYTES) };
        of / 4
    }

    /// Starts a batch that has room for this section: in the active segment, or at the start of the next.
    pub(super) fn open_batch(&mut self, section_bytes: usize) -> Result<(), AppendRefused> {
        let body_bytes_max = self.config.batch_bytes_max.max(section_bytes);
        let room = batch::header_room(body_bytes_max);
        while !self.chunks.make_room(room + round_up(body_bytes_max)) {
            if !self.recent.make_less() {
                return Err(AppendRefused::Busy);
            }
        }
        let starts_segment = self.left_in_active(section_bytes).is_none();
        if starts_segment {
            let ready = self.pool.take().ok_or(AppendRefused::Busy)?;
            let segment = self.new_segment(ready);
            self.segments.push_back(segment);
        }
        self.chunks.gathering().resize(room, 0);
        let position = self.active().end_position;
        let (body_bytes, section_count) = (0, 0);
        self.gathering = Some(Gathering {
            position,
            room,
            body_bytes,
            body_bytes_max,
            section_count,
            starts_segment,
        });
        Ok(())
    }

    fn new_segment(&self, Ready { number, bytes }: Ready) -> Segment {
        Segment::new(SegmentHeader {
            owner: self.superblock.owner,
            salt: salt(self.config.seed, self.superblock.incarnation, number),
            number,
            bytes,
            base: self.next_index,
            term: self.superblock.term,
            wall_ns: self.wall_ns,
            previous: self.previous,
        })
    }

    /// Bytes left in the active segment after a batch of this one section; `None` when it does not fit.
    fn left_in_active(&self, section_bytes: usize) -> Option<u64> {
        let active = self.segments.back().filter(|segment| !segment.info.sealed)?;
        self.left_after(active.end_position, padded_bytes(section_bytes))
    }

    fn left_after(&self, position: u32, batch_bytes: usize) -> Option<u64> {
        let end = self.segments.back()?.header.batches_end();
        u64::from(end - position).checked_sub(batch_bytes as u64)
    }

    /// The refusal when more segments are needed than there are; one more will be made if it may.
    fn nothing_ready(&mut self) -> AppendRefused {
        if self.pool.blocked(self.segments.len()) {
            let usage = self.usage();
            return AppendRefused::StorageFull { bytes: usage.bytes, bytes_max: usage.bytes_max };
        }
        self.pool.want_more();
        AppendRefused::Busy
    }
}

/// The longest section of a log: the largest record's, in bytes, header included.
pub(super) fn section_bytes_max(config: &LogConfig) -> usize {
    config.record_bytes_max + wire::limits::FRAME_OVERHEAD_BYTES + SECTION_HEADER_BYTES
}

/// A new segment's salt: never the same for two boots or two segments of a seed.
fn salt(seed: u64, incarnation: u64, number: u64) -> u128 {
    let high = mix(seed ^ mix(incarnation));
    let low = mix(high ^ mix(number));
    u128::from(high) << 64 | u128::from(low)
}

/// The finalizer of splitmix64.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
