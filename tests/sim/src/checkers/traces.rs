//! Traces: who asks for a trace gets one, nobody else does; its stages ascend, and it is its own message's.
//!
//! Whose it is shows in its spans: they add up to what the outcome says of queue and service, which is
//! counted elsewhere, and they fit between the sending and the answer. Of `ingress` only an upper bound is told.

use super::{Checker, Verdict};
use crate::ledger::Ledger;
use crate::observation::{Observation, Traced};
use wire::table::{OutcomeKind, TraceStage};

type Mark = (TraceStage, u64);

/// The promise needs no memory.
#[derive(Debug)]
pub(super) struct Traces;

fn end_of(marks: &[Mark], wanted: TraceStage) -> Option<u64> {
    marks.iter().find(|(stage, _)| *stage == wanted).map(|(_, end_ns)| *end_ns)
}

/// The ends of the first and the last stage.
fn ascends(marks: &[Mark]) -> Result<(u64, u64), String> {
    let told = || format!("stages {marks:?}");
    let [(TraceStage::Ingress, arrived_ns), .., (_, ended_ns)] = *marks else {
        return Err(format!("{} do not begin with ingress and go on", told()));
    };
    let in_order = |pair: &[Mark]| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1;
    if marks.windows(2).all(in_order) { Ok((arrived_ns, ended_ns)) } else { Err(told()) }
}

fn fits(seen: &Traced<'_>, marks: &[Mark]) -> Verdict {
    let (arrived_ns, ended_ns) = ascends(marks)?;
    let in_node_ns = ended_ns - arrived_ns;
    if in_node_ns > seen.spent_ns {
        return Err(format!("{in_node_ns} ns in the node of {} in all", seen.spent_ns));
    }
    let Some((kind, queue_us, service_us)) = seen.request else {
        let (last, _) = marks[marks.len() - 1];
        let is_publish = last <= TraceStage::Flush;
        return if is_publish { Ok(()) } else { Err(format!("a publish went through {last:?}")) };
    };
    let dispatched_ns = end_of(marks, TraceStage::Queue).unwrap_or(ended_ns);
    let told = ((dispatched_ns - arrived_ns) / 1000, (ended_ns - dispatched_ns) / 1000);
    if told != (queue_us, service_us) {
        return Err(format!("{told:?} us of queue and service, not {queue_us} and {service_us}"));
    }
    let is_replied = end_of(marks, TraceStage::Reply).is_some();
    if is_replied == (kind == OutcomeKind::Reply) { Ok(()) } else { Err(format!("{kind:?}")) }
}

impl Checker for Traces {
    fn name(&self) -> &'static str {
        "traces"
    }

    fn observe(&mut self, _known: &Ledger, seen: &Observation<'_>) -> Verdict {
        let Observation::Traced(seen) = *seen else { return Ok(()) };
        let verdict = match (seen.is_wanted, seen.marks) {
            (false, None) => Ok(()),
            (true, Some(marks)) => fits(seen, marks),
            (true, None) => Err("none was told".to_owned()),
            (false, Some(_)) => Err("nobody asked for it".to_owned()),
        };
        verdict.map_err(|words| format!("trace of {:?}: {words}", seen.asked))
    }
}

#[cfg(test)]
mod tests {
    use super::super::planted::Story;
    use super::*;
    use crate::observation::Asked;

    const REPLIED: &[Mark] = &[
        (TraceStage::Ingress, 500),
        (TraceStage::Deliver, 1_500),
        (TraceStage::Queue, 20_500),
        (TraceStage::Service, 50_500),
        (TraceStage::Reply, 52_500),
    ];

    /// A reply after 52 us in the node, 20 of them in the queue.
    fn replied(marks: Option<&[Mark]>) -> Traced<'_> {
        let request = Some((OutcomeKind::Reply, 20, 32));
        Traced { asked: Asked::default(), is_wanted: true, spent_ns: 60_000, marks, request }
    }

    fn is_silent(seen: &Traced<'_>) {
        let mut story = Story::new();
        story.oracle.saw(&Observation::Traced(seen));
        story.is_silent();
    }

    fn speaks(seen: &Traced<'_>) {
        let mut story = Story::new();
        story.oracle.saw(&Observation::Traced(seen));
        story.speaks("traces");
    }

    #[test]
    fn it_is_silent_about_true_ones() {
        is_silent(&replied(Some(REPLIED)));
        let timed_out = Some((OutcomeKind::TimeoutInQueue, 20, 0));
        is_silent(&Traced { request: timed_out, ..replied(Some(&[REPLIED[0], REPLIED[2]])) });
        is_silent(&Traced { request: None, ..replied(Some(&REPLIED[..2])) });
        is_silent(&Traced { is_wanted: false, ..replied(None) });
    }

    #[test]
    fn it_speaks_of_one_too_few_or_too_many() {
        speaks(&replied(None));
        speaks(&replied(Some(&[])));
        speaks(&Traced { is_wanted: false, ..replied(Some(REPLIED)) });
    }

    #[test]
    fn it_speaks_of_stages_that_do_not_ascend() {
        for (one, other) in [(1, 2), (0, 1)] {
            let mut marks = REPLIED.to_vec();
            marks.swap(one, other);
            speaks(&replied(Some(&marks)));
        }
        let mut marks = REPLIED.to_vec();
        (marks[1].1, marks[2].1) = (marks[2].1, marks[1].1);
        speaks(&replied(Some(&marks)));
    }

    #[test]
    fn it_speaks_of_another_messages_trace() {
        speaks(&Traced { spent_ns: 51_000, ..replied(Some(REPLIED)) });
        speaks(&Traced { request: Some((OutcomeKind::Reply, 21, 32)), ..replied(Some(REPLIED)) });
        speaks(&Traced {
            request: Some((OutcomeKind::TimeoutInService, 20, 32)),
            ..replied(Some(REPLIED))
        });
        speaks(&Traced { request: None, ..replied(Some(REPLIED)) });
    }
}
