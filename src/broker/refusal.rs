//! Refusal: every reason to say no, and its words, once.
//!
//! Each use case returns its own small error; here they become a stable
//! `wire::ErrorCode`, a sentence with the number that mattered, and a limit.
//! The match is exhaustive on purpose: a new reason asks for its words here.

use routing::catalog::ChangeRefused;
use storage::store::{NoteRefused, PublishRefused};
use wire::record::RecordError;
use wire::{ErrorCode, QueueId};

/// Why a frame is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not now: hold the frame and try again when a flush ended or a mailbox has room. Never sent.
    Busy,
    /// The body is not the table of its kind.
    MalformedBody,
    /// A kind this node does not take from a client.
    UnknownKind(u8),
    /// Something else came before Hello.
    HelloExpected,
    /// A second Hello.
    HelloTwice,
    /// No common version.
    VersionMismatch {
        /// Lowest the client speaks.
        client_min: u8,
        /// Highest the client speaks.
        client_max: u8,
    },
    /// Nothing was heard for too long.
    HeartbeatLost {
        /// Silence, in milliseconds.
        silence_ms: u64,
        /// Allowed, in milliseconds.
        silence_ms_max: u64,
    },
    /// The node is stopping.
    ShuttingDown,
    /// A field has a value that is not allowed.
    InvalidArgument {
        /// Which field.
        field: &'static str,
        /// What it has.
        value: u64,
        /// The largest it may have.
        value_max: u64,
    },
    /// A name that is empty, too long or unprintable.
    InvalidName {
        /// What is named.
        field: &'static str,
        /// Its length, in bytes.
        bytes: usize,
    },
    /// No such topic.
    UnknownTopic {
        /// As asked.
        name: String,
    },
    /// The topic exists with other settings.
    TopicExists {
        /// Its name.
        name: String,
    },
    /// Publishing to a service, or requesting an event.
    TopicKindMismatch {
        /// What the call needs.
        wanted: &'static str,
    },
    /// No such queue.
    UnknownQueue {
        /// As asked.
        queue: QueueId,
    },
    /// Too few, too many, or fewer than before.
    QueueCountInvalid {
        /// As asked.
        count: u64,
        /// The smallest allowed.
        count_min: u64,
    },
    /// `quorum` on a single node.
    LevelUnavailable,
    /// A table of the node is full.
    TableFull {
        /// Which.
        code: ErrorCode,
        /// Its maximum.
        count_max: usize,
    },
    /// The depth limit.
    DepthReached {
        /// Records not consumed by the slowest group.
        depth: u64,
        /// Allowed.
        depth_max: u64,
    },
    /// A section fails its check.
    Record(RecordError),
    /// Storage says no to a publish.
    Publish(PublishRefused),
    /// Storage says no to a note.
    Note(NoteRefused),
    /// No such group.
    UnknownGroup {
        /// As asked.
        name: String,
    },
    /// The group has members on the topic.
    GroupActive {
        /// How many.
        members: usize,
    },
    /// No such member or responder on this connection.
    UnknownMember {
        /// As given.
        member: u64,
    },
    /// Another epoch owns the queue.
    LeaseFenced {
        /// As given.
        given: u32,
        /// The one that owns it; 0 = none.
        current: u32,
    },
    /// Not a producer of this node.
    UnknownProducer {
        /// As given.
        producer: u64,
    },
    /// Too many requests outstanding.
    TooManyPending {
        /// Allowed.
        count_max: usize,
    },
    /// A deadline that has passed or is too far.
    DeadlineInvalid {
        /// As given, in microseconds.
        time_left_us: u64,
        /// Allowed, in microseconds.
        time_left_us_max: u64,
    },
    /// More work than may be queued.
    Overloaded {
        /// What is full.
        what: &'static str,
        /// Its maximum.
        count_max: usize,
    },
}

/// A refusal as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// The stable number.
    pub code: ErrorCode,
    /// What happened, with its numbers.
    pub message: String,
    /// The number that mattered.
    pub observed: u64,
    /// Its limit.
    pub limit: u64,
    /// When to try again; 0 = no advice.
    pub retry_after_ms: u32,
}

