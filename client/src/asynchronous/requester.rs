//! Requester: asks services; every request ends with exactly one outcome.

use super::driver::wait_for;
use super::{Net, Shared};
use crate::config::RequesterConfig;
use crate::error::BeginError;
use crate::outcome::{Outcome, RequestTicket};
use crate::record::NewRecord;
use std::time::Duration;

/// Asks services; as `client::Requester`, awaited. `request` takes `&self`: many may wait at once.
#[derive(Debug)]
pub struct Requester<N: Net> {
    driver: Shared<N>,
    key: usize,
}

impl<N: Net> Requester<N> {
    pub(super) fn new(driver: Shared<N>, config: RequesterConfig) -> Self {
        let key = driver.borrow_mut().session.add_requester(config);
        Self { driver, key }
    }

    /// Asks and waits for the outcome, until `deadline` from now at the latest (and the grace).
    /// Dropping the future cancels the request.
    pub async fn request(
        &self,
        service: &str,
        record: &NewRecord<'_>,
        deadline: Duration,
    ) -> Result<Outcome, BeginError> {
        let ticket = self.begin(service, record, deadline)?;
        let key = self.key;
        let mut asked = Asked { requester: self, ticket: Some(ticket) };
        let outcome = wait_for(&self.driver, |session| match session.requester(key) {
            Some(requester) => requester.take_outcome(ticket),
            None => Some(Outcome::Unknown),
        })
        .await;
        asked.ticket = None;
        Ok(outcome)
    }

    /// Asks without waiting. It leaves when a future of the client is polled next.
    pub fn begin(
        &self,
        service: &str,
        record: &NewRecord<'_>,
        deadline: Duration,
    ) -> Result<RequestTicket, BeginError> {
        let mut driver = self.driver.borrow_mut();
        driver.after(Duration::ZERO);
        let ticket = driver.session.begin_request(self.key, service, record, deadline)?;
        driver.wake_all();
        Ok(ticket)
    }

    /// The next outcome of a request that was begun. `None`: nothing is outstanding.
    pub async fn next_outcome(&self) -> Option<(RequestTicket, Outcome)> {
        let key = self.key;
        wait_for(&self.driver, |session| {
            let Some(requester) = session.requester(key) else { return Some(None) };
            let next = requester.next_outcome();
            (next.is_some() || requester.outstanding() == 0).then_some(next)
        })
        .await
    }

    /// Asks the node to end a request. Its outcome still comes, once: cancelled, or what was faster.
    pub fn cancel(&self, ticket: RequestTicket) {
        let mut driver = self.driver.borrow_mut();
        driver.session.cancel_request(self.key, ticket);
        driver.wake_all();
    }

    /// Requests begun whose outcome was not taken.
    pub fn outstanding(&self) -> usize {
        let mut driver = self.driver.borrow_mut();
        driver.session.requester(self.key).map_or(0, |requester| requester.outstanding())
    }
}

impl<N: Net> Drop for Requester<N> {
    fn drop(&mut self) {
        if let Ok(mut driver) = self.driver.try_borrow_mut() {
            driver.session.remove_requester(self.key);
        }
    }
}

/// A request whose future may be dropped before its outcome.
struct Asked<'a, N: Net> {
    requester: &'a Requester<N>,
    ticket: Option<RequestTicket>,
}

impl<N: Net> Drop for Asked<'_, N> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else { return };
        if let Ok(mut driver) = self.requester.driver.try_borrow_mut() {
            driver.session.abandon_request(self.requester.key, ticket);
            driver.wake_all();
        }
    }
}
