//! Oracle: what was promised, and whether it was kept. It stands outside the broker.
//!
//! | rule | spoken by |
//! |---|---|
//! | an accepted durable record is readable at its offset | `end` |
//! | a place (queue, offset) never means another record | `seen`, `accepted` |
//! | an idempotent record is in the log once | `seen` |
//! | records of a producer keep their order in a queue | `end` |
//! | every group gets every accepted durable record | `missing`, the run's liveness |
//! | one member per lease epoch | `lease` |
//! | only retention takes durable records | `gap`, `reader_gap` |
//! | one outcome per request, in time | `requester` |
//! | no byte is served that was not published | `body` |
//! | one damaged block hides one range of a queue, which is named | `check_gap` |
//! | an ack under another lease epoch is refused | `consumer` |
//! | a node recovers from every crash | `World::start` |

use crate::actors::{Board, TopicFacts};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use wire::QueueId;
use wire::table::{GapReason, Level, OutcomeKind};

#[derive(Clone, Copy, Debug)]
struct Fact {
    queue: QueueId,
    is_idempotent: bool,
    body_checksum: u32,
    /// Accepted at this offset, at this level.
    accepted: Option<(u64, Level)>,
    /// Seen at this offset by anybody.
    place: Option<u64>,
    /// Read at the end.
    is_read: bool,
}

/// Everything the clients of a run know.
#[derive(Debug, Default)]
pub struct Oracle {
    facts: BTreeMap<u64, Fact>,
    /// Which record a place holds; memory places only within one life of the node.
    places: BTreeMap<(QueueId, u64), u64>,
    leases: BTreeMap<(&'static str, QueueId, u32), u64>,
    delivered: BTreeMap<&'static str, BTreeSet<u64>>,
    /// What retention took, as readers were told.
    retained: BTreeMap<QueueId, u64>,
    outcomes: BTreeMap<u8, u64>,
    /// What readers were told is damaged, since the log was.
    damaged: Option<BTreeMap<QueueId, Range<u64>>>,
    /// Publishes, deliveries and requests.
    pub operations: u64,
    violation: Option<String>,
}

impl Oracle {
    /// The first violation, if there was one.
    ///
    /// # Errors
    /// In the words of the checker that spoke.
    pub fn verdict(&self) -> Result<(), String> {
        self.violation.clone().map_or(Ok(()), Err)
    }

    /// A rule was broken.
    pub fn violation(&mut self, what: String) {
        self.violation.get_or_insert(what);
    }

    /// A record is about to be published. Its body begins with its id.
    pub fn sent(&mut self, id: u64, queue: QueueId, is_idempotent: bool, body: &[u8]) {
        let body_checksum = crc32fast::hash(body);
        let (accepted, place) = (None, None);
        let fact = Fact { queue, is_idempotent, body_checksum, accepted, place, is_read: false };
        self.facts.insert(id, fact);
    }

    /// A record came back: its id, if its body is one that was published.
    pub fn body(&mut self, queue: QueueId, offset: u64, body: &[u8]) -> Option<u64> {
        let id = body.first_chunk().map(|id| u64::from_le_bytes(*id));
        let fact = id.and_then(|id| self.facts.get(&id));
        if fact.is_some_and(|fact| fact.body_checksum == crc32fast::hash(body)) {
            return id;
        }
        self.violation(format!("queue {queue}: a wrong byte was served at offset {offset}"));
        None
    }

    /// One place of the log was damaged: from now on damage may be told, and everything is read again.
    pub fn log_damaged(&mut self) {
        self.damaged = Some(BTreeMap::new());
        // A grant may have been in the damaged batch; who held it was of an earlier life.
        self.leases.clear();
        for fact in self.facts.values_mut() {
            fact.is_read = false;
        }
    }

    /// A receipt came.
    pub fn accepted(&mut self, id: u64, queue: QueueId, offset: u64, level: Level) {
        self.seen(id, queue, offset);
        if let Some(fact) = self.facts.get_mut(&id) {
            fact.accepted = Some((offset, level));
        }
    }

    /// Somebody saw a record at a place.
    pub fn seen(&mut self, id: u64, queue: QueueId, offset: u64) {
        let Some(fact) = self.facts.get_mut(&id) else {
            return self.violation(format!("record {id} was never published"));
        };
        if fact.queue != queue {
            return self.violation(format!("record {id} is in queue {queue}"));
        }
        if fact.place.is_some_and(|place| place != offset) && fact.is_idempotent {
            return self.violation(format!("record {id} is in queue {queue} twice"));
        }
        fact.place = Some(offset);
        let held = *self.places.entry((queue, offset)).or_insert(id);
        if held != id {
            self.violation(format!("offset {offset} of queue {queue} held {held} and now {id}"));
        }
    }

    /// A group got a record.
    pub fn delivered(&mut self, group: &'static str, id: u64, _attempt: u32) {
        self.delivered.entry(group).or_default().insert(id);
    }

