//! Responder: takes the calls of one service and answers them.

use super::driver::wait_for;
use super::{Net, Shared, answer, call_deadline_ns, opened};
use crate::config::ResponderConfig;
use crate::error::{CallError, ConsumeError};
use crate::outcome::{Call, ReplyFate};
use crate::record::NewRecord;
use crate::session::admin;
use std::time::Duration;

/// Serves one service; as `client::Responder`, awaited.
#[derive(Debug)]
pub struct Responder<N: Net> {
    driver: Shared<N>,
    key: usize,
}

impl<N: Net> Responder<N> {
    pub(super) async fn open(
        driver: Shared<N>,
        config: ResponderConfig,
    ) -> Result<Self, CallError> {
        let key = driver.borrow_mut().session.add_responder(config);
        let responder = Self { driver, key };
        opened(&responder.driver, |session| session.responder_ready(key)).await?;
        Ok(responder)
    }

    /// The next call. Calls whose deadline passed here are left out. Dropping the future loses nothing.
    pub async fn next(&self) -> Result<Call, ConsumeError> {
        let key = self.key;
        wait_for(&self.driver, |session| session.next_call(key)).await
    }

    /// Answers a call and waits to learn what became of the answer.
    pub async fn reply(&self, call: &Call, record: &NewRecord<'_>) -> Result<ReplyFate, CallError> {
        let deadline_ns = call_deadline_ns(&self.driver);
        let asked = self.driver.borrow_mut().session.reply(call, record, Some(deadline_ns))?;
        let taken = answer(&self.driver, asked.ok_or(CallError::NotSent)?).await?;
        admin::read(&taken, admin::reply_fate)
    }

    /// Answers a call without asking what became of the answer; it leaves when a future of the client is polled next.
    pub fn reply_only(&self, call: &Call, record: &NewRecord<'_>) -> Result<(), CallError> {
        let mut driver = self.driver.borrow_mut();
        driver.after(Duration::ZERO);
        driver.session.reply(call, record, None)?;
        driver.wake_all();
        Ok(())
    }

    /// Leaves the service and waits for the node's word. Dropping leaves without waiting.
    pub async fn close(self) -> Result<(), CallError> {
        let deadline_ns = call_deadline_ns(&self.driver);
        let call = self.driver.borrow_mut().session.unserve(self.key, deadline_ns);
        let Some(call) = call else { return Ok(()) };
        answer(&self.driver, call).await.map(|_| ())
    }
}

impl<N: Net> Drop for Responder<N> {
    fn drop(&mut self) {
        let Ok(mut driver) = self.driver.try_borrow_mut() else { return };
        let now_ns = driver.session.now_ns();
        if let Some(call) = driver.session.unserve(self.key, now_ns) {
            driver.session.drop_call(call);
            driver.wake_all();
        }
        driver.session.remove_responder(self.key);
    }
}
