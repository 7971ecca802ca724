//! Fetch: reading a queue without a group.

use super::mail::Origin;
use super::outgoing::Turn;
use super::refusal::Refusal;
use super::step::Broker;
use storage::plan::OpId;
use wire::table;

impl Broker {
    pub(super) fn on_fetch(
        &mut self,
        _turn: &mut Turn<'_>,
        _origin: Origin,
        _fetch: table::Fetch<'_>,
    ) -> Result<(), Refusal> {
        Ok(())
    }

    pub(super) fn fetch_after_read(&mut self, _turn: &mut Turn<'_>, _op: OpId) {}
}
