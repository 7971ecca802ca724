//! Scene: what cases share: waiting until something is seen, and the numbers a node tells of itself.

use crate::node::{Node, signal};
use client::{Client, ClientConfig};
use serde_json::Value;
use sim::random::Random;
use std::thread::park_timeout;
use std::time::Duration;

/// Looks of one wait: far more than any wait needs.
const LOOKS_MAX: usize = 24_000;
/// From one look to the next.
const PAUSE: Duration = Duration::from_millis(5);

/// Looks until `look` sees something; fails after many looks, with what was waited for.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..LOOKS_MAX {
        if let Some(seen) = look() {
            return seen;
        }
        park_timeout(PAUSE);
    }
    panic!("not seen in {LOOKS_MAX} looks: {what}");
}

/// Chance of a case: `DEFIBUS_PROCESS_SEED`, or drawn and told.
pub(crate) fn chance(case: &str) -> Random {
    let given = std::env::var("DEFIBUS_PROCESS_SEED").ok().and_then(|text| text.parse().ok());
    let seed = given.unwrap_or_else(shard::process::random_u64);
    eprintln!("{case}: DEFIBUS_PROCESS_SEED={seed}");
    Random::new(seed)
}

/// A client in this process. It speaks to the node only while it is used: within every heartbeat.
pub(crate) fn connect(server: &str) -> Client {
    let mut config = ClientConfig::new(server);
    config.connect_timeout = Duration::from_secs(20);
    Client::connect(config).expect("a node")
}

/// Stops a process, and waits until the kernel says that it is.
pub(crate) fn stop(pid: u32) {
    signal("-STOP", pid);
    until("the process is stopped", || (state(pid) == 'T').then_some(()));
}

/// Lets a stopped process go on.
pub(crate) fn go_on(pid: u32) {
    signal("-CONT", pid);
}

/// One letter for what a process does, as `/proc` has it.
fn state(pid: u32) -> char {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process of ours");
    let (_, after_name) = stat.rsplit_once(") ").expect("a name in parentheses");
    after_name.chars().next().expect("a state")
}

/// How much memory a process has in RAM, in bytes.
pub(crate) fn resident_bytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process of ours");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

/// A counter or gauge of a node, all shards and labels together.
pub(crate) fn stat(node: &Node, name: &str) -> u64 {
    let told = node.run(&["stats", "-o", "json"]).done().json();
    let counters = told["counters"].as_array().expect("a list").iter();
    let values: Vec<u64> = counters
        .filter(|counter| counter["name"] == name)
        .map(|counter| number(counter, "value"))
        .collect();
    assert!(!values.is_empty(), "a node tells {name}");
    values.iter().sum()
}

/// A group as `group describe` tells it.
pub(crate) fn group(node: &Node, name: &str) -> Value {
    node.run(&["group", "describe", name, "-o", "json"]).done().json()
}

/// A number of a JSON object.
pub(crate) fn number(of: &Value, field: &str) -> u64 {
    of[field].as_u64().unwrap_or_else(|| panic!("no {field} in {of}"))
}
