//! The blocking driver over real sockets, against a node in memory that cuts lines at chosen bytes.

#[expect(clippy::wildcard_enum_match_arm, reason = "a fake answers what tests ask, and no more")]
mod fake;
mod served;

use client::trace::Trace;
use client::{
    Client, ClientConfig, ConnectError, ConsumerConfig, Item, NewRecord, Outcome, ProducerConfig,
    RequesterConfig, Ticket, TimeoutStage, Waiting,
};
use fake::FakeNode;
use served::serve;
use std::net::TcpListener;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn connect(address: &str, waiting: Waiting) -> Client {
    let config = ClientConfig { waiting, ..ClientConfig::new(address) };
    Client::connect(config).expect("connects")
}

#[test]
fn a_pipeline_survives_cut_lines_without_loss_or_double() {
    for waiting in [Waiting::Sleep, Waiting::Spin, Waiting::SpinThenSleep(SECOND / 20)] {
        let node = FakeNode::new(2);
        let topic = node.topic.clone();
        let cuts = vec![(700, 100_000), (100_000, 900), (1500, 1500), (333, 100_000)];
        let served = serve(node, cuts);
        let client = connect(&served.address, waiting);
        let config = ProducerConfig { batch_records: 2, ..ProducerConfig::new(topic) };
        let mut producer = client.producer(config).expect("opened");
        let bodies: Vec<String> = (0..60).map(|nth| nth.to_string()).collect();
        for (body, queue) in bodies.iter().zip([0, 1].into_iter().cycle()) {
            producer.enqueue(&NewRecord::new(body.as_bytes()).queue(queue)).expect("room");
        }
        assert!(producer.flush(10 * SECOND), "all settled");
        let mut accepted = 0;
        while let Some((_, result)) = producer.next_receipt(Duration::ZERO) {
            result.expect("accepted");
            accepted += 1;
        }
        assert_eq!(accepted, 60);
        drop(producer);
        assert!(client.counters().connections_lost >= 4, "each cut was met");
        client.close(SECOND);
        let node = served.thread.join().expect("the node ended");
        for queue in 0..2 {
            let expected: Vec<Vec<u8>> = bodies
                .iter()
                .skip(queue)
                .step_by(2)
                .map(|body| body.clone().into_bytes())
                .collect();
            assert_eq!(node.bodies(queue), expected, "queue {queue}, {waiting:?}");
        }
    }
}

#[test]
fn requests_end_once_each_across_cut_lines() {
    let node = FakeNode::new(1);
    let service = node.topic.clone();
    let served = serve(node, vec![(900, 100_000), (100_000, 700)]);
    let client = connect(&served.address, Waiting::Sleep);
    let mut requester = client.requester(RequesterConfig::default());
    let mut outcomes = (0, 0);
    for nth in 0..40_u32 {
        let body = nth.to_le_bytes();
        let outcome = requester.request(&service, &NewRecord::new(&body), SECOND).expect("room");
        if let Outcome::Reply(reply) = outcome {
            assert_eq!(reply.body(), body);
            outcomes.0 += 1;
        } else {
            assert_eq!(outcome, Outcome::Unknown);
            outcomes.1 += 1;
        }
    }
    assert_eq!(outcomes.0 + outcomes.1, 40);
    assert!((1..=2).contains(&outcomes.1), "each cut met at most one: {outcomes:?}");
    assert_eq!(requester.outstanding(), 0);
    drop(requester);
    client.close(SECOND);
    served.thread.join().expect("the node ended");
}

#[test]
fn a_consumer_takes_everything_and_its_acks_arrive() {
    let node = FakeNode::new(2);
    let topic = node.topic.clone();
    let served = serve(node, Vec::new());
    let client = connect(&served.address, Waiting::Sleep);
    let mut producer = client.producer(ProducerConfig::new(topic.as_str())).expect("opened");
    let records: Vec<NewRecord<'_>> =
        [b"a", b"b", b"c", b"d"].iter().map(|body| NewRecord::new(*body)).collect();
    assert!(producer.send_batch(&records).iter().all(Result::is_ok));
    producer
        .send(&NewRecord::new(b"e").key(b"k").tag(b"t").properties(&[("p", "q")]))
        .expect("sent");
    let mut consumer = client.consumer(ConsumerConfig::new(topic, "group")).expect("subscribed");
    let mut bodies = Vec::new();
    while bodies.len() < 5 {
        let item = consumer.next(SECOND).expect("subscribed").expect("something");
        let Item::Message(message) = item else { panic!("{item:?}") };
        if message.body() == b"e" {
            assert_eq!(message.record.properties().iter().collect::<Vec<_>>(), [("p", "q")]);
            assert_eq!(message.record.body_shared(), "e");
        }
        bodies.push(message.body().to_vec());
        consumer.ack(message.place).expect("our lease");
    }
    bodies.sort();
    assert_eq!(bodies, [b"a", b"b", b"c", b"d", b"e"]);
    assert_eq!(consumer.next(Duration::ZERO), Ok(None));
    consumer.close().expect("left");
    drop(producer);
    client.close(SECOND);
    let node = served.thread.join().expect("the node ended");
    assert_eq!(node.queues.iter().map(|queue| queue.floor).sum::<u64>(), 5);
}

