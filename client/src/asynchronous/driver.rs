//! Driver: moves bytes and time for a session, within whichever of its futures is polled.
//!
//! A runtime wakes only the task that polled a stream last. So every future that
//! waits leaves its waker here; one that moved bytes wakes the others, and one that
//! ends or is dropped wakes them too: one of them then polls the streams in its place.

use super::{Boxed, Net};
use crate::clock::{Clock, nanoseconds, seed};
use crate::config::ClientConfig;
use crate::session::Session;
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Bytes move at least so often while a caller takes what is there already, in nanoseconds.
const TURN_EVERY_NS: u64 = 1_000_000;
/// Turns within one poll: then the task yields to the others of its thread.
const TURNS_MAX: u32 = 64;

/// Where the runtime's side of a connection stands.
enum Link<N: Net> {
    Closed,
    Connecting(Boxed<io::Result<N::Stream>>),
    Open(N::Stream, u64),
}

/// Moves bytes for one session.
pub(crate) struct Driver<N: Net> {
    /// The state machine.
    pub(crate) session: Session,
    clock: Clock,
    links: Vec<Link<N>>,
    /// The time the sleep ends, monotonic.
    sleep: Option<(u64, Boxed<()>)>,
    waiting: Vec<Waker>,
    /// When bytes moved last, monotonic.
    moved_ns: u64,
}

impl<N: Net> std::fmt::Debug for Driver<N> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Driver").field("session", &self.session).finish_non_exhaustive()
    }
}

impl<N: Net> Driver<N> {
    pub(super) fn new(config: ClientConfig) -> Self {
        let clock = Clock::new();
        let session = Session::new(config, seed(), clock.now());
        Self { session, clock, links: Vec::new(), sleep: None, waiting: Vec::new(), moved_ns: 0 }
    }

    /// Reads the clock; the time in `wait` from now, monotonic.
    pub(super) fn after(&mut self, wait: Duration) -> u64 {
        self.session.set_now(self.clock.now());
        self.session.now_ns().saturating_add(nanoseconds(wait))
    }

    /// Something was queued outside of any wait: has it sent.
    pub(super) fn wake_all(&mut self) {
        self.waiting.drain(..).for_each(Waker::wake);
    }

    /// One turn. True: something moved.
    fn turn(&mut self, context: &mut Context<'_>) -> bool {
        self.session.set_now(self.clock.now());
        self.moved_ns = self.session.now_ns();
        let mut moved = false;
        for index in 0..self.session.connection_end() {
            moved |= self.connect(index, context);
            moved |= self.read(index, context);
        }
        if self.session.now_ns() >= self.session.wake_ns() {
            self.session.tick();
            moved = true;
        }
        self.session.advance();
        for index in 0..self.links.len() {
            moved |= self.write(index, context);
        }
        moved
    }

    fn connect(&mut self, index: usize, context: &mut Context<'_>) -> bool {
        if self.links.len() <= index {
            self.links.push(Link::Closed);
        }
        let generation = self.session.generation(index);
        if matches!(&self.links[index], Link::Open(_, of) if *of != generation) {
            self.links[index] = Link::Closed;
        }
        if let Some(address) = self.session.connects(index) {
            let connecting = N::connect(address.to_owned());
            self.links[index] = Link::Connecting(connecting);
            self.session.connecting(index);
        }
        let Link::Connecting(connecting) = &mut self.links[index] else { return false };
        if !self.session.is_connecting(index) {
            self.links[index] = Link::Closed; // it took too long
            return true;
        }
        match connecting.as_mut().poll(context) {
            Poll::Pending => return false,
            Poll::Ready(Ok(stream)) => {
                self.links[index] = Link::Open(stream, generation);
                self.session.connected(index);
            }
            Poll::Ready(Err(cause)) => {
                self.links[index] = Link::Closed;
                self.session.not_connected(index, &cause);
            }
        }
        true
    }

    fn read(&mut self, index: usize, context: &mut Context<'_>) -> bool {
        let Link::Open(stream, generation) = &mut self.links[index] else { return false };
        if *generation != self.session.generation(index) {
            return false;
        }
        match N::poll_read(stream, context, self.session.space(index)) {
            Poll::Pending => return false,
            Poll::Ready(Ok(0) | Err(_)) => self.session.lost(index),
            Poll::Ready(Ok(bytes)) => self.session.received(index, bytes),
        }
        true
    }

    fn write(&mut self, index: usize, context: &mut Context<'_>) -> bool {
        let Link::Open(stream, generation) = &mut self.links[index] else { return false };
        let outgoing = self.session.outgoing(index);
        if *generation != self.session.generation(index) || outgoing.is_empty() {
            return false;
        }
        match N::poll_write(stream, context, outgoing) {
            Poll::Pending => return false,
            Poll::Ready(Ok(0) | Err(_)) => self.session.lost(index),
            Poll::Ready(Ok(bytes)) => self.session.sent(index, bytes),
        }
        true
    }

    /// Arms the runtime's timer for the session's next wish. True: it is due already.
    fn sleep(&mut self, context: &mut Context<'_>) -> bool {
        let wake_ns = self.session.wake_ns();
        let now_ns = self.session.now_ns();
        if wake_ns <= now_ns {
            return true;
        }
        if self.sleep.as_ref().is_none_or(|(until_ns, _)| *until_ns != wake_ns) {
            let span = Duration::from_nanos(wake_ns - now_ns);
            self.sleep = Some((wake_ns, N::sleep(span)));
        }
        let Some((_, sleep)) = &mut self.sleep else { return false };
        let over = sleep.as_mut().poll(context).is_ready();
        if over {
            self.sleep = None;
        }
        over
    }

    /// Moves what can be moved until `take` finds something or nothing moves any more.
    fn poll<T>(
        &mut self,
        context: &mut Context<'_>,
        take: &mut impl FnMut(&mut Session) -> Option<T>,
    ) -> Poll<T> {
        let mut moved_any = false;
        for _ in 0..TURNS_MAX {
            self.session.set_now(self.clock.now());
            if let Some(found) = take(&mut self.session) {
                // Acknowledgements and heartbeats leave even while there is always something to take.
                if self.session.now_ns().saturating_sub(self.moved_ns) >= TURN_EVERY_NS {
                    self.turn(context);
                }
                self.wake_all(); // another one polls the streams from here on
                return Poll::Ready(found);
            }
            let moved = self.turn(context);
            moved_any |= moved;
            if !moved && !self.sleep(context) {
                if moved_any {
                    self.wake_all();
                }
                if !self.waiting.iter().any(|waker| waker.will_wake(context.waker())) {
                    self.waiting.push(context.waker().clone());
                }
                return Poll::Pending;
            }
        }
        context.waker().wake_by_ref();
        self.wake_all();
        Poll::Pending
    }
}

/// Wakes the others when a wait ends, however it ends.
struct Handover<'a, N: Net>(&'a RefCell<Driver<N>>);

impl<N: Net> Drop for Handover<'_, N> {
    fn drop(&mut self) {
        if let Ok(mut driver) = self.0.try_borrow_mut() {
            driver.wake_all();
        }
    }
}

/// Moves bytes until `take` finds something.
pub(super) async fn wait_for<N: Net, T>(
    driver: &RefCell<Driver<N>>,
    mut take: impl FnMut(&mut Session) -> Option<T>,
) -> T {
    let _handover = Handover(driver);
    poll_fn(|context| driver.borrow_mut().poll(context, &mut take)).await
}
