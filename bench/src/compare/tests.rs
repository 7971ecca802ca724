//! Compare: a slower side is found, an equal one is not, and what cannot be compared is refused.

use super::*;
use crate::sample;

/// `count` runs whose latencies scatter by a few percent around `middle_us`.
fn runs(workload: &str, level: Level, middle_us: u64, count: u32) -> Vec<RunResult> {
    let run = |repetition: u32| {
        let scatter = u64::from(repetition * 7 % 5);
        let us = middle_us * (98 + scatter) / 100;
        let mut run = sample::run(workload, level, us);
        run.repetition = repetition;
        run.cpu.server_s = Some(1.0 + f64::from(repetition % 3) / 100.0);
        run
    };
    (1..=count).map(run).collect()
}

fn verdicts(comparison: &Comparison) -> Vec<(&str, Verdict)> {
    comparison.lines.iter().map(|line| (line.figure.as_str(), line.verdict)).collect()
}

#[test]
fn a_slower_side_is_worse_and_a_faster_one_better() {
    let (old, new) = (runs("a", Level::Durable, 1000, 5), runs("a", Level::Durable, 1300, 5));
    let slower = compare(&old, &new, 0.05).expect("comparable");
    let expected = [
        ("publish-to-ack p50", Verdict::Worse),
        ("publish-to-ack p99", Verdict::Worse),
        ("publish-to-delivery p50", Verdict::Worse),
        ("publish-to-delivery p99", Verdict::Worse),
        ("throughput", Verdict::Same),
        ("server CPU per message", Verdict::Same),
    ];
    assert_eq!(verdicts(&slower), expected);
    assert!((slower.lines[0].ratio.ratio - 1.3).abs() < 0.02);
    let faster = compare(&new, &old, 0.05).expect("comparable");
    assert_eq!(faster.count(Verdict::Better), 4);
    assert_eq!(faster.count(Verdict::Worse), 0);
}

#[test]
fn the_same_runs_are_the_same_whatever_their_order() {
    let one = runs("a", Level::Durable, 1000, 7);
    let mut two = one.clone();
    two.reverse();
    let comparison = compare(&one, &two, 0.05).expect("comparable");
    assert_eq!(comparison.count(Verdict::Same), comparison.lines.len());
    assert!(comparison.notices.is_empty(), "{:?}", comparison.notices);
}

#[test]
fn a_difference_below_the_threshold_is_none() {
    let (old, new) = (runs("a", Level::Durable, 1000, 5), runs("a", Level::Durable, 1300, 5));
    let comparison = compare(&old, &new, 0.5).expect("comparable");
    assert_eq!(comparison.count(Verdict::Worse), 0);
}

#[test]
fn few_runs_allow_no_verdict_however_far_apart() {
    let (old, new) = (runs("a", Level::Durable, 1000, 4), runs("a", Level::Durable, 9000, 5));
    let comparison = compare(&old, &new, 0.05).expect("comparable");
    assert_eq!(comparison.count(Verdict::TooFewRuns), comparison.lines.len());
    let mut with_invalid = runs("a", Level::Durable, 1000, 5);
    with_invalid[0].validity.doubt("the load fell behind");
    let comparison = compare(&with_invalid, &new, 0.05).expect("comparable");
    assert_eq!(comparison.count(Verdict::TooFewRuns), comparison.lines.len());
    assert_eq!(comparison.notices, ["1 invalid runs of the first side are left out"]);
}

#[test]
fn different_levels_and_works_are_refused_in_sentences() {
    let check = |first: &[RunResult], second: &[RunResult], words: &[&str]| {
        let told = compare(first, second, 0.05).expect_err("refused").to_string();
        for word in words {
            assert!(told.contains(word), "{word}: {told}");
        }
    };
    let durable = runs("a", Level::Durable, 1000, 1);
    check(
        &durable,
        &runs("a", Level::Memory, 10, 1),
        &["workload a", "level durable", "level memory"],
    );
    check(
        &durable,
        &runs("b", Level::Durable, 1000, 1),
        &["different workloads", "has a,", "second b"],
    );
    let mut larger = durable.clone();
    larger[0].workload.message_bytes = 1024;
    check(&durable, &larger, &["256 B", "1024 B"]);
    let mut peers = [durable.clone(), durable.clone()].concat();
    peers[0].driver = sample::driver("redis", Level::Durable);
    peers[1].driver = sample::driver("nats", Level::Durable);
    check(&durable, &peers, &["which bus", "redis, nats"]);
    assert!(compare(&durable, &peers[..1], 0.05).is_ok(), "one bus beside another");
}

#[test]
fn what_stands_on_one_side_only_and_other_machines_are_told() {
    let first = [runs("a", Level::Durable, 1000, 5), runs("b", Level::Durable, 1000, 1)].concat();
    let mut second = [runs("a", Level::Durable, 1000, 5), runs("c", Level::Memory, 10, 1)].concat();
    second[0].host.kernel = "5.15.0".to_owned();
    second[1].build.profile = "dev".to_owned();
    let notices = compare(&first, &second, 0.05).expect("a is common").notices.join("\n");
    for told in
        ["b is only on the first", "c is only on the second", "different machines", "5.15.0"]
    {
        assert!(notices.contains(told), "{told}: {notices}");
    }
    assert!(notices.contains("release and dev"), "{notices}");
}
