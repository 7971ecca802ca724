//! client: the SDK of DeFiBus.
//!
//! | module | holds |
//! |---|---|
//! | `blocking` | the driver for plain threads: caller-driven, no background thread, may spin |
//! | `asynchronous` | the async driver, over a small trait for the runtime |
//! | `tokio`, `glommio` | that driver for each runtime, behind the feature of its name |
//! | `session` | what all drivers share: the state machine of a client, without IO |
//! | `config` | what a client, producer, consumer, requester, responder is made with |
//! | `error` | what can go wrong, one type per operation |
//! | `record` | a record to send, and the view of one that came |
//! | `receipt`, `delivery`, `outcome`, `trace`, `catalog` | the values operations return |
//! | `placement` | which queue a record goes to |
//! | `clock` | the only door to the machine's clock |
//!
//! Nothing happens behind the caller's back: bytes move only while one of the client's calls runs.
//! A client that is not polled for a whole heartbeat is taken for dead; its next call brings it back.
//!
//! Publish and subscribe:
//!
//! ```no_run
//! use client::{Client, ClientConfig, ConsumerConfig, Item, NewRecord, ProducerConfig};
//! use std::time::Duration;
//!
//! let client = Client::connect(ClientConfig::new("127.0.0.1:7400"))?;
//! let mut producer = client.producer(ProducerConfig::new("A10-20190001"))?;
//! let receipt = producer.send(&NewRecord::new(b"buy 10").key(b"alice"))?;
//! assert!(receipt.level >= client::Level::Memory, "accepted, and at which level");
//!
//! let mut consumer = client.consumer(ConsumerConfig::new("A10-20190001", "desk"))?;
//! while let Some(item) = consumer.next(Duration::from_secs(1))? {
//!     if let Item::Message(message) = item {
//!         assert!(!message.body().is_empty());
//!         consumer.ack(message.place)?;
//!     }
//! }
//! consumer.close()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Request and reply; the other side is a [`Responder`]:
//!
//! ```no_run
//! # use client::{Client, ClientConfig};
//! use client::{NewRecord, Outcome, RequesterConfig};
//! use std::time::Duration;
//!
//! # let client = Client::connect(ClientConfig::new("127.0.0.1:7400"))?;
//! let mut requester = client.requester(RequesterConfig::default());
//! let question = NewRecord::new(b"is anybody there?");
//! let outcome = requester.request("A10-20190002", &question, Duration::from_millis(50))?;
//! match outcome {
//!     Outcome::Reply(reply) => assert!(!reply.body().is_empty()),
//!     Outcome::NoResponder => {} // told at once, not at the deadline
//!     Outcome::Unknown => {}     // it may have been served: not a failure, not a success
//!     _ => {}
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `examples/` has both as programs, and a tiny order gateway made of the two.

#![forbid(unsafe_code)]

#[cfg(any(feature = "tokio", feature = "glommio"))]
pub mod asynchronous;
pub mod blocking;
pub mod catalog;
mod clock;
pub mod config;
pub mod delivery;
pub mod error;
#[cfg(feature = "glommio")]
pub mod glommio;
pub mod outcome;
pub mod placement;
pub mod receipt;
pub mod record;
mod session;
#[cfg(feature = "tokio")]
pub mod tokio;
pub mod trace;

pub use blocking::{Admin, Asked, Client, Consumer, Producer, Requester, Responder};
pub use catalog::{
    ClientCounters, Fetched, GroupDetail, GroupSummary, Level, NodeInfo, Page, QueueDetail,
    QueueOffsets, ShardStats, Start, TopicChange, TopicDetail, TopicKind, TopicSettings,
    TopicSummary,
};
pub use config::{
    ClientConfig, ConsumerConfig, ProducerConfig, RequesterConfig, ResponderConfig, Waiting,
};
pub use delivery::{Gap, GapReason, Item, Message, Place};
pub use error::{
    BeginError, CallError, ConnectError, ConsumeError, EnqueueError, LeaseOver, Refusal, SendError,
};
pub use outcome::{Call, Outcome, Reply, ReplyFate, RequestTicket, TimeoutStage};
pub use receipt::{Receipt, ReceiptRun, Ticket};
pub use record::{NewRecord, RecordView};
pub use wire::{ErrorCode, Offset, QueueId, ShardId};
