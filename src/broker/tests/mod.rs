//! Tests of use cases through `Broker::step`: real brokers and stores, a machine that does what it is told.

mod catalog_flow;
mod connection_flow;
mod consume_flow;
mod consume_walk;
mod consumer;
pub(crate) mod harness;
mod mail_flow;
mod offsets_flow;
mod publish_flow;
mod requests_flow;
mod trace_flow;
