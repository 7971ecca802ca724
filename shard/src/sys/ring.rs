//! Ring: one `io_uring`, and every operation in flight with all the kernel may still touch.
//!
//! ```text
//!   push(tag, operation) --> submission queue --enter--> kernel --> completion queue --> reap
//!          \______________ in_flight[user_data] owns buffer and file _______________/
//! ```
//!
//! Invariants:
//!   1. What an operation points to is owned by its entry in `in_flight` until its last completion
//!      was reaped, cancelled or not. Nobody can free or change it before.
//!   2. An entry is used again only after that last completion: user data names one operation.
//!   3. Dropping the ring waits until the kernel is quiet; what it will not let go of is leaked.
//!
//! Lives on one thread (`SINGLE_ISSUER`). A full submission queue is submitted, never grown.

use super::operation::{Held, Operation, OperationKey, Owned, RECEIVE_GROUP, prepare};
use super::pool::{Pool, Received};
use super::{check, host};
use io_uring::{IoUring, cqueue, types};
use std::collections::VecDeque;
use std::os::fd::AsRawFd;

const ENTER_GETEVENTS: u32 = 1;
const ENTER_EXT_ARG: u32 = 1 << 3;
const ENTER_REGISTERED_RING: u32 = 1 << 4;
const REGISTER_RING_FDS: u32 = 20;
/// How long a dropped ring waits for the kernel, in nanoseconds.
const QUIET_NS_MAX: u64 = 10_000_000_000;

#[derive(Debug)]
struct InFlight<T> {
    tag: T,
    owned: Owned,
}

/// The end of an operation, or one result of many.
#[derive(Debug)]
pub(crate) struct Completion<T> {
    /// As given to `push`.
    pub(crate) tag: T,
    /// Not negative: what the operation counts. Negative: an errno.
    pub(crate) result: i32,
    /// More completions of this operation follow.
    pub(crate) more: bool,
    /// What was received.
    pub(crate) received: Option<Received>,
    /// What the operation owned.
    pub(crate) held: Held,
}

/// What a ring is made with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RingSetup {
    /// Entries of the submission queue; the completion queue has four times as many.
    pub(crate) entries: u32,
    /// Sockets at once.
    pub(crate) sockets: u32,
    /// Receive buffers, a power of two.
    pub(crate) buffer_count: u16,
    /// Length of a receive buffer.
    pub(crate) buffer_bytes: usize,
    /// Where the kernel's fsync threads are to run.
    pub(crate) housekeeping_core: Option<usize>,
}

/// Why a ring could not be made: which step, and its errno.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RingFault {
    pub(crate) step: RingStep,
    pub(crate) errno: i32,
}

/// The steps of making a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RingStep {
    Setup,
    Sockets,
    Buffers,
}

/// One `io_uring`.
pub(crate) struct Ring<T> {
    uring: IoUring,
    /// The ring's number in the table of registered rings of this thread.
    registered: Option<u32>,
    pool: Pool,
    in_flight: Vec<Option<InFlight<T>>>,
    unused: Vec<u32>,
    /// Completions taken only to make room while submitting.
    early: VecDeque<Completion<T>>,
    /// Submits at which the kernel left entries behind: a chain may have been torn there.
    torn_submits: u64,
    pub(crate) enters: u64,
    pub(crate) full_queues: u64,
    pub(crate) overflows: u64,
}

impl<T> std::fmt::Debug for Ring<T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Ring").field("enters", &self.enters).finish_non_exhaustive()
    }
}

/// What `enter` passes beside its flags (`io_uring_getevents_arg`).
#[repr(C)]
struct EnterArgument {
    signal_mask: u64,
    signal_mask_bytes: u32,
    wait_us_min: u32,
    timeout: u64,
}

/// What registering a ring passes (`io_uring_rsrc_update`).
#[repr(C)]
struct RegisterArgument {
    offset: u32,
    reserved: u32,
    data: u64,
}

