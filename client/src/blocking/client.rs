//! Client: a client of one node, and where its parts come from.

use super::driver::Driver;
use super::{Admin, Consumer, Producer, Requester, Responder, Shared};
use crate::catalog::{ClientCounters, NodeInfo};
use crate::config::{
    ClientConfig, ConsumerConfig, ProducerConfig, RequesterConfig, ResponderConfig,
};
use crate::error::{CallError, ConnectError};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// A turn while closing, in nanoseconds: the peer need not say anything any more.
const CLOSING_TURN_NS: u64 = 1_000_000;

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

    /// What was met and needed no answer: lost connections, late frames.
    pub fn counters(&self) -> ClientCounters {
        self.driver.borrow_mut().session.counters()
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
