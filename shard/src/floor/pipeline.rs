//! Pipeline floor: frames checked, copied into a log and answered, as many in flight as the client likes.
//!
//! ```text
//!   frame: | length u32 | zero | crc u32 | records u32 | body |     answer: the same header alone, records summed
//! ```

use super::log::{BUFFER_BYTES, Keeping, Log, LogDone};
use super::network::{FloorServer, start, wait};
use crate::config::Idle;
use crate::directory::FileFault;
use crate::probe::StartError;
use crate::sys::host::{self, WakeUp};
use crate::sys::operation::{Held, Operation, SocketSlot};
use crate::sys::pool::Received;
use crate::sys::ring::{Completion, Ring, RingSetup};
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Length of a frame's header, in bytes.
const HEADER_BYTES: usize = 16;
/// The longest record there is a floor for, in bytes: a frame with one fits the log's buffer.
pub const RECORD_BYTES_MAX: usize = BUFFER_BYTES - HEADER_BYTES - RECORD_HEAD_BYTES;
/// What goes with each record where a frame carries several, in bytes.
const RECORD_HEAD_BYTES: usize = 8;

/// What is read of answers at once, in bytes.
const ANSWERS_BYTES: usize = 16 << 10;

/// What an operation of the loop is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    Accept,
    Stop,
    Receive(usize),
    Send(usize),
    /// A part of the log's write.
    Write,
    /// Its sync.
    Sync,
}

#[derive(Debug)]
struct Peer {
    socket: SocketSlot,
    /// What is no whole frame yet, or found the log full.
    rest: Vec<u8>,
    queued: Vec<u8>,
    /// Memory of the send before; `None` while one is in flight.
    spare: Option<Vec<u8>>,
}

#[derive(Debug)]
struct Server {
    ring: Ring<Tag>,
    peers: Vec<Peer>,
    log: Log,
}

/// Starts a server whose log lies in a folder made under `place`; removed when it is stopped.
///
/// # Errors
/// No ring or socket can be made, or the disk refuses.
pub fn serve_log(
    place: &Path,
    keeping: Keeping,
    idle: Idle,
    core: Option<usize>,
) -> Result<FloorServer, StartError> {
    let unusable = |fault: FileFault| {
        StartError::Data(crate::data::DataDirError::Unusable {
            path: place.display().to_string(),
            fault,
        })
    };
    let log = Log::open(place, keeping).map_err(unusable)?;
    start(core, move |listener, stop| run(log, idle, listener, stop))
}

fn run(log: Log, idle: Idle, listener: Arc<TcpListener>, stop: Arc<WakeUp>) {
    let setup = RingSetup {
        entries: 1024,
        sockets: 64,
        buffer_count: 256,
        buffer_bytes: 64 << 10,
        housekeeping_core: None,
    };
    let mut ring = Ring::new(setup).expect("the host was probed");
    ring.push(Tag::Accept, Operation::Accept(listener));
    ring.push(Tag::Stop, Operation::Watch(stop));
    let mut server = Server { ring, peers: Vec::new(), log };
    let mut completions = Vec::new();
    loop {
        wait(&mut server.ring, idle);
        server.ring.reap(&mut completions, 4096);
        for completion in completions.drain(..) {
            if completion.tag == Tag::Stop {
                return;
            }
            server.take(completion);
        }
        server.log.flush(&mut server.ring);
        server.send_all();
    }
}

impl Server {
    fn take(&mut self, completion: Completion<Tag>) {
        match completion.tag {
            Tag::Stop => {}
            Tag::Accept => {
                let Ok(slot) = u32::try_from(completion.result) else { return };
                let socket = SocketSlot(slot);
                self.ring.push(Tag::Receive(self.peers.len()), Operation::Receive(socket));
                let (rest, queued) = (Vec::new(), Vec::new());
                self.peers.push(Peer { socket, rest, queued, spare: Some(Vec::new()) });
            }
            Tag::Receive(from) => {
                if let Some(received) = completion.received {
                    self.receive(from, received);
                }
                if !completion.more && completion.result != 0 {
                    self.ring.push(Tag::Receive(from), Operation::Receive(self.peers[from].socket));
                }
            }
            Tag::Send(to) => {
                if let Held::Sent(mut bytes, _) = completion.held {
                    bytes.clear();
                    self.peers[to].spare = Some(bytes);
                }
            }
            Tag::Write | Tag::Sync => self.written(completion.tag == Tag::Sync, completion.result),
        }
    }

