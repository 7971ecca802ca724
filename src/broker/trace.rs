//! Trace: where one message's time went, told in front of its answer.
//!
//! ```text
//!   begun   arrived   at its queue's shard   flush begun   synced   handed out   reply came   ended
//!     | ingress |            deliver       |   gather    |  flush |   queue    |  service   | reply |
//! ```
//!
//! Requests, and publishes that wait for a flush, have the few stamps with them that this takes, marked
//! or not: they are those of a turn, for which the clock is read anyway. Only for a message whose frame
//! asks for it are they put together, when it is answered: nothing is kept for traces, so a client that
//! has every message traced gets more bytes and takes no more memory.
//!
//! Invariants:
//!   1. Stages end in their order, and never before the one in front: the turns of two shards read the
//!      clock apart, and a stage that would be shorter than nothing takes nothing.
//!   2. A stage that was not passed, or of whose end the answering shard was not told, is part of the next one.

use super::mail::Origin;
use super::outgoing::{Outgoing, Turn};
use wire::table::{self, Mark, TraceStage};
use wire::{Kind, ShardId};

/// How many stages there are.
const STAGES: usize = TraceStage::ENUM_VALUES.len();

/// When a frame came to the shard of its connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrival {
    /// The turn that took it, monotonic: the same clock on all shards.
    pub at_ns: u64,
    /// It waited for that turn at most so long.
    pub waited_ns: u64,
    /// Its sender wants to know where its time went.
    pub traced: bool,
}

/// When the stages of a request's way to a responder ended, monotonic; 0: not passed.
#[expect(clippy::struct_field_names, reason = "the unit, as in every name of a time")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Way {
    /// It was at its queue's shard.
    pub delivered_ns: u64,
    /// The flush began that stored it.
    pub gathered_ns: u64,
    /// That flush ended.
    pub flushed_ns: u64,
    /// A responder got it.
    pub handed_out_ns: u64,
}

/// The stages of one message, put together.
#[derive(Clone, Debug)]
pub(super) struct Trace {
    begun_ns: u64,
    /// When the last stage ended.
    end_ns: u64,
    marks: [Mark; STAGES],
    count: usize,
}

impl Trace {
    /// Of a message that came to this shard; `None`: nobody wants it.
    pub(super) fn of(arrival: Arrival, shard: ShardId) -> Option<Self> {
        if !arrival.traced {
            return None;
        }
        let begun_ns = arrival.at_ns.saturating_sub(arrival.waited_ns);
        let marks = [Mark::default(); STAGES];
        let mut trace = Self { begun_ns, end_ns: begun_ns, marks, count: 0 };
        trace.ended(TraceStage::Ingress, arrival.at_ns, shard);
        Some(trace)
    }

    /// A stage ended on this shard. `at_ns` 0: it was not passed.
    pub(super) fn ended(&mut self, stage: TraceStage, at_ns: u64, shard: ShardId) {
        if at_ns == 0 {
            return;
        }
        self.end_ns = self.end_ns.max(at_ns);
        self.marks[self.count] = Mark::new(self.end_ns - self.begun_ns, shard.0, stage);
        self.count += 1;
    }

    /// All a request went through on the shard of its queue.
    pub(super) fn went(&mut self, way: &Way, shard: ShardId) {
        self.ended(TraceStage::Deliver, way.delivered_ns, shard);
        self.ended(TraceStage::Gather, way.gathered_ns, shard);
        self.ended(TraceStage::Flush, way.flushed_ns, shard);
        self.ended(TraceStage::Queue, way.handed_out_ns, shard);
    }

    /// Tells it, right before the answer.
    pub(super) fn send(&self, out: &mut Outgoing, turn: &mut Turn<'_>, to: Origin) {
        out.send(turn, to, (Kind::Trace, &[]), |builder| {
            let marks = Some(builder.create_vector(&self.marks[..self.count]));
            table::Trace::create(builder, &table::TraceArgs { marks })
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: ShardId = ShardId(3);

    fn arrival(at_ns: u64, waited_ns: u64) -> Arrival {
        Arrival { at_ns, waited_ns, traced: true }
    }

    fn told(trace: &Trace) -> Vec<(TraceStage, u64)> {
        trace.marks[..trace.count].iter().map(|mark| (mark.stage(), mark.end_ns())).collect()
    }

    #[test]
    fn marks_count_from_the_first_stages_beginning() {
        let mut trace = Trace::of(arrival(1000, 40), HERE).expect("traced");
        let way = Way { delivered_ns: 1010, handed_out_ns: 1200, ..Way::default() };
        trace.went(&way, HERE);
        let expected =
            [(TraceStage::Ingress, 40), (TraceStage::Deliver, 50), (TraceStage::Queue, 240)];
        assert_eq!(told(&trace), expected);
    }

    #[test]
    fn a_clock_behind_makes_a_stage_of_nothing() {
        let mut trace = Trace::of(arrival(1000, 0), HERE).expect("traced");
        trace.ended(TraceStage::Deliver, 1300, HERE);
        trace.ended(TraceStage::Queue, 1200, HERE);
        trace.ended(TraceStage::Service, 1400, HERE);
        let ends: Vec<u64> = told(&trace).iter().map(|(_, end_ns)| *end_ns).collect();
        assert_eq!(ends, [0, 300, 300, 400]);
    }

    #[test]
    fn what_nobody_wants_is_not_put_together() {
        assert!(Trace::of(Arrival { traced: false, ..arrival(1, 0) }, HERE).is_none());
    }
}
