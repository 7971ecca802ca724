//! Errors: what can go wrong, one type per operation, with data.
//!
//! Three words are kept apart. *Refused*: the node said no; nothing was done.
//! *Not sent*: the deadline passed before anything left; nothing was done.
//! *Unknown*: it was sent and no answer came: it may be done or not. A timeout
//! is never called a failure.

use std::fmt;
use wire::ErrorCode;
use wire::record::RecordError;

/// The node's typed no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What kind of no. A number this release does not know arrives as `Internal`, named in the message.
    pub code: ErrorCode,
    /// The node's sentence.
    pub message: String,
    /// The number that mattered, as observed; 0 if there is none.
    pub observed: u64,
    /// The limit it met; 0 if there is none.
    pub limit: u64,
    /// When to try again, in milliseconds; 0 if the node does not say.
    pub retry_after_ms: u32,
}

/// Why it is unknown whether something was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownCause {
    /// The connection broke after the bytes were sent.
    ConnectionLost,
    /// No answer by the deadline.
    TimedOut,
    /// The node forgot this producer, so it cannot say whether an earlier attempt was taken.
    ProducerForgotten,
    /// The answer came and cannot be read.
    AnswerMalformed,
}

/// Why there is no connection to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectError {
    /// The address cannot be resolved or reached.
    Unreachable {
        /// As configured.
        server: String,
        /// What the operating system said last.
        cause: String,
    },
    /// The node answered, and refused.
    Refused(Refusal),
    /// Something answered that does not speak this protocol.
    NotOurProtocol {
        /// As configured.
        server: String,
    },
}

/// Why a call (topics, groups, offsets, opening, subscribing, replying) has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError {
    /// The node said no; nothing was done.
    Refused(Refusal),
    /// There was no connection until the deadline; nothing was sent.
    NotSent,
    /// It was sent; whether it was done is unknown.
    Unknown(UnknownCause),
    /// A record of the call breaks a limit; nothing was sent.
    RecordInvalid(RecordError),
}

/// Why a record has no receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendError {
    /// The node said no; the record is not there.
    Refused(Refusal),
    /// It never left before its deadline; the record is not there.
    NotSent,
    /// It was sent; whether it is there is unknown.
    Unknown(UnknownCause),
    /// It breaks a limit; nothing was sent.
    RecordInvalid(RecordError),
    /// The topic has no such queue; nothing was sent.
    NoSuchQueue {
        /// The number asked for.
        queue: u16,
        /// How many queues the topic has.
        queue_count: u16,
    },
    /// The window is full of records whose receipts were not taken; nothing was sent.
    WindowFull,
}

/// Why a record was not taken into the window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnqueueError {
    /// Take a receipt, then enqueue again.
    WindowFull,
    /// It breaks a limit.
    RecordInvalid(RecordError),
    /// The topic has no such queue.
    NoSuchQueue {
        /// The number asked for.
        queue: u16,
        /// How many queues the topic has.
        queue_count: u16,
    },
    /// The producer can send no more: another instance took its id.
    Fenced(Refusal),
}

/// Why a consumer or a responder receives nothing more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConsumeError {
    /// The node refused to take the subscription up again, for example because the topic is gone.
    Refused(Refusal),
}

/// The lease under which a message came is over: it will be delivered again, here or elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseOver;

/// Why a request was not begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BeginError {
    /// Take an outcome, then begin again.
    TooManyOutstanding {
        /// The configured bound.
        outstanding_max: usize,
    },
    /// It breaks a limit.
    RecordInvalid(RecordError),
}

impl ConnectError {
    /// The number of this error, for `defibus explain`.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Unreachable { .. } => ErrorCode::CannotConnect,
            Self::Refused(refusal) => refusal.code,
            Self::NotOurProtocol { .. } => ErrorCode::WrongProtocol,
        }
    }
}

impl CallError {
    /// The number of this error, for `defibus explain`.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Refused(refusal) => refusal.code,
            Self::NotSent => ErrorCode::CannotConnect,
            Self::Unknown(cause) => cause.code(),
            Self::RecordInvalid(error) => record_code(*error),
        }
    }
}

impl SendError {
    /// The number of this error, for `defibus explain`.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Refused(refusal) => refusal.code,
            Self::NotSent => ErrorCode::CannotConnect,
            Self::Unknown(cause) => cause.code(),
            Self::RecordInvalid(error) => record_code(*error),
            Self::NoSuchQueue { .. } => ErrorCode::UnknownQueue,
            Self::WindowFull => ErrorCode::TooManyInFlight,
        }
    }
}

