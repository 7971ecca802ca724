//! Asynchronous: the client for async runtimes. Its futures move the bytes; no task runs behind them.
//!
//! Everything here is one driver over one small trait, `Net`; `client::tokio` and
//! `client::glommio` name its parts for each runtime. A client stays on one thread,
//! any number of its tasks may wait at once: whichever is polled moves the bytes of all
//! of them and wakes the others.
//!
//! There are no timeouts on `next` and its kin: dropping such a future loses
//! nothing, so the runtime's own `timeout` and `select` serve. Heartbeats move
//! only while some future of the client is polled.

mod admin;
mod client;
mod consumer;
mod driver;
mod net;
mod producer;
mod requester;
mod responder;

use crate::error::CallError;
use crate::session::Session;
use crate::session::calls::Taken;
use driver::{Driver, wait_for};
use std::cell::RefCell;
use std::rc::Rc;

pub use admin::Admin;
pub use client::Client;
pub use consumer::Consumer;
pub use net::{Boxed, Net};
pub use producer::Producer;
pub use requester::Requester;
pub use responder::Responder;

/// What the parts of a client share.
type Shared<N> = Rc<RefCell<Driver<N>>>;

/// The deadline of a call that begins now, monotonic.
fn call_deadline_ns<N: Net>(driver: &Shared<N>) -> u64 {
    let mut driver = driver.borrow_mut();
    let timeout = driver.session.config().call_timeout;
    driver.after(timeout)
}

/// Waits for something to be opened by the client's `call_timeout`.
async fn opened<N: Net>(
    driver: &Shared<N>,
    ready: impl Fn(&Session) -> Option<Result<(), CallError>>,
) -> Result<(), CallError> {
    let until_ns = call_deadline_ns(driver);
    driver.borrow_mut().session.wake_at(until_ns);
    wait_for(driver, |session| {
        let late = session.now_ns() >= until_ns;
        if !late {
            session.wake_at(until_ns);
        }
        ready(session).or_else(|| late.then(|| Err(session.unopened())))
    })
    .await
}

/// Waits for the answer of a call; a call ends at its own deadline at the latest.
async fn answer<N: Net>(driver: &Shared<N>, call: usize) -> Result<Taken, CallError> {
    let mut waiting = Waiting { driver, call: Some(call) };
    let answer = wait_for(driver, |session| session.take_call(call)).await;
    waiting.call = None;
    answer
}

/// A call whose future may be dropped before the answer.
struct Waiting<'a, N: Net> {
    driver: &'a Shared<N>,
    call: Option<usize>,
}

impl<N: Net> Drop for Waiting<'_, N> {
    fn drop(&mut self) {
        if let (Some(call), Ok(mut driver)) = (self.call, self.driver.try_borrow_mut()) {
            driver.session.drop_call(call);
        }
    }
}
