//! request: ask a service and print the outcome; every request ends with exactly one.

use crate::clock::{Moment, micros};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::globals::Globals;
use crate::latency::{Latencies, LatencySummary};
use crate::output::{Format, Printer, Report, Row, fields};
use crate::quantity::{duration, property};
use crate::verbs::publish::body_or_stdin;
use crate::verbs::subscribe::text_or_base64;
use clap::Args;
use client::{NewRecord, Outcome, RequestTicket, Requester, RequesterConfig, TimeoutStage};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;
use wire::ErrorCode;

/// The longest one wait for an outcome.
const WAIT_MAX: Duration = Duration::from_millis(200);

/// Options of `request`.
#[derive(Clone, Debug, Args)]
pub struct Request {
    /// The service: a topic of kind service
    pub topic: String,
    /// The body; `-`: all of the standard input
    pub body: String,
    /// Time until the outcome, over everything
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration)]
    pub timeout: Duration,
    /// How many requests
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Requests that may be outstanding at once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub in_flight: u32,
    /// Chooses the queue; at most 1 KiB
    #[arg(long, default_value = "", hide_default_value = true)]
    pub key: String,
    /// A property; may be given several times
    #[arg(long = "property", value_name = "K=V", value_parser = property)]
    pub properties: Vec<(String, String)>,
}

/// One outcome, the line of `-o jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Answered {
    outcome: &'static str,
    body: Option<String>,
    /// Only where the body is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding: Option<&'static str>,
    micros: u64,
}

/// What many requests came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
struct RequestSummary {
    requests: u64,
    outcomes: BTreeMap<&'static str, u64>,
    seconds: f64,
    latency: LatencySummary,
}

impl Request {
    /// Does it.
    ///
    /// # Errors
    /// There is no node; or the worst outcome, if one was no reply.
    pub fn run(&self, globals: &Globals, printer: &mut Printer<'_>) -> Result<Exit, Failure> {
        let body = body_or_stdin(&self.body)?;
        let client = globals.connect()?;
        let config =
            RequesterConfig { outstanding_max: self.in_flight as usize, ..Default::default() };
        let mut asking = Asking {
            options: self,
            body,
            requester: client.requester(config),
            begun: BTreeMap::new(),
            begun_count: 0,
            latencies: Latencies::default(),
            summary: RequestSummary::default(),
            failure: None,
        };
        asking.run(globals, printer)?;
        let failure = asking.failure.take();
        drop(asking);
        globals.close(client);
        failure.map_or(Ok(Exit::Done), Err)
    }

    /// Whether each outcome is printed, or one summary.
    fn one_by_one(&self, format: Format) -> bool {
        format != Format::Table || self.count.is_none_or(|count| count == 1)
    }
}

/// A run of `request` under way.
struct Asking<'a> {
    options: &'a Request,
    body: Vec<u8>,
    requester: Requester,
    begun: BTreeMap<RequestTicket, Moment>,
    begun_count: u64,
    latencies: Latencies,
    summary: RequestSummary,
    /// The worst outcome that was no reply.
    failure: Option<Failure>,
}

impl Asking<'_> {
    fn run(&mut self, globals: &Globals, printer: &mut Printer<'_>) -> Result<(), Failure> {
        let count = self.options.count.unwrap_or(1);
        let bar = globals.talk().progress(self.options.count, "requests");
        let started = Moment::now();
        let streaming = self.options.count.is_some() && self.options.one_by_one(printer.format());
        if streaming {
            printer.begin::<Answered>()?;
        }
        while self.summary.requests < count {
            self.begin_more(count)?;
            if let Some((ticket, outcome)) = self.requester.poll(WAIT_MAX) {
                let answered = self.count(ticket, &outcome);
                if streaming {
                    printer.item(&answered)?;
                    printer.flush()?;
                } else if self.options.one_by_one(printer.format()) {
                    printer.report(&answered)?;
                }
                bar.set_position(self.summary.requests);
            }
        }
        bar.finish_and_clear();
        self.summary.seconds = started.elapsed().as_secs_f64();
        self.summary.latency = self.latencies.summary();
        if streaming {
            printer.end()?;
        } else if !self.options.one_by_one(printer.format()) {
            printer.report(&self.summary)?;
        }
        Ok(())
    }

    fn begin_more(&mut self, count: u64) -> Result<(), Failure> {
        let properties: Vec<(&str, &str)> =
            self.options.properties.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        while self.begun_count < count && self.begun.len() < self.options.in_flight as usize {
            let record = NewRecord {
                key: self.options.key.as_bytes(),
                properties: &properties,
                body: &self.body,
                ..NewRecord::default()
            };
            let now = Moment::now();
            let ticket =
                self.requester.begin(&self.options.topic, &record, self.options.timeout)?;
            self.begun.insert(ticket, now);
            self.begun_count += 1;
        }
        Ok(())
    }

    fn count(&mut self, ticket: RequestTicket, outcome: &Outcome) -> Answered {
        let span = self.begun.remove(&ticket).map_or(Duration::ZERO, Moment::elapsed);
        self.summary.requests += 1;
        *self.summary.outcomes.entry(outcome.name()).or_default() += 1;
        if let Some(failure) = failure_of(&self.options.topic, self.options.timeout, outcome) {
            self.failure.get_or_insert(failure);
        } else {
            self.latencies.add(span);
        }
        Answered::of(outcome, span)
    }
}

