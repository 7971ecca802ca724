//! Fix: the only verb that writes. Formats, and remakes what is generated.

use crate::process::{cargo, passes, say};
use crate::{codegen, tidy};
use std::path::Path;

/// Formats the workspace and the fuzz crate, remakes the tables and the page of error codes.
pub fn run(root: &Path) -> bool {
    let formatted = passes(&mut cargo(root, &["fmt", "--all"]))
        && passes(&mut cargo(root, &["fmt", "--manifest-path", "tests/fuzz/Cargo.toml"]));
    let generated = codegen::generate(root).and_then(|tables| codegen::write(root, &tables));
    if let Err(reason) = &generated {
        say(&format!("codegen skipped: {reason}"));
    }
    let page = root.join(tidy::error_page::PATH);
    let written = std::fs::write(&page, tidy::error_page::render());
    if let Err(error) = &written {
        say(&format!("{}: {error}", page.display()));
    }
    formatted && written.is_ok()
}
