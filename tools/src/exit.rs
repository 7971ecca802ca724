//! Exit: the number a command ends with, so that scripts can tell endings apart.

use wire::ErrorCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// Everything asked for was done.
    Done = 0,
    /// The node refused, or something failed.
    Failed = 1,
    /// The command cannot be understood (and, from `doctor`: a fatal finding).
    Usage = 2,
    /// The time was up; whether it was done may be unknown.
    TimedOut = 3,
    /// The machine lacks something a node needs.
    MachineLacks = 69,
    /// The disk failed.
    DiskFailed = 74,
}

impl Exit {
    /// What a command that met this error ends with.
    pub const fn of(code: ErrorCode) -> Self {
        if matches!(code, ErrorCode::TimedOut) {
            Self::TimedOut
        } else if matches!(code, ErrorCode::Usage) {
            Self::Usage
        } else if matches!(code, ErrorCode::DiskFailed) {
            Self::DiskFailed
        } else if Self::machine_lacks(code) {
            Self::MachineLacks
        } else {
            Self::Failed
        }
    }

    const fn machine_lacks(code: ErrorCode) -> bool {
        matches!(
            code,
            ErrorCode::IoUringForbidden
                | ErrorCode::IoUringIncomplete
                | ErrorCode::MemlockTooSmall
                | ErrorCode::FileLimitTooSmall
        )
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
