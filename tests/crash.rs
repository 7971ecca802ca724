//! Crash: the node is killed under load, again and again; nothing that was acknowledged is lost.
//!
//! Another process publishes and prints each acknowledgement before it counts.
//! After the last round every acknowledged record must be read at its offset
//! with the body that was acknowledged, and no offset was given out twice.
//!
//! It proves deaths of the process, not of the power: what the drive's cache
//! holds survives here. The simulated disk of `tests/sim` loses it.
//!
//! `DEFIBUS_CRASH_ROUNDS` sets how often; 4 unless it is said.

#[path = "cli/node.rs"]
#[expect(dead_code, reason = "a part of what the tests of the command line need")]
mod node;

use node::Node;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::Instant;
use tempfile::TempDir;

const TOPIC: &str = "A10-20190001";
const ROUNDS: usize = 4;

/// Queue and offset of a record, and which record of which round it is.
type Places = BTreeMap<(u64, u64), (String, u64)>;

fn rounds() -> usize {
    std::env::var("DEFIBUS_CRASH_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(ROUNDS)
}

fn restart(data: TempDir, first: bool) -> Node {
    let shards: &[&str] = if first { &["--shards", "2"] } else { &[] };
    Node::start_with(data, shards, &[])
}

fn publisher(node: &Node, tag: &str) -> Child {
    let mut command = node.command(&["pub", TOPIC, "--count", "10000000", "--size", "256"]);
    command.args(["--in-flight", "2048", "--batch", "16", "--tag", tag, "-o", "jsonl", "-q"]);
    command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the program can be run")
}

fn number(line: &Value, field: &str) -> u64 {
    line[field].as_u64().unwrap_or_else(|| panic!("no {field} in {line}"))
}

/// Reads acknowledgements: `count` of them, or all to the end of the stream.
fn take_acks(lines: &mut dyn Iterator<Item = String>, count: usize, tag: &str, acked: &mut Places) {
    for line in lines.take(count) {
        // The last line of a killed publisher may be cut.
        let Ok(line) = serde_json::from_str::<Value>(&line) else { continue };
        assert_eq!(line["level"], "durable");
        let place = (number(&line, "queue"), number(&line, "offset"));
        let before = acked.insert(place, (tag.to_owned(), number(&line, "seq")));
        assert_eq!(before, None, "{place:?} was given out twice");
    }
}

/// One round: publish, kill the node after some acknowledgements, start it again.
fn crash(node: Node, round: usize, acked: &mut Places) -> Node {
    let tag = format!("r{round}");
    let mut publisher = publisher(&node, &tag);
    let out = publisher.stdout.take().expect("piped");
    let mut lines = BufReader::new(out).lines().map_while(Result::ok);
    // A different moment each round: within a batch, a flush, a segment's end.
    take_acks(&mut lines, 100 + round * 7919 % 12_000, &tag, acked);
    let data = node.kill();
    publisher.kill().expect("our own child");
    publisher.wait().expect("our own child");
    take_acks(&mut lines, usize::MAX, &tag, acked);
    let begun = now();
    let node = restart(data, false);
    eprintln!(
        "round {round}: {} acknowledged so far, up again in {:?}",
        acked.len(),
        begun.elapsed()
    );
    node
}

#[expect(clippy::disallowed_methods, reason = "a figure for the log; nothing is asserted on it")]
fn now() -> Instant {
    Instant::now()
}

/// Every record there is, by place.
fn read_all(node: &Node) -> Places {
    let described = node.run(&["topic", "describe", TOPIC, "-o", "json"]).done().json();
    let queues = described["queue_list"].as_array().expect("queues");
    let count: u64 = queues.iter().map(|queue| number(queue, "end") - number(queue, "start")).sum();
    let count = count.to_string();
    let read =
        node.run(&["sub", TOPIC, "--group", "audit", "--no-ack", "--count", &count, "-o", "jsonl"]);
    let mut there = Places::new();
    for line in read.done().lines() {
        let body = line["body"].as_str().expect("text");
        let sequence = body.trim_end_matches('.').parse().expect("a generated body");
        let tag = line["tag"].as_str().expect("text").to_owned();
        let place = (number(&line, "queue"), number(&line, "offset"));
        assert_eq!(there.insert(place, (tag, sequence)), None, "{place:?} was delivered twice");
    }
    there
}

/// Acknowledged records that are not there as they were acknowledged.
fn lost(acked: &Places, there: &Places) -> Vec<(u64, u64)> {
    acked
        .iter()
        .filter(|(place, record)| there.get(place) != Some(record))
        .map(|(place, _)| *place)
        .collect()
}

#[test]
fn what_was_acknowledged_survives_every_kill() {
    let mut node = restart(TempDir::new().expect("a temporary directory"), true);
    node.run(&["topic", "create", TOPIC, "--queues", "4"]).done();
    let mut acked = Places::new();
    for round in 0..rounds() {
        node = crash(node, round, &mut acked);
    }
    assert!(!acked.is_empty());
    let mut there = read_all(&node);
    assert_eq!(lost(&acked, &there), [], "of {} acknowledged", acked.len());
    // The control: a record taken away is missed.
    let (place, _) = acked.last_key_value().expect("not empty");
    there.remove(place);
    assert_eq!(lost(&acked, &there), [*place]);
}
