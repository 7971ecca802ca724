//! Floor: the least the machine under the bus can take, measured with nothing of the bus.
//!
//! | floor | bounds |
//! |---|---|
//! | echo: one message over loopback and back | one round trip of any client |
//! | two hops: requester, relay, responder and back | a request and its reply |
//! | flush: one block written and synced | a durable publish, together with an echo |

use crate::clock::{Cores, Moment, pin, spawn};
use crate::disk::{BLOCK_BYTES, Segment};
use crate::ends::{self, End, Wait};
use crate::measured::{Measured, Spans};
use std::io;
use std::path::Path;
use std::time::Duration;

/// Messages that are not counted: caches, branch predictors and sockets warm up.
const WARM_UP_COUNT: u64 = 2000;

/// How a floor over sockets is measured.
#[derive(Clone, Copy, Debug)]
pub struct Hops {
    /// Length of the message, in bytes.
    pub message_bytes: usize,
    /// How all ends wait.
    pub wait: Wait,
    /// Where they run.
    pub cores: Cores,
    /// How long to measure.
    pub span: Duration,
}

impl Hops {
    fn setting(&self) -> String {
        format!("{} B, {}", self.message_bytes, self.wait.word())
    }
}

/// One message over loopback and back.
pub fn echo(hops: Hops) -> io::Result<Measured> {
    let (listener, address) = ends::listen()?;
    let server = spawn(hops.cores.server, move || {
        ends::echo(ends::accept(&listener, hops.message_bytes, hops.wait)?)
    });
    let client = spawn(hops.cores.client, move || {
        let mut end = ends::connect(address, hops.message_bytes, hops.wait)?;
        measure("echo floor", hops, || {
            end.send()?;
            end.take()
        })
    });
    let measured = joined(client)?;
    joined(server)?;
    Ok(measured)
}

/// A message to a relay, from there to a responder, and its answer back; both ends on one thread.
pub fn two_hops(hops: Hops) -> io::Result<Measured> {
    let (listener, address) = ends::listen()?;
    let server = spawn(hops.cores.server, move || {
        let requester = ends::accept(&listener, hops.message_bytes, hops.wait)?;
        ends::relay(requester, ends::accept(&listener, hops.message_bytes, hops.wait)?)
    });
    let client = spawn(hops.cores.client, move || {
        let mut requester = ends::connect(address, hops.message_bytes, hops.wait)?;
        let mut responder = ends::connect(address, hops.message_bytes, hops.wait)?;
        let mut call = || request(&mut requester, &mut responder);
        measure("two hops floor", hops, &mut call)
    });
    let measured = joined(client)?;
    joined(server)?;
    Ok(measured)
}

fn request(requester: &mut End, responder: &mut End) -> io::Result<bool> {
    requester.send()?;
    let asked = responder.take()?;
    responder.send()?;
    Ok(asked && requester.take()?)
}

/// One block written and synced, in `folder`.
pub fn flush(folder: &Path, span: Duration) -> io::Result<Measured> {
    let mut segment = Segment::prepare(folder)?;
    for _ in 0..32 {
        segment.flush_block()?;
    }
    let mut spans = Spans::default();
    let all = Moment::now();
    while all.elapsed() < span {
        let begun = Moment::now();
        segment.flush_block()?;
        spans.add(begun.elapsed());
    }
    let setting = format!("{BLOCK_BYTES} B, write + fdatasync");
    Ok(Measured::new("flush floor", setting, &spans, all.elapsed()))
}

fn measure(
    work: &str,
    hops: Hops,
    mut once: impl FnMut() -> io::Result<bool>,
) -> io::Result<Measured> {
    pin(hops.cores.client);
    for _ in 0..WARM_UP_COUNT {
        once()?;
    }
    let mut spans = Spans::default();
    let all = Moment::now();
    while all.elapsed() < hops.span {
        let begun = Moment::now();
        if !once()? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        spans.add(begun.elapsed());
    }
    Ok(Measured::new(work, hops.setting(), &spans, all.elapsed()))
}

fn joined<T>(thread: std::thread::JoinHandle<io::Result<T>>) -> io::Result<T> {
    thread.join().map_err(|_| io::Error::other("a thread of the measurement panicked"))?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hops(wait: Wait) -> Hops {
        let span = Duration::from_millis(20);
        Hops { message_bytes: 64, wait, cores: Cores::default(), span }
    }

    #[test]
    fn an_echo_comes_back() {
        assert!(echo(hops(Wait::Sleep)).expect("measured").count > 0);
    }

    #[test]
    fn a_request_crosses_the_relay_and_comes_back() {
        assert!(two_hops(hops(Wait::Sleep)).expect("measured").count > 0);
    }
}
