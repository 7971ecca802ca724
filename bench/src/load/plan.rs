//! Plan: a case as ends: which topics, how many of what, and which load thread has which.
//!
//! Senders are dealt out one by one. All members of a group are on one thread (its
//! account is kept there), and responders begin on the thread after the first requester's.

use super::driver::{EndPlan, Shape, TopicPlan};
use crate::workload::{Case, Kind, Part};

/// Idle queues of one idle topic: as many as a topic may have.
const IDLE_TOPIC_QUEUES: u32 = 1024;

/// Everything that all threads of a run know.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What is run.
    pub case: Case,
    /// In the names of topics and in every stamp, so that runs do not meet.
    pub run: u32,
    /// Load threads.
    pub threads: usize,
    /// Core of each thread; none: not pinned.
    pub cores: Vec<usize>,
}

/// One end of a part: its number, and the number of its topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Within the part.
    pub number: usize,
    /// Within the part.
    pub topic: usize,
}

impl Plan {
    /// The name of a topic or service.
    pub fn topic(&self, part: usize, topic: usize) -> String {
        format!("bench-{:08x}-{part}-{topic}", self.run)
    }

    /// The name of a group.
    pub fn group(&self, part: usize, group: usize) -> String {
        format!("bench-{:08x}-{part}-g{group}", self.run)
    }

    /// Everything that is to be made.
    pub fn topics(&self) -> Vec<TopicPlan> {
        let mut all = Vec::new();
        for (index, part) in self.case.parts.iter().enumerate() {
            if part.kind != Kind::Admin {
                all.extend((0..part.topics as usize).map(|topic| TopicPlan {
                    name: self.topic(index, topic),
                    shape: shape_of(part.kind),
                    queues: part.queues,
                    level: part.level,
                }));
            }
            all.extend(self.idle_topics(index, part.idle_queues));
            all.extend((part.slow_readers > 0).then(|| TopicPlan {
                name: self.hostile_topic(index),
                shape: Shape::Events,
                queues: 1,
                level: crate::workload::Level::Default,
            }));
        }
        all
    }

    /// The name of the topic that slow readers of a part ask for.
    pub fn hostile_topic(&self, part: usize) -> String {
        format!("bench-{:08x}-{part}-hostile", self.run)
    }

    fn idle_topics(&self, part: usize, queues: u32) -> impl Iterator<Item = TopicPlan> {
        let run = self.run;
        (0..queues.div_ceil(IDLE_TOPIC_QUEUES)).map(move |nth| {
            let left = queues - nth * IDLE_TOPIC_QUEUES;
            TopicPlan {
                name: format!("bench-{run:08x}-{part}-idle-{nth}"),
                shape: Shape::Events,
                queues: u16::try_from(left.min(IDLE_TOPIC_QUEUES)).unwrap_or(u16::MAX),
                level: crate::workload::Level::Default,
            }
        })
    }

    /// How an end of `part` is opened on `topic`.
    pub fn end<'a>(&self, part: usize, topic: &'a str, connection: Option<usize>) -> EndPlan<'a> {
        let of = &self.case.parts[part];
        EndPlan {
            topic,
            queues: of.queues,
            level: of.level,
            batch: of.batch,
            in_flight: of.in_flight,
            body_bytes: of.bodies.bytes,
            deadline: of.deadline,
            connection,
        }
    }

    /// The senders of a part on a thread.
    pub fn senders(&self, part: usize, thread: usize) -> impl Iterator<Item = Place> {
        let of = &self.case.parts[part];
        let per_topic = (of.producers as usize).max(1);
        let count = if of.kind == Kind::Admin { 1 } else { of.producer_count() };
        let places = (0..count).map(move |number| Place { number, topic: number / per_topic });
        places.skip(thread).step_by(self.threads)
    }

    /// The groups of a part on a thread.
    pub fn groups(&self, part: usize, thread: usize) -> impl Iterator<Item = Place> {
        let of = &self.case.parts[part];
        let per_topic = of.groups as usize;
        let count = if of.kind == Kind::Publish { of.topics as usize * per_topic } else { 0 };
        let places = (0..count).map(move |number| Place { number, topic: number / per_topic });
        places.skip(thread).step_by(self.threads)
    }

    /// The responders of a part on a thread.
    pub fn responders(&self, part: usize, thread: usize) -> impl Iterator<Item = Place> {
        let of = &self.case.parts[part];
        let per_topic = of.consumers as usize;
        let count = if of.kind == Kind::RequestReply { of.topics as usize * per_topic } else { 0 };
        let places = (0..count).map(move |number| Place { number, topic: number / per_topic });
        places.skip((thread + self.threads - 1) % self.threads).step_by(self.threads)
    }

    /// The share of all senders of a part that a thread has, from 0 to 1.
    #[expect(clippy::cast_precision_loss, reason = "counts of ends")]
    pub fn share(&self, part: usize, thread: usize) -> f64 {
        let all: usize = (0..self.threads).map(|of| self.senders(part, of).count()).sum();
        self.senders(part, thread).count() as f64 / all.max(1) as f64
    }
}

