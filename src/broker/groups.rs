//! Groups: which consumer groups there are, and how one of them stands.

use super::mail::Origin;
use super::outgoing::Turn;
use super::refusal::Refusal;
use super::step::Broker;
use wire::table;

impl Broker {
    pub(super) fn on_group_list(
        &mut self,
        _turn: &mut Turn<'_>,
        _origin: Origin,
        _list: table::GroupList<'_>,
    ) -> Result<(), Refusal> {
        Ok(())
    }

    pub(super) fn on_group_describe(
        &mut self,
        _turn: &mut Turn<'_>,
        _origin: Origin,
        _describe: table::GroupDescribe<'_>,
    ) -> Result<(), Refusal> {
        Ok(())
    }
}
