//! Ends: plain sockets: an echo, a relay between two peers, and the ends that talk to them.
//!
//! ```text
//!   echo:   client --> server --> client                            one hop and back
//!   relay:  requester --> relay --> responder --> relay --> requester    two hops and back
//! ```
//!
//! The least a process can do with a socket: no frames, no checksums, one
//! message of a fixed size at a time. Both sides either spin or sleep.

use clap::ValueEnum;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

/// How an end waits for bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Wait {
    /// Reads again and again: the least latency, a whole core.
    #[default]
    Spin,
    /// Sleeps in the kernel.
    Sleep,
}

impl Wait {
    /// In one word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Spin => "spin",
            Self::Sleep => "sleep",
        }
    }
}

/// A socket that sends and takes whole messages of one size.
#[derive(Debug)]
pub struct End {
    stream: TcpStream,
    message: Vec<u8>,
}

impl End {
    /// An end over `stream`, for messages of `message_bytes`.
    pub fn new(stream: TcpStream, message_bytes: usize, wait: Wait) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_nonblocking(wait == Wait::Spin)?;
        Ok(Self { stream, message: vec![0x5A; message_bytes] })
    }

    /// Sends the message.
    pub fn send(&mut self) -> io::Result<()> {
        let mut rest = self.message.as_slice();
        while !rest.is_empty() {
            match self.stream.write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(bytes) => rest = &rest[bytes..],
                Err(error) => go_on(&error).then_some(()).ok_or(error)?,
            }
        }
        Ok(())
    }

    /// Takes one message. False: the peer is done.
    pub fn take(&mut self) -> io::Result<bool> {
        let mut filled = 0;
        while filled < self.message.len() {
            match self.stream.read(&mut self.message[filled..]) {
                Ok(0) => return Ok(false),
                Ok(bytes) => filled += bytes,
                Err(error) => go_on(&error).then_some(()).ok_or(error)?,
            }
        }
        Ok(true)
    }
}

/// Whether a failed call is only to be made again.
fn go_on(error: &io::Error) -> bool {
    std::hint::spin_loop();
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// A listener on loopback, on a port the kernel chose.
pub fn listen() -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Connects to `address`.
pub fn connect(address: SocketAddr, message_bytes: usize, wait: Wait) -> io::Result<End> {
    End::new(TcpStream::connect(address)?, message_bytes, wait)
}

/// Accepts one peer.
pub fn accept(listener: &TcpListener, message_bytes: usize, wait: Wait) -> io::Result<End> {
    let (stream, _) = listener.accept()?;
    End::new(stream, message_bytes, wait)
}

/// Sends back every message until the peer is done.
pub fn echo(mut end: End) -> io::Result<()> {
    while end.take()? {
        end.send()?;
    }
    Ok(())
}

/// Carries each message of `requester` to `responder` and its answer back, until the requester is done.
pub fn relay(mut requester: End, mut responder: End) -> io::Result<()> {
    while requester.take()? {
        responder.send()?;
        if !responder.take()? {
            return Ok(());
        }
        requester.send()?;
    }
    Ok(())
}
