//! load: the open-loop load generator, and the trait behind which every bus stands.
//!
//! | file | holds |
//! |---|---|
//! | `driver` | what the load needs of a bus; `defibus/` is this one |
//! | `plan`, `open` | a case as ends, dealt to threads; opening them |
//! | `arrivals`, `pacer`, `chance` | when messages are due, and whose fault it is when they leave late |
//! | `messages`, `stamp` | bodies, keys, and what a body carries |
//! | `sending`, `receiving`, `flights` | the flows of one thread; what is under way |
//! | `thread`, `shared` | one load thread's loop; what it tells the main thread |
//! | `ledger`, `row`, `seen` | counts and latencies; equal ones in a row; which messages came |
//! | `run`, `account`, `cpu` | one case from begin to end, and what came of it |
//!
//! Open loop: a message is due when its rate says so, whatever the bus does, and its
//! latency counts from then. What the load itself delays is kept apart.

pub mod account;
pub mod arrivals;
pub mod chance;
pub mod cpu;
pub mod defibus;
pub mod driver;
pub mod flights;
pub mod ledger;
pub mod messages;
mod open;
pub mod pacer;
pub mod plan;
pub mod receiving;
pub mod row;
pub mod run;
pub mod seen;
pub mod sending;
pub mod shared;
pub mod stamp;
pub mod thread;

#[cfg(test)]
mod tests;
