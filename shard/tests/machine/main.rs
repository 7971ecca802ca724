//! The machine from outside: real rings, real TCP on loopback, real files; cores written per test.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test's core minds only the events it is about"
)]

mod disk;
mod ends;
mod network;
mod peers;
mod shards;

use shard::{
    Core, Effects, Event, Handle, MachineCounters, NodeMachine, Now, Seat, StartError, drive,
    prepare, process,
};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;
use wire::header::{FrameHeader, VERSION};
use wire::{HEADER_BYTES, Kind};

/// A core that is one function.
struct Scripted<F>(F);

impl<F: FnMut(Now, Event<'_, u64>, &mut Effects<u64>)> Core for Scripted<F> {
    type Mail = u64;

    fn step(&mut self, now: Now, event: Event<'_, u64>, effects: &mut Effects<u64>) {
        (self.0)(now, event, effects);
    }
}

/// One running shard; asked to stop and joined by `stop`.
struct Running {
    address: SocketAddr,
    handle: Handle,
    thread: JoinHandle<Result<MachineCounters, StartError>>,
}

impl Running {
    fn stop(self) -> MachineCounters {
        self.handle.shutdown();
        self.thread.join().expect("no panic").expect("the ring was made")
    }
}

fn config() -> NodeMachine {
    NodeMachine {
        listen: "127.0.0.1:0".parse().expect("an address"),
        idle: shard::Idle::Block,
        ..NodeMachine::default()
    }
}

/// Runs `script` as the core of a node with one shard. `Shutdown` stops it.
fn run(
    config: &NodeMachine,
    script: impl FnMut(Now, Event<'_, u64>, &mut Effects<u64>) + Send + 'static,
) -> Running {
    let (seats, handle) = prepare(config, None).expect("a node");
    sit(seats.into_iter().next().expect("one shard"), handle, script)
}

fn sit(
    seat: Seat<u64>,
    handle: Handle,
    mut script: impl FnMut(Now, Event<'_, u64>, &mut Effects<u64>) + Send + 'static,
) -> Running {
    let address = seat.addresses().shards[usize::from(seat.shard().0)];
    let core = Scripted(move |now, event: Event<'_, u64>, effects: &mut Effects<u64>| {
        if matches!(event, Event::Shutdown) {
            effects.list.push(shard::Effect::Stop);
        }
        script(now, event, effects);
    });
    let thread = process::spawn("shard", move || drive(core, seat)).expect("a thread");
    Running { address, handle, thread }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("connects");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("an option");
    stream.set_nodelay(true).expect("an option");
    stream
}

/// A frame with no body and this section.
fn frame(kind: Kind, request_id: u64, section: &[u8]) -> Vec<u8> {
    let section_bytes = u32::try_from(section.len()).expect("short");
    let header = FrameHeader {
        version: VERSION,
        kind: kind as u8,
        flags: 0,
        body_bytes: 0,
        section_bytes,
        request_id,
    };
    let mut bytes = header.encode().to_vec();
    bytes.extend_from_slice(section);
    bytes
}

/// Reads one frame: its header and all that follows.
fn read_frame(stream: &mut TcpStream) -> (FrameHeader, Vec<u8>) {
    let mut bytes = [0; HEADER_BYTES];
    stream.read_exact(&mut bytes).expect("a header");
    let header = FrameHeader::decode(&bytes).expect("a header");
    let mut rest = vec![0; usize::try_from(header.frame_bytes()).expect("short") - HEADER_BYTES];
    stream.read_exact(&mut rest).expect("the rest");
    (header, rest)
}

/// The code of an `Error` frame.
fn read_error(stream: &mut TcpStream) -> u16 {
    let (header, rest) = read_frame(stream);
    assert_eq!(header.kind, Kind::Error as u8);
    let frame = wire::Frame { header, body: &rest, section: &[] };
    frame.read::<wire::table::Error<'_>>().expect("an Error").code()
}

/// Everything until the peer ends.
fn read_all(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("the peer ends in order");
    bytes
}

fn send(stream: &mut TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).expect("sent");
}

/// Answers each frame with the same one.
fn echo(event: &Event<'_, u64>, effects: &mut Effects<u64>) {
    if let Event::Frame { connection, frame } = event {
        effects.send(*connection, |out| {
            out.extend_from_slice(&frame.header.encode());
            out.extend_from_slice(frame.body);
            out.extend_from_slice(frame.section);
        });
    }
}