/// Advice for what ends with the next flush or a consumer's progress, in milliseconds.
const RETRY_SOON_MS: u32 = 100;

impl Refusal {
    /// Why the catalog stays as it is; `name` is the `field` as it was asked for.
    pub fn of_change(refused: ChangeRefused, field: &'static str, name: &str) -> Self {
        let name = name.to_owned();
        match refused {
            ChangeRefused::InvalidName { bytes } => Self::InvalidName { field, bytes },
            ChangeRefused::InvalidChoice { field, value, value_max } => {
                Self::InvalidArgument { field, value: value.into(), value_max: value_max.into() }
            }
            ChangeRefused::UnknownTopic => Self::UnknownTopic { name },
            ChangeRefused::TopicExists => Self::TopicExists { name },
            ChangeRefused::QueueCountInvalid { count, count_min } => {
                Self::QueueCountInvalid { count: count.into(), count_min: count_min.into() }
            }
            ChangeRefused::LevelUnavailable => Self::LevelUnavailable,
            ChangeRefused::TooManyTopics { count_max } => {
                Self::TableFull { code: ErrorCode::TooManyTopics, count_max }
            }
            ChangeRefused::TooManyQueues { count_max } => {
                Self::TableFull { code: ErrorCode::TooManyQueues, count_max }
            }
            ChangeRefused::TooManyGroups { count_max } => {
                Self::TableFull { code: ErrorCode::TooManyGroups, count_max }
            }
            ChangeRefused::UnknownProducer { producer } => {
                Self::UnknownProducer { producer: producer.0 }
            }
        }
    }