/// What topics of a kind of work are for.
pub const fn shape_of(kind: Kind) -> Shape {
    match kind {
        Kind::Publish | Kind::Admin => Shape::Events,
        Kind::RequestReply => Shape::Service,
    }
}

/// The connection an end shares, by its number.
pub fn shared_connection(part: &Part, number: usize) -> Option<usize> {
    (part.connections > 0).then(|| number % part.connections as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Workload;
    use std::collections::BTreeSet;

    fn plan(text: &str, threads: usize) -> Plan {
        let workload = Workload::parse("w", text).expect("a workload");
        Plan { case: workload.cases[0].clone(), run: 1, threads, cores: Vec::new() }
    }

    #[test]
    fn every_end_is_on_one_thread() {
        let text = "name: x\ntopics: 3\nproducersPerTopic: 5\nsubscriptionsPerTopic: 2\n";
        let plan = plan(text, 4);
        let senders: Vec<Place> = (0..4).flat_map(|thread| plan.senders(0, thread)).collect();
        let numbers: BTreeSet<usize> = senders.iter().map(|place| place.number).collect();
        assert_eq!((senders.len(), numbers.len()), (15, 15));
        assert!(senders.iter().all(|place| place.topic == place.number / 5));
        let groups: BTreeSet<usize> =
            (0..4).flat_map(|thread| plan.groups(0, thread)).map(|place| place.number).collect();
        assert_eq!(groups, (0..6).collect());
        let shares: f64 = (0..4).map(|thread| plan.share(0, thread)).sum();
        assert!((shares - 1.0).abs() < 1e-9);
        assert_eq!(plan.responders(0, 0).count(), 0);
    }

    #[test]
    fn a_requester_and_its_responder_are_on_two_threads_if_there_are_two() {
        let plan = plan("name: x\nkind: request-reply\n", 2);
        assert_eq!(plan.senders(0, 0).count(), 1);
        assert_eq!(plan.responders(0, 0).count(), 0);
        assert_eq!(plan.responders(0, 1).count(), 1);
    }

    #[test]
    fn idle_queues_are_dealt_to_topics_that_may_have_them() {
        let plan = plan("name: x\nidleQueues: 2500\n", 1);
        let queues: Vec<u16> = plan.topics().iter().map(|topic| topic.queues).collect();
        assert_eq!(queues, [1, 1024, 1024, 452]);
    }

    #[test]
    fn only_slow_readers_have_something_to_ask_for() {
        let names = |text: &str| {
            let topics = plan(text, 1).topics().into_iter();
            topics.map(|topic| topic.name).collect::<Vec<_>>()
        };
        let both = names("name: x\nslowReaders: 5\ndrippingConnections: 5\n");
        assert_eq!(both, ["bench-00000001-0-0", "bench-00000001-0-hostile"]);
        assert_eq!(names("name: x\ndrippingConnections: 5\n"), ["bench-00000001-0-0"]);
    }
}
