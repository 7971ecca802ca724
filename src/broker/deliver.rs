//! Deliver: records to the members who own them, as far as their credit goes.

use super::outgoing::Turn;
use super::step::Broker;
use storage::plan::OpId;

impl Broker {
    pub(super) fn deliver_to_dirty(&mut self, _turn: &mut Turn<'_>) {}

    pub(super) fn deliver_after_read(&mut self, _turn: &mut Turn<'_>, _op: OpId) {}
}
