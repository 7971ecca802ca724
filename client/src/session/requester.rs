//! Requester: the requests of one requester; exactly one outcome each. Pure state.
//!
//! A request that is on the wire is only an entry among the pending questions. Here
//! are those that cannot leave yet, and the outcomes that were not taken yet.

use crate::config::RequesterConfig;
use crate::outcome::{Outcome, RequestTicket};
use crate::placement::Choice;
use crate::trace::Tracing;
use std::collections::VecDeque;

/// A request that waits for its route or its connection.
#[derive(Debug)]
pub(crate) struct Unsent {
    pub(crate) request_id: u64,
    pub(crate) service: String,
    pub(crate) choice: Choice,
    pub(crate) deadline_ns: u64,
    pub(crate) section: Vec<u8>,
}

/// One requester.
#[derive(Debug)]
pub(crate) struct RequesterState {
    pub(crate) config: RequesterConfig,
    /// In the order they were begun.
    pub(crate) unsent: VecDeque<Unsent>,
    ended: VecDeque<(RequestTicket, Outcome)>,
    outstanding: usize,
    /// The next request is to be traced.
    pub(crate) traces_next: bool,
    /// The request that is traced, one at a time.
    pub(crate) tracing: Option<Tracing>,
    /// Keyless requests take the service's queues in turn.
    pub(crate) turn: usize,
}

impl RequesterState {
    /// One without requests.
    pub(crate) fn new(config: RequesterConfig) -> Self {
        let (unsent, ended) = (VecDeque::new(), VecDeque::new());
        let (traces_next, tracing) = (false, None);
        Self { config, unsent, ended, outstanding: 0, traces_next, tracing, turn: 0 }
    }

    /// Whether another request may begin.
    pub(crate) fn has_room(&self) -> bool {
        self.outstanding < self.config.outstanding_max
    }

    /// A request began.
    pub(crate) fn began(&mut self, request_id: u64, now_ns: u64) {
        self.outstanding += 1;
        if std::mem::take(&mut self.traces_next) {
            self.tracing = Some(Tracing::begin(request_id, now_ns));
        }
    }

    /// The trace of this request, if it is the traced one.
    pub(crate) fn tracing_of(&mut self, request_id: u64) -> Option<&mut Tracing> {
        self.tracing.as_mut().filter(|tracing| tracing.of == request_id)
    }

    /// A request ended. Its question is closed, so this happens once.
    pub(crate) fn ended(&mut self, request_id: u64, outcome: Outcome) {
        self.unsent.retain(|unsent| unsent.request_id != request_id);
        self.ended.push_back((RequestTicket(request_id), outcome));
    }

    /// The next outcome, in the order they came.
    pub(crate) fn next_outcome(&mut self) -> Option<(RequestTicket, Outcome)> {
        let next = self.ended.pop_front()?;
        self.outstanding -= 1;
        Some(next)
    }

    /// The outcome of this request.
    pub(crate) fn take_outcome(&mut self, ticket: RequestTicket) -> Option<Outcome> {
        let index = self.ended.iter().position(|(of, _)| *of == ticket)?;
        let (_, outcome) = self.ended.remove(index)?;
        self.outstanding -= 1;
        Some(outcome)
    }

    /// A request was given up by its caller; its question is closed.
    #[cfg(any(feature = "tokio", feature = "glommio"))]
    pub(crate) fn abandoned(&mut self, ticket: RequestTicket) {
        self.unsent.retain(|unsent| unsent.request_id != ticket.0);
        self.outstanding -= 1;
    }

    /// Requests begun whose outcome was not taken.
    pub(crate) fn outstanding(&self) -> usize {
        self.outstanding
    }
}
