//! Publishing: a run of `pub` under way.
//!
//! One loop: enqueue what is due and fits the window, then take receipts. With
//! `--rate` latency counts from the intended time of sending, so a node that
//! stalls does not hide behind a sender that waited for it.

use super::publish::Publish;
use crate::bodies::{Bodies, Supply};
use crate::clock::Moment;
use crate::failure::Failure;
use crate::latency::{Latencies, LatencySummary};
use crate::output::{Format, Printer, Report, Row, fields};
use crate::quantity::bytes_text;
use client::{EnqueueError, NewRecord, Producer, Receipt, SendError, Ticket};
use indicatif::ProgressBar;
use serde::Serialize;
use std::collections::VecDeque;
use std::time::Duration;

/// The longest the loop waits before it looks around again.
const WAIT_MAX: Duration = Duration::from_millis(100);
/// How long it waits for receipts while the next line is not there yet.
const LINE_WAIT: Duration = Duration::from_millis(2);

/// One accepted record, the line of `-o jsonl`.
#[derive(Clone, Copy, Debug, Serialize)]
struct Accepted<'a> {
    topic: &'a str,
    queue: u16,
    offset: u64,
    level: &'static str,
    term: u64,
    /// Which of this command's records it is, from 0.
    seq: u64,
}

/// What was published, at the end.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct PublishSummary {
    topic: String,
    records: u64,
    failed: u64,
    duplicates: u64,
    bytes: u64,
    seconds: f64,
    records_per_second: f64,
    bytes_per_second: f64,
    level: Option<&'static str>,
    term: u64,
    last_queue: Option<u16>,
    last_offset: Option<u64>,
    latency: LatencySummary,
}

/// A run of `pub` under way.
pub(super) struct Publishing<'a> {
    options: &'a Publish,
    properties: Vec<(&'a str, &'a str)>,
    producer: Producer,
    bodies: Bodies,
    /// The next body, if `supply` is ready.
    body: Vec<u8>,
    supply: Supply,
    begun: Moment,
    /// When each record was to be sent, from the oldest without a receipt on.
    sent: VecDeque<Option<(Moment, u64)>>,
    /// The ticket at the front of `sent`.
    sent_first: u64,
    outstanding: u64,
    failure: Option<Failure>,
    latencies: Latencies,
    total: PublishSummary,
}

impl<'a> Publishing<'a> {
    pub(super) fn new(options: &'a Publish, producer: Producer, bodies: Bodies) -> Self {
        let pair = |(name, value): &'a (String, String)| (name.as_str(), value.as_str());
        Self {
            options,
            properties: options.properties.iter().map(pair).collect(),
            producer,
            bodies,
            body: Vec::new(),
            supply: Supply::NotYet,
            begun: Moment::now(),
            sent: VecDeque::new(),
            sent_first: 0,
            outstanding: 0,
            failure: None,
            latencies: Latencies::default(),
            total: PublishSummary { topic: options.topic.clone(), ..Default::default() },
        }
    }

    pub(super) fn run(
        &mut self,
        printer: &mut Printer<'_>,
        bar: &ProgressBar,
    ) -> Result<(), Failure> {
        loop {
            let wait = self.enqueue_due()?;
            if self.outstanding == 0 && (self.failure.is_some() || self.supply == Supply::End) {
                break;
            }
            self.take_receipts(wait, printer)?;
            bar.set_position(self.total.records);
        }
        self.total.seconds = self.begun.elapsed().as_secs_f64();
        self.failure.take().map_or(Ok(()), Err)
    }

    /// Enqueues what is due and fits; returns how long receipts may be waited for.
    fn enqueue_due(&mut self) -> Result<Duration, Failure> {
        loop {
            if self.failure.is_some() {
                return Ok(WAIT_MAX);
            }
            if self.supply == Supply::NotYet {
                self.supply = self
                    .bodies
                    .next(&mut self.body)
                    .map_err(|error| Failure::file("the lines", &error))?;
            }
            match self.supply {
                Supply::End => return Ok(WAIT_MAX),
                Supply::NotYet => return Ok(LINE_WAIT),
                Supply::Ready => {}
            }
            let (due, early_by) = self.due();
            if !early_by.is_zero() {
                return Ok(early_by.min(WAIT_MAX));
            }
            if !self.enqueue(due) {
                return Ok(WAIT_MAX);
            }
        }
    }

    /// When the next record is to be sent, and how long that is from now.
    fn due(&self) -> (Moment, Duration) {
        let Some(rate) = self.options.rate else { return (Moment::now(), Duration::ZERO) };
        #[expect(clippy::cast_precision_loss, reason = "fewer than 2^53 records")]
        let after = Duration::from_secs_f64(self.next_ticket() as f64 / rate);
        let due = self.begun.plus(after);
        (due, due.left())
    }

