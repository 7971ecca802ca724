//! Results: what came of a case, as the results that are kept, compared and drawn: one for each part.

use crate::host::{Build, Host};
use crate::load::account::{Account, Outcome};
use crate::load::driver::Counters;
use crate::load::ledger::Ledger;
use crate::result::{
    Asked, Counts, CpuUse, Driver, FORMAT, Floors, FlushUse, Interval, Journey, Level, Load,
    LoopModel, RunResult, Stage, Validity, series,
};
use crate::spans::Spans;
use crate::workload::{Arrival, Case, Kind, Part, Rate};
use std::collections::BTreeMap;
use std::time::Duration;

/// What is known of a run beside what it counted.
#[derive(Clone, Debug)]
pub struct Circumstances {
    /// The workload's name.
    pub workload: String,
    /// Which repetition, from 1.
    pub repetition: u32,
    /// The machine.
    pub host: Host,
    /// The program.
    pub build: Build,
    /// Whether the bus spins while it has nothing to do.
    pub server_spins: bool,
    /// What was seen of this run alone: the rate that was found, how busy the load was.
    pub observed: BTreeMap<String, String>,
}

/// One part of a case with what belongs to it alone.
#[derive(Clone, Debug)]
pub struct Judged {
    /// Of which bus, at which level.
    pub driver: Driver,
    /// What the machine itself took.
    pub floors: Floors,
    /// Whether its figures may be believed.
    pub validity: Validity,
}

/// The results of a case as it was asked for, one for each part.
pub fn results(
    case: &Case,
    account: &Account,
    judged: &[Judged],
    circumstances: &Circumstances,
) -> Vec<RunResult> {
    let parts = case.parts.iter().zip(&account.outcomes).zip(judged);
    let of = |((part, outcome), judged): ((&Part, &Outcome), &Judged)| RunResult {
        format: FORMAT,
        begun: account.begun.clone(),
        repetition: circumstances.repetition,
        workload: asked(case, part, circumstances),
        load: load(case, part),
        driver: judged.driver.clone(),
        validity: judged.validity.clone(),
        counts: counts(part, outcome),
        latencies: latencies(part, outcome, judged.driver.level),
        intervals: intervals(case, part, outcome),
        cpu: CpuUse {
            server_s: account.server_cpu_s,
            client_s: account.client_cpu_s,
            server_spins: circumstances.server_spins,
        },
        flushes: flushes(account.counters.as_ref(), judged.driver.level),
        floors: judged.floors.clone(),
        stages: stages(account.counters.as_ref()),
        observed: circumstances.observed.clone(),
        host: circumstances.host.clone(),
        build: circumstances.build.clone(),
    };
    parts.map(of).collect()
}

/// `latency producerRate=1000 level=memory`, and the part's name if there are several.
fn asked(case: &Case, part: &Part, circumstances: &Circumstances) -> Asked {
    let part_name = (case.parts.len() > 1).then(|| format!("[{}]", part.name));
    let words = [circumstances.workload.clone(), case.name.clone()];
    let words = words.into_iter().chain(part_name).filter(|word| !word.is_empty());
    let mut parameters = part.written.clone();
    for key in ["messageSize", "topics", "partitionsPerTopic", "producersPerTopic", "batch"] {
        parameters.remove(key); // told in fields of their own
    }
    let beside: Vec<&str> = case.parts.iter().map(|part| part.name.as_str()).collect();
    if beside.len() > 1 {
        parameters.insert("sideBySide".to_owned(), beside.join("+"));
    }
    Asked {
        name: words.collect::<Vec<_>>().join(" "),
        kind: match part.kind {
            Kind::Publish => crate::result::Kind::PublishSubscribe,
            Kind::RequestReply => crate::result::Kind::RequestReply,
            Kind::Admin => crate::result::Kind::Admin,
        },
        message_bytes: part.bodies.bytes as u64,
        topics: part.topics,
        queues_per_topic: u32::from(part.queues),
        producers_per_topic: part.producers,
        groups_per_topic: if part.kind == Kind::Publish { part.groups } else { 0 },
        consumers_per_group: part.consumers,
        batch: u32::try_from(part.batch).unwrap_or(u32::MAX),
        parameters,
    }
}

