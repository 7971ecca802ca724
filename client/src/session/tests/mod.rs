//! Tests of the session against a node in memory: no sockets, no clock, every cut at every byte.

#[path = "../../../tests/fake/mod.rs"]
#[expect(clippy::wildcard_enum_match_arm, reason = "a fake answers what tests ask, and no more")]
mod fake;

mod consuming;
mod living;
mod publishing;
mod requesting;

use super::Session;
use crate::clock::Now;
use crate::config::ClientConfig;
use fake::FakeNode;

/// A session, its node, and the lines between them.
struct World {
    session: Session,
    node: FakeNode,
    now_ns: u64,
    /// Bytes the first connection may still carry to the node and back; then it breaks.
    budget: Option<(usize, usize)>,
    /// While set, nothing connects.
    down: bool,
    /// While set, lines are open and carry nothing.
    silent: bool,
    /// Connection and the number under which the node knows it.
    open: Vec<Option<(u64, usize)>>,
    accepted: usize,
    addresses: Vec<String>,
}

impl World {
    fn new(node: FakeNode) -> Self {
        let config = ClientConfig::new("node:0");
        let session = Session::new(config, 7, Now::default());
        Self {
            session,
            node,
            now_ns: 0,
            budget: None,
            down: false,
            silent: false,
            open: Vec::new(),
            accepted: 0,
            addresses: Vec::new(),
        }
    }

    /// One turn, a millisecond long.
    fn turn(&mut self) {
        self.now_ns += 1_000_000;
        self.session.set_now(Now { mono_ns: self.now_ns, wall_ns: self.now_ns });
        self.session.tick();
        self.connect();
        self.session.advance();
        if self.silent {
            return;
        }
        for index in 0..self.open.len() {
            let Some((generation, name)) = self.open[index] else { continue };
            if self.session.generation(index) != generation {
                self.node.disconnected(name);
                self.open[index] = None;
                continue;
            }
            self.carry(index, name);
        }
    }

    fn connect(&mut self) {
        for index in 0..self.session.connection_end() {
            if self.open.len() <= index {
                self.open.push(None);
            }
            let Some(address) = self.session.connects(index).map(str::to_owned) else { continue };
            self.session.connecting(index);
            if self.down {
                let cause = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
                self.session.not_connected(index, &cause);
                continue;
            }
            self.addresses.push(address);
            self.open[index] = Some((self.session.generation(index), self.accepted));
            self.accepted += 1;
            self.session.connected(index);
        }
    }

    fn carry(&mut self, index: usize, name: usize) {
        let outgoing = self.session.outgoing(index).to_vec();
        let (there, back) = self.budget.unwrap_or((usize::MAX, usize::MAX));
        let there_bytes = outgoing.len().min(there);
        self.session.sent(index, there_bytes);
        let mut answer = Vec::new();
        for (to, frame) in self.node.take_mail() {
            assert_eq!(to, name, "one connection consumes in these tests");
            answer.extend(frame);
        }
        answer.extend(self.node.receive(name, &outgoing[..there_bytes]));
        let back_bytes = answer.len().min(back);
        for part in answer[..back_bytes].chunks(1000) {
            self.session.space(index)[..part.len()].copy_from_slice(part);
            self.session.received(index, part.len());
        }
        let broken = there_bytes < outgoing.len() || back_bytes < answer.len();
        if broken {
            self.session.lost(index);
            self.node.disconnected(name);
            self.open[index] = None;
            self.budget = None;
        } else if let Some((there, back)) = &mut self.budget {
            *there -= there_bytes;
            *back -= back_bytes;
        }
    }

    /// Turns until `done`, which must happen within so many milliseconds.
    fn until<T>(&mut self, within_ms: u32, mut done: impl FnMut(&mut Session) -> Option<T>) -> T {
        for _ in 0..within_ms {
            if let Some(found) = done(&mut self.session) {
                return found;
            }
            self.turn();
        }
        panic!("not done within {within_ms} ms");
    }

    fn ready(node: FakeNode) -> Self {
        let mut world = Self::new(node);
        world.until(100, |session| session.is_ready().then_some(()));
        world
    }
}
