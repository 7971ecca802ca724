//! Host: the clocks, limits, signals, wake-ups, randomness, file space and the process's end.
//!
//! The only place that asks what time it is.

use super::{check, last_errno};
use std::ffi::CStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicI32, Ordering};

/// Monotonic nanoseconds; the zero point is the host's start.
pub(crate) fn mono_ns() -> u64 {
    read(libc::CLOCK_MONOTONIC)
}

/// Nanoseconds since 1970.
pub(crate) fn wall_ns() -> u64 {
    read(libc::CLOCK_REALTIME)
}

fn read(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one timespec to a place that is one and lives through the call.
    let answer = unsafe { libc::clock_gettime(clock, &raw mut time) };
    assert!(answer == 0, "both clocks exist on every Linux");
    // Before 1970 or before the start of the host is no time: both parts are never negative.
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

/// A counter of the kernel that wakes whoever polls it; any thread may ring it.
#[derive(Debug)]
pub(crate) struct WakeUp(File);

impl WakeUp {
    pub(crate) fn new() -> Result<Self, i32> {
        // SAFETY: no pointers.
        let fd = check(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
        // SAFETY: the kernel just made this descriptor, and nobody else has it.
        Ok(Self(File::from(unsafe { OwnedFd::from_raw_fd(fd) })))
    }

    /// Wakes the poller. A counter that is full already woke it.
    pub(crate) fn ring(&self) {
        let _full = (&self.0).write(&1_u64.to_ne_bytes());
    }

    pub(super) fn fd(&self) -> i32 {
        self.0.as_raw_fd()
    }
}

/// A limit of this process: now, and how far it may be raised. `u64::MAX`: none.
pub(crate) fn file_limit() -> (u64, u64) {
    limit(libc::RLIMIT_NOFILE)
}

/// How much memory this process may lock, in bytes. `u64::MAX`: no limit.
pub(crate) fn memlock_limit() -> u64 {
    limit(libc::RLIMIT_MEMLOCK).0
}

/// Whether this process may lock as much memory as it likes: `CAP_IPC_LOCK`, as `/proc` tells.
pub(crate) fn may_lock_memory() -> bool {
    const IPC_LOCK: u32 = 14;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> IPC_LOCK & 1 == 1)
}

fn limit(which: libc::__rlimit_resource_t) -> (u64, u64) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes one rlimit to a place that is one and lives through the call.
    let answer = unsafe { libc::getrlimit(which, &raw mut limit) };
    if answer == 0 { (limit.rlim_cur, limit.rlim_max) } else { (0, 0) }
}

/// Raises the number of open files this process may have to `count`.
pub(crate) fn raise_file_limit(count: u64) -> Result<(), i32> {
    let (_, hard) = file_limit();
    let wanted = libc::rlimit { rlim_cur: count, rlim_max: hard };
    // SAFETY: the kernel reads one rlimit that lives through the call.
    check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const wanted) })?;
    Ok(())
}

/// Release of the running kernel, as `uname -r`.
pub(crate) fn kernel_release() -> String {
    // SAFETY: all-zero bytes are a valid utsname: it is only arrays of characters.
    let mut name: libc::utsname = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes one utsname to a place that is one and lives through the call.
    let answer = unsafe { libc::uname(&raw mut name) };
    if answer != 0 {
        return "unknown".to_owned();
    }
    // SAFETY: `uname` ends every field with a zero within its array.
    let release = unsafe { CStr::from_ptr(name.release.as_ptr()) };
    release.to_string_lossy().into_owned()
}

/// Random bytes of the kernel.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // SAFETY: the kernel writes at most N bytes to an array of N that lives through the call.
    let answer = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), N, 0) };
    assert_eq!(
        answer.unsigned_abs(),
        N,
        "requests up to 256 bytes are never cut or refused once seeded"
    );
    bytes
}

/// Ends the process: no destructors, nothing more is written.
pub(crate) fn exit_now(code: u8) -> ! {
    // SAFETY: ends every thread; nothing runs after it that could see a broken state.
    unsafe { libc::_exit(i32::from(code)) }
}

/// Where the handler of SIGTERM and SIGINT counts; below 0: nowhere.
static SIGNAL_COUNTER: AtomicI32 = AtomicI32::new(-1);