    fn written(&mut self, is_sync: bool, result: i32) {
        let LogDone { answers } = self.log.end_part(is_sync, result);
        for (to, records) in answers {
            self.peers[to].queued.extend_from_slice(&header(HEADER_BYTES, 0, records));
        }
        for from in 0..self.peers.len() {
            let rest = std::mem::take(&mut self.peers[from].rest);
            let used = self.take_frames(from, &rest);
            self.keep_rest(from, rest, used);
        }
    }

    fn receive(&mut self, from: usize, received: Received) {
        if self.peers[from].rest.is_empty() {
            let (ring, log) = (&mut self.ring, &mut self.log);
            // The bytes are read where the kernel put them: only what is left over is copied.
            let mut records = 0;
            let used = parse(ring.bytes(&received), log, &mut records);
            self.peers[from].rest.extend_from_slice(&ring.bytes(&received)[used..]);
            self.answer(from, records);
        } else {
            let mut rest = std::mem::take(&mut self.peers[from].rest);
            rest.extend_from_slice(self.ring.bytes(&received));
            let used = self.take_frames(from, &rest);
            self.keep_rest(from, rest, used);
        }
        self.ring.give_back(received);
        self.log.write_full(&mut self.ring);
    }

    fn take_frames(&mut self, from: usize, bytes: &[u8]) -> usize {
        let mut records = 0;
        let used = parse(bytes, &mut self.log, &mut records);
        self.answer(from, records);
        used
    }

    fn keep_rest(&mut self, from: usize, mut rest: Vec<u8>, used: usize) {
        rest.drain(..used);
        self.peers[from].rest = rest;
    }

    /// Answers at once, or when the log has them.
    fn answer(&mut self, from: usize, records: u32) {
        if records == 0 {
        } else if self.log.is_synced() {
            self.log.wait(from, records);
        } else {
            self.peers[from].queued.extend_from_slice(&header(HEADER_BYTES, 0, records));
        }
    }

    fn send_all(&mut self) {
        for (number, peer) in self.peers.iter_mut().enumerate() {
            if !peer.queued.is_empty()
                && let Some(spare) = peer.spare.take()
            {
                let bytes = std::mem::replace(&mut peer.queued, spare);
                let send = Operation::Send { socket: peer.socket, bytes, from: 0 };
                self.ring.push(Tag::Send(number), send);
            }
        }
    }
}

/// Takes whole frames into the log while it has room; how many bytes were taken.
fn parse(bytes: &[u8], log: &mut Log, records: &mut u32) -> usize {
    let mut used = 0;
    while let Some(head) = bytes[used..].first_chunk::<HEADER_BYTES>() {
        let word =
            |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let Some(frame) = bytes[used..].get(..word(0) as usize) else { break };
        assert_eq!(wire::record::checksum(&frame[HEADER_BYTES..]), word(8), "a client of ours");
        if !log.append(frame) {
            break;
        }
        *records += word(12);
        used += frame.len();
    }
    used
}

fn header(length: usize, crc: u32, records: u32) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    let length = u32::try_from(length).expect("a frame of some KiB");
    header[..4].copy_from_slice(&length.to_le_bytes());
    header[8..12].copy_from_slice(&crc.to_le_bytes());
    header[12..].copy_from_slice(&records.to_le_bytes());
    header
}

/// What to measure.
#[derive(Clone, Copy, Debug)]
pub struct Pipelined {
    /// Whom to ask.
    pub address: SocketAddr,
    /// Length of a record, in bytes, at most `RECORD_BYTES_MAX`; eight more with each where a frame carries several.
    pub record_bytes: usize,
    /// Records in a frame: at most those that fit in 1 MiB.
    pub frame_records: u32,
    /// Records in flight.
    pub window_records: u32,
    /// Records before the first that counts, and those that count.
    pub counts: (u64, u64),
    /// The most either may take: a small window over a slow disk would take hours for what a large one has in a second.
    pub span_max: Duration,
}

/// What it came to.
#[derive(Clone, Debug)]
pub struct PipelinedSpans {
    /// From the first record that counts to the answer of the last, reckoned from those there was time for; nanoseconds.
    pub whole_ns: u64,
    /// Of each frame, from its send to its answer; nanoseconds.
    pub frames_ns: Vec<u64>,
}

