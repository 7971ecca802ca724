//! pub: publish records and wait until they are accepted.
//!
//! One loop: enqueue what is due and fits the window, then take receipts. With
//! `--rate` latency counts from the intended time of sending, so a node that
//! stalls does not hide behind a sender that waited for it.

use crate::bodies::{Bodies, SEQUENCE_DIGITS, Supply};
use crate::clock::Moment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::globals::Globals;
use crate::latency::{Latencies, LatencySummary};
use crate::output::{Format, Printer, Report, Row, fields};
use crate::quantity::{bytes_text, duration, property, size_bytes};
use clap::Args;
use client::{EnqueueError, NewRecord, Producer, ProducerConfig, Receipt, SendError, Ticket};
use indicatif::ProgressBar;
use serde::Serialize;
use std::collections::VecDeque;
use std::io::Read;
use std::time::Duration;

/// The longest the loop waits before it looks around again.
const WAIT_MAX: Duration = Duration::from_millis(100);
/// How long it waits for receipts while the next line is not there yet.
const LINE_WAIT: Duration = Duration::from_millis(2);
/// Size of a generated body unless said.
const SIZE_DEFAULT_BYTES: u64 = 256;

/// Options of `pub`.
#[derive(Clone, Debug, Args)]
pub struct Publish {
    /// The topic
    pub topic: String,
    /// The body; `-`: all of the standard input
    #[arg(conflicts_with_all = ["lines", "size"])]
    pub body: Option<String>,
    /// One record per line of this file; `-`: of the standard input
    #[arg(long, value_name = "FILE", conflicts_with = "size")]
    pub lines: Option<String>,
    /// How many records: generated ones with their sequence in front, or BODY so often
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
    /// Size of a generated body, at least 12 bytes; 256B unless said
    #[arg(long, value_name = "SIZE", value_parser = size_bytes)]
    pub size: Option<u64>,
    /// The most records of one section
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub batch: u32,
    /// Records per second; as fast as they are accepted unless said
    #[arg(long, value_name = "PER_S", value_parser = rate)]
    pub rate: Option<f64>,
    /// Records that may wait for their receipts
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    pub in_flight: u32,
    /// Into this queue; by the key, or in turns, unless said
    #[arg(long, value_name = "Q")]
    pub queue: Option<u16>,
    /// Chooses the queue; at most 1 KiB
    #[arg(long, default_value = "", hide_default_value = true)]
    pub key: String,
    /// For filters; at most 64 bytes
    #[arg(long, default_value = "", hide_default_value = true)]
    pub tag: String,
    /// A property; may be given several times
    #[arg(long = "property", value_name = "K=V", value_parser = property)]
    pub properties: Vec<(String, String)>,
    /// Time a record may take, over all attempts
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration)]
    pub timeout: Duration,
}

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
pub struct PublishSummary {
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

impl Publish {
    /// Does it.
    ///
    /// # Errors
    /// There is no node, or one of the records was not accepted.
    pub fn run(&self, globals: &Globals, printer: &mut Printer<'_>) -> Result<Exit, Failure> {
        let bodies = self.bodies()?;
        let client = globals.connect()?;
        let mut config = ProducerConfig::new(&self.topic);
        config.timeout = self.timeout;
        config.window_records = self.in_flight as usize;
        config.batch_records = self.batch as usize;
        let producer = client.producer(config)?;
        let bar = globals.talk().progress(bodies.total(), "records");
        let mut publishing = Publishing::new(self, producer, bodies);
        let ended = publishing.run(printer, &bar);
        bar.finish_and_clear();
        let summary = publishing.summary();
        drop(publishing);
        globals.close(client);
        if printer.format() != Format::Jsonl {
            printer.report(&summary)?;
        }
        ended.map(|()| Exit::Done)
    }

    fn bodies(&self) -> Result<Bodies, Failure> {
        match (&self.body, &self.lines) {
            (Some(body), _) => Ok(Bodies::same(body_or_stdin(body)?, self.count.unwrap_or(1))),
            (None, Some(file)) => {
                Bodies::lines(file, self.count).map_err(|error| Failure::file(file, &error))
            }
            (None, None) => self.generated(),
        }
    }

    fn generated(&self) -> Result<Bodies, Failure> {
        let Some(count) = self.count else {
            return Err(Failure::usage("nothing to publish: no BODY, no --lines and no --count")
                .with_fix("defibus pub TOPIC 'hello'"));
        };
        let bytes = self.size.unwrap_or(SIZE_DEFAULT_BYTES);
        let bytes_max = wire::limits::RECORD_BYTES_MAX as u64;
        if !(SEQUENCE_DIGITS as u64..=bytes_max).contains(&bytes) {
            let cause = format!(
                "--size {bytes}: a generated body has {SEQUENCE_DIGITS} to {bytes_max} bytes, its sequence in front"
            );
            return Err(Failure::usage(cause));
        }
        Ok(Bodies::generated(usize::try_from(bytes).unwrap_or(usize::MAX), count))
    }
}

/// The text itself, or the standard input for `-`.
///
/// # Errors
/// The standard input cannot be read.
pub fn body_or_stdin(text: &str) -> Result<Vec<u8>, Failure> {
    if text != "-" {
        return Ok(text.as_bytes().to_vec());
    }
    let mut body = Vec::new();
    let bytes_max = wire::limits::RECORD_BYTES_MAX as u64;
    std::io::stdin()
        .take(bytes_max + 1)
        .read_to_end(&mut body)
        .map_err(|error| Failure::file("standard input", &error))?;
    Ok(body)
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate > 0.0 => Ok(rate),
        _ => Err(format!("'{text}' is no rate; write records per second, as 1000 or 0.5")),
    }
}

/// A run of `pub` under way.
struct Publishing<'a> {
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
    fn new(options: &'a Publish, producer: Producer, bodies: Bodies) -> Self {
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

    fn run(&mut self, printer: &mut Printer<'_>, bar: &ProgressBar) -> Result<(), Failure> {
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
    fn summary(&self) -> PublishSummary {
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
