//! Fix: the only verb that writes. Formats, and remakes what is generated.

use crate::codegen;
use crate::process::{cargo, passes, say};
use std::path::Path;

/// Formats the workspace and the fuzz crate, remakes the tables. Whether the format could be applied.
pub fn run(root: &Path) -> bool {
    let formatted = passes(&mut cargo(root, &["fmt", "--all"]))
        && passes(&mut cargo(root, &["fmt", "--manifest-path", "tests/fuzz/Cargo.toml"]));
    let generated = codegen::generate(root).and_then(|tables| codegen::write(root, &tables));
    if let Err(reason) = &generated {
        say(&format!("codegen skipped: {reason}"));
    }
    formatted
}