    fn next_ticket(&self) -> u64 {
        self.sent_first + self.sent.len() as u64
    }

    /// False: the window is full.
    fn enqueue(&mut self, due: Moment) -> bool {
        let record = NewRecord {
            key: self.options.key.as_bytes(),
            tag: self.options.tag.as_bytes(),
            properties: &self.properties,
            body: &self.body,
            queue: self.options.queue,
        };
        match self.producer.enqueue(&record) {
            Ok(_) => {
                self.sent.push_back(Some((due, self.body.len() as u64)));
                self.outstanding += 1;
                self.supply = Supply::NotYet;
                true
            }
            Err(EnqueueError::WindowFull) => false,
            Err(error) => {
                self.total.failed += 1;
                self.failure = Some(error.into());
                true
            }
        }
    }

    /// Takes all receipts there are, waiting for the first one only; what was printed leaves before.
    fn take_receipts(&mut self, wait: Duration, printer: &mut Printer<'_>) -> Result<(), Failure> {
        let mut taken = self.producer.next_receipt(Duration::ZERO);
        if taken.is_none() {
            taken = self.producer.next_receipt(wait);
        }
        while let Some((ticket, result)) = taken {
            self.settle(ticket, result, printer)?;
            taken = self.producer.next_receipt(Duration::ZERO);
        }
        Ok(printer.flush()?)
    }

    fn settle(
        &mut self,
        ticket: Ticket,
        result: Result<Receipt, SendError>,
        printer: &mut Printer<'_>,
    ) -> Result<(), Failure> {
        let Some((due, bytes)) = self.forget(ticket) else { return Ok(()) };
        self.outstanding -= 1;
        let receipt = match result {
            Ok(receipt) => receipt,
            Err(error) => {
                self.total.failed += 1;
                self.failure.get_or_insert(error.into());
                return Ok(());
            }
        };
        self.latencies.add(due.elapsed());
        self.count(&receipt, bytes);
        if printer.format() == Format::Jsonl {
            printer.item(&Accepted {
                topic: &self.options.topic,
                queue: receipt.queue.number(),
                offset: receipt.offset.0,
                level: receipt.level.name(),
                term: receipt.term.0,
                seq: ticket.0,
            })?;
        }
        Ok(())
    }

    fn forget(&mut self, ticket: Ticket) -> Option<(Moment, u64)> {
        let place = usize::try_from(ticket.0.checked_sub(self.sent_first)?).ok()?;
        let found = self.sent.get_mut(place)?.take();
        while let Some(None) = self.sent.front() {
            self.sent.pop_front();
            self.sent_first += 1;
        }
        found
    }

    fn count(&mut self, receipt: &Receipt, bytes: u64) {
        let total = &mut self.total;
        total.records += 1;
        total.bytes += bytes;
        total.duplicates += u64::from(receipt.duplicate);
        total.level = Some(receipt.level.name());
        total.term = receipt.term.0;
        total.last_queue = Some(receipt.queue.number());
        total.last_offset = Some(receipt.offset.0);
    }

    #[expect(clippy::cast_precision_loss, reason = "fewer than 2^53 records and bytes")]
    pub(super) fn summary(&self) -> PublishSummary {
        let mut summary = self.total.clone();
        let seconds = summary.seconds.max(1e-9);
        summary.records_per_second = (summary.records as f64 / seconds).round();
        summary.bytes_per_second = (summary.bytes as f64 / seconds).round();
        summary.latency = self.latencies.summary();
        summary
    }
}

impl Row for Accepted<'_> {
    const COLUMNS: &'static [&'static str] = &["TOPIC", "QUEUE", "OFFSET", "LEVEL", "TERM", "SEQ"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.topic.to_owned(),
            self.queue.to_string(),
            self.offset.to_string(),
            self.level.to_owned(),
            self.term.to_string(),
            self.seq.to_string(),
        ]
    }
}

impl Report for PublishSummary {
    fn describe(&self) -> String {
        let last = match (self.last_queue, self.last_offset) {
            (Some(queue), Some(offset)) => format!("queue {queue}, offset {offset}"),
            _ => "none".to_owned(),
        };
        let head = fields(&[
            ("topic", self.topic.clone()),
            ("accepted", format!("{} records, {}", self.records, bytes_text(self.bytes))),
            ("failed", self.failed.to_string()),
            ("level", self.level.unwrap_or("none").to_owned()),
            ("last", last),
            ("seconds", format!("{:.3}", self.seconds)),
            ("rate", format!("{:.0} records/s", self.records_per_second)),
        ]);
        format!("{head}\n\n{}", self.latency.describe())
    }
}
