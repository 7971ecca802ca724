//! Figures: fills the blocks of figures of the pages from `bench/results`, by the program that reads results.

use crate::process::{cargo, passes};
use std::path::Path;

/// Pages with a block of figures.
pub const PAGES: [&str; 2] = ["README.md", "docs/performance.md"];

/// Fills them; whether that went well. `tests/figures.rs` says when it is due.
pub fn run(root: &Path) -> bool {
    let report =
        ["run", "--quiet", "--package", "defibus", "--", "bench", "report", "bench/results"];
    let arguments = [report.as_slice(), &["--figures"], &PAGES].concat();
    passes(&mut cargo(root, &arguments))
}
