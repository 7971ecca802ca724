//! Stats: what a shard counts, and how long its stages take.
//!
//! Counting and timing touch a few words of memory and allocate nothing; names
//! are put to numbers only when somebody asks. A name that ends in `_total` is a
//! counter, any other a gauge. Times are kept in powers of two of nanoseconds:
//!
//! ```text
//!   publish  arrived ------------------ receipt            publish_ack
//!   request  received - handled - at the desk - stored - handed out - replied - outcome - taken by the kernel
//!            rpc_stage: ingress   deliver       flush    queue        service   reply     egress
//!   record   accepted ---------------- delivered           deliver
//!   flush    begun ------------------- synced              fsync
//! ```
//!
//! `ingress` and `egress` are the machine's: how long what a turn takes may have waited for it, and how
//! long a send (of whatever frames) takes until the kernel has all of it. Stamps are a turn's: what
//! happens within one counts as nothing. Keeping one span costs a dozen instructions.

use super::mail::Origin;
use super::outgoing::Turn;
use super::post::MailClass;
use super::refusal::Refusal;
use super::step::Broker;
use shard::{Durations, MachineCounters};
use std::collections::BTreeMap;
use wire::table::{OutcomeKind, ReplyFate, StatKind};
use wire::{ErrorCode, Kind, table};

/// The stages of a request, one after another; what the machine's sends take is its last.
const RPC_STAGE: &str = "defibus_rpc_stage_seconds";
const EGRESS: (&str, &str) = (RPC_STAGE, "stage=egress");

/// Something whose duration is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// A publish to a `memory` topic, until its receipt.
    AckMemory,
    /// A publish to a `durable` topic, until its receipt.
    AckDurable,
    /// A record, from its acceptance until it is sent to a member.
    Deliver,
    /// One write and its fdatasync.
    Flush,
    /// A request, at most so long between its arrival and its turn.
    Ingress,
    /// A request, from its requester's shard to its queue's.
    Carry,
    /// A request of a `durable` service, until it is stored.
    Store,
    /// A request, until a responder has it.
    Queue,
    /// A request, while a responder has it.
    Service,
    /// A reply, from its responder's shard to its requester's.
    Reply,
}

impl Stage {
    const ALL: [Self; 10] = [
        Self::AckMemory,
        Self::AckDurable,
        Self::Deliver,
        Self::Flush,
        Self::Ingress,
        Self::Carry,
        Self::Store,
        Self::Queue,
        Self::Service,
        Self::Reply,
    ];

    /// Metric and label.
    const fn name(self) -> (&'static str, &'static str) {
        match self {
            Self::AckMemory => ("defibus_publish_ack_seconds", "level=memory"),
            Self::AckDurable => ("defibus_publish_ack_seconds", "level=durable"),
            Self::Deliver => ("defibus_deliver_seconds", ""),
            Self::Flush => ("defibus_fsync_seconds", ""),
            Self::Ingress => (RPC_STAGE, "stage=ingress"),
            Self::Carry => (RPC_STAGE, "stage=deliver"),
            Self::Store => (RPC_STAGE, "stage=flush"),
            Self::Queue => (RPC_STAGE, "stage=queue"),
            Self::Service => (RPC_STAGE, "stage=service"),
            Self::Reply => (RPC_STAGE, "stage=reply"),
        }
    }
}

/// What one shard counted since it started.
#[derive(Debug, Default)]
pub(super) struct Stats {
    started_ns: Option<u64>,
    flush_began_ns: u64,
    publishes: u64,
    records: u64,
    record_bytes: u64,
    duplicates: u64,
    delivered_records: u64,
    delivered_bytes: u64,
    outcomes: [u64; OutcomeKind::ENUM_VALUES.len()],
    replies: [u64; ReplyFate::ENUM_VALUES.len()],
    refusals: BTreeMap<ErrorCode, u64>,
    stages: [Durations; Stage::ALL.len()],
}

impl Stats {
    /// The shard runs; the first time counts.
    pub(super) fn started(&mut self, now_ns: u64) {
        self.started_ns.get_or_insert(now_ns);
    }

    /// A flush was given to the machine.
    pub(super) fn flush_began(&mut self, now_ns: u64) {
        self.flush_began_ns = now_ns;
    }

