//! Responder: echoes requests of one service; late, never, or gone with what it had.

use super::board::TOPICS;
use super::caller::{Caller, News, decode};
use super::{Actor, ActorEvent, Context};
use crate::observation::Observation;
use std::collections::BTreeMap;
use wire::record::records;
use wire::{Frame, Kind, table};

/// Of a thousand requests, so many are answered late, never, and met by a responder that goes away.
const LATE_PARTS: u64 = 90;
const NEVER_PARTS: u64 = 30;
const VANISH_PARTS: u64 = 8;
/// A late reply is late by so much at most, in nanoseconds.
const LATE_NS_MAX: u64 = 2_000_000_000;
/// Of a thousand looks around, so many end the service in order.
const LEAVE_PARTS: u64 = 5;

/// How far its service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Away,
    /// Asked for, under this request.
    Asked(u64),
    Serving(u64),
}

/// A responder of a run.
#[derive(Debug)]
pub struct Responder {
    slot: usize,
    caller: Caller,
    standing: Standing,
    /// Replies that will be late: due time, frame.
    late: Vec<(u64, Vec<u8>)>,
    /// Replies whose fate is not told yet, by request, and what they carry.
    replied: BTreeMap<u64, u64>,
}

impl Responder {
    /// Serves the service at `slot`.
    pub fn new(slot: usize) -> Self {
        Self {
            slot,
            caller: Caller::default(),
            standing: Standing::Away,
            late: Vec::new(),
            replied: BTreeMap::new(),
        }
    }

    fn serve(&mut self, context: &mut Context<'_>) {
        let is_there = context.board.topics[self.slot].is_some();
        if self.standing != Standing::Away || !self.caller.is_ready() || !is_there {
            return;
        }
        let request = self.caller.ask(context, Kind::Serve, &[], |builder| {
            let service = Some(builder.create_string(TOPICS[self.slot].name));
            table::Serve::create(builder, &table::ServeArgs { service, concurrency: 4 })
        });
        self.standing = Standing::Asked(request);
    }

    /// Goes out of service in order, or has to: the service was deleted, and perhaps made again.
    fn look_around(&mut self, context: &mut Context<'_>) {
        let Standing::Serving(responder) = self.standing else { return };
        let is_there = context.board.topics[self.slot].is_some();
        if is_there && (context.is_healed || !context.schedule.random.chance(LEAVE_PARTS)) {
            return;
        }
        self.standing = Standing::Away;
        self.caller.ask(context, Kind::Unserve, &[], |builder| {
            table::Unserve::create(builder, &table::UnserveArgs { responder })
        });
    }

    fn on_call(&mut self, context: &mut Context<'_>, bytes: &[u8]) {
        let mood = context.schedule.random.below(1000);
        if mood < LATE_PARTS {
            let due_ns = context.schedule.now_ns + context.schedule.random.below(LATE_NS_MAX);
            self.late.push((due_ns, bytes.to_vec()));
        } else if mood < LATE_PARTS + NEVER_PARTS {
        } else if mood < LATE_PARTS + NEVER_PARTS + VANISH_PARTS && !context.is_healed {
            self.caller.hang_up(context);
        } else {
            self.reply(context, bytes);
        }
    }

    fn reply(&mut self, context: &mut Context<'_>, bytes: &[u8]) {
        let (_, frame) = decode(bytes);
        let call: table::Call<'_> = frame.read().expect("valid");
        let request = self.caller.ask(context, Kind::Reply, frame.section, |builder| {
            let args = table::ReplyArgs { responder: call.responder(), reply_to: call.reply_to() };
            table::Reply::create(builder, &args)
        });
        let body =
            records(frame.section).next().and_then(|(record, _)| record.body.try_into().ok());
        if let Some(body) = body.map(u64::from_le_bytes) {
            self.replied.insert(request, body);
        }
    }

    fn reply_late(&mut self, context: &mut Context<'_>) {
        let now_ns = context.schedule.now_ns;
        let due = self.late.extract_if(.., |(at_ns, _)| *at_ns <= now_ns);
        for (_, bytes) in due.collect::<Vec<_>>() {
            self.reply(context, &bytes);
        }
    }

    fn on_frame(
        &mut self,
        context: &mut Context<'_>,
        bytes: &[u8],
        (kind, frame): (Kind, Frame<'_>),
    ) {
        let request = frame.header.request_id;
        #[expect(clippy::wildcard_enum_match_arm, reason = "other frames are not for a responder")]
        match kind {
            Kind::Served => {
                let served: table::Served<'_> = frame.read().expect("valid");
                self.standing = Standing::Serving(served.responder());
            }
            Kind::Error if self.standing == Standing::Asked(request) => {
                self.standing = Standing::Away;
            }
            Kind::Call => self.on_call(context, bytes),
            Kind::ReplyResult => {
                let result: table::ReplyResult<'_> = frame.read().expect("valid");
                if let Some(body) = self.replied.remove(&request) {
                    let fate = result.fate();
                    context.oracle.saw(&Observation::Replied { body, fate });
                }
            }
            _ => {}
        }
    }
}

impl Actor for Responder {
    fn name(&self) -> String {
        format!("responder of topic {}, {:?}", self.slot, self.standing)
    }

    fn on(&mut self, context: &mut Context<'_>, event: ActorEvent) {
        let is_woken = matches!(event, ActorEvent::Timer);
        for news in self.caller.take(context, event) {
            match news {
                News::Ready => {}
                News::Woken => self.look_around(context),
                News::Lost => {
                    self.standing = Standing::Away;
                    self.late.clear();
                    self.replied.clear();
                }
                News::Frame(bytes) => self.on_frame(context, &bytes, decode(&bytes)),
            }
        }
        if self.caller.is_ready() {
            if is_woken {
                self.serve(context);
            }
            self.reply_late(context);
        }
    }

    fn is_done(&self) -> bool {
        true
    }
}