    /// Code, sentence and numbers.
    pub fn words(&self) -> Words {
        match self {
            Self::Busy => words(ErrorCode::Overloaded, "busy", 0, 0).soon(),
            Self::MalformedBody => {
                words(ErrorCode::MalformedFrame, "the body is not a table of its kind", 0, 0)
            }
            Self::UnknownKind(kind) => words(
                ErrorCode::UnknownKind,
                format!("frame kind {kind:#04x} is not taken from a client"),
                u64::from(*kind),
                0,
            ),
            Self::HelloExpected => words(ErrorCode::HelloExpected, "say hello first", 0, 0),
            Self::HelloTwice => words(ErrorCode::HelloTwice, "hello was said before", 0, 0),
            Self::VersionMismatch { client_min, client_max } => words(
                ErrorCode::VersionMismatch,
                format!("the client speaks versions {client_min} to {client_max}, this node 1"),
                u64::from(*client_max),
                1,
            ),
            Self::HeartbeatLost { silence_ms, silence_ms_max } => words(
                ErrorCode::HeartbeatLost,
                format!("nothing was heard for {silence_ms} ms; {silence_ms_max} ms are allowed"),
                *silence_ms,
                *silence_ms_max,
            ),
            Self::ShuttingDown => words(ErrorCode::ShuttingDown, "the node is stopping", 0, 0),
            Self::InvalidArgument { field, value, value_max } => words(
                ErrorCode::InvalidArgument,
                format!("{field} is {value}; at most {value_max} is allowed"),
                *value,
                *value_max,
            ),
            Self::InvalidName { field, bytes } => words(
                ErrorCode::InvalidName,
                format!(
                    "the {field} has {bytes} bytes or unprintable characters; 1 to 255 printable bytes are allowed"
                ),
                count(*bytes),
                count(wire::limits::NAME_BYTES_MAX),
            ),
            Self::UnknownTopic { .. }
            | Self::TopicExists { .. }
            | Self::TopicKindMismatch { .. }
            | Self::UnknownQueue { .. }
            | Self::QueueCountInvalid { .. }
            | Self::LevelUnavailable
            | Self::TableFull { .. }
            | Self::DepthReached { .. } => self.words_of_topics(),
            Self::Record(error) => words_of_record(*error),
            Self::Publish(refused) => words_of_publish(*refused),
            Self::Note(refused) => words_of_note(*refused),
            Self::UnknownGroup { .. }
            | Self::GroupActive { .. }
            | Self::UnknownMember { .. }
            | Self::LeaseFenced { .. }
            | Self::UnknownProducer { .. }
            | Self::TooManyPending { .. }
            | Self::DeadlineInvalid { .. }
            | Self::Overloaded { .. } => self.words_of_peers(),
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "`words` is the exhaustive match; this is its second page"
    )]
    fn words_of_topics(&self) -> Words {
        match self {
            Self::UnknownTopic { name } => {
                words(ErrorCode::UnknownTopic, format!("there is no topic `{name}`"), 0, 0)
            }
            Self::TopicExists { name } => words(
                ErrorCode::TopicExists,
                format!("topic `{name}` exists with other settings"),
                0,
                0,
            ),
            Self::TopicKindMismatch { wanted } => words(
                ErrorCode::TopicKindMismatch,
                format!("this call needs a topic of kind {wanted}"),
                0,
                0,
            ),
            Self::UnknownQueue { queue } => {
                words(ErrorCode::UnknownQueue, format!("there is no queue {queue}"), queue.0, 0)
            }
            Self::QueueCountInvalid { count: asked, count_min } => words(
                ErrorCode::QueueCountInvalid,
                format!("{asked} queues were asked for; {count_min} to 1024 are allowed"),
                *asked,
                u64::from(wire::ids::QUEUES_PER_TOPIC_MAX),
            ),
            Self::LevelUnavailable => {
                words(ErrorCode::LevelUnavailable, "level quorum: not on a single node", 0, 0)
            }
            Self::TableFull { code, count_max } => words(
                *code,
                format!("{}: {count_max}", code.what()),
                count(*count_max),
                count(*count_max),
            ),
            Self::DepthReached { depth, depth_max } => words(
                ErrorCode::DepthReached,
                format!("{depth} records wait for the slowest group; {depth_max} are allowed"),
                *depth,
                *depth_max,
            )
            .soon(),
            _ => unreachable!("`words` sends only reasons of topics here"),
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "`words` is the exhaustive match; this is its third page"
    )]
    fn words_of_peers(&self) -> Words {
        match self {
            Self::UnknownGroup { name } => {
                words(ErrorCode::UnknownGroup, format!("there is no group `{name}`"), 0, 0)
            }
            Self::GroupActive { members } => words(
                ErrorCode::GroupActive,
                format!("the group has {members} members on this topic"),
                count(*members),
                0,
            ),
            Self::UnknownMember { member } => words(
                ErrorCode::UnknownMember,
                format!("member {member} is not of this connection"),
                *member,
                0,
            ),
            Self::LeaseFenced { given, current } => words(
                ErrorCode::LeaseFenced,
                format!("lease epoch {given} is over; {current} owns the queue"),
                u64::from(*given),
                u64::from(*current),
            ),
            Self::UnknownProducer { producer } => words(
                ErrorCode::UnknownProducer,
                format!("producer {producer} is not known here"),
                *producer,
                0,
            ),
            Self::TooManyPending { count_max } => words(
                ErrorCode::TooManyPending,
                format!("{count_max} requests are outstanding"),
                count(*count_max),
                count(*count_max),
            )
            .soon(),
            Self::DeadlineInvalid { time_left_us, time_left_us_max } => words(
                ErrorCode::DeadlineInvalid,
                format!("{time_left_us} us are left; 1 to {time_left_us_max} are allowed"),
                *time_left_us,
                *time_left_us_max,
            ),
            Self::Overloaded { what, count_max } => words(
                ErrorCode::Overloaded,
                format!("{what} is full at {count_max}"),
                count(*count_max),
                count(*count_max),
            )
            .soon(),
            _ => unreachable!("`words` sends only reasons of peers here"),
        }
    }
}

