//! Memlock: how large the rings may be where this process may lock little memory.
//!
//! The kernel counts every ring of a user against one limit. So each shard takes a share of it
//! that was agreed before, instead of the largest ring that fits: else the first would leave none to the last.

use crate::config::NodeMachine;
use crate::sys::host;

/// Entries below which a ring is not worth making.
pub(crate) const RING_ENTRIES_MIN: u32 = 16;
/// What the kernel locks by.
const PAGE_BYTES: u64 = 4096;
/// The ring of the probe, which the kernel may not have taken apart yet.
const PROBE_BYTES: u64 = 2 * PAGE_BYTES;

/// Makes rings smaller, with a line that says so, where the limit asks for it: slower under load, never wrong.
pub(crate) fn fit(config: &mut NodeMachine) {
    let limit = host::memlock_limit();
    if limit == u64::MAX || host::may_lock_memory() {
        return;
    }
    let wanted = config.ring_entries;
    shrink(config, limit);
    let (entries, shards) = (config.ring_entries, config.shard_count);
    if entries < wanted {
        eprintln!(
            "warning: rings of {entries} entries instead of {wanted}: RLIMIT_MEMLOCK is {limit} bytes for {shards} shards; fix: ulimit -l unlimited, or LimitMEMLOCK=infinity"
        );
    }
}

fn shrink(config: &mut NodeMachine, limit: u64) {
    let share = limit.saturating_sub(PROBE_BYTES) / u64::from(config.shard_count);
    let buffers = u64::from(config.receive_buffer_count);
    while locked_bytes(config.ring_entries, buffers) > share
        && config.ring_entries > RING_ENTRIES_MIN
    {
        config.ring_entries /= 2;
    }
}

/// Memory the kernel locks for one ring: submissions, completions (four times as many), the ring of receive buffers.
fn locked_bytes(entries: u32, buffer_count: u64) -> u64 {
    let entries = u64::from(entries);
    let head_bytes = 512;
    let parts = [entries * 64, entries * 4 * 16 + head_bytes, buffer_count * 16];
    parts.iter().map(|bytes| bytes.next_multiple_of(PAGE_BYTES)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shrunk(shard_count: u16, limit: u64) -> u32 {
        let mut config = NodeMachine { shard_count, ..NodeMachine::default() };
        shrink(&mut config, limit);
        config.ring_entries
    }

    #[test]
    fn shards_share_the_limit() {
        assert_eq!(shrunk(1, 64 << 10), 256);
        assert_eq!(shrunk(2, 64 << 10), 128);
        assert_eq!(shrunk(2, 8 << 20), 1024, "what is usual fits");
        assert_eq!(shrunk(8, 4096), RING_ENTRIES_MIN, "it is tried, and refused by the kernel");
    }
}