    /// A delivery came under a lease.
    pub fn lease(&mut self, group: &'static str, queue: QueueId, epoch: u32, member: u64) {
        let holder = *self.leases.entry((group, queue, epoch)).or_insert(member);
        if holder != member {
            self.violation(format!("epoch {epoch} of queue {queue} has two members"));
        }
    }

    /// A group was told of a gap.
    pub fn gap(&mut self, group: &'static str, queue: QueueId, gap: Range<u64>, reason: GapReason) {
        self.check_gap(queue, gap.clone(), reason);
        let told: Vec<u64> = self.accepted_in(queue, gap).collect();
        self.delivered.entry(group).or_default().extend(told);
    }

    /// The reader was told of a gap.
    pub fn reader_gap(&mut self, queue: QueueId, gap: Range<u64>, reason: GapReason) {
        self.check_gap(queue, gap.clone(), reason);
        if let Some(damaged) = self.damaged.as_mut().filter(|_| reason == GapReason::Damage) {
            let known = damaged.entry(queue).or_insert(gap.start..gap.start);
            if known.end == gap.start {
                known.end = gap.end;
            } else {
                self.violation(format!("queue {queue}: one damaged block, and two gaps: {gap:?}"));
            }
        } else if reason == GapReason::Retention {
            let retained = self.retained.entry(queue).or_default();
            *retained = gap.end.max(*retained);
        }
    }

    fn check_gap(&mut self, queue: QueueId, gap: Range<u64>, reason: GapReason) {
        if reason == GapReason::Damage && self.damaged.is_some() {
            return;
        }
        let lost = self.accepted_in(queue, gap.clone()).next();
        if reason != GapReason::Retention
            && let Some(id) = lost
        {
            self.violation(format!(
                "queue {queue}: accepted record {id} lies in a gap {gap:?}, {reason:?}"
            ));
        }
    }

    fn accepted_in(&self, queue: QueueId, range: Range<u64>) -> impl Iterator<Item = u64> {
        self.facts.iter().filter_map(move |(id, fact)| {
            let (offset, level) = fact.accepted?;
            (fact.queue == queue && level == Level::Durable && range.contains(&offset))
                .then_some(*id)
        })
    }

    /// The reader found a record at the end.
    pub fn read(&mut self, id: u64) {
        if let Some(fact) = self.facts.get_mut(&id) {
            fact.is_read = true;
        }
    }

    /// A request ended.
    pub fn outcome(&mut self, kind: OutcomeKind) {
        *self.outcomes.entry(kind.0).or_default() += 1;
    }

    /// A record accepted on a durable topic that a group has not got: queue, offset, record.
    pub fn missing(&self, group: &'static str, topic: &TopicFacts) -> Option<(QueueId, u64, u64)> {
        let delivered = self.delivered.get(group);
        self.facts.iter().filter(|(_, fact)| topic.queues.contains(&fact.queue)).find_map(
            |(id, fact)| match fact.accepted {
                Some((offset, Level::Durable))
                    if !delivered.is_some_and(|got| got.contains(id)) =>
                {
                    Some((fact.queue, offset, *id))
                }
                Some(_) | None => None,
            },
        )
    }

    /// The last checks, when everything is quiet.
    ///
    /// # Errors
    /// The violation found.
    pub fn end(&mut self, board: &Board) -> Result<(), String> {
        for (id, fact) in &self.facts {
            if let Some((offset, Level::Durable)) = fact.accepted {
                let retained_end = self.retained.get(&fact.queue).copied().unwrap_or(0);
                let damaged = self.damaged.as_ref().and_then(|damaged| damaged.get(&fact.queue));
                let is_told = damaged.is_some_and(|range| range.contains(&offset));
                if !fact.is_read && !is_told && offset >= retained_end {
                    return Err(format!(
                        "accepted record {id} at offset {offset} of queue {} is lost",
                        fact.queue
                    ));
                }
            }
        }
        self.check_order(board)
    }

    /// Ids grow as a producer publishes, so along the offsets of a queue they grow per producer.
    fn check_order(&self, board: &Board) -> Result<(), String> {
        let durable: BTreeSet<QueueId> = board
            .topics
            .iter()
            .filter(|topic| topic.level == Level::Durable)
            .flat_map(|topic| topic.queues.iter().copied())
            .collect();
        let mut newest: BTreeMap<(QueueId, u64), u64> = BTreeMap::new();
        for ((queue, offset), id) in &self.places {
            let is_ordered = self.facts.get(id).is_some_and(|fact| fact.is_idempotent);
            if !durable.contains(queue) || !is_ordered {
                continue;
            }
            let last = newest.entry((*queue, id >> 32)).or_default();
            if *id < *last {
                return Err(format!(
                    "queue {queue}: record {id} at offset {offset} came after {last}"
                ));
            }
            *last = *id;
        }
        Ok(())
    }
}
