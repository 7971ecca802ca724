//! Pause: the node and its clients are stopped and go on, as a host that swaps or a debugger does it.

use crate::node::Node;
use crate::oracle::{Oracle, acknowledged, assert_kept, delivered, lost, read_all};
use crate::scene::{connect, go_on, group, number, stat, stop, until};
use client::{
    Call, NewRecord, Outcome, ProducerConfig, ReplyFate, RequestTicket, RequesterConfig,
    ResponderConfig, SendError, TimeoutStage,
};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use tempfile::TempDir;

const TOPIC: &str = "A10-20190001";
const SERVICE: &str = "A10-20190002";
/// Records a second of the load beside.
const RATE: &str = "2000";
/// Requests outstanding while the node is stopped.
const REQUESTS: usize = 64;
const SHORT: Duration = Duration::from_millis(400);
const LONG: Duration = Duration::from_mins(1);

/// A node that takes a peer for dead after 2 s.
fn node() -> Node {
    let data = TempDir::new().expect("a temporary directory");
    let environment = [("DEFIBUS__LIMITS__HEARTBEAT_MS", "2000")];
    let node = Node::start_with(data, &["--shards", "2"], &environment);
    node.run(&["topic", "create", TOPIC, "--queues", "4"]).done();
    node.run(&["topic", "create", SERVICE, "--kind", "service"]).done();
    node
}

fn responder(node: &Node) -> Oracle {
    let responder = Oracle::start(&node.listen, &["reply", SERVICE, "--echo"]);
    until("somebody serves", || (stat(node, "defibus_responders") > 0).then_some(()));
    responder
}

/// A node that is stopped answers nothing and loses nothing; when it goes on, so does everything.
pub(crate) fn of_the_node() -> String {
    let node = node();
    let _responder = responder(&node);
    let mut publisher = Oracle::publisher(&node.listen, TOPIC, "p", RATE);
    let consumer = Oracle::start(&node.listen, &["sub", TOPIC, "--group", "desk"]);
    publisher.wait_for(500);
    let client = connect(&node.listen);
    let mut requester = client.requester(RequesterConfig::default());
    let mut config = ProducerConfig::new(TOPIC);
    config.timeout = SHORT;
    let mut producer = client.producer(config).expect("a producer");
    let served = requester.request(SERVICE, &NewRecord::new(b"before"), LONG);
    assert!(matches!(served, Ok(Outcome::Reply(_))), "{served:?}");

    stop(node.pid());
    let mut outcomes: BTreeMap<RequestTicket, Outcome> = BTreeMap::new();
    for _ in 0..REQUESTS {
        requester.begin(SERVICE, &NewRecord::new(b"?"), SHORT).expect("begun");
    }
    let sent = producer.send(&NewRecord::new(b"nobody takes it"));
    // Unless its queue's shard was not connected to yet: then nothing has left.
    assert!(matches!(sent, Err(SendError::Unknown(_) | SendError::NotSent)), "{sent:?}");
    while let Some((ticket, outcome)) = requester.poll(LONG) {
        assert_eq!(outcome, Outcome::Timeout(TimeoutStage::NoAnswer));
        assert_eq!(outcomes.insert(ticket, outcome), None, "a second outcome");
    }
    assert_eq!((outcomes.len(), requester.outstanding()), (REQUESTS, 0));
    go_on(node.pid());

    let answered = until("requests are served again", || {
        let outcome = requester.request(SERVICE, &NewRecord::new(b"after"), LONG);
        let outcome = outcome.expect("begun");
        matches!(outcome, Outcome::Reply(_)).then_some(outcome)
    });
    assert!(matches!(answered, Outcome::Reply(reply) if reply.body() == b"after"), "its own reply");
    assert!(requester.poll(Duration::ZERO).is_none(), "what was decided is not decided again");
    let late = client.counters().late_frames;
    publisher.wait_for(500);
    let acked = acknowledged(&publisher.end(), "p");
    until("the group has everything", || {
        client.poll(Duration::ZERO);
        (number(&group(&node, "desk"), "lag") == 0).then_some(())
    });
    assert_eq!(stat(&node, "defibus_rpc_pending"), 0);
    let (seen, count) = (delivered_of("p", &consumer.end()), acked.len());
    assert_eq!(lost(&acked, &seen), [], "of {count} acknowledged, delivered to the group");
    // What was in the producer's hands may be there, but once.
    let there = read_all_of("p", &node);
    assert_kept(&acked, there);
    format!(
        "{REQUESTS} requests timed out once each, {late} answers came late and counted for nothing"
    )
}

