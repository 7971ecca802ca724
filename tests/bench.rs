//! Bench: what `defibus bench compare` and `bench report` do with results, and what they say of wrong ones.

#[path = "cli/node.rs"]
#[expect(dead_code, reason = "a part of what the tests of the command line need")]
mod node;

use node::{Ended, run};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A result of the model's golden file.
fn golden() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench/tests/golden/run.json");
    std::fs::read_to_string(path).expect("committed").parse().expect("JSON")
}

/// A folder with `count` runs; `change` makes each what it shall be.
fn results(folder: &TempDir, name: &str, count: u64, change: impl Fn(&mut Value, u64)) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::create_dir_all(&path).expect("a folder");
    for number in 1..=count {
        let mut run = golden();
        run["defibus"]["repetition"] = json!(number);
        change(&mut run["defibus"], number);
        std::fs::write(path.join(format!("{number}.json")), run.to_string()).expect("a file");
    }
    path
}

/// Server CPU, the figure that is easiest to write by hand: around `seconds`.
fn cpu(seconds: f64) -> impl Fn(&mut Value, u64) {
    move |run, number| {
        let scatter = [0.99, 1.0, 1.01][usize::try_from(number % 3).expect("small")];
        run["cpu"]["server_s"] = json!(seconds * scatter);
    }
}

fn bench(arguments: &[&str]) -> Ended {
    run(&[&["bench"], arguments].concat())
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

#[test]
fn a_regression_ends_with_1_and_names_the_figure() {
    let folder = TempDir::new().expect("a folder");
    let old = results(&folder, "old", 5, cpu(1.0));
    let new = results(&folder, "new", 5, cpu(1.3));
    let ended = bench(&["compare", text(&old), text(&new), "-o", "json"]);
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    let lines = ended.json();
    let verdict = |figure: &str| {
        let all = lines.as_array().expect("a list");
        all.iter().find(|line| line["figure"] == figure).expect("compared")["verdict"].clone()
    };
    assert_eq!(verdict("server CPU per message"), "worse");
    assert_eq!(verdict("publish-to-ack p50"), "same");
    assert!(ended.err.contains("1 worse"), "{}", ended.err);
    let table = bench(&["compare", text(&old), text(&new)]);
    assert!(table.out.contains("WORSE") && table.out.contains("41.7 µs"), "{}", table.out);
    // The other way round it is better, and with a higher threshold it is nothing.
    bench(&["compare", text(&new), text(&old)]).done();
    bench(&["compare", text(&old), text(&new), "--threshold", "50"]).done();
    bench(&["compare", text(&old), text(&old), "--strict"]).done();
}

#[test]
fn too_few_runs_are_no_verdict_and_strict_says_so() {
    let folder = TempDir::new().expect("a folder");
    let (old, new) = (results(&folder, "old", 2, cpu(1.0)), results(&folder, "new", 2, cpu(9.0)));
    let ended = bench(&["compare", text(&old), text(&new)]).done();
    assert!(ended.out.contains("too few runs"), "{}", ended.out);
    assert_eq!(bench(&["compare", text(&old), text(&new), "--strict"]).code, Some(1));
}

#[test]
fn what_cannot_be_compared_is_refused_in_sentences() {
    let folder = TempDir::new().expect("a folder");
    let old = results(&folder, "old", 1, |_, _| {});
    let check = |name: &str, change: fn(&mut Value, u64), words: &str| {
        let other = results(&folder, name, 1, change);
        let refused = bench(&["compare", text(&old), text(&other)]);
        refused.refused(2, "BUS-E0804");
        assert!(refused.err.contains(words), "{words}: {}", refused.err);
    };
    check("level", |run, _| run["driver"]["level"] = json!("memory"), "level durable");
    check("work", |run, _| run["workload"]["name"] = json!("other"), "different workloads");
    check("size", |run, _| run["workload"]["message_bytes"] = json!(64), "64 B");
    let elsewhere = results(&folder, "host", 1, |run, _| run["host"]["kernel"] = json!("5.1"));
    let warned = bench(&["compare", text(&old), text(&elsewhere)]).done();
    assert!(warned.err.contains("different machines"), "{}", warned.err);
    let nothing = folder.path().join("nothing");
    bench(&["compare", text(&old), text(&nothing)]).refused(1, "BUS-E0805");
    bench(&["compare", text(&old), text(&old), "--threshold", "few"]).refused(2, "BUS-E0804");
}

#[test]
fn a_report_is_made_again_from_results() {
    let folder = TempDir::new().expect("a folder");
    let results = results(&folder, "results", 3, |run, number| {
        if number == 3 {
            run["validity"] = json!({"valid": false, "reasons": ["the load fell behind"]});
        }
    });
    let charts = folder.path().join("charts");
    let ended = bench(&["report", text(&results), "--charts", text(&charts), "-o", "json"]).done();
    let written = ended.json();
    assert_eq!((&written["runs"], &written["invalid"]), (&json!(3), &json!(1)));
    assert!(ended.err.contains("1 of 3 runs are INVALID"), "{}", ended.err);
    let page = std::fs::read_to_string(results.join("report.html")).expect("written");
    assert!(page.contains("the load fell behind") && page.ends_with("</html>\n"));
    let pictures = std::fs::read_dir(&charts).expect("written").count();
    assert_eq!(written["files"].as_array().map(Vec::len), Some(pictures + 1));
    assert!(pictures >= 5, "{pictures}");
    let (out, hdr) = (folder.path().join("deep/page.html"), folder.path().join("hdr"));
    let one = results.join("1.json");
    bench(&["report", text(&one), "--out", text(&out), "--hdr", text(&hdr)]).done();
    assert!(out.exists() && hdr.join("latency-2k-defibus-durable-1.publish-to-ack.hgrm").exists());
    let log = std::fs::read_to_string(hdr.join("latency-2k-defibus-durable-1.hlog"));
    assert_eq!(log.expect("written").matches("\nTag=publish-to-ack,").count(), 12, "one a second");
}

#[test]
fn a_page_without_a_block_and_a_folder_without_results_are_told() {
    let folder = TempDir::new().expect("a folder");
    let results = results(&folder, "results", 1, |_, _| {});
    let page = folder.path().join("page.md");
    std::fs::write(&page, "# No block\n").expect("a file");
    let refused = bench(&["report", text(&results), "--figures", text(&page)]);
    refused.refused(2, "BUS-E0804");
    assert!(refused.err.contains("no block of figures"), "{}", refused.err);
    std::fs::write(&page, "<!-- figures: begin latency-2k -->\n<!-- figures: end -->\n")
        .expect("a file");
    bench(&["report", text(&results), "--figures", text(&page)]).done();
    let filled = std::fs::read_to_string(&page).expect("written");
    assert!(filled.contains("| latency-2k | `durable` |"), "{filled}");
    assert!(folder.path().join("docs/figures/latency-2k-durable-publish-to-ack.svg").exists());
    let empty = TempDir::new().expect("a folder");
    let refused = bench(&["report", text(empty.path())]);
    refused.refused(1, "BUS-E0805");
    assert!(refused.err.contains("no results in this folder"), "{}", refused.err);
    std::fs::write(empty.path().join("x.json"), "{\"workload\": \"of another tool\"}")
        .expect("a file");
    let refused = bench(&["report", text(empty.path())]);
    assert!(refused.err.contains("the key \"defibus\" is missing"), "{}", refused.err);
}
