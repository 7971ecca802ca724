//! Kill: the node is killed under load, again and again; nothing that was acknowledged is lost.
//!
//! One publisher and one consumer live through all of it behind one address. At
//! the end every acknowledged record is read at its offset with the body that
//! was acknowledged, no record is in the log twice, and the group was delivered
//! every record.
//!
//! It proves deaths of the process, not of the power: what the kernel holds
//! survives here. The simulated disk of `tests/sim` loses it.

use crate::node::Node;
use crate::oracle::{Oracle, acknowledged, assert_kept, delivered, lost, read_all};
use crate::proxy::Proxy;
use crate::scene::{chance, group, number, until};
use std::thread::park_timeout;
use std::time::Duration;
use tempfile::TempDir;
use tools::clock::Moment;

const TOPIC: &str = "A10-20190001";
const ROUNDS: usize = 20;
/// Records a second: the log is never idle, and what 200 rounds leave can still be read back.
const RATE: &str = "20000";

fn rounds() -> usize {
    std::env::var("DEFIBUS_KILL_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(ROUNDS)
}

pub(crate) fn under_load() -> String {
    let mut random = chance("kill");
    let data = TempDir::new().expect("a temporary directory");
    let mut node = Node::start_with(data, &["--shards", "2"], &[]);
    node.run(&["topic", "create", TOPIC, "--queues", "4"]).done();
    let door = Proxy::start("127.0.0.1:0", &node.listen);
    let mut publisher = Oracle::publisher(door.address(), TOPIC, "p", RATE);
    let consumer = Oracle::start(door.address(), &["sub", TOPIC, "--group", "desk"]);
    let mut restarts = Vec::new();
    for _ in 0..rounds() {
        publisher.wait_for(random.between(1, 6000).try_into().expect("small"));
        // Any moment: within a batch, a flush, a snapshot, the making of a segment.
        park_timeout(Duration::from_micros(random.below(20_000)));
        let data = node.kill();
        let begun = Moment::now();
        node = Node::start_with(data, &[], &[]);
        restarts.push(begun.elapsed());
        door.lead_to(&node.listen);
    }
    publisher.wait_for(1);
    let acked = acknowledged(&publisher.end(), "p");
    let there = read_all(&node, TOPIC);
    until("the group has everything", || (number(&group(&node, "desk"), "lag") == 0).then_some(()));
    let seen = delivered(&consumer.end());
    assert_eq!(lost(&there, &seen), [], "of {} records, delivered to the group", there.len());
    let (acked_count, there_count) = (acked.len(), there.len());
    assert_kept(&acked, there);
    restarts.sort_unstable();
    let middle = restarts[restarts.len() / 2];
    let (least, most) = (restarts[0], restarts[restarts.len() - 1]);
    format!(
        "{} kills, {acked_count} acknowledged of {there_count} in the log, 0 lost, 0 twice; ready again in {least:.0?} / {middle:.0?} / {most:.0?} (least, median, most)",
        restarts.len()
    )
}
