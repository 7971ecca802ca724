//! Disk floor: write and fdatasync, linked, one after another.

use crate::core::{FileId, FileTask};
use crate::directory::{FileFault, ShardDir};
use crate::sys::host;
use crate::sys::operation::Operation;
use crate::sys::pool::Block;
use crate::sys::ring::{Ring, RingSetup};
use bytes::Bytes;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Bytes filled with zeroes and then written round and round.
const FILE_BYTES: u64 = 64 << 20;

/// Times `count` flushes of `block_bytes` (a multiple of 4 KiB) in a folder made under `place` and
/// removed again, fewer if they took `span_max`; the span of each in nanoseconds.
///
/// # Errors
/// The disk refuses, or takes a write short.
pub fn flushes(
    place: &Path,
    block_bytes: usize,
    (count, span_max): (usize, Duration),
) -> Result<Vec<u64>, FileFault> {
    let folder = place.join(format!("floor-{:016x}", u64::from_ne_bytes(host::random())));
    let measured = measure(&folder, block_bytes, (count, span_max));
    std::fs::remove_dir_all(&folder).map_err(|error| FileFault::of(&error))?;
    measured
}

fn measure(
    folder: &Path,
    block_bytes: usize,
    (count, span_max): (usize, Duration),
) -> Result<Vec<u64>, FileFault> {
    let mut dir = ShardDir::open(folder, true)?;
    dir.apply(&FileTask::Prepare { segment: 0, bytes: FILE_BYTES, zeroed: true })?;
    let file = Arc::new(dir.open_direct(FileId::Segment(0))?);
    let setup = RingSetup {
        entries: 8,
        sockets: 0,
        buffer_count: 1,
        buffer_bytes: 4096,
        housekeeping_core: None,
    };
    let mut ring = Ring::new(setup).map_err(|fault| FileFault::Errno(fault.errno))?;
    let bytes = Bytes::from_owner(Block::zeroed(block_bytes));
    let mut completions = Vec::new();
    let mut spans_ns = Vec::new();
    let mut position = 0;
    let begun_ns = host::mono_ns();
    let in_time = || u128::from(host::mono_ns() - begun_ns) < span_max.as_nanos();
    while spans_ns.len() < count && (spans_ns.is_empty() || in_time()) {
        let start_ns = host::mono_ns();
        ring.reserve(2);
        let write = Operation::Write {
            file: Arc::clone(&file),
            bytes: bytes.clone(),
            position,
            linked: true,
        };
        ring.push(block_bytes, write);
        ring.push(0, Operation::Sync(Arc::clone(&file)));
        while completions.len() < 2 {
            ring.wait(None);
            ring.reap(&mut completions, 2);
        }
        spans_ns.push(host::mono_ns() - start_ns);
        for completion in completions.drain(..) {
            match usize::try_from(completion.result) {
                Ok(written) if written == completion.tag => {}
                Ok(_) => return Err(FileFault::Short),
                Err(_) => return Err(FileFault::Errno(-completion.result)),
            }
        }
        position += block_bytes as u64;
        if position + block_bytes as u64 > FILE_BYTES {
            position = 0;
        }
    }
    Ok(spans_ns)
}
