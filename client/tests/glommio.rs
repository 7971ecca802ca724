//! The async driver on glommio, against a node in memory behind a real listener.

#[expect(clippy::wildcard_enum_match_arm, reason = "a fake answers what tests ask, and no more")]
mod fake;
mod served;

use client::glommio::Client;
use client::{ClientConfig, NewRecord, Outcome, ProducerConfig, RequesterConfig};
use fake::FakeNode;
use glommio::LocalExecutorBuilder;
use served::serve;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn publishes_and_requests_across_a_cut_line() {
    let node = FakeNode::new(1);
    let topic = node.topic.clone();
    let served = serve(node, vec![(900, 100_000)]);
    let address = served.address.clone();
    let executor = LocalExecutorBuilder::default().make().expect("glommio needs io_uring");
    executor.run(async {
        let client = Client::connect(ClientConfig::new(address)).await.expect("connects");
        let config = ProducerConfig { batch_records: 2, ..ProducerConfig::new(topic.as_str()) };
        let mut producer = client.producer(config).await.expect("opened");
        for nth in 0..20_u32 {
            producer.enqueue(&NewRecord::new(&nth.to_le_bytes())).expect("room");
        }
        for _ in 0..20 {
            producer.next_receipt().await.expect("a receipt").1.expect("accepted");
        }
        let requester = client.requester(RequesterConfig::default());
        let outcome = requester.request(&topic, &NewRecord::new(b"ping"), SECOND).await;
        assert!(matches!(outcome, Ok(Outcome::Reply(_))), "{outcome:?}");
        drop((producer, requester));
        client.close().await;
    });
    let node = served.thread.join().expect("the node ended");
    let expected: Vec<Vec<u8>> = (0..20_u32).map(|nth| nth.to_le_bytes().to_vec()).collect();
    assert_eq!(node.bodies(0), expected);
}
