//! Figures: what README and docs tell of speed is what the committed results say.

use bench::RunResult;
use bench::figures::fill;
use bench::result::find;
use std::path::{Path, PathBuf};
use xtask::figures::PAGES;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn committed() -> Vec<RunResult> {
    find(&root().join("bench/results")).expect("results are committed")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_pages_tell_what_the_committed_results_say() {
    let runs = committed();
    for page in PAGES {
        let path = root().join(page);
        let text = read(&path);
        let filled = fill(&text, &runs).expect("a block that can be filled");
        assert_eq!(filled.text, text, "{page} is not what the results say: cargo xtask figures");
        for (place, picture) in filled.pictures {
            let path = path.parent().expect("in a folder").join(place);
            assert_eq!(read(&path), picture, "{}: cargo xtask figures", path.display());
        }
    }
}

#[test]
fn a_typed_figure_would_be_noticed() {
    let runs = committed();
    for page in PAGES {
        let text = read(&root().join(page));
        let typed = text.replacen(" µs |", " ns |", 1);
        assert_ne!(typed, text, "{page} has a figure");
        assert_eq!(fill(&typed, &runs).expect("a block").text, text);
    }
}

#[test]
fn a_committed_result_is_of_a_committed_program() {
    for run in committed() {
        let commit = &run.build.commit;
        assert!(!commit.contains("dirty") && commit != "unknown", "{}: {commit}", run.file_stem());
        assert_ne!(run.build.profile, "debug", "{}", run.file_stem());
    }
}
