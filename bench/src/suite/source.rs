//! Source: the program behind a figure: its version, its commit, how it was built.

use crate::host::Build;
use std::path::Path;
use std::process::Command;

/// This program. The commit is what the build was told (`DEFIBUS_COMMIT`), or what the tree it was
/// built in says now; `unknown` where that is gone.
pub fn build() -> Build {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR"));
    let told = option_env!("DEFIBUS_COMMIT").map(str::to_owned);
    Build {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: told.or_else(|| commit_of(tree)).unwrap_or_else(|| "unknown".to_owned()),
        profile: profile(),
    }
}

fn commit_of(tree: &Path) -> Option<String> {
    let mut git = Command::new("git");
    git.arg("-C").arg(tree).args(["describe", "--always", "--dirty", "--abbrev=10"]);
    let output = git.output().ok().filter(|output| output.status.success())?;
    let commit = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (!commit.is_empty()).then_some(commit)
}

/// Cargo puts a program into a folder with its profile's name.
fn profile() -> String {
    let program = std::env::current_exe().ok();
    let folders = program.iter().flat_map(|path| path.ancestors().skip(1));
    let mut names = folders.filter_map(|folder| folder.file_name()?.to_str());
    let profile = names.find(|name| *name != "deps").unwrap_or_default();
    if cfg!(debug_assertions) { "debug".to_owned() } else { profile.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_program_knows_itself() {
        let build = build();
        assert!(!build.version.is_empty() && !build.commit.is_empty());
        assert!(!build.profile.is_empty() && build.profile != "deps");
        assert_eq!(commit_of(Path::new("/")), None, "no tree of ours");
    }
}
