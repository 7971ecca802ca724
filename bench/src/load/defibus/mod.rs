//! defibus: the load's driver of this bus, on the SDK's blocking client, polled.
//!
//! | file | holds |
//! |---|---|
//! | `node` | topics, facts and counters, through a client that sleeps |
//! | `port` | connections of one load thread, polled those that expect something |
//! | `hostile` | peers that do not mean well |
//! | `publishing`, `requesting` | the ends |

mod hostile;
mod node;
mod port;
mod publishing;
mod requesting;

pub use node::Defibus;
