//! Calls: questions with one answer and a deadline. A call waits for its connection; once sent it is never sent again.

use super::links::Target;
use super::pending::{Owner, Question};
use super::{HOME, Session};
use crate::error::{CallError, Refusal, UnknownCause};
pub(crate) use crate::session::inbox::Taken;
use wire::FrameWriter;

/// One call.
#[derive(Debug)]
pub(crate) struct CallState {
    request_id: u64,
    target: Target,
    /// The whole frame, until it is sent.
    unsent: Option<Vec<u8>>,
    answer: Option<Result<Taken, CallError>>,
}

impl Session {
    /// Begins a call; `write` appends its frame under the request id it is given.
    pub(crate) fn begin_call(
        &mut self,
        target: Target,
        deadline_ns: u64,
        write: impl FnOnce(&mut FrameWriter, &mut Vec<u8>, u64),
    ) -> usize {
        let unsent = Some(Vec::new());
        let key = self.calls.insert(CallState { request_id: 0, target, unsent, answer: None });
        let question = Question { owner: Owner::Call(key), connection: None, deadline_ns };
        let request_id = self.pending.insert(question);
        let Some(call) = self.calls.get_mut(key) else { return key };
        let Some(request_id) = request_id else {
            call.unsent = None;
            call.answer = Some(Err(CallError::NotSent));
            return key;
        };
        call.request_id = request_id;
        let mut frame = Vec::new();
        write(&mut self.writer, &mut frame, request_id);
        call.unsent = Some(frame);
        self.unsent_calls += 1;
        self.wake_at(deadline_ns);
        key
    }

    /// The answer, once it is there; the call is over then.
    pub(crate) fn take_call(&mut self, key: usize) -> Option<Result<Taken, CallError>> {
        let answer = self.calls.get_mut(key)?.answer.take()?;
        self.calls.remove(key);
        Some(answer)
    }

    /// Nobody waits for the answer any more.
    pub(crate) fn drop_call(&mut self, key: usize) {
        if let Some(call) = self.calls.remove(key) {
            self.pending.remove(call.request_id);
            self.unsent_calls -= usize::from(call.unsent.is_some());
        }
    }

    /// Sends the calls that wait and whose connection is open.
    pub(super) fn send_calls(&mut self) {
        if self.unsent_calls == 0 {
            return;
        }
        let mut from = 0;
        while let Some(key) = self.calls.key_from(from) {
            from = key + 1;
            let Some(CallState { target, unsent: Some(_), .. }) = self.calls.get(key) else {
                continue;
            };
            let target = *target;
            let Some(index) = self.open_place(target) else { continue };
            self.send_call(key, index);
        }
    }

    /// Sends a call on home at once if home is open: after everything written there before.
    pub(super) fn send_call_now(&mut self, key: usize) {
        if self.connections[HOME].is_ready() {
            self.send_call(key, HOME);
        }
    }

    fn send_call(&mut self, key: usize, index: usize) {
        let Some(call) = self.calls.get_mut(key) else { return };
        let Some(frame) = call.unsent.take() else { return };
        self.unsent_calls -= 1;
        if let Some(question) = self.pending.get_mut(call.request_id) {
            question.connection = Some(index);
            self.connections[index].outbox().extend_from_slice(&frame);
        }
    }

    pub(super) fn call_answered(&mut self, key: usize, answer: Result<Taken, CallError>) {
        if let Some(call) = self.calls.get_mut(key) {
            call.answer = Some(answer);
        }
    }

    pub(super) fn call_refused(&mut self, key: usize, refusal: Refusal) {
        self.call_answered(key, Err(CallError::Refused(refusal)));
    }

    pub(super) fn call_expired(&mut self, key: usize, was_sent: bool) {
        if !was_sent
            && let Some(call) = self.calls.get_mut(key)
            && call.unsent.take().is_some()
        {
            self.unsent_calls -= 1;
        }
        let error =
            if was_sent { CallError::Unknown(UnknownCause::TimedOut) } else { CallError::NotSent };
        self.call_answered(key, Err(error));
    }
}
