//! Broker: the logic of one shard, as one step machine.
//!
//! ```text
//!   Event --> Broker::step --> a file per use case --> Effects
//!                 |                                      ^
//!                 +--> storage::Store (plans) -----------+
//! ```
//!
//! | file | use case |
//! |---|---|
//! | `connection` | hello, heartbeat, goodbye |
//! | `dispatch` | which handler a frame goes to, and on which shard |
//! | `catalog`, `topics`, `producers` | the versioned truth about topics, kept by shard 0 |
//! | `publish` | records in, receipts out |
//! | `members` | who consumes what (shard 0 decides) |
//! | `lease`, `leases`, `grants`, `deliver`, `consume`, `retries` | who owns a queue, what it is sent, what it answers |
//! | `pace` | how much may be on its way to one connection |
//! | `offsets`, `groups`, `fetch` | questions about positions, and reading without a group |
//! | `gather` | neighbouring sections, read into one frame |
//! | `requests`, `responders` | request-reply: the pending side and the serving side |
//! | `stored` | requests to durable services, on their way into the log |
//! | `pending`, `calls` | the requests outstanding; what both sides write to each other |
//! | `disk` | storage's plans become effects; what waits for a flush |
//! | `post`, `mail` | writing to other shards, bounded |
//! | `refusal` | every reason to say no, in words, once |
//! | `stats` | counters and stage latencies |
//! | `trace` | where one message's time went |
//!
//! No IO, no clock: the simulator drives this very code.

pub mod calls;
pub mod catalog;
pub mod connection;
pub mod consume;
pub mod deadlines;
pub mod deliver;
pub mod disk;
pub mod dispatch;
pub mod fetch;
pub mod gather;
pub mod grants;
pub mod groups;
pub mod lease;
pub mod leases;
pub mod mail;
pub mod members;
pub mod offsets;
pub mod outgoing;
pub mod pace;
pub mod pending;
pub mod post;
pub mod producers;
pub mod publish;
pub mod refusal;
pub mod requests;
pub mod responders;
pub mod retries;
pub mod settings;
pub mod stats;
pub mod step;
pub mod stored;
pub mod topics;
pub mod trace;
pub use step::Broker;

#[cfg(test)]
mod tests;
