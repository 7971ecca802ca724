//! Responder: the registration of one responder and the calls it has not taken yet. Pure state.

use crate::config::ResponderConfig;
use crate::outcome::Call;
use crate::session::consumer::Phase;
use std::collections::VecDeque;
use wire::MemberId;

/// One responder.
#[derive(Debug)]
pub(crate) struct ResponderState {
    pub(crate) config: ResponderConfig,
    /// As with a subscription.
    pub(crate) phase: Phase,
    /// It was registered before: a broken connection is no reason to give up.
    pub(crate) was_registered: bool,
    /// With the time each is worth nothing any more, monotonic.
    calls: VecDeque<(u64, Call)>,
    /// Calls that expired here before they were taken.
    pub(crate) expired_count: u64,
}

impl ResponderState {
    /// One that is to be registered.
    pub(crate) fn new(config: ResponderConfig) -> Self {
        let phase = Phase::Wanted { at_ns: 0 };
        Self { config, phase, was_registered: false, calls: VecDeque::new(), expired_count: 0 }
    }

    /// The registration we are known by.
    pub(crate) fn registration(&self) -> Option<MemberId> {
        if let Phase::Subscribed(responder) = self.phase { Some(responder) } else { None }
    }

    /// Whether the node was asked and did not answer yet.
    pub(crate) fn is_asked(&self) -> bool {
        self.phase == Phase::Asked
    }

    /// A call came. The node sends no more than `concurrency` per shard before replies.
    pub(crate) fn called(&mut self, call: Call, now_ns: u64) {
        let until_ns = now_ns.saturating_add(call.time_left_us.saturating_mul(1000));
        self.calls.push_back((until_ns, call));
    }

    /// The next call that can still be answered in time.
    pub(crate) fn next(&mut self, now_ns: u64) -> Option<Call> {
        while let Some((until_ns, call)) = self.calls.pop_front() {
            if until_ns > now_ns {
                return Some(call);
            }
            self.expired_count += 1;
        }
        None
    }

    /// When the registration is to be asked for, monotonic.
    pub(crate) fn wake_ns(&self) -> u64 {
        if let Phase::Wanted { at_ns } = self.phase { at_ns } else { u64::MAX }
    }

    /// The connection is gone: the node ends these calls itself.
    pub(crate) fn lost(&mut self, at_ns: u64) {
        self.calls.clear();
        if !matches!(self.phase, Phase::Ended(_)) {
            self.phase = Phase::Wanted { at_ns };
        }
    }
}
