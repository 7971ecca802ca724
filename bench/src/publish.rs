//! Publish: records through a node, one at a time: each waits for its receipt.

use crate::clock::{Moment, pin};
use crate::command::BenchError;
use crate::floor::Trips;
use crate::measured::{Measured, Spans};
use crate::rpc::connect;
use client::{Level, NewRecord, Producer, ProducerConfig, TopicSettings};

/// How publishing is measured.
#[derive(Clone, Debug)]
pub struct Publishes {
    /// The node.
    pub server: String,
    /// The topic; made if it is not there.
    pub topic: String,
    /// The level it is made with.
    pub level: Level,
    /// Size, waiting, cores, count.
    pub trips: Trips,
}

/// Records that are not counted.
const WARM_UP_COUNT: usize = 200;

/// Measures publishes one after another; refuses to call a lower level by the name of a higher one.
pub fn measure(publishes: &Publishes) -> Result<Measured, BenchError> {
    let Publishes { server, topic, level, trips } = publishes;
    pin(trips.cores.client);
    let client = connect(server, trips.wait)?;
    let settings = TopicSettings { level: Some(*level), ..TopicSettings::default() };
    client.admin().topic_create(topic, settings).map_err(BenchError::Call)?;
    let mut producer = client.producer(ProducerConfig::new(topic)).map_err(BenchError::Call)?;
    let body = vec![0x5A; trips.message_bytes];
    let record = NewRecord::new(&body);
    for _ in 0..WARM_UP_COUNT {
        publish(&mut producer, &record, *level)?;
    }
    let mut spans = Spans::default();
    let all = Moment::now();
    for _ in 0..trips.count {
        let begun = Moment::now();
        publish(&mut producer, &record, *level)?;
        spans.add(begun.elapsed());
    }
    let setting =
        format!("{} B, {}, {}", trips.message_bytes, level_word(*level), trips.wait.word());
    Ok(Measured::new("publish", setting, &spans, all.elapsed()))
}

fn publish(
    producer: &mut Producer,
    record: &NewRecord<'_>,
    level: Level,
) -> Result<(), BenchError> {
    let receipt = producer.send(record).map_err(BenchError::Send)?;
    if receipt.level < level {
        return Err(BenchError::Outcome("the receipt has a lower level than was asked for"));
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