fn words_of_record(error: RecordError) -> Words {
    match error {
        RecordError::TooLarge { bytes, bytes_max } => words(
            ErrorCode::RecordTooLarge,
            format!("a record or a part of it has {bytes} bytes; {bytes_max} are allowed"),
            count(bytes),
            count(bytes_max),
        ),
        RecordError::Checksum => {
            words(ErrorCode::RecordInvalid, "a record fails its checksum", 0, 0)
        }
        RecordError::Truncated | RecordError::Malformed => {
            words(ErrorCode::RecordInvalid, "a record's lengths do not add up", 0, 0)
        }
        RecordError::Count => {
            words(ErrorCode::RecordInvalid, "the section has another number of records", 0, 0)
        }
    }
}

fn words_of_publish(refused: PublishRefused) -> Words {
    match refused {
        PublishRefused::UnknownQueue => words(ErrorCode::UnknownQueue, "no such queue", 0, 0),
        PublishRefused::Busy => words(ErrorCode::Overloaded, "busy", 0, 0).soon(),
        PublishRefused::StorageFull { bytes, bytes_max } => words(
            ErrorCode::StorageFull,
            format!("the log uses {bytes} of {bytes_max} bytes"),
            bytes,
            bytes_max,
        )
        .soon(),
        PublishRefused::MemoryFull { bytes, bytes_max } => words(
            ErrorCode::MemoryFull,
            format!("memory topics use {bytes} of {bytes_max} bytes"),
            bytes,
            bytes_max,
        )
        .soon(),
        PublishRefused::Fenced { newest } => words(
            ErrorCode::ProducerFenced,
            format!("epoch {newest} of this producer is newer"),
            u64::from(newest.0),
            0,
        ),
        PublishRefused::SequenceGap { expected } => words(
            ErrorCode::SequenceGap,
            format!("sequence {expected} is the next one to be taken"),
            expected,
            expected,
        ),
        PublishRefused::UnknownProducer => {
            words(ErrorCode::UnknownProducer, "nothing is known of this producer here", 0, 0)
        }
        PublishRefused::TooLarge => {
            words(ErrorCode::RecordTooLarge, "larger than a batch can be", 0, 0)
        }
    }
}

fn words_of_note(refused: NoteRefused) -> Words {
    match refused {
        NoteRefused::UnknownQueue => words(ErrorCode::UnknownQueue, "no such queue", 0, 0),
        NoteRefused::Busy => words(ErrorCode::Overloaded, "busy", 0, 0).soon(),
        NoteRefused::Fenced { current } => words(
            ErrorCode::LeaseFenced,
            format!("lease epoch {current} owns the queue"),
            0,
            u64::from(current.0),
        ),
        NoteRefused::TooManyAcksAhead { count_max } => words(
            ErrorCode::TooManyInFlight,
            format!("{count_max} acknowledgements wait for an older one"),
            count(count_max),
            count(count_max),
        ),
        NoteRefused::OutOfRange => {
            words(ErrorCode::OffsetOutOfRange, "the offset lies outside the queue", 0, 0)
        }
        NoteRefused::StorageFull => {
            words(ErrorCode::StorageFull, "the log has no room for it", 0, 0)
        }
    }
}

impl Words {
    fn soon(self) -> Self {
        Self { retry_after_ms: RETRY_SOON_MS, ..self }
    }
}

fn words(code: ErrorCode, message: impl Into<String>, observed: u64, limit: u64) -> Words {
    Words { code, message: message.into(), observed, limit, retry_after_ms: 0 }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

impl From<PublishRefused> for Refusal {
    fn from(refused: PublishRefused) -> Self {
        if refused == PublishRefused::Busy { Self::Busy } else { Self::Publish(refused) }
    }
}

impl From<NoteRefused> for Refusal {
    fn from(refused: NoteRefused) -> Self {
        if refused == NoteRefused::Busy { Self::Busy } else { Self::Note(refused) }
    }
}

impl From<RecordError> for Refusal {
    fn from(error: RecordError) -> Self {
        Self::Record(error)
    }
}

impl From<wire::DecodeError> for Refusal {
    fn from(_: wire::DecodeError) -> Self {
        Self::MalformedBody
    }
}
