//! Shape: how long a file may be, how it begins, and which words it may define.

use super::Finding;
use super::source::Source;

/// Lines a file may have.
const FILE_LINES_MAX: usize = 800;
/// Lines a `lib.rs` or `mod.rs` may have: wiring, and the map of the folder.
const MAP_LINES_MAX: usize = 100;
/// Words in front of the colon of a file's first line.
const NOUN_WORDS_MAX: usize = 8;
/// The cellar: files and lines of `shard/src/sys`.
const CELLAR_FILES_MAX: usize = 6;
const CELLAR_LINES_MAX: usize = 1500;

/// Longer than they should be: how long they may be, and why. A ratchet: lower a number, never raise it.
const LONG_ON_PURPOSE: &[(&str, usize, &str)] = &[
    (
        "client/src/blocking/mod.rs",
        140,
        "the driver's one shared cell, beside the map of its parts",
    ),
    ("src/admin/mod.rs", 160, "one small server"),
    ("src/node/mod.rs", 195, "start-up in its order, told once"),
    ("tools/src/doctor/mod.rs", 120, "the list of checks is the map"),
    ("tools/src/verbs/mod.rs", 130, "the tree of verbs is the map"),
];

/// Words of the glossary's column "not called", where a type of that name can only mean the thing that has a better one.
const WORDS: &[(&str, &str)] = &[
    ("Worker", "Shard"),
    ("Reactor", "Shard"),
    ("Packet", "Frame"),
    ("Partition", "Queue"),
    ("CommitLog", "Log"),
    ("Journal", "Log"),
    ("ConsumeQueue", "QueueIndex"),
    ("HighWatermark", "committed_end"),
    ("Master", "Leader"),
    ("Slave", "Follower"),
    ("RebalanceId", "Generation"),
    ("Prefetch", "Credit"),
    ("CorrelationId", "RequestId"),
    ("Manager", "a noun for what it is responsible for"),
    ("Util", "a noun, or its one user"),
];

/// Names a file, folder or crate may not have.
const DRAWERS: &[&str] = &["utils", "util", "common", "helpers", "misc", "base"];

/// What is out of shape in `sources`.
pub fn check(sources: &[Source]) -> Vec<Finding> {
    let written = sources.iter().filter(|source| source.is_rust() && !source.is_generated());
    let mut findings = Vec::new();
    for source in written {
        findings.extend(size(source));
        findings.extend(first_line(source));
        findings.extend(drawer(source));
        findings.extend(words(source));
    }
    findings.extend(cellar(sources));
    findings
}

fn size(source: &Source) -> Option<Finding> {
    let wires = source.path.ends_with("/lib.rs") || source.path.ends_with("/mod.rs");
    let is_map = wires && !source.is_test();
    let counted = if is_map { source.product_code() } else { source.text.clone() };
    let lines = counted.lines().count();
    let excused = LONG_ON_PURPOSE.iter().find(|(path, ..)| *path == source.path);
    let lines_max = match excused {
        Some((_, lines_max, _)) => *lines_max,
        None if is_map => MAP_LINES_MAX,
        None => FILE_LINES_MAX,
    };
    (lines > lines_max)
        .then(|| Finding::of(&source.path, format!("{lines} lines, {lines_max} are allowed")))
}

/// `//! Noun: what it is responsible for.`; tests may say it in their own way.
fn first_line(source: &Source) -> Option<Finding> {
    let first = source.text.lines().next().unwrap_or_default();
    if source.is_test() && first.starts_with("//! ") {
        return None;
    }
    let told = first.strip_prefix("//! ").and_then(|line| line.split_once(": "));
    let fits = told
        .is_some_and(|(noun, what)| noun.split(' ').count() <= NOUN_WORDS_MAX && what.len() > 8);
    let what = "the first line is `//! Noun: what it is responsible for.`";
    (!fits).then(|| Finding::at(&source.path, 1, what.to_owned()))
}

