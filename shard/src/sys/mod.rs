//! sys: the cellar: every system call and every `unsafe` of the house, behind safe calls.
//!
//! | file | holds |
//! |---|---|
//! | `operation` | what the kernel can be asked, and what it may touch meanwhile |
//! | `ring` | one `io_uring`, and all its operations own until they end |
//! | `pool` | the ring of receive buffers the kernel fills; aligned memory |
//! | `socket` | listening sockets |
//! | `host` | the clocks, limits, signals, eventfd, randomness, file space, exit |
//!
//! Rules: one unsafe operation per block; `SAFETY` names whose promise it rests on. Nothing here
//! knows frames, connections or logs.

pub(crate) mod host;
pub(crate) mod operation;
pub(crate) mod pool;
pub(crate) mod ring;
pub(crate) mod socket;

/// The errno of the last failed system call.
fn last_errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}

/// Turns the answer of a system call into its value or its errno.
fn check(answer: i32) -> Result<i32, i32> {
    if answer < 0 { Err(last_errno()) } else { Ok(answer) }
}
