//! Command line: every verb as a user runs it, against real nodes of their own, and what is told when it goes wrong.

#[path = "cli/node.rs"]
mod node;

use node::{Ended, Node, ended, program, run};
use serde_json::{Value, json};
use std::io::Write;
use std::process::Stdio;
use tempfile::TempDir;
use wire::header::FrameHeader;

const TOPIC: &str = "A10-20190001";
const SERVICE: &str = "A10-20190002";
const FORMATS: [&str; 3] = ["table", "json", "jsonl"];

/// Asserts that `ended` is what its format promises.
fn well_formed(ended: &Ended, format: &str) {
    match format {
        "json" => drop(ended.json()),
        "jsonl" => drop(ended.lines()),
        _ => assert!(!ended.out.trim().is_empty()),
    }
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[test]
fn what_cannot_be_understood_ends_with_2_and_says_why() {
    let check = |arguments: &[&str], word: &str| {
        let ended = run(arguments);
        ended.refused(2, "BUS-E0804");
        assert!(ended.err.contains(word), "{}", ended.err);
    };
    check(&["pub"], "<TOPIC>");
    check(&["pub", TOPIC], "nothing to publish");
    check(&["pub", TOPIC, "--count", "3", "--size", "5"], "--size 5");
    check(&["pub", TOPIC, "x", "--rate", "0"], "'0' is no rate");
    check(&["pub", TOPIC, "x", "--property", "a"], "name=value");
    check(&["pub", TOPIC, "x", "--lines", "f"], "--lines");
    check(&["sub", TOPIC], "--group");
    check(&["sub", TOPIC, "--group", "g", "--from", "soon"], "'soon' is no place");
    check(&["sub", TOPIC, "--group", "g", "--for", "5"], "'5' is no duration");
    check(&["request", TOPIC], "<BODY>");
    check(&["reply", TOPIC], "--echo");
    check(&["trace"], "<TOPIC>");
    check(&["trace", TOPIC, "--count", "0"], "'0'");
    check(&["reply", TOPIC, "--echo", "--body", "b"], "--body");
    check(&["topic", "alter", TOPIC], "--queues");
    check(&["group", "reset", "g", "--topic", TOPIC], "--to");
    check(&["explain", "BUS-E9999"], "BUS-E9999");
    check(&["version", "-o", "xml"], "jsonl");
    check(&["tpoic"], "topic");
}

#[test]
fn verbs_that_need_no_node_speak_every_format() {
    for format in FORMATS {
        for verb in [
            vec!["version"],
            vec!["explain"],
            vec!["explain", "BUS-E0201"],
            vec!["completion", "bash"],
            vec!["config", "show"],
            vec!["config", "show", "--origin"],
            vec!["doctor"],
            vec!["doctor", "--fix-script"],
        ] {
            let mut arguments = verb.clone();
            arguments.extend(["-o", format, "-q"]);
            well_formed(&run(&arguments).done(), format);
        }
    }
    assert_eq!(run(&["explain", "0201", "-o", "json"]).json()["name"], "UnknownTopic");
    assert!(run(&["--help"]).done().out.contains("Usage: defibus"));
    assert!(run(&["--version"]).done().out.starts_with("defibus "));
}

#[test]
fn every_verb_speaks_every_format() {
    let node = Node::start();
    node.run(&["topic", "create", SERVICE, "--kind", "service"]).done();
    for format in FORMATS {
        let topic = format!("{TOPIC}-{format}");
        let ended = |arguments: &[&str]| {
            let mut arguments = arguments.to_vec();
            arguments.extend(["-o", format]);
            let ended = node.run(&arguments).done();
            well_formed(&ended, format);
        };
        ended(&["topic", "create", &topic, "--queues", "2"]);
        ended(&["topic", "list"]);
        ended(&["topic", "describe", &topic]);
        ended(&["topic", "alter", &topic, "--queues", "3", "--retention", "24h"]);
        ended(&["pub", &topic, "hello", "--count", "5"]);
        ended(&["sub", &topic, "--group", "g", "--count", "5", "--for", "20s"]);
        ended(&[
            "sub",
            &topic,
            "--group",
            "w",
            "--broadcast",
            "--instance",
            "i",
            "--count",
            "5",
            "--for",
            "20s",
        ]);
        ended(&["group", "list"]);
        ended(&["group", "describe", "g"]);
        ended(&["group", "reset", "g", "--topic", &topic, "--to", "first"]);
        ended(&["stats"]);
        ended(&["trace", &topic]);
        ended(&["trace", &topic, "--count", "2"]);
        let mut reply = node.command(&["reply", SERVICE, "--echo", "--count", "1", "-o", format]);
        let mut reply = reply.stdout(Stdio::null()).spawn().expect("the program can be run");
        let request = ["request", SERVICE, "hi", "--timeout", "20s", "-o", format];
        let asked = asked_until_served(&node, &request);
        well_formed(&asked, format);
        assert!(reply.wait().expect("our own child").success());
        ended(&["topic", "delete", &topic]);
    }
}

/// Asks again while nobody serves yet: the responder is still starting.
fn asked_until_served(node: &Node, request: &[&str]) -> Ended {
    loop {
        let asked = node.run(request);
        if !asked.err.contains("BUS-E0501") {
            return asked.done();
        }
    }
}

#[test]
fn published_and_delivered_records_have_the_promised_lines() {
    let node = Node::start();
    node.run(&["topic", "create", TOPIC, "--queues", "1"]).done();
    let published = node
        .run(&[
            "pub",
            TOPIC,
            "käse",
            "--key",
            "k",
            "--tag",
            "t",
            "--property",
            "a=1",
            "-o",
            "jsonl",
        ])
        .done()
        .lines();
    assert_eq!(
        published,
        [json!({"topic": TOPIC, "queue": 0, "offset": 0, "level": "durable", "term": 1, "seq": 0})]
    );
    let mut command = node.command(&["pub", TOPIC, "-", "-q"]);
    let mut pipe = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("the program can be run");
    pipe.stdin.take().expect("piped").write_all(&[0xFF, 0x00]).expect("it reads");
    assert!(pipe.wait().expect("our own child").success());
    let first = ["sub", TOPIC, "--group", "g", "--count", "2", "--for", "20s", "-o", "jsonl"];
    let delivered = node.run(&first).done();
    assert!(delivered.out.starts_with(
        r#"{"topic":"A10-20190001","queue":0,"offset":0,"key":"k","tag":"t","properties":{"a":"1"},"body":"käse","encoding":"utf8","attempt":1}"#
    ));
    let second = &delivered.lines()[1];
    assert_eq!((&second["body"], &second["encoding"]), (&json!("/wA="), &json!("base64")));
    // All was acknowledged: nothing is left, and the time is up.
    node.run(&["sub", TOPIC, "--group", "g", "--count", "1", "--for", "300ms"])
        .refused(3, "BUS-E0803");
}

#[test]
fn lines_and_generated_bodies_come_in_order_and_only_looking_moves_nothing() {
    let node = Node::start();
    node.run(&["topic", "create", TOPIC, "--queues", "1"]).done();
    let file = node.path().join("lines.txt");
    std::fs::write(&file, "one\ntwo\n").expect("a file");
    let file = file.to_str().expect("text");
    assert_eq!(node.run(&["pub", TOPIC, "--lines", file, "-o", "jsonl"]).done().lines().len(), 2);
    let many = ["pub", TOPIC, "--count", "500", "--size", "100", "--batch", "16", "-o", "json"];
    let summary = node.run(&many).done().json();
    assert_eq!((&summary["records"], &summary["failed"]), (&json!(500), &json!(0)));
    let look =
        ["sub", TOPIC, "--group", "g", "--count", "502", "--for", "20s", "--no-ack", "-o", "jsonl"];
    for _ in 0..2 {
        let bodies: Vec<String> = node
            .run(&look)
            .done()
            .lines()
            .iter()
            .map(|line| line["body"].as_str().expect("text").to_owned())
            .collect();
        assert_eq!(bodies[..2], ["one", "two"]);
        for (sequence, body) in bodies[2..].iter().enumerate() {
            assert!(body.starts_with(&format!("{sequence:012}.")) && body.len() == 100, "{body}");
        }
    }
    let to_offset = ["group", "reset", "g", "--topic", TOPIC, "--to", "501", "-o", "json"];
    assert_eq!(node.run(&to_offset).done().json()[0]["lag"], 1);
    let rest = node.run(&["sub", TOPIC, "--group", "g", "--for", "1s", "-o", "jsonl"]).done();
    assert_eq!(rest.lines().len(), 1);
}

#[test]
fn every_outcome_of_a_request_has_its_own_ending() {
    let node = Node::start();
    node.run(&["topic", "create", SERVICE, "--kind", "service"]).done();
    node.run(&["topic", "create", TOPIC]).done();
    let nobody = node.run(&["request", SERVICE, "x", "-o", "jsonl"]);
    nobody.refused(1, "BUS-E0501");
    assert_eq!(nobody.lines()[0]["outcome"], "no-responder");
    assert_eq!(keys(&nobody.lines()[0]), ["body", "micros", "outcome"]);
    node.run(&["request", "no-such-service", "x"]).refused(1, "BUS-E0201");
    node.run(&["request", TOPIC, "x"]).refused(1, "BUS-E0203");
    let shouts = ["reply", SERVICE, "--exec", "tr a-z A-Z", "--count", "1", "-o", "jsonl"];
    let mut reply = node.command(&shouts);
    let reply = reply.stdout(Stdio::piped()).spawn().expect("the program can be run");
    let asked = asked_until_served(
        &node,
        &["request", SERVICE, "shout", "--timeout", "20s", "-o", "jsonl"],
    );
    assert_eq!(asked.lines()[0]["body"], "SHOUT");
    let served = reply.wait_with_output().expect("our own child");
    let line: Value = serde_json::from_slice(&served.stdout).expect("one line");
    assert_eq!(
        (keys(&line), &line["fate"]),
        (vec!["fate", "micros", "offset", "queue"], &json!("delivered"))
    );
    let mut silent = node.command(&["reply", SERVICE, "--exec", "false", "--count", "1"]);
    let mut silent = silent.stderr(Stdio::null()).stdout(Stdio::null()).spawn().expect("runs");
    let late = loop {
        let asked = node.run(&["request", SERVICE, "x", "--timeout", "300ms", "-o", "jsonl"]);
        if !asked.err.contains("BUS-E0501") {
            break asked;
        }
    };
    late.refused(3, "BUS-E0803");
    assert_eq!(late.lines()[0]["outcome"], "timeout");
    assert!(silent.wait().expect("our own child").success());
}

/// The stages of a trace; its steps must follow each other and add up to the whole.
fn stages(traced: &Value) -> Vec<&str> {
    let number = |value: &Value| value.as_f64().expect("a number");
    let mut end_us = 0.0;
    let steps = traced["steps"].as_array().expect("a list");
    for step in steps {
        assert!((number(&step["begin_us"]) - end_us).abs() < 0.1, "{traced}");
        end_us += number(&step["took_us"]);
    }
    assert!((number(&traced["total_us"]) - end_us).abs() < 0.1, "{traced}");
    steps.iter().map(|step| step["stage"].as_str().expect("text")).collect()
}

#[test]
fn a_trace_shows_where_the_time_of_one_message_went() {
    let node = Node::start();
    node.run(&["topic", "create", TOPIC]).done();
    node.run(&["topic", "create", SERVICE, "--kind", "service"]).done();
    let publish = node.run(&["trace", TOPIC, "hello", "-o", "json"]).done().json();
    assert_eq!(stages(&publish), ["client", "ingress", "deliver", "gather", "flush", "network"]);
    assert_eq!((&publish["outcome"], &publish["offset"]), (&json!("accepted"), &json!(0)));
    let many = node.run(&["trace", TOPIC, "hello", "--count", "3", "-o", "jsonl"]).done().lines();
    assert_eq!(many.len(), 3);
    assert_eq!(stages(&many[2]), stages(&publish));
    let table = node.run(&["trace", TOPIC, "--count", "3"]).done().out;
    assert!(table.contains("MEDIAN us") && table.contains("write and fdatasync"), "{table}");

    let nobody = node.run(&["trace", SERVICE, "-o", "jsonl"]);
    nobody.refused(1, "BUS-E0501");
    assert_eq!(stages(&nobody.lines()[0]), ["client", "ingress", "queue", "network"]);
    let mut reply = node.command(&["reply", SERVICE, "--echo", "--count", "1"]);
    let mut reply = reply.stdout(Stdio::null()).spawn().expect("the program can be run");
    let asked = asked_until_served(&node, &["trace", SERVICE, "--timeout", "20s", "-o", "json"]);
    let asked = asked.json();
    let replied = ["client", "ingress", "deliver", "queue", "service", "reply", "network"];
    // A reply may overtake the word from the queue's shard: then its stages are in `service`.
    let told = stages(&asked);
    assert!(told == replied || told == ["client", "ingress", "service", "reply", "network"]);
    assert_eq!((&asked["kind"], &asked["reply_bytes"]), (&json!("request"), &json!(5)));
    assert!(reply.wait().expect("our own child").success());
    node.run(&["trace", "no-such-topic"]).refused(1, "BUS-E0201");
}

#[test]
fn a_trace_without_an_answer_tells_what_is_known() {
    let node = Node::start();
    node.run(&["topic", "create", SERVICE, "--kind", "service"]).done();
    let mut silent = node.command(&["reply", SERVICE, "--exec", "false", "--count", "1"]);
    let mut silent = silent.stderr(Stdio::null()).stdout(Stdio::null()).spawn().expect("runs");
    let late = loop {
        let traced = node.run(&["trace", SERVICE, "--timeout", "300ms", "-o", "jsonl"]);
        if !traced.err.contains("BUS-E0501") {
            break traced;
        }
    };
    late.refused(3, "BUS-E0803");
    let traced = &late.lines()[0];
    assert_eq!(traced["outcome"], "timeout");
    let told = stages(traced);
    assert_eq!(told, ["client", "ingress", "deliver", "queue", "service", "network"]);
    assert!(silent.wait().expect("our own child").success());
}

#[test]
fn what_was_acknowledged_is_there_after_a_kill_and_after_a_clean_end() {
    let node = Node::start();
    node.run(&["topic", "create", TOPIC, "--queues", "3"]).done();
    let publish = ["pub", TOPIC, "--count", "300", "--size", "64", "-o", "jsonl"];
    assert_eq!(node.run(&publish).done().lines().len(), 300);
    let node = Node::start_with(node.kill(), &[], &[]);
    assert_eq!(node.run(&publish).done().lines().len(), 300);
    let (code, data) = node.terminate();
    assert_eq!(code, Some(0));
    let path = data.path().to_str().expect("text").to_owned();
    for depth in [
        &["inspect", &path, "-o", "json"][..],
        &["inspect", &path, "--verify", "--batches", "-o", "json"],
    ] {
        let report = run(depth).done().json();
        assert_eq!(report["damaged"], 0);
        let records = |queue: &Value| queue["end"].as_u64().unwrap_or_default();
        let total: u64 = report["queues"].as_array().expect("a list").iter().map(records).sum();
        assert_eq!(total, 600);
    }
    run(&["dev", "--data", &path, "--shards", "3", "--listen", "127.0.0.1:0"])
        .refused(1, "BUS-E0708");
    let node = Node::start_with(data, &[], &[]);
    let all = ["sub", TOPIC, "--group", "g", "--count", "600", "--for", "30s", "-o", "jsonl"];
    assert_eq!(node.run(&all).done().lines().len(), 600);
    run(&["inspect", node.path().to_str().expect("text")]).refused(1, "BUS-E0707");
}

#[test]
fn a_server_runs_from_its_file_until_it_is_told_to_end() {
    let data = TempDir::new().expect("a temporary directory");
    let file = data.path().join("node.toml");
    let path = data.path().join("data");
    std::fs::write(&file, format!("listen = \"127.0.0.1:0\"\ndata = {path:?}\nshards = 2\n"))
        .expect("a file");
    let mut command = program();
    command.args(["server", "-o", "jsonl", "--config"]).arg(&file);
    let node = Node::launch(command, data);
    assert_eq!(node.run(&["stats", "-o", "json"]).done().json()["shards"], 2);
    assert_eq!(node.terminate().0, Some(0));
}

#[test]
fn a_killed_node_starts_again_on_its_address_at_once() {
    let node = Node::start();
    node.run(&["topic", "create", TOPIC]).done();
    let listen = node.listen.clone();
    let mut node = Node::start_with(node.kill(), &["--listen", &listen], &[]);
    for _ in 0..3 {
        node = Node::start_with(node.kill(), &["--listen", &listen], &[]);
    }
    assert_eq!(node.run(&["topic", "list", "-o", "jsonl"]).done().lines().len(), 1);
}

#[test]
fn a_machine_that_lacks_something_ends_with_69() {
    let data = TempDir::new().expect("a temporary directory");
    let few = "ulimit -n 32; exec \"$0\" dev --listen 127.0.0.1:0 --data \"$1\"";
    let mut command = std::process::Command::new("sh");
    command.args(["-c", few, env!("CARGO_BIN_EXE_defibus")]).arg(data.path());
    ended(&mut command).refused(69, "BUS-E070C");
}

#[test]
fn another_protocol_is_answered_in_words() {
    let node = Node::start();
    let answer = Node::answer_to(&node.listen, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.contains("BUS-E0101"), "{answer}");
    let header = FrameHeader {
        version: wire::header::VERSION,
        kind: wire::Kind::Hello as u8,
        flags: 0,
        body_bytes: u32::MAX,
        section_bytes: u32::MAX,
        request_id: 1,
    };
    Node::answer_to(&node.listen, &header.encode());
    // The connection was closed, and nobody else noticed.
    node.run(&["topic", "list"]).done();
    run(&["topic", "list", "--server", "127.0.0.1:1"]).refused(1, "BUS-E0801");
    node.run(&["topic", "describe", "nowhere"]).refused(1, "BUS-E0201");
    node.run(&["pub", "nowhere", "x"]).refused(1, "BUS-E0201");
    node.run(&["sub", "nowhere", "--group", "g"]).refused(1, "BUS-E0201");
    node.run(&["topic", "create", "q", "--level", "quorum"]).refused(1, "BUS-E0206");
}

#[test]
fn health_and_metrics_are_served() {
    let node = Node::start();
    node.run(&["topic", "create", TOPIC]).done();
    node.run(&["pub", TOPIC, "x", "-q"]).done();
    for path in ["/livez", "/readyz"] {
        assert_eq!(Node::get(&node.admin, path), ("HTTP/1.1 200 OK".to_owned(), "ok\n".to_owned()));
    }
    let (_, metrics) = Node::get(&node.admin, "/metrics");
    let sample = |start: &str| metrics.lines().any(|line| line.starts_with(start));
    assert!(
        sample("defibus_publish_ack_seconds_bucket{shard=\"0\",level=\"durable\",le="),
        "{metrics}"
    );
    assert!(sample("defibus_publish_records_total{shard=\"1\"} "), "{metrics}");
    assert!(sample("# TYPE defibus_fsync_seconds histogram"), "{metrics}");
    assert!(Node::get(&node.admin, "/other").0.contains("404"));
}

#[test]
fn a_directory_an_address_and_a_port_belong_to_one_node() {
    let node = Node::start();
    let data = node.path().to_str().expect("text").to_owned();
    run(&["dev", "--data", &data, "--listen", "127.0.0.1:0"]).refused(1, "BUS-E0707");
    let other = TempDir::new().expect("a temporary directory");
    let path = other.path().to_str().expect("text");
    run(&["dev", "--data", path, "--listen", &node.listen]).refused(1, "BUS-E0704");
    let admin = ["dev", "--data", path, "--listen", "127.0.0.1:0", "--admin", &node.admin];
    run(&admin).refused(1, "BUS-E0704");
    run(&["dev", "--data", path, "--listen", "0.0.0.0:0"]).refused(1, "BUS-E0705");
}

#[test]
fn a_shard_of_another_node_is_refused() {
    let (_, own) = Node::start().terminate();
    let (_, other) = Node::start().terminate();
    let shard = |data: &TempDir| data.path().join("shard-1");
    std::fs::remove_dir_all(shard(&own)).expect("removed");
    std::fs::rename(shard(&other), shard(&own)).expect("moved");
    let path = own.path().to_str().expect("text");
    run(&["dev", "--data", path, "--listen", "127.0.0.1:0"]).refused(1, "BUS-E0708");
}

#[test]
fn a_log_at_its_limit_forgets_the_oldest_and_says_so() {
    let environment = [
        ("DEFIBUS__STORAGE__SEGMENT_BYTES", "4194304"),
        ("DEFIBUS__STORAGE__LIMIT_BYTES", "16777216"),
    ];
    let data = TempDir::new().expect("a temporary directory");
    let node = Node::start_with(data, &["--shards", "1"], &environment);
    node.run(&["topic", "create", TOPIC]).done();
    node.run(&["pub", TOPIC, "first", "-q"]).done();
    let one = ["sub", TOPIC, "--group", "g", "--count", "1", "--for", "20s", "-o", "jsonl"];
    assert_eq!(node.run(&one).done().lines()[0]["offset"], 0);
    // Publishing may be refused while the oldest is being removed, but not for long.
    let fill = ["pub", TOPIC, "--count", "2000", "--size", "1KiB", "-o", "json"];
    let start = || {
        let described = node.run(&["topic", "describe", TOPIC, "-o", "json"]).done().json();
        described["queue_list"][0]["start"].as_u64().expect("a number")
    };
    while start() <= 1 {
        let filled = node.run(&fill);
        assert!(filled.code == Some(0) || filled.err.contains("BUS-E0302"), "{}", filled.err);
    }
    let behind = node.run(&one).done();
    let offset = behind.lines()[0]["offset"].as_u64().expect("a number");
    assert!(offset > 1, "what was forgotten does not come");
    let gap = format!("offsets 1 to {offset} never come (Retention)");
    assert!(behind.err.contains(&gap), "{gap}: {}", behind.err);
}

#[test]
fn configurations_are_checked_with_line_and_nearest_name() {
    let directory = TempDir::new().expect("a temporary directory");
    let file = directory.path().join("node.toml");
    let path = file.to_str().expect("text");
    let check = |text: &str, environment: &[(&str, &str)]| {
        std::fs::write(&file, text).expect("a file");
        ended(
            program()
                .args(["config", "check", path, "-o", "json"])
                .envs(environment.iter().copied()),
        )
    };
    assert_eq!(check("shards = 2\n", &[]).done().json()["usable"], true);
    let unknown = check("shards = 2\n[limits]\nconections = 1\n", &[]);
    unknown.refused(1, "BUS-E0706");
    assert!(
        unknown
            .err
            .contains(":3: unknown key 'limits.conections'; did you mean 'limits.connections'?")
    );
    check("shards = \"two\"\n", &[]).refused(1, "BUS-E0706");
    check("[limits]\nreceive_buffers = 3\n", &[]).refused(1, "BUS-E0706");
    check("", &[("DEFIBUS__SHARDS", "many")]).refused(1, "BUS-E0706");
    std::fs::remove_file(&file).expect("removed");
    run(&["config", "check", path]).refused(1, "BUS-E0805");
    run(&["server", "--config", path]).refused(1, "BUS-E0805");
    std::fs::write(&file, "shards = 3\n").expect("a file");
    let mut show = program();
    show.args(["config", "show", "--config", path, "--origin", "-o", "json"]);
    let shown = ended(show.env("DEFIBUS__NAME", "n")).done().json();
    let origin = |key: &str| {
        let all = shown.as_array().expect("a list");
        all.iter().find(|row| row["key"] == key).map(|row| row["origin"].clone())
    };
    assert_eq!(origin("shards"), Some(json!("file")));
    assert_eq!(origin("name"), Some(json!("env")));
    assert_eq!(origin("listen"), Some(json!("default")));
}

#[test]
fn a_workload_runs_on_a_throw_away_node_and_every_message_is_accounted_for() {
    let folder = TempDir::new().expect("a temporary directory");
    let file = folder.path().join("tiny.yaml");
    let kept = folder.path().join("kept");
    let text = "name: tiny\nwarmupDurationSeconds: 0.1\ntestDurationSeconds: 0.3\nparts:\n  \
         rpc: {kind: request-reply, arrival: closed, inFlight: 4}\n  \
         events: {partitionsPerTopic: 3, producersPerTopic: 2, subscriptionsPerTopic: 2, \
         keyDistributor: RANDOM_NANO, arrival: poisson, \
         producerRate: 500, batch: 8}\n  admin: {kind: admin, producerRate: 50, \
         slowReaders: 4, drippingConnections: 4}\n";
    std::fs::write(&file, text).expect("a file");
    let mut command = program();
    command.args(["bench", "run", "--quick", "--unpinned", "--idle", "block", "-o", "jsonl"]);
    let run = ended(command.arg(&file).arg("--dir").arg(folder.path()).arg("--keep").arg(&kept));
    let lines = run.done().lines();
    let journeys: Vec<&str> = lines.iter().filter_map(|line| line["journey"].as_str()).collect();
    let expected =
        ["request-to-outcome", "publish-to-ack", "publish-to-delivery", "request-to-outcome"];
    assert_eq!(journeys, expected);
    assert!(lines.iter().all(|line| line["count"].as_u64() > Some(0)), "{lines:?}");
    // A busy machine may well make it invalid, but no message may be missing.
    for result in ::bench::result::find(&kept).expect("kept results") {
        let counts = result.counts;
        assert!(counts.is_clean() && counts.failed == 0 && counts.sent > 0, "{result:?}");
        assert_ne!(result.observed["hostileOpen"], "0", "some are there from the beginning");
        let told = result.validity.reasons().join("; ");
        assert!(!told.contains("no answer") && !told.contains("another body"), "{told}");
    }
    let left = std::fs::read_dir(folder.path()).expect("listed").count();
    assert_eq!(left, 2, "the workload and the results; the node's directory is gone");
}

#[test]
fn what_is_no_workload_is_refused_before_anything_runs() {
    run(&["bench", "list", "-o", "json"]).done();
    run(&["bench", "run", "smokey"]).refused(2, "BUS-E0804");
    let folder = TempDir::new().expect("a temporary directory");
    let file = folder.path().join("w.yaml");
    std::fs::write(&file, "name: w\nmesageSize: 5\n").expect("a file");
    let told = run(&["bench", "run", "smoke", file.to_str().expect("text")]);
    told.refused(2, "BUS-E0804");
    assert!(told.err.contains(":2: unknown key 'mesageSize'; did you mean 'messageSize'?"));
    // A node that is not there, and one that has no such level.
    std::fs::write(&file, "name: w\nlevel: quorum\nproducerRate: 1\n").expect("a file");
    let path = file.to_str().expect("text");
    let dir = folder.path().to_str().expect("text");
    let nowhere = ["bench", "run", path, "--quick", "--dir", dir, "--server", "127.0.0.1:1"];
    run(&nowhere).refused(1, "BUS-E0801");
    run(&["bench", "run", path, "--quick", "--dir", dir]).refused(1, "BUS-E0206");
}

#[test]
fn the_demonstration_keeps_its_promises() {
    let ended = run(&["demo", "--events", "2000", "--requests", "300", "-o", "json"]).done();
    let report = ended.json();
    let counts = |key: &str| report[key].as_u64();
    assert_eq!(
        (counts("lost"), counts("duplicated"), counts("disordered")),
        (Some(0), Some(0), Some(0))
    );
    let traffic = report["traffic"].as_array().expect("a list");
    let count = |row: &Value| row["count"].as_u64().unwrap_or_default();
    assert_eq!(traffic.iter().map(count).collect::<Vec<_>>(), [2000, 2000, 2000, 300]);
    let data = report["data"].as_str().expect("text");
    assert!(!std::path::Path::new(data).exists(), "the directory is gone");
}