fn load(case: &Case, part: &Part) -> Load {
    let (model, arrival) = match part.arrival {
        Arrival::Constant => (LoopModel::Open, Some("constant")),
        Arrival::Poisson => (LoopModel::Open, Some("poisson")),
        Arrival::Closed { .. } => (LoopModel::Closed, None),
    };
    let in_flight =
        part.is_closed().then_some(part.in_flight as u64 * part.producer_count() as u64);
    Load {
        model,
        arrival: arrival.map(str::to_owned),
        rate_asked: match part.rate {
            Rate::Fixed(rate) if model == LoopModel::Open => Some(rate),
            Rate::Fixed(_) | Rate::Highest => None,
        },
        in_flight,
        warm_up_s: case.warm_up.as_secs_f64(),
        lasted_s: case.test.as_secs_f64(),
    }
}

fn counts(part: &Part, outcome: &Outcome) -> Counts {
    let sending = outcome.sending.as_ref();
    let received = outcome.receiving.as_ref().map_or(0, |ledger| ledger.ended);
    let completed = sending.map_or(0, |ledger| ledger.ended);
    Counts {
        sent: sending.map_or(0, |ledger| ledger.sent),
        completed,
        delivered: if part.kind == Kind::Publish { received } else { completed },
        failed: sending.map_or(0, |ledger| ledger.failed),
        lost: outcome.lost.unwrap_or(0),
        doubled: outcome.doubled,
        disordered: outcome.disordered,
    }
}

/// What the answers of a part are measured over.
const fn answer_of(kind: Kind) -> Journey {
    match kind {
        Kind::Publish => Journey::PublishToAck,
        Kind::RequestReply | Kind::Admin => Journey::RequestToOutcome,
    }
}

/// Without an acknowledgement there is none to time: the client's word that it took a message is no journey.
fn latencies(part: &Part, outcome: &Outcome, level: Level) -> BTreeMap<Journey, Spans> {
    let mut all = BTreeMap::new();
    if let Some(sending) = &outcome.sending {
        if level > Level::None {
            all.insert(answer_of(part.kind), sending.spans.clone());
        }
        all.insert(Journey::SendDelay, sending.delays.clone());
    }
    if let Some(receiving) = &outcome.receiving {
        all.insert(Journey::PublishToDelivery, receiving.spans.clone());
    }
    all
}

fn intervals(case: &Case, part: &Part, outcome: &Outcome) -> Vec<Interval> {
    let ledgers = || [outcome.sending.as_ref(), outcome.receiving.as_ref()].into_iter().flatten();
    let count = ledgers().map(|ledger| ledger.slices.len()).max().unwrap_or(0);
    let step_s = series::interval_s(case.test.as_secs_f64());
    let (mut accepted, mut delivered) = (0, 0);
    let mut begin_s = 0.0;
    let mut all = Vec::with_capacity(count);
    for nth in 0..count {
        let slice = |ledger: &Option<Ledger>| ledger.as_ref().map(|of| of.slices[nth].clone());
        let (sending, receiving) = (slice(&outcome.sending), slice(&outcome.receiving));
        let mut latencies = BTreeMap::new();
        if let Some(of) = sending.as_ref().filter(|of| of.spans.count() > 0) {
            latencies.insert(answer_of(part.kind), of.spans.pack());
        }
        if let Some(of) = receiving.as_ref().filter(|of| of.spans.count() > 0) {
            latencies.insert(Journey::PublishToDelivery, of.spans.pack());
        }
        let completed = sending.as_ref().map_or(0, |of| of.ended);
        let received = receiving.as_ref().map(|of| of.ended);
        accepted += completed * u64::from(part.groups);
        delivered += received.unwrap_or(completed * u64::from(part.groups));
        let length_s = step_s.min(case.test.as_secs_f64() - begin_s);
        all.push(Interval {
            begin_s,
            length_s,
            sent: sending.as_ref().map_or(0, |of| of.sent),
            completed,
            delivered: received.unwrap_or(completed),
            failed: sending.as_ref().map_or(0, |of| of.failed),
            backlog: u64::saturating_sub(accepted, delivered),
            latencies,
        });
        begin_s += step_s;
    }
    all
}

