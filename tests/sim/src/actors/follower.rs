//! Follower: a batch reader that follows the durable queues while everything happens.

use super::caller::{Caller, News, decode};
use super::{Actor, ActorEvent, Context};
use crate::observation::{Audience, Observation};
use std::collections::BTreeMap;
use wire::record::records;
use wire::table;
use wire::{Kind, QueueId};

/// The follower of a run.
#[derive(Debug, Default)]
pub struct Follower {
    caller: Caller,
    /// Where it is in each queue.
    offsets: BTreeMap<QueueId, u64>,
    /// The request that is not answered.
    asked: Option<u64>,
}

impl Follower {
    fn fetch_some(&mut self, context: &mut Context<'_>) {
        let queues = context.board.durable_queues();
        if self.asked.is_some() || !self.caller.is_ready() || queues.is_empty() {
            return;
        }
        let queue = context.schedule.random.one_of(&queues);
        let offset = self.offsets.get(&queue).copied().unwrap_or(0);
        let args =
            table::FetchArgs { queue: queue.0, offset, records_max: 40, bytes_max: 64 << 10 };
        let request = self
            .caller
            .ask(context, Kind::Fetch, &[], |builder| table::Fetch::create(builder, &args));
        self.asked = Some(request);
    }

    fn on_fetched(
        &mut self,
        context: &mut Context<'_>,
        fetched: table::Fetched<'_>,
        section: &[u8],
    ) {
        let (to, queue) = (Audience::Follower, QueueId(fetched.queue()));
        let offset = self.offsets.entry(queue).or_default();
        if fetched.gap_to() > *offset {
            let (range, reason) = (*offset..fetched.gap_to(), fetched.gap_reason());
            context.oracle.saw(&Observation::Gap { to, queue, range, reason });
            *offset = fetched.gap_to();
        }
        if fetched.count() > 0 {
            let next = fetched.first_offset();
            context.oracle.saw(&Observation::Read { queue, offset: *offset, next });
        }
        for (at, (record, _)) in (fetched.first_offset()..).zip(records(section)) {
            context.oracle.served(to, queue, at, record.body);
            *offset = at + 1;
        }
    }
}

impl Actor for Follower {
    fn name(&self) -> String {
        format!("follower (at {:?})", self.offsets)
    }

    fn on(&mut self, context: &mut Context<'_>, event: ActorEvent) {
        for news in self.caller.take(context, event) {
            match news {
                News::Ready => {}
                News::Woken => self.fetch_some(context),
                News::Lost => self.asked = None,
                News::Frame(bytes) => {
                    let (kind, frame) = decode(&bytes);
                    self.asked.take_if(|asked| *asked == frame.header.request_id);
                    if kind == Kind::Fetched {
                        self.on_fetched(context, frame.read().expect("valid"), frame.section);
                    }
                }
            }
        }
    }

    fn is_done(&self) -> bool {
        true
    }
}
