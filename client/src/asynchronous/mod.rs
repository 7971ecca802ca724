//! Asynchronous: the client for async runtimes. Its futures move the bytes; no task runs behind them.
//!
//! Everything here is one driver over one small trait, `Net`; `client::tokio` and
//! `client::glommio` name its parts for each runtime. A client stays on one thread,
//! any number of its tasks may wait at once: whichever is polled moves the bytes of all
//! of them and wakes the others.
//!
//! There are no timeouts on `next` and its kin: dropping such a future loses
//! nothing, so the runtime's own `timeout` and `select` serve. Heartbeats move
//! only while some future of the client is polled.

mod admin;
mod consumer;
mod driver;
mod producer;
mod requester;
mod responder;

use crate::catalog::NodeInfo;
use crate::config::{
    ClientConfig, ConsumerConfig, ProducerConfig, RequesterConfig, ResponderConfig,
};
use crate::error::{CallError, ConnectError};
use crate::session::Session;
use crate::session::calls::Taken;
use driver::{Driver, wait_for};
use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

pub use admin::Admin;
pub use consumer::Consumer;
pub use producer::Producer;
pub use requester::Requester;
pub use responder::Responder;

/// A future that owns what it needs.
pub type Boxed<T> = Pin<Box<dyn Future<Output = T>>>;

/// What a driver needs of a runtime: streams and sleep.
pub trait Net: 'static {
    /// An open connection.
    type Stream: 'static;

    /// Connects to `host:port`, without delay of small writes.
    fn connect(address: String) -> Boxed<io::Result<Self::Stream>>;

    /// Reads what is there; registers the task if nothing is.
    fn poll_read(
        stream: &mut Self::Stream,
        context: &mut Context<'_>,
        space: &mut [u8],
    ) -> Poll<io::Result<usize>>;

    /// Writes what fits; registers the task if nothing does.
    fn poll_write(
        stream: &mut Self::Stream,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>>;

    /// Ends after `span`.
    fn sleep(span: Duration) -> Boxed<()>;
}

/// What the parts of a client share.
type Shared<N> = Rc<RefCell<Driver<N>>>;

/// A client of one node.
#[derive(Debug)]
pub struct Client<N: Net> {
    driver: Shared<N>,
}

impl<N: Net> Clone for Client<N> {
    fn clone(&self) -> Self {
        Self { driver: Rc::clone(&self.driver) }
    }
}

impl<N: Net> Client<N> {
    /// Connects and shakes hands, within the configured `connect_timeout` for each.
    pub async fn connect(config: ClientConfig) -> Result<Self, ConnectError> {
        let driver = Rc::new(RefCell::new(Driver::new(config)));
        wait_for(&driver, |session| {
            if session.is_ready() {
                return Some(Ok(()));
            }
            session.failure().cloned().map(Err)
        })
        .await?;
        Ok(Self { driver })
    }

    /// The node, as it introduced itself last.
    pub fn node(&self) -> NodeInfo {
        self.driver.borrow().session.node().clone()
    }

    /// The calls about topics, groups, offsets and the node itself.
    pub fn admin(&self) -> Admin<N> {
        Admin::new(Rc::clone(&self.driver))
    }

    /// A producer: learns the topic's route and opens a producer id.
    pub async fn producer(&self, config: ProducerConfig) -> Result<Producer<N>, CallError> {
        Producer::open(Rc::clone(&self.driver), config).await
    }

    /// A consumer: subscribes. Assignments arrive while it is polled.
    pub async fn consumer(&self, config: ConsumerConfig) -> Result<Consumer<N>, CallError> {
        Consumer::open(Rc::clone(&self.driver), config).await
    }

    /// A requester. Routes of services are learnt on first use.
    pub fn requester(&self, config: RequesterConfig) -> Requester<N> {
        Requester::new(Rc::clone(&self.driver), config)
    }

    /// A responder: registers for a service.
    pub async fn responder(&self, config: ResponderConfig) -> Result<Responder<N>, CallError> {
        Responder::open(Rc::clone(&self.driver), config).await
    }

    /// Moves the bytes of all parts of this client, for ever: for a task of its own, in programs
    /// whose other tasks may be busy elsewhere for longer than a heartbeat.
    pub async fn run(&self) {
        wait_for::<N, ()>(&self.driver, |_| None).await;
    }

    /// Sends what is queued and a goodbye. The connections close with the last part of the client.
    pub async fn close(self) {
        self.driver.borrow_mut().session.advance();
        self.driver.borrow_mut().session.say_goodbye();
        wait_for(&self.driver, |session| (!session.has_outgoing()).then_some(())).await;
    }
}

/// The deadline of a call that begins now, monotonic.
fn call_deadline_ns<N: Net>(driver: &Shared<N>) -> u64 {
    let mut driver = driver.borrow_mut();
    let timeout = driver.session.config().call_timeout;
    driver.after(timeout)
}

/// Waits for something to be opened by the client's `call_timeout`.
async fn opened<N: Net>(
    driver: &Shared<N>,
    ready: impl Fn(&Session) -> Option<Result<(), CallError>>,
) -> Result<(), CallError> {
    let until_ns = call_deadline_ns(driver);
    driver.borrow_mut().session.wake_at(until_ns);
    wait_for(driver, |session| {
        let late = session.now_ns() >= until_ns;
        if !late {
            session.wake_at(until_ns);
        }
        ready(session).or_else(|| late.then(|| Err(session.unopened())))
    })
    .await
}

/// Waits for the answer of a call; a call ends at its own deadline at the latest.
async fn answer<N: Net>(driver: &Shared<N>, call: usize) -> Result<Taken, CallError> {
    let mut waiting = Waiting { driver, call: Some(call) };
    let answer = wait_for(driver, |session| session.take_call(call)).await;
    waiting.call = None;
    answer
}

/// A call whose future may be dropped before the answer.
struct Waiting<'a, N: Net> {
    driver: &'a Shared<N>,
    call: Option<usize>,
}

impl<N: Net> Drop for Waiting<'_, N> {
    fn drop(&mut self) {
        if let (Some(call), Ok(mut driver)) = (self.call, self.driver.try_borrow_mut()) {
            driver.session.drop_call(call);
        }
    }
}
