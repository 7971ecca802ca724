//! Open: the ends of one part on one load thread, made ready to be driven.

use super::arrivals::{Arrivals, Spread};
use super::chance::Chance;
use super::driver::{DriveError, HostilePlan, SenderEnd};
use super::messages::Messages;
use super::pacer::Pacer;
use super::plan::{Plan, shared_connection};
use super::receiving::{Group, Receiving};
use super::sending::Sending;
use super::thread::{Flow, LoadThread};
use crate::workload::{Arrival, Kind, Rate};

/// The stream of chance of arrivals.
const ARRIVALS: u64 = 3;
/// Messages of one producer in flight while a backlog is built, at most.
const FILL_IN_FLIGHT_MAX: usize = 4096;

/// Opens everything that `thread` has of `part`.
pub(super) fn flow(
    thread: &mut LoadThread<'_>,
    part: usize,
    messages: Messages,
) -> Result<Flow, DriveError> {
    let plan = thread.plan;
    let mut flow = Flow { sending: sending(thread, part, messages)?, ..Flow::default() };
    flow.receiving = receiving(thread, part)?;
    for place in plan.responders(part, thread.thread) {
        let service = plan.topic(part, place.topic);
        flow.responders.push(thread.port.responder(&plan.end(part, &service, None))?);
    }
    let idle = plan.case.parts[part].idle_connections as usize;
    for _ in (0..idle).skip(thread.thread).step_by(plan.threads) {
        thread.port.idle_connection()?;
    }
    open_hostile(thread, part)?;
    Ok(flow)
}

/// Opens the hostile peers that `thread` has of `part`, if it has any.
fn open_hostile(thread: &mut LoadThread<'_>, part: usize) -> Result<(), DriveError> {
    let plan = thread.plan;
    let of = &plan.case.parts[part];
    let dealt = |count: u32| (0..count as usize).skip(thread.thread).step_by(plan.threads).count();
    let (slow_readers, dripping) = (dealt(of.slow_readers), dealt(of.dripping_connections));
    if slow_readers + dripping == 0 {
        return Ok(());
    }
    let topic = plan.hostile_topic(part);
    thread.port.hostile(&HostilePlan { topic: &topic, slow_readers, dripping })
}

fn sending(
    thread: &mut LoadThread<'_>,
    part: usize,
    messages: Messages,
) -> Result<Option<Sending>, DriveError> {
    let plan = thread.plan;
    let of = &plan.case.parts[part];
    let mut ends: Vec<(u32, Box<dyn SenderEnd>)> = Vec::new();
    for place in plan.senders(part, thread.thread) {
        let topic = plan.topic(part, place.topic);
        let end = plan.end(part, &topic, shared_connection(of, place.number));
        let end = match of.kind {
            Kind::Publish => thread.port.producer(&end)?,
            Kind::RequestReply => thread.port.requester(&end)?,
            Kind::Admin => thread.port.administrator()?,
        };
        ends.push((u32::try_from(place.number).unwrap_or(u32::MAX), end));
    }
    if ends.is_empty() {
        return Ok(None);
    }
    // Until the run begins only a backlog is published.
    let in_flight = if of.backlog_bytes > 0 { of.in_flight.min(FILL_IN_FLIGHT_MAX) } else { 0 };
    let pacer = Pacer::closed(0, ends.len(), in_flight, 0);
    let ledger = thread.ledger();
    // An open loop looks around often, since what is due then is timed from that moment on.
    let is_alone = plan.case.parts.len() == 1 && of.is_closed();
    let flight = (of.in_flight, is_alone);
    Ok(Some(Sending::new(plan.run, ends, flight, (pacer, messages, ledger))))
}

fn receiving(thread: &mut LoadThread<'_>, part: usize) -> Result<Option<Receiving>, DriveError> {
    let plan = thread.plan;
    let of = &plan.case.parts[part];
    let (mut ends, mut groups) = (Vec::new(), Vec::new());
    for place in plan.groups(part, thread.thread) {
        let topic = plan.topic(part, place.topic);
        let name = plan.group(part, place.number);
        for _ in 0..of.consumers {
            let end = thread.port.consumer(&plan.end(part, &topic, None), &name)?;
            ends.push((groups.len(), end));
        }
        let senders = of.producers as usize;
        let first = u32::try_from(place.topic * senders).unwrap_or(u32::MAX);
        groups.push(Group::new(place.number, first, senders, usize::from(of.queues)));
    }
    if ends.is_empty() {
        return Ok(None);
    }
    let ledger = thread.ledger();
    Ok(Some(Receiving::new(plan.run, ends, groups, of.consumer_rate, ledger)))
}

/// The pace of the senders that a thread has of a part, from `begin_ns` on.
pub(super) fn pacer(
    plan: &Plan,
    (part, thread): (usize, usize),
    senders: usize,
    begin_ns: u64,
) -> Pacer {
    let of = &plan.case.parts[part];
    let spread = match of.arrival {
        Arrival::Closed { think } => {
            let think_ns = u64::try_from(think.as_nanos()).unwrap_or(u64::MAX);
            return Pacer::closed(think_ns, senders, of.in_flight, begin_ns);
        }
        Arrival::Constant => Spread::Constant,
        Arrival::Poisson => Spread::Poisson,
    };
    let Rate::Fixed(rate) = of.rate else {
        // The highest rate is searched for with fixed ones; here is none of its own.
        return Pacer::closed(0, senders, of.in_flight, begin_ns);
    };
    let rate = (rate * plan.share(part, thread)).max(1e-6);
    let stream = ARRIVALS + ((part as u64) << 8) + ((thread as u64) << 16);
    let chance = Chance::new(plan.case.seed, stream);
    Pacer::open(Arrivals::new(spread, rate, of.burst, begin_ns, chance))
}
