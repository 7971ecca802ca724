//! redis: requests over lists or channels, events in streams, lists or channels, by the redis crate.
//!
//! | file | holds |
//! |---|---|
//! | `driver` | the servers and their configuration, facts |
//! | `port` | connections of one load thread |
//! | `pipe` | commands of one end, gathered to pipelines, and their answers |
//! | `calls` | what a request and a reply look like |
//! | `feed` | where messages come from: a stream's group, lists, channels |
//! | `sending`, `receiving` | the ends |

mod calls;
mod driver;
mod feed;
mod pipe;
mod port;
mod receiving;
mod sending;

pub(crate) use driver::Redis;