impl EnqueueError {
    /// The number of this error, for `defibus explain`.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::WindowFull => ErrorCode::TooManyInFlight,
            Self::RecordInvalid(error) => record_code(*error),
            Self::NoSuchQueue { .. } => ErrorCode::UnknownQueue,
            Self::Fenced(refusal) => refusal.code,
        }
    }
}

impl ConsumeError {
    /// The number of this error, for `defibus explain`.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Refused(refusal) => refusal.code,
        }
    }
}

impl BeginError {
    /// The number of this error, for `defibus explain`.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::TooManyOutstanding { .. } => ErrorCode::TooManyPending,
            Self::RecordInvalid(error) => record_code(*error),
        }
    }
}

impl UnknownCause {
    /// The number of this cause, for `defibus explain`.
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::ConnectionLost => ErrorCode::ConnectionLost,
            Self::TimedOut => ErrorCode::TimedOut,
            Self::ProducerForgotten => ErrorCode::UnknownProducer,
            Self::AnswerMalformed => ErrorCode::MalformedFrame,
        }
    }
}

const fn record_code(error: RecordError) -> ErrorCode {
    match error {
        RecordError::TooLarge { .. } => ErrorCode::RecordTooLarge,
        RecordError::Truncated
        | RecordError::Malformed
        | RecordError::Checksum
        | RecordError::Count => ErrorCode::RecordInvalid,
    }
}

impl From<EnqueueError> for SendError {
    fn from(error: EnqueueError) -> Self {
        match error {
            EnqueueError::WindowFull => Self::WindowFull,
            EnqueueError::RecordInvalid(error) => Self::RecordInvalid(error),
            EnqueueError::NoSuchQueue { queue, queue_count } => {
                Self::NoSuchQueue { queue, queue_count }
            }
            EnqueueError::Fenced(refusal) => Self::Refused(refusal),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: ", self.code)?;
        let words = if self.message.is_empty() { self.code.what() } else { &self.message };
        formatter.write_str(words)?;
        if self.limit != 0 || self.observed != 0 {
            write!(formatter, " (observed {}, limit {})", self.observed, self.limit)?;
        }
        Ok(())
    }
}

impl fmt::Display for UnknownCause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::ConnectionLost => "the connection broke before the answer",
            Self::TimedOut => "no answer by the deadline",
            Self::ProducerForgotten => "the node no longer knows this producer",
            Self::AnswerMalformed => "the answer cannot be read",
        })
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { server, cause } => {
                write!(formatter, "cannot connect to {server}: {cause}")
            }
            Self::Refused(refusal) => write!(formatter, "the node refused: {refusal}"),
            Self::NotOurProtocol { server } => {
                write!(formatter, "{server} does not speak the DeFiBus protocol")
            }
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => write!(formatter, "refused: {refusal}"),
            Self::NotSent => formatter.write_str("not sent: no connection until the deadline"),
            Self::Unknown(cause) => write!(formatter, "unknown whether done: {cause}"),
            Self::RecordInvalid(error) => write!(formatter, "invalid record: {error:?}"),
        }
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => write!(formatter, "refused: {refusal}"),
            Self::NotSent => formatter.write_str("not sent before its deadline"),
            Self::Unknown(cause) => write!(formatter, "unknown whether accepted: {cause}"),
            Self::RecordInvalid(error) => write!(formatter, "invalid record: {error:?}"),
            Self::NoSuchQueue { queue, queue_count } => {
                write!(formatter, "no queue {queue}: the topic has {queue_count}")
            }
            Self::WindowFull => formatter.write_str("the window is full: take receipts first"),
        }
    }
}

impl fmt::Display for EnqueueError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        SendError::from(self.clone()).fmt(formatter)
    }
}

impl fmt::Display for ConsumeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => write!(formatter, "subscription refused: {refusal}"),
        }
    }
}

impl fmt::Display for LeaseOver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the lease is over: the message will be delivered again")
    }
}

impl fmt::Display for BeginError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyOutstanding { outstanding_max } => {
                write!(formatter, "{outstanding_max} requests are outstanding: take outcomes first")
            }
            Self::RecordInvalid(error) => write!(formatter, "invalid record: {error:?}"),
        }
    }
}

impl std::error::Error for Refusal {}
impl std::error::Error for ConnectError {}
impl std::error::Error for CallError {}
impl std::error::Error for SendError {}
impl std::error::Error for EnqueueError {}
impl std::error::Error for ConsumeError {}
impl std::error::Error for LeaseOver {}
impl std::error::Error for BeginError {}
