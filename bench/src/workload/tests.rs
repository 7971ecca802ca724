//! Whole workloads as they are written, and what is said of those that are none.

use super::part::KeyDistributor;
use super::*;

fn parse(text: &str) -> Workload {
    Workload::parse("w.yaml", text).unwrap_or_else(|error| panic!("{error}"))
}

fn refused(text: &str, told: &str) {
    let error = Workload::parse("w.yaml", text).expect_err(text).to_string();
    assert_eq!(error, told);
}

/// In the shape of OpenMessaging Benchmark's own examples.
const OPENMESSAGING: &str = "
name: 1 producer / 1 consumers on 1 topic / 16 partitions

topics: 1
partitionsPerTopic: 16
messageSize: 1024
payloadFile: \"payload/payload-1Kb.data\"
subscriptionsPerTopic: 1
consumerPerSubscription: 2
producersPerTopic: 4

# Discover max-sustainable rate
producerRate: 0

consumerBacklogSizeGB: 0
testDurationMinutes: 15
";

#[test]
fn a_file_of_openmessaging_benchmark_is_a_workload() {
    let workload = parse(OPENMESSAGING);
    assert_eq!(workload.name, "1 producer / 1 consumers on 1 topic / 16 partitions");
    let [case] = workload.cases.as_slice() else { panic!("one case") };
    assert_eq!(case.test, Duration::from_mins(15));
    let [part] = case.parts.as_slice() else { panic!("one part") };
    assert_eq!((part.queues, part.consumers, part.producers, part.groups), (16, 2, 4, 1));
    assert_eq!(part.rate, Rate::Highest);
    assert_eq!(part.bodies.file.as_deref(), Some("payload/payload-1Kb.data"));
    assert_eq!(part.bodies.bytes, 1024);
}

#[test]
fn its_randomised_payloads_keys_and_backlogs_are_taken() {
    let workload = parse(
        "name: backlog\ntopics: 100\npartitionsPerTopic: 3\nmessageSize: 1024\n\
         useRandomizedPayloads: true\nrandomBytesRatio: 0.5\nrandomizedPayloadPoolSize: 1000\n\
         subscriptionsPerTopic: 1\nproducersPerTopic: 1\nconsumerPerSubscription: 1\n\
         producerRate: 100000\nconsumerBacklogSizeGB: 100\nbacklogDrainRatio: 0.99\n\
         keyDistributor: KEY_ROUND_ROBIN\ntestDurationMinutes: 5\nwarmupDurationMinutes: 1\n",
    );
    let part = &workload.cases[0].parts[0];
    assert_eq!(part.bodies.random, Some((0.5, 1000)));
    assert_eq!(part.backlog_bytes, 100_000_000_000);
    assert_eq!(part.keys, KeyDistributor::RoundRobin);
    assert_eq!(part.rate, Rate::Fixed(100_000.0));
    assert_eq!(workload.cases[0].warm_up, Duration::from_mins(1));
}

#[test]
fn lists_multiply_and_cases_name_what_runs_together() {
    let workload = parse(
        "name: x\nmessageSize: [64, 1024]\nproducerRate: 10\nparts:\n  a:\n    kind: request-reply\n  \
         b:\n    batch: [1, 64]\ncases:\n  - a\n  - [a, b]\n",
    );
    let names: Vec<&str> = workload.cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "a messageSize=64",
            "a messageSize=1024",
            "a+b messageSize=64 batch=1",
            "a+b messageSize=64 batch=64",
            "a+b messageSize=1024 batch=1",
            "a+b messageSize=1024 batch=64",
        ]
    );
    let last = &workload.cases[5];
    assert_eq!(
        last.parts.iter().map(|part| part.kind).collect::<Vec<_>>(),
        [Kind::RequestReply, Kind::Publish]
    );
    assert_eq!(last.parts[1].batch, 64);
    assert_eq!(last.parts[0].batch, 1, "another part's key is not its own");
}