    /// It is on the disk; when it had begun. One is in flight at a time.
    pub(super) fn flush_ended(&mut self, now_ns: u64) -> u64 {
        self.record(Stage::Flush, now_ns.saturating_sub(self.flush_began_ns));
        self.flush_began_ns
    }

    /// A stage took so long.
    pub(super) fn record(&mut self, stage: Stage, span_ns: u64) {
        self.stages[stage as usize].record(span_ns);
    }

    /// A section was taken, `section_bytes` long.
    pub(super) fn count_publish(&mut self, count: u32, section_bytes: usize, duplicate: bool) {
        self.publishes += 1;
        if duplicate {
            self.duplicates += 1;
        } else {
            self.records += u64::from(count);
            self.record_bytes += number(section_bytes);
        }
    }

    /// Records were sent to a member, the first of them so long after its acceptance.
    pub(super) fn count_delivery(&mut self, count: u32, bytes: usize, age_ns: u64) {
        self.delivered_records += u64::from(count);
        self.delivered_bytes += number(bytes);
        self.record(Stage::Deliver, age_ns);
    }

    /// Somebody was told no.
    pub(super) fn count_refusal(&mut self, refusal: &Refusal) {
        *self.refusals.entry(refusal.words().code).or_default() += 1;
    }

    /// What became of a reply.
    pub(super) fn count_reply(&mut self, fate: ReplyFate) {
        self.replies[usize::from(fate.0)] += 1;
    }

    /// A request ended, having been served for so long.
    pub(super) fn record_outcome(&mut self, kind: OutcomeKind, service_ns: u64) {
        self.outcomes[usize::from(kind.0)] += 1;
        if kind == OutcomeKind::Reply {
            self.record(Stage::Service, service_ns);
        }
    }
}

/// One number with its name, as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Named {
    name: String,
    label: String,
    value: u64,
}

impl Named {
    fn plain(name: &str, value: u64) -> Self {
        Self::labelled(name, String::new(), value)
    }

    fn labelled(name: &str, label: String, value: u64) -> Self {
        Self { name: name.to_owned(), label, value }
    }

    fn kind(&self) -> StatKind {
        if self.name.ends_with("_total") { StatKind::Counter } else { StatKind::Gauge }
    }
}

impl Stats {
    fn named(&self) -> Vec<Named> {
        let mut all = vec![
            Named::plain("defibus_publish_total", self.publishes),
            Named::plain("defibus_publish_duplicate_total", self.duplicates),
            Named::plain("defibus_publish_records_total", self.records),
            Named::plain("defibus_publish_bytes_total", self.record_bytes),
            Named::plain("defibus_deliver_records_total", self.delivered_records),
            Named::plain("defibus_deliver_bytes_total", self.delivered_bytes),
        ];
        all.extend(OutcomeKind::ENUM_VALUES.iter().map(|kind| {
            let label = format!("outcome={}", kind.variant_name().unwrap_or_default());
            Named::labelled("defibus_rpc_total", label, self.outcomes[usize::from(kind.0)])
        }));
        all.extend(ReplyFate::ENUM_VALUES.iter().map(|fate| {
            let label = format!("fate={}", fate.variant_name().unwrap_or_default());
            Named::labelled("defibus_reply_total", label, self.replies[usize::from(fate.0)])
        }));
        all.extend(self.refusals.iter().map(|(code, count)| {
            Named::labelled("defibus_refused_total", format!("reason={}", code.name()), *count)
        }));
        all
    }
}

fn machine_named(machine: &MachineCounters) -> [Named; 14] {
    [
        Named::plain("defibus_shard_turns_total", machine.turns),
        Named::plain("defibus_shard_busy_ns_total", machine.busy_ns),
        Named::plain("defibus_shard_idle_ns_total", machine.idle_ns),
        Named::plain("defibus_uring_completions_total", machine.completions),
        Named::plain("defibus_uring_enters_total", machine.enters),
        Named::plain("defibus_uring_sq_full_total", machine.sq_full),
        Named::plain("defibus_uring_cq_overflow_total", machine.cq_overflow),
        Named::plain("defibus_receive_buffers_empty_total", machine.receive_buffers_empty),
        Named::plain("defibus_sends_total", machine.sends),
        Named::plain("defibus_sent_bytes_total", machine.sent_bytes),
        Named::plain("defibus_received_bytes_total", machine.received_bytes),
        Named::plain("defibus_connections_accepted_total", machine.accepted_connections),
        Named::plain("defibus_slow_consumers_total", machine.slow_consumers),
        Named::plain("defibus_connections", machine.open_connections),
    ]
}