impl<T: Copy> Ring<T> {
    /// Makes a ring for the calling thread; only this thread may use it.
    pub(crate) fn new(setup: RingSetup) -> Result<Self, RingFault> {
        let fault = |step| move |errno| RingFault { step, errno };
        let uring = build(setup.entries, true).map_err(fault(RingStep::Setup))?;
        if setup.sockets > 0 {
            let answer = uring.submitter().register_files_sparse(setup.sockets);
            answer.map_err(|error| fault(RingStep::Sockets)(errno_of(&error)))?;
        }
        let pool = Pool::new(setup.buffer_count, setup.buffer_bytes);
        // SAFETY: the entries stay where they are until the ring is dropped: `Drop` sees to the
        // order, and the pool is leaked where the kernel is not quiet.
        let answer = unsafe {
            uring.submitter().register_buf_ring_with_flags(
                pool.entries_address(),
                pool.count(),
                RECEIVE_GROUP,
                0,
            )
        };
        answer.map_err(|error| fault(RingStep::Buffers)(errno_of(&error)))?;
        let mut ring = Self {
            uring,
            registered: None,
            pool,
            in_flight: Vec::with_capacity(setup.entries as usize),
            unused: Vec::with_capacity(setup.entries as usize),
            early: VecDeque::new(),
            torn_submits: 0,
            enters: 0,
            full_queues: 0,
            overflows: 0,
        };
        ring.registered = ring.register_itself();
        if let Some(core) = setup.housekeeping_core {
            ring.keep_helpers_on(core);
        }
        Ok(ring)
    }

    /// Cheaper `enter`s; a kernel without it just pays a look-up more.
    fn register_itself(&self) -> Option<u32> {
        let fd = u64::try_from(self.uring.as_raw_fd()).ok()?;
        let mut argument = RegisterArgument { offset: u32::MAX, reserved: 0, data: fd };
        // SAFETY: the kernel reads and writes one such argument that lives through the call.
        let answer = unsafe {
            libc::syscall(
                libc::SYS_io_uring_register,
                self.uring.as_raw_fd(),
                REGISTER_RING_FDS,
                &raw mut argument,
                1,
            )
        };
        (answer == 1).then_some(argument.offset)
    }

    /// Keeps the kernel's fsync threads off this core, and few.
    fn keep_helpers_on(&self, core: usize) {
        let submitter = self.uring.submitter();
        // Both are help, not need: a kernel that refuses runs them on this core.
        let _refused = submitter.register_iowq_aff(&host::cores(core));
        let _refused = submitter.register_iowq_max_workers(&mut [4, 4]);
    }

    /// Room for `count` operations in one submit, so that a chain is not torn.
    pub(crate) fn reserve(&mut self, count: usize) {
        while self.room() < count {
            self.full_queues += 1;
            self.enter(0, ENTER_GETEVENTS, None);
            if self.room() < count {
                self.reap_early();
            }
        }
    }

    fn room(&mut self) -> usize {
        let queue = self.uring.submission();
        queue.capacity() - queue.len()
    }

    /// Queues an operation; it starts at the next `submit` or `wait`.
    pub(crate) fn push(&mut self, tag: T, operation: Operation) -> OperationKey {
        self.reserve(1);
        let (entry, owned) = prepare(operation);
        let key = self.unused.pop().unwrap_or_else(|| {
            self.in_flight.push(None);
            u32::try_from(self.in_flight.len() - 1).expect("operations are bounded by connections")
        });
        self.in_flight[key as usize] = Some(InFlight { tag, owned });
        let entry = entry.user_data(u64::from(key));
        // SAFETY: all that the entry points to is owned by `in_flight[key]` until its last
        // completion (invariant 1), on the heap or behind an `Arc`, so moving the owner is fine.
        let pushed = unsafe { self.uring.submission().push(&entry) };
        pushed.expect("room was reserved");
        OperationKey(key)
    }

    /// Starts what was queued and takes what is done, without waiting.
    pub(crate) fn submit(&mut self) {
        self.enter(0, ENTER_GETEVENTS, None);
    }

    /// Starts what was queued, then waits for a completion, at most `timeout_ns` if given.
    pub(crate) fn wait(&mut self, timeout_ns: Option<u64>) {
        self.enter(1, ENTER_GETEVENTS, timeout_ns);
    }

    /// Whether operations are queued that the kernel has not seen.
    pub(crate) fn has_queued(&mut self) -> bool {
        !self.uring.submission().is_empty()
    }

    /// Whether `reap` would find something.
    pub(crate) fn has_completions(&mut self) -> bool {
        !self.early.is_empty() || !self.uring.completion().is_empty()
    }

    /// Whether the kernel wants an `enter` to finish what it has.
    pub(crate) fn wants_enter(&mut self) -> bool {
        let queue = self.uring.submission();
        queue.taskrun() || queue.cq_overflow()
    }

    /// Grows when a submit left entries behind: a chain pushed before may have been torn.
    pub(crate) fn torn_submits(&self) -> u64 {
        self.torn_submits
    }

