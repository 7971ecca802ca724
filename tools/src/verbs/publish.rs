//! pub: publish records and wait until they are accepted: its options, and where the bodies come from.

use super::publishing::Publishing;
use crate::bodies::{Bodies, SEQUENCE_DIGITS};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::globals::Globals;
use crate::output::{Format, Printer};
use crate::quantity::{duration, property, size_bytes};
use clap::Args;
use client::ProducerConfig;
use std::io::Read;
use std::time::Duration;

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

/// The slowest rate, in records per second: when the next one is due stays within any clock.
const RATE_MIN: f64 = 0.001;

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate >= RATE_MIN => Ok(rate),
        _ => Err(format!(
            "'{text}' is no rate; write records per second, as 1000 or 0.5, at least {RATE_MIN}"
        )),
    }
}
