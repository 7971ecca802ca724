//! Session: the state machine of a client, without IO: bytes in, events inside, bytes out.
//!
//! | file | holds |
//! |---|---|
//! | `state` | all of it together, and its turns |
//! | `inbox`, `connection` | one connection: its frames, its life, its heartbeats |
//! | `links` | all connections: home and direct ones; where a frame goes; losses |
//! | `slots`, `pending` | tables by key; what was asked and not answered, with deadlines |
//! | `dispatch` | every frame that comes, sent to whom it is for |
//! | `calls`, `routes` | calls with one answer; where the queues of a topic are |
//! | `tickets`, `lane`, `settled`, `producer`, `publishing` | pure state of publishing; its frames |
//! | `consumer`, `consuming` | pure state of a subscription; its frames |
//! | `requester`, `requesting` | pure state of requests; their frames |
//! | `responder`, `responding` | pure state of a registration; its frames |
//! | `admin` | the administrator's questions and answers as frames |
//!
//! A driver moves bytes and time, nothing else: it connects what `connects` names,
//! receives into `space`, reports `received`, sends `outgoing`, and calls `tick`.
//! Every driver shares all behaviour, and tests need no sockets.

pub(crate) mod admin;
pub(crate) mod calls;
mod connection;
mod consumer;
mod consuming;
mod dispatch;
mod inbox;
mod lane;
mod links;
mod pending;
mod producer;
mod publishing;
mod requester;
mod requesting;
mod responder;
mod responding;
mod routes;
mod settled;
mod slots;
mod state;
mod tickets;

pub(crate) use state::Session;

/// The home connection's place in the table of connections.
pub(crate) const HOME: usize = 0;

#[cfg(test)]
mod tests;