#[test]
fn what_is_gathered_leaves_with_the_poll_and_is_taken_without_moving_bytes() {
    let node = FakeNode::new(1);
    let topic = node.topic.clone();
    let served = serve(node, Vec::new());
    let client = connect(&served.address, Waiting::Spin);
    let mut producer = client.producer(ProducerConfig::new(topic.as_str())).expect("opened");
    let mut consumer = client.consumer(ConsumerConfig::new(topic.as_str(), "g")).expect("joined");
    let mut requester = client.requester(RequesterConfig::default());
    // Learns the route of the service.
    requester.request(&topic, &NewRecord::new(b"first"), SECOND).expect("room");
    for body in [b"a", b"b", b"c"] {
        producer.gather(&NewRecord::new(body)).expect("room");
    }
    let asked = requester.gather(&topic, &NewRecord::new(b"?"), SECOND).expect("room");
    assert_eq!(producer.try_receipts(), None, "nothing left yet");
    let (mut receipts, mut bodies, mut outcome) = (0, Vec::new(), None);
    while receipts < 3 || bodies.len() < 3 || outcome.is_none() {
        client.poll(Duration::ZERO);
        while let Some(run) = producer.try_receipts() {
            assert!(run.result.is_ok());
            assert_eq!((run.first, run.count), (Ticket(0), 3), "one run for one section");
            receipts += run.count;
        }
        while let Some(item) = consumer.try_next().expect("subscribed") {
            let Item::Message(message) = item else { panic!("{item:?}") };
            bodies.push(message.body().to_vec());
            consumer.ack(message.place).expect("our lease");
        }
        outcome = outcome.or_else(|| requester.try_outcome());
    }
    assert_eq!(bodies, [b"a", b"b", b"c"]);
    assert!(matches!(outcome, Some((ticket, Outcome::Reply(_))) if ticket == asked));
    consumer.close().expect("left");
    drop((producer, requester));
    client.close(SECOND);
    let node = served.thread.join().expect("the node ended");
    assert_eq!(node.publishes.values().sum::<u32>(), 1, "one section for what was gathered");
}

#[test]
fn a_trace_is_told_by_a_node_that_can_and_an_older_one_is_not_asked() {
    for traces in [true, false] {
        let mut node = FakeNode::new(1);
        node.features = if traces { wire::header::FEATURE_TRACE } else { 0 };
        let topic = node.topic.clone();
        let served = serve(node, Vec::new());
        let client = connect(&served.address, Waiting::Sleep);
        let mut producer = client.producer(ProducerConfig::new(topic.as_str())).expect("opened");
        let mut requester = client.requester(RequesterConfig::default());
        let is_told = |trace: &Trace| {
            let expected = Duration::from_nanos(if traces { 900 } else { 0 });
            trace.in_node() == expected && trace.sent.is_some()
        };
        let (result, trace) = producer.send_traced(&NewRecord::new(b"a"));
        assert!(result.is_ok() && is_told(&trace), "{trace:?}");
        assert!(trace.sent <= trace.answered, "{trace:?}");
        let (outcome, trace) =
            requester.request_traced(&topic, &NewRecord::new(b"b"), SECOND).expect("room");
        assert!(matches!(outcome, Outcome::Reply(_)) && is_told(&trace), "{trace:?}");
        assert!(trace.sent <= trace.answered, "{trace:?}");
        // The fake node is silent about this one, but not about its stages.
        let soon = Duration::from_millis(20);
        let (outcome, trace) =
            requester.request_traced(&topic, &NewRecord::new(b"silence"), soon).expect("room");
        assert_eq!(outcome, Outcome::Timeout(TimeoutStage::NoAnswer));
        assert!(is_told(&trace) && trace.answered.is_none(), "{trace:?}");
        producer.send(&NewRecord::new(b"c")).expect("sent");
        requester.request(&topic, &NewRecord::new(b"d"), SECOND).expect("room");
        drop((producer, requester));
        client.close(SECOND);
        let node = served.thread.join().expect("the node ended");
        assert_eq!(node.traced, if traces { 3 } else { 0 }, "what is not to be traced is not");
        assert_eq!(node.requests, 3);
    }
}

#[test]
fn nobody_there_and_somebody_else_there_are_told_apart() {
    let unused = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = unused.local_addr().expect("bound").to_string();
    drop(unused);
    let error = Client::connect(ClientConfig::new(address)).expect_err("nobody listens");
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error}");
    let error = Client::connect(ClientConfig::new("no address")).expect_err("no address");
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error}");
}