impl Broker {
    pub(super) fn on_stats(
        &mut self,
        turn: &mut Turn<'_>,
        origin: Origin,
        _stats: table::Stats<'_>,
    ) -> Result<(), Refusal> {
        if !self.out.post.has_room(turn.effects, origin.peer.shard, MailClass::Bulk) {
            return Err(Refusal::Busy);
        }
        let stats = self.all_named(&turn.effects.machine);
        let stages = self.stats.stages;
        let egress = turn.effects.egress;
        let started_ns = self.stats.started_ns.unwrap_or(turn.now.mono_ns);
        let uptime_ms = (turn.now.mono_ns - started_ns) / 1_000_000;
        let shard = self.settings.shard.0;
        self.out.send(turn, origin, (Kind::StatsInfo, &[]), |builder| {
            let stats: Vec<_> = stats
                .iter()
                .map(|stat| {
                    let name = Some(builder.create_shared_string(&stat.name));
                    let label = Some(builder.create_string(&stat.label));
                    let args =
                        table::StatArgs { name, label, kind: stat.kind(), value: stat.value };
                    table::Stat::create(builder, &args)
                })
                .collect();
            let of_broker = Stage::ALL.iter().map(|stage| (stage.name(), stages[*stage as usize]));
            let stages: Vec<_> = of_broker
                .chain([(EGRESS, egress)])
                .map(|((name, label), durations)| {
                    let args = table::StageArgs {
                        name: Some(builder.create_shared_string(name)),
                        label: Some(builder.create_string(label)),
                        count: durations.count,
                        sum_ns: durations.sum_ns,
                        max_ns: durations.max_ns,
                        buckets: Some(builder.create_vector(durations.used())),
                    };
                    table::Stage::create(builder, &args)
                })
                .collect();
            let stats = Some(builder.create_vector(&stats));
            let stages = Some(builder.create_vector(&stages));
            let args = table::StatsInfoArgs { shard, uptime_ms, stats, stages };
            table::StatsInfo::create(builder, &args)
        });
        Ok(())
    }

    /// Every number of this shard.
    fn all_named(&self, machine: &MachineCounters) -> Vec<Named> {
        let catalog = self.catalogue.replica();
        let (waiting_count, responder_count) = self.desks.counts();
        let mut all = self.stats.named();
        all.extend(machine_named(machine));
        all.extend([
            Named::plain("defibus_topics", number(catalog.topic_count())),
            Named::plain("defibus_queues", number(catalog.queue_count())),
            Named::plain("defibus_groups", number(catalog.group_count())),
            Named::plain("defibus_producers", number(catalog.producer_count())),
            Named::plain("defibus_route_epoch", catalog.version()),
            Named::plain("defibus_rpc_pending", number(self.requests.pending_count())),
            Named::plain("defibus_rpc_waiting", number(waiting_count)),
            Named::plain("defibus_responders", number(responder_count)),
            Named::plain("defibus_members", number(self.members.count())),
        ]);
        let of_scrub = self.store.scrub_counters().into_iter();
        all.extend(of_scrub.map(|(name, value)| Named::plain(name, value)));
        let of_storage = self.store.counters().into_iter();
        all.extend(
            of_storage.map(|(name, value)| Named::plain(&format!("defibus_storage_{name}"), value)),
        );
        all
    }
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_totals_are_counters() {
        assert_eq!(Named::plain("defibus_topics", 1).kind(), StatKind::Gauge);
        assert_eq!(Named::plain("defibus_publish_total", 1).kind(), StatKind::Counter);
    }

    #[test]
    fn a_refusal_is_counted_under_its_code() {
        let mut stats = Stats::default();
        stats.count_refusal(&Refusal::LevelUnavailable);
        stats.count_refusal(&Refusal::LevelUnavailable);
        let label = String::from("reason=LevelUnavailable");
        let counted = Named::labelled("defibus_refused_total", label, 2);
        assert!(stats.named().contains(&counted));
    }
}
