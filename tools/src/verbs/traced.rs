//! Traced: what a trace came to, as a table for people and as JSON.
//!
//! ```text
//!   client | network there | node: ingress ... ended | network back
//! ```
//!
//! Two clocks are never compared: how the network's time divides into there and back cannot be seen from
//! one end, so it stands in one step, the last. Steps add up to the whole.

use crate::output::{Report, Row, fields, grid};
use client::ShardId;
use client::catalog::{TopicKind, TopicSummary};
use client::trace::{Stage, Trace};
use serde::Serialize;
use std::time::Duration;

/// The longest bar of a share, in characters.
const BAR_WIDTH: f64 = 20.0;
/// Before the message left; what no clock of one end can divide; all of it, where the node told nothing.
const CLIENT: &str = "client";
const NETWORK: &str = "network";
const BEYOND: &str = "beyond";

/// One part of a message's way.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Step {
    stage: &'static str,
    /// Where it ended; none for the client and the network.
    shard: Option<u16>,
    begin_us: f64,
    took_us: f64,
    share: f64,
}

/// One message and its way; the line of `-o jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Traced {
    topic: String,
    kind: &'static str,
    level: &'static str,
    pub(super) outcome: &'static str,
    pub(super) queue: Option<u16>,
    pub(super) offset: Option<u64>,
    pub(super) reply_bytes: Option<usize>,
    total_us: f64,
    steps: Vec<Step>,
    /// What sends of the answering shard take at the median: a part of `network`.
    pub(super) egress_p50_us: Option<f64>,
}

/// Many messages to one topic.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Summary {
    topic: String,
    kind: &'static str,
    level: &'static str,
    messages: usize,
    stages: Vec<Spread>,
}

/// What one stage took over many messages.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Spread {
    stage: &'static str,
    count: usize,
    min_us: f64,
    median_us: f64,
    max_us: f64,
}

impl Traced {
    /// Puts the node's stages between what the client saw. `span`: the whole call.
    pub(super) fn of(
        topic: &TopicSummary,
        outcome: &'static str,
        trace: &Trace,
        span: Duration,
    ) -> Self {
        let whole = trace.answered.unwrap_or(span);
        Self {
            topic: topic.name.clone(),
            kind: if topic.kind == TopicKind::Service { "request" } else { "publish" },
            level: topic.level.name(),
            outcome,
            queue: None,
            offset: None,
            reply_bytes: None,
            total_us: micros_of(whole),
            steps: steps_of(trace, whole),
            egress_p50_us: None,
        }
    }

    /// The shard that answered, if it told anything.
    pub(super) fn home_shard(&self) -> Option<ShardId> {
        let first = self.steps.iter().find_map(|step| step.shard);
        first.map(ShardId)
    }
}

fn steps_of(trace: &Trace, whole: Duration) -> Vec<Step> {
    let mut spans = vec![(CLIENT, None, trace.sent.unwrap_or(whole))];
    let outside = whole.saturating_sub(spans[0].2);
    // Of `ingress` the node knows an upper bound only: no more than what is left beside the other stages.
    let excess = trace.in_node().saturating_sub(outside);
    let mut before = excess;
    for mark in &trace.marks {
        let end = mark.end.max(before);
        spans.push((mark.stage.name(), Some(mark.shard.0), end.saturating_sub(before)));
        before = end;
    }
    if trace.sent.is_some() {
        let in_node = trace.in_node().saturating_sub(excess);
        let name = if trace.marks.is_empty() { BEYOND } else { NETWORK };
        spans.push((name, None, outside.saturating_sub(in_node)));
    }
    let mut begin = Duration::ZERO;
    let mut step = |(stage, shard, took): (&'static str, Option<u16>, Duration)| {
        let begin_us = micros_of(begin);
        begin += took;
        let share = took.as_secs_f64() / whole.as_secs_f64().max(1e-9);
        Step {
            stage,
            shard,
            begin_us,
            took_us: micros_of(took),
            share: (share * 1000.0).round() / 1000.0,
        }
    };
    spans.into_iter().map(&mut step).collect()
}

impl Summary {
    /// Stage by stage; those no message went through are left out.
    pub(super) fn of(all: &[Traced]) -> Self {
        let first = &all[0];
        let stages =
            [CLIENT].into_iter().chain(Stage::ALL.map(Stage::name)).chain([NETWORK, BEYOND]);
        let spread = |stage: &'static str| {
            let steps = all.iter().flat_map(|traced| &traced.steps);
            let of_it = steps.filter(|step| step.stage == stage);
            let mut took: Vec<f64> = of_it.map(|step| step.took_us).collect();
            took.sort_by(f64::total_cmp);
            let (min_us, max_us) = (*took.first()?, *took.last()?);
            let median_us = took[took.len() / 2];
            Some(Spread { stage, count: took.len(), min_us, median_us, max_us })
        };
        Self {
            topic: first.topic.clone(),
            kind: first.kind,
            level: first.level,
            messages: all.len(),
            stages: stages.filter_map(spread).collect(),
        }
    }
}

