//! Report: the page is well formed, needs nothing from outside, and hides nothing that is wrong.

use super::*;
use crate::result::{Journey, Level, RunResult};
use crate::sample;

fn runs() -> Vec<RunResult> {
    let mut peer = sample::run("latency-2k", Level::Durable, 300);
    peer.driver = sample::driver("nats-jetstream", Level::Durable);
    let mut runs = vec![peer, sample::run("latency-2k", Level::Memory, 20)];
    for repetition in 1..=3 {
        let us = 150 + u64::from(repetition) * 5;
        runs.push(RunResult { repetition, ..sample::run("latency-2k", Level::Durable, us) });
    }
    runs
}

/// Elements are closed in the order they were opened, and attributes have quotes.
fn well_formed(text: &str) {
    let mut open: Vec<&str> = Vec::new();
    let text = text.strip_prefix("<!DOCTYPE html>\n").unwrap_or(text);
    for piece in text.split('<').skip(1) {
        let (tag, words) = piece.split_once('>').expect("a tag ends");
        assert!(!words.contains('>'), "a bare '>' in {piece}");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "</{name}> closes nothing");
        } else if !tag.ends_with('/') {
            open.push(tag.split(' ').next().expect("a name"));
            assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        }
    }
    assert_eq!(open, [""; 0], "left open");
}

/// Nothing that a browser would fetch or run.
fn self_contained(text: &str) {
    let text = &text.replace("href=\"#", "a place of the same page");
    for outside in ["<script", "<link", "<img", "<iframe", "src=", "href=", "url(", "@import"] {
        assert!(!text.contains(outside), "{outside}");
    }
    let addresses = text.replace("http://www.w3.org/2000/svg", "");
    assert!(!addresses.contains("http://") && !addresses.contains("https://"), "an address");
}

#[test]
fn a_page_is_well_formed_and_needs_nothing_else() {
    let page = page(&runs());
    well_formed(&page);
    self_contained(&page);
    for told in ["AMD EPYC 9005", "0123456789ab", "floor: tcp echo", "vda, ext4", "kvm", "2000/s"] {
        assert!(page.contains(told), "{told}");
    }
}

#[test]
fn the_checks_of_these_tests_can_fail() {
    let fails = |check: fn(&str), text: &'static str| {
        assert!(std::panic::catch_unwind(|| check(text)).is_err(), "{text}");
    };
    fails(well_formed, "<p><b></p></b>");
    fails(well_formed, "<p>");
    fails(self_contained, "<img src=\"x.png\"/>");
    fails(self_contained, "<p>https://example.org</p>");
}

#[test]
fn levels_have_sections_of_their_own() {
    let page = page(&runs());
    assert_eq!(page.matches("<section id=\"g").count(), 2);
    assert!(page.contains("level durable") && page.contains("level memory"));
}

#[test]
fn an_invalid_run_is_marked_loudly_and_counts_for_nothing() {
    let mut all = runs();
    let before = page(&all);
    assert!(!before.contains("INVALID"));
    let mut wrong = sample::run("latency-2k", Level::Durable, 9000);
    wrong.repetition = 4;
    wrong.validity.doubt("the load was 40 ms behind <its> schedule");
    all.push(wrong);
    let after = page(&all);
    well_formed(&after);
    assert!(after.contains("1 of 6 runs are INVALID"));
    assert!(after.contains("40 ms behind &lt;its&gt; schedule"));
    assert!(after.contains("3 valid of 4"));
    let medians = |page: &str| page.matches("<td class=\"number\">166 µs").count();
    assert_eq!(medians(&before), medians(&after), "the median is of the valid ones");
    assert!(medians(&after) > 0);
}

#[test]
fn a_curve_ends_where_samples_do() {
    let width = |count: u64| {
        let mut run = sample::run("a", Level::Memory, 20);
        run.floors = crate::result::Floors::default();
        run.latencies = [(Journey::PublishToAck, sample::spread(20, count))].into();
        let runs = [run];
        let drawing = charts::percentiles(&groups(&runs)[0], Journey::PublishToAck);
        drawing.map(|drawing| drawing.inline().matches('L').count())
    };
    assert_eq!(width(100), None, "not even the fastest can be told");
    let (some, more) = (width(2000).expect("drawn"), width(20_000).expect("drawn"));
    assert_eq!(more - some, 24, "ten times the samples, one more tenfold");
}

#[test]
fn pictures_stand_alone() {
    let runs = runs();
    for group in groups(&runs) {
        let charts = charts(&group);
        let words: Vec<&str> = charts.iter().map(|chart| chart.word.as_str()).collect();
        for word in ["publish-to-ack-percentiles", "throughput-over-time", "cpu", "stages-0"] {
            assert!(words.contains(&word), "{word} of {words:?}");
        }
        for chart in &charts {
            let picture = chart.drawing.standalone();
            well_formed(&picture);
            self_contained(&picture);
        }
    }
}

#[test]
fn a_run_that_measured_nothing_is_still_a_page() {
    let mut run = sample::run("a", Level::Memory, 20);
    run.latencies.clear();
    run.intervals.clear();
    run.stages.clear();
    run.floors = crate::result::Floors::default();
    run.flushes = None;
    run.load.lasted_s = 0.0;
    run.counts.completed = 0;
    let page = page(&[run]);
    well_formed(&page);
    assert!(!page.contains("NaN") && !page.contains("inf"), "{page}");
}
