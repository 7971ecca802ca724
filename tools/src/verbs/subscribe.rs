//! sub: subscribe to a topic and print what comes.
//!
//! A record is acknowledged only after its line left the process: what a reader
//! of the output did not get will come again. Lines gather while more records
//! are there to be read, and leave before the command waits.

use crate::clock::Moment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::globals::Globals;
use crate::notice::Talk;
use crate::output::{Printer, Row};
use crate::quantity::{duration, start};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use client::{Consumer, ConsumerConfig, Gap, Item, Message, Place, Start};
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::borrow::Cow;
use std::time::Duration;
use wire::ErrorCode;
use wire::record::Properties;

/// The longest one wait for a record.
const WAIT_MAX: Duration = Duration::from_millis(200);
/// Lines are let out, and acknowledged, after so many at the latest.
const PENDING_MAX: usize = 1024;
/// Records the node may send ahead, per queue.
const CREDIT_RECORDS: u32 = 4096;

/// Options of `sub`.
#[derive(Clone, Debug, Args)]
pub struct Subscribe {
    /// The topic
    pub topic: String,
    /// The group: its members share the queues of the topic
    #[arg(long, value_name = "G")]
    pub group: String,
    /// Every member of the group gets everything
    #[arg(long)]
    pub broadcast: bool,
    /// The name under which this member's position is kept; with --broadcast
    #[arg(long, value_name = "NAME", requires = "broadcast")]
    pub instance: Option<String>,
    /// Where a group without a position starts: first, last, an offset, a time
    #[arg(long, value_name = "WHERE", default_value = "first", value_parser = start)]
    pub from: Start,
    /// End after so many records
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
    /// End after this time; with --count: exit 3 if fewer records came
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub for_time: Option<Duration>,
    /// Only look: nothing is acknowledged, the group's position stays
    #[arg(long)]
    pub no_ack: bool,
}

/// One delivered record, the line of `-o jsonl`.
#[derive(Debug, serde::Serialize)]
struct Delivered<'a> {
    topic: &'a str,
    queue: u16,
    offset: u64,
    key: Cow<'a, str>,
    tag: Cow<'a, str>,
    properties: PropertyMap<'a>,
    body: Cow<'a, str>,
    encoding: &'static str,
    attempt: u32,
}

/// Properties as a JSON object.
#[derive(Debug)]
struct PropertyMap<'a>(Properties<'a>);

impl Subscribe {
    /// Does it.
    ///
    /// # Errors
    /// There is no node, it refuses, or the time was up too early.
    pub fn run(&self, globals: &Globals, printer: &mut Printer<'_>) -> Result<Exit, Failure> {
        let client = globals.connect()?;
        let consumer = client.consumer(self.config())?;
        let mut reading = Reading {
            options: self,
            consumer,
            talk: globals.talk(),
            deadline: self.for_time.map(|span| Moment::now().plus(span)),
            pending: Vec::with_capacity(PENDING_MAX),
            read_count: 0,
        };
        printer.begin::<Delivered<'_>>()?;
        let ended = reading.run(printer, globals);
        printer.end()?;
        ended?;
        let read_count = reading.read_count;
        reading.consumer.close()?;
        globals.close(client);
        match self.count {
            Some(count) if read_count < count => Err(self.too_few(read_count, count)),
            _ => Ok(Exit::Done),
        }
    }

    fn config(&self) -> ConsumerConfig {
        let mut config = ConsumerConfig::new(&self.topic, &self.group);
        let instance =
            || self.instance.clone().unwrap_or_else(|| format!("cli-{}", std::process::id()));
        config.broadcast_instance = self.broadcast.then(instance);
        config.start = self.from;
        config.observe = self.no_ack;
        // What is sent ahead and not wanted has to be sent again to somebody else.
        let count = self.count.and_then(|count| u32::try_from(count).ok()).unwrap_or(u32::MAX);
        config.credit_records = CREDIT_RECORDS.min(count.max(1));
        config
    }

    fn too_few(&self, read_count: u64, count: u64) -> Failure {
        let span = self.for_time.unwrap_or_default();
        let cause = format!("{read_count} of {count} records came within {span:?}");
        Failure::new(ErrorCode::TimedOut, cause)
            .with_fix("publish more, give it more time (--for), or ask for fewer (--count)")
    }
}

/// A run of `sub` under way.
struct Reading<'a> {
    options: &'a Subscribe,
    consumer: Consumer,
    talk: Talk,
    deadline: Option<Moment>,
    /// Written and not acknowledged yet.
    pending: Vec<Place>,
    read_count: u64,
}