/// Sends frames, a window of them in flight, until enough are answered. Polls: it has a core of its own.
///
/// # Errors
/// The connection breaks, or a record is too long.
pub fn pipeline(order: &Pipelined) -> std::io::Result<PipelinedSpans> {
    if order.record_bytes > RECORD_BYTES_MAX {
        let words = format!("{} bytes a record: at most {RECORD_BYTES_MAX}", order.record_bytes);
        return Err(std::io::Error::new(ErrorKind::InvalidInput, words));
    }
    let mut stream = TcpStream::connect(order.address)?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    let (frame, frame_records) = frame_of(order);
    let window_frames = (order.window_records / frame_records).max(1) as usize;
    let train = frame.repeat(window_frames.min(4096));
    let (warm_up, count) = order.counts;
    let span_ns_max = u64::try_from(order.span_max.as_nanos()).unwrap_or(u64::MAX);
    let connected_ns = host::mono_ns();
    let (mut wanted, mut sent_bytes) = (window_frames * frame.len(), 0);
    let mut sent: VecDeque<(u64, u64)> = VecDeque::from([(host::mono_ns(), window_frames as u64)]);
    let (mut answered, mut input, mut frames_ns) = (0, Vec::new(), Vec::new());
    let mut bytes = vec![0; ANSWERS_BYTES];
    let mut begun_ns = None;
    loop {
        if sent_bytes < wanted {
            let at = sent_bytes % frame.len();
            let end = (at + wanted - sent_bytes).min(train.len());
            sent_bytes += unless_it_would_block(stream.write(&train[at..end]))?;
        }
        let length = unless_it_would_block(stream.read(&mut bytes))?;
        let records = answered_by(&bytes[..length], &mut input);
        if records == 0 {
            std::hint::spin_loop();
            continue;
        }
        let now_ns = host::mono_ns();
        answered += records;
        if begun_ns.is_none() && (answered >= warm_up || now_ns - connected_ns >= span_ns_max) {
            begun_ns = Some((now_ns, answered));
        }
        let again = records / u64::from(frame_records);
        settle(&mut sent, again, now_ns, &mut frames_ns);
        if let Some((since_ns, before)) = begun_ns
            && answered > before
            && (answered >= before + count || now_ns - since_ns >= span_ns_max)
        {
            // As many as were asked for, in the time they took.
            let whole_ns =
                u128::from(now_ns - since_ns) * u128::from(count) / u128::from(answered - before);
            let whole_ns = u64::try_from(whole_ns).unwrap_or(u64::MAX);
            return Ok(PipelinedSpans { whole_ns, frames_ns });
        }
        wanted += usize::try_from(again).unwrap_or(0) * frame.len();
        sent.push_back((now_ns, again));
    }
}

/// A frame as it is sent again and again, and how many records it carries.
fn frame_of(order: &Pipelined) -> (Vec<u8>, u32) {
    let each = order.record_bytes + if order.frame_records > 1 { RECORD_HEAD_BYTES } else { 0 };
    let fitting = u32::try_from((BUFFER_BYTES - HEADER_BYTES) / each.max(1)).unwrap_or(u32::MAX);
    let records = order.frame_records.min(fitting).max(1);
    let body = vec![9; each * records as usize];
    let mut frame =
        header(HEADER_BYTES + body.len(), wire::record::checksum(&body), records).to_vec();
    frame.extend_from_slice(&body);
    (frame, records)
}

/// Notes how long the oldest frames took.
fn settle(sent: &mut VecDeque<(u64, u64)>, mut frames: u64, now_ns: u64, into: &mut Vec<u64>) {
    while frames > 0
        && let Some((at_ns, left)) = sent.front_mut()
    {
        let count = frames.min(*left);
        into.extend((0..count).map(|_| now_ns - *at_ns));
        *left -= count;
        frames -= count;
        if *left == 0 {
            sent.pop_front();
        }
    }
}

/// Records answered by what has come; what is no whole answer stays in `input`.
fn answered_by(bytes: &[u8], input: &mut Vec<u8>) -> u64 {
    input.extend_from_slice(bytes);
    let (answers, rest) = input.as_chunks::<HEADER_BYTES>();
    let last = |answer: &[u8; HEADER_BYTES]| {
        u32::from_le_bytes([answer[12], answer[13], answer[14], answer[15]])
    };
    let records = answers.iter().map(|answer| u64::from(last(answer))).sum();
    let used = input.len() - rest.len();
    input.drain(..used);
    records
}

fn unless_it_would_block(moved: std::io::Result<usize>) -> std::io::Result<usize> {
    match moved {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        moved => moved,
    }
}
