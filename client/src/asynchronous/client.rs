//! Client: a client of one node on an async runtime, and where its parts come from.

use super::driver::{Driver, wait_for};
use super::{Admin, Consumer, Net, Producer, Requester, Responder, Shared};
use crate::catalog::{ClientCounters, NodeInfo};
use crate::config::{
    ClientConfig, ConsumerConfig, ProducerConfig, RequesterConfig, ResponderConfig,
};
use crate::error::{CallError, ConnectError};
use std::cell::RefCell;
use std::rc::Rc;

/// A client of one node.
#[derive(Debug)]
pub struct Client<N: Net> {
    driver: Shared<N>,
}

impl<N: Net> Clone for Client<N> {
    fn clone(&self) -> Self {
        Self { driver: Rc::clone(&self.driver) }
    }
}

impl<N: Net> Client<N> {
    /// Connects and shakes hands, within the configured `connect_timeout` for each.
    pub async fn connect(config: ClientConfig) -> Result<Self, ConnectError> {
        let driver = Rc::new(RefCell::new(Driver::new(config)));
        wait_for(&driver, |session| {
            if session.is_ready() {
                return Some(Ok(()));
            }
            session.failure().cloned().map(Err)
        })
        .await?;
        Ok(Self { driver })
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
    pub fn admin(&self) -> Admin<N> {
        Admin::new(Rc::clone(&self.driver))
    }

    /// A producer: learns the topic's route and opens a producer id.
    pub async fn producer(&self, config: ProducerConfig) -> Result<Producer<N>, CallError> {
        Producer::open(Rc::clone(&self.driver), config).await
    }

    /// A consumer: subscribes. Assignments arrive while it is polled.
    pub async fn consumer(&self, config: ConsumerConfig) -> Result<Consumer<N>, CallError> {
        Consumer::open(Rc::clone(&self.driver), config).await
    }

    /// A requester. Routes of services are learnt on first use.
    pub fn requester(&self, config: RequesterConfig) -> Requester<N> {
        Requester::new(Rc::clone(&self.driver), config)
    }

    /// A responder: registers for a service.
    pub async fn responder(&self, config: ResponderConfig) -> Result<Responder<N>, CallError> {
        Responder::open(Rc::clone(&self.driver), config).await
    }

    /// Moves the bytes of all parts of this client, for ever: for a task of its own, in programs
    /// whose other tasks may be busy elsewhere for longer than a heartbeat.
    pub async fn run(&self) {
        wait_for::<N, ()>(&self.driver, |_| None).await;
    }

    /// Sends what is queued and a goodbye. The connections close with the last part of the client.
    pub async fn close(self) {
        self.driver.borrow_mut().session.advance();
        self.driver.borrow_mut().session.say_goodbye();
        wait_for(&self.driver, |session| (!session.has_outgoing()).then_some(())).await;
    }
}
