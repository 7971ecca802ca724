//! Blocking: the client for plain threads. No background thread: bytes move only while a call runs.
//!
//! All parts of one client share its connections, so they stay on one thread;
//! a program with several threads makes one client each. Waiting for one part
//! moves the bytes of all of them.

mod admin;
mod consumer;
mod driver;
mod producer;
mod requester;
mod responder;

use crate::catalog::NodeInfo;
use crate::config::{
    ClientConfig, ConsumerConfig, ProducerConfig, RequesterConfig, ResponderConfig,
};
use crate::error::{CallError, ConnectError, UnknownCause};
use crate::session::Session;
use crate::session::calls::Taken;
use driver::Driver;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

pub use admin::Admin;
pub use consumer::Consumer;
pub use producer::Producer;
pub use requester::Requester;
pub use responder::Responder;

/// A turn while closing, in nanoseconds: the peer need not say anything any more.
const CLOSING_TURN_NS: u64 = 1_000_000;

/// What the parts of a client share.
type Shared = Rc<RefCell<Driver>>;

/// A client of one node. Cloning shares the connections.
#[derive(Clone, Debug)]
pub struct Client {
    driver: Shared,
}

impl Client {
    /// Connects and shakes hands, within the configured `connect_timeout`.
    pub fn connect(config: ClientConfig) -> Result<Self, ConnectError> {
        let timeout = config.connect_timeout;
        let server = config.server.clone();
        let mut driver = Driver::new(config);
        let until_ns = driver.after(timeout);
        let connected = driver.wait_for(until_ns, |session| {
            if session.is_ready() {
                return Some(Ok(()));
            }
            session.failure().cloned().map(Err)
        });
        let cause = format!("no answer within {timeout:?}");
        connected.unwrap_or(Err(ConnectError::Unreachable { server, cause }))?;
        Ok(Self { driver: Rc::new(RefCell::new(driver)) })
    }

    /// The node, as it introduced itself last.
    pub fn node(&self) -> NodeInfo {
        self.driver.borrow().session.node().clone()
    }

    /// The calls about topics, groups, offsets and the node itself.
    pub fn admin(&self) -> Admin {
        Admin::new(Rc::clone(&self.driver))
    }

    /// A producer: learns the topic's route and opens a producer id.
    pub fn producer(&self, config: ProducerConfig) -> Result<Producer, CallError> {
        Producer::open(Rc::clone(&self.driver), config)
    }

    /// A consumer: subscribes. Assignments arrive while it is polled.
    pub fn consumer(&self, config: ConsumerConfig) -> Result<Consumer, CallError> {
        Consumer::open(Rc::clone(&self.driver), config)
    }

    /// A requester. Routes of services are learnt on first use.
    pub fn requester(&self, config: RequesterConfig) -> Requester {
        Requester::new(Rc::clone(&self.driver), config)
    }

    /// A responder: registers for a service.
    pub fn responder(&self, config: ResponderConfig) -> Result<Responder, CallError> {
        Responder::open(Rc::clone(&self.driver), config)
    }

    /// Moves bytes for all parts of this client: what is ready now, and what comes within `wait`.
    /// Returns early once anything came. A program that is busy elsewhere calls this at least every few seconds.
    pub fn poll(&self, wait: Duration) {
        let mut driver = self.driver.borrow_mut();
        let until_ns = driver.after(wait);
        driver.poll(until_ns);
    }

    /// Sends what is queued and a goodbye, at most within `wait`. The connections close with the last part of the client.
    pub fn close(self, wait: Duration) {
        let mut driver = self.driver.borrow_mut();
        let until_ns = driver.after(wait);
        driver.session.advance();
        driver.session.say_goodbye();
        loop {
            driver.push();
            let now_ns = driver.after(Duration::ZERO);
            if !driver.has_outgoing() || now_ns >= until_ns {
                return;
            }
            driver.poll(until_ns.min(now_ns + CLOSING_TURN_NS));
        }
    }
}

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
