//! Blocking: the client for plain threads. No background thread: bytes move only while a call runs.
//!
//! All parts of one client share its connections, so they stay on one thread;
//! a program with several threads makes one client each. Waiting for one part
//! moves the bytes of all of them.

mod admin;
mod client;
mod consumer;
mod driver;
mod producer;
mod requester;
mod responder;

use crate::error::{CallError, UnknownCause};
use crate::session::Session;
use crate::session::calls::Taken;
use driver::Driver;
use std::cell::RefCell;
use std::rc::Rc;

pub use admin::{Admin, Asked};
pub use client::Client;
pub use consumer::Consumer;
pub use producer::Producer;
pub use requester::Requester;
pub use responder::Responder;

/// What the parts of a client share.
type Shared = Rc<RefCell<Driver>>;

impl Driver {
    /// Waits for something to be opened by the client's `call_timeout`.
    fn opened(
        &mut self,
        ready: impl Fn(&Session) -> Option<Result<(), CallError>>,
    ) -> Result<(), CallError> {
        let timeout = self.session.config().call_timeout;
        let until_ns = self.after(timeout);
        let opened = self.wait_for(until_ns, |session| ready(session));
        opened.unwrap_or_else(|| Err(self.session.unopened()))
    }

    /// Waits for the answer of a call.
    fn answer(&mut self, call: usize) -> Result<Taken, CallError> {
        // A call ends at its own deadline at the latest.
        let answer = self.wait_for(u64::MAX, |session| session.take_call(call));
        answer.unwrap_or(Err(CallError::Unknown(UnknownCause::TimedOut)))
    }

    /// The deadline of a call that begins now, monotonic.
    fn call_deadline_ns(&mut self) -> u64 {
        let timeout = self.session.config().call_timeout;
        self.after(timeout)
    }
}
