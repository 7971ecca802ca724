//! Responder: takes the calls of one service and answers them.

use crate::error::{CallError, ConsumeError};
use crate::outcome::{Call, ReplyFate};
use crate::record::NewRecord;
use std::time::Duration;

/// Serves one service. After a broken connection it registers again by itself.
#[derive(Debug)]
pub struct Responder {}

impl Responder {
    /// The next call; waits at most `wait`. Calls whose deadline passed here are left out.
    pub fn next(&mut self, wait: Duration) -> Result<Option<Call>, ConsumeError> {
        let _ = wait;
        unimplemented!()
    }

    /// Answers a call and waits to learn what became of the answer.
    pub fn reply(&mut self, call: &Call, record: &NewRecord<'_>) -> Result<ReplyFate, CallError> {
        let _ = (call, record);
        unimplemented!()
    }

    /// Answers a call without asking what became of the answer: the fastest way.
    pub fn reply_only(&mut self, call: &Call, record: &NewRecord<'_>) -> Result<(), CallError> {
        let _ = (call, record);
        unimplemented!()
    }

    /// Leaves the service and waits for the node's word. Dropping leaves without waiting.
    pub fn close(self) -> Result<(), CallError> {
        unimplemented!()
    }
}