impl Reading<'_> {
    fn run(&mut self, printer: &mut Printer<'_>, globals: &Globals) -> Result<(), Failure> {
        let bar = globals.talk().progress(self.options.count, "records");
        while !self.finished() {
            let mut item = self.consumer.next(Duration::ZERO)?;
            if item.is_none() {
                self.let_out(printer)?;
                bar.set_position(self.read_count);
                item = self.consumer.next(self.wait())?;
            }
            match item {
                Some(Item::Message(message)) => self.take(&message, printer)?,
                Some(Item::Gap(gap)) => self.talk.say(gap_words(&self.options.topic, &gap)),
                Some(Item::Damaged { place, error }) => {
                    self.talk.say(format_args!(
                        "warning: queue {}, offset {} came damaged ({error:?}); asked for again",
                        place.queue.number(),
                        place.offset.0
                    ));
                    // A lease that is over brings it again by itself.
                    let _ = self.consumer.nack(place);
                }
                None => {}
            }
        }
        bar.finish_and_clear();
        self.let_out(printer)
    }

    fn finished(&self) -> bool {
        self.options.count.is_some_and(|count| self.read_count >= count)
            || self.deadline.is_some_and(|deadline| deadline.left().is_zero())
    }

    fn wait(&self) -> Duration {
        self.deadline.map_or(WAIT_MAX, |deadline| deadline.left().min(WAIT_MAX))
    }

    fn take(&mut self, message: &Message, printer: &mut Printer<'_>) -> Result<(), Failure> {
        printer.item(&delivered(&self.options.topic, message))?;
        self.read_count += 1;
        self.pending.push(message.place);
        if self.pending.len() >= PENDING_MAX { self.let_out(printer) } else { Ok(()) }
    }

    /// Lets the written lines out, then acknowledges their records.
    fn let_out(&mut self, printer: &mut Printer<'_>) -> Result<(), Failure> {
        printer.flush()?;
        for place in self.pending.drain(..) {
            if !self.options.no_ack {
                // A lease that is over: the record comes again, to whoever has the queue now.
                let _ = self.consumer.ack(place);
            }
        }
        Ok(())
    }
}

fn delivered<'a>(topic: &'a str, message: &'a Message) -> Delivered<'a> {
    let record = message.record.parts();
    let (body, encoding) = text_or_base64(record.body);
    Delivered {
        topic,
        queue: message.queue().number(),
        offset: message.offset().0,
        key: String::from_utf8_lossy(record.key),
        tag: String::from_utf8_lossy(record.tag),
        properties: PropertyMap(record.properties),
        body,
        encoding,
        attempt: message.attempt,
    }
}

/// Bytes as JSON can carry them: as they are if they are UTF-8, else base64; and which it is.
pub fn text_or_base64(bytes: &[u8]) -> (Cow<'_, str>, &'static str) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (Cow::Borrowed(text), "utf8"),
        Err(_) => (Cow::Owned(STANDARD.encode(bytes)), "base64"),
    }
}

fn gap_words(topic: &str, gap: &Gap) -> String {
    format!(
        "warning: {topic} queue {}: offsets {} to {} never come ({:?})",
        gap.queue.number(),
        gap.from.0,
        gap.to.0,
        gap.reason
    )
}

impl Serialize for PropertyMap<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.0.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl Row for Delivered<'_> {
    const COLUMNS: &'static [&'static str] = &["QUEUE", "OFFSET", "ATTEMPT", "KEY", "TAG", "BODY"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.queue.to_string(),
            self.offset.to_string(),
            self.attempt.to_string(),
            self.key.to_string(),
            self.tag.to_string(),
            self.body.to_string(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_text_or_base64() {
        assert_eq!(text_or_base64("käse".as_bytes()), (Cow::Borrowed("käse"), "utf8"));
        assert_eq!(text_or_base64(&[0xFF, 0]).0, "/wA=");
        assert_eq!(text_or_base64(&[0xFF, 0]).1, "base64");
    }

    #[test]
    fn the_line_has_exactly_the_promised_keys() {
        let line = Delivered {
            topic: "t",
            queue: 1,
            offset: 2,
            key: "k".into(),
            tag: "".into(),
            properties: PropertyMap(Properties::default()),
            body: "b".into(),
            encoding: "utf8",
            attempt: 1,
        };
        assert_eq!(
            serde_json::to_string(&line).expect("JSON"),
            r#"{"topic":"t","queue":1,"offset":2,"key":"k","tag":"","properties":{},"body":"b","encoding":"utf8","attempt":1}"#
        );
    }
}
