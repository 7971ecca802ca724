//! Oracle: other processes that append to a file what they were promised, before they count it.
//!
//! A publisher's file has a line for each acknowledgement, a consumer's one for
//! each record, written before it is acknowledged. Whatever then happens to a
//! process, its file stands.

use crate::node::{Node, program};
use crate::scene::{number, until};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::process::{Child, Stdio};
use tempfile::TempDir;

/// Queue and offset of a record.
pub(crate) type Place = (u64, u64);
/// What a record is known by: the tag of its publisher, and which of its records it is.
pub(crate) type Known = (String, u64);
/// Records by place.
pub(crate) type Records = BTreeMap<Place, Known>;

/// A process and the file it appends to.
#[derive(Debug)]
pub(crate) struct Oracle {
    child: Child,
    reader: File,
    line_count: usize,
    place: TempDir,
}

impl Oracle {
    /// Runs `arguments` against the node at `server`; what it prints is its record.
    pub(crate) fn start(server: &str, arguments: &[&str]) -> Self {
        let place = TempDir::new().expect("a temporary directory");
        let record = place.path().join("record");
        let writer = File::options().create(true).append(true).open(&record).expect("a file");
        let complaints = File::create(place.path().join("complaints")).expect("a file");
        let mut command = program();
        command.args(arguments).args(["-o", "jsonl", "-q", "--server", server]);
        let child = command.stdout(writer).stderr(Stdio::from(complaints)).spawn();
        let child = child.expect("the program can be run");
        let reader = File::open(&record).expect("a file");
        Self { child, reader, line_count: 0, place }
    }

    /// Publishes without end, `rate` a second; a record may wait minutes for its receipt.
    pub(crate) fn publisher(server: &str, topic: &str, tag: &str, rate: &str) -> Self {
        let count = u32::MAX.to_string();
        let endless = ["--count", &count, "--size", "128", "--timeout", "10m", "--rate", rate];
        Self::start(
            server,
            &[&["pub", topic, "--tag", tag, "--batch", "16"], &endless[..]].concat(),
        )
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Lines so far.
    pub(crate) fn lines(&mut self) -> usize {
        let mut fresh = Vec::new();
        self.reader.read_to_end(&mut fresh).expect("readable");
        self.line_count += fresh.split(|byte| *byte == b'\n').count() - 1;
        self.line_count
    }

    /// Waits until there are `more` lines than now. A process that has ended is a failure, with its complaints.
    pub(crate) fn wait_for(&mut self, more: usize) {
        let wanted = self.lines() + more;
        until("more promises", || {
            let is_there = self.lines() >= wanted;
            assert!(is_there || !self.has_ended(), "it ended: {}", self.complaints());
            is_there.then_some(())
        });
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("our own child").is_some()
    }

    /// What it said on its standard error.
    pub(crate) fn complaints(&self) -> String {
        std::fs::read_to_string(self.place.path().join("complaints")).expect("text")
    }

    /// Ends it, if it has not ended, and reads its record; a line that was cut in the writing is none.
    pub(crate) fn end(mut self) -> Vec<Value> {
        self.stop();
        self.recorded().lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Its record as it stands.
    pub(crate) fn recorded(&self) -> String {
        std::fs::read_to_string(self.place.path().join("record")).expect("text")
    }

    fn stop(&mut self) {
        match self.child.kill() {
            Err(error) if error.kind() != ErrorKind::InvalidInput => panic!("{error}"),
            _ => self.child.wait().expect("our own child"),
        };
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a publisher's record says was accepted. No place may be given out twice.
pub(crate) fn acknowledged(record: &[Value], tag: &str) -> Records {
    let mut acked = Records::new();
    for line in record {
        assert_eq!(line["level"], "durable");
        let place = (number(line, "queue"), number(line, "offset"));
        let before = acked.insert(place, (tag.to_owned(), number(line, "seq")));
        assert_eq!(before, None, "{place:?} was given out twice");
    }
    acked
}

/// What a consumer's record says was delivered; the same may come again, but never as something else.
pub(crate) fn delivered(record: &[Value]) -> Records {
    let mut there = Records::new();
    for line in record {
        let body = line["body"].as_str().expect("text");
        let sequence = body.trim_end_matches('.').parse().expect("a generated body");
        let known = (line["tag"].as_str().expect("text").to_owned(), sequence);
        let place = (number(line, "queue"), number(line, "offset"));
        let before = there.insert(place, known.clone());
        assert!(before.is_none_or(|before| before == known), "{place:?} has two meanings");
    }
    there
}

/// Every record of a topic, read by nobody's group.
pub(crate) fn read_all(node: &Node, topic: &str) -> Records {
    delivered(&read_lines(node, topic))
}

/// The same, as it was printed.
pub(crate) fn read_lines(node: &Node, topic: &str) -> Vec<Value> {
    let described = node.run(&["topic", "describe", topic, "-o", "json"]).done().json();
    let queues = described["queue_list"].as_array().expect("queues");
    let count: u64 = queues.iter().map(|queue| number(queue, "end") - number(queue, "start")).sum();
    if count == 0 {
        return Vec::new();
    }
    let count = count.to_string();
    let read =
        node.run(&["sub", topic, "--group", "audit", "--no-ack", "--count", &count, "-o", "jsonl"]);
    read.done().lines()
}

/// Places of `promised` at which `there` has nothing, or something else.
pub(crate) fn lost(promised: &Records, there: &Records) -> Vec<Place> {
    let missing = promised.iter().filter(|(place, known)| there.get(place) != Some(known));
    missing.map(|(place, _)| *place).collect()
}

/// Records that are there more than once.
pub(crate) fn doubled(there: &Records) -> Vec<Known> {
    let mut seen = BTreeSet::new();
    there.values().filter(|known| !seen.insert(*known)).cloned().collect()
}

/// Nothing that was promised is lost and nothing is there twice; and a loss or a double would have been found.
pub(crate) fn assert_kept(promised: &Records, mut there: Records) {
    assert!(!promised.is_empty(), "something was promised");
    assert_eq!(lost(promised, &there), [], "of {} acknowledged", promised.len());
    assert_eq!(doubled(&there), []);
    let (place, known) = promised.last_key_value().expect("not empty");
    there.insert((u64::MAX, 0), known.clone());
    assert_eq!(doubled(&there).first(), Some(known));
    there.remove(place);
    assert_eq!(lost(promised, &there), [*place]);
}
