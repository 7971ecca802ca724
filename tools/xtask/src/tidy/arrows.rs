//! Arrows: which crate of the house may name which (law 3).
//!
//! Roles name pillars, pillars name the words, no pillar names another. Tests
//! and tools follow the same arrows: what a test may reach, code will reach.

use super::Finding;
use cargo_metadata::MetadataCommand;
use std::path::Path;

/// Which crates of ours a crate may name. The roles and the whole-house tests may name all.
const ARROWS: &[(&str, &[&str])] = &[
    ("defibus-wire", &[]),
    ("defibus-storage", &["defibus-wire"]),
    ("defibus-routing", &["defibus-wire"]),
    ("defibus-shard", &["defibus-wire"]),
    ("defibus-client", &["defibus-wire"]),
    ("defibus-proxy", &["defibus-wire", "defibus-client"]),
    ("defibus-tools", &["defibus-client", "defibus-storage", "defibus-wire", "defibus-shard"]),
    ("defibus-bench", &["defibus-client", "defibus-shard", "defibus-wire"]),
    ("xtask", &["defibus-wire"]),
];

/// Crates that may name every other.
const NAME_ALL: &[&str] = &["defibus", "defibus-sim"];

/// `from` names `to`; both are crates of the workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrow {
    /// The crate whose manifest it stands in.
    pub from: String,
    /// The crate it depends on, in whatever kind.
    pub to: String,
}

/// The arrows of the workspace at `root`.
///
/// # Errors
/// In words, when cargo cannot read the workspace.
pub fn load(root: &Path) -> Result<Vec<Arrow>, String> {
    let metadata = MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .no_deps()
        .exec()
        .map_err(|error| error.to_string())?;
    let ours = |name: &str| metadata.packages.iter().any(|package| package.name.as_str() == name);
    let mut arrows = Vec::new();
    for package in &metadata.packages {
        for dependency in package.dependencies.iter().filter(|dependency| ours(&dependency.name)) {
            arrows.push(Arrow { from: package.name.to_string(), to: dependency.name.clone() });
        }
    }
    Ok(arrows)
}

/// The arrows that may not be.
pub fn check(arrows: &[Arrow]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for Arrow { from, to } in arrows {
        if NAME_ALL.contains(&from.as_str()) {
            continue;
        }
        match ARROWS.iter().find(|(name, _)| name == from) {
            None => findings.push(Finding::of(from, "a crate without a place in the house".into())),
            Some((_, allowed)) if !allowed.contains(&to.as_str()) => {
                findings.push(Finding::of(from, format!("may not name {to} (law 3)")));
            }
            Some(_) => {}
        }
    }
    findings
}
