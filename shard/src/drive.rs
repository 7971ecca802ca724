//! Drive: one shard's loop, on the thread that calls it.

use crate::core::{Core, MachineCounters};
use crate::probe::StartError;
use crate::seat::Seat;

/// Runs a shard until its core says `Stop` (after `Event::Shutdown`); returns what the machine counted.
///
/// The ring is made here, on the shard's own thread, and pinned first if the configuration says so.
///
/// # Errors
/// The ring or its buffers cannot be made; nothing was stepped then.
pub fn drive<C: Core>(core: C, seat: Seat<C::Mail>) -> Result<MachineCounters, StartError> {
    let _ = (core, seat);
    unimplemented!()
}
