//! Process: the few things of the operating system the roles need and may not do themselves.

use crate::seat::Handle;
use crate::sys::host::{self, EndSignals};
use std::os::unix::fs::MetadataExt;
use std::thread::JoinHandle;

/// What a shell expects of a process that SIGINT ended.
const EXIT_INTERRUPTED: u8 = 130;

/// 64 random bits from the kernel.
pub fn random_u64() -> u64 {
    u64::from_ne_bytes(host::random())
}

/// 128 random bits from the kernel.
pub fn random_u128() -> u128 {
    u128::from_ne_bytes(host::random())
}

/// The wall clock, nanoseconds since 1970. For start-up; later time arrives as `Now`.
pub fn wall_ns() -> u64 {
    host::wall_ns()
}

/// The monotonic clock, nanoseconds. For start-up; later time arrives as `Now`.
pub fn mono_ns() -> u64 {
    host::mono_ns()
}

/// Starts a named thread.
///
/// # Errors
/// The kernel has no more threads for this process.
pub fn spawn<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> std::io::Result<JoinHandle<T>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(run)
}

/// Does all of this at the same time, each piece on a thread of its own; the answers in its order.
///
/// # Errors
/// The kernel has no more threads for this process.
pub fn side_by_side<P: Send, T: Send>(
    pieces: impl IntoIterator<Item = P>,
    work: impl Fn(P) -> T + Sync,
) -> std::io::Result<Vec<T>> {
    let work = &work;
    std::thread::scope(|scope| {
        let mut threads = Vec::new();
        for piece in pieces {
            threads.push(std::thread::Builder::new().spawn_scoped(scope, move || work(piece))?);
        }
        let ended = threads.into_iter().map(|thread| {
            // A defect there is one here.
            thread.join().unwrap_or_else(|defect| std::panic::resume_unwind(defect))
        });
        Ok(ended.collect())
    })
}

/// The user this process runs as: number, and name where the system's list has one.
pub fn user() -> (u32, Option<String>) {
    let uid = std::fs::metadata("/proc/self").map_or(u32::MAX, |facts| facts.uid());
    let list = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = list.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    (uid, name)
}

/// SIGTERM and SIGINT ask `handle` to shut down; another one after that ends the process at once with 130.
///
/// # Errors
/// The kernel has no more threads or descriptors for this process.
pub fn shutdown_on_signals(handle: Handle) -> std::io::Result<()> {
    let signals = EndSignals::catch().map_err(std::io::Error::from_raw_os_error)?;
    spawn("signals", move || {
        signals.wait();
        handle.shutdown();
        signals.wait();
        exit_now(EXIT_INTERRUPTED);
    })?;
    Ok(())
}

/// Ends the process at once: no destructors, nothing more is written.
pub fn exit_now(code: u8) -> ! {
    host::exit_now(code)
}
