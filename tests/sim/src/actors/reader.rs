//! Reader: when all producers are done, reads every durable queue from its start to its end.

use super::caller::{Caller, News, decode};
use super::{Actor, ActorEvent, Context};
use crate::observation::{Audience, Observation};
use wire::record::records;
use wire::table;
use wire::{Kind, QueueId};

/// The reader of a run.
#[derive(Debug, Default)]
pub struct Reader {
    caller: Caller,
    queues: Option<Vec<QueueId>>,
    offset: u64,
    is_asked: bool,
}

impl Reader {
    fn go_on(&mut self, context: &mut Context<'_>) {
        if !context.is_quiet() || self.is_asked || !self.caller.is_ready() {
            return;
        }
        let queues = self.queues.get_or_insert_with(|| context.board.durable_queues());
        let Some(queue) = queues.last().copied() else { return };
        self.is_asked = true;
        let args = table::FetchArgs {
            queue: queue.0,
            offset: self.offset,
            records_max: 50,
            bytes_max: 1 << 20,
        };
        self.caller.ask(context, Kind::Fetch, &[], |builder| table::Fetch::create(builder, &args));
    }

    fn on_fetched(
        &mut self,
        context: &mut Context<'_>,
        fetched: table::Fetched<'_>,
        section: &[u8],
    ) {
        let queue = QueueId(fetched.queue());
        if fetched.gap_to() > self.offset {
            let (range, reason) = (self.offset..fetched.gap_to(), fetched.gap_reason());
            context.oracle.saw(&Observation::Gap { to: Audience::Reader, queue, range, reason });
            self.offset = fetched.gap_to();
        }
        if fetched.count() > 0 {
            let (offset, next) = (self.offset, fetched.first_offset());
            context.oracle.saw(&Observation::Read { queue, offset, next });
        }
        for (offset, (record, _)) in (fetched.first_offset()..).zip(records(section)) {
            context.oracle.served(Audience::Reader, queue, offset, record.body);
            self.offset = offset + 1;
        }
        if self.offset >= fetched.end() {
            self.offset = 0;
            self.queues.as_mut().expect("chosen before").pop();
        }
    }
}

impl Actor for Reader {
    fn name(&self) -> String {
        format!("reader ({:?} at {})", self.queues, self.offset)
    }

    fn on(&mut self, context: &mut Context<'_>, event: ActorEvent) {
        for news in self.caller.take(context, event) {
            match news {
                News::Ready | News::Woken => {}
                News::Lost => self.is_asked = false,
                News::Frame(bytes) => {
                    let (kind, frame) = decode(&bytes);
                    // Others, a goodbye above all, are no answers.
                    self.is_asked &= !matches!(kind, Kind::Fetched | Kind::Error);
                    if kind == Kind::Fetched {
                        self.on_fetched(context, frame.read().expect("valid"), frame.section);
                    } else if kind == Kind::Error && frame.header.request_id != 0 {
                        let error: table::Error<'_> = frame.read().expect("valid");
                        let message = error.message().unwrap_or_default();
                        let words = format!("a fetch was refused: {message}");
                        context.oracle.saw(&Observation::Unfinished { words: &words });
                    }
                }
            }
        }
        self.go_on(context);
    }

    fn is_done(&self) -> bool {
        self.queues.as_ref().is_some_and(Vec::is_empty)
    }
}
