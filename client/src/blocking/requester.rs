//! Requester: asks services; every request ends with exactly one outcome.

use crate::error::BeginError;
use crate::outcome::{Outcome, RequestTicket};
use crate::record::NewRecord;
use std::time::Duration;

/// Asks services. Many requests may be outstanding.
#[derive(Debug)]
pub struct Requester {}

impl Requester {
    /// Asks and waits for the outcome, until `deadline` from now at the latest (and the grace).
    pub fn request(
        &mut self,
        service: &str,
        record: &NewRecord<'_>,
        deadline: Duration,
    ) -> Result<Outcome, BeginError> {
        let _ = (service, record, deadline);
        unimplemented!()
    }

    /// Asks without waiting. `deadline` counts from now, over everything: route, connection, service.
    pub fn begin(
        &mut self,
        service: &str,
        record: &NewRecord<'_>,
        deadline: Duration,
    ) -> Result<RequestTicket, BeginError> {
        let _ = (service, record, deadline);
        unimplemented!()
    }

    /// The next outcome, in the order they come; waits at most `wait`.
    pub fn poll(&mut self, wait: Duration) -> Option<(RequestTicket, Outcome)> {
        let _ = wait;
        unimplemented!()
    }

    /// Asks the node to end a request. Its outcome still comes, once: cancelled, or what was faster.
    pub fn cancel(&mut self, ticket: RequestTicket) {
        let _ = ticket;
        unimplemented!()
    }

    /// Requests begun whose outcome was not taken.
    pub fn outstanding(&self) -> usize {
        unimplemented!()
    }
}
