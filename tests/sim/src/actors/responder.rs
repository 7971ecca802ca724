//! Responder: echoes requests of one service; sometimes late, sometimes never.

use super::caller::{Caller, News, decode};
use super::{Actor, ActorEvent, Context};
use wire::{Kind, table};

/// A responder of a run.
#[derive(Debug)]
pub struct Responder {
    topic: usize,
    caller: Caller,
    is_asked: bool,
    is_serving: bool,
    /// Replies that will be late: due time, frame.
    late: Vec<(u64, Vec<u8>)>,
}

impl Responder {
    /// Serves the `topic`th topic of the board.
    pub fn new(topic: usize) -> Self {
        let caller = Caller::default();
        Self { topic, caller, is_asked: false, is_serving: false, late: Vec::new() }
    }

    fn serve(&mut self, context: &mut Context<'_>) {
        if self.is_serving || self.is_asked || !self.caller.is_ready() || !context.board.is_open {
            return;
        }
        self.is_asked = true;
        let service = context.board.topics[self.topic].name.clone();
        self.caller.ask(context, Kind::Serve, &[], |builder| {
            let service = Some(builder.create_string(&service));
            table::Serve::create(builder, &table::ServeArgs { service, concurrency: 4 })
        });
    }

    fn on_call(&mut self, context: &mut Context<'_>, bytes: &[u8]) {
        let patience = context.schedule.random.below(100);
        if patience < 10 {
            let due_ns = context.schedule.now_ns + context.schedule.random.below(2_000_000_000);
            self.late.push((due_ns, bytes.to_vec()));
        } else if patience < 97 {
            self.reply(context, bytes);
        }
    }

    fn reply(&mut self, context: &mut Context<'_>, bytes: &[u8]) {
        let (_, frame) = decode(bytes);
        let call: table::Call<'_> = frame.read().expect("valid");
        self.caller.ask(context, Kind::Reply, frame.section, |builder| {
            let args = table::ReplyArgs { responder: call.responder(), reply_to: call.reply_to() };
            table::Reply::create(builder, &args)
        });
    }

    fn reply_late(&mut self, context: &mut Context<'_>) {
        let now_ns = context.schedule.now_ns;
        let (due, later) =
            std::mem::take(&mut self.late).into_iter().partition(|(at_ns, _)| *at_ns <= now_ns);
        self.late = later;
        let due: Vec<(u64, Vec<u8>)> = due;
        for (_, bytes) in due {
            self.reply(context, &bytes);
        }
    }
}

impl Actor for Responder {
    fn name(&self) -> String {
        format!("responder of topic {}", self.topic)
    }

    fn on(&mut self, context: &mut Context<'_>, event: ActorEvent) {
        for news in self.caller.take(context, event) {
            match news {
                News::Ready | News::Woken => {}
                News::Lost => {
                    self.is_serving = false;
                    self.is_asked = false;
                    self.late.clear();
                }
                News::Frame(bytes) => {
                    let (kind, _) = decode(&bytes);
                    #[expect(
                        clippy::wildcard_enum_match_arm,
                        reason = "other frames are not for a responder"
                    )]
                    match kind {
                        Kind::Served => self.is_serving = true,
                        Kind::Error => self.is_asked = false,
                        Kind::Call => self.on_call(context, &bytes),
                        _ => {}
                    }
                }
            }
        }
        self.serve(context);
        if self.caller.is_ready() {
            self.reply_late(context);
        }
    }

    fn is_done(&self) -> bool {
        true
    }
}
