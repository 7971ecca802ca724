//! nats: requests over core NATS, events in JetStream streams or over core NATS, by async-nats.
//!
//! | file | holds |
//! |---|---|
//! | `driver` | the server and its configuration, streams, facts |
//! | `port` | connections of one load thread |
//! | `inbox` | answers by ticket: subjects of one's own |
//! | `sending` | producers with and without an answer, requesters |
//! | `receiving` | consumers, responders |

mod driver;
mod inbox;
mod port;
mod receiving;
mod sending;

pub(crate) use driver::{Nats, syncs_before_acknowledging};
