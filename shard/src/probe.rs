//! Probe: what this host offers the machine, asked before anything starts and by `defibus doctor`.

use crate::data::DataDirError;
use crate::sys::{host, operation};
use std::fmt::{Display, Formatter};
use std::net::SocketAddr;
use wire::ErrorCode;

/// Why a node cannot start. `Display` is the cause, with its numbers; `code().fix()` says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartError {
    /// `io_uring` may not be used here.
    IoUringForbidden {
        /// What `io_uring_setup` answered.
        errno: i32,
        /// `kernel.io_uring_disabled`, where it can be read.
        sysctl: Option<u8>,
    },
    /// This kernel's `io_uring` lacks something needed.
    IoUringIncomplete {
        /// Operations and set-up flags that are missing.
        missing: Vec<&'static str>,
        /// As `uname` tells.
        kernel: String,
    },
    /// Not even a ring fits `RLIMIT_MEMLOCK`.
    MemlockTooSmall {
        /// The limit, in bytes.
        limit_bytes: u64,
    },
    /// `RLIMIT_NOFILE` is too small for the files of the logs.
    FileLimitTooSmall {
        /// The hard limit.
        limit: u64,
        /// What so many shards need at least.
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
        what: &'static str,
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

impl Display for StartError {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        let words = |errno: i32| std::io::Error::from_raw_os_error(errno).to_string();
        match self {
            Self::IoUringForbidden { errno, sysctl: Some(level @ 1..) } => {
                write!(formatter, "io_uring_setup: {}; kernel.io_uring_disabled is {level}", words(*errno))
            }
            Self::IoUringForbidden { errno: libc::ENOSYS, .. } => {
                formatter.write_str("io_uring_setup: this kernel is built without io_uring, or a seccomp profile hides it")
            }
            Self::IoUringForbidden { errno, .. } => {
                write!(formatter, "io_uring_setup: {}; a seccomp profile forbids it", words(*errno))
            }
            Self::IoUringIncomplete { missing, kernel } => {
                write!(formatter, "Linux {kernel} lacks {}", missing.join(", "))
            }
            Self::MemlockTooSmall { limit_bytes } => {
                write!(formatter, "RLIMIT_MEMLOCK is {limit_bytes} bytes, and a ring of 8 entries does not fit")
            }
            Self::FileLimitTooSmall { limit, needed } => {
                write!(formatter, "RLIMIT_NOFILE cannot be raised above {limit}, and so many shards need {needed}")
            }
            Self::Listen { address, errno } => write!(formatter, "{address}: {}", words(*errno)),
            Self::Data(error) => error.fmt(formatter),
            Self::Config { what } => formatter.write_str(what),
            Self::Kernel { what, errno } => write!(formatter, "{what}: {}", words(*errno)),
        }
    }
}

impl std::error::Error for StartError {}

/// A feature that would help and is not there, and what is done instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// `RLIMIT_MEMLOCK`, in bytes; `u64::MAX`: no limit.
    pub memlock_bytes: u64,
    /// `RLIMIT_NOFILE`: now, and how far it may be raised.
    pub files: (u64, u64),
    /// Cores this process may run on.
    pub cores: Vec<usize>,
    /// What is missing and done without.
    pub fallbacks: Vec<Fallback>,
}

/// Makes a small ring and asks it for everything the machine uses.
///
/// # Errors
/// `io_uring` is forbidden or lacks something the machine cannot do without.
pub fn host() -> Result<Host, StartError> {
    // On a thread of its own: a ring that was registered with a thread is locked memory until it ends.
    let probe = std::thread::scope(|threads| threads.spawn(operation::facts).join());
    let facts = probe.expect("it only asks").map_err(no_ring)?;
    if !facts.missing.is_empty() {
        return Err(StartError::IoUringIncomplete {
            missing: facts.missing,
            kernel: host::kernel_release(),
        });
    }
    let optional = [
        (
            facts.no_sqarray,
            "IORING_SETUP_NO_SQARRAY (Linux 6.6)",
            "an index array stands before the submission queue",
        ),
        (facts.registered_ring, "IORING_REGISTER_RING_FDS", "every enter looks its descriptor up"),
        (
            facts.helper_affinity,
            "IORING_REGISTER_IOWQ_AFF",
            "fsync threads run where the kernel likes",
        ),
    ];
    let missing = optional.iter().filter(|(is_there, ..)| !is_there);
    Ok(Host {
        kernel: host::kernel_release(),
        memlock_bytes: host::memlock_limit(),
        files: host::file_limit(),
        cores: cores(),
        fallbacks: missing.map(|&(_, missing, instead)| Fallback { missing, instead }).collect(),
    })
}

fn cores() -> Vec<usize> {
    core_affinity::get_core_ids().unwrap_or_default().iter().map(|core| core.id).collect()
}

/// What the errno of `io_uring_setup` means.
pub(crate) fn no_ring(errno: i32) -> StartError {
    match errno {
        libc::ENOMEM => StartError::MemlockTooSmall { limit_bytes: host::memlock_limit() },
        libc::EINVAL => StartError::IoUringIncomplete {
            missing: vec!["IORING_SETUP_DEFER_TASKRUN (Linux 6.1)"],
            kernel: host::kernel_release(),
        },
        libc::EPERM | libc::EACCES | libc::ENOSYS => {
            StartError::IoUringForbidden { errno, sysctl: sysctl() }
        }
        other => StartError::Kernel { what: "io_uring_setup", errno: other },
    }
}

fn sysctl() -> Option<u8> {
    std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_can_run_a_shard() {
        let host = host().expect("tests need io_uring");
        assert!(!host.cores.is_empty());
    }

    #[test]
    fn each_cause_has_its_code_and_its_words() {
        let check = |errno, code, exit| {
            let error = no_ring(errno);
            assert_eq!((error.code(), error.exit_code()), (code, exit), "{error}");
            assert!(error.to_string().len() > 20, "{error}");
        };
        check(libc::EPERM, ErrorCode::IoUringForbidden, 69);
        check(libc::ENOSYS, ErrorCode::IoUringForbidden, 69);
        check(libc::EINVAL, ErrorCode::IoUringIncomplete, 69);
        check(libc::ENOMEM, ErrorCode::MemlockTooSmall, 69);
        check(libc::EMFILE, ErrorCode::Internal, 69);
    }
}
