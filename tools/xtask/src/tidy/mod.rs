//! Tidy: the taste of the house as a tested program.
//!
//! | module | checks |
//! |---|---|
//! | `arrows` | which crate names which (law 3) |
//! | `bans` | what the code of a place may not name (laws 1, 2, 4, 9) |
//! | `shape` | sizes of files, their first line, the words of the glossary |
//! | `links` | relative links of the pages |
//! | `error_page` | the page of error codes and the registry |
//! | `counts` | how many crates each product pulls in |
//! | `source` | the files, and their code without comments and strings |
//!
//! Each check is a function from values to findings, so that `tests/laws.rs`
//! can show it a broken sample.

pub mod arrows;
pub mod bans;
pub mod counts;
pub mod error_page;
pub mod links;
pub mod shape;
pub mod source;

use crate::process::say;
use std::path::Path;

/// Something that is not as the house wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which file or crate.
    pub place: String,
    /// Which line, from 1; 0 for the whole.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

impl Finding {
    /// About a whole file or crate.
    pub fn of(place: &str, what: String) -> Self {
        Self { place: place.to_owned(), line: 0, what }
    }

    /// About one line.
    pub fn at(place: &str, line: usize, what: String) -> Self {
        Self { place: place.to_owned(), line, what }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { place, line, what } = self;
        match line {
            0 => write!(formatter, "{place}: {what}"),
            _ => write!(formatter, "{place}:{line}: {what}"),
        }
    }
}

/// Runs every check on the tree at `root` and prints what they found; whether that was nothing.
pub fn run(root: &Path) -> bool {
    let findings = match findings(root) {
        Ok(findings) => findings,
        Err(reason) => {
            say(&format!("tidy cannot look: {reason}"));
            return false;
        }
    };
    for finding in &findings {
        say(&finding.to_string());
    }
    say(&format!("tidy: {} findings", findings.len()));
    findings.is_empty()
}

/// What every check finds in the tree at `root`.
///
/// # Errors
/// In words, when the tree or its metadata cannot be read.
pub fn findings(root: &Path) -> Result<Vec<Finding>, String> {
    let sources = source::load(root)?;
    let mut findings = arrows::check(&arrows::load(root)?);
    findings.extend(bans::check(&sources));
    findings.extend(shape::check(&sources));
    findings.extend(links::check(root, &sources));
    findings.extend(error_page::check(root));
    findings.extend(counts::check(root)?);
    Ok(findings)
}
