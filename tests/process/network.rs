//! Network: between clients and the node bytes are late, in pieces, together, cut off at any byte, or gone without a word.

use crate::node::Node;
use crate::oracle::{Oracle, acknowledged, assert_kept, read_all};
use crate::proxy::{Proxy, Weather};
use crate::scene::{connect, group, number, stat, until};
use client::{
    Client, Item, NewRecord, Outcome, ProducerConfig, RequestTicket, RequesterConfig,
    ResponderConfig,
};
use std::collections::BTreeMap;
use std::time::Duration;
use tempfile::TempDir;

const TOPIC: &str = "A10-20190001";
const SERVICE: &str = "A10-20190002";
/// Clients are told this host, where the proxies are; the node is on the other one.
const FRONT: &str = "127.0.0.2";
const REQUESTS: usize = 400;
const CUTS: u64 = 60;

/// A node, and a proxy before each of its addresses.
struct Place {
    node: Node,
    /// The common address first.
    proxies: Vec<Proxy>,
}

impl Place {
    fn new() -> Self {
        let data = TempDir::new().expect("a temporary directory");
        let environment =
            [("DEFIBUS__ADVERTISE", FRONT), ("DEFIBUS__LIMITS__HEARTBEAT_MS", "2000")];
        let node = Node::start_with(data, &["--shards", "2"], &environment);
        // Straight to the common address, which forwards: the others lead to where no proxy is yet.
        let mut config = client::ClientConfig::new(&node.listen);
        config.direct = false;
        let straight = Client::connect(config).expect("a node");
        let settings = |kind| client::TopicSettings { kind, queue_count: 2, ..Default::default() };
        let admin = straight.admin();
        admin.topic_create(TOPIC, settings(client::TopicKind::Event)).expect("created");
        admin.topic_create(SERVICE, settings(client::TopicKind::Service)).expect("created");
        let told = straight.node().addresses;
        let behind = told.iter().map(|address| address.replace(FRONT, "127.0.0.1"));
        let proxies = std::iter::once(node.listen.clone())
            .chain(behind)
            .map(|target| Proxy::start(&target.replace("127.0.0.1", FRONT), &target))
            .collect();
        Self { node, proxies }
    }

    fn front(&self) -> &str {
        self.proxies[0].address()
    }

    fn weather(&self, weather: Weather) {
        self.proxies.iter().for_each(|proxy| proxy.weather(weather));
    }

    fn cuts(&self) -> u64 {
        self.proxies.iter().map(Proxy::cuts).sum()
    }

    fn lose_all(&self) -> usize {
        self.proxies.iter().map(Proxy::lose_all).sum()
    }
}

/// Connections are cut at any byte: nothing acknowledged is lost, nothing is there twice.
pub(crate) fn cuts_under_publishing() -> String {
    let place = Place::new();
    place.weather(Weather { cut_bytes_max: 60_000, ..Weather::default() });
    // Few in flight: more than a connection carries, and no receipt would ever come back on a slow disk.
    let count = u32::MAX.to_string();
    let publish = ["pub", TOPIC, "--tag", "p", "--count", &count, "--size", "128", "--batch", "8"];
    let patient = ["--in-flight", "64", "--timeout", "10m"];
    let mut publisher = Oracle::start(place.front(), &[&publish[..], &patient].concat());
    publisher.wait_for(2000);
    until("many cuts", || {
        assert!(!publisher.has_ended(), "{}", publisher.complaints());
        (place.cuts() >= CUTS).then_some(())
    });
    place.weather(Weather::default());
    let duplicates = until("a record acknowledged after all cuts", || {
        publisher.wait_for(1);
        let seen = stat(&place.node, "defibus_publish_duplicate_total");
        (seen > 0).then_some(seen)
    });
    let acked = acknowledged(&publisher.end(), "p");
    let (cuts, count) = (place.cuts(), acked.len());
    assert_kept(&acked, read_all(&place.node, TOPIC));
    format!("{cuts} cuts, {count} acknowledged, {duplicates} resends recognised, 0 lost, 0 twice")
}

/// Connections of both sides are cut at any byte: each request has one outcome.
pub(crate) fn cuts_under_requests() -> String {
    let place = Place::new();
    let _responder = Oracle::start(place.front(), &["reply", SERVICE, "--echo"]);
    until("somebody serves", || (stat(&place.node, "defibus_responders") > 0).then_some(()));
    place.weather(Weather { cut_bytes_max: 9000, ..Weather::default() });
    // The responder's connections were made in fair weather.
    let _second = Oracle::start(place.front(), &["reply", SERVICE, "--echo"]);
    let client = connect(place.front());
    let config = RequesterConfig { outstanding_max: 16, ..RequesterConfig::default() };
    let mut requester = client.requester(config);
    let mut outcomes = BTreeMap::new();
    let mut bodies: BTreeMap<RequestTicket, String> = BTreeMap::new();
    while outcomes.len() < REQUESTS {
        while bodies.len() < REQUESTS && requester.outstanding() < 16 {
            let body = format!("request {}", bodies.len());
            let record = NewRecord::new(body.as_bytes());
            let ticket = requester.begin(SERVICE, &record, Duration::from_secs(2)).expect("begun");
            bodies.insert(ticket, body);
        }
        let Some((ticket, outcome)) = requester.poll(Duration::from_secs(30)) else {
            panic!("no outcome though {} are outstanding", requester.outstanding());
        };
        if let Outcome::Reply(reply) = &outcome {
            assert_eq!(reply.body(), bodies[&ticket].as_bytes(), "its own reply");
        }
        assert_eq!(outcomes.insert(ticket, outcome.name()), None, "a second outcome");
    }
    assert_eq!((outcomes.len(), requester.outstanding()), (REQUESTS, 0));
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for name in outcomes.values() {
        *counts.entry(name).or_default() += 1;
    }
    assert!(counts.contains_key("reply"), "{counts:?}");
    let lost = client.counters().connections_lost;
    assert!(lost > 0, "something was cut under it");
    format!("{REQUESTS} requests over {lost} lost connections, one outcome each: {counts:?}")
}

