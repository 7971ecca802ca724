//! Failure: why a command did not do what it was asked, in the one shape of all errors.
//!
//! ```text
//!   error[BUS-E0801]: cannot connect to the node
//!     127.0.0.1:7400: Connection refused
//!     fix: is it running? defibus dev; or name it: --server HOST:PORT
//!     more: defibus explain BUS-E0801
//! ```

use crate::exit::Exit;
use client::error::UnknownCause;
use client::{BeginError, CallError, ConnectError, ConsumeError, EnqueueError, Refusal, SendError};
use std::fmt;
use wire::ErrorCode;

/// An error as it is told to the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Its stable number.
    pub code: ErrorCode,
    /// The cause with the number that mattered; may have several lines, may be empty.
    pub cause: String,
    /// What to do, where it is known better than in the registry.
    pub fix: Option<String>,
    /// What the process ends with.
    pub exit: Exit,
}

impl Failure {
    /// An error of this number; the rest follows from the number.
    pub fn new(code: ErrorCode, cause: impl Into<String>) -> Self {
        Self { code, cause: cause.into(), fix: None, exit: Exit::of(code) }
    }

    /// A command line that cannot be understood.
    pub fn usage(cause: impl Into<String>) -> Self {
        Self::new(ErrorCode::Usage, cause)
    }

    /// A file that cannot be read or written.
    pub fn file(path: impl fmt::Display, error: &std::io::Error) -> Self {
        Self::new(ErrorCode::FileUnreadable, format!("{path}: {error}"))
    }

    /// With another fix than the registry's.
    #[must_use]
    pub fn with_fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    /// With another ending than the number's.
    #[must_use]
    pub const fn with_exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "error[{}]: {}", self.code, self.code.what())?;
        for line in self.cause.lines().filter(|line| !line.trim().is_empty()) {
            writeln!(formatter, "  {line}")?;
        }
        writeln!(formatter, "  fix: {}", self.fix.as_deref().unwrap_or(self.code.fix()))?;
        write!(formatter, "  more: defibus explain {}", self.code)
    }
}

impl std::error::Error for Failure {}

impl From<&Refusal> for Failure {
    fn from(refusal: &Refusal) -> Self {
        let mut cause = refusal.message.clone();
        if refusal.limit != 0 || refusal.observed != 0 {
            let numbers = format!("observed {}, limit {}", refusal.observed, refusal.limit);
            cause = if cause.is_empty() { numbers } else { format!("{cause} ({numbers})") };
        }
        if refusal.retry_after_ms != 0 {
            cause = format!("{cause}\nretry after {} ms", refusal.retry_after_ms);
        }
        Self::new(refusal.code, cause)
    }
}

fn unknown(cause: UnknownCause) -> Failure {
    Failure::new(cause.code(), format!("{cause}: it may be done or not"))
}

fn not_sent() -> Failure {
    Failure::new(ErrorCode::CannotConnect, "no connection until the deadline: nothing was sent")
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        match &error {
            ConnectError::Refused(refusal) => Self::from(refusal),
            ConnectError::Unreachable { server, cause } => {
                Self::new(error.code(), format!("{server}: {cause}"))
            }
            ConnectError::NotOurProtocol { .. } => Self::new(error.code(), error.to_string())
                .with_fix("name the node's port, not its admin port: --server HOST:PORT"),
        }
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        match &error {
            CallError::Refused(refusal) => Self::from(refusal),
            CallError::NotSent => not_sent(),
            CallError::Unknown(cause) => unknown(*cause),
            CallError::RecordInvalid(_) => Self::new(error.code(), error.to_string()),
        }
    }
}

impl From<SendError> for Failure {
    fn from(error: SendError) -> Self {
        match &error {
            SendError::Refused(refusal) => Self::from(refusal),
            SendError::NotSent => not_sent(),
            SendError::Unknown(cause) => unknown(*cause),
            SendError::RecordInvalid(_) | SendError::NoSuchQueue { .. } | SendError::WindowFull => {
                Self::new(error.code(), error.to_string())
            }
        }
    }
}

impl From<EnqueueError> for Failure {
    fn from(error: EnqueueError) -> Self {
        Self::from(SendError::from(error))
    }
}

impl From<ConsumeError> for Failure {
    fn from(error: ConsumeError) -> Self {
        match &error {
            ConsumeError::Refused(refusal) => Self::from(refusal),
        }
    }
}

impl From<BeginError> for Failure {
    fn from(error: BeginError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

/// What is written to the standard output failed.
impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::file("standard output", &error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_has_number_sentence_cause_fix_and_more() {
        let text = Failure::new(ErrorCode::CannotConnect, "127.0.0.1:1: refused").to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "error[BUS-E0801]: cannot connect to the node");
        assert_eq!(lines[1], "  127.0.0.1:1: refused");
        assert!(lines[2].starts_with("  fix: "));
        assert_eq!(lines[3], "  more: defibus explain BUS-E0801");
    }

    #[test]
    fn a_refusal_shows_the_number_that_mattered() {
        let refusal = Refusal {
            code: ErrorCode::DepthReached,
            message: "queue 3 is full".to_owned(),
            observed: 1000,
            limit: 999,
            retry_after_ms: 20,
        };
        let failure = Failure::from(&refusal);
        assert_eq!(failure.cause, "queue 3 is full (observed 1000, limit 999)\nretry after 20 ms");
        assert_eq!(failure.exit, Exit::Failed);
    }

    #[test]
    fn endings_follow_the_number() {
        assert_eq!(Failure::from(CallError::Unknown(UnknownCause::TimedOut)).exit, Exit::TimedOut);
        assert_eq!(Failure::usage("x").exit, Exit::Usage);
        assert_eq!(Failure::new(ErrorCode::IoUringForbidden, "").exit, Exit::MachineLacks);
        assert_eq!(Failure::new(ErrorCode::DiskFailed, "").exit, Exit::DiskFailed);
    }
}
