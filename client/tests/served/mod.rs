//! Served: a node in memory behind a real listener on loopback, cutting lines at chosen bytes.

use crate::fake::FakeNode;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

/// A node behind a listener; each connection may carry so many bytes there and back, the last ones all.
pub(crate) struct Served {
    /// `host:port`.
    pub(crate) address: String,
    /// Gives the node back when its last connection is over.
    pub(crate) thread: JoinHandle<FakeNode>,
}

/// Serves connections one after another until `cuts` is used up and a client says goodbye or goes.
#[expect(clippy::disallowed_methods, reason = "a node needs a thread of its own")]
pub(crate) fn serve(mut node: FakeNode, cuts: Vec<(usize, usize)>) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = listener.local_addr().expect("bound").to_string();
    let thread = std::thread::spawn(move || {
        let last = std::iter::once((usize::MAX, usize::MAX));
        for (name, (there, back)) in cuts.into_iter().chain(last).enumerate() {
            let (stream, _) = listener.accept().expect("a client connects");
            carry(&mut node, name, stream, (there, back));
            node.disconnected(name);
        }
        node
    });
    Served { address, thread }
}

fn carry(node: &mut FakeNode, name: usize, mut stream: TcpStream, budget: (usize, usize)) {
    let (mut there, mut back) = budget;
    let mut buffer = [0; 4096];
    while there > 0 && back > 0 {
        let room = buffer.len().min(there);
        let Ok(count @ 1..) = stream.read(&mut buffer[..room]) else { return };
        there -= count;
        let mut answer = node.receive(name, &buffer[..count]);
        for (to, frame) in node.take_mail() {
            assert_eq!(to, name, "one connection at a time");
            answer.extend(frame);
        }
        let bytes = answer.len().min(back);
        back -= bytes;
        if stream.write_all(&answer[..bytes]).is_err() {
            return;
        }
    }
}
