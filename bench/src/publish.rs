//! Publish: durable records through a node, one at a time: each waits for its receipt.

use crate::clock::{Cores, Moment, pin};
use crate::command::BenchError;
use crate::ends::Wait;
use crate::measured::{Measured, Spans};
use crate::rpc::connect;
use client::{Level, NewRecord, Producer, ProducerConfig, TopicSettings};
use std::time::Duration;

/// How publishing is measured.
#[derive(Clone, Debug)]
pub struct Publishes {
    /// The node.
    pub server: String,
    /// The topic; made if it is not there.
    pub topic: String,
    /// The level it is made with.
    pub level: Level,
    /// Length of a body, in bytes.
    pub message_bytes: usize,
    /// How the SDK waits.
    pub wait: Wait,
    /// Where this side runs.
    pub cores: Cores,
    /// How long to measure.
    pub span: Duration,
}

/// Records that are not counted.
const WARM_UP_COUNT: u64 = 200;

/// Measures publishes one after another; refuses to call a lower level durable.
pub fn measure(publishes: &Publishes) -> Result<Measured, BenchError> {
    pin(publishes.cores.client);
    let client = connect(&publishes.server, publishes.wait)?;
    let settings = TopicSettings { level: Some(publishes.level), ..TopicSettings::default() };
    client.admin().topic_create(&publishes.topic, settings).map_err(BenchError::Call)?;
    let config = ProducerConfig::new(&publishes.topic);
    let mut producer = client.producer(config).map_err(BenchError::Call)?;
    let body = vec![0x5A; publishes.message_bytes];
    let record = NewRecord::new(&body);
    for _ in 0..WARM_UP_COUNT {
        publish(&mut producer, &record, publishes.level)?;
    }
    let mut spans = Spans::default();
    let all = Moment::now();
    while all.elapsed() < publishes.span {
        let begun = Moment::now();
        publish(&mut producer, &record, publishes.level)?;
        spans.add(begun.elapsed());
    }
    let (bytes, wait) = (publishes.message_bytes, publishes.wait.word());
    let setting = format!("{bytes} B, {}, {wait}", level_word(publishes.level));
    Ok(Measured::new("publish", setting, &spans, all.elapsed()))
}

fn publish(
    producer: &mut Producer,
    record: &NewRecord<'_>,
    level: Level,
) -> Result<(), BenchError> {
    let receipt = producer.send(record).map_err(BenchError::Send)?;
    if receipt.level < level {
        return Err(BenchError::Outcome("the receipt has a lower level than the topic"));
    }
    Ok(())
}

const fn level_word(level: Level) -> &'static str {
    match level {
        Level::Memory => "memory",
        Level::Durable => "durable",
        Level::Quorum => "quorum",
    }
}
