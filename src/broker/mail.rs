//! Mail: what one shard of a node writes to another.
//!
//! Bytes travel as `Bytes`: copied once out of the receive buffer, then shared.

use super::calls::CallMail;
use super::catalog::CatalogMail;
use super::leases::LeaseMail;
use super::offsets::{Answer, Query};
use super::trace::Arrival;
use bytes::Bytes;
use shard::{ConnectionId, Parcel};
use wire::ShardId;

/// A connection, wherever in the node it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer {
    /// The shard that has the connection: the peer's home.
    pub shard: ShardId,
    /// The connection there.
    pub connection: ConnectionId,
}

/// Whom an answer goes to, and under which number. `request_id` 0 = no answer wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Who asked.
    pub peer: Peer,
    /// The asking frame's id.
    pub request_id: u64,
}

/// A client's frame on its way to the shard that handles it.
#[derive(Debug)]
pub struct Forwarded {
    /// Whom to answer.
    pub origin: Origin,
    /// When it came to the shard of its connection.
    pub arrival: Arrival,
    /// The whole frame, header included.
    pub bytes: Bytes,
}

impl Forwarded {
    /// What it counts in a mailbox, and after it.
    pub(super) fn mail_bytes(&self) -> usize {
        self.bytes.len() + size_of::<Self>()
    }
}

/// What one shard writes to another.
#[derive(Debug)]
pub enum Mail {
    /// A client's frame for a queue, or a question, that is yours to handle.
    Frame(Forwarded),
    /// Frames for a connection of yours.
    Send {
        /// Which.
        connection: ConnectionId,
        /// Whole frames.
        bytes: Bytes,
    },
    /// A connection of mine is gone: drop what you keep for it.
    PeerClosed {
        /// Which.
        peer: Peer,
    },
    /// Catalog changes and their acknowledgement.
    Catalog(CatalogMail),
    /// Assignments from shard 0 to the owner of a queue, and back.
    Lease(LeaseMail),
    /// Request-reply between requester, queue owner and responder.
    Call(CallMail),
    /// A question about your queues.
    Query {
        /// Comes back with the answer.
        ticket: u64,
        /// What.
        query: Query,
    },
    /// The answer to a question.
    Answer {
        /// Of the question.
        ticket: u64,
        /// What.
        answer: Answer,
    },
}

impl Parcel for Mail {
    /// Of frames and sections, and of answers, which may be long; all others are small, and bounded by their number.
    fn bytes(&self) -> usize {
        match self {
            Self::Frame(forwarded) => forwarded.mail_bytes(),
            Self::Send { bytes, .. } => bytes.len(),
            Self::Call(mail) => mail.section_bytes(),
            Self::Answer { answer, .. } => answer.bytes(),
            Self::PeerClosed { .. } | Self::Catalog(_) | Self::Lease(_) | Self::Query { .. } => 0,
        }
    }
}
