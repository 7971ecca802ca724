//! workload: what is asked of a bus: OpenMessaging Benchmark's YAML, and what it has no word for.
//!
//! | file | holds |
//! |---|---|
//! | `keys`, `setting` | every key with its bounds, default and meaning; one value |
//! | `document` | YAML as a small tree with lines |
//! | `read`, `matrix` | from the tree to cases: lists multiply, parts run side by side |
//! | `part` | one kind of work, as the load generator takes it |
//! | `shipped` | the workloads that are part of the program |
//! | `error` | why a text is no workload |

mod document;
mod error;
pub mod keys;
mod matrix;
pub mod part;
mod read;
mod setting;
pub mod shipped;

pub use error::WorkloadError;
pub use part::{Arrival, Bodies, Kind, Level, Part, Rate};
pub use setting::Setting;

use std::path::Path;
use std::time::Duration;

/// A workload: one or many cases that are run one after another.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// Its name.
    pub name: String,
    /// What it is for, in one sentence; may be empty.
    pub about: String,
    /// At least one.
    pub cases: Vec<Case>,
}

/// One run: parts side by side.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// What tells it from the other cases of its workload; empty if it is the only one.
    pub name: String,
    /// At least one.
    pub parts: Vec<Part>,
    /// What goes before the measured part.
    pub warm_up: Duration,
    /// Length of the measured part.
    pub test: Duration,
    /// What all chance comes from.
    pub seed: u64,
}

impl Workload {
    /// Reads a workload from `text`; `place` names it in errors.
    ///
    /// # Errors
    /// It is no YAML, or some key or value of it is not taken; tells the line.
    pub fn parse(place: &str, text: &str) -> Result<Self, WorkloadError> {
        read::workload(text).map_err(|error| error.within(place))
    }

    /// Reads a workload from a file.
    ///
    /// # Errors
    /// It cannot be read, or is none.
    pub fn load(path: &Path) -> Result<Self, WorkloadError> {
        let place = path.display().to_string();
        let unreadable = |error: std::io::Error| {
            WorkloadError::whole(format!("cannot be read: {error}")).within(&place)
        };
        let length = std::fs::metadata(path).map_err(unreadable)?.len();
        if length > document::DOCUMENT_BYTES_MAX as u64 {
            let cause = format!("{length} bytes are too many for a workload");
            return Err(WorkloadError::whole(cause).within(&place));
        }
        Self::parse(&place, &std::fs::read_to_string(path).map_err(unreadable)?)
    }

    /// The shipped workload of this name, or the one in this file.
    ///
    /// # Errors
    /// There is neither, or the file is no workload.
    pub fn named(name: &str) -> Result<Self, WorkloadError> {
        let is_file = Path::new(name).extension().is_some() || name.contains('/');
        match shipped::text_of(name) {
            Some(text) => Self::parse(name, text),
            None if is_file => Self::load(Path::new(name)),
            None => {
                let names = shipped::names().collect::<Vec<_>>().join(", ");
                let cause = format!("there is no workload '{name}'; shipped are {names}");
                Err(WorkloadError::whole(cause))
            }
        }
    }
}

#[cfg(test)]
mod tests;
