//! trace: sends one real message and shows where its time went, stage by stage.

use super::request::failure_of;
use super::stats::quantile_us;
use super::traced::{Summary, Traced};
use crate::clock::Moment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::globals::Globals;
use crate::output::{Format, Printer};
use crate::quantity::duration;
use crate::verbs::publish::body_or_stdin;
use clap::Args;
use client::catalog::TopicSummary;
use client::{
    Client, NewRecord, Outcome, Producer, ProducerConfig, Requester, RequesterConfig, ShardId,
    TopicKind,
};
use std::time::Duration;

/// Options of `trace`.
#[derive(Clone, Debug, Args)]
pub struct Trace {
    /// The topic: a service is sent a request, any other a record
    pub topic: String,
    /// The body; `-`: all of the standard input
    #[arg(default_value = "trace")]
    pub body: String,
    /// How many messages, one after another
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub count: u32,
    /// Chooses the queue; at most 1 KiB
    #[arg(long, default_value = "", hide_default_value = true)]
    pub key: String,
    /// Time a message has, over everything
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration)]
    pub timeout: Duration,
}

/// What sends the messages.
enum Sender {
    Requests(Requester),
    Records(Producer),
}

impl Trace {
    /// Does it.
    ///
    /// # Errors
    /// There is no node or no such topic; or a message got no reply or receipt: then, too, what is known is printed.
    pub fn run(&self, globals: &Globals, printer: &mut Printer<'_>) -> Result<Exit, Failure> {
        let body = body_or_stdin(&self.body)?;
        let client = globals.connect()?;
        let topic = client.admin().topic_describe(&self.topic)?.topic;
        let mut sender = self.sender(&client, topic.kind)?;
        let failure = self.send_all(&mut sender, (&client, &topic), &body, printer)?;
        drop(sender);
        globals.close(client);
        failure.map_or(Ok(Exit::Done), Err)
    }

    fn sender(&self, client: &Client, kind: TopicKind) -> Result<Sender, Failure> {
        if kind == TopicKind::Service {
            return Ok(Sender::Requests(client.requester(RequesterConfig::default())));
        }
        // A trace is of one attempt: an id that lets the node recognise others would only be in the way.
        let mut config = ProducerConfig::new(&self.topic);
        (config.idempotent, config.timeout) = (false, self.timeout);
        Ok(Sender::Records(client.producer(config)?))
    }

    /// Sends the messages and prints each, or all together; ends with the first that failed.
    fn send_all(
        &self,
        sender: &mut Sender,
        (client, topic): (&Client, &TopicSummary),
        body: &[u8],
        printer: &mut Printer<'_>,
    ) -> Result<Option<Failure>, Failure> {
        let is_table = printer.format() == Format::Table;
        let mut all = Vec::new();
        let mut failed = None;
        if self.count > 1 && !is_table {
            printer.begin::<Traced>()?;
        }
        while failed.is_none() && all.len() < self.count as usize {
            let (mut traced, failure) = self.send(sender, topic, body)?;
            traced.egress_p50_us = traced.home_shard().and_then(|shard| egress_us(client, shard));
            failed = failure;
            if self.count > 1 && !is_table {
                printer.item(&traced)?;
                printer.flush()?;
            }
            all.push(traced);
        }
        match all.as_slice() {
            [traced] if self.count == 1 || is_table => printer.report(traced)?,
            all if is_table => printer.report(&Summary::of(all))?,
            _ => printer.end()?,
        }
        Ok(failed)
    }

    /// Sends one message; what became of it, and what to tell if that was not what it was sent for.
    fn send(
        &self,
        sender: &mut Sender,
        topic: &TopicSummary,
        body: &[u8],
    ) -> Result<(Traced, Option<Failure>), Failure> {
        let record = NewRecord { key: self.key.as_bytes(), body, ..NewRecord::default() };
        let begun = Moment::now();
        match sender {
            Sender::Requests(requester) => {
                let asked = requester.request_traced(&self.topic, &record, self.timeout);
                let span = begun.elapsed();
                let (outcome, trace) = asked?;
                let mut traced = Traced::of(topic, outcome.name(), &trace, span);
                if let Outcome::Reply(reply) = &outcome {
                    traced.reply_bytes = Some(reply.body().len());
                }
                Ok((traced, failure_of(&self.topic, self.timeout, &outcome)))
            }
            Sender::Records(producer) => {
                let (result, trace) = producer.send_traced(&record);
                let span = begun.elapsed();
                let outcome = if result.is_ok() { "accepted" } else { "not accepted" };
                let mut traced = Traced::of(topic, outcome, &trace, span);
                if let Ok(receipt) = &result {
                    traced.queue = Some(receipt.queue.number());
                    traced.offset = Some(receipt.offset.0);
                }
                Ok((traced, result.err().map(Failure::from)))
            }
        }
    }
}

/// What a send of this shard takes at the median, from its histogram: the answer's own cannot be in the answer.
fn egress_us(client: &Client, shard: ShardId) -> Option<f64> {
    let stats = client.admin().stats(shard).ok()?;
    let egress = stats.stages.iter().find(|stage| stage.label == "stage=egress")?;
    quantile_us(egress, 50)
}