/// SIGTERM and SIGINT, counted instead of ending the process.
#[derive(Debug)]
pub(crate) struct EndSignals(File);

impl EndSignals {
    /// Counts both from now on, on whatever thread they arrive.
    pub(crate) fn catch() -> Result<Self, i32> {
        // SAFETY: no pointers.
        let fd = check(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) })?;
        // SAFETY: the kernel just made this descriptor, and nobody else has it.
        let counter = File::from(unsafe { OwnedFd::from_raw_fd(fd) });
        SIGNAL_COUNTER.store(fd, Ordering::Release);
        for signal in [libc::SIGTERM, libc::SIGINT] {
            // SAFETY: all-zero bytes are a valid sigaction: no mask, no flags.
            let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
            action.sa_sigaction = count_signal as *const () as usize;
            action.sa_flags = libc::SA_RESTART;
            // SAFETY: reads one sigaction that lives through the call; the handler only does what
            // POSIX allows in one.
            check(unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) })?;
        }
        Ok(Self(counter))
    }

    /// Waits until at least one more came.
    pub(crate) fn wait(&self) {
        let _interrupted = (&self.0).read_exact(&mut [0; 8]);
    }
}

impl Drop for EndSignals {
    fn drop(&mut self) {
        SIGNAL_COUNTER.store(-1, Ordering::Release);
    }
}

extern "C" fn count_signal(_signal: i32) {
    let one = 1_u64;
    // SAFETY: no pointers: the place of this thread's errno always exists.
    let place = unsafe { libc::__errno_location() };
    // SAFETY: this thread's errno, read and written only by this thread.
    let errno = unsafe { place.read() };
    // SAFETY: reads 8 bytes that live through the call; `write` may be called in a handler.
    unsafe { libc::write(SIGNAL_COUNTER.load(Ordering::Acquire), (&raw const one).cast(), 8) };
    // SAFETY: as above; whoever was interrupted finds its errno as it was.
    unsafe { place.write(errno) };
}

/// Reserves space for a file from its start on; its length becomes `bytes`.
pub(crate) fn allocate(file: &File, bytes: u64) -> Result<(), i32> {
    let length = libc::off_t::try_from(bytes).map_err(|_| libc::EFBIG)?;
    // SAFETY: no pointers.
    check(unsafe { libc::fallocate(file.as_raw_fd(), 0, 0, length) })?;
    Ok(())
}

/// Makes everything durable that was written to the filesystem of this file, contents and names.
pub(crate) fn sync_filesystem(file: &File) -> Result<(), i32> {
    // SAFETY: the descriptor is open for as long as `file` lives, which is longer than the call.
    let answer = unsafe { libc::syncfs(file.as_raw_fd()) };
    if answer == 0 { Ok(()) } else { Err(last_errno()) }
}

/// Free bytes of the filesystem under `path`, for users who are not root.
pub(crate) fn free_bytes(path: &Path) -> Result<u64, i32> {
    let mut name = path.as_os_str().as_bytes().to_vec();
    name.push(0);
    let name = CStr::from_bytes_with_nul(&name).map_err(|_| libc::EINVAL)?;
    // SAFETY: all-zero bytes are a valid statvfs: it is only integers.
    let mut facts: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: reads a string that ends with zero, writes one statvfs; both live through the call.
    let answer = unsafe { libc::statvfs(name.as_ptr(), &raw mut facts) };
    if answer == 0 { Ok(facts.f_bavail.saturating_mul(facts.f_frsize)) } else { Err(last_errno()) }
}

/// The set of one core, as the kernel's registration of fsync threads wants it.
pub(super) fn cores(core: usize) -> libc::cpu_set_t {
    // SAFETY: all-zero bytes are the empty set: it is only integers.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: writes into a set that is one; the call refuses a core beyond it by bounds check.
    unsafe { libc::CPU_SET(core, &mut set) };
    set
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_go_on() {
        let first = mono_ns();
        assert!(mono_ns() >= first);
        assert!(wall_ns() > 1_600_000_000_000_000_000);
    }

    #[test]
    fn the_host_answers() {
        assert!(kernel_release().contains('.'));
        assert_ne!(random::<16>(), random::<16>());
        assert!(file_limit().1 >= file_limit().0);
        assert!(free_bytes(Path::new("/")).expect("the root is there") > 0);
    }
}
