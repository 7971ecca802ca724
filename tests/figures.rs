//! Figures: what README and docs tell of speed is what the committed results say.

use bench::RunResult;
use bench::figures::{NotFilled, fill, pictures_of};
use bench::result::find;
use std::io::Write;
use std::path::{Path, PathBuf};
use xtask::figures::PAGES;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// The committed results; none before the first are committed, which is told.
fn committed() -> Vec<RunResult> {
    let folder = root().join("bench/results");
    if !folder.exists() {
        // A closed pipe is no reason to fail.
        let _ = writeln!(std::io::stdout(), "skipped: 1 (no results are committed)");
        return Vec::new();
    }
    find(&folder).expect("results that can be read")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_page_has_a_block_that_can_be_filled() {
    for page in PAGES {
        let filled = fill(&read(&root().join(page)), &[], "figures");
        let whole = !matches!(filled, Err(NotFilled::NoBlock | NotFilled::Open));
        assert!(whole, "{page}: {filled:?}");
    }
}

#[test]
fn the_pages_tell_what_the_committed_results_say() {
    let runs = committed();
    for page in PAGES.iter().filter(|_| !runs.is_empty()) {
        let path = root().join(page);
        let text = read(&path);
        let filled = fill(&text, &runs, pictures_of(&path)).expect("a block that can be filled");
        assert_eq!(filled.text, text, "{page} is not what the results say: cargo xtask figures");
        for (place, picture) in filled.pictures {
            let path = path.parent().expect("in a folder").join(place);
            assert_eq!(read(&path), picture, "{}: cargo xtask figures", path.display());
        }
    }
}

#[test]
fn a_committed_result_is_of_a_committed_optimised_program() {
    for run in committed() {
        let commit = &run.build.commit;
        assert!(!commit.contains("dirty") && commit != "unknown", "{}: {commit}", run.file_stem());
        assert_ne!(run.build.profile, "debug", "{}", run.file_stem());
    }
}
