//! Requester: calls a service, a few at a time, and counts outcomes: one each, in time.

use super::caller::{Caller, News, decode};
use super::{Actor, ActorEvent, Context};
use crate::faults::Faults;
use crate::observation::Observation;
use std::collections::BTreeSet;
use wire::Kind;
use wire::record::{Properties, Record, records, write_record};
use wire::table::{self, OutcomeKind};

const REQUESTS: u64 = 50;
const OUTSTANDING: usize = 5;
/// Network, mailboxes and the timer's tick may add so much to a deadline.
const SLACK_NS: u64 = 60_000_000;

/// A requester of a run.
#[derive(Debug)]
pub struct Requester {
    topic: usize,
    caller: Caller,
    outstanding: BTreeSet<u64>,
    sent: u64,
    left: u64,
}

impl Requester {
    /// Calls the `topic`th topic of the board.
    pub fn new(topic: usize, faults: &Faults) -> Self {
        let caller = Caller::default();
        Self { topic, caller, outstanding: BTreeSet::new(), sent: 0, left: faults.share(REQUESTS) }
    }

    fn call(&mut self, context: &mut Context<'_>) {
        let queues = &context.board.topics[self.topic].queues;
        let queue = queues[context.schedule.random.index(queues.len())].0;
        let time_left_us = context.schedule.random.between(1_000, 800_000);
        self.sent += 1;
        self.left -= 1;
        let body = (self.topic as u64) << 32 | self.sent;
        let mut section = Vec::new();
        let properties = Properties::default();
        let record =
            Record { born_ns: 1, key: b"", tag: b"", properties, body: &body.to_le_bytes() };
        write_record(&mut section, &record, 4096).expect("a small record");
        let request_id = self.caller.ask(context, Kind::Request, &section, |builder| {
            table::Request::create(builder, &table::RequestArgs { queue, time_left_us })
        });
        let heard_ns = context.schedule.heard_ns(context.actor);
        let answer_by_ns = heard_ns + time_left_us * 1000 + SLACK_NS;
        let asked = self.caller.asked(context, request_id);
        context.oracle.saw(&Observation::Requested { asked, answer_by_ns, body });
        self.outstanding.insert(request_id);
        if context.schedule.random.chance(50) {
            self.caller.tell(context, Kind::Cancel, |builder| {
                table::Cancel::create(builder, &table::CancelArgs { request: request_id })
            });
        }
    }

    fn on_outcome(
        &mut self,
        context: &mut Context<'_>,
        request_id: u64,
        kind: OutcomeKind,
        section: &[u8],
    ) {
        self.outstanding.remove(&request_id);
        let asked = self.caller.asked(context, request_id);
        let body = records(section).next().and_then(|(record, _)| record.body.try_into().ok());
        let body = body.map(u64::from_le_bytes);
        context.oracle.saw(&Observation::Ended { asked, kind, body });
    }
}

impl Actor for Requester {
    fn name(&self) -> String {
        format!("requester of topic {} ({} sent)", self.topic, self.sent)
    }

    fn on(&mut self, context: &mut Context<'_>, event: ActorEvent) {
        for news in self.caller.take(context, event) {
            match news {
                News::Ready => {}
                News::Woken => context.oracle.saw(&Observation::TimeWentBy),
                News::Lost => self.outstanding.clear(),
                News::Frame(bytes) => {
                    let (kind, frame) = decode(&bytes);
                    let request_id = frame.header.request_id;
                    if kind == Kind::Outcome {
                        let outcome: table::Outcome<'_> = frame.read().expect("valid");
                        self.on_outcome(context, request_id, outcome.kind(), frame.section);
                    } else if kind == Kind::Error {
                        self.outstanding.remove(&request_id);
                        let asked = self.caller.asked(context, request_id);
                        context.oracle.saw(&Observation::RequestRefused { asked });
                    }
                }
            }
        }
        let may_call = self.caller.is_ready() && context.board.is_open;
        while may_call && self.outstanding.len() < OUTSTANDING && self.left > 0 {
            self.call(context);
        }
    }

    fn is_done(&self) -> bool {
        self.left == 0 && self.outstanding.is_empty()
    }
}
