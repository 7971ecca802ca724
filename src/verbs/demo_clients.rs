//! Demo clients: the consumers and the responder of the demonstration, each on a thread of its own.

use super::demo::{EVENTS, PATIENCE, QUEUES, SERVICE, connect};
use client::{ConsumerConfig, Item, Message, NewRecord, ResponderConfig};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::Duration;
use tools::Failure;
use tools::clock::Moment;
use tools::latency::Latencies;
use wire::QueueId;

/// How long one wait lasts before the loop looks around.
const WAIT: Duration = Duration::from_millis(50);

/// What one group consumed.
#[derive(Debug, Default)]
pub struct Consumed {
    /// Records that came for the first time.
    pub distinct_count: u64,
    /// Records that came again.
    pub duplicate_count: u64,
    /// Records that came before one with a lower offset of their queue.
    pub disordered_count: u64,
    /// From acceptance by the node to the consumer's hands.
    pub latencies: Latencies,
    /// From the first record to the last.
    pub seconds: f64,
    /// The offset that must come next, by queue.
    next: BTreeMap<QueueId, u64>,
}

impl Consumed {
    fn take(&mut self, message: &Message) {
        let next = self.next.entry(message.queue()).or_default();
        let offset = message.offset().0;
        if offset < *next {
            self.duplicate_count += 1;
        } else {
            self.disordered_count += offset - *next;
            self.distinct_count += 1;
            *next = offset + 1;
        }
        let waited_ns = shard::process::wall_ns().saturating_sub(message.accepted_ns);
        self.latencies.add(Duration::from_nanos(waited_ns));
    }
}

/// Consumes `events` records as the only member of `group`; says when it has all queues.
///
/// # Errors
/// The node refuses.
pub fn consume(
    listen: SocketAddr,
    group: &str,
    events: u64,
    assigned: &SyncSender<()>,
) -> Result<Consumed, Failure> {
    let client = connect(listen, &format!("demo-{group}"))?;
    let mut consumer = client.consumer(ConsumerConfig::new(EVENTS, group))?;
    let deadline = Moment::now().plus(PATIENCE);
    let mut told = false;
    let mut begun = None;
    let mut tally = Consumed::default();
    while tally.distinct_count < events && !deadline.left().is_zero() {
        if let Some(Item::Message(message)) = consumer.next(WAIT)? {
            begun.get_or_insert_with(Moment::now);
            tally.take(&message);
            // A lease that is over brings it again, and then it is counted as doubled.
            let _ = consumer.ack(message.place);
        }
        if !told && consumer.assignments().len() == usize::from(QUEUES) {
            told = true;
            // Nobody waits for it any more: then the demonstration is over.
            let _ = assigned.send(());
        }
    }
    tally.seconds = begun.map_or(0.0, |begun| begun.elapsed().as_secs_f64());
    consumer.close()?;
    client.close(WAIT);
    Ok(tally)
}

/// Echoes calls until `ended`; says when it serves.
///
/// # Errors
/// The node refuses.
pub fn respond(
    listen: SocketAddr,
    serving: &SyncSender<()>,
    ended: &AtomicBool,
) -> Result<(), Failure> {
    let client = connect(listen, "demo-responder")?;
    let mut responder = client.responder(ResponderConfig::new(SERVICE))?;
    // Nobody waits for it any more: then the demonstration is over.
    let _ = serving.send(());
    while !ended.load(Ordering::Relaxed) {
        if let Some(call) = responder.next(WAIT)? {
            responder.reply_only(&call, &NewRecord::new(call.body()))?;
        }
    }
    responder.close()?;
    client.close(WAIT);
    Ok(())
}
