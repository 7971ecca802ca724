//! Outcome: how a request ended, exactly one each; and the call a responder sees.

use crate::error::Refusal;
use crate::record::RecordView;
use wire::QueueId;

/// Names one request of one requester; never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestTicket(pub u64);

/// How a request ended. Every request ends exactly once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A responder answered.
    Reply(Reply),
    /// The deadline passed.
    Timeout(TimeoutStage),
    /// Nobody serves this service; told at once.
    NoResponder,
    /// The service's circuit is open: its queue is too deep.
    CircuitOpen {
        /// The depth that was met.
        observed: u64,
        /// The depth allowed.
        limit: u64,
    },
    /// The node or the responders have more than they may queue.
    Overloaded {
        /// What was met.
        observed: u64,
        /// What is allowed.
        limit: u64,
    },
    /// Cancelled by the requester.
    Cancelled,
    /// Sent, and the connection was lost: it may have been served or not.
    Unknown,
    /// The node said no; the request was not taken.
    Refused(Refusal),
}

/// Where a request was when its deadline passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeoutStage {
    /// It never left this client: certainly not served.
    NotSent,
    /// In the service's queue: certainly not served.
    InQueue,
    /// With a responder: it may have been served.
    InService,
    /// The node did not answer in time: it may have been served.
    NoAnswer,
}

/// A responder's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The record it sent.
    pub record: RecordView,
    /// Time the request waited for a responder, in microseconds.
    pub queue_us: u64,
    /// Time the responder took, in microseconds.
    pub service_us: u64,
}

impl Reply {
    /// The payload.
    pub fn body(&self) -> &[u8] {
        self.record.body()
    }
}

impl Outcome {
    /// The outcome in one word, as the command line prints it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Reply(_) => "reply",
            Self::Timeout(_) => "timeout",
            Self::NoResponder => "no-responder",
            Self::CircuitOpen { .. } => "circuit-open",
            Self::Overloaded { .. } => "overloaded",
            Self::Cancelled => "cancelled",
            Self::Unknown => "unknown",
            Self::Refused(_) => "refused",
        }
    }
}

/// A request, as its responder sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The request's record.
    pub record: RecordView,
    /// The queue it came through.
    pub queue: QueueId,
    /// Its offset there.
    pub offset: u64,
    /// Time left until the requester's deadline when the node sent it here, in microseconds.
    pub time_left_us: u64,
    pub(crate) reply_to: ReplyTo,
    /// The responder registration it came under.
    pub(crate) responder: u64,
}

impl Call {
    /// The payload.
    pub fn body(&self) -> &[u8] {
        self.record.body()
    }
}

/// Where a reply goes: the node's own bytes, opaque.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReplyTo(pub(crate) [u8; 32]);

impl std::fmt::Debug for ReplyTo {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("ReplyTo")
    }
}

/// What became of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyFate {
    /// The requester has it.
    Delivered,
    /// The request had ended before.
    Late,
    /// The requester's connection is gone.
    RequesterGone,
    /// The node does not know this call as ours.
    NotYours,
}
