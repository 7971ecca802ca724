//! Memory: what all connections of a shard share: budgets for what is copied out of receive buffers, and spare lists.

/// All spare lists together, in bytes.
const SPARE_BYTES_MAX: usize = 16 << 20;
/// A longer list is freed rather than kept.
const SPARE_BYTES_EACH_MAX: usize = 2 << 20;

/// Bytes that may still be charged, and lists to use again: an idle connection owns none.
#[derive(Debug)]
pub(super) struct Memory {
    assembly_bytes_left: usize,
    spill_bytes_left: usize,
    /// Queued and being sent, to connections that are not cut off.
    output_bytes: usize,
    spares: Vec<Vec<u8>>,
    spare_bytes: usize,
}

impl Memory {
    pub(super) fn new(assembly_bytes_max: usize, spill_bytes_max: usize) -> Self {
        Self {
            assembly_bytes_left: assembly_bytes_max,
            spill_bytes_left: spill_bytes_max,
            output_bytes: 0,
            spares: Vec::new(),
            spare_bytes: 0,
        }
    }

    /// Charges `bytes` of a frame being assembled, if so many are left.
    #[must_use]
    pub(super) fn charge_assembly(&mut self, bytes: usize) -> bool {
        charge(&mut self.assembly_bytes_left, bytes)
    }

    pub(super) fn discharge_assembly(&mut self, bytes: usize) {
        self.assembly_bytes_left += bytes;
    }

    /// Charges `bytes` copied out of receive buffers, if so many are left.
    #[must_use]
    pub(super) fn charge_spill(&mut self, bytes: usize) -> bool {
        charge(&mut self.spill_bytes_left, bytes)
    }

    pub(super) fn discharge_spill(&mut self, bytes: usize) {
        self.spill_bytes_left += bytes;
    }

    /// Counts `bytes` queued to a connection.
    pub(super) fn charge_output(&mut self, bytes: usize) {
        self.output_bytes += bytes;
    }

    pub(super) fn discharge_output(&mut self, bytes: usize) {
        self.output_bytes -= bytes;
    }

    /// Bytes queued to all connections.
    pub(super) fn output_bytes(&self) -> usize {
        self.output_bytes
    }

    /// An empty list, with memory if there is a spare one.
    pub(super) fn take(&mut self) -> Vec<u8> {
        let list = self.spares.pop().unwrap_or_default();
        self.spare_bytes -= list.capacity();
        list
    }

    /// Keeps a list's memory for the next one.
    pub(super) fn give(&mut self, mut list: Vec<u8>) {
        let bytes = list.capacity();
        let fits = self.spare_bytes + bytes <= SPARE_BYTES_MAX;
        if bytes > 0 && bytes <= SPARE_BYTES_EACH_MAX && fits {
            list.clear();
            self.spare_bytes += bytes;
            self.spares.push(list);
        }
    }
}

fn charge(left: &mut usize, bytes: usize) -> bool {
    let fits = bytes <= *left;
    if fits {
        *left -= bytes;
    }
    fits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_is_never_overdrawn() {
        let mut memory = Memory::new(100, 7);
        assert!(
            memory.charge_assembly(60) && !memory.charge_assembly(41) && memory.charge_assembly(40)
        );
        memory.discharge_assembly(60);
        assert!(memory.charge_assembly(60) && !memory.charge_assembly(1));
        assert!(memory.charge_spill(7) && !memory.charge_spill(1));
    }

    #[test]
    fn lists_are_used_again_within_their_bound() {
        let mut memory = Memory::new(0, 0);
        memory.give(Vec::with_capacity(1000));
        assert!(memory.take().capacity() >= 1000);
        assert_eq!(memory.take().capacity(), 0);
        memory.give(Vec::with_capacity(SPARE_BYTES_EACH_MAX + 1));
        assert_eq!(memory.take().capacity(), 0, "too long to keep");
        for _ in 0..100 {
            memory.give(Vec::with_capacity(1 << 20));
        }
        assert!(memory.spare_bytes <= SPARE_BYTES_MAX);
    }
}
