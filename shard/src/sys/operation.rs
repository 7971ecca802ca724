//! Operation: what the kernel can be asked to do, everything it may touch while doing it, and whether it can.

use super::host::{self, WakeUp};
use super::pool::{Blank, Block, Pool};
use super::ring::build;
use bytes::Bytes;
use io_uring::{IoUring, opcode, squeue, types};
use std::fs::File;
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::sync::Arc;

/// The group of receive buffers of a ring; there is one.
pub(super) const RECEIVE_GROUP: u16 = 0;

/// A socket in the ring's own table of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SocketSlot(pub(crate) u32);

/// Names an operation in flight, to cancel it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OperationKey(pub(super) u32);

/// What the kernel is asked to do, with all it needs.
#[derive(Debug)]
pub(crate) enum Operation {
    /// Accept again and again; each completion's result is a socket's slot.
    Accept(Arc<TcpListener>),
    /// Receive again and again into the ring's buffers.
    Receive(SocketSlot),
    /// Send `bytes` from index `from` on.
    Send { socket: SocketSlot, bytes: Vec<u8>, from: usize },
    /// Say that no more will be sent; `both`: nor read.
    Hangup { socket: SocketSlot, both: bool },
    /// Close a socket and free its slot.
    Close(SocketSlot),
    /// Cancel an operation.
    Cancel(OperationKey),
    /// Complete each time somebody rings.
    Watch(Arc<WakeUp>),
    /// Write to a file; `linked`: the next operation starts only when it is done whole.
    Write { file: Arc<File>, bytes: Bytes, position: u64, linked: bool },
    /// fdatasync.
    Sync(Arc<File>),
    /// Fill a block from a file, of which it begins at `position`, by one step.
    Read { file: Arc<File>, block: Blank, position: u64 },
}

/// What an operation owned, given back with its last completion.
#[derive(Debug)]
pub(crate) enum Held {
    /// Nothing of use.
    Nothing,
    /// What was to be sent, and from which index on.
    Sent(Vec<u8>, usize),
    /// The block that was read; `None`: less than all of it was.
    Read(Option<Block>),
    /// The next step of a read, to be pushed.
    Rest(Operation),
}

/// Everything the kernel may touch for one operation.
#[derive(Debug)]
#[expect(dead_code, reason = "owned so that the kernel may use it; most is never read by us")]
pub(super) enum Owned {
    Nothing,
    Listener(Arc<TcpListener>),
    WakeUp(Arc<WakeUp>),
    Output(Vec<u8>, usize),
    Write(Arc<File>, Bytes),
    Read(Arc<File>, Blank, u64),
    File(Arc<File>),
}

/// The entry for an operation, and all it points to.
pub(super) fn prepare(operation: Operation) -> (squeue::Entry, Owned) {
    let on = |file: &File| types::Fd(file.as_raw_fd());
    match operation {
        Operation::Accept(listener) => {
            let fd = types::Fd(listener.as_raw_fd());
            (
                opcode::AcceptMulti::new(fd).allocate_file_index(true).build(),
                Owned::Listener(listener),
            )
        }
        Operation::Receive(SocketSlot(slot)) => {
            (opcode::RecvMulti::new(types::Fixed(slot), RECEIVE_GROUP).build(), Owned::Nothing)
        }
        Operation::Send { socket: SocketSlot(slot), bytes, from } => {
            let rest = &bytes[from..];
            let entry = opcode::Send::new(types::Fixed(slot), rest.as_ptr(), length(rest.len()));
            let entry = entry.flags(libc::MSG_WAITALL | libc::MSG_NOSIGNAL).build();
            (entry, Owned::Output(bytes, from))
        }
        Operation::Hangup { socket: SocketSlot(slot), both } => {
            let how = if both { libc::SHUT_RDWR } else { libc::SHUT_WR };
            (opcode::Shutdown::new(types::Fixed(slot), how).build(), Owned::Nothing)
        }
        Operation::Close(SocketSlot(slot)) => {
            (opcode::Close::new(types::Fixed(slot)).build(), Owned::Nothing)
        }
        Operation::Cancel(OperationKey(key)) => {
            (opcode::AsyncCancel::new(u64::from(key)).build(), Owned::Nothing)
        }
        Operation::Watch(wake_up) => {
            let events = u32::from(libc::POLLIN.unsigned_abs());
            (
                opcode::PollAdd::new(types::Fd(wake_up.fd()), events).multi(true).build(),
                Owned::WakeUp(wake_up),
            )
        }
        Operation::Write { file, bytes, position, linked } => {
            let entry = opcode::Write::new(on(&file), bytes.as_ptr(), length(bytes.len()))
                .offset(position)
                .build();
            let entry = if linked { entry.flags(squeue::Flags::IO_LINK) } else { entry };
            (entry, Owned::Write(file, bytes))
        }
        Operation::Sync(file) => {
            let entry = opcode::Fsync::new(on(&file)).flags(types::FsyncFlags::DATASYNC).build();
            (entry, Owned::File(file))
        }
        Operation::Read { file, block, position } => {
            let (address, bytes) = block.next();
            let entry = opcode::Read::new(on(&file), address, length(bytes))
                .offset(position + block.filled() as u64)
                .build();
            (entry, Owned::Read(file, block, position))
        }
    }
}

fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("buffers are bounded far below 4 GiB")
}

/// What a small ring of this kernel can do, asked before any shard starts.
#[derive(Clone, Debug)]
pub(crate) struct RingFacts {
    /// Operations the machine cannot do without and this kernel has not.
    pub(crate) missing: Vec<&'static str>,
    /// Whether `IORING_SETUP_NO_SQARRAY` is there (Linux 6.6).
    pub(crate) no_sqarray: bool,
    /// Whether rings can be registered (Linux 5.18).
    pub(crate) registered_ring: bool,
    /// Whether the place of fsync threads can be chosen.
    pub(crate) helper_affinity: bool,
}

/// Makes a small ring and asks it; the errno of `io_uring_setup` where none can be made.
pub(crate) fn facts() -> Result<RingFacts, i32> {
    let uring = build(8, true)?;
    let mut probe = io_uring::Probe::new();
    let mut missing = Vec::new();
    if uring.submitter().register_probe(&mut probe).is_err() {
        missing.push("IORING_REGISTER_PROBE");
    }
    for (name, code) in OPERATIONS {
        if !probe.is_supported(*code) {
            missing.push(*name);
        }
    }
    if uring.submitter().register_files_sparse(1).is_err() {
        missing.push("IORING_REGISTER_FILES2");
    }
    let pool = Pool::new(1, 4096);
    // SAFETY: the ring is dropped before the pool: locals are dropped in reverse order, and the
    // ring is dropped by name below.
    let answer = unsafe {
        uring.submitter().register_buf_ring_with_flags(
            pool.entries_address(),
            pool.count(),
            RECEIVE_GROUP,
            0,
        )
    };
    if answer.is_err() {
        missing.push("IORING_REGISTER_PBUF_RING");
    }
    let registered_ring = uring.submitter().register_ring_fd().is_ok();
    let helper_affinity = uring.submitter().register_iowq_aff(&host::cores(0)).is_ok();
    drop(uring);
    drop(pool);
    Ok(RingFacts { missing, no_sqarray: build_with_no_sqarray(), registered_ring, helper_affinity })
}

fn build_with_no_sqarray() -> bool {
    IoUring::<io_uring::squeue::Entry>::builder().setup_no_sqarray().build(8).is_ok()
}

/// What the machine cannot do without.
const OPERATIONS: &[(&str, u8)] = &[
    ("IORING_OP_ACCEPT", opcode::AcceptMulti::CODE),
    ("IORING_OP_RECV", opcode::RecvMulti::CODE),
    ("IORING_OP_SEND", opcode::Send::CODE),
    ("IORING_OP_SHUTDOWN", opcode::Shutdown::CODE),
    ("IORING_OP_CLOSE", opcode::Close::CODE),
    ("IORING_OP_ASYNC_CANCEL", opcode::AsyncCancel::CODE),
    ("IORING_OP_POLL_ADD", opcode::PollAdd::CODE),
    ("IORING_OP_WRITE", opcode::Write::CODE),
    ("IORING_OP_FSYNC", opcode::Fsync::CODE),
    ("IORING_OP_READ", opcode::Read::CODE),
    // Not used, but only there since Linux 6.1: multishot receive and deferred work are whole then.
    ("IORING_OP_SENDMSG_ZC (Linux 6.1)", opcode::SendMsgZc::CODE),
];
