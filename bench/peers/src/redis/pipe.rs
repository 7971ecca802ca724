//! Pipe: the commands of one end: gathered until the port's turn, sent as one pipeline, answered in their order.

use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, RedisResult, Value};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use futures_util::FutureExt;

/// Pipelines of one end under way; what is gathered beyond waits and becomes one larger one.
const UNDER_WAY_MAX: usize = 64;

/// Pipes that have gathered something since the port's last turn.
#[derive(Clone, Debug, Default)]
pub(super) struct Gathered(Rc<RefCell<Vec<Pipe>>>);

impl Gathered {
    /// Sends what every pipe has.
    pub(super) fn send(&self) {
        self.0.borrow_mut().retain(|pipe| !pipe.send());
    }
}

/// The commands of one end.
#[derive(Clone)]
pub(super) struct Pipe {
    state: Rc<RefCell<State>>,
    gathered: Gathered,
}

struct State {
    connection: MultiplexedConnection,
    next: Pipeline,
    under_way: VecDeque<UnderWay>,
}

/// A pipeline that was sent.
struct UnderWay {
    count: usize,
    answer: Pin<Box<dyn Future<Output = RedisResult<Vec<Value>>>>>,
    /// It was answered when it was sent: the connection is closed.
    early: Option<RedisResult<Vec<Value>>>,
}

/// What came of a pipeline.
#[derive(Debug)]
pub(super) struct Landed {
    /// Its commands.
    pub(super) count: usize,
    /// One answer for each.
    pub(super) answers: RedisResult<Vec<Value>>,
}

impl Pipe {
    /// A pipe over `connection`, which others may use too; `gathered` is the port's.
    pub(super) fn new(connection: MultiplexedConnection, gathered: &Gathered) -> Self {
        let state = State { connection, next: Pipeline::new(), under_way: VecDeque::new() };
        Self { state: Rc::new(RefCell::new(state)), gathered: gathered.clone() }
    }

    /// Adds a command; it leaves with the port's next turn.
    pub(super) fn add(&self, command: Cmd) {
        let next = &mut self.state.borrow_mut().next;
        if next.is_empty() {
            self.gathered.0.borrow_mut().push(self.clone());
        }
        next.add_command(command);
    }

    /// The next pipeline that was answered, in the order they were sent.
    pub(super) fn landed(&self) -> Option<Landed> {
        let under_way = &mut self.state.borrow_mut().under_way;
        let first = under_way.front_mut()?;
        let answers = first.early.take().or_else(|| first.answer.as_mut().now_or_never())?;
        let count = first.count;
        under_way.pop_front();
        Some(Landed { count, answers })
    }

    /// Sends what was gathered, unless too much is under way; true: nothing is left.
    fn send(&self) -> bool {
        let mut state = self.state.borrow_mut();
        if state.under_way.len() >= UNDER_WAY_MAX {
            return false;
        }
        let pipeline = std::mem::take(&mut state.next);
        let count = pipeline.len();
        let mut connection = state.connection.clone();
        let mut answer =
            async move { connection.send_packed_commands(&pipeline, 0, count).await }.boxed_local();
        // Polled for the first time it goes to the connection.
        let early = answer.as_mut().now_or_never();
        state.under_way.push_back(UnderWay { count, answer, early });
        true
    }
}

impl fmt::Debug for Pipe {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Pipe").finish_non_exhaustive()
    }
}