#[test]
fn a_part_wins_over_what_stands_beside_the_name() {
    let workload = parse("name: x\nlevel: memory\nparts:\n  a: {level: durable}\n  b: {}\n");
    let levels: Vec<Level> = workload.cases[0].parts.iter().map(|part| part.level).collect();
    assert_eq!(levels, [Level::Durable, Level::Memory]);
}

#[test]
fn what_is_wrong_is_told_with_its_line_and_what_to_write() {
    refused(
        "name: x\nmesageSize: 5\n",
        "w.yaml:2: unknown key 'mesageSize'; did you mean 'messageSize'?",
    );
    refused("name: x\ncolour: red\n", "w.yaml:2: unknown key 'colour'");
    refused(
        "name: x\ntopics: 0\n",
        "w.yaml:2: 'topics' takes a whole number from 1 to 10000, not '0'",
    );
    refused(
        "name: x\nparts:\n  a: {seed: 1}\n",
        "w.yaml:3: 'seed' is about the whole file: it stands beside 'name'",
    );
    refused(
        "name: x\nparts:\n  a: {}\ncases: [[a, b]]\n",
        "w.yaml:4: there is no part 'b', only a",
    );
    refused("topics: 1\n", "w.yaml:1: a workload has a name of 1 to 120 printable bytes");
    refused("just a text", "w.yaml:1: 'key: value' is expected here, not a single value");
    refused("name: x\ntopics: {a: 1}\n", "w.yaml:2: 'topics' takes one value, or a list of values");
    refused("name: [a, b]\n", "w.yaml:1: 'name' takes one value, or a list of values");
}

#[test]
fn choices_that_do_not_go_together_are_refused() {
    refused(
        "name: x\narrival: closed\nproducerRate: 5\n",
        "w.yaml:3: a closed loop sends when answers come: it has no producerRate",
    );
    refused(
        "name: x\nundeliveredMax: 5\n",
        "w.yaml:2: only a closed loop with subscriptions waits for its consumers",
    );
    refused("name: x\nthink: 5ms\n", "w.yaml:2: only 'arrival: closed' thinks between messages");
    refused(
        "name: x\nbatch: 64\ninFlight: 8\n",
        "w.yaml:2: batch 64 can never be full with inFlight 8",
    );
    refused(
        "name: x\nconsumerBacklogSizeGB: 1\n",
        "w.yaml:2: a backlog is read beside a fixed rate: write producerRate",
    );
    refused(
        "name: x\ntopics: 10000\nproducersPerTopic: 100\n",
        "w.yaml:2: 1010000 ends are too many: at most 65536",
    );
    refused(
        "name: x\nuseRandomizedPayloads: true\nmessageSize: 1048576\nrandomizedPayloadPoolSize: 1000\n",
        "w.yaml:4: bodies of 1048576000 bytes are too many: at most 268435456",
    );
    let ten = "[1, 2, 3, 4, 5, 6, 7]";
    refused(
        &format!("name: x\ntopics: {ten}\nproducersPerTopic: {ten}\nbatch: {ten}\n"),
        "w.yaml:1: the lists multiply to more than 256 cases",
    );
}

#[test]
fn every_shipped_workload_is_one_and_says_what_it_is_for() {
    for name in shipped::names() {
        let workload = Workload::named(name).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(workload.name, name);
        assert!(!workload.about.is_empty(), "{name}");
        for case in &workload.cases {
            assert!(case.test <= Duration::from_mins(1), "{name}: a suite has an end");
        }
    }
    let told = Workload::named("smokey").expect_err("none").to_string();
    assert!(told.starts_with("there is no workload 'smokey'; shipped are smoke, "), "{told}");
    let told = Workload::named("no/such.yaml").expect_err("none").to_string();
    assert!(told.starts_with("no/such.yaml: cannot be read: "), "{told}");
}