    fn enter(&mut self, wait_count: u32, flags: u32, timeout_ns: Option<u64>) {
        self.pool.publish();
        let (_, mut submission, completion) = self.uring.split();
        submission.sync();
        let to_submit = submission.len();
        if submission.cq_overflow() {
            self.overflows += 1;
        }
        drop((submission, completion));
        self.enters += 1;
        let limit = timeout_ns.map(timespec);
        let taken = self.enter_raw(to_submit, wait_count, flags, limit.as_ref());
        if taken.is_ok_and(|count| count.unsigned_abs() as usize != to_submit) {
            self.torn_submits += 1;
        }
        match taken {
            // Interrupted, timed out, or short of memory or room: the next turn tries again.
            Ok(_) | Err(libc::EINTR | libc::ETIME | libc::EAGAIN | libc::EBUSY) => {}
            Err(errno) => panic!("io_uring_enter refuses a sound call: errno {errno}"),
        }
    }

    fn enter_raw(
        &self,
        to_submit: usize,
        wait_count: u32,
        flags: u32,
        limit: Option<&types::Timespec>,
    ) -> Result<i32, i32> {
        let argument = EnterArgument {
            signal_mask: 0,
            signal_mask_bytes: 0,
            wait_us_min: 0,
            timeout: limit.map_or(0, |limit| (&raw const *limit) as u64),
        };
        let (fd, registered_flag) = match self.registered {
            Some(number) => (i64::from(number), ENTER_REGISTERED_RING),
            None => (i64::from(self.uring.as_raw_fd()), 0),
        };
        // SAFETY: the argument and the timeout it points to live through the call; the entries
        // submitted are valid by the contract of `push`.
        let answer = unsafe {
            libc::syscall(
                libc::SYS_io_uring_enter,
                fd,
                to_submit,
                wait_count,
                flags | registered_flag | ENTER_EXT_ARG,
                &raw const argument,
                size_of::<EnterArgument>(),
            )
        };
        check(i32::try_from(answer).unwrap_or(-1))
    }

    /// Moves up to `count_max` completions to `into`.
    pub(crate) fn reap(&mut self, into: &mut Vec<Completion<T>>, count_max: usize) {
        while into.len() < count_max {
            let Some(completion) = self.early.pop_front() else { break };
            into.push(completion);
        }
        let mut queue = self.uring.completion();
        while into.len() < count_max {
            let Some(entry) = queue.next() else { break };
            into.push(complete(&mut self.in_flight, &mut self.unused, &mut self.pool, &entry));
        }
    }

    fn reap_early(&mut self) {
        for entry in self.uring.completion() {
            let completion =
                complete(&mut self.in_flight, &mut self.unused, &mut self.pool, &entry);
            self.early.push_back(completion);
        }
    }

    /// The bytes in a received buffer.
    pub(crate) fn bytes(&self, received: &Received) -> &[u8] {
        self.pool.bytes(received)
    }

    /// Gives a receive buffer back to the kernel.
    pub(crate) fn give_back(&mut self, received: Received) {
        self.pool.give_back(received);
    }

    /// The kernel found no receive buffer where it looks; false: there is none anywhere.
    pub(crate) fn offer_more_buffers(&mut self) -> bool {
        self.pool.offer_more();
        self.pool.free() > 0
    }

    /// Receive buffers that are in nobody's hands.
    pub(crate) fn free_buffers(&self) -> usize {
        self.pool.free()
    }
}

/// Pairs a completion with its operation, whose entry is free again if this was the last.
fn complete<T: Copy>(
    in_flight: &mut [Option<InFlight<T>>],
    unused: &mut Vec<u32>,
    pool: &mut Pool,
    entry: &cqueue::Entry,
) -> Completion<T> {
    let key = u32::try_from(entry.user_data()).expect("user data is a key of ours");
    let slot = &mut in_flight[key as usize];
    let tag = slot.as_ref().expect("invariant 2").tag;
    let more = cqueue::more(entry.flags());
    let result = entry.result();
    let received = cqueue::buffer_select(entry.flags()).map(|id| {
        pool.note_taken();
        Received::new(id, u32::try_from(result).unwrap_or(0))
    });
    let mut held = Held::Nothing;
    if !more {
        unused.push(key);
        held = match slot.take().map(|operation| operation.owned) {
            Some(Owned::Output(bytes, from)) => Held::Sent(bytes, from),
            // SAFETY: the kernel's result of a read is how many bytes it wrote, from `next` on.
            Some(Owned::Read(file, blank, position)) => match unsafe { blank.fill(result) } {
                Some(Err(block)) => Held::Rest(Operation::Read { file, block, position }),
                whole => Held::Read(whole.and_then(Result::ok)),
            },
            Some(
                Owned::Nothing
                | Owned::Listener(_)
                | Owned::WakeUp(_)
                | Owned::Write(..)
                | Owned::File(_),
            )
            | None => Held::Nothing,
        };
    }
    Completion { tag, result, more, received, held }
}

