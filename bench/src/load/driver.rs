//! Driver: what the load needs of a bus: topics, and ends that never wait.
//!
//! ```text
//!   Driver ---- one per run, shared: topics, counters, facts
//!     '-- Port ---- one per load thread: opens ends, and moves the bytes of all of them
//!           |-- SenderEnd      publishes, or asks; its answers are receipts or outcomes
//!           |-- ReceiverEnd    a consumer of a group; what it takes is acknowledged
//!           '-- ResponderEnd   answers every request with its own body
//! ```
//!
//! The load's loop calls `Port::turn` and then looks what its ends have. No end may
//! wait, sleep or touch the network between turns: a load that waits for one end is
//! late for all others. A peer is another implementation of these traits, no more.

use crate::result;
use crate::workload::Level;
use std::fmt;
use std::time::Duration;

/// A bus, as the load sees it.
pub trait Driver: Sync {
    /// The bus that is driven, and what an acknowledgement of `level` means on topics of `shape`.
    ///
    /// # Errors
    /// It has no such level, or cannot be reached.
    fn describe(&self, level: Level, shape: Shape) -> Result<result::Driver, DriveError>;

    /// Makes these topics or services, empty; idle ones too.
    ///
    /// # Errors
    /// One of them cannot be made.
    fn make(&self, topics: &[TopicPlan]) -> Result<(), DriveError>;

    /// What one load thread works with; called on that thread.
    ///
    /// # Errors
    /// The bus cannot be reached.
    fn port(&self) -> Result<Box<dyn Port>, DriveError>;

    /// What the bus counted since it started, where it tells.
    ///
    /// # Errors
    /// The bus cannot be reached.
    fn counters(&self) -> Result<Option<Counters>, DriveError> {
        Ok(None)
    }

    /// The processes of the bus on this host, for their CPU time; empty: not known, or elsewhere.
    fn processes(&self) -> Vec<u32> {
        Vec::new()
    }

    /// Cores that the bus keeps busy, for the check that the machine has enough.
    fn cores(&self) -> usize {
        1
    }

    /// Whether it spins while it has nothing to do.
    fn spins(&self) -> bool {
        false
    }
}

