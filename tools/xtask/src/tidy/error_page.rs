//! ErrorPage: `docs/error_codes.md`, made from the registry in `wire::error`.
//!
//! The words are written once, in the registry. `cargo xtask fix` writes the
//! page; tidy finds it when it says something else.

use super::Finding;
use std::fmt::Write as _;
use std::path::Path;
use wire::ErrorCode;
use wire::error::Retry;

/// Where the page is.
pub const PATH: &str = "docs/error_codes.md";

const HEAD: &str = "\
# Error codes

Every refusal and fault a user can meet. A number once released is never given to another error. `defibus explain BUS-E0107` prints the
same from the command line. Made by `cargo xtask fix` from `flatbuffers/src/error.rs`.

*Retry*: **no**, it cannot succeed unless something is changed; **later**, it may succeed later as it is; **reconnect**, it may succeed at once on a
new connection or with a fresh route. A timeout is never a failure: whether it was done is unknown, and an idempotent send may be repeated.
";

const CHAPTERS: &[&str] = &[
    "the protocol",
    "topics and queues",
    "publishing",
    "consuming",
    "request-reply",
    "the node",
    "the machine and start-up",
    "the command line and the client",
];

/// The page as it must be.
pub fn render() -> String {
    let mut page = HEAD.to_owned();
    for (number, title) in (1_u16..).zip(CHAPTERS) {
        let codes = ErrorCode::ALL.iter().filter(|code| **code as u16 >> 8 == number);
        let _ = writeln!(page, "\n## {number:02}xx {title}\n");
        page.push_str(
            "| code | name | what happened | retry | what to do |\n|---|---|---|---|---|\n",
        );
        for code in codes {
            let retry = retry_word(code.retry());
            let (name, what, fix) = (code.name(), code.what(), code.fix());
            let _ = writeln!(page, "| {code} | {name} | {what} | {retry} | {fix} |");
        }
    }
    page
}

const fn retry_word(retry: Retry) -> &'static str {
    match retry {
        Retry::No => "no",
        Retry::Later => "later",
        Retry::Reconnect => "reconnect",
    }
}

/// Whether the committed page says what the registry says.
pub fn check(root: &Path) -> Vec<Finding> {
    let committed = std::fs::read_to_string(root.join(PATH)).unwrap_or_default();
    compare(&committed)
}

/// The codes whose row is missing or different in `page`; one finding if only the rest differs.
pub fn compare(page: &str) -> Vec<Finding> {
    let wanted = render();
    if page == wanted {
        return Vec::new();
    }
    let rows = wanted.lines().filter(|line| line.starts_with("| BUS-E"));
    let missing = rows.filter(|row| !page.lines().any(|line| line == *row));
    let mut findings: Vec<Finding> =
        missing.map(|row| Finding::of(PATH, format!("this row is missing: {row}"))).collect();
    if findings.is_empty() {
        findings.push(Finding::of(PATH, "is not as made: cargo xtask fix".to_owned()));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_row() {
        let page = render();
        for code in ErrorCode::ALL {
            let start = format!("| {code} | {} | ", code.name());
            assert_eq!(page.matches(&start).count(), 1, "{code}");
        }
        assert!(compare(&page).is_empty());
    }

    #[test]
    fn a_row_that_is_missing_is_found() {
        let page = render();
        let first = page.lines().find(|line| line.starts_with("| BUS-E")).expect("rows");
        assert_eq!(compare(&page.replace(first, "")).len(), 1);
        assert_eq!(compare(&page.replace("# Error codes", "# Errors")).len(), 1);
    }
}
