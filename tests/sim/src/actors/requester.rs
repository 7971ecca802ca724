//! Requester: calls a service, a few at a time, and counts outcomes: one each, in time.

use super::caller::{Caller, News, decode, marks_of};
use super::{Actor, ActorEvent, Context};
use crate::observation::{Observation, Traced};
use std::collections::BTreeMap;
use wire::Kind;
use wire::record::{Properties, Record, records, write_record};
use wire::table::{self, TraceStage};

const OUTSTANDING: usize = 5;
/// Network, mailboxes and the timer's tick may add so much to a deadline.
const SLACK_NS: u64 = 60_000_000;

/// Each so many requests one is traced.
const TRACE_EVERY: u64 = 3;

/// A request under way.
#[derive(Debug)]
struct Sent {
    at_ns: u64,
    traced: bool,
    told: Option<Vec<(TraceStage, u64)>>,
}

/// A requester of a run.
#[derive(Debug)]
pub struct Requester {
    slot: usize,
    requests: u64,
    caller: Caller,
    outstanding: BTreeMap<u64, Sent>,
    sent: u64,
}

impl Requester {
    /// Calls the service at `slot`, so often.
    pub fn new(slot: usize, requests: u64) -> Self {
        let caller = Caller::default();
        Self { slot, requests, caller, outstanding: BTreeMap::new(), sent: 0 }
    }

    fn call_some(&mut self, context: &mut Context<'_>) {
        while self.caller.is_ready()
            && self.outstanding.len() < OUTSTANDING
            && self.sent < self.requests
        {
            let Some(facts) = &context.board.topics[self.slot] else { return };
            let queue = context.schedule.random.one_of(&facts.queues);
            self.call(context, queue.0);
        }
    }

    fn call(&mut self, context: &mut Context<'_>, queue: u64) {
        let time_left_us = context.schedule.random.between(1_000, 800_000);
        self.sent += 1;
        let traced = self.sent.is_multiple_of(TRACE_EVERY);
        self.caller.trace_next(traced);
        let body = (self.slot as u64) << 32 | self.sent;
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
        let at_ns = context.schedule.now_ns;
        self.outstanding.insert(request_id, Sent { at_ns, traced, told: None });
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
        outcome: table::Outcome<'_>,
        section: &[u8],
    ) {
        let kind = outcome.kind();
        let sent = self.outstanding.remove(&request_id);
        let asked = self.caller.asked(context, request_id);
        let body = records(section).next().and_then(|(record, _)| record.body.try_into().ok());
        let body = body.map(u64::from_le_bytes);
        context.oracle.saw(&Observation::Ended { asked, kind, body });
        if let Some(Sent { at_ns, traced: is_wanted, told }) = sent {
            let marks = told.as_deref();
            let request = Some((kind, outcome.queue_us(), outcome.service_us()));
            let spent_ns = context.schedule.now_ns - at_ns;
            let traced = Traced { asked, is_wanted, spent_ns, marks, request };
            context.oracle.saw(&Observation::Traced(&traced));
        }
    }
}

impl Actor for Requester {
    fn name(&self) -> String {
        format!("requester of topic {} ({} sent)", self.slot, self.sent)
    }

    fn on(&mut self, context: &mut Context<'_>, event: ActorEvent) {
        let mut is_refused = false;
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
                        self.on_outcome(context, request_id, outcome, frame.section);
                    } else if kind == Kind::Trace {
                        let trace: table::Trace<'_> = frame.read().expect("valid");
                        if let Some(sent) = self.outstanding.get_mut(&request_id) {
                            sent.told = Some(marks_of(trace));
                        }
                    } else if kind == Kind::Error {
                        self.outstanding.remove(&request_id);
                        let asked = self.caller.asked(context, request_id);
                        context.oracle.saw(&Observation::RequestRefused { asked });
                        is_refused = true;
                    }
                }
            }
        }
        // After a refusal it takes a breath, as a client does.
        if is_refused {
            return;
        }
        self.call_some(context);
    }

    fn is_done(&self) -> bool {
        self.sent == self.requests && self.outstanding.is_empty()
    }
}
