//! Requester: asks services; every request ends with exactly one outcome.

use super::Shared;
use crate::config::RequesterConfig;
use crate::error::BeginError;
use crate::outcome::{Outcome, RequestTicket};
use crate::record::NewRecord;
use crate::trace::{Trace, Tracing};
use std::time::Duration;

/// Asks services. Many requests may be outstanding.
#[derive(Debug)]
pub struct Requester {
    driver: Shared,
    key: usize,
}

impl Requester {
    pub(super) fn new(driver: Shared, config: RequesterConfig) -> Self {
        let key = driver.borrow_mut().session.add_requester(config);
        Self { driver, key }
    }

    /// Asks and waits for the outcome, until `deadline` from now at the latest (and the grace).
    pub fn request(
        &mut self,
        service: &str,
        record: &NewRecord<'_>,
        deadline: Duration,
    ) -> Result<Outcome, BeginError> {
        let mut driver = self.driver.borrow_mut();
        driver.after(Duration::ZERO);
        let ticket = driver.session.begin_request(self.key, service, record, deadline)?;
        // Every request ends at its own deadline at the latest.
        let outcome =
            driver.wait_for(u64::MAX, |session| session.requester(self.key)?.take_outcome(ticket));
        Ok(outcome.unwrap_or(Outcome::Unknown))
    }

    /// As `request`, and where its time went.
    pub fn request_traced(
        &mut self,
        service: &str,
        record: &NewRecord<'_>,
        deadline: Duration,
    ) -> Result<(Outcome, Trace), BeginError> {
        if let Some(requester) = self.driver.borrow_mut().session.requester(self.key) {
            requester.traces_next = true;
        }
        let outcome = self.request(service, record, deadline);
        let mut driver = self.driver.borrow_mut();
        let requester = driver.session.requester(self.key);
        let tracing = requester.and_then(|requester| {
            requester.traces_next = false;
            requester.tracing.take()
        });
        let outcome = outcome?;
        Ok((outcome, tracing.map(Tracing::into_trace).unwrap_or_default()))
    }

    /// Asks without waiting. `deadline` counts from now, over everything: route, connection, service.
    pub fn begin(
        &mut self,
        service: &str,
        record: &NewRecord<'_>,
        deadline: Duration,
    ) -> Result<RequestTicket, BeginError> {
        let mut driver = self.driver.borrow_mut();
        driver.after(Duration::ZERO);
        let ticket = driver.session.begin_request(self.key, service, record, deadline)?;
        driver.push();
        Ok(ticket)
    }

    /// As `begin`, but it leaves with `Client::poll`, together with whatever else is gathered;
    /// `deadline` counts from the last one. Reads no clock.
    pub fn gather(
        &mut self,
        service: &str,
        record: &NewRecord<'_>,
        deadline: Duration,
    ) -> Result<RequestTicket, BeginError> {
        self.driver.borrow_mut().session.begin_request(self.key, service, record, deadline)
    }

    /// As `poll`, of what is there already: moves no bytes and reads no clock.
    pub fn try_outcome(&mut self) -> Option<(RequestTicket, Outcome)> {
        self.driver.borrow_mut().session.requester(self.key)?.next_outcome()
    }

    /// The next outcome, in the order they come; waits at most `wait`.
    /// `None`: nothing ended, or nothing is outstanding.
    pub fn poll(&mut self, wait: Duration) -> Option<(RequestTicket, Outcome)> {
        let mut driver = self.driver.borrow_mut();
        let until_ns = driver.after(wait);
        let next = driver.wait_for(until_ns, |session| {
            let requester = session.requester(self.key)?;
            let next = requester.next_outcome();
            (next.is_some() || requester.outstanding() == 0).then_some(next)
        });
        next.flatten()
    }

    /// Asks the node to end a request. Its outcome still comes, once: cancelled, or what was faster.
    pub fn cancel(&mut self, ticket: RequestTicket) {
        let mut driver = self.driver.borrow_mut();
        driver.session.cancel_request(self.key, ticket);
        driver.push();
    }

    /// Requests begun whose outcome was not taken.
    pub fn outstanding(&self) -> usize {
        let mut driver = self.driver.borrow_mut();
        driver.session.requester(self.key).map_or(0, |requester| requester.outstanding())
    }
}

impl Drop for Requester {
    fn drop(&mut self) {
        if let Ok(mut driver) = self.driver.try_borrow_mut() {
            driver.session.remove_requester(self.key);
        }
    }
}