/// What a stage is, in a few words.
fn words(stage: &str) -> &'static str {
    match stage {
        CLIENT => "until it left: route and connection, if they were new",
        "ingress" => "waited for the shard's turn, at most",
        "deliver" => "to the shard of its queue",
        "gather" => "waited for the flush in front",
        "flush" => "write and fdatasync",
        "queue" => "waited for a responder",
        "service" => "with the responder, its network included",
        "reply" => "to the shard of the requester",
        NETWORK => "there and back, sending the answer included",
        _ => "outside this client; the node told nothing",
    }
}

impl Row for Traced {
    const COLUMNS: &'static [&'static str] = &["OUTCOME", "TOTAL us"];

    fn cells(&self) -> Vec<String> {
        vec![self.outcome.to_owned(), format!("{:.1}", self.total_us)]
    }
}

impl Report for Traced {
    fn describe(&self) -> String {
        let place = match (self.queue, self.offset, self.reply_bytes) {
            (Some(queue), Some(offset), _) => format!(": queue {queue}, offset {offset}"),
            (_, _, Some(bytes)) => format!(": {bytes} bytes"),
            _ => String::new(),
        };
        let mut head = vec![
            ("topic", self.topic.clone()),
            ("sent", format!("one {}, level {}", self.kind, self.level)),
            ("outcome", format!("{}{place}", self.outcome)),
            ("total", format!("{:.1} us", self.total_us)),
        ];
        if let Some(egress_us) = self.egress_p50_us {
            let text = format!("below {egress_us:.1} us at the median of this shard, in `network`");
            head.push(("egress", text));
        }
        if self.home_shard().is_none() {
            head.push(("node", "told nothing: no answer, or it is older than traces".to_owned()));
        }
        let columns = ["STAGE", "SHARD", "FROM us", "TOOK us", "SHARE", "", "WHAT"];
        let rows = self.steps.iter().map(|step| {
            vec![
                step.stage.to_owned(),
                step.shard.map_or("-".to_owned(), |shard| shard.to_string()),
                format!("{:.1}", step.begin_us),
                format!("{:.1}", step.took_us),
                format!("{:.1} %", step.share * 100.0),
                bar(step.share),
                words(step.stage).to_owned(),
            ]
        });
        format!("{}\n\n{}", fields(&head), grid(&columns, rows))
    }
}

impl Report for Summary {
    fn describe(&self) -> String {
        let head = fields(&[
            ("topic", self.topic.clone()),
            ("sent", format!("{} times one {}, level {}", self.messages, self.kind, self.level)),
        ]);
        let columns = ["STAGE", "COUNT", "MIN us", "MEDIAN us", "MAX us", "WHAT"];
        let rows = self.stages.iter().map(|spread| {
            vec![
                spread.stage.to_owned(),
                spread.count.to_string(),
                format!("{:.1}", spread.min_us),
                format!("{:.1}", spread.median_us),
                format!("{:.1}", spread.max_us),
                words(spread.stage).to_owned(),
            ]
        });
        format!("{head}\n\n{}", grid(&columns, rows))
    }
}

fn bar(share: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and BAR_WIDTH"
    )]
    let width = (share.clamp(0.0, 1.0) * BAR_WIDTH).round() as usize;
    "#".repeat(width)
}

/// Microseconds with two digits behind the point.
fn micros_of(span: Duration) -> f64 {
    hundredths(span.as_secs_f64() * 1e6)
}

fn hundredths(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use client::trace::Mark;

    const fn us(span: u64) -> Duration {
        Duration::from_micros(span)
    }

    fn trace(marks: &[(Stage, u64)]) -> Trace {
        let mark =
            |(stage, end): &(Stage, u64)| Mark { stage: *stage, shard: ShardId(1), end: us(*end) };
        let marks = marks.iter().map(mark).collect();
        Trace { sent: Some(us(10)), answered: Some(us(110)), marks }
    }

    fn took(trace: &Trace) -> Vec<(&'static str, f64)> {
        let steps = steps_of(trace, trace.answered.unwrap_or(us(500)));
        steps.iter().map(|step| (step.stage, step.took_us)).collect()
    }

    #[test]
    fn steps_add_up_to_the_whole() {
        let trace = trace(&[(Stage::Ingress, 5), (Stage::Deliver, 15), (Stage::Flush, 75)]);
        let expected = [
            ("client", 10.0),
            ("ingress", 5.0),
            ("deliver", 10.0),
            ("flush", 60.0),
            ("network", 25.0),
        ];
        assert_eq!(took(&trace), expected);
    }

    #[test]
    fn ingress_is_no_longer_than_what_is_left_for_it() {
        let trace = trace(&[(Stage::Ingress, 50), (Stage::Flush, 130)]);
        let expected = [("client", 10.0), ("ingress", 20.0), ("flush", 80.0), ("network", 0.0)];
        assert_eq!(took(&trace), expected);
    }

    #[test]
    fn without_an_answer_only_the_ends_are_known() {
        let sent = Trace { sent: Some(us(10)), answered: None, marks: Vec::new() };
        assert_eq!(took(&sent), [("client", 10.0), ("beyond", 490.0)]);
        assert_eq!(took(&Trace::default()), [("client", 500.0)]);
    }
}
