//! Probe: what this host offers the machine, asked before anything starts and by `defibus doctor`.

use crate::data::DataDirError;
use std::net::SocketAddr;
use wire::ErrorCode;

/// Why a node cannot start. `Display` is the cause, with its numbers; `code().fix()` says what to do.
#[derive(Debug)]
pub enum StartError {
    /// io_uring may not be used here.
    IoUringForbidden {
        /// What `io_uring_setup` answered.
        errno: i32,
        /// `kernel.io_uring_disabled`, where it can be read.
        sysctl: Option<u8>,
    },
    /// This kernel's io_uring lacks something needed.
    IoUringIncomplete {
        /// Operations and set-up flags that are missing.
        missing: Vec<&'static str>,
        /// As `uname` tells.
        kernel: String,
    },
    /// Not even a ring fits RLIMIT_MEMLOCK.
    MemlockTooSmall {
        /// The limit, in bytes.
        limit_bytes: u64,
        /// What a shard's ring needs, in bytes.
        needed_bytes: u64,
    },
    /// RLIMIT_NOFILE is too small for the connections asked for.
    FileLimitTooSmall {
        /// The hard limit.
        limit: u64,
        /// What the node needs.
        needed: u64,
    },
    /// Cannot listen on an address.
    Listen {
        /// Which.
        address: SocketAddr,
        /// Its errno.
        errno: i32,
    },
    /// The data directory cannot be used.
    Data(DataDirError),
    /// A bound of the configuration makes no sense.
    Config {
        /// Which, and why.
        what: String,
    },
    /// The kernel refused something else.
    Kernel {
        /// What was asked.
        what: &'static str,
        /// Its errno.
        errno: i32,
    },
}

impl StartError {
    /// Its stable number.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::IoUringForbidden { .. } => ErrorCode::IoUringForbidden,
            Self::IoUringIncomplete { .. } => ErrorCode::IoUringIncomplete,
            Self::MemlockTooSmall { .. } => ErrorCode::MemlockTooSmall,
            Self::FileLimitTooSmall { .. } => ErrorCode::FileLimitTooSmall,
            Self::Listen { .. } => ErrorCode::ListenFailed,
            Self::Data(error) => error.code(),
            Self::Config { .. } => ErrorCode::ConfigInvalid,
            Self::Kernel { .. } => ErrorCode::Internal,
        }
    }

    /// What the process exits with: 69 where the machine lacks something, else 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::IoUringForbidden { .. }
            | Self::IoUringIncomplete { .. }
            | Self::MemlockTooSmall { .. }
            | Self::FileLimitTooSmall { .. }
            | Self::Kernel { .. } => 69,
            Self::Listen { .. } | Self::Data(_) | Self::Config { .. } => 1,
        }
    }
}

/// A feature that would help and is not there, and what is done instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// The feature.
    pub missing: &'static str,
    /// What the machine does without it.
    pub instead: &'static str,
}

/// What this host offers.
#[derive(Clone, Debug)]
pub struct Host {
    /// As `uname` tells.
    pub kernel: String,
    /// RLIMIT_MEMLOCK, in bytes; `u64::MAX`: no limit.
    pub memlock_bytes: u64,
    /// RLIMIT_NOFILE: now, and how far it may be raised.
    pub files: (u64, u64),
    /// Cores this process may run on.
    pub cores: Vec<usize>,
    /// What is missing and done without.
    pub fallbacks: Vec<Fallback>,
}

/// Makes a small ring and asks it for everything the machine uses.
///
/// # Errors
/// io_uring is forbidden or lacks something the machine cannot do without.
pub fn host() -> Result<Host, StartError> {
    unimplemented!()
}
