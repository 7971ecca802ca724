//! wire: the words of the house, shared by broker, client, tools and doors.
//!
//! | file | holds |
//! |---|---|
//! | `header` | the fixed 32 bytes in front of every frame |
//! | `kind` | the number of each frame kind |
//! | `frame` | encoding and decoding whole frames |
//! | `body` | which table each kind carries |
//! | `record` | one message, and the section of records a frame carries |
//! | `names` | what a topic may be called |
//! | `ids` | a distinct type for each kind of number |
//! | `limits` | the one table of maxima |
//! | `error` | the registry of error codes |
//! | `generated` | FlatBuffers tables, made from `schema/defibus.fbs` |
//!
//! Knows nothing of ours; allocates nothing while decoding; no input panics.

#![deny(unsafe_code)]

pub mod body;
pub mod error;
pub mod frame;
pub mod header;
pub mod ids;
pub mod kind;
pub mod limits;
pub mod names;
pub mod record;

#[allow(
    unsafe_code,
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    unused_imports,
    clippy::all,
    clippy::pedantic,
    clippy::undocumented_unsafe_blocks,
    clippy::multiple_unsafe_ops_per_block,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::unwrap_used,
    clippy::allow_attributes_without_reason,
    reason = "made by flatc from schema/defibus.fbs; `cargo xtask codegen` remakes it"
)]
mod generated {
    #[rustfmt::skip]
    pub mod defibus_generated;
}

/// The FlatBuffers tables of every frame kind.
pub use generated::defibus_generated::frame as table;

pub use error::ErrorCode;
pub use frame::{DecodeError, Frame, FrameWriter};
pub use header::{FrameHeader, HEADER_BYTES};
pub use ids::{
    Epoch, GroupId, LogIndex, MemberId, Offset, ProducerId, QueueId, ShardId, Term, TopicId,
};
pub use kind::Kind;
