//! File: results on disk: one JSON file a run, our model under one key beside OpenMessaging's keys;
//! and beside it its latencies as texts of the HdrHistogram family, written but never read.

use super::{FORMAT, RunResult, hdr, openmessaging};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The key our model stands under.
const OURS: &str = "defibus";
/// The largest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// Files found below one folder, at most.
const FILES_MAX: usize = 10_000;
/// Folders below each other, at most.
const DEPTH_MAX: usize = 4;

/// A result that cannot be read, and why.
#[derive(Debug)]
pub struct ReadError {
    /// The file or folder.
    pub path: PathBuf,
    /// Why.
    pub cause: ReadCause,
}

/// Why a result cannot be read.
#[derive(Debug)]
pub enum ReadCause {
    /// It cannot be opened or read.
    Unreadable(std::io::Error),
    /// It is no JSON, or a value is not what it must be.
    Malformed(serde_json::Error),
    /// It is JSON of something else, for example another tool's result.
    NotOurs,
    /// It is of another version of the model.
    OtherFormat(u64),
    /// It is larger than any result.
    TooLarge(u64),
    /// The folder holds none.
    Nothing,
    /// The folder holds too many.
    TooMany,
}

impl ReadCause {
    fn at(self, path: &Path) -> ReadError {
        ReadError { path: path.to_owned(), cause: self }
    }
}

impl std::fmt::Display for ReadError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}: ", self.path.display())?;
        match &self.cause {
            ReadCause::Unreadable(error) => error.fmt(formatter),
            ReadCause::Malformed(error) => write!(formatter, "no result of a run: {error}"),
            ReadCause::NotOurs => {
                write!(formatter, "no result of `defibus bench`: the key \"{OURS}\" is missing")
            }
            ReadCause::OtherFormat(found) => {
                write!(formatter, "a result of format {found}; this program reads {FORMAT}")
            }
            ReadCause::TooLarge(bytes) => {
                write!(formatter, "{bytes} bytes, a result has at most {FILE_BYTES_MAX}")
            }
            ReadCause::Nothing => write!(formatter, "no results in this folder"),
            ReadCause::TooMany => write!(formatter, "more than {FILES_MAX} results"),
        }
    }
}

impl std::error::Error for ReadError {}

impl RunResult {
    /// As it is written: OpenMessaging's keys, and everything of ours under one more.
    pub fn to_json(&self) -> Value {
        let mut keys = openmessaging::keys(self);
        keys.insert(OURS.to_owned(), json!(self));
        Value::Object(keys)
    }

    /// A name for its files: `latency-20k-defibus-durable-1`.
    pub fn file_stem(&self) -> String {
        let Self { workload, driver, repetition, .. } = self;
        let name =
            format!("{}-{}-{}-{repetition}", workload.name, driver.name, driver.level.name());
        word(&name)
    }
}

/// `name` with what does not belong into names of files replaced.
pub fn word(name: &str) -> String {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "-._".contains(letter);
    name.chars().map(|letter| if fits(letter) { letter } else { '-' }).collect()
}

/// Writes `run` into `folder`, which is made if it is not there; returns where its JSON is.
///
/// # Errors
/// The folder or the file cannot be written.
pub fn write(folder: &Path, run: &RunResult) -> std::io::Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    let stem = run.file_stem();
    for (ending, text) in hdr::texts(run) {
        std::fs::write(folder.join(format!("{stem}.{ending}")), text)?;
    }
    let path = folder.join(format!("{stem}.json"));
    let mut text = serde_json::to_string_pretty(&run.to_json())?;
    text.push('\n');
    std::fs::write(&path, text)?;
    Ok(path)
}

/// Reads one file.
///
/// # Errors
/// It cannot be read, or is no result of this model.
pub fn read(path: &Path) -> Result<RunResult, ReadError> {
    let unreadable = |error| ReadCause::Unreadable(error).at(path);
    let bytes = std::fs::metadata(path).map_err(unreadable)?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(ReadCause::TooLarge(bytes).at(path));
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    parse(&text).map_err(|cause| cause.at(path))
}

fn parse(text: &str) -> Result<RunResult, ReadCause> {
    let mut value: Value = serde_json::from_str(text).map_err(ReadCause::Malformed)?;
    let ours = value.get_mut(OURS).map(Value::take).ok_or(ReadCause::NotOurs)?;
    match ours.get("format").and_then(Value::as_u64) {
        Some(format) if format == u64::from(FORMAT) => {}
        Some(format) => return Err(ReadCause::OtherFormat(format)),
        None => return Err(ReadCause::NotOurs),
    }
    serde_json::from_value(ours).map_err(ReadCause::Malformed)
}

/// Reads a file, or every `.json` below a folder, sorted by path.
///
/// # Errors
/// The first that cannot be read, or that there is none.
pub fn find(path: &Path) -> Result<Vec<RunResult>, ReadError> {
    if !path.is_dir() {
        return Ok(vec![read(path)?]);
    }
    let mut files = Vec::new();
    collect(path, 0, &mut files)?;
    files.sort();
    if files.is_empty() {
        return Err(ReadCause::Nothing.at(path));
    }
    files.iter().map(|file| read(file)).collect()
}

fn collect(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), ReadError> {
    let unreadable = |error| ReadCause::Unreadable(error).at(folder);
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_dir() && depth < DEPTH_MAX {
            collect(&path, depth + 1, files)?;
        } else if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
        if files.len() > FILES_MAX {
            return Err(ReadCause::TooMany.at(folder));
        }
    }
    Ok(())
}