impl<T> Ring<T> {
    /// Whether the kernel may still touch memory of ours.
    pub(crate) fn is_quiet(&self) -> bool {
        self.in_flight.iter().all(Option::is_none)
    }

    fn cancel_everything(&mut self) -> Result<(), i32> {
        let limit = types::Timespec::new().sec(1);
        let answer =
            self.uring.submitter().register_sync_cancel(Some(limit), types::CancelBuilder::any());
        answer.map_err(|error| errno_of(&error))
    }
}

impl<T> Drop for Ring<T> {
    fn drop(&mut self) {
        let until_ns = host::mono_ns() + QUIET_NS_MAX;
        while !self.is_quiet() && host::mono_ns() < until_ns {
            let _not_found = self.uring.submit();
            let _not_found = self.cancel_everything();
            let _timeout = self.uring.submitter().submit_with_args(
                1,
                &types::SubmitArgs::new().timespec(&types::Timespec::new().nsec(1_000_000)),
            );
            for entry in self.uring.completion() {
                let slot = usize::try_from(entry.user_data())
                    .ok()
                    .and_then(|key| self.in_flight.get_mut(key));
                if let Some(slot) = slot.filter(|_| !cqueue::more(entry.flags())) {
                    *slot = None;
                }
            }
        }
        if !self.is_quiet() {
            // Invariant 3: better lost memory than memory the kernel still writes to.
            std::mem::forget(std::mem::take(&mut self.in_flight));
            std::mem::forget(std::mem::replace(&mut self.pool, Pool::new(1, 1)));
        }
    }
}

fn timespec(nanoseconds: u64) -> types::Timespec {
    let rest = u32::try_from(nanoseconds % 1_000_000_000).expect("below 10^9");
    types::Timespec::new().sec(nanoseconds / 1_000_000_000).nsec(rest)
}

fn errno_of(error: &std::io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EIO)
}

pub(super) fn build(entries: u32, with_no_sqarray: bool) -> Result<IoUring, i32> {
    let mut builder = IoUring::builder();
    builder.setup_cqsize(entries * 4).setup_submit_all().setup_single_issuer();
    builder.setup_defer_taskrun().setup_taskrun_flag();
    if with_no_sqarray {
        builder.setup_no_sqarray();
    }
    match builder.build(entries) {
        Ok(uring) => Ok(uring),
        Err(error) if with_no_sqarray && errno_of(&error) == libc::EINVAL => build(entries, false),
        Err(error) => Err(errno_of(&error)),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::sys::host::WakeUp;
    use crate::sys::pool::Blank;
    use std::sync::Arc;

    pub(crate) fn ring() -> Ring<u32> {
        let setup = RingSetup {
            entries: 8,
            sockets: 1,
            buffer_count: 1,
            buffer_bytes: 4096,
            housekeeping_core: None,
        };
        Ring::new(setup).expect("tests need io_uring")
    }

    #[test]
    fn a_cancelled_operation_gives_its_buffer_back_only_when_it_ended() {
        let mut ring = ring();
        let wake_up = Arc::new(WakeUp::new().expect("an eventfd"));
        let key = ring.push(1, Operation::Watch(Arc::clone(&wake_up)));
        ring.submit();
        ring.push(2, Operation::Cancel(key));
        assert_eq!(Arc::strong_count(&wake_up), 2, "the kernel may still look at it");
        let mut completions = Vec::new();
        while completions.len() < 2 {
            ring.wait(None);
            ring.reap(&mut completions, 2);
        }
        assert_eq!(Arc::strong_count(&wake_up), 1);
        let watch = completions.iter().find(|completion| completion.tag == 1).expect("ended");
        assert!(watch.result == -libc::ECANCELED && !watch.more);
    }

    #[test]
    fn a_dropped_ring_lets_go_of_everything_once_the_kernel_is_quiet() {
        let wake_up = Arc::new(WakeUp::new().expect("an eventfd"));
        let file = Arc::new(std::fs::File::open("/dev/zero").expect("a device"));
        for is_submitted in [true, false] {
            let mut ring = ring();
            ring.push(1, Operation::Watch(Arc::clone(&wake_up)));
            let block = Blank::new(8 << 20);
            ring.push(2, Operation::Read { file: Arc::clone(&file), block, position: 0 });
            if is_submitted {
                ring.submit();
            }
            drop(ring);
            assert_eq!((Arc::strong_count(&wake_up), Arc::strong_count(&file)), (1, 1));
        }
    }
}