/// Bytes in pieces, together and late change nothing but the time.
pub(crate) fn pieces_and_delays() -> String {
    let place = Place::new();
    let _responder = Oracle::start(place.front(), &["reply", SERVICE, "--echo"]);
    until("somebody serves", || (stat(&place.node, "defibus_responders") > 0).then_some(()));
    let weathers = [
        Weather { piece_bytes_max: 9, ..Weather::default() },
        Weather { together_bytes: 32 << 10, ..Weather::default() },
        Weather { delay_ms_max: 20, ..Weather::default() },
        Weather {
            piece_bytes_max: 700,
            delay_ms_max: 2,
            together_bytes: 4096,
            ..Weather::default()
        },
    ];
    let mut told = Vec::new();
    for (number, weather) in weathers.into_iter().enumerate() {
        place.weather(weather);
        let tag = format!("w{number}");
        let publish = ["pub", TOPIC, "--count", "300", "--tag", &tag, "--timeout", "1m"];
        let mut publisher = Oracle::start(place.front(), &publish);
        until("all is acknowledged", || (publisher.lines() == 300).then_some(()));
        told.push((tag, publisher.end()));
        let client = connect(place.front());
        let mut requester = client.requester(RequesterConfig::default());
        for body in [vec![b'a'; 10], vec![b'b'; 200_000]] {
            let answered =
                requester.request(SERVICE, &NewRecord::new(&body), Duration::from_mins(1));
            let Ok(Outcome::Reply(reply)) = answered else { panic!("{answered:?}") };
            assert!(reply.body() == body, "every byte");
        }
        assert_eq!(client.counters().connections_lost, 0);
    }
    let mut acked = BTreeMap::new();
    for (tag, record) in &told {
        acked.extend(acknowledged(record, tag));
    }
    assert_eq!(stat(&place.node, "defibus_publish_duplicate_total"), 0);
    assert_kept(&acked, read_all(&place.node, TOPIC));
    format!("{} records and 8 requests, none twice, no connection lost", acked.len())
}

/// Connections that carry nothing any more are found by both ends within the heartbeat.
pub(crate) fn half_open() -> String {
    let place = Place::new();
    let far = connect(place.front());
    let mut consumer =
        far.consumer(client::ConsumerConfig::new(TOPIC, "desk")).expect("a consumer");
    let mut config = ProducerConfig::new(TOPIC);
    config.timeout = Duration::from_mins(5);
    let mut producer = far.producer(config).expect("a producer");
    let mut responder = far.responder(ResponderConfig::new(SERVICE)).expect("a responder");
    let mut requester = far.requester(RequesterConfig::default());
    producer.send(&NewRecord::new(b"before")).expect("accepted");
    let held = until("it is delivered", || {
        match consumer.next(Duration::from_millis(100)).expect("subscribed") {
            Some(Item::Message(message)) => Some(message),
            _ => None,
        }
    });
    requester.begin(SERVICE, &NewRecord::new(b"before"), Duration::from_mins(1)).expect("begun");
    let call = until("a call", || responder.next(Duration::from_millis(100)).expect("serving"));
    responder.reply_only(&call, &NewRecord::new(b"fine")).expect("sent");
    let (_, outcome) = requester.poll(Duration::from_mins(1)).expect("an outcome");
    assert!(matches!(outcome, Outcome::Reply(_)), "{outcome:?}");
    let there = stat(&place.node, "defibus_connections");
    let lost = place.lose_all();
    assert!(lost > 0);
    // Two that nobody will hear of on these connections.
    producer.enqueue(&NewRecord::new(b"into the void")).expect("enqueued");
    requester.begin(SERVICE, &NewRecord::new(b"?"), Duration::from_mins(1)).expect("begun");
    // The far client does nothing at all; the node finds out by itself.
    until("its leases are released", || {
        let members = group(&place.node, "desk")["members"].as_array().map(Vec::len);
        (members == Some(0)).then_some(())
    });
    assert_eq!(stat(&place.node, "defibus_responders"), 0);
    assert!(stat(&place.node, "defibus_connections") < there);
    // Another one gets what the first had not acknowledged.
    let near = ["sub", TOPIC, "--group", "desk", "--count", "1", "--for", "1m", "-o", "jsonl"];
    let taken = place.node.run(&near).done();
    assert_eq!(number(&taken.lines()[0], "attempt"), 2, "{}", taken.out);
    // Now the far client looks: it finds its connections dead, and comes back by itself.
    let (_, outcome) = requester.poll(Duration::from_mins(1)).expect("an outcome");
    assert!(matches!(outcome, Outcome::Unknown | Outcome::NoResponder), "{outcome:?}");
    assert!(producer.flush(Duration::from_mins(1)), "what was lost is sent again");
    let (_, settled) = producer.next_receipt(Duration::ZERO).expect("settled");
    settled.expect("accepted");
    assert!(consumer.ack(held.place).is_err(), "its lease is over");
    assert!(far.counters().connections_lost > 0);
    until("it serves again", || {
        let _nothing = responder.next(Duration::ZERO).expect("serving");
        (stat(&place.node, "defibus_responders") > 0).then_some(())
    });
    format!("{lost} connections lost without a word")
}
