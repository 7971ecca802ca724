//! Attacker: a raw socket to a node, and what the node says to it.

use flatbuffers::{FlatBufferBuilder, WIPOffset};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;
use wire::frame::Decoded;
use wire::header::FrameHeader;
use wire::{Frame, FrameWriter, HEADER_BYTES, Kind, table};

/// How long the node may be silent before the test gives up; nothing is measured by it.
const PATIENCE: Duration = Duration::from_mins(1);

/// A connection that need not keep to any rule.
pub(crate) struct Attacker {
    socket: TcpStream,
    heard: Vec<u8>,
}

impl Attacker {
    /// Connects and says nothing.
    pub(crate) fn connect(address: &str) -> Self {
        let socket = TcpStream::connect(address).expect("the node listens");
        socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
        Self { socket, heard: Vec::new() }
    }

    /// Connects and is welcomed.
    pub(crate) fn greet(address: &str) -> Self {
        let mut attacker = Self::connect(address);
        attacker.send(&hello(1, 1));
        assert_eq!(attacker.next().map(|(kind, _)| kind), Some(Kind::Welcome));
        attacker
    }

    /// Sends bytes. A node that has closed meanwhile need not take them.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let _ = self.socket.write_all(bytes);
    }

    /// Sends no more.
    pub(crate) fn finish(&mut self) {
        let _ = self.socket.shutdown(Shutdown::Write);
    }

    /// The next frame: its kind, and its code if it is an Error. `None`: the node closed.
    pub(crate) fn next(&mut self) -> Option<(Kind, u16)> {
        loop {
            if let Ok(Decoded::Frame { frame, bytes_taken }) = Frame::decode(&self.heard) {
                let kind = frame.kind().expect("a kind of ours");
                let code = if kind == Kind::Error {
                    frame.read::<table::Error<'_>>().expect("sound").code()
                } else {
                    0
                };
                self.heard.drain(..bytes_taken);
                return Some((kind, code));
            }
            if !self.hear() {
                assert!(self.heard.is_empty(), "half a frame: {:?}", self.heard);
                return None;
            }
        }
    }

    /// All that is said until the node closes.
    pub(crate) fn words(&mut self) -> String {
        while self.hear() {}
        String::from_utf8_lossy(&std::mem::take(&mut self.heard)).into_owned()
    }

    /// Whether the node still answers on this connection: a Pong, whatever comes before it.
    pub(crate) fn is_served(&mut self) -> bool {
        self.send(&frame(Kind::Ping as u8, &[], &[]));
        while let Some((kind, _)) = self.next() {
            if kind == Kind::Pong {
                return true;
            }
        }
        false
    }

    /// Reads some bytes; false: there are no more.
    fn hear(&mut self) -> bool {
        let mut bytes = [0; 4096];
        match self.socket.read(&mut bytes) {
            Ok(0) => false,
            Ok(count) => {
                self.heard.extend_from_slice(&bytes[..count]);
                true
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("the node neither answers nor closes")
            }
            // A reset after the last word is as good as an end.
            Err(_) => false,
        }
    }
}

/// A frame with a right header around anything.
pub(crate) fn frame(kind: u8, body: &[u8], section: &[u8]) -> Vec<u8> {
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).expect("short");
    [&header(kind, length(body), length(section))[..], body, section].concat()
}

/// A right header, whatever follows.
pub(crate) fn header(kind: u8, body_bytes: u32, section_bytes: u32) -> [u8; HEADER_BYTES] {
    let header =
        FrameHeader { version: 1, kind, flags: 0, body_bytes, section_bytes, request_id: 9 };
    header.encode()
}

/// A sound frame.
pub(crate) fn sound<T>(
    kind: Kind,
    section: &[u8],
    build: impl FnOnce(&mut FlatBufferBuilder<'static>) -> WIPOffset<T>,
) -> Vec<u8> {
    let mut bytes = Vec::new();
    FrameWriter::default().write(&mut bytes, kind, 9, &[section], build);
    bytes
}

/// A Hello that speaks these versions.
pub(crate) fn hello(version_min: u8, version_max: u8) -> Vec<u8> {
    sound(Kind::Hello, &[], |builder| {
        let client = Some(builder.create_string("adversary"));
        let args = table::HelloArgs { version_min, version_max, client, ..Default::default() };
        table::Hello::create(builder, &args)
    })
}
