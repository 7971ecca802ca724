//! Load: valid clients that notice nothing: a producer, a requester and its responder.

use client::error::ConsumeError;
use client::{
    Client, ClientConfig, Consumer, ConsumerConfig, Item, NewRecord, Outcome, ProducerConfig,
    ResponderConfig, TopicKind, TopicSettings,
};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const TOPIC: &str = "A10-20190001";
const SERVICE: &str = "A10-20190002";
const WAIT: Duration = Duration::from_millis(50);
const DEADLINE: Duration = Duration::from_mins(1);

fn connect(address: &str) -> Client {
    Client::connect(ClientConfig::new(address)).expect("the node takes valid clients")
}

/// Makes the topics.
pub(crate) fn prepare(address: &str) {
    let client = connect(address);
    client.admin().topic_create(TOPIC, TopicSettings::default()).expect("a topic");
    let service = TopicSettings { kind: TopicKind::Service, ..TopicSettings::default() };
    client.admin().topic_create(SERVICE, service).expect("a service");
}

/// Publishes until told to stop; returns how many records were accepted: all.
pub(crate) fn publish(address: &str, stop: &AtomicBool) -> u64 {
    let client = connect(address);
    let mut producer = client.producer(ProducerConfig::new(TOPIC)).expect("a producer");
    let mut count: u64 = 0;
    while !stop.load(Ordering::Relaxed) {
        let receipt = producer.send(&NewRecord::new(&count.to_le_bytes()));
        assert_eq!(receipt.expect("accepted").offset.0, count, "offsets are dense");
        count += 1;
    }
    count
}

/// Requests until told to stop; returns how many were replied to: all.
pub(crate) fn request(address: &str, stop: &AtomicBool) -> u64 {
    let client = connect(address);
    let mut requester = client.requester(client::RequesterConfig::default());
    let mut count: u64 = 0;
    while !stop.load(Ordering::Relaxed) {
        let body = count.to_le_bytes();
        let outcome = requester.request(SERVICE, &NewRecord::new(&body), DEADLINE);
        let outcome = outcome.expect("begun");
        let Outcome::Reply(reply) = outcome else { panic!("request {count}: {outcome:?}") };
        assert_eq!(reply.record.body(), body);
        count += 1;
    }
    count
}

/// Serves until told to stop.
pub(crate) fn serve(address: &str, ready: &AtomicBool, stop: &AtomicBool) {
    let client = connect(address);
    let config = ResponderConfig::new(SERVICE);
    let mut responder = client.responder(config).expect("a responder");
    ready.store(true, Ordering::Relaxed);
    while !stop.load(Ordering::Relaxed) {
        let call = responder.next(WAIT).expect("the node keeps its responder");
        if let Some(call) = call {
            let body = call.record.body().to_vec();
            responder.reply_only(&call, &NewRecord::new(&body)).expect("replied");
        }
    }
}

/// Reads all records back: `count`, in order, each once.
pub(crate) fn consume(address: &str, count: u64) {
    let client = connect(address);
    let mut consumer = client.consumer(ConsumerConfig::new(TOPIC, "audit")).expect("a consumer");
    for number in 0..count {
        let body = next(&mut consumer).expect("delivered");
        assert_eq!(body, number.to_le_bytes(), "record {number}");
    }
}

fn next(consumer: &mut Consumer) -> Result<Vec<u8>, ConsumeError> {
    match consumer.next(DEADLINE)? {
        Some(Item::Message(message)) => {
            let _ = consumer.ack(message.place);
            Ok(message.body().to_vec())
        }
        other => panic!("{other:?} instead of a record"),
    }
}
