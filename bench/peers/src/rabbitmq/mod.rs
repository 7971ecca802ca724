//! rabbitmq: requests over direct reply-to, events in queues behind an exchange, by amqprs.
//!
//! | file | holds |
//! |---|---|
//! | `driver` | the server, its exchanges, facts |
//! | `broker` | how the server's processes are started |
//! | `port` | connections of one load thread |
//! | `channel` | a channel that is let go within the runtime |
//! | `confirms` | publisher confirms, as they are told |
//! | `sending`, `receiving` | the ends |

mod broker;
mod channel;
mod confirms;
mod driver;
mod port;
mod receiving;
mod sending;

pub(crate) use driver::Rabbitmq;