fn flushes(counters: Option<&Counters>, level: Level) -> Option<FlushUse> {
    let counters = counters.filter(|_| level >= Level::Durable)?;
    Some(FlushUse {
        fdatasyncs: counters.fdatasyncs,
        publishes: counters.publishes,
        messages: counters.messages,
        bytes: counters.bytes,
    })
}

/// The node keeps powers of two: each counts as the middle of its bucket.
fn stages(counters: Option<&Counters>) -> Vec<Stage> {
    let of = |(name, buckets): &(String, Vec<u64>)| {
        let mut spans = Spans::default();
        for (power, count) in buckets.iter().enumerate().filter(|(_, count)| **count > 0) {
            let middle_ns = (1_u64 << power.min(62)) + ((1_u64 << power.min(62)) >> 1);
            spans.add_many(Duration::from_nanos(middle_ns), *count);
        }
        Stage { name: name.clone(), spans }
    };
    let all = counters.map_or(&[][..], |counters| &counters.stages);
    all.iter().map(of).filter(|stage| stage.spans.count() > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::ledger::Window;
    use crate::workload::Workload;

    const S: u64 = 1_000_000_000;

    fn case(text: &str) -> Case {
        let text = format!("name: x\ntestDurationSeconds: 2\n{text}");
        Workload::parse("w", &text).expect("a workload").cases[0].clone()
    }

    /// Two messages in the first second, both answered, one delivered then and one a second later.
    fn outcome() -> Outcome {
        let window = Window { begin_ns: S, end_ns: 3 * S, interval_ns: S };
        let (mut sending, mut receiving) = (Ledger::new(window), Ledger::new(window));
        for nth in 1..=2 {
            sending.sent(S, 10, 1);
            sending.ended(S, S + nth * 1000, 1);
            receiving.ended(S, nth * S + 5000, 1);
        }
        Outcome {
            sending: Some(sending),
            receiving: Some(receiving),
            lost: Some(0),
            ..Outcome::default()
        }
    }

    #[test]
    fn a_part_is_told_with_its_counts_latencies_and_intervals() {
        let case = case("producerRate: 1\nlevel: durable\narrival: poisson\n");
        let part = &case.parts[0];
        let outcome = outcome();
        assert_eq!(counts(part, &outcome).delivered, 2);
        let told = |level| latencies(part, &outcome, level).into_keys().collect::<Vec<_>>();
        assert_eq!(told(Level::Durable).len(), 3);
        assert_eq!(told(Level::None), [Journey::PublishToDelivery, Journey::SendDelay]);
        let intervals = intervals(&case, part, &outcome);
        let backlogs: Vec<u64> = intervals.iter().map(|of| of.backlog).collect();
        assert_eq!(backlogs, [1, 0], "one is still on its way after the first second");
        assert_eq!(load(&case, part).describe(), "open loop, 1/s asked, poisson");
    }

    #[test]
    fn a_closed_loop_is_labelled_and_side_by_side_is_named() {
        let text = "parts:\n  a: {arrival: closed, inFlight: 64}\n  b: {producerRate: 5}\n";
        let case = case(text);
        let circumstances = Circumstances {
            workload: "x".to_owned(),
            repetition: 1,
            host: Host::default(),
            build: Build::default(),
            server_spins: false,
            observed: BTreeMap::new(),
        };
        let asked = asked(&case, &case.parts[0], &circumstances);
        assert_eq!(asked.name, "x [a]");
        assert_eq!(asked.parameters["sideBySide"], "a+b");
        let load = load(&case, &case.parts[0]);
        assert_eq!((load.model, load.in_flight), (LoopModel::Closed, Some(64)));
    }

    #[test]
    fn stages_and_syncs_are_told_where_they_mean_something() {
        let counters = Counters {
            fdatasyncs: 5,
            publishes: 10,
            stages: vec![("fsync".to_owned(), vec![0, 0, 3]), ("idle".to_owned(), vec![0])],
            ..Counters::default()
        };
        let stages = stages(Some(&counters));
        assert_eq!(stages.len(), 1);
        assert_eq!(stages[0].spans.count(), 3);
        assert_eq!(flushes(Some(&counters), Level::Memory), None);
        let flushes = flushes(Some(&counters), Level::Durable).expect("durable");
        assert_eq!(flushes.publishes_per_fdatasync(), Some(2.0));
    }
}