/// What one load thread has of a bus. It stays on that thread.
pub trait Port {
    /// A producer of a topic.
    ///
    /// # Errors
    /// The bus refuses, or cannot be reached.
    fn producer(&mut self, plan: &EndPlan<'_>) -> Result<Box<dyn SenderEnd>, DriveError>;

    /// A requester of a service.
    ///
    /// # Errors
    /// As `producer`.
    fn requester(&mut self, plan: &EndPlan<'_>) -> Result<Box<dyn SenderEnd>, DriveError>;

    /// Somebody who asks about topics.
    ///
    /// # Errors
    /// As `producer`; or the bus has nobody to ask.
    fn administrator(&mut self) -> Result<Box<dyn SenderEnd>, DriveError> {
        Err(DriveError::Bus("this bus has no questions for an administrator".to_owned()))
    }

    /// A consumer of `group` on a topic, from its first message on.
    ///
    /// # Errors
    /// As `producer`.
    fn consumer(
        &mut self,
        plan: &EndPlan<'_>,
        group: &str,
    ) -> Result<Box<dyn ReceiverEnd>, DriveError>;

    /// A responder of a service.
    ///
    /// # Errors
    /// As `producer`.
    fn responder(&mut self, plan: &EndPlan<'_>) -> Result<Box<dyn ResponderEnd>, DriveError>;

    /// A connection that does nothing.
    ///
    /// # Errors
    /// As `producer`.
    fn idle_connection(&mut self) -> Result<(), DriveError>;

    /// Peers that do not mean well: opened, kept at their work and opened again when they are closed,
    /// all within `turn`.
    ///
    /// # Errors
    /// As `producer`; or the load has no such peers of this bus.
    fn hostile(&mut self, _plan: &HostilePlan<'_>) -> Result<(), DriveError> {
        Err(DriveError::Bus("there are no hostile peers of this bus".to_owned()))
    }

    /// How the hostile peers that were opened here stand.
    fn hostile_count(&self) -> HostileCount {
        HostileCount::default()
    }

    /// Moves bytes, both ways, for every end that was opened here; never waits.
    ///
    /// # Errors
    /// A connection is lost for good.
    fn turn(&mut self, now_ns: u64) -> Result<(), DriveError>;
}

/// Publishes or asks.
pub trait SenderEnd {
    /// Takes a message; it leaves with the port's next turn. The key chooses the queue; empty: they
    /// take turns. Returns its ticket, under which it is answered once; `None`: there is no room
    /// before an earlier one is answered. (Two slices and no struct, since they stay in registers.)
    ///
    /// # Errors
    /// It will never be taken.
    fn send(&mut self, key: &[u8], body: &[u8]) -> Result<Option<u64>, DriveError>;

    /// Hands over every answer there is.
    ///
    /// # Errors
    /// None will come any more.
    fn answers(&mut self, take: &mut dyn FnMut(u64, Answer<'_>)) -> Result<(), DriveError>;
}

/// A member of a group.
pub trait ReceiverEnd {
    /// Hands over at most `count_max` messages, and acknowledges them.
    ///
    /// # Errors
    /// None will come any more.
    fn receive(
        &mut self,
        count_max: usize,
        take: &mut dyn FnMut(Incoming<'_>),
    ) -> Result<(), DriveError>;

    /// Queues it has been given; `None`: this bus does not tell.
    fn held(&self) -> Option<usize> {
        None
    }
}

/// Requests one responder answers at most before the loop looks around again.
pub const SERVES_PER_TURN: usize = 256;

/// Serves.
pub trait ResponderEnd {
    /// Answers every request there is, each with its own body; returns how many.
    ///
    /// # Errors
    /// None will come any more.
    fn serve(&mut self) -> Result<usize, DriveError>;
}

/// A topic or service to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicPlan {
    /// Its name, of letters, digits and `-`.
    pub name: String,
    /// What it is for.
    pub shape: Shape,
    /// Its queues.
    pub queues: u16,
    /// What an acknowledgement is to mean.
    pub level: Level,
}

/// What a topic is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Published and consumed.
    Events,
    /// Requested and replied.
    Service,
}

/// An end to be opened.
#[derive(Clone, Copy, Debug)]
pub struct EndPlan<'a> {
    /// Its topic or service.
    pub topic: &'a str,
    /// The queues of the topic.
    pub queues: u16,
    /// The level that was asked for: a receipt below it is an error.
    pub level: Level,
    /// Messages of one publish at most.
    pub batch: usize,
    /// Messages without an answer at most.
    pub in_flight: usize,
    /// Length of a body, in bytes.
    pub body_bytes: usize,
    /// Time a message or request has.
    pub deadline: Duration,
    /// Ends with the same number share a connection; `None`: it has its own.
    pub connection: Option<usize>,
}

/// Peers that do not mean well.
#[derive(Clone, Copy, Debug)]
pub struct HostilePlan<'a> {
    /// A topic of their own: slow readers ask for what is in it.
    pub topic: &'a str,
    /// Connections that ask for much and never read it.
    pub slow_readers: usize,
    /// Connections that send a byte a second of a frame that never ends.
    pub dripping: usize,
}

/// How hostile peers stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostileCount {
    /// Those that should be open.
    pub wanted: usize,
    /// Those that are.
    pub open: usize,
    /// How often one was opened again, since the bus had closed it.
    pub reopened: u64,
}

impl std::ops::AddAssign for HostileCount {
    fn add_assign(&mut self, other: Self) {
        self.wanted += other.wanted;
        self.open += other.open;
        self.reopened += other.reopened;
    }
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer<'a> {
    /// So many were accepted at their level, or answered: this one and those whose tickets follow.
    Done(u64),
    /// It was answered with this body.
    Reply(&'a [u8]),
    /// It was not; why, in a word or two.
    Failed(&'static str),
}

/// A message that came.
#[derive(Clone, Copy, Debug)]
pub struct Incoming<'a> {
    /// The number of its queue within the topic.
    pub queue: usize,
    /// It was delivered before.
    pub again: bool,
    /// The payload.
    pub body: &'a [u8],
}

/// What a bus counted since it started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Syncs of its log.
    pub fdatasyncs: u64,
    /// Publishes taken.
    pub publishes: u64,
    /// Messages in these.
    pub messages: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Time by stage: name, and counts of powers of two of nanoseconds.
    pub stages: Vec<(String, Vec<u64>)>,
}

impl Counters {
    /// What was counted since `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let stages = self.stages.iter().map(|(name, buckets)| {
            let earlier = before.stages.iter().find(|(of, _)| of == name);
            let earlier = earlier.map_or(&[][..], |(_, buckets)| buckets);
            let left = buckets.iter().zip(earlier.iter().copied().chain(std::iter::repeat(0)));
            (name.clone(), left.map(|(after, before)| after.saturating_sub(before)).collect())
        });
        Self {
            fdatasyncs: self.fdatasyncs.saturating_sub(before.fdatasyncs),
            publishes: self.publishes.saturating_sub(before.publishes),
            messages: self.messages.saturating_sub(before.messages),
            bytes: self.bytes.saturating_sub(before.bytes),
            stages: stages.collect(),
        }
    }
}

/// Why a bus could not be driven.
#[derive(Debug)]
pub enum DriveError {
    /// There is no node.
    Connect(client::ConnectError),
    /// The node refused to make or open something.
    Call(client::CallError),
    /// A record was not taken.
    Enqueue(client::EnqueueError),
    /// A request was not begun.
    Begin(client::BeginError),
    /// A subscription or registration ended.
    Consume(client::ConsumeError),
    /// An acknowledgement means less than was asked for.
    Level {
        /// What was asked for.
        asked: Level,
        /// What came.
        came: result::Level,
    },
    /// Consumers have not been given their queues in time.
    NotReady {
        /// Queues to be given, all groups together.
        wanted: usize,
        /// Queues given.
        held: usize,
    },
    /// Anything a peer says.
    Bus(String),
}

impl fmt::Display for DriveError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => error.fmt(formatter),
            Self::Call(error) => error.fmt(formatter),
            Self::Enqueue(error) => error.fmt(formatter),
            Self::Begin(error) => error.fmt(formatter),
            Self::Consume(error) => error.fmt(formatter),
            Self::Level { asked, came } => write!(
                formatter,
                "level {asked:?} was asked for and {} came: figures of two levels are not one",
                came.name()
            ),
            Self::NotReady { wanted, held } => {
                write!(formatter, "consumers were given {held} of {wanted} queues in time")
            }
            Self::Bus(words) => formatter.write_str(words),
        }
    }
}

impl std::error::Error for DriveError {}

impl From<client::ConnectError> for DriveError {
    fn from(error: client::ConnectError) -> Self {
        Self::Connect(error)
    }
}

impl From<client::CallError> for DriveError {
    fn from(error: client::CallError) -> Self {
        Self::Call(error)
    }
}

impl From<client::ConsumeError> for DriveError {
    fn from(error: client::ConsumeError) -> Self {
        Self::Consume(error)
    }
}
