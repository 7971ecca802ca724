//! explain: what an error code means and what to do; also the page of all of them.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Printer, Report, Row, fields};
use clap::Args;
use serde::Serialize;
use std::fmt::Write;
use wire::ErrorCode;
use wire::error::Retry;

/// Options of `explain`.
#[derive(Clone, Debug, Args)]
pub struct Explain {
    /// For example BUS-E0201, 0201 or UnknownTopic; all of them unless said
    pub code: Option<String>,
    /// Print docs/error_codes.md
    #[arg(long, hide = true, conflicts_with = "code")]
    pub markdown: bool,
}

/// One entry of the registry as it is printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    code: String,
    name: &'static str,
    what: &'static str,
    fix: &'static str,
    retry: &'static str,
    exit: u8,
}

impl Explain {
    /// Does it.
    ///
    /// # Errors
    /// There is no such code.
    pub fn run(&self, printer: &mut Printer<'_>) -> Result<Exit, Failure> {
        if self.markdown {
            printer.report(&Page { markdown: page() })?;
            return Ok(Exit::Done);
        }
        if let Some(text) = &self.code {
            printer.report(&Entry::of(find(text)?))?;
        } else {
            let entries: Vec<Entry> = ErrorCode::ALL.iter().copied().map(Entry::of).collect();
            printer.list(&entries)?;
        }
        Ok(Exit::Done)
    }
}

fn find(text: &str) -> Result<ErrorCode, Failure> {
    let upper = text.to_ascii_uppercase();
    let digits = upper.trim_start_matches("BUS-").trim_start_matches('E');
    let by_number = u16::from_str_radix(digits, 16).ok().filter(|_| digits.len() == 4);
    by_number
        .and_then(ErrorCode::from_number)
        .or_else(|| {
            ErrorCode::ALL.iter().copied().find(|code| code.name().eq_ignore_ascii_case(text))
        })
        .ok_or_else(|| {
            Failure::usage(format!("there is no error code '{text}'"))
                .with_fix("defibus explain lists all of them")
        })
}

impl Entry {
    fn of(code: ErrorCode) -> Self {
        Self {
            code: code.to_string(),
            name: code.name(),
            what: code.what(),
            fix: code.fix(),
            retry: retry_words(code.retry()),
            exit: Exit::of(code) as u8,
        }
    }
}

const fn retry_words(retry: Retry) -> &'static str {
    match retry {
        Retry::No => "no: something must change first",
        Retry::Later => "later, as it is",
        Retry::Reconnect => "at once, on a new connection or with a fresh route",
    }
}

impl Row for Entry {
    const COLUMNS: &'static [&'static str] = &["CODE", "NAME", "WHAT"];

    fn cells(&self) -> Vec<String> {
        vec![self.code.clone(), self.name.to_owned(), self.what.to_owned()]
    }
}

impl Report for Entry {
    fn describe(&self) -> String {
        fields(&[
            ("code", format!("{} {}", self.code, self.name)),
            ("what", self.what.to_owned()),
            ("fix", self.fix.to_owned()),
            ("retry", self.retry.to_owned()),
            ("exit", self.exit.to_string()),
        ])
    }
}

/// The page of all codes, inside JSON if that was asked for.
#[derive(Clone, Debug, Serialize)]
struct Page {
    markdown: String,
}

impl Report for Page {
    fn describe(&self) -> String {
        self.markdown.trim_end().to_owned()
    }
}

/// `docs/error_codes.md`, from the registry.
pub fn page() -> String {
    let mut page = String::from(
        "# Error codes\n\n\
         Every refusal and fault by its stable number, as `error[BUS-E0201]` on the command line and as `code` in\n\
         the frame `Error`. A number once released is never given to another error. `defibus explain CODE` prints a row.\n\n\
         Made from the registry in `flatbuffers/src/error.rs` by `defibus explain --markdown`; a test holds both together.\n\n\
         | code | name | what happened | again? | what to do | exit |\n|---|---|---|---|---|---|\n",
    );
    for code in ErrorCode::ALL {
        let entry = Entry::of(*code);
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} | {} | {} |",
            entry.code, entry.name, entry.what, entry.retry, entry.fix, entry.exit
        );
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_found_by_every_spelling() {
        for text in ["BUS-E0201", "bus-e0201", "E0201", "0201", "UnknownTopic", "unknowntopic"] {
            assert_eq!(find(text).ok(), Some(ErrorCode::UnknownTopic), "{text}");
        }
        for text in ["BUS-E9999", "201", "", "E", "Unknown"] {
            assert!(find(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_page_in_the_docs_is_the_registry() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/error_codes.md");
        let written = std::fs::read_to_string(path).expect("docs/error_codes.md is there");
        assert!(written == page(), "run: defibus explain --markdown > docs/error_codes.md");
    }
}
