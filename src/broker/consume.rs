//! Consume: what a member says about what it was sent: credit, ack, nack, commit.

use super::mail::Origin;
use super::outgoing::Turn;
use super::refusal::Refusal;
use super::step::Broker;
use wire::table;

impl Broker {
    pub(super) fn on_credit(
        &mut self,
        _turn: &mut Turn<'_>,
        _origin: Origin,
        _credit: table::Credit<'_>,
    ) -> Result<(), Refusal> {
        Ok(())
    }

    pub(super) fn on_ack(
        &mut self,
        _turn: &mut Turn<'_>,
        _origin: Origin,
        _ack: table::Ack<'_>,
    ) -> Result<(), Refusal> {
        Ok(())
    }

    pub(super) fn on_nack(
        &mut self,
        _turn: &mut Turn<'_>,
        _origin: Origin,
        _nack: table::Nack<'_>,
    ) -> Result<(), Refusal> {
        Ok(())
    }

    pub(super) fn on_commit(
        &mut self,
        _turn: &mut Turn<'_>,
        _origin: Origin,
        _commit: table::Commit<'_>,
    ) -> Result<(), Refusal> {
        Ok(())
    }
}
