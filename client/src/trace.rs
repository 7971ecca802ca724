//! Trace: where the time of one message went, as the node and this client saw it.
//!
//! ```text
//!   client   asked -- sent ------------------------------------------------------ answered
//!   node                   [ ingress | deliver | ... ended ]
//! ```
//!
//! The clocks of the two are never compared: the node tells spans of its own clock, the client of its
//! own, and what the client measured beyond the node's sum is the way there and back, both kernels
//! and the sending of the answer itself included.

use std::time::Duration;
use wire::ShardId;
use wire::table::{Mark as MarkOnWire, TraceStage};

/// A part of a message's way through the node; `docs/performance.md` says from where to where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// It waited for its turn, at most so long.
    Ingress,
    /// From the shard of its connection to the shard of its queue.
    Deliver,
    /// It waited, in a batch, for the flush in front of it.
    Gather,
    /// Write and fdatasync.
    Flush,
    /// A request waited for a responder.
    Queue,
    /// A responder had the request; its network is in it.
    Service,
    /// From the responder's shard to the requester's.
    Reply,
}

/// The end of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Which. One that is not told is part of the next.
    pub stage: Stage,
    /// Where.
    pub shard: ShardId,
    /// When, from the beginning of the first stage.
    pub end: Duration,
}

/// Where the time of one message went. What did not happen is missing, as after a timeout.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// From the call until the message left the session: route and connection, if they were not there. `None`: it did not leave.
    pub sent: Option<Duration>,
    /// From the call until its answer was received.
    pub answered: Option<Duration>,
    /// What the node told, in order. Empty: nothing, because it did not answer or is older than traces.
    pub marks: Vec<Mark>,
}

impl Stage {
    /// Every stage, in the order in which a message goes through them.
    pub const ALL: [Self; 7] = [
        Self::Ingress,
        Self::Deliver,
        Self::Gather,
        Self::Flush,
        Self::Queue,
        Self::Service,
        Self::Reply,
    ];

    /// Its name, as the node's metrics have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Deliver => "deliver",
            Self::Gather => "gather",
            Self::Flush => "flush",
            Self::Queue => "queue",
            Self::Service => "service",
            Self::Reply => "reply",
        }
    }

    /// A stage newer than we are has no name here.
    const fn from_wire(stage: TraceStage) -> Option<Self> {
        Some(match stage {
            TraceStage::Ingress => Self::Ingress,
            TraceStage::Deliver => Self::Deliver,
            TraceStage::Gather => Self::Gather,
            TraceStage::Flush => Self::Flush,
            TraceStage::Queue => Self::Queue,
            TraceStage::Service => Self::Service,
            TraceStage::Reply => Self::Reply,
            _ => return None,
        })
    }
}

impl Trace {
    /// From the beginning of the first stage to the end of the last, on the node's clock.
    pub fn in_node(&self) -> Duration {
        self.marks.last().map_or(Duration::ZERO, |mark| mark.end)
    }
}

/// A trace on its way: of one message of a producer or requester at a time.
#[derive(Clone, Debug)]
pub(crate) struct Tracing {
    /// The message: a producer's ticket, or a request's id.
    pub(crate) of: u64,
    asked_ns: u64,
    trace: Trace,
}

impl Tracing {
    /// A message that is to be traced was taken in.
    pub(crate) fn begin(of: u64, now_ns: u64) -> Self {
        Self { of, asked_ns: now_ns, trace: Trace::default() }
    }

    /// It leaves, perhaps again.
    pub(crate) fn sent(&mut self, now_ns: u64) {
        self.trace.sent = Some(self.since_asked(now_ns));
    }

    /// Its answer came.
    pub(crate) fn answered(&mut self, now_ns: u64) {
        self.trace.answered = Some(self.since_asked(now_ns));
    }

    /// The node told its stages.
    pub(crate) fn told<'a>(&mut self, marks: impl IntoIterator<Item = &'a MarkOnWire>) {
        let known = marks.into_iter().filter_map(|mark| {
            let (shard, end) = (ShardId(mark.shard()), Duration::from_nanos(mark.end_ns()));
            Stage::from_wire(mark.stage()).map(|stage| Mark { stage, shard, end })
        });
        self.trace.marks = known.collect();
    }

    /// What is known.
    pub(crate) fn into_trace(self) -> Trace {
        self.trace
    }

    fn since_asked(&self, now_ns: u64) -> Duration {
        Duration::from_nanos(now_ns.saturating_sub(self.asked_ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_newer_than_we_are_is_left_out() {
        let mut tracing = Tracing::begin(1, 1000);
        let marks = [
            MarkOnWire::new(5, 0, TraceStage::Ingress),
            MarkOnWire::new(7, 0, TraceStage(200)),
            MarkOnWire::new(9, 1, TraceStage::Deliver),
        ];
        tracing.sent(1100);
        tracing.told(&marks);
        tracing.answered(2000);
        let trace = tracing.into_trace();
        let stages: Vec<Stage> = trace.marks.iter().map(|mark| mark.stage).collect();
        assert_eq!(stages, [Stage::Ingress, Stage::Deliver]);
        assert_eq!(trace.sent, Some(Duration::from_nanos(100)));
        assert_eq!(trace.answered, Some(Duration::from_micros(1)));
        assert_eq!(trace.in_node(), Duration::from_nanos(9));
    }
}
