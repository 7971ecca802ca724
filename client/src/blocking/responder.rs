//! Responder: takes the calls of one service and answers them.

use super::Shared;
use crate::config::ResponderConfig;
use crate::error::{CallError, ConsumeError};
use crate::outcome::{Call, ReplyFate};
use crate::record::NewRecord;
use crate::session::admin;
use std::time::Duration;

/// Serves one service. After a broken connection it registers again by itself.
#[derive(Debug)]
pub struct Responder {
    driver: Shared,
    key: usize,
}

impl Responder {
    pub(super) fn open(driver: Shared, config: ResponderConfig) -> Result<Self, CallError> {
        let mut lent = driver.borrow_mut();
        let key = lent.session.add_responder(config);
        let opened = lent.opened(|session| session.responder_ready(key));
        if let Err(error) = opened {
            lent.session.remove_responder(key);
            return Err(error);
        }
        drop(lent);
        Ok(Self { driver, key })
    }

    /// The next call; waits at most `wait`. Calls whose deadline passed here are left out.
    pub fn next(&mut self, wait: Duration) -> Result<Option<Call>, ConsumeError> {
        let mut driver = self.driver.borrow_mut();
        let until_ns = driver.after(wait);
        driver.wait_for(until_ns, |session| session.next_call(self.key)).transpose()
    }

    /// As `next`, of what is there already: moves no bytes and reads no clock.
    pub fn try_next(&mut self) -> Result<Option<Call>, ConsumeError> {
        self.driver.borrow_mut().session.next_call(self.key).transpose()
    }

    /// Answers a call and waits to learn what became of the answer.
    pub fn reply(&mut self, call: &Call, record: &NewRecord<'_>) -> Result<ReplyFate, CallError> {
        let mut driver = self.driver.borrow_mut();
        let deadline_ns = driver.call_deadline_ns();
        let asked = driver.session.reply(call, record, Some(deadline_ns))?;
        let answer = driver.answer(asked.ok_or(CallError::NotSent)?)?;
        admin::read(&answer, admin::reply_fate)
    }

    /// Answers a call without asking what became of the answer: the fastest way.
    pub fn reply_only(&mut self, call: &Call, record: &NewRecord<'_>) -> Result<(), CallError> {
        let mut driver = self.driver.borrow_mut();
        driver.after(Duration::ZERO);
        driver.session.reply(call, record, None)?;
        driver.push();
        Ok(())
    }

    /// As `reply_only`, but it leaves with `Client::poll`, together with whatever else is gathered.
    pub fn gather(&mut self, call: &Call, record: &NewRecord<'_>) -> Result<(), CallError> {
        self.driver.borrow_mut().session.reply(call, record, None).map(|_| ())
    }

    /// Leaves the service and waits for the node's word. Dropping leaves without waiting.
    pub fn close(self) -> Result<(), CallError> {
        let mut driver = self.driver.borrow_mut();
        let deadline_ns = driver.call_deadline_ns();
        let Some(call) = driver.session.unserve(self.key, deadline_ns) else { return Ok(()) };
        driver.answer(call).map(|_| ())
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        let Ok(mut driver) = self.driver.try_borrow_mut() else { return };
        let now_ns = driver.session.now_ns();
        if let Some(call) = driver.session.unserve(self.key, now_ns) {
            driver.session.drop_call(call);
            driver.push();
        }
        driver.session.remove_responder(self.key);
    }
}
