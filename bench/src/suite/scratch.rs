//! Scratch: the directory of a throw-away bus. It goes with its owner; what owners left that were ended by force goes later.

use std::io;
use std::path::{Path, PathBuf};

/// What such a directory is called; the process and a number follow.
const PREFIX: &str = "defibus-bench-";

/// A directory of this process.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes one in `folder`, told from others of this process by `name`.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn new(folder: &Path, name: &str) -> io::Result<Self> {
        remove_orphans(folder);
        let path = folder.join(format!("{PREFIX}{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is removed by the next run.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Removes directories of processes that are gone.
fn remove_orphans(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next());
        let is_gone = process.is_some_and(|process| {
            process.parse::<u32>().is_ok() && !Path::new("/proc").join(process).exists()
        });
        if is_gone {
            // Somebody else's, or in use: then it stays.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_run_left_that_was_ended_by_force_goes_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let own = format!("{PREFIX}{}-1", std::process::id());
        let orphan = format!("{PREFIX}{}-1", u32::MAX);
        for name in [&own, &orphan, &format!("{PREFIX}notes"), &"data".to_owned()] {
            std::fs::create_dir(folder.path().join(name)).expect("made");
        }
        let scratch = Scratch::new(folder.path(), "2").expect("made");
        assert!(!folder.path().join(orphan).exists());
        assert!(folder.path().join(own).exists());
        assert_eq!(std::fs::read_dir(folder.path()).expect("listed").count(), 4);
        let path = scratch.path().to_path_buf();
        assert!(path.exists());
        drop(scratch);
        assert!(!path.exists(), "it goes with its owner");
    }
}