/// The queues of a stopped consumer go to the other one; what it says later counts for nothing.
pub(crate) fn of_a_consumer() -> String {
    let node = node();
    let subscribe = ["sub", TOPIC, "--group", "desk"];
    let consumers = [&subscribe, &subscribe].map(|verb| Oracle::start(&node.listen, verb));
    until("both have queues", || (shares(&node) == [2, 2]).then_some(()));
    let mut publisher = Oracle::publisher(&node.listen, TOPIC, "p", RATE);
    publisher.wait_for(500);
    stop(consumers[0].pid());
    until("one has all of them", || (shares(&node) == [4]).then_some(()));
    publisher.wait_for(500);
    let epochs = lease_epochs(&node);
    go_on(consumers[0].pid());
    until("it is back", || (shares(&node) == [2, 2]).then_some(()));
    publisher.wait_for(500);
    let acked = acknowledged(&publisher.end(), "p");
    until("the group has everything", || (number(&group(&node, "desk"), "lag") == 0).then_some(()));
    let again = lease_epochs(&node);
    assert!(
        epochs.iter().zip(&again).all(|(before, after)| before <= after),
        "{epochs:?} {again:?}"
    );
    assert_ne!(epochs, again, "a queue that moved has a new lease");
    let mut record = Vec::new();
    for consumer in consumers {
        record.extend(consumer.end());
    }
    let there = read_all(&node, TOPIC);
    assert_eq!(lost(&there, &delivered(&record)), [], "of {} records", there.len());
    let twice = record.len() - there.len();
    let count = acked.len();
    assert_kept(&acked, there);
    format!("{count} acknowledged, all delivered, {twice} of them once more")
}

/// What a stopped responder had ends once, long before its deadline; it serves again when it goes on.
pub(crate) fn of_a_responder() -> String {
    let node = node();
    let responder = responder(&node);
    stop(responder.pid());
    let ask = ["request", SERVICE, "hello", "--timeout", "10m", "-o", "jsonl"];
    let asked = node.run(&ask);
    assert_eq!(asked.lines()[0]["outcome"], "unknown", "it may have been served: {}", asked.out);
    assert_eq!(asked.lines().len(), 1);
    assert_eq!(stat(&node, "defibus_responders"), 0);
    assert_eq!(node.run(&ask).lines()[0]["outcome"], "no-responder", "nobody is there any more");
    go_on(responder.pid());
    until("it serves again", || (stat(&node, "defibus_responders") > 0).then_some(()));
    assert_eq!(node.run(&ask).done().lines()[0]["body"], "hello");
    "unknown once, no-responder at once, then served".to_owned()
}

/// A stopped requester is let go; its responder is told so, and only once.
pub(crate) fn of_a_requester() -> String {
    let node = node();
    let client = connect(&node.listen);
    let mut responder = client.responder(ResponderConfig::new(SERVICE)).expect("a responder");
    let asking = Oracle::start(&node.listen, &["request", SERVICE, "hello", "--timeout", "10m"]);
    let call: Call = until("a call", || responder.next(Duration::ZERO).expect("serving"));
    let there = stat(&node, "defibus_connections");
    stop(asking.pid());
    until("its connections are closed", || {
        assert!(responder.next(Duration::ZERO).expect("serving").is_none(), "no second call");
        (stat(&node, "defibus_connections") < there).then_some(())
    });
    assert_eq!(
        stat(&node, "defibus_rpc_pending"),
        1,
        "kept so that the responder is told the truth"
    );
    let reply = |responder: &mut client::Responder| responder.reply(&call, &NewRecord::new(b"x"));
    assert_eq!(reply(&mut responder), Ok(ReplyFate::RequesterGone));
    assert_eq!(reply(&mut responder), Ok(ReplyFate::Late), "it has ended before");
    assert_eq!(stat(&node, "defibus_rpc_pending"), 0);
    go_on(asking.pid());
    let outcome = until("it hears of its end", || {
        client.poll(Duration::ZERO);
        let text = asking.recorded();
        text.lines().next().and_then(|line| serde_json::from_str::<Value>(line).ok())
    });
    assert_eq!(outcome["outcome"], "unknown");
    assert_eq!(asking.end().len(), 1);
    "the responder heard that the requester is gone, the requester that it knows nothing".to_owned()
}

fn delivered_of(tag: &str, record: &[Value]) -> crate::oracle::Records {
    let of_tag: Vec<Value> = record.iter().filter(|line| line["tag"] == tag).cloned().collect();
    delivered(&of_tag)
}

fn read_all_of(tag: &str, node: &Node) -> crate::oracle::Records {
    delivered_of(tag, &crate::oracle::read_lines(node, TOPIC))
}

/// How many queues each member has, least first.
fn shares(node: &Node) -> Vec<usize> {
    let described = node.run(&["group", "describe", "desk", "-o", "json"]);
    if described.code != Some(0) {
        return Vec::new();
    }
    let described = described.json();
    let members = described["members"].as_array().expect("a list").iter();
    let mut shares: Vec<usize> =
        members.map(|member| member["queues"].as_array().expect("a list").len()).collect();
    shares.sort_unstable();
    shares
}

fn lease_epochs(node: &Node) -> Vec<u64> {
    let described = group(node, "desk");
    let queues = described["queues"].as_array().expect("a list");
    queues.iter().map(|queue| number(queue, "lease_epoch")).collect()
}
