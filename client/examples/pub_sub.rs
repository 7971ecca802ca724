//! Publish and subscribe: a topic, a producer, a consumer that acknowledges.
//!
//! Start a node first (`defibus dev`), then: `cargo run -p defibus-client --example pub_sub`

use client::{
    Client, ClientConfig, ConsumerConfig, Item, NewRecord, ProducerConfig, TopicSettings,
};
use std::error::Error;
use std::io::{Write, stdout};
use std::time::Duration;

const TOPIC: &str = "A10-20190001";

fn main() -> Result<(), Box<dyn Error>> {
    let client = Client::connect(ClientConfig::new("127.0.0.1:7400"))?;
    client.admin().topic_create(TOPIC, TopicSettings { queue_count: 4, ..Default::default() })?;

    let mut producer = client.producer(ProducerConfig::new(TOPIC))?;
    for nth in 0..10 {
        let body = format!("price {nth}");
        // One key, one queue: these stay in order.
        let receipt = producer.send(&NewRecord::new(body.as_bytes()).key(b"EURUSD"))?;
        writeln!(
            stdout(),
            "accepted {} at queue {} offset {}, level {}",
            body,
            receipt.queue.number(),
            receipt.offset,
            receipt.level.name()
        )?;
    }

    let mut consumer = client.consumer(ConsumerConfig::new(TOPIC, "desk"))?;
    while let Some(item) = consumer.next(Duration::from_secs(2))? {
        match item {
            Item::Message(message) => {
                let body = String::from_utf8_lossy(message.body());
                writeln!(stdout(), "consumed {body} (attempt {})", message.attempt)?;
                consumer.ack(message.place)?;
            }
            Item::Gap(gap) => writeln!(stdout(), "never to come: {gap:?}")?,
            Item::Damaged { place, .. } => consumer.nack(place)?,
        }
    }
    consumer.close()?;
    client.close(Duration::from_secs(1));
    Ok(())
}
