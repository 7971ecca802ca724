//! Fix: the only verb that writes. Formats, and remakes what is generated.

use crate::codegen;
use crate::process::{cargo, passes, say};
use std::path::Path;

/// Formats the workspace and what stands outside it, remakes the tables. Whether the format could be applied.
pub fn run(root: &Path) -> bool {
    let apart = ["tests/fuzz/Cargo.toml", "bench/peers/Cargo.toml"];
    let mut apart = apart.map(|manifest| cargo(root, &["fmt", "--manifest-path", manifest]));
    let formatted = passes(&mut cargo(root, &["fmt", "--all"])) && apart.iter_mut().all(passes);
    let generated = codegen::generate(root).and_then(|tables| codegen::write(root, &tables));
    if let Err(reason) = &generated {
        say(&format!("codegen skipped: {reason}"));
    }
    formatted
}
