//! Blocking: the client for plain threads. No background thread: bytes move only while a call runs.
//!
//! All parts of one client share its connections, so they stay on one thread;
//! a program with several threads makes one client each. Waiting for one part
//! moves the bytes of all of them.

mod admin;
mod consumer;
mod producer;
mod requester;
mod responder;

use crate::catalog::NodeInfo;
use crate::config::{
    ClientConfig, ConsumerConfig, ProducerConfig, RequesterConfig, ResponderConfig,
};
use crate::error::{CallError, ConnectError};
use std::time::Duration;

pub use admin::Admin;
pub use consumer::Consumer;
pub use producer::Producer;
pub use requester::Requester;
pub use responder::Responder;

/// A client of one node. Cloning shares the connections.
#[derive(Clone, Debug)]
pub struct Client {}

impl Client {
    /// Connects and shakes hands, within the configured `connect_timeout`.
    pub fn connect(config: ClientConfig) -> Result<Self, ConnectError> {
        let _ = config;
        unimplemented!()
    }

    /// The node, as it introduced itself last.
    pub fn node(&self) -> NodeInfo {
        unimplemented!()
    }

    /// The calls about topics, groups, offsets and the node itself.
    pub fn admin(&self) -> Admin {
        unimplemented!()
    }

    /// A producer: learns the topic's route and opens a producer id.
    pub fn producer(&self, config: ProducerConfig) -> Result<Producer, CallError> {
        let _ = config;
        unimplemented!()
    }

    /// A consumer: subscribes. Assignments arrive while it is polled.
    pub fn consumer(&self, config: ConsumerConfig) -> Result<Consumer, CallError> {
        let _ = config;
        unimplemented!()
    }

    /// A requester. Routes of services are learnt on first use.
    pub fn requester(&self, config: RequesterConfig) -> Requester {
        let _ = config;
        unimplemented!()
    }

    /// A responder: registers for a service.
    pub fn responder(&self, config: ResponderConfig) -> Result<Responder, CallError> {
        let _ = config;
        unimplemented!()
    }

    /// Moves bytes for all parts of this client: what is ready now, and what comes within `wait`.
    /// Returns early once anything came. A program that is busy elsewhere calls this at least every few seconds.
    pub fn poll(&self, wait: Duration) {
        let _ = wait;
        unimplemented!()
    }

    /// Sends what is queued and a goodbye, then closes all connections, within `wait`.
    pub fn close(self, wait: Duration) {
        let _ = wait;
        unimplemented!()
    }
}
