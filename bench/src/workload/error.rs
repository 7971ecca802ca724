//! Error: why a text is no workload, with its place and what to write instead.

use std::fmt;

/// Why there is no workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkloadError {
    /// The file, or the name of a shipped workload; empty: not known yet.
    place: String,
    line: usize,
    cause: String,
}

impl WorkloadError {
    /// Something in this line, counted from 1.
    pub fn at(line: usize, cause: impl Into<String>) -> Self {
        Self { place: String::new(), line, cause: cause.into() }
    }

    /// Something about the whole.
    pub fn whole(cause: impl Into<String>) -> Self {
        Self::at(0, cause)
    }

    /// The same, in the file or workload of this name.
    #[must_use]
    pub fn within(mut self, place: &str) -> Self {
        place.clone_into(&mut self.place);
        self
    }

    /// The line, counted from 1; 0: it is about the whole.
    pub const fn line(&self) -> usize {
        self.line
    }
}

impl fmt::Display for WorkloadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, line, cause } = self;
        match (place.as_str(), line) {
            ("", 0) => formatter.write_str(cause),
            ("", line) => write!(formatter, "line {line}: {cause}"),
            (place, 0) => write!(formatter, "{place}: {cause}"),
            (place, line) => write!(formatter, "{place}:{line}: {cause}"),
        }
    }
}

impl std::error::Error for WorkloadError {}