fn drawer(source: &Source) -> Option<Finding> {
    let drawer = source.path.trim_end_matches(".rs").split('/').find(|part| DRAWERS.contains(part));
    drawer.map(|part| Finding::of(&source.path, format!("`{part}` is a drawer, not a noun")))
}

fn words(source: &Source) -> Vec<Finding> {
    let code = source.code();
    let mut findings = Vec::new();
    for (index, line) in code.lines().enumerate() {
        let Some(name) = defined_name(line) else { continue };
        for (word, better) in WORDS.iter().filter(|(word, _)| has_word(name, word)) {
            let what = format!("`{name}`: not {word}, but {better}");
            findings.push(Finding::at(&source.path, index + 1, what));
        }
    }
    findings
}

/// The name of the type a line defines.
fn defined_name(line: &str) -> Option<&str> {
    let mut words =
        line.split(|character: char| !(character.is_alphanumeric() || character == '_'));
    words.find(|word| matches!(*word, "struct" | "enum" | "trait" | "type" | "union"))?;
    words.find(|word| !word.is_empty())
}

/// Whether the camel-case `name` has `word` as one of its words.
fn has_word(name: &str, word: &str) -> bool {
    name.match_indices(word).any(|(position, _)| {
        let after = name[position + word.len()..].chars().next();
        !after.is_some_and(|character| character.is_lowercase() && character != 's')
    })
}

fn cellar(sources: &[Source]) -> Vec<Finding> {
    let cellar = || sources.iter().filter(|source| source.path.starts_with("shard/src/sys/"));
    let files = cellar().count();
    let lines: usize = cellar().map(|source| source.text.lines().count()).sum();
    let mut findings = Vec::new();
    if files > CELLAR_FILES_MAX {
        let what = format!("{files} files, {CELLAR_FILES_MAX} are allowed");
        findings.push(Finding::of("shard/src/sys", what));
    }
    if lines > CELLAR_LINES_MAX {
        let what = format!("{lines} lines, {CELLAR_LINES_MAX} are allowed");
        findings.push(Finding::of("shard/src/sys", what));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_one(path: &str, text: &str, expected: &[&str]) {
        let found: Vec<String> =
            check(&[Source::new(path, text)]).iter().map(Finding::to_string).collect();
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (finding, expected) in found.iter().zip(expected) {
            assert!(finding.contains(expected), "{finding}");
        }
    }

    #[test]
    fn a_file_that_fits_is_not_found() {
        check_one("a/src/log.rs", "//! Log: batches in order.\nstruct Log;\n", &[]);
    }

    #[test]
    fn long_files_are_found() {
        let long = |lines: usize| format!("//! Log: batches in order.\n{}", "\n".repeat(lines - 1));
        check_one("a/src/log.rs", &long(800), &[]);
        check_one("a/src/log.rs", &long(801), &["801 lines"]);
        check_one("a/src/lib.rs", &long(101), &["101 lines"]);
        check_one("shard/src/sys/a.rs", &long(800), &[]);
    }

    #[test]
    fn a_file_without_its_sentence_is_found() {
        check_one("a/src/log.rs", "use std::fmt;\n", &["first line"]);
        check_one("a/src/log.rs", "//! This module contains various things\n", &["first line"]);
    }

    #[test]
    fn drawers_and_words_are_found() {
        check_one("a/src/utils.rs", "//! Utils: things that fit nowhere.\n", &["drawer"]);
        let named = |name: &str| format!("//! Log: batches in order.\npub struct {name};\n");
        check_one("a/src/log.rs", &named("TopicManager"), &["not Manager"]);
        check_one("a/src/log.rs", &named("PartitionIndex"), &["not Partition"]);
        check_one("a/src/log.rs", &named("Partitioned"), &[]);
    }

    #[test]
    fn a_growing_cellar_is_found() {
        let file = |number: usize| {
            Source::new(&format!("shard/src/sys/f{number}.rs"), "//! Ring: the kernel's queue.\n")
        };
        let seven: Vec<Source> = (0..7).map(file).collect();
        assert_eq!(check(&seven[..6]).len(), 0);
        assert_eq!(check(&seven).len(), 1);
    }
}
