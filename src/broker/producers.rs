//! Producers: ids and epochs of idempotent publishers, given by shard 0.

use super::catalog::Then;
use super::mail::Origin;
use super::outgoing::Turn;
use super::refusal::Refusal;
use super::step::Broker;
use wire::{ProducerId, table};

impl Broker {
    /// A new producer, or the next epoch of a known one: older epochs are fenced on every shard before the answer.
    pub(super) fn on_producer_open(
        &mut self,
        turn: &mut Turn<'_>,
        origin: Origin,
        open: table::ProducerOpen<'_>,
    ) -> Result<(), Refusal> {
        let limits = self.catalog_limits();
        let planned = self.catalogue.ahead().plan_producer(ProducerId(open.producer()), &limits);
        let planned = planned.map_err(|refused| self.refuse_change(refused, ("producer", "")))?;
        let (producer, epoch) = planned.subject;
        self.change_catalog(turn, planned, Then::ProducerOpened { origin, producer, epoch })
    }
}
