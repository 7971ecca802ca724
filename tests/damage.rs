//! Damage: bytes of a real node's files flip while it is down; what that means is told, offline and by the node.
//!
//! Found by `inspect --verify` under topic, queue and offsets; told by the node as a gap for the
//! same offsets, everything else served; a start that needs the operator's word refuses without it,
//! and with it leaves a record.

#[path = "cli/node.rs"]
#[expect(dead_code, reason = "a part of what the tests of the command line need")]
mod node;

use node::{Ended, Node, program, run};
use serde_json::Value;
use std::collections::BTreeSet;
use std::os::unix::fs::FileExt;
use tempfile::TempDir;

const TOPIC: &str = "A10-20190001";

/// Flips a bit of a file.
fn flip(data: &TempDir, file: &str, at: u64) {
    let path = data.path().join(file);
    let file = std::fs::File::options().read(true).write(true).open(path).expect("there");
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("within the file");
    file.write_all_at(&[byte[0] ^ 4], at).expect("written");
}

fn path(data: &TempDir) -> &str {
    data.path().to_str().expect("text")
}

fn number(value: &Value, field: &str) -> u64 {
    value[field].as_u64().unwrap_or_else(|| panic!("no {field} in {value}"))
}

/// A directory with records in two queues, one on each shard.
fn published() -> TempDir {
    let node = Node::start();
    node.run(&["topic", "create", TOPIC, "--queues", "2"]).done();
    let sizes = ["--count", "60", "--size", "3000", "--in-flight", "1", "--batch", "1", "-q"];
    node.run(&[&["pub", TOPIC], &sizes[..]].concat()).done();
    node.kill()
}

fn verify(data: &TempDir) -> (Option<i32>, Value) {
    let ended = run(&["inspect", path(data), "--verify", "--batches", "-o", "json"]);
    (ended.code, ended.json())
}

/// The place of a batch of `shard` that holds a record, not the last one.
fn some_batch(data: &TempDir, shard: u64) -> (String, u64) {
    let (code, report) = verify(data);
    assert_eq!(code, Some(0), "{report}");
    let batches = report["batches"].as_array().expect("asked for");
    let of_shard =
        |batch: &&Value| number(batch, "shard") == shard && number(batch, "bytes") == 4096;
    let batch = batches.iter().filter(of_shard).nth(12).expect("many were published");
    (format!("shard-{shard}/log/{:016}.seg", number(batch, "segment")), number(batch, "position"))
}

fn server(data: TempDir, options: &[&str]) -> Result<Node, (Ended, TempDir)> {
    let config = data.path().join("node.toml");
    let text = format!("listen = \"127.0.0.1:0\"\nidle = \"block\"\ndata = \"{}\"\n", path(&data));
    std::fs::write(&config, text).expect("written");
    let mut command = program();
    command.args(["server", "-o", "jsonl", "--config"]).arg(&config).args(options);
    if options.is_empty() || options == ["-q"] {
        let ended = node::ended(&mut command);
        return Err((ended, data));
    }
    Ok(Node::launch(command, data))
}

/// Reads both queues to their ends: places that were served, and what was told beside them.
fn read_all(node: &Node) -> (BTreeSet<(u64, u64)>, String) {
    // One of sixty is damaged.
    let group = ["--group", "audit", "--no-ack", "--count", "59", "--for", "30s", "-o", "jsonl"];
    let ended = node.run(&[&["sub", TOPIC], &group[..]].concat());
    let place = |line: &Value| (number(line, "queue"), number(line, "offset"));
    (ended.lines().iter().map(place).collect(), ended.err)
}

#[test]
fn a_flipped_byte_is_named_offline_and_told_as_a_gap() {
    let data = published();
    let (file, position) = some_batch(&data, 1);
    flip(&data, &file, position + 2000);
    let (code, report) = verify(&data);
    assert_eq!(code, Some(1), "{report}");
    let damage = report["damage"].as_array().expect("a list");
    assert_eq!(damage.len(), 1, "{report}");
    assert_eq!(format!("shard-1/{}", damage[0]["file"].as_str().expect("text")), file);
    assert_eq!(number(&damage[0], "position"), position);
    let lost = damage[0]["lost"].as_array().expect("a list");
    assert_eq!((lost.len(), &lost[0]["topic"]), (1, &Value::from(TOPIC)), "{report}");
    let (queue, first, end) =
        (number(&lost[0], "queue"), number(&lost[0], "first"), number(&lost[0], "end"));
    assert_eq!(end, first + 1, "one record a batch");

    let node = Node::start_with(data, &[], &[]);
    let (served, told) = read_all(&node);
    let expected: BTreeSet<(u64, u64)> =
        (0..2).flat_map(|queue| (0..30).map(move |offset| (queue, offset))).collect();
    let missing: Vec<_> = expected.difference(&served).copied().collect();
    assert_eq!(missing, [(queue, first)], "{told}");
    assert!(served.is_subset(&expected));
    let gap = told.lines().find(|line| line.contains(TOPIC)).unwrap_or_else(|| panic!("{told}"));
    for word in [format!("queue {queue}"), first.to_string(), end.to_string(), "Damage".to_owned()]
    {
        assert!(gap.contains(&word), "{word} is not in: {gap}");
    }
}

#[test]
fn only_the_operators_word_leads_past_damage_to_the_catalog_and_it_is_on_record() {
    let data = published();
    let (file, position) = some_batch(&data, 0);
    flip(&data, &file, position + 2000);
    let Err((refused, data)) = server(data, &[]) else { panic!("it started") };
    refused.refused(1, "BUS-E0709");
    assert!(!data.path().join("audit").exists(), "nothing was accepted");

    let node = server(data, &["--accept-loss"]).expect("by the operator's word");
    let (served, _) = read_all(&node);
    assert_eq!(served.len(), 59, "the rest is served");
    let data = node.kill();
    let (code, report) = verify(&data);
    assert_eq!(code, Some(1), "it is still damage");
    let audit = report["audit"].as_array().expect("a list");
    assert_eq!((audit.len(), &audit[0]["is_whole"]), (1, &Value::from(true)), "{report}");
    let accepted = &audit[0]["damage"][0];
    assert_eq!((number(accepted, "shard"), number(accepted, "position")), (0, position));
    assert_eq!(audit[0]["lost"][0]["topic"], TOPIC);
    assert!(
        audit[0]["uid"].is_u64() && audit[0]["at"].is_string() && audit[0]["release"].is_string()
    );

    // Once is enough; and a word that nothing needs leaves no record and says so.
    let data = Node::start_with(data, &[], &[]).kill();
    let node = server(data, &["--accept-loss"]).expect("it starts");
    let data = node.kill();
    let again = verify(&data).1;
    assert_eq!(again["audit"], report["audit"]);
}

#[test]
fn a_record_that_cannot_be_written_is_a_refusal() {
    let data = published();
    let (file, position) = some_batch(&data, 0);
    flip(&data, &file, position + 2000);
    let before = std::fs::read(data.path().join(&file)).expect("there");
    // No file can be added to where a directory stands.
    std::fs::create_dir(data.path().join("audit")).expect("made");
    let config = data.path().join("node.toml");
    let text = format!("listen = \"127.0.0.1:0\"\ndata = \"{}\"\n", path(&data));
    std::fs::write(&config, text).expect("written");
    let mut command = program();
    let ended = node::ended(command.args(["server", "--accept-loss", "--config"]).arg(&config));
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(ended.err.contains("the record of what is given up"), "{}", ended.err);
    assert_eq!(
        std::fs::read(data.path().join(&file)).expect("there"),
        before,
        "nothing was changed"
    );
}
