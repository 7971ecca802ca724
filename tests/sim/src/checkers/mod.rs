//! Checkers: one promise each, under the name it is spoken of in reports.
//!
//! | checker | promise |
//! |---|---|
//! | `bytes` | no byte is served that was not published |
//! | `deletions` | a deleted topic takes nothing, and its number is never given again |
//! | `durable` | what was accepted, or shown to anybody, is readable at its place |
//! | `files` | nothing is deleted but what retention may take, or what holds nothing |
//! | `floors` | a group's position never goes back, and what it consumed never comes again |
//! | `gaps` | what is not there is told, and only retention or damage takes what was accepted |
//! | `groups` | every group gets every accepted record |
//! | `index` | one that was rebuilt serves what the kept one served |
//! | `leases` | one owner per queue and epoch; an older epoch changes nothing |
//! | `liveness` | when the faults are over, everything converges |
//! | `memory` | no part of what a shard holds is above its budget |
//! | `offsets` | offsets are dense, and a place never means another record |
//! | `once` | each (producer, epoch, sequence) is in its queue once |
//! | `order` | the records of a producer keep their order in a queue |
//! | `outcomes` | a request ends exactly once, in time, with its own reply |
//! | `refusals` | what was refused is not in the log |
//! | `recovery` | a node starts again after every crash, and finds all that was synced |
//! | `scrub` | what rots in sealed files is named in time, though nobody reads it |
//! | `silence` | a half-open connection is found out |
//! | `traces` | who asks for a trace gets one that ascends and is its own message's |
//!
//! A checker hears each observation with the ledger as it was before. It keeps
//! what only it must know.

#![expect(clippy::wildcard_enum_match_arm, reason = "a checker hears what concerns it")]

mod bytes;
mod deletions;
mod durable;
mod files;
mod floors;
mod gaps;
mod groups;
mod index;
mod leases;
mod liveness;
mod memory;
mod offsets;
mod once;
mod order;
mod outcomes;
#[cfg(test)]
mod planted;
mod recovery;
mod refusals;
mod scrub;
mod silence;
mod traces;

use crate::ledger::Ledger;
use crate::observation::Observation;
use std::fmt::Debug;

/// Whether a promise was kept; if not, in which case.
pub type Verdict = Result<(), String>;

/// One promise, and what must be remembered to see it broken.
pub trait Checker: Debug {
    /// The name it speaks under.
    fn name(&self) -> &'static str;

    /// Somebody saw something; `known` is what was known before.
    ///
    /// # Errors
    /// The promise is broken: what was seen, in words.
    fn observe(&mut self, known: &Ledger, seen: &Observation<'_>) -> Verdict;

    /// Everything is quiet, and all was read.
    ///
    /// # Errors
    /// The promise is broken: what is missing, in words.
    fn end(&mut self, _known: &Ledger) -> Verdict {
        Ok(())
    }
}

/// One of each.
pub fn every_checker() -> Vec<Box<dyn Checker>> {
    vec![
        Box::new(bytes::Bytes),
        Box::new(deletions::Deletions::default()),
        Box::new(durable::Durable::default()),
        Box::new(files::Files),
        Box::new(floors::Floors::default()),
        Box::new(gaps::Gaps),
        Box::new(groups::Groups::default()),
        Box::new(index::Index::default()),
        Box::new(leases::Leases::default()),
        Box::new(liveness::Liveness),
        Box::new(memory::Memory),
        Box::new(offsets::Offsets::default()),
        Box::new(once::Once::default()),
        Box::new(order::Order::default()),
        Box::new(outcomes::Outcomes::default()),
        Box::new(recovery::Recovery),
        Box::new(refusals::Refusals::default()),
        Box::new(scrub::Scrub),
        Box::new(silence::Silence),
        Box::new(traces::Traces),
    ]
}
