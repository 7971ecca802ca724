//! Loss: what a start on a damaged directory gives up by the operator's word, and the record of it.
//!
//! ```text
//!   rehearse every shard (nothing is written) -> the record, synced -> open them for good
//! ```
//!
//! The record comes first: a start that cannot write it changes nothing, and one
//! that ends after it tells of a loss that the next start accepts anew.

use super::disk::ShardDisk;
use super::opening::store_config;
use super::start_error::StartNodeError;
use super::{BrokerSeat, NodePlan};
use crate::broker::catalog::topic_names;
use crate::node::identity::Identity;
use shard::DataDir;
use storage::Store;
use storage::audit::Trail;
use storage::store::Opened;
use tools::audit::{AcceptedLoss, Damage, FILE, LostOffsets};

/// What came of the operator's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// It was not given.
    NotGiven,
    /// It was, and nothing needed it: no record was made.
    NotNeeded,
    /// It was, and what was given up is on record.
    Recorded,
}

/// Takes the operator's word, if it is given and needed; it is on record then.
pub(super) fn take_word(
    plan: &NodePlan,
    identity: Identity,
    directory: &DataDir,
    seats: &mut [BrokerSeat],
) -> Result<Word, StartNodeError> {
    if !plan.accept_loss {
        return Ok(Word::NotGiven);
    }
    let wall_ns = shard::process::wall_ns();
    let mut rehearsed = Vec::with_capacity(seats.len());
    for seat in seats {
        let shard = seat.shard();
        let config = store_config(plan, identity, shard);
        let mut disk = ShardDisk(seat.directory().expect("prepared with a data directory"));
        let opened = Store::rehearse(&config, &mut disk, wall_ns)
            .map_err(|error| StartNodeError::Store { shard, error })?;
        rehearsed.push(opened);
    }
    if rehearsed.iter().all(|opened| opened.report.accepted.is_empty()) {
        return Ok(Word::NotNeeded);
    }
    record(directory, &accepted(&rehearsed).stamped(wall_ns)).map(|()| Word::Recorded)
}

fn accepted(rehearsed: &[Opened]) -> AcceptedLoss {
    let names = rehearsed.first().map(|first| topic_names(&first.catalog)).unwrap_or_default();
    let mut loss =
        AcceptedLoss { release: env!("CARGO_PKG_VERSION").to_owned(), ..Default::default() };
    (loss.uid, loss.user) = shard::process::user();
    for (shard, opened) in (0..).zip(rehearsed) {
        let report = &opened.report;
        loss.damage.extend(report.accepted.iter().map(|range| Damage::of(shard, range)));
        if !report.accepted.is_empty() {
            loss.lost.extend(report.lost.iter().map(|range| LostOffsets::of(shard, range, &names)));
        }
    }
    loss
}

fn record(directory: &DataDir, loss: &AcceptedLoss) -> Result<(), StartNodeError> {
    let before = directory.load(FILE).map_err(StartNodeError::Audit)?.unwrap_or_default();
    let text = serde_json::to_string(loss).expect("plain fields are always JSON");
    let line = Trail::read(&before).next_line(&text);
    directory.append(FILE, line.as_bytes()).map_err(StartNodeError::Audit)
}