impl Answered {
    fn of(outcome: &Outcome, span: Duration) -> Self {
        let body = match outcome {
            Outcome::Reply(reply) => Some(text_or_base64(reply.body())),
            Outcome::Timeout(_)
            | Outcome::NoResponder
            | Outcome::CircuitOpen { .. }
            | Outcome::Overloaded { .. }
            | Outcome::Cancelled
            | Outcome::Unknown
            | Outcome::Refused(_) => None,
        };
        Self {
            outcome: outcome.name(),
            encoding: body.as_ref().map(|(_, encoding)| *encoding).filter(|name| *name != "utf8"),
            body: body.map(|(text, _)| text.into_owned()),
            micros: micros(span),
        }
    }
}

/// What to tell about an outcome that is no reply.
pub(super) fn failure_of(service: &str, timeout: Duration, outcome: &Outcome) -> Option<Failure> {
    let numbers = |observed: u64, limit: u64| {
        let cause = format!("{service}: {} (observed {observed}, limit {limit})", outcome.name());
        Failure::new(ErrorCode::Overloaded, cause)
    };
    Some(match outcome {
        Outcome::Reply(_) => return None,
        Outcome::Timeout(stage) => {
            let cause = format!("{service}: no reply within {timeout:?}: {}", stage_words(*stage));
            Failure::new(ErrorCode::TimedOut, cause)
                .with_fix("give it more time (--timeout), or look at the responder")
        }
        Outcome::NoResponder => Failure::new(ErrorCode::NoResponder, service.to_owned())
            .with_fix(format!("start a responder: defibus reply {service} --echo")),
        Outcome::CircuitOpen { observed, limit } | Outcome::Overloaded { observed, limit } => {
            numbers(*observed, *limit)
        }
        Outcome::Cancelled => {
            Failure::new(ErrorCode::TimedOut, "the request was cancelled").with_exit(Exit::Failed)
        }
        Outcome::Unknown => Failure::new(
            ErrorCode::ConnectionLost,
            format!("{service}: sent, and the connection broke: it may have been served"),
        ),
        Outcome::Refused(refusal) => Failure::from(refusal),
    })
}

const fn stage_words(stage: TimeoutStage) -> &'static str {
    match stage {
        TimeoutStage::NotSent => "it never left this client, so it was not served",
        TimeoutStage::InQueue => "it waited in the queue, so it was not served",
        TimeoutStage::InService => "it was with a responder, and may have been served",
        TimeoutStage::NoAnswer => "the node did not answer; it may have been served",
    }
}

impl Row for Answered {
    const COLUMNS: &'static [&'static str] = &["OUTCOME", "MICROS", "BODY"];

    fn cells(&self) -> Vec<String> {
        let body = self.body.clone().unwrap_or_default();
        vec![self.outcome.to_owned(), self.micros.to_string(), body]
    }
}

impl Report for Answered {
    fn describe(&self) -> String {
        fields(&[
            ("outcome", self.outcome.to_owned()),
            ("body", self.body.clone().unwrap_or_default()),
            ("micros", self.micros.to_string()),
        ])
    }
}

impl Report for RequestSummary {
    fn describe(&self) -> String {
        let outcomes: Vec<String> =
            self.outcomes.iter().map(|(name, count)| format!("{count} {name}")).collect();
        let head = fields(&[
            ("requests", self.requests.to_string()),
            ("outcomes", outcomes.join(", ")),
            ("seconds", format!("{:.3}", self.seconds)),
        ]);
        format!("{head}\n\n{}", self.latency.describe())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_has_exactly_the_promised_keys() {
        let line = Answered::of(&Outcome::NoResponder, Duration::from_micros(7));
        assert_eq!(
            serde_json::to_string(&line).expect("JSON"),
            r#"{"outcome":"no-responder","body":null,"micros":7}"#
        );
    }

    #[test]
    fn outcomes_end_the_command_with_their_own_number() {
        let exit = |outcome: &Outcome| {
            failure_of("s", Duration::from_secs(1), outcome).map(|failure| failure.exit)
        };
        assert_eq!(exit(&Outcome::Timeout(TimeoutStage::InQueue)), Some(Exit::TimedOut));
        assert_eq!(exit(&Outcome::NoResponder), Some(Exit::Failed));
        assert_eq!(exit(&Outcome::Unknown), Some(Exit::Failed));
        assert_eq!(exit(&Outcome::Overloaded { observed: 2, limit: 1 }), Some(Exit::Failed));
    }
}
