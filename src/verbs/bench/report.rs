//! report: results as a page, as pictures, and as the figures of the project's own pages.

use super::results_failure;
use ::bench::figures::{self, Filled};
use ::bench::report::{self, Group, groups};
use ::bench::result::{self, RunResult};
use clap::Args;
use serde::Serialize;
use std::path::{Path, PathBuf};
use tools::{Exit, Failure, Globals, Printer};

/// Options of `bench report`.
#[derive(Clone, Debug, Args)]
pub struct Report {
    /// Where the results are: a file, or a folder of them
    results: PathBuf,
    /// The page that is written; without it, `report.html` in the folder
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// A folder for the charts, each a picture of its own
    #[arg(long, value_name = "DIR")]
    charts: Option<PathBuf>,
    /// A folder for the latencies as other tools read them: `.hgrm` and `.hlog`
    #[arg(long, value_name = "DIR")]
    hdr: Option<PathBuf>,
    /// Pages with a block of figures: filled again from the newest commit's results; no report is written
    #[arg(long, value_name = "PAGE", num_args = 1.., conflicts_with_all = ["out", "charts", "hdr"])]
    figures: Vec<PathBuf>,
}

/// What was written.
#[derive(Clone, Debug, Default, Serialize)]
struct Written {
    runs: usize,
    invalid: usize,
    files: Vec<PathBuf>,
}

impl tools::Report for Written {
    fn describe(&self) -> String {
        let files: Vec<String> = self.files.iter().map(|file| file.display().to_string()).collect();
        files.join("\n")
    }
}

impl Report {
    /// The report of the results in `folder`, to be written there.
    pub(super) fn of(folder: &Path) -> Self {
        Self { results: folder.to_owned(), out: None, charts: None, hdr: None, figures: Vec::new() }
    }

    /// Reads, draws and writes the page; returns where it is.
    ///
    /// # Errors
    /// A result cannot be read, or the page cannot be written.
    pub(super) fn write(&self) -> Result<PathBuf, Failure> {
        let runs = result::find(&self.results).map_err(|error| results_failure(&error))?;
        self.write_page(&runs)
    }

    /// Reads, draws, writes, and prints what was written.
    ///
    /// # Errors
    /// A result cannot be read, or a page cannot be written.
    pub fn run(&self, globals: &Globals, printer: &mut Printer<'_>) -> Result<Exit, Failure> {
        let runs = result::find(&self.results).map_err(|error| results_failure(&error))?;
        let invalid = runs.iter().filter(|run| !run.validity.is_valid()).count();
        let files = if self.figures.is_empty() {
            let mut files = vec![self.write_page(&runs)?];
            if let Some(folder) = &self.charts {
                for group in groups(&runs) {
                    write_charts(folder, &group, &mut files)?;
                }
            }
            if let Some(folder) = &self.hdr {
                write_hdr(folder, &runs, &mut files)?;
            }
            files
        } else {
            self.fill_pages(&runs)?
        };
        if invalid > 0 {
            globals.talk().say(format!("note: {invalid} of {} runs are INVALID", runs.len()));
        }
        printer.report(&Written { runs: runs.len(), invalid, files })?;
        Ok(Exit::Done)
    }

    fn write_page(&self, runs: &[RunResult]) -> Result<PathBuf, Failure> {
        let path = self.out.clone().unwrap_or_else(|| {
            let folder = if self.results.is_dir() {
                Some(self.results.as_path())
            } else {
                self.results.parent()
            };
            folder.unwrap_or(Path::new(".")).join("report.html")
        });
        write(&path, &report::page(runs))?;
        Ok(path)
    }

    /// Fills the block of each page, and writes the pictures it shows.
    fn fill_pages(&self, runs: &[RunResult]) -> Result<Vec<PathBuf>, Failure> {
        let mut files = Vec::new();
        for page in &self.figures {
            let text = std::fs::read_to_string(page)
                .map_err(|error| Failure::file(page.display(), &error))?;
            let Filled { text, pictures } = figures::fill(&text, runs, figures::pictures_of(page))
                .map_err(|error| Failure::usage(format!("{}: {error}", page.display())))?;
            write(page, &text)?;
            files.push(page.clone());
            let folder = page.parent().unwrap_or(Path::new("."));
            for (place, picture) in pictures {
                let path = folder.join(place);
                write(&path, &picture)?;
                files.push(path);
            }
        }
        Ok(files)
    }
}

fn write_charts(folder: &Path, group: &Group<'_>, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    for chart in report::charts(group) {
        let path = folder.join(format!("{}-{}.svg", group.word(), chart.word));
        write(&path, &chart.drawing.standalone())?;
        files.push(path);
    }
    Ok(())
}

fn write_hdr(folder: &Path, runs: &[RunResult], files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    for run in runs {
        for (ending, text) in result::hdr::texts(run) {
            let path = folder.join(format!("{}.{ending}", run.file_stem()));
            write(&path, &text)?;
            files.push(path);
        }
    }
    Ok(())
}

/// Writes a file, and the folder it is in if that is not there.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::file(path.display(), &error);
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    std::fs::write(path, text).map_err(failed)
}
