//! The async driver on tokio, against a node in memory behind a real listener.

#[expect(clippy::wildcard_enum_match_arm, reason = "a fake answers what tests ask, and no more")]
mod fake;
mod served;

use client::tokio::Client;
use client::{
    ClientConfig, ConsumerConfig, Item, NewRecord, Outcome, ProducerConfig, RequesterConfig,
};
use fake::FakeNode;
use served::serve;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::task::LocalSet;

const SECOND: Duration = Duration::from_secs(1);

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

#[test]
fn a_pipeline_survives_cut_lines_without_loss_or_double() {
    let node = FakeNode::new(2);
    let topic = node.topic.clone();
    let served = serve(node, vec![(700, 100_000), (100_000, 900), (1500, 1500)]);
    let address = served.address.clone();
    let bodies: Vec<String> = (0..60).map(|nth| nth.to_string()).collect();
    runtime().block_on(async {
        let client = Client::connect(ClientConfig::new(address)).await.expect("connects");
        let config = ProducerConfig { batch_records: 2, ..ProducerConfig::new(topic) };
        let mut producer = client.producer(config).await.expect("opened");
        for (body, queue) in bodies.iter().zip([0, 1].into_iter().cycle()) {
            producer.enqueue(&NewRecord::new(body.as_bytes()).queue(queue)).expect("room");
        }
        producer.flush().await;
        for _ in 0..60 {
            let (_, result) = producer.next_receipt().await.expect("a receipt");
            result.expect("accepted");
        }
        assert!(producer.next_receipt().await.is_none());
        drop(producer);
        client.close().await;
    });
    let node = served.thread.join().expect("the node ended");
    for queue in 0..2 {
        let expected: Vec<Vec<u8>> =
            bodies.iter().skip(queue).step_by(2).map(|body| body.clone().into_bytes()).collect();
        assert_eq!(node.bodies(queue), expected, "queue {queue}");
    }
}

#[test]
fn many_tasks_wait_at_once_and_each_has_its_own_outcome() {
    let node = FakeNode::new(1);
    let service = node.topic.clone();
    let served = serve(node, Vec::new());
    let address = served.address.clone();
    let local = LocalSet::new();
    runtime().block_on(local.run_until(async {
        let client = Client::connect(ClientConfig::new(address)).await.expect("connects");
        let tasks: Vec<_> = (0..50_u32)
            .map(|nth| {
                let (client, service) = (client.clone(), service.clone());
                tokio::task::spawn_local(async move {
                    let requester = client.requester(RequesterConfig::default());
                    let body = nth.to_le_bytes();
                    let record = NewRecord::new(&body);
                    let outcome = requester.request(&service, &record, SECOND).await;
                    let Ok(Outcome::Reply(reply)) = outcome else { panic!("{outcome:?}") };
                    assert_eq!(reply.body(), body);
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("no panic");
        }
        client.close().await;
    }));
    assert_eq!(served.thread.join().expect("the node ended").requests, 50);
}

#[test]
fn a_dropped_request_leaves_nothing_behind_and_others_go_on() {
    let node = FakeNode::new(1);
    let service = node.topic.clone();
    let served = serve(node, Vec::new());
    let address = served.address.clone();
    runtime().block_on(async {
        let client = Client::connect(ClientConfig::new(address)).await.expect("connects");
        let requester = client.requester(RequesterConfig::default());
        let silence = NewRecord::new(b"silence");
        let ping = NewRecord::new(b"ping");
        let short = Duration::from_millis(30);
        let dropped = tokio::time::timeout(short, requester.request(&service, &silence, SECOND));
        assert!(dropped.await.is_err(), "the runtime gave up first");
        assert_eq!(requester.outstanding(), 0);
        let outcome = requester.request(&service, &ping, SECOND).await.expect("room");
        assert!(matches!(outcome, Outcome::Reply(_)), "{outcome:?}");
        let outcome = requester.request(&service, &silence, short).await.expect("room");
        assert!(matches!(outcome, Outcome::Timeout(_)), "{outcome:?}");
        client.close().await;
    });
    served.thread.join().expect("the node ended");
}

#[test]
fn a_consumer_takes_everything_while_a_producer_sends() {
    let node = FakeNode::new(2);
    let topic = node.topic.clone();
    let served = serve(node, Vec::new());
    let address = served.address.clone();
    let local = LocalSet::new();
    runtime().block_on(local.run_until(async {
        let client = Client::connect(ClientConfig::new(address)).await.expect("connects");
        let mut consumer =
            client.consumer(ConsumerConfig::new(topic.as_str(), "group")).await.expect("in");
        let mut producer = client.producer(ProducerConfig::new(topic)).await.expect("opened");
        let sending = tokio::task::spawn_local(async move {
            for nth in 0..30_u32 {
                let body = nth.to_le_bytes();
                producer.send(&NewRecord::new(&body)).await.expect("accepted");
            }
        });
        for _ in 0..30 {
            let item = consumer.next().await.expect("subscribed");
            let Item::Message(message) = item else { panic!("{item:?}") };
            consumer.ack(message.place).expect("our lease");
        }
        sending.await.expect("no panic");
        consumer.close().await.expect("left");
        client.close().await;
    }));
    let node = served.thread.join().expect("the node ended");
    assert_eq!(node.queues.iter().map(|queue| queue.floor).sum::<u64>(), 30);
}
