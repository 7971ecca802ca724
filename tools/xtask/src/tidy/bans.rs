//! Bans: what the code of a place may not name, law by law.
//!
//! Clippy guards the same laws by type (`clippy.toml`); this guards them by
//! word, so that an `#[allow]` cannot lift them.

use super::Finding;
use super::source::Source;

/// Words that the code of some places may not name.
struct Ban {
    /// Why.
    law: &'static str,
    /// Matched as whole words; a trailing `*` matches any ending.
    words: &'static [&'static str],
    /// Where the ban holds.
    holds: fn(&Source) -> bool,
}

const BANS: &[Ban] = &[
    Ban {
        law: "law 1: only the machine does IO, reads a clock, starts a thread",
        words: &[
            "std::fs",
            "fs::",
            "std::net",
            "std::thread",
            "thread::",
            "std::process",
            "File::",
            "OpenOptions",
            "TcpStream",
            "TcpListener",
            "UdpSocket",
            "Instant",
            "SystemTime",
            "io_uring",
            "libc",
            "tokio",
            "stdin",
            "println",
            "eprintln",
        ],
        holds: in_pure_code,
    },
    Ban {
        law: "law 2: unsafe only in shard/src/sys and generated code",
        words: &["unsafe"],
        holds: |source| !source.path.starts_with("shard/src/sys/"),
    },
    Ban {
        law: "law 4: shards share nothing",
        words: &[
            "Arc",
            "Mutex",
            "RwLock",
            "Condvar",
            "Atomic*",
            "OnceLock",
            "LazyLock",
            "thread_local",
            "static mut",
        ],
        holds: in_pure_code,
    },
    Ban {
        law: "law 9: same seed, same bytes",
        words: &["HashMap", "HashSet", "RandomState", "thread_rng", "getrandom", "rand"],
        holds: in_pure_code,
    },
    Ban {
        law: "tools look at the machine, they do not drive it",
        words: &["shard::drive*", "shard::sys*"],
        holds: |source| source.path.starts_with("tools/src/"),
    },
    Ban {
        law: "no test is left out",
        words: &["ignore]", "ignore ="],
        holds: |source| !source.path.starts_with("tools/xtask/"),
    },
];

/// What must run the same under the simulator: the pillars without IO, and the broker.
fn in_pure_code(source: &Source) -> bool {
    let places = ["storage/src/", "routing/src/", "flatbuffers/src/", "src/broker/"];
    places.iter().any(|place| source.path.starts_with(place)) && !source.is_test()
}

/// Every line that names a banned word in a place it is banned from.
pub fn check(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| source.is_rust() && !source.is_generated()) {
        let bans: Vec<&Ban> = BANS.iter().filter(|ban| (ban.holds)(source)).collect();
        let code = if in_pure_code(source) { source.product_code() } else { source.code() };
        for (index, line) in code.lines().enumerate() {
            for ban in &bans {
                if let Some(word) = ban.words.iter().find(|word| names(line, word)) {
                    let what = format!("`{word}`: {}", ban.law);
                    findings.push(Finding::at(&source.path, index + 1, what));
                }
            }
        }
    }
    findings
}

/// Whether `line` has `word` as a whole word.
fn names(line: &str, word: &str) -> bool {
    let (word, any_ending) = match word.strip_suffix('*') {
        Some(stem) => (stem, true),
        None => (word, false),
    };
    let joins = |character: char| character.is_alphanumeric() || character == '_';
    line.match_indices(word).any(|(position, _)| {
        let before = line[..position].chars().next_back();
        let after = line[position + word.len()..].chars().next();
        let ends = any_ending || word.ends_with([':', ']', '=']) || !after.is_some_and(joins);
        !before.is_some_and(joins) && ends
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_matched_whole() {
        assert!(names("use std::sync::Arc;", "Arc"));
        assert!(!names("let Archive = 1;", "Arc"));
        assert!(names("AtomicU64::new(0)", "Atomic*"));
        assert!(!names("#![forbid(unsafe_code)]", "unsafe"));
        assert!(names("unsafe { read() }", "unsafe"));
        assert!(!names("prefs::load()", "fs::"));
        assert!(names("fs::read(path)", "fs::"));
    }
}
