//! Result: what is written is what was found out, what is read is what was written.

use super::file::ReadCause;
use super::*;
use crate::sample;
use serde_json::Value;
use std::path::{Path, PathBuf};

fn golden_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/run.json")
}

#[test]
fn a_result_is_written_and_read_as_it_always_was() {
    let run = sample::run("latency-2k", Level::Durable, 150);
    let text = serde_json::to_string_pretty(&run.to_json()).expect("JSON") + "\n";
    let path = golden_path();
    if !path.exists() && std::env::var_os("DEFIBUS_GOLDEN").is_some_and(|value| value == "add") {
        std::fs::write(&path, &text).expect("writable");
    }
    let golden = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; DEFIBUS_GOLDEN=add makes it", path.display()));
    let shape = |text: &str| without_histograms(text.parse().expect("JSON"));
    assert_eq!(shape(&text), shape(&golden), "what was written once must not change its meaning");
    let read = read(&path).expect("a result");
    assert_eq!(read.latencies, run.latencies);
    for (read, made) in read.intervals.iter().zip(&run.intervals) {
        let journey = Journey::PublishToAck;
        assert_eq!(read.spans(journey), made.spans(journey));
    }
}

/// The same without the histograms' bytes, which a better compressor may write in another way.
fn without_histograms(value: Value) -> Value {
    match value {
        Value::String(text) if text.starts_with("HIST") => Value::Null,
        Value::Array(values) => values.into_iter().map(without_histograms).collect(),
        Value::Object(values) => {
            let kept = values.into_iter().map(|(key, value)| (key, without_histograms(value)));
            Value::Object(kept.collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

#[test]
fn a_folder_of_results_is_found_and_sorted() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, repetition) in [("b", 2), ("b", 1), ("a", 1)] {
        let run = RunResult { repetition, ..sample::run(name, Level::Memory, 50) };
        write(&folder.path().join("deeper"), &run).expect("writable");
    }
    std::fs::write(folder.path().join("read.me"), "no result").expect("writable");
    let found = find(folder.path()).expect("three results");
    let names: Vec<(&str, u32)> =
        found.iter().map(|run| (run.workload.name.as_str(), run.repetition)).collect();
    assert_eq!(names, [("a", 1), ("b", 1), ("b", 2)]);
}

#[test]
fn what_is_no_result_is_told_in_words() {
    let folder = tempfile::tempdir().expect("a folder");
    assert!(matches!(find(folder.path()).expect_err("empty").cause, ReadCause::Nothing));
    let path = folder.path().join("x.json");
    let check = |text: &str, word: &str| {
        std::fs::write(&path, text).expect("writable");
        let told = find(folder.path()).expect_err(text).to_string();
        assert!(told.contains("x.json") && told.contains(word), "{told}");
    };
    check("{", "EOF");
    check("[]", "defibus bench");
    check(r#"{"workload": "1 topic", "driver": "Kafka"}"#, "\"defibus\" is missing");
    check(r#"{"defibus": {"format": 7}}"#, "format 7");
    check(r#"{"defibus": {"format": 1}}"#, "missing field");
    let gone = folder.path().join("gone.json");
    assert!(read(&gone).expect_err("gone").to_string().contains("No such file"));
}

#[test]
fn a_histogram_that_is_none_spoils_the_file() {
    let run = sample::run("a", Level::Memory, 50);
    let mut value = run.to_json();
    value["defibus"]["latencies"]["publish-to-ack"] = "HISTnothing".into();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.json");
    std::fs::write(&path, value.to_string()).expect("writable");
    let told = read(&path).expect_err("spoiled").to_string();
    assert!(told.contains("no HdrHistogram V2"), "{told}");
}

#[test]
fn the_chart_scripts_of_openmessaging_find_what_they_draw() {
    let value = sample::run("latency-2k", Level::Durable, 150).to_json();
    for series in [
        "publishRate",
        "consumeRate",
        "backlog",
        "publishLatency99pct",
        "publishDelayLatency99pct",
        "endToEndLatency95pct",
        "endToEndLatencyAvg",
    ] {
        let points = value[series].as_array().unwrap_or_else(|| panic!("{series} is missing"));
        assert_eq!(points.len(), 2, "{series}: 12 s are two windows of 10 s");
    }
    let curve = value["aggregatedPublishLatencyQuantiles"].as_object().expect("a curve");
    let p99_ms = curve["99"].as_f64().expect("a number");
    assert!((0.15..10.0).contains(&p99_ms), "{p99_ms} is in milliseconds");
    assert_eq!(value["aggregatedPublishLatency99pct"].as_f64(), Some(p99_ms));
    assert_eq!(value["publishRate"][0], 2000.0);
    assert_eq!(value["driver"], "defibus durable");
}

#[test]
fn requests_stand_under_both_latencies_of_openmessaging() {
    let mut run = sample::run("rpc", Level::Memory, 20);
    run.workload.kind = Kind::RequestReply;
    let outcomes = run.latencies.remove(&Journey::PublishToAck).expect("there");
    run.latencies = BTreeMap::from([(Journey::RequestToOutcome, outcomes)]);
    let value = run.to_json();
    assert!(value["aggregatedPublishLatency50pct"].as_f64().is_some_and(|ms| ms > 0.0));
    assert_eq!(value["aggregatedPublishLatency50pct"], value["aggregatedEndToEndLatency50pct"]);
    assert_eq!(value["aggregatedPublishDelayLatency50pct"], 0.0, "nothing was measured");
}

#[test]
fn a_file_is_named_by_what_it_holds() {
    let run = sample::run("a/b c", Level::Written, 50);
    assert_eq!(run.file_stem(), "a-b-c-defibus-written-1");
}
